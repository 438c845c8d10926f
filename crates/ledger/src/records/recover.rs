//! What a restart finds: records not sealed yet, and calls that began and never ended, which become records now.
//!
//! The segment of a record is written beside it, so segments come back with the borders they had: sealing one again
//! gives the root it had before. Found segments are closed; new records never join them.

use std::collections::{HashMap, VecDeque};
use std::marker::PhantomData;
use std::sync::Arc;

use domain::Record;
use merkle::leaf_hash;

use super::Resume;
use super::error::RecordError;
use super::frame::{Building, Frame};
use super::state::{Kept, Segment};
use crate::wal::{Batch, KIND_META, KIND_RECORD, Wal};

/// Reads the log and collects what is open in it.
pub(super) struct Recovery<R> {
    _kind: PhantomData<fn() -> R>,
    node: String,
    resume: Resume,
    /// Most bytes of one batch, single larger frames apart.
    batch_bytes: usize,
    segments: VecDeque<Segment>,
    /// Beginnings without an end, with their order.
    begun: HashMap<String, (u64, Vec<u8>)>,
    order: u64,
    /// Records that an earlier start made of calls that never ended, not sealed yet.
    interrupted: u64,
}

impl<R: Record> Recovery<R> {
    pub fn new(node: &str, resume: Resume, batch_bytes: usize) -> Self {
        let (segments, begun) = (VecDeque::new(), HashMap::new());
        Self {
            _kind: PhantomData,
            node: node.to_owned(),
            resume,
            batch_bytes,
            segments,
            begun,
            order: 0,
            interrupted: 0,
        }
    }

    /// Takes in a beginning. All of them come before the first batch.
    pub fn begun(&mut self, bytes: Vec<u8>) -> Result<(), RecordError> {
        let (_, id) = self.frame(&bytes)?;
        let id = id.to_owned();
        self.order += 1;
        self.begun.insert(id, (self.order, bytes));
        Ok(())
    }

    /// Takes in one batch of the replay.
    pub fn batch(&mut self, batch: &Batch<'_>) -> Result<(), RecordError> {
        for (kind, bytes) in batch.frames() {
            match kind {
                KIND_RECORD => {
                    let (frame, id) = self.frame(bytes)?;
                    self.begun.remove(id);
                    self.record(&frame, batch)?;
                }
                KIND_META => {}
                kind => return Err(inconsistent(format!("the log has a frame of the unknown kind {kind}"))),
            }
        }
        Ok(())
    }

    fn frame<'a>(&self, bytes: &'a [u8]) -> Result<(Frame<'a>, &'a str), RecordError> {
        let frame = Frame::decode(bytes).ok_or_else(|| inconsistent("a frame of the log is too short"))?;
        let id = frame.id().ok_or_else(|| inconsistent("a frame of the log names no record"))?;
        let Resume { incarnation, .. } = self.resume;
        if frame.incarnation > incarnation {
            let found = frame.incarnation;
            let what = format!("the disk has records of incarnation {found}, the ledger knows of {incarnation} only");
            return Err(inconsistent(what));
        }
        Ok((frame, id))
    }

    fn record(&mut self, frame: &Frame<'_>, batch: &Batch<'_>) -> Result<(), RecordError> {
        let Resume { incarnation, next_segment, .. } = self.resume;
        if frame.incarnation < incarnation || frame.segment < next_segment {
            // Sealed; its batch was just not released yet.
            return Ok(());
        }
        let core: R = decode(frame.core)?;
        let (found, node_seq) = core.place();
        if core.node_name() != self.node || found != as_i64(incarnation) {
            return Err(inconsistent(format!("a record is of node `{}`, incarnation {found}", core.node_name())));
        }
        let kept = Kept { core: frame.core.into(), leaf: leaf_hash(frame.core), ts_end: core.ended_us() };
        self.interrupted += u64::from(core.is_interrupted());
        let (number, seq) = self.next_place();
        let follows = frame.segment == number || (frame.segment == number + 1 && !self.segments.is_empty());
        if !follows || node_seq != as_i64(seq) {
            let found = format!("record {node_seq} in segment {}", frame.segment);
            return Err(inconsistent(format!("{found} follows, but {seq} in segment {number} comes next")));
        }
        self.push(frame.segment, kept, frame.ct.len() as u64, batch.number, batch.ts_ms);
        Ok(())
    }

    /// Segment of the last record found, and number of the next record.
    fn next_place(&self) -> (u64, u64) {
        let Resume { next_segment, sealed_records, .. } = self.resume;
        self.segments.back().map_or((next_segment, sealed_records), |last| (last.number, last.end()))
    }

    fn push(&mut self, number: u64, kept: Kept, payload_bytes: u64, batch: u64, ts_ms: u64) {
        if self.segments.back().is_none_or(|last| last.number != number) {
            let (_, seq) = self.next_place();
            self.segments.push_back(Segment::new(self.resume.incarnation, number, seq));
        }
        if let Some(last) = self.segments.back_mut() {
            last.push(kept, payload_bytes, batch, ts_ms);
        }
    }

    /// Makes a durable record of each call that never ended; returns how many there were, with those that an earlier start
    /// made and did not get to seal. They make a segment of their own: the one before may have been sealed, only not confirmed. Dying in the middle leaves those not written yet
    /// for the next start.
    pub fn interrupt(&mut self, wal: &mut Wal, now_us: i64) -> Result<u64, RecordError> {
        let mut orphans: Vec<(u64, Vec<u8>)> = self.begun.drain().map(|(_, begun)| begun).collect();
        orphans.sort_unstable_by_key(|(order, _)| *order);
        let (last, _) = self.next_place();
        let number = if self.segments.is_empty() { last } else { last + 1 };
        let count = self.interrupted + orphans.len() as u64;
        let ts_ms = u64::try_from(now_us.div_euclid(1000)).unwrap_or(0);
        let mut rest = &orphans[..];
        while !rest.is_empty() {
            let mut bytes = 0;
            let fit = rest.iter().position(|(_, frame)| {
                bytes += frame.len();
                bytes > self.batch_bytes
            });
            let (chunk, after) = rest.split_at(fit.unwrap_or(rest.len()).max(1));
            self.interrupt_chunk(wal, chunk, number, (now_us, ts_ms))?;
            rest = after;
        }
        Ok(count)
    }

    fn interrupt_chunk(
        &mut self,
        wal: &mut Wal,
        chunk: &[(u64, Vec<u8>)],
        number: u64,
        (now_us, ts_ms): (i64, u64),
    ) -> Result<(), RecordError> {
        let (_, first) = self.next_place();
        let mut records = Vec::with_capacity(chunk.len());
        for ((_, bytes), seq) in chunk.iter().zip(first..) {
            let (frame, _) = self.frame(bytes)?;
            let mut core: R = decode(frame.core)?;
            core.interrupt(now_us);
            core.written_by(&self.node, as_i64(self.resume.incarnation));
            let mut record = Building::new(&core, &frame.subject_ref, frame.ct, self.resume.incarnation)
                .ok_or_else(|| inconsistent("a beginning in the log is too large"))?;
            record.number(number, seq);
            records.push((record, core.ended_us(), frame.ct.len() as u64));
        }
        let frames: Vec<(u8, &[u8])> = records.iter().map(|(record, ..)| (KIND_RECORD, record.bytes())).collect();
        let appended = wal.append(ts_ms, first, &frames)?;
        for (record, ts_end, payload_bytes) in records {
            let core = record.core();
            let kept = Kept { core: core.into(), leaf: leaf_hash(core), ts_end };
            self.push(number, kept, payload_bytes, appended.batch, ts_ms);
        }
        Ok(())
    }

    /// The closed segments, and the empty one that would follow.
    pub fn finish(self) -> (VecDeque<Arc<Segment>>, Segment) {
        let Resume { incarnation, next_segment, sealed_records, .. } = self.resume;
        let fresh = || Segment::new(incarnation, next_segment, sealed_records);
        let open = self.segments.back().map_or_else(fresh, Segment::next);
        (self.segments.into_iter().map(Arc::new).collect(), open)
    }
}

fn decode<R: Record>(core: &[u8]) -> Result<R, RecordError> {
    R::decode(core).map_err(|error| inconsistent(format!("a record in the log cannot be read: {error}")))
}

fn inconsistent(what: impl Into<String>) -> RecordError {
    RecordError::Inconsistent { what: what.into() }
}

fn as_i64(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
