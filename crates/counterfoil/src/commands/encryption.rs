//! `counterfoil encryption`.

mod passphrase;

use clap::Subcommand;

use crate::client::Connect;
use crate::output::Failure;

/// What to do with keys that encrypt.
#[derive(Subcommand)]
pub enum Encryption {
    /// Put the root key file under a passphrase, change it or take it away, while no server runs
    Passphrase(passphrase::Passphrase),
}

impl Encryption {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        match self {
            Self::Passphrase(command) => command.run(json, connect),
        }
    }
}
