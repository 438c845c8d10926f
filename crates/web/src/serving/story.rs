//! A record's proof, taken apart for a page: record in segment, segment in ledger. The page shows it; whoever doubts
//! the page checks the same text with the auditor's tool.

use domain::serving::SegmentSealed;
use domain::{Entry, Event};
use merkle::{Hash, leaf_hash};

use crate::infrastructure::proof::{Step, steps};

/// What a proof of a record says.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    /// Hash of the record as a leaf of its segment, in hexadecimal.
    pub leaf: String,
    /// Position of the record in its segment.
    pub index: u64,
    /// The steps from the record to the segment's root.
    pub steps: Vec<Step>,
    /// The event that committed to the segment.
    pub segment: SegmentSealed,
    /// When that event was written, in milliseconds since the epoch.
    pub sealed_at: i64,
    /// Where in the ledger it is.
    pub seq: u64,
    /// The proof itself.
    pub text: String,
}

impl Story {
    /// Takes a proof apart: the record's bytes with their place in the segment, the event that sealed it with its
    /// place in the ledger, and the whole as `text`. `None` when the event does not seal a segment.
    pub fn new(record: &[u8], index: u64, path: &[Hash], event: &[u8], seq: u64, text: String) -> Option<Self> {
        let leaf = leaf_hash(record);
        let entry = Entry::decode(event).ok()?;
        let Event::SegmentSealed(segment) = entry.event else { return None };
        Some(Self {
            leaf: merkle::hex(&leaf),
            index,
            steps: steps(leaf, index, segment.n, path),
            segment,
            sealed_at: entry.ts,
            seq,
            text,
        })
    }

    /// Whether the recomputed steps end at the root that the ledger holds.
    pub fn holds(&self) -> bool {
        self.steps.last().map_or(&self.leaf, |step| &step.result) == &self.segment.root
    }
}
