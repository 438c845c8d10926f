//! `counterfoil config`.

use clap::Subcommand;

use crate::client::Connect;
use crate::config;
use crate::output::{self, Failure};

/// What to do with the settings.
#[derive(Subcommand)]
pub enum Config {
    /// Say what is wrong with the file of --config, by line
    Check,
    /// Print the settings in force: the file, then the environment, then defaults
    Show,
    /// Print a file with every setting and what it means
    Sample,
}

impl Config {
    pub fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        match self {
            Self::Check => {
                connect.config_to_serve()?;
                match json {
                    true => output::json(&serde_json::json!({"ok": true})),
                    false => output::line("the settings are good"),
                }
            }
            Self::Show => {
                let config = connect.config()?;
                match json {
                    true => output::json(&serde_json::to_value(&config).map_err(|e| Failure::io(e.to_string()))?),
                    false => output::text(toml::to_string(&config).map_err(|e| Failure::io(e.to_string()))?),
                }
            }
            Self::Sample => output::text(config::Config::sample()),
        }
    }
}
