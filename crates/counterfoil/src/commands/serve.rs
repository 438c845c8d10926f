//! `counterfoil serve`.

use clap::Args;

use crate::client::Connect;
use crate::config::Config;
use crate::output::{self, Failure};
use crate::server::{Server, stop_signal};

/// What to serve and where.
#[derive(Args)]
pub struct Serve {
    /// Address and port to listen on
    #[arg(long)]
    listen: Option<String>,
}

impl Serve {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let mut config = connect.config_to_serve()?;
        if let Some(listen) = &self.listen {
            config.server.listen.clone_from(listen);
            config
                .check_exposure()
                .map_err(|(section, key, why)| Failure::usage(format!("`{section}.{key}`: {why}")))?;
        }
        logging(&config);
        let stop = stop_signal()?;
        let listen = config.server.listen.clone();
        let data = config.server.data.display().to_string();
        let server = Server::open(config).await?;
        let listening = server.listen(stop.clone()).await?;
        if json {
            output::json(&serde_json::json!({"listening": listening.url, "data": data}))?;
        } else {
            output::line(format!("counterfoil serves {data} on {} (asked for {listen})", listening.url))?;
        }
        server.serve(listening, stop).await
    }
}

/// Sends log messages to standard error as the settings say.
pub fn logging(config: &Config) {
    let filter = tracing_subscriber::EnvFilter::try_new(&config.telemetry.filter)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let set = match config.telemetry.format.as_str() {
        "json" => lines.json().try_init(),
        _ => lines.try_init(),
    };
    if let Err(error) = set {
        output::note(&format!("log messages go where they went before: {error}"));
    }
}
