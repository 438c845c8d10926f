//! `counterfoil demo`: the whole story on one machine, from set-up to a tampered package being caught.
//!
//! It uses the same commands that a person would type, against a server that it starts; only the outside provider is
//! made up, and called a stand-in wherever it appears.

mod people;
mod scenario;
mod stand_in;
mod tamper;
mod traffic;

use std::path::{Path, PathBuf};

use clap::Args;
use tokio::sync::watch;

use crate::client::Connect;
use crate::commands;
use crate::config::Config;
use crate::output::{self, Failure};
use crate::server::{Server, stop_signal};

/// How to run the demo.
#[derive(Args)]
pub struct Demo {
    /// End when the story is told, instead of serving on
    #[arg(long)]
    exit: bool,
    /// Address and port to listen on; another port is taken when it is in use
    #[arg(long, default_value = "127.0.0.1:8600")]
    listen: String,
    /// Directory for the evidence package and the data; made when it does not exist
    #[arg(long, default_value = "counterfoil-demo")]
    dir: PathBuf,
}

impl Demo {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        std::fs::create_dir_all(&self.dir)?;
        let mut config = Config::default();
        config.server.data = connect.data().unwrap_or_else(|| self.dir.join("data"));
        // Beside the data, so that the demo leaves nothing in anybody's home.
        config.server.state = self.dir.join("state").display().to_string();
        config.server.listen = free(&self.listen);
        config.organisation.name = "Example Lending".to_owned();
        config.telemetry.filter = "warn".to_owned();
        commands::logging(&config);
        let stand_in = stand_in::StandIn::start().await?;
        let say = Say { json };
        say.step(&format!("starting the server on {}", config.server.data.display()));
        let stop = stop_signal()?;
        let data = config.server.data.clone();
        let server = Server::open(config).await?;
        let (end, ended) = watch::channel(false);
        let listening = server.listen(ended.clone()).await?;
        let url = listening.url.clone();
        let serving = tokio::spawn(server.serve(listening, ended));
        let told = tell(&say, &self.dir, &data, &url, &stand_in.url, !self.exit).await;
        if told.is_ok() && !self.exit {
            say.line(&format!("\nServing on {url}; stop with Ctrl-C."));
            let mut stop = stop;
            let _ = stop.wait_for(|stop| *stop).await;
        }
        let _ = end.send(true);
        serving.await.map_err(|e| Failure::io(e.to_string()))??;
        told
    }
}

/// Runs the scenario and prints what it found.
async fn tell(say: &Say, dir: &Path, data: &Path, url: &str, stand_in: &str, goes_on: bool) -> Result<(), Failure> {
    let token = std::fs::read_to_string(data.join("operator.token"))?;
    let connect = Connect::to(url, token.trim());
    let mut found = scenario::run(say, dir, &connect, url, stand_in).await?;
    if goes_on {
        let link = commands::signin_link(&connect).await?;
        say.line(&format!("\nSign in (once, within 15 minutes): {}", link["url"].as_str().unwrap_or_default()));
        found["signin"] = link["url"].clone();
    }
    if say.json {
        output::json(&found)?;
    }
    Ok(())
}

/// The wanted address, or one with a free port when it is taken.
fn free(wanted: &str) -> String {
    match std::net::TcpListener::bind(wanted) {
        Ok(_) => wanted.to_owned(),
        Err(_) => "127.0.0.1:0".to_owned(),
    }
}

/// Tells how the story goes on: as text on standard output, or nothing with `--json`.
pub struct Say {
    json: bool,
}

impl Say {
    /// A line.
    pub fn line(&self, text: &str) {
        if !self.json {
            // The story goes on when nobody reads any more.
            let _ = output::line(text);
        }
    }

    /// A step of the story.
    pub fn step(&self, text: &str) {
        self.line(&format!("\n== {text}"));
    }
}
