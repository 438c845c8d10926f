//! Roots and proofs of a tree that is kept as hashes of complete subtrees, wherever those are: in tiles on disk, behind
//! a URL, or in memory. Each needs a few dozen reads, whatever the size of the tree.

use std::ops::Range;

use crate::path::{ProofError, consistency_ranges, inclusion_ranges};
use crate::tree::{Hash, empty_root, join};

/// Gives the hashes of complete subtrees.
pub trait HashReader {
    /// Why a hash could not be read.
    type Error;

    /// The hash of the complete subtree of `2^level` leaves that starts at leaf `index * 2^level`.
    /// Only subtrees that lie wholly within the size asked about are read.
    ///
    /// # Errors
    /// As the storage has it.
    fn read(&self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// Why a root or proof could not be computed from stored hashes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoredError<E> {
    /// There is no such proof.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// A hash could not be read.
    #[error("cannot read a stored hash of the tree")]
    Read(#[source] E),
}

/// The root of the tree of the first `size` leaves.
///
/// # Errors
/// [`StoredError::Read`].
pub fn stored_root<R: HashReader + ?Sized>(reader: &R, size: u64) -> Result<Hash, StoredError<R::Error>> {
    range_root(reader, &(0..size))
}

/// The inclusion proof of leaf `index` in the tree of the first `size` leaves, as
/// [`inclusion_proof_of`](crate::inclusion_proof_of) makes it.
///
/// # Errors
/// [`StoredError::Proof`] when there is no such leaf; [`StoredError::Read`].
pub fn stored_inclusion_proof<R: HashReader + ?Sized>(
    reader: &R,
    index: u64,
    size: u64,
) -> Result<Vec<Hash>, StoredError<R::Error>> {
    let ranges = inclusion_ranges(index, size)?;
    ranges.iter().map(|range| range_root(reader, range)).collect()
}

/// The consistency proof between the trees of the first `old` and the first `new` leaves, as
/// [`consistency_proof_of`](crate::consistency_proof_of) makes it.
///
/// # Errors
/// [`StoredError::Proof`] when `old` is larger than `new`; [`StoredError::Read`].
pub fn stored_consistency_proof<R: HashReader + ?Sized>(
    reader: &R,
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, StoredError<R::Error>> {
    let ranges = consistency_ranges(old, new)?;
    ranges.iter().map(|range| range_root(reader, range)).collect()
}

/// The hash of a subtree of RFC 6962: one that starts at a multiple of the smallest power of two not below its size.
/// It is made of one complete subtree for each bit set in its size, largest first.
fn range_root<R: HashReader + ?Sized>(reader: &R, range: &Range<u64>) -> Result<Hash, StoredError<R::Error>> {
    let mut subtrees = Vec::new();
    let mut start = range.start;
    while start < range.end {
        let level = (range.end - start).ilog2();
        subtrees.push(reader.read(level as u8, start >> level).map_err(StoredError::Read)?);
        start += 1 << level;
    }
    Ok(join(&subtrees).unwrap_or_else(empty_root))
}

#[cfg(test)]
mod tests;
