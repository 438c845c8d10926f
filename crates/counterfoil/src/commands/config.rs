//! `counterfoil config`.

use std::path::PathBuf;

use clap::Subcommand;

use super::serve;
use crate::config;
use crate::output::{self, Failure};

/// What to do with the settings.
#[derive(Subcommand)]
pub enum Config {
    /// Say what is wrong with a file, by line
    Check {
        /// The file
        #[arg(long, short)]
        config: Option<PathBuf>,
    },
    /// Print the settings in force: the file, then the environment, then defaults
    Show {
        /// The file
        #[arg(long, short)]
        config: Option<PathBuf>,
    },
    /// Print a file with every setting and what it means
    Sample,
}

impl Config {
    pub fn run(&self, json: bool) -> Result<(), Failure> {
        match self {
            Self::Check { config } => {
                serve::load(config.as_deref())?;
                match json {
                    true => output::json(&serde_json::json!({"ok": true})),
                    false => println!("the settings are good"),
                }
            }
            Self::Show { config } => {
                let config = serve::load(config.as_deref())?;
                match json {
                    true => output::json(&serde_json::to_value(&config).map_err(|e| Failure::io(e.to_string()))?),
                    false => print!("{}", toml::to_string(&config).map_err(|e| Failure::io(e.to_string()))?),
                }
            }
            Self::Sample => print!("{}", config::Config::sample()),
        }
        Ok(())
    }
}
