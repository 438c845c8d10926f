//! `counterfoil encryption move-custodian`: in two steps, so that there is a way back until the second.

use std::path::PathBuf;

use clap::Args;
use store::CustodianOptions;

use crate::client::Connect;
use crate::config::{Config, Environment};
use crate::output::{self, Failure};
use crate::server::{Visit, not_opened};

/// Who kept the root key.
#[derive(Args)]
pub struct MoveCustodian {
    /// Settings file whose `[custodian]` keeps the root key until now; where it goes, the settings in force name
    #[arg(long)]
    from: PathBuf,
    /// The second step, once a server has run with the new custodian: make the one before open nothing any more, copies of
    /// the key store neither
    #[arg(long)]
    retire_old: bool,
}

impl MoveCustodian {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let config = connect.config()?;
        // By that file alone: variables are about the settings in force.
        let before =
            Config::load(Some(self.from.as_path()), &Environment::new()).map_err(|e| Failure::usage(e.to_string()))?;
        let (from, to) = (before.custody().custodian, config.custody().custodian);
        let files = [&from, &to].map(|options| matches!(options, CustodianOptions::File { .. }));
        if files == [true, true] {
            let why = "both settings name the root key file: its passphrase is changed by `counterfoil encryption passphrase`";
            return Err(Failure::usage(why));
        }
        let data = &config.server.data;
        let lock = super::hold(data)?;
        if self.retire_old {
            let gone = engine::retire_custodian(data, &from, &to).map_err(|e| not_opened(&e))?;
            return match (json, gone) {
                (true, _) => output::json(&serde_json::json!({"retired": true, "forgotten": gone})),
                (false, true) => output::line("retired: the custodian before opens nothing any more, copies neither"),
                (false, false) => output::line(
                    "retired: the custodian before keeps older versions of its key all the same; destroy them there",
                ),
            };
        }
        let (moved, new) = engine::move_custodian(data, &from, &to).map_err(|e| not_opened(&e))?;
        drop(lock);
        // Opens everything by the new custodian, and has the ledger say which it is.
        let visit = Visit::open(&config).await?;
        visit.tell_custodian().await?;
        visit.close().await?;
        if json {
            let answer = serde_json::json!({"key_id": new.key_id, "keys": moved.keys, "moved": !moved.before});
            return output::json(&answer);
        }
        let told = if moved.before { "was there already" } else { "is there now" };
        output::line(format!(
            "the root key {told}: {}, with {} keys under it. Start the server with these settings; once it serves, stop it and \
             say --retire-old. Until then the custodian before opens copies of the key store that were made before.",
            new.key_id, moved.keys
        ))
    }
}
