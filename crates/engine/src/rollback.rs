//! Older copies of the data directory: how they are known, and how one is gone on with on purpose.
//!
//! The ledger's newest checkpoint is remembered in a file of the state directory, which is not restored together with
//! the data. A ledger that does not extend it is not opened, unless somebody who may accepts that for a reason. That is
//! an event, so the ledger itself tells ever after that it was set back, from where, by whom and why.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::Command;
use domain::command::AcceptRollback;
use ledger::log::{Log, LogError};
use merkle::{Checkpoint, Note};
use sha2::{Digest, Sha256};

use crate::open::Otherwise;
use crate::{Done, Engine, EngineOptions, OpenError};

/// The file that remembers the log with this verifier key; many logs may share a directory.
pub fn memory(state: &Path, log_vkey: &str) -> PathBuf {
    state.join(format!("{}.checkpoint", merkle::hex(&Sha256::digest(log_vkey.as_bytes()))))
}

/// Says what can be done, when it is the memory that a ledger does not extend.
pub(crate) fn older_copy(options: &EngineOptions, log_vkey: &str, error: OpenError) -> OpenError {
    match (error, &options.state) {
        (OpenError::Ledger(LogError::RolledBack { signed_in, signed, found }), Some(state))
            if signed_in == memory(state, log_vkey) =>
        {
            let (data, state) = (options.dir.clone(), state.clone());
            OpenError::OlderCopy { memory: signed_in, remembered: signed, found, data, state }
        }
        (error, _) => error,
    }
}

impl Engine {
    /// Opens an older copy than the one remembered, and goes on with it; `reference` says where the reason is written
    /// down. The key is one of somebody who may do that. Before anything is written, `ask` may ask others what they
    /// remember, as for [`Engine::open_asking`]: what they remember is not given up by this.
    ///
    /// # Errors
    /// As [`Engine::open_asking`] has them; [`OpenError::NothingToAccept`] when the ledger is no older copy, and nothing is
    /// written then; a refusal when the key's owner may not.
    pub async fn accept_rollback<F>(
        options: EngineOptions,
        key: &str,
        reference: &str,
        ask: impl FnOnce(Arc<Log>) -> F,
    ) -> Result<(Arc<Self>, Done), OpenError>
    where
        F: Future<Output = Result<(), LogError>>,
    {
        let (engine, recovered) = Self::read_disk(options, Otherwise::Accept).await?;
        if engine.log.other_history().is_none() {
            return Err(OpenError::NothingToAccept { data: engine.data_dir().to_owned() });
        }
        let who = engine.authenticate(key)?;
        ask(Arc::clone(&engine.log)).await?;
        let wish = Command::AcceptRollback(AcceptRollback { reference: reference.to_owned() });
        // What the older copy does not name is not to be destroyed by the next start, wherever this one ends.
        engine.blocking(|engine| engine.mark_aside()).await??;
        let done = match engine.execute(&who, wish).await {
            Ok(done) => done,
            Err(error) => {
                engine.blocking(|engine| engine.unmark_aside()).await??;
                return Err(error.into());
            }
        };
        // Dying before the next checkpoint is remembered leaves the copy refused, to be accepted once more.
        engine.log.give_up_other_history();
        engine.recover(recovered).await?;
        if let Err(error) = engine.blocking(|engine| engine.tidy_objects()).await? {
            tracing::warn!(%error, "objects that the older copy does not name are moved aside by the next start");
        }
        engine.start().await?;
        Ok((engine, done))
    }

    /// The checkpoint of the history that this ledger does not extend, and its size.
    pub(crate) fn other_history(&self) -> Option<(String, u64)> {
        let note = self.log.other_history()?;
        let checkpoint = Checkpoint::parse(&Note::parse(&note).ok()?.text).ok()?;
        Some((note, checkpoint.size))
    }
}
