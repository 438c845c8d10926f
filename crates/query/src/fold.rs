//! The fold: what all tables hold after a number of entries. Extended entry by entry, never rewritten.

use std::collections::BTreeMap;

use domain::serving::SegmentSealed;
use domain::{Entry, Event, Record};
use merkle::{Hash, VerifierKey};

use crate::checkpoint::{self, Kept};
use crate::table::Origin;
use crate::tables::Folded;
use crate::{QueryError, Source};

/// One entry on its way into the tables.
pub(crate) struct Leaf<'a> {
    /// Its number.
    pub seq: u64,
    /// Its hash as a leaf of the log.
    pub hash: Hash,
    /// What it says.
    pub entry: &'a Entry,
    /// The checkpoint that it keeps, checked, when it is a heartbeat.
    pub kept: Option<Kept>,
}

impl Sealed {
    fn new(origin: Origin, (schema, segment): (u32, &SegmentSealed)) -> Self {
        Self {
            origin,
            schema,
            path: segment.core.path.clone(),
            len: segment.core.len,
            node: segment.node.clone(),
            incarnation: segment.incarnation,
            end: segment.first.saturating_add(segment.n),
            newest: segment.t1.div_euclid(1000),
        }
    }
}

/// How the records of a segment went.
#[derive(Clone, Debug)]
pub(crate) struct Went {
    /// The entry that says so.
    pub seq: u64,
    /// By which disposal.
    pub disposal: String,
    /// The rule by which it was due.
    pub rule: String,
    /// How many records it had.
    pub n: u64,
}

impl Leaf<'_> {
    pub fn origin(&self) -> Origin {
        Origin { seq: self.seq, leaf: self.hash }
    }
}

/// The present, as far as tables know one: a property of the ledger's size and not of the clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Time of the newest entry, milliseconds since the epoch.
    pub now: i64,
}

/// The file of one sealed segment's cores, and the records in it.
#[derive(Clone, Debug)]
pub(crate) struct Sealed {
    pub origin: Origin,
    /// The kind of records, by its number.
    pub schema: u32,
    pub path: String,
    pub len: u64,
    pub node: String,
    pub incarnation: u64,
    /// `node_seq` after its last record.
    pub end: u64,
    /// When its newest record ended, in milliseconds since the epoch.
    pub newest: i64,
}

/// Everything that follows from the first `size` entries.
#[derive(Clone, Default)]
pub(crate) struct Fold {
    /// How many entries.
    pub size: u64,
    /// The time of each, milliseconds since the epoch.
    pub times: Vec<i64>,
    /// The tables.
    pub tables: Folded,
    /// The segments sealed so far, in order.
    pub sealed: Vec<Sealed>,
    /// Those whose records went, by their path.
    pub went: BTreeMap<String, Went>,
    /// The rules of disposals.
    rules: BTreeMap<String, String>,
    /// The log's key, from the first entry.
    log: Option<VerifierKey>,
}

impl Fold {
    /// Takes entries in until there are `size`. After an error it holds what came before the entry at fault.
    pub fn extend(&mut self, source: &dyn Source, size: u64) -> Result<(), QueryError> {
        if self.size >= size {
            return Ok(());
        }
        let mut bad = None;
        let read = source.entries(self.size..size, &mut |seq, bytes| {
            self.take(source, seq, bytes).map_err(|error| {
                let message = error.to_string();
                bad = Some(error);
                message
            })
        });
        match (bad, read) {
            (Some(error), _) => Err(error),
            (None, Err(message)) => Err(QueryError::Source(message)),
            (None, Ok(())) if self.size < size => Err(QueryError::Source(format!("entry {} is missing", self.size))),
            (None, Ok(())) => Ok(()),
        }
    }

    fn take(&mut self, source: &dyn Source, seq: u64, bytes: &[u8]) -> Result<(), QueryError> {
        if seq != self.size {
            return Err(QueryError::Source(format!("entry {} is missing, entry {seq} came instead", self.size)));
        }
        let entry = Entry::decode(bytes).map_err(|error| QueryError::Entry { seq, reason: error.to_string() })?;
        let kept = match &entry.event {
            Event::LedgerHeartbeat(beat) => {
                Some(checkpoint::check(beat, seq, self.log.as_ref(), source).map_err(QueryError::Source)?)
            }
            _ => None,
        };
        let leaf = Leaf { seq, hash: merkle::leaf_hash(bytes), entry: &entry, kept };
        match &entry.event {
            Event::OrgCreated(org) => self.log = org.log_vkey.parse().ok(),
            Event::RetentionDisposing(body) => {
                self.rules.insert(body.disposal.clone(), body.rule.clone());
            }
            Event::SegmentsDisposed(body) => {
                let rule = self.rules.get(&body.disposal).cloned().unwrap_or_default();
                let went = |n| Went { seq, disposal: body.disposal.clone(), rule: rule.clone(), n };
                self.went.extend(body.segments.iter().map(|gone| (gone.core.path.clone(), went(gone.n))));
            }
            event => self.sealed.extend(event.sealed().map(|sealed| Sealed::new(leaf.origin(), sealed))),
        }
        self.tables.apply(&leaf);
        self.times.push(entry.ts);
        self.size += 1;
        Ok(())
    }

    /// How many entries came at or before `at`, milliseconds since the epoch: all before the first later one.
    pub fn size_at(&self, at: i64) -> u64 {
        self.times.iter().position(|ts| *ts > at).map_or(self.size, |size| size as u64)
    }

    pub fn moment(&self) -> Moment {
        Moment { now: self.times.last().copied().unwrap_or(0) }
    }

    /// Whether a record lies in a segment that is sealed here.
    pub fn has_sealed<R: Record>(&self, record: &R) -> bool {
        let (incarnation, node_seq) = record.place();
        let of_node = |s: &&Sealed| {
            s.schema == R::SCHEMA && s.node == record.node_name() && i64::try_from(s.incarnation) == Ok(incarnation)
        };
        let newest = self.sealed.iter().rev().find(of_node);
        newest.is_some_and(|sealed| u64::try_from(node_seq).is_ok_and(|seq| seq < sealed.end))
    }
}
