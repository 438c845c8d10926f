//! Carrying an erasure out: each step does what it says and is then reported, in an order that the ledger keeps.
//!
//! Every step can be done again. Whoever dies between doing and reporting does it once more and finds little left to do;
//! reported it is once, for the ledger takes no step twice and none out of order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};

use domain::keys::holds;
use domain::keys::requests::{ErasureStep, Request, RequestStep};
use domain::{Command, Refusal, RefusalCode};

use super::{MOST_KEYS, now, subjects_of};
use crate::profiles::unavailable;
use crate::{Engine, ExecuteError};

/// What a step did.
#[derive(Debug, Default)]
pub(crate) struct Did {
    counts: BTreeMap<String, u64>,
    keys: BTreeSet<String>,
}

impl Did {
    fn count(what: &str, n: u64) -> Self {
        Self { counts: [(what.to_owned(), n)].into(), keys: BTreeSet::new() }
    }
}

impl Engine {
    /// Does what is left of the erasures that have begun.
    ///
    /// # Errors
    /// Why one of them could not go on; the others did.
    pub(crate) async fn carry_out_erasures(self: &Arc<Self>) -> Result<(), ExecuteError> {
        let _one_at_a_time = self.eraser.lock().await;
        let begun = self.read(|state| {
            let begun = state.requests.iter().filter(|(_, request)| request.next_step().is_some());
            begun.map(|(id, _)| id.clone()).collect::<Vec<_>>()
        });
        let mut result = Ok(());
        for request in begun {
            if let Err(error) = self.carry_out_erasure(&request).await {
                tracing::warn!(request, %error, "an erasure cannot go on");
                result = Err(error);
            }
        }
        result
    }

    async fn carry_out_erasure(self: &Arc<Self>, request: &str) -> Result<(), ExecuteError> {
        while let Some(step) = self.request(request)?.next_step() {
            let did = self.do_step(request, step).await?;
            self.report_step(request, step, did).await?;
        }
        Ok(())
    }

    pub(crate) async fn report_step(
        self: &Arc<Self>,
        request: &str,
        step: ErasureStep,
        did: Did,
    ) -> Result<(), ExecuteError> {
        let Did { counts, keys } = did;
        let done = RequestStep { request: request.to_owned(), step, counts, keys };
        self.execute(self.system(), Command::StepRequest(done)).await.map(drop)
    }

    /// What a step is, without the report of it.
    pub(crate) async fn do_step(self: &Arc<Self>, request: &str, step: ErasureStep) -> Result<Did, ExecuteError> {
        let known = self.request(request)?;
        match step {
            ErasureStep::HoldsChecked => {
                // What is known to be held is not looked for again and again while a hold lasts.
                self.check_holds(&known, &BTreeSet::new())?;
                // Days may have gone by since the search: what came meanwhile may be held too.
                self.seal_now().await?;
                let (name, asked) = (request.to_owned(), known.clone());
                let found = self.blocking(move |engine| engine.look_for(&name, &asked)).await??;
                self.check_holds(&known, &found.concerns)
            }
            ErasureStep::DatasetsRewritten => {
                let subjects = subjects_of(&known);
                let aside = move |engine: &Self| subjects.iter().try_for_each(|one| engine.is_not_aside(one));
                self.blocking(move |engine| aside(engine)).await??;
                let (mut versions, mut rows) = (0, 0);
                for subject in subjects_of(&known) {
                    for rewritten in self.drop_dataset_rows(&subject).await? {
                        versions += 1;
                        rows += rewritten.rows_removed;
                    }
                }
                Ok(Did {
                    counts: [("rows".to_owned(), rows), ("versions".to_owned(), versions)].into(),
                    ..Did::default()
                })
            }
            ErasureStep::KeysDestroyed => {
                // Versions that were coming in when data sets were rewritten are there now, and no others come meanwhile.
                let _alone = self.transfers.coming.write().await;
                for subject in subjects_of(&known) {
                    self.drop_dataset_rows(&subject).await?;
                }
                self.blocking(move |engine| engine.destroy_keys(&known)).await?
            }
            ErasureStep::TokensGone => self.blocking(move |engine| engine.tokens_are_gone(&known)).await?,
            ErasureStep::PayloadRowsRemoved => {
                // What is not sealed in a file yet would come into one later.
                self.seal_now().await?;
                let dropped = self.drop_rows_of(&subjects_of(&known), &format!("request/{request}")).await?;
                Ok(Did {
                    counts: [("rows".to_owned(), dropped.rows), ("segments".to_owned(), dropped.segments)].into(),
                    ..Did::default()
                })
            }
            ErasureStep::ProfileGone => self.forget_texts(&known).await,
            ErasureStep::CachesEmptied => {
                self.blocking(move |engine| engine.destroy_keys(&known)).await?.map(|_| Did::default())
            }
            ErasureStep::RootRatcheted => self.ratchet_root().await.map(|()| Did::default()),
            ErasureStep::Completed => Ok(Did::default()),
        }
    }

    /// Asked here and by the ledger's own rule. It is not sent there to be refused again and again while a hold lasts.
    fn check_holds(&self, request: &Request, concerns: &BTreeSet<String>) -> Result<Did, ExecuteError> {
        let on: BTreeSet<String> = request.may_be_held_on().chain(concerns.iter().cloned()).collect();
        let held = self.read(|state| on.iter().find_map(|on| holds::blocking(state, on).map(|hold| (on, hold))));
        match held {
            Some((on, hold)) => {
                let message = format!(
                    "legal hold `{hold}` on `{on}` keeps what is to be erased: it goes on when that is released"
                );
                Err(Refusal::new(RefusalCode::Conflict, message).into())
            }
            None => Ok(Did::count("looked_at", on.len() as u64)),
        }
    }

    /// Destroys the keys of the person, with the rows that lead to them, and lets go of what is in memory. Blocks.
    fn destroy_keys(&self, request: &Request) -> Result<Did, ExecuteError> {
        // Those that the search found and a step that was cut off destroyed are destroyed too.
        let mut keys = request.searched.iter().flat_map(|found| found.keys.iter().cloned()).collect::<BTreeSet<_>>();
        for subject in subjects_of(request) {
            self.check_not_stopped()?;
            let destroyed = self.vault().destroy_subject(&subject, now()).map_err(|e| unavailable(&e))?;
            keys.extend(destroyed.keys.iter().map(ToString::to_string));
            let left = self.vault().keys_of(&subject).map_err(|e| unavailable(&e))?;
            if let Some(key) = left.first() {
                return Err(ExecuteError::Internal(format!("key `{key}` is there after it was destroyed")));
            }
        }
        let count = keys.len() as u64;
        // What is destroyed must be reported, however much it is: the rest of the erasure waits for that.
        let keys = keys.into_iter().take(MOST_KEYS).collect();
        Ok(Did { counts: [("keys".to_owned(), count)].into(), keys })
    }

    /// Tokens go with the keys; this finds that none leads anywhere. Blocks.
    fn tokens_are_gone(&self, request: &Request) -> Result<Did, ExecuteError> {
        for subject in subjects_of(request) {
            let left = self.tokens_of(&subject)?.len();
            if left > 0 {
                let message = format!("{left} tokens are there after their subject was destroyed");
                return Err(ExecuteError::Internal(message));
            }
        }
        let found = request.searched.as_ref().and_then(|found| found.counts.get("tokens").copied());
        Ok(Did::count("tokens", found.unwrap_or(0)))
    }

    /// Removes the sealed texts of the person: their profile, and what they wrote with this and earlier requests.
    async fn forget_texts(self: &Arc<Self>, request: &Request) -> Result<Did, ExecuteError> {
        let subjects: BTreeSet<&String> = request.received.subjects.iter().collect();
        let texts = self.read(|state| {
            let theirs = |one: &&Request| one.received.subjects.iter().any(|subject| subjects.contains(subject));
            let asked = state.requests.values().filter(theirs).map(|one| one.received.sealed_sha256.clone());
            let profile = request.received.actor.as_ref().and_then(|actor| state.profiles.get(actor).cloned());
            let said = request.received.actor.iter().flat_map(|actor| {
                let comments = state.approvals.values().flat_map(|approval| &approval.comments);
                comments.filter(move |comment| comment.by == *actor).map(|comment| comment.sealed_sha256.clone())
            });
            asked.chain(profile).chain(said).collect::<BTreeSet<_>>()
        });
        let count = texts.len() as u64;
        for sha256 in texts {
            self.remove_note(sha256).await?;
        }
        if let Some(actor) = &request.received.actor {
            self.profile_index.lock().unwrap_or_else(PoisonError::into_inner).forget(actor);
        }
        Ok(Did::count("texts", count))
    }
}
