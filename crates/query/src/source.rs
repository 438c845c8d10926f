//! Where a database reads from: the port that the ledger's owner implements.

use std::ops::Range;
use std::path::PathBuf;

use domain::people::AccessCore;
use domain::serving::InferenceCore;
use merkle::Hash;

/// What is called for every entry, with its number and bytes; an error ends the reading.
pub type EachEntry<'a> = &'a mut (dyn FnMut(u64, &[u8]) -> Result<(), String> + 'a);

/// A ledger and the record files that it commits to. Calls may block on the disk; none of them writes.
pub trait Source: Send + Sync {
    /// How many entries are durable. Never falls.
    fn size(&self) -> u64;

    /// The instant up to which this source knows everything that happened, in milliseconds since the epoch: what comes
    /// later is the future. Never falls.
    fn known_until(&self) -> i64;

    /// Calls `each` with the number and bytes of every entry in `range`, in order, and stops at its first error.
    /// `each` may call [`Self::root_at`], so no lock may be held that this would wait for.
    ///
    /// # Errors
    /// What `each` returned, or why the entries cannot be read.
    fn entries(&self, range: Range<u64>, each: EachEntry<'_>) -> Result<(), String>;

    /// The root of the tree of the first `size` entries (RFC 6962 section 2.1).
    ///
    /// # Errors
    /// Why it cannot be computed; a `size` over [`Self::size`] is one reason.
    fn root_at(&self, size: u64) -> Result<Hash, String>;

    /// The directory that the paths in `segment.sealed` events are relative to.
    fn records_dir(&self) -> PathBuf;

    /// Whether the record file at `path` below the records directory belongs to this copy. A whole ledger has all of
    /// them, and a query over one that is gone is an error; a package has those of its window and no others.
    fn holds(&self, _path: &str) -> bool {
        true
    }

    /// Records that are durable and not in a sealed segment.
    fn tail(&self) -> Tail;
}

/// Records that are durable and not in a sealed segment, of each kind.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    /// Inferences.
    pub inferences: Vec<InferenceCore>,
    /// Accesses.
    pub accesses: Vec<AccessCore>,
}
