//! Finding a person's inferences in the files that they are sealed in, and opening them for their owner.
//!
//! Files are found by looking, not by what the ledger says of them: whatever lies there is looked through.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::Record;
use domain::people::AccessCore;
use domain::serving::InferenceCore;
use ledger::records::segment::{PayloadRow, read_core, read_payloads};
use vault::{SealedRef, SubjectRef};

use super::subjects_of;
use crate::{Engine, ExecuteError, HeldRows, HeldToken};

/// The most inferences that are opened for one answer.
const MAX_OPENED: usize = 100_000;

/// The most accesses that are listed for one request; all of them are in the table `access_records`.
const MAX_ACCESSES: usize = 10_000;

/// After how many bytes of contents no more are opened for one answer: they are in memory, several times over, until they are sent.
const MAX_OPENED_BYTES: usize = 256 << 20;

/// Hexadecimal digits of a segment's root in the names of its files.
const ROOT_DIGITS: usize = 16;

/// Fields of a payload, by number: what the gateway seals.
const FIELDS: [(u16, &str); 4] = [(1, "request"), (2, "response"), (3, "request_meta"), (4, "response_meta")];

/// An inference as it is held of a person, opened.
#[derive(Clone, Debug)]
pub struct HeldInference {
    /// What is known of it without its contents.
    pub core: InferenceCore,
    /// Its contents by name, as they were sent; `None` when its day's keys are gone.
    pub contents: Option<Vec<(String, Vec<u8>)>>,
}

/// What is held of a person beside inferences.
#[derive(Clone, Debug, Default)]
pub struct HeldElsewhere {
    /// Tokens, and what they stand for.
    pub tokens: Vec<HeldToken>,
    /// Rows of data sets.
    pub rows: Vec<HeldRows>,
    /// What they asked for as somebody who acts here.
    pub accesses: Vec<AccessCore>,
    /// How many more of those there are.
    pub accesses_left_out: u64,
}

impl Engine {
    /// What is held of the person of a request from inferences, opened, in the order of time: as many as one answer takes after
    /// the first `from`, and how many more there are then. Who may see it is for the caller to ask.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub async fn held_inferences(
        self: &Arc<Self>,
        request: &str,
        from: u64,
    ) -> Result<(Vec<HeldInference>, u64), ExecuteError> {
        self.seal_now().await?;
        let known = self.request(request)?;
        let opened = self.blocking(move |engine| {
            let (mut held, mut bytes, mut seen, mut left_out) = (Vec::new(), 0_usize, 0_u64, 0_u64);
            engine.for_each_held(&subjects_of(&known), |row, core| {
                seen += 1;
                if seen <= from {
                    return Ok(());
                }
                // Once one is left out all that follow are, so that the next part begins with it.
                if left_out > 0 || held.len() >= MAX_OPENED || bytes >= MAX_OPENED_BYTES {
                    left_out += 1;
                    return Ok(());
                }
                let Some(core) = core else {
                    let message = format!("inference `{}` has no core beside its contents", row.inference_id);
                    return Err(ExecuteError::Internal(message));
                };
                let opened = engine.open_held(&row, core)?;
                bytes += opened.contents.iter().flatten().map(|(_, value)| value.len()).sum::<usize>();
                held.push(opened);
                Ok(())
            })?;
            held.sort_by_key(|one: &HeldInference| one.core.ts_start);
            Ok((held, left_out))
        });
        opened.await?
    }

    /// What the tokens of the person of a request stand for, and their rows in data sets. Who may see it is for the caller
    /// to ask.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn held_elsewhere(self: &Arc<Self>, request: &str) -> Result<HeldElsewhere, ExecuteError> {
        self.seal_now().await?;
        let known = self.request(request)?;
        let subjects = subjects_of(&known);
        let read = self.blocking(move |engine| {
            let mut held = HeldElsewhere::default();
            for subject in &subjects {
                held.tokens.extend(engine.values_of(subject)?);
                held.rows.extend(engine.rows_about(subject)?);
            }
            if let Some(actor) = &known.received.actor {
                let HeldElsewhere { accesses, accesses_left_out, .. } = &mut held;
                engine.for_each_access(actor, |core| match accesses.len() < MAX_ACCESSES {
                    true => accesses.push(core),
                    false => *accesses_left_out += 1,
                })?;
            }
            Ok(held)
        });
        read.await?
    }

    fn open_held(&self, row: &PayloadRow, core: &InferenceCore) -> Result<HeldInference, ExecuteError> {
        let broken = || ExecuteError::Internal(format!("inference `{}` cannot be opened as it is", row.inference_id));
        let r = core.r.as_slice().try_into().map_err(|_| broken())?;
        let c_root = core.c_root.as_slice().try_into().map_err(|_| broken())?;
        let sealed = SealedRef { r: &r, ct: &row.ct, c_root: &c_root };
        let opened = self.vault().open_sealed(&row.classification, &row.day, &SubjectRef(row.subject_ref), &sealed);
        let contents = match opened {
            Ok(fields) => {
                let name = |id: u16| FIELDS.iter().find(|(known, _)| *known == id).map_or("other", |(_, name)| name);
                Some(fields.into_iter().map(|(id, value)| (name(id).to_owned(), value)).collect())
            }
            Err(error) if error.is_destroyed() => None,
            Err(error) => return Err(crate::profiles::unavailable(&error)),
        };
        Ok(HeldInference { core: core.clone(), contents })
    }

    /// Calls `each` with every sealed payload of these subjects, once, and the core beside it. Blocks.
    pub(super) fn for_each_held(
        &self,
        subjects: &BTreeSet<SubjectRef>,
        mut each: impl FnMut(PayloadRow, Option<&InferenceCore>) -> Result<(), ExecuteError>,
    ) -> Result<(), ExecuteError> {
        let records = self.data_dir().join("records");
        let mut seen = BTreeSet::new();
        for path in parquet_below(&records.join(InferenceCore::PAYLOADS.unwrap_or_default()))? {
            let rows = read_payloads(&path, |_| true).map_err(|e| unreadable(&path, &e))?;
            let rows = rows.into_iter().filter(|row| subjects.contains(&SubjectRef(row.subject_ref)));
            // A file that is written anew lies beside the old one for a moment.
            let rows: Vec<PayloadRow> = rows.filter(|row| seen.insert(row.inference_id.clone())).collect();
            if rows.is_empty() {
                continue;
            }
            let cores = core_beside(&records, &path).map_or_else(|| Ok(vec![]), |core| cores_of(&core))?;
            for row in rows {
                let core = cores.iter().find(|core| core.inference_id == row.inference_id);
                each(row, core)?;
            }
        }
        Ok(())
    }

    /// How many records say what an actor asked for. Blocks.
    pub(super) fn count_accesses(&self, actor: &str) -> Result<u64, ExecuteError> {
        let mut count = 0;
        self.for_each_access(actor, |_| count += 1)?;
        Ok(count)
    }

    fn for_each_access(&self, actor: &str, mut each: impl FnMut(AccessCore)) -> Result<(), ExecuteError> {
        for path in parquet_below(&self.data_dir().join("records").join(AccessCore::TABLE))? {
            let cores: Vec<AccessCore> = read_core(&path).map_err(|e| unreadable(&path, &e))?;
            cores.into_iter().filter(|core| core.actor.as_deref() == Some(actor)).for_each(&mut each);
        }
        Ok(())
    }
}

fn cores_of(path: &Path) -> Result<Vec<InferenceCore>, ExecuteError> {
    read_core(path).map_err(|e| unreadable(path, &e))
}

/// The file of cores beside a file of payloads: the same segment's, in the other table. Its name ends with the beginning of
/// the segment's root, of a length that never changes; what follows it in the name of payloads says how they were rewritten.
fn core_beside(records: &Path, payload: &Path) -> Option<PathBuf> {
    let (day, name) = (payload.parent()?.file_name()?, payload.file_name()?.to_str()?);
    let (segment, root) = name.split_once(".payload")?.0.rsplit_once('-')?;
    let name = format!("{segment}-{}.core.parquet", root.get(..ROOT_DIGITS)?);
    let core = records.join(InferenceCore::TABLE).join(day).join(name);
    core.is_file().then_some(core)
}

/// Parquet files below a directory, sorted; none when it is not there.
fn parquet_below(dir: &Path) -> Result<Vec<PathBuf>, ExecuteError> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        let entries = match std::fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(unreadable(&dir, &error)),
        };
        for entry in entries {
            let path = entry.map_err(|e| unreadable(&dir, &e))?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ext| ext == "parquet") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn unreadable(path: &Path, error: &dyn std::error::Error) -> ExecuteError {
    ExecuteError::Unavailable(format!("`{}` cannot be read: {error}", path.display()))
}
