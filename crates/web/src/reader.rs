//! Reading the ledger for a page or an answer, off the threads that serve requests.

use std::sync::Arc;

use domain::Entry;
use ledger::log::{Log, LogError};
use merkle::{Checkpoint, Hash, Note};

use crate::App;
use crate::failure::Failure;

/// An entry with the proof that a tree of the ledger holds it.
pub(crate) struct Included {
    /// The entry's exact bytes.
    pub entry: Vec<u8>,
    pub leaf: Hash,
    /// Size of the tree that the proof is for.
    pub size: u64,
    pub path: Vec<Hash>,
    pub root: Hash,
    /// The published checkpoint of that tree; `None` when the entry is too new, and the proof is for the tree as it is.
    pub checkpoint: Option<String>,
}

/// A published checkpoint, read.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub note: String,
    pub size: u64,
    /// Names of who cosigned it, besides the log.
    pub witnesses: Vec<String>,
}

/// The entry `seq` with its proof; `None` when the ledger is not that long.
pub(crate) async fn included(app: &App, seq: u64) -> Result<Option<Included>, Failure> {
    with_log(app, "read the event and its proof", move |log| {
        if seq >= log.size() {
            return Ok(None);
        }
        let published = published(log).filter(|published| seq < published.size);
        let size = published.as_ref().map_or(log.size(), |published| published.size);
        Ok(Some(Included {
            entry: log.entry(seq)?,
            leaf: log.leaf_hash(seq)?,
            size,
            path: log.inclusion_proof(seq, size)?,
            root: log.root_at(size)?,
            checkpoint: published.map(|published| published.note),
        }))
    })
    .await
}

/// The newest published checkpoint: the witnessed one when it is as new.
pub(crate) fn published(log: &Log) -> Option<Published> {
    let read = |note: String| {
        let parsed = Note::parse(&note).ok()?;
        let checkpoint = Checkpoint::parse(&parsed.text).ok()?;
        let names = parsed.signatures.into_iter().map(|signature| signature.name);
        let witnesses = names.filter(|name| *name != checkpoint.origin).collect();
        Some(Published { note, size: checkpoint.size, witnesses })
    };
    let latest = log.latest_checkpoint().and_then(read);
    let witnessed = log.witnessed_checkpoint().and_then(read);
    match (latest, witnessed) {
        (Some(latest), Some(witnessed)) if witnessed.size >= latest.size => Some(witnessed),
        (latest, witnessed) => latest.or(witnessed),
    }
}

/// The newest entries that `wanted` accepts, newest first, at most `most` of them among the last `within`.
pub(crate) async fn newest(
    app: &App,
    most: usize,
    within: u64,
    wanted: impl Fn(&Entry) -> bool + Send + 'static,
) -> Result<Vec<(u64, Entry)>, Failure> {
    with_log(app, "read the ledger", move |log| {
        let size = log.size();
        let mut found = Vec::new();
        log.for_each_entry(size.saturating_sub(within)..size, &mut |seq, bytes| {
            if let Ok(entry) = Entry::decode(bytes)
                && wanted(&entry)
            {
                found.push((seq, entry));
            }
        })?;
        found.reverse();
        found.truncate(most);
        Ok(found)
    })
    .await
}

/// Calls `f` with the log on a thread that may wait for the disk.
pub(crate) async fn with_log<R: Send + 'static>(
    app: &App,
    doing: &'static str,
    f: impl FnOnce(&Log) -> Result<R, LogError> + Send + 'static,
) -> Result<R, Failure> {
    let log = Arc::clone(app.engine.log());
    match tokio::task::spawn_blocking(move || f(&log)).await {
        Ok(Err(LogError::OtherHistory { .. })) => Err(Failure::rolled_back()),
        Ok(result) => result.map_err(|error| Failure::internal(doing, &error)),
        Err(panicked) => Err(Failure::internal(doing, &panicked)),
    }
}
