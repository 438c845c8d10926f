//! Where a database reads from: the port that the ledger's owner implements.

use std::ops::Range;
use std::path::PathBuf;

use domain::serving::InferenceCore;
use merkle::Hash;

/// A ledger and the record files that it commits to. Calls may block on the disk; none of them writes.
pub trait Source: Send + Sync {
    /// How many entries are durable. Never falls.
    fn size(&self) -> u64;

    /// Calls `each` with the number and bytes of every entry in `range`, in order, and stops at its first error.
    ///
    /// # Errors
    /// What `each` returned, or why the entries cannot be read.
    fn entries(&self, range: Range<u64>, each: &mut dyn FnMut(u64, &[u8]) -> Result<(), String>) -> Result<(), String>;

    /// The root of the tree of the first `size` entries (RFC 6962 section 2.1).
    ///
    /// # Errors
    /// Why it cannot be computed; a `size` over [`Self::size`] is one reason.
    fn root_at(&self, size: u64) -> Result<Hash, String>;

    /// The directory that the paths in `segment.sealed` events are relative to.
    fn records_dir(&self) -> PathBuf;

    /// Records that are durable and not in a sealed segment.
    fn tail(&self) -> Vec<InferenceCore>;
}
