//! The Merkle tree hash of RFC 6962 section 2.1, and the frontier: the few hashes that are enough to append a leaf and
//! to know the root, however large the tree.

use sha2::{Digest, Sha256};

use crate::path::ProofError;

/// A SHA-256 hash: of a leaf, of an inner node, or of a whole tree.
pub type Hash = [u8; 32];

/// The hash of a leaf, `SHA-256(0x00 || data)` (RFC 6962 section 2.1).
pub fn leaf_hash(data: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(data).finalize().into()
}

/// The hash of an inner node, `SHA-256(0x01 || left || right)` (RFC 6962 section 2.1).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of a tree without leaves, `SHA-256("")` (RFC 6962 section 2.1).
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The root of the tree over these leaf hashes.
pub fn root_of(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    frontier.root()
}

/// The hashes of the complete subtrees that make up a tree, largest first: one for each bit set in the size.
///
/// INVARIANT: `hashes.len() == size.count_ones()`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    hashes: Vec<Hash>,
}

impl Frontier {
    /// The frontier of the empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// A frontier saved earlier: the number of leaves, and what [`Frontier::hashes`] gave.
    ///
    /// # Errors
    /// [`ProofError::TreeTooLarge`] above 2^63 leaves, so that pushing can never overflow;
    /// [`ProofError::WrongLength`] when there is not one hash for each bit set in the size.
    pub fn from_parts(size: u64, hashes: Vec<Hash>) -> Result<Self, ProofError> {
        if size > 1 << 63 {
            return Err(ProofError::TreeTooLarge { size });
        }
        let expected = size.count_ones() as usize;
        if hashes.len() != expected {
            return Err(ProofError::WrongLength { expected, got: hashes.len() });
        }
        Ok(Self { size, hashes })
    }

    /// Appends a leaf, given its hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        // A carry in binary addition: every complete subtree as large as `node` becomes its left sibling.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.hashes.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.hashes.push(node);
        self.size += 1;
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        join(&self.hashes).unwrap_or_else(empty_root)
    }

    /// The hashes of the complete subtrees, largest first.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }
}

/// Joins complete subtrees, largest first, into one hash. None when there are none.
pub(crate) fn join(subtrees: &[Hash]) -> Option<Hash> {
    subtrees.iter().rev().copied().reduce(|right, left| node_hash(&left, &right))
}

#[cfg(test)]
pub(crate) mod tests;
