//! Older copies of the data directory: how they are known, and how one is gone on with on purpose.
//!
//! The ledger's newest checkpoint is remembered in a file of the state directory, which is not restored together with
//! the data. A ledger that does not extend it is not opened, unless somebody who may accepts that for a reason. That is
//! an event, so the ledger itself tells ever after that it was set back, from where, by whom and why.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::Command;
use domain::command::AcceptRollback;
use domain::infrastructure::LedgerResumed;
use ledger::log::{Log, LogError, OtherHistory};
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
        F: Future<Output = Result<Vec<String>, LogError>>,
    {
        let (engine, recovered) = Self::read_disk(options, Otherwise::Accept).await?;
        if engine.log.other_history().is_none() {
            return Err(OpenError::NothingToAccept { data: engine.data_dir().to_owned() });
        }
        let who = engine.authenticate(key)?;
        let told = engine.log.other_histories();
        let cosigning = ask(Arc::clone(&engine.log)).await?;
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
        engine.tell_resumed(&told, &cosigning).await?;
        engine.recover(recovered).await?;
        if let Err(error) = engine.blocking(|engine| engine.tidy_objects()).await? {
            tracing::warn!(%error, "objects that the older copy does not name are moved aside by the next start");
        }
        engine.start().await?;
        Ok((engine, done))
    }

    /// Puts on record that the ledger goes on although these told of another history, and lets later processes go on, too.
    pub(crate) async fn tell_resumed(
        self: &Arc<Self>,
        told: &[OtherHistory],
        cosigning: &[String],
    ) -> Result<(), OpenError> {
        if told.is_empty() {
            return Ok(());
        }
        let by: BTreeSet<&String> = told.iter().map(|told| &told.by).collect();
        let digests = |named: bool| {
            let by = by.iter().filter(|by| cosigning.contains(by) == named);
            let mut digests: Vec<String> = by.map(|by| merkle::hex(&Sha256::digest(by.as_bytes()))).collect();
            digests.sort_unstable();
            digests
        };
        let resumed = LedgerResumed { cosigning: digests(true), unnamed: digests(false) };
        // Policies from before there was this event must not keep the ledger stopped.
        match self.authorize(self.system(), "ledger.resume.report", "ledger") {
            Ok(_) => drop(self.execute(self.system(), Command::ReportResumed(resumed)).await?),
            Err(refusal) => {
                tracing::warn!(%refusal, "that the ledger goes on is not told in it: permit it to the role `system`");
            }
        }
        Ok(self.log.forget_stop()?)
    }

    /// The checkpoint of the history that this ledger does not extend, and its size.
    pub(crate) fn other_history(&self) -> Option<(String, u64)> {
        let note = self.log.other_history()?;
        let checkpoint = Checkpoint::parse(&Note::parse(&note).ok()?.text).ok()?;
        Some((note, checkpoint.size))
    }
}
