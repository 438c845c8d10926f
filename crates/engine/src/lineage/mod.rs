//! Lineage: reports come in, are sealed and become events; the graph that they make is folded from the ledger when somebody
//! asks.

mod digraph;
pub mod graph;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use domain::data::lineage::openlineage::{self, Parsed};
use domain::data::lineage::{CLASS, MAX_REPORTS, OWN, is_about_somebody, resolved};
use domain::data::{Checksum, ChecksumOf, LineageReported, Port, ReportLineage, Reported, SealedReport};
use domain::{Command, Entry, Event, Refusal, RefusalCode};
use serde_json::Value;
use vault::{SealedRef, SubjectRef};

use crate::artifacts::now;
use crate::profiles::unavailable;
use crate::{Engine, ExecuteError, Principal};
use graph::{Direction, Graph, NodeKind};

/// The vault's scope of checksums, while the ledger had references from there.
pub(crate) const SCOPE: &str = "lineage";

/// What the vault's fingerprints of checksums are of, which the ledger has in their place.
const UNIT: &str = "lineage";

/// Bytes of a fingerprint that the ledger has.
const REFERENCE_BYTES: usize = 16;

/// The field of a sealed report that has what was sent.
const RAW: u16 = 1;

/// Bytes of the salt before the ciphertext in the file of a sealed report.
const SALT_BYTES: usize = 24;

/// What reports are called as a thing that somebody may add to or open.
const RESOURCE: &str = "lineage/reported";

/// The most steps that an answer goes.
pub const MAX_DEPTH: u32 = 1_000;

/// The graph, and what is on its way into the ledger.
#[derive(Default)]
pub(crate) struct Lineage {
    graph: Mutex<Graph>,
    /// Commitments to reports that were sealed and wait for their event.
    waiting: Mutex<BTreeSet<String>>,
}

impl Lineage {
    /// Commitments to what waits.
    pub(crate) fn waiting(&self) -> BTreeSet<String> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Why an event was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// A word for it.
    pub code: RefusalCode,
    /// What is wrong with it.
    pub reason: String,
}

impl From<Refusal> for Rejected {
    fn from(refusal: Refusal) -> Self {
        Self { code: refusal.code, reason: refusal.message }
    }
}

/// A report that was sealed, with the name of its file.
struct Sealed {
    report: LineageReported,
    day: String,
    commitment: String,
}

impl Engine {
    /// Takes OpenLineage events; for each, nothing or why it was not taken. Those that are right are taken in parts of
    /// [`MAX_REPORTS`].
    ///
    /// # Errors
    /// [`ExecuteError::Refused`] when whoever asks may not report, [`ExecuteError::Unavailable`] when nothing can be
    /// written. Then no more is taken, and whoever sends all of them again does no harm.
    pub async fn report_lineage(
        self: &Arc<Self>,
        who: &Principal,
        events: Vec<Value>,
    ) -> Result<Vec<Result<(), Rejected>>, ExecuteError> {
        if let Err(refusal) = self.authorize(who, "lineage.report", RESOURCE) {
            return Err(self.record_refusal(who, "lineage.report", RESOURCE.to_owned(), refusal).await);
        }
        let (mut answers, mut good) = (Vec::with_capacity(events.len()), Vec::new());
        for event in events {
            match self.read_event(&event) {
                Ok(parsed) => {
                    good.push((parsed, event));
                    answers.push(Ok(()));
                }
                Err(rejected) => answers.push(Err(rejected)),
            }
        }
        while !good.is_empty() {
            let rest = good.split_off(good.len().min(MAX_REPORTS));
            let some = std::mem::replace(&mut good, rest);
            let sealed = self.blocking(move |engine| engine.seal_reports(some)).await??;
            self.take_reports(who, sealed).await?;
        }
        Ok(answers)
    }

    /// Reads an event and holds it against the rules of the ledger.
    fn read_event(&self, event: &Value) -> Result<Parsed, Rejected> {
        let invalid = |reason: String| Rejected { code: RefusalCode::Invalid, reason };
        let parsed = openlineage::parse(event).map_err(|error| invalid(error.to_string()))?;
        if names_somebody(&parsed.report) {
            let reason = "the name of a job, data set or column has in it what looks like data about a person, and names \
                          stand in the ledger for good: call it something that names nobody";
            return Err(invalid(reason.to_owned()));
        }
        self.read(|state| resolved(state, &parsed.report).map(drop))?;
        Ok(parsed)
    }

    /// Seals what was sent under the key of the day, and has fingerprints in the place of checksums.
    fn seal_reports(&self, events: Vec<(Parsed, Value)>) -> Result<Vec<Sealed>, ExecuteError> {
        let day = crate::accesses::day(Self::now_ms());
        let subject = self.vault.anonymous_subject(&day).map_err(|e| unavailable(&e))?;
        let seal = |(Parsed { mut report, checksums }, event): (Parsed, Value)| -> Result<Sealed, ExecuteError> {
            let ports = report.inputs.iter_mut().chain(&mut report.outputs);
            for (port, checksum) in ports.zip(checksums) {
                port.checksum = checksum.map(|(of, text)| self.checksum(of, &text)).transpose()?;
            }
            let raw = serde_json::to_vec(&event).map_err(|e| ExecuteError::Internal(e.to_string()))?;
            let sealed = self.vault.seal(CLASS, &day, &subject, &[(RAW, &raw)], now()).map_err(|e| unavailable(&e))?;
            let commitment = merkle::hex(&sealed.c_root);
            let bytes = [&sealed.r[..], &sealed.ct].concat();
            store::objects::put(&self.lineage_dir(&day), &commitment, &bytes)
                .map_err(|e| ExecuteError::Unavailable(format!("a report of lineage was not kept: {e}")))?;
            let (day, commitment) = (day.clone(), commitment);
            report.sealed =
                Some(SealedReport { day: day.clone(), subject: subject.to_string(), commitment: commitment.clone() });
            Ok(Sealed { report, day, commitment })
        };
        events.into_iter().map(seal).collect()
    }

    fn checksum(&self, of: ChecksumOf, text: &str) -> Result<Checksum, ExecuteError> {
        let label = if of == ChecksumOf::Content { "content" } else { "version" };
        let mut fingerprint = self.vault.fingerprints(UNIT, now()).map_err(|e| unavailable(&e))?.begin(label);
        fingerprint.write_all(text.as_bytes()).map_err(|e| ExecuteError::Internal(e.to_string()))?;
        // Half of it tells them apart as well, and is as long as what the format has for it.
        Ok(Checksum { of, reference: merkle::hex(&fingerprint.finish()[..REFERENCE_BYTES]) })
    }

    async fn take_reports(self: &Arc<Self>, who: &Principal, sealed: Vec<Sealed>) -> Result<(), ExecuteError> {
        let commitments: Vec<String> = sealed.iter().map(|one| one.commitment.clone()).collect();
        let waiting = || self.lineage.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting().extend(commitments.iter().cloned());
        let files: Vec<(String, String)> = sealed.iter().map(|one| (one.day.clone(), one.commitment.clone())).collect();
        let reports = sealed.into_iter().map(|one| one.report).collect();
        let done = self.execute(who, Command::ReportLineage(ReportLineage { reports })).await;
        waiting().retain(|one| !commitments.contains(one));
        if let Err(ExecuteError::Refused(_)) = done {
            // What no event speaks of is not kept.
            let removed = self.blocking(move |engine| {
                files.iter().try_for_each(|(day, name)| store::objects::remove(&engine.lineage_dir(day), name))
            });
            if let Ok(Err(error)) = removed.await {
                tracing::warn!(%error, "a report of lineage that nothing speaks of stays on disk, sealed, until its day goes");
            }
        }
        done.map(drop)
    }

    /// Notes that a version was read for a run, so that what the run makes is known to have learned from it.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn report_read(
        self: &Arc<Self>,
        who: &Principal,
        (dataset, version): (&str, &str),
        run: &str,
    ) -> Result<(), ExecuteError> {
        let port = Port {
            namespace: OWN.to_owned(),
            name: format!("{dataset}/{version}"),
            dataset: None,
            version: None,
            checksum: None,
        };
        let report = LineageReported {
            kind: Reported::Read,
            happened_at: Self::now_ms(),
            run: Some(run.to_ascii_lowercase()),
            parent: None,
            status: None,
            job: None,
            inputs: vec![port],
            outputs: vec![],
            columns: vec![],
            columns_left_out: 0,
            sealed: None,
        };
        self.execute(who, Command::ReportLineage(ReportLineage { reports: vec![report] })).await.map(drop)
    }

    /// What was sent with the report of an entry.
    ///
    /// # Errors
    /// A refusal when whoever asks may not see it, there is none, or its day went; else when it cannot be read.
    pub async fn lineage_event(self: &Arc<Self>, who: &Principal, seq: u64) -> Result<Vec<u8>, ExecuteError> {
        self.authorize(who, "lineage.open", RESOURCE)?;
        self.blocking(move |engine| engine.open_report(seq)).await?
    }

    fn open_report(&self, seq: u64) -> Result<Vec<u8>, ExecuteError> {
        let none =
            || Refusal::new(RefusalCode::NotFound, format!("entry {seq} has no report of lineage that was sent"));
        let size = self.read(|state| state.size);
        if seq >= size {
            return Err(none().into());
        }
        let bytes = self.log.entry(seq).map_err(|e| ExecuteError::Unavailable(e.to_string()))?;
        let entry = Entry::decode(&bytes).map_err(|e| ExecuteError::Internal(e.to_string()))?;
        let Event::LineageReported(LineageReported { sealed: Some(sealed), .. }) = entry.event else {
            return Err(none().into());
        };
        let gone = || {
            let message = format!("what was sent with entry {seq} went with its day, {}", sealed.day);
            ExecuteError::from(Refusal::new(RefusalCode::Expired, message))
        };
        let broken = || ExecuteError::Internal(format!("what was sent with entry {seq} is not as it was sealed"));
        let kept = store::objects::get(&self.lineage_dir(&sealed.day), &sealed.commitment);
        let kept = kept.map_err(|e| ExecuteError::Unavailable(format!("a report cannot be read: {e}")))?;
        let kept = kept.ok_or_else(gone)?;
        let (r, ct) = kept.split_first_chunk::<SALT_BYTES>().ok_or_else(broken)?;
        let c_root = merkle::unhex(&sealed.commitment).ok().and_then(|root| <[u8; 32]>::try_from(root).ok());
        let c_root = c_root.ok_or_else(broken)?;
        let subject = SubjectRef::from_hex(&sealed.subject).ok_or_else(broken)?;
        let opened = self.vault.open_sealed(CLASS, &sealed.day, &subject, &SealedRef { r, ct, c_root: &c_root });
        match opened {
            Ok(fields) => fields.into_iter().find(|(id, _)| *id == RAW).map(|(_, raw)| raw).ok_or_else(broken),
            Err(error) if error.is_destroyed() => Err(gone()),
            Err(error) => Err(unavailable(&error)),
        }
    }

    /// Asks the graph as of now. Blocks: at first, and after much was written, it reads what came since.
    ///
    /// # Errors
    /// [`ExecuteError`] when the ledger cannot be read.
    pub fn lineage<R>(&self, ask: impl FnOnce(&mut Graph) -> R) -> Result<R, ExecuteError> {
        let size = self.read(|state| state.size);
        let mut graph = self.lineage.graph.lock().unwrap_or_else(PoisonError::into_inner);
        if graph.size < size {
            let mut unread = None;
            let read = self.log.for_each_entry(graph.size..size, &mut |seq, bytes| match Entry::decode(bytes) {
                Ok(entry) if unread.is_none() => graph.apply(&entry),
                Ok(_) => {}
                Err(error) => unread = Some(format!("entry {seq}: {error}")),
            });
            read.map_err(|e| ExecuteError::Unavailable(e.to_string()))?;
            if let Some(why) = unread {
                return Err(ExecuteError::Internal(why));
            }
        }
        Ok(ask(&mut graph))
    }

    /// The model versions that learned from one of these versions of data sets, as far as the graph tells, and those of a run
    /// of which nobody reported what it read: that may have been any of them. Blocks.
    pub(crate) fn learned_from(&self, versions: &BTreeSet<(String, String)>) -> Result<BTreeSet<String>, ExecuteError> {
        let runs: Vec<(String, String)> = self.read(|state| {
            let versions = state.models.values().flat_map(BTreeMap::values);
            let named = versions.filter_map(|one| Some((format!("{}/{}", one.model, one.version), one.run.clone()?)));
            named.collect()
        });
        self.lineage(|graph| {
            let unsaid = runs.into_iter().filter(|(_, run)| !graph.has_inputs(run));
            let mut learned: BTreeSet<String> = unsaid.map(|(model, _)| model).collect();
            for (dataset, version) in versions {
                let name = format!("dataset/{dataset}/{version}");
                let reached = graph.impact(&name, Direction::Down, u32::MAX - 1, usize::MAX).unwrap_or_default();
                learned.extend(reached.nodes.into_iter().filter_map(|(node, _)| match node.kind {
                    NodeKind::Model { model, version } => Some(format!("{model}/{version}")),
                    _ => None,
                }));
            }
            learned
        })
    }

    /// Removes what was sent on a day whose key is gone. Blocks.
    pub(crate) fn drop_reports(&self, day: &str) -> Result<(), ExecuteError> {
        match std::fs::remove_dir_all(self.lineage_dir(day)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(ExecuteError::Unavailable(format!("the reports of lineage of {day} were not removed: {error}")))
            }
            _ => Ok(()),
        }
    }

    fn lineage_dir(&self, day: &str) -> PathBuf {
        self.data_dir().join("lineage").join(day)
    }
}

/// Whether a name that would stand in the ledger has data about a person in it. Namespaces of stores look like addresses of
/// mail and are none.
fn names_somebody(report: &LineageReported) -> bool {
    let ports = report.inputs.iter().chain(&report.outputs).map(|port| &port.name);
    let columns = report.columns.iter().flat_map(|edge| [&edge.input_column, &edge.output_column]);
    let mut names = report.job.iter().map(|job| &job.name).chain(ports).chain(columns);
    names.any(|name| is_about_somebody(name))
}

#[cfg(test)]
mod tests;
