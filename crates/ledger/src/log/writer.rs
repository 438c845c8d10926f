//! The writer: what one batch of appends goes through. It alone writes to the write-ahead log and extends the tree.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use merkle::Hash;

use super::Shared;
use super::error::AppendError;
use crate::commit::{Fatal, Sink};
use crate::wal::{KIND_ENTRY, Wal, WalError};

/// Called once with the sequence number of the first entry, after all are durable.
pub(super) type OnDurable = Box<dyn FnOnce(Result<u64, AppendError>) + Send>;

/// One append waiting in the queue.
pub(super) struct Append {
    pub(super) entries: Vec<Vec<u8>>,
    /// Their leaf hashes, computed by the thread that appends.
    pub(super) leaves: Vec<Hash>,
    pub(super) on_durable: OnDurable,
}

pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) wal: Wal,
    /// For each batch still in the log: its number and the sequence number after its last entry.
    pub(super) batches: VecDeque<(u64, u64)>,
}

impl Sink for Writer {
    type Item = Append;

    fn commit(&mut self, batch: &mut Vec<Append>) -> Result<(), Fatal> {
        if let Err(error) = self.shared.flush.wait_for_room(&self.shared.tree) {
            refuse(batch, &error);
            return Ok(());
        }
        let first = self.shared.tree.size();
        let entries = batch.iter().flat_map(|append| &append.entries);
        let frames: Vec<(u8, &[u8])> = entries.map(|entry| (KIND_ENTRY, entry.as_slice())).collect();
        let end = first + frames.len() as u64;
        match self.wal.append(now_ms(), first, &frames) {
            Ok(appended) => self.batches.push_back((appended.batch, end)),
            Err(WalError::Full { .. }) => {
                refuse(batch, &AppendError::Full);
                return Ok(());
            }
            Err(error) => return Err(Fatal(with_causes(&error))),
        }
        self.extend_tree(batch, first);
        self.shared.flush.notify(&self.shared.tree);
        self.release();
        Ok(())
    }
}

impl Writer {
    /// Makes a durable batch readable, then answers its callers in order.
    fn extend_tree(&self, batch: &mut Vec<Append>, first: u64) {
        let mut seq = first;
        let mut answers = Vec::with_capacity(batch.len());
        let mut tail = self.shared.tree.tail_mut();
        for append in batch.drain(..) {
            answers.push((append.on_durable, seq));
            seq += append.entries.len() as u64;
            append.entries.into_iter().zip(append.leaves).for_each(|(entry, leaf)| tail.push(entry, leaf));
        }
        drop(tail);
        answers.into_iter().for_each(|(on_durable, seq)| on_durable(Ok(seq)));
    }

    /// Lets go of the batches whose entries are in durable bundles.
    fn release(&mut self) {
        let integrated = self.shared.flush.integrated();
        let mut last = None;
        while let Some(&(batch, end)) = self.batches.front()
            && end <= integrated
        {
            last = Some(batch);
            self.batches.pop_front();
        }
        let Some(last) = last else { return };
        if let Err(error) = self.wal.release(last) {
            // Nothing is lost by a segment that stays; the next release tries again.
            tracing::warn!(error = %with_causes(&error), batch = last, "could not release log segments");
        }
    }
}

fn refuse(batch: &mut Vec<Append>, error: &AppendError) {
    batch.drain(..).for_each(|append| (append.on_durable)(Err(error.clone())));
}

/// An error with all its causes, for the one line that is logged.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
