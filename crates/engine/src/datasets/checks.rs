//! Checks of versions: what one found becomes an event, the rows that break blocking rules are kept encrypted beside the
//! version, and may be looked at by whoever answers for the data.

use std::sync::{Arc, PoisonError};

use domain::data::checks::stage_is_valid;
use domain::data::{
    CheckVersion, Contract, Found, KnownContract, ReportChecks, StoredObject, Verdict, VersionChecked, VersionReleased,
};
use domain::{Command, Event, Refusal, RefusalCode};

use super::{Transfers, Unwritten, unreadable};
use crate::execute::Done;
use crate::{Engine, ExecuteError, Principal, identity};

/// The most bytes of rows that are kept beside a version.
pub const MAX_KEPT_BYTES: usize = 64 << 20;

/// What became of a check.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its identifier.
    pub check: String,
    /// Whether the version is quarantined by it.
    pub quarantined: bool,
    /// The events.
    pub done: Done,
}

impl Transfers {
    /// What a check of this identifier found, if it was run here and waits for its event.
    pub(crate) fn found(&self, check: &str) -> Option<Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).get(check).cloned()
    }
}

impl Engine {
    /// The contract in force for a data set.
    #[must_use]
    pub fn contract_in_force(&self, dataset: &str) -> Option<KnownContract> {
        self.read(|state| state.contract_of(dataset).cloned())
    }

    /// Whether a version may be checked by somebody, at a stage; asked before it is read. Returns the object that it lies
    /// in.
    ///
    /// # Errors
    /// A refusal by policies or rules, which is recorded.
    pub async fn may_check(
        self: &Arc<Self>,
        who: &Principal,
        (dataset, version): (&str, &str),
        (stage, run): (&str, Option<&str>),
    ) -> Result<String, ExecuteError> {
        let resource = format!("dataset/{dataset}");
        let missing =
            || Refusal::new(RefusalCode::NotFound, format!("data set `{dataset}` has no version `{version}`"));
        let allowed = self.authorize(who, "dataset.version.check", &resource).map(drop);
        let allowed = allowed.and_then(|()| stage_is_valid(stage, run));
        let object = allowed.and_then(|()| {
            let object =
                self.read(|state| state.dataset_version(dataset, version).map(|known| known.stored.object.clone()));
            object.ok_or_else(missing)
        });
        match object {
            Ok(object) => Ok(object),
            Err(refusal) => Err(self.record_refusal(who, "dataset.version.check", resource, refusal).await),
        }
    }

    /// Whether somebody may check a version against a text of their own. Each of its conditions is a question about the rows,
    /// so that it is asked what a read of them is; only that the version waits for its check does not matter.
    ///
    /// # Errors
    /// As [`Engine::may_check`] and [`Engine::readable_version`].
    pub async fn may_try(
        self: &Arc<Self>,
        who: &Principal,
        (dataset, version): (&str, &str),
        (stage, run): (&str, Option<&str>),
    ) -> Result<String, ExecuteError> {
        let object = self.may_check(who, (dataset, version), (stage, run)).await?;
        match self.readable(who, dataset, version, true).await {
            Ok(_) => Ok(object),
            Err(ExecuteError::Refused(refusal)) => {
                let resource = format!("dataset/{dataset}");
                Err(self.record_refusal(who, "dataset.version.check", resource, refusal).await)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether whoever publishes a contract may read the data sets that it refers to: its checks say of each row whether it is
    /// found there.
    pub(crate) fn may_refer(&self, who: &Principal, command: &Command) -> Result<(), Refusal> {
        let body = match command {
            Command::PublishContract(body) => body,
            Command::RequestApproval(body) => return self.may_refer(who, &body.command),
            _ => return Ok(()),
        };
        // What cannot be read is refused by its own rule.
        let Ok(contract) = Contract::parse(&body.text) else { return Ok(()) };
        for reference in &contract.references {
            self.authorize(who, "dataset.read", &format!("dataset/{}", reference.dataset))?;
        }
        Ok(())
    }

    /// Records what a check found, and keeps the rows that break blocking rules when the version is quarantined by it.
    /// `checked` comes without its identifier.
    ///
    /// # Errors
    /// As [`Engine::execute`]; then nothing is kept.
    pub async fn record_check(
        self: &Arc<Self>,
        who: &Principal,
        mut checked: VersionChecked,
        offending: Option<(Vec<u8>, u64)>,
    ) -> Result<Recorded, ExecuteError> {
        let check = identity::identifier("k_");
        checked.check.clone_from(&check);
        let (dataset, version) = (checked.dataset.clone(), checked.version.clone());
        // Whoever is forgotten meanwhile is in rows that no event speaks of yet: it waits until one does.
        let _coming = Arc::clone(&self.transfers.coming).read_owned().await;
        let offending = match offending.filter(|_| self.would_quarantine(&checked)) {
            Some((rows, kept)) => Some((self.keep_offending(&dataset, rows).await?, kept)),
            None => None,
        };
        let stored = offending.as_ref().map(|(stored, _)| stored.clone());
        let found = Found { checked, offending };
        self.transfers.found.lock().unwrap_or_else(PoisonError::into_inner).insert(check.clone(), found);
        let wish = CheckVersion { dataset, version, check: check.clone() };
        let done = self.execute(who, Command::CheckVersion(wish)).await;
        self.transfers.found.lock().unwrap_or_else(PoisonError::into_inner).remove(&check);
        let is_quarantine = |event: &Event| matches!(event, Event::VersionQuarantined(_));
        let quarantined = done.as_ref().is_ok_and(|done| done.events.iter().any(|entry| is_quarantine(&entry.event)));
        if let Some(stored) = stored {
            self.unless_decided(&done, &stored).await;
            // Somebody else's check had it quarantined meanwhile; or it could not be recorded, and rows that no event speaks of
            // are found by nobody who is to be forgotten.
            let refused = matches!(done, Err(ExecuteError::Refused(_)));
            if !quarantined && !refused && !self.is_spoken_of(&stored.object) {
                self.blocking(move |engine| engine.scrap_object(&stored.class, &stored.object)).await??;
            }
        }
        Ok(Recorded { check, quarantined, done: done? })
    }

    /// Whether a check would have its version quarantined, so that rows are kept.
    fn would_quarantine(&self, checked: &VersionChecked) -> bool {
        checked.verdict == Verdict::Failed
            && self.read(|state| {
                let contract = state.contract_of(&checked.dataset).map(|known| &known.published);
                let governs = contract.is_some_and(|contract| {
                    contract.contract == checked.contract.contract && Some(contract.version) == checked.contract.version
                });
                let standing = state.standing(&checked.dataset, &checked.version);
                // Written anew meanwhile, it is without somebody who may be in these rows.
                let version = state.dataset_version(&checked.dataset, &checked.version);
                let same = version.is_some_and(|known| known.stored.object == checked.object);
                governs && same && standing.is_none_or(|standing| standing.quarantine.is_none())
            })
    }

    async fn keep_offending(self: &Arc<Self>, dataset: &str, rows: Vec<u8>) -> Result<StoredObject, ExecuteError> {
        let class = self.read(|state| state.datasets.get(dataset).map(|known| known.spec.class.as_str()));
        let class = class.ok_or_else(|| ExecuteError::Internal(format!("data set `{dataset}` vanished")))?;
        let written = self.blocking(move |engine| {
            engine.write_object(class, |to| {
                to.write_all(&rows)?;
                Ok::<(), Unwritten>(())
            })
        });
        Ok(written.await??)
    }

    /// The rows that are kept of a quarantined version, as a Parquet file with the rules that each breaks.
    ///
    /// # Errors
    /// A refusal when policies do not allow it, it is not quarantined, or no rows are kept.
    pub async fn quarantined_rows(
        self: &Arc<Self>,
        who: &Principal,
        dataset: &str,
        version: &str,
    ) -> Result<Vec<u8>, ExecuteError> {
        self.authorize(who, "dataset.quarantine.read", &format!("dataset/{dataset}"))?;
        let refuse = |code, message: String| Err(Refusal::new(code, message).into());
        let standing = self.read(|state| state.standing(dataset, version).cloned());
        let Some(quarantine) = standing.and_then(|standing| standing.quarantine) else {
            let message = format!("version `{version}` of data set `{dataset}` is not quarantined");
            return refuse(RefusalCode::NotFound, message);
        };
        let Some(stored) = quarantine.rows else {
            let message = format!(
                "no rows are kept of version `{version}` of data set `{dataset}`: what it breaks is no matter of single \
                 rows, or somebody in it was forgotten since"
            );
            return refuse(RefusalCode::NotFound, message);
        };
        who.attempt.iter().for_each(|attempt| attempt.concerns(&stored.object));
        self.may_leave(who, dataset, version).await?;
        let (_permit, object) = (self.transfers.begin()?, stored.object.clone());
        let read = self.blocking(move |engine| {
            let mut reader = engine.open_stored(&stored)?;
            let mut bytes = Vec::new();
            while let Some(piece) = reader.next_chunk()? {
                bytes.extend_from_slice(piece);
            }
            Ok::<_, vault::ObjectError>(bytes)
        });
        read.await?.map_err(|error| unreadable((dataset, version), &object, &error).into())
    }

    /// Keeps what a tool elsewhere says of checks that it ran; returns the identifier that it is kept under.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn report_checks(
        self: &Arc<Self>,
        who: &Principal,
        mut wish: ReportChecks,
    ) -> Result<(String, Done), ExecuteError> {
        let report = identity::identifier("k_");
        wish.report.clone_from(&report);
        Ok((report, self.execute(who, Command::ReportChecks(wish)).await?))
    }

    /// Lets a quarantined version be read. The rows that are kept beside it are gone on return.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn release_version(
        self: &Arc<Self>,
        who: &Principal,
        wish: VersionReleased,
    ) -> Result<Done, ExecuteError> {
        let done = self.execute(who, Command::ReleaseVersion(wish)).await?;
        self.finish_objects().await?;
        Ok(done)
    }
}
