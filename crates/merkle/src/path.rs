//! Inclusion and consistency proofs (RFC 6962 sections 2.1.1 and 2.1.2): which subtrees a proof names, making one from
//! leaf hashes, and checking one. A proof names each subtree as a range of leaves, so that the hashes can come from
//! anywhere: a slice here, tiles in [`crate::stored`].

use std::ops::Range;

use crate::tree::{Hash, empty_root, node_hash, root_of};

/// Why a proof can't be made, or does not prove what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The tree has no such leaf.
    #[error("there is no leaf {index} in a tree of {size} leaves")]
    IndexOutOfRange {
        /// Zero-based index of the leaf asked for.
        index: u64,
        /// Number of leaves in the tree.
        size: u64,
    },
    /// The older tree would have more leaves than the newer one.
    #[error("a tree of {new} leaves can't continue one of {old} leaves; ask for an older size that is not larger")]
    SizesReversed {
        /// Size of the older tree.
        old: u64,
        /// Size of the newer tree.
        new: u64,
    },
    /// The number of hashes does not fit the sizes.
    #[error("expected {expected} hashes for these sizes, got {got}")]
    WrongLength {
        /// How many the sizes call for.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// The hashes lead to another root than the one to be proven.
    #[error("the proof leads to a different root hash: the data, the position or the tree was changed")]
    RootMismatch,
    /// More leaves than any log of ours will hold.
    #[error("a tree of {size} leaves is larger than 2^63")]
    TreeTooLarge {
        /// The size that was claimed.
        size: u64,
    },
}

/// The inclusion proof of the leaf at `index`, sibling of the leaf first (RFC 6962 section 2.1.1, `PATH`).
///
/// # Errors
/// [`ProofError::IndexOutOfRange`].
pub fn inclusion_proof_of(leaves: &[Hash], index: u64) -> Result<Vec<Hash>, ProofError> {
    let ranges = inclusion_ranges(index, leaves.len() as u64)?;
    Ok(ranges.iter().map(|range| slice_root(leaves, range)).collect())
}

/// The consistency proof between the tree of the first `old` leaves and the tree of all of them (RFC 6962 section
/// 2.1.2, `PROOF`). Empty when `old` is zero or all.
///
/// # Errors
/// [`ProofError::SizesReversed`].
pub fn consistency_proof_of(leaves: &[Hash], old: u64) -> Result<Vec<Hash>, ProofError> {
    let ranges = consistency_ranges(old, leaves.len() as u64)?;
    Ok(ranges.iter().map(|range| slice_root(leaves, range)).collect())
}

fn slice_root(leaves: &[Hash], range: &Range<u64>) -> Hash {
    // INVARIANT: ranges lie within the number of leaves they were made from, which is a `usize`.
    root_of(leaves.get(range.start as usize..range.end as usize).unwrap_or_default())
}

/// Checks that the leaf with this hash is at `index` in the tree of `size` leaves with this root.
///
/// # Errors
/// [`ProofError`] says what does not fit.
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash], root: &Hash) -> Result<(), ProofError> {
    same(&root_from_inclusion(leaf, index, size, proof)?, root)
}

/// The root that an inclusion proof leads to (RFC 9162 section 2.1.3.2). It proves nothing until the root is compared
/// with one that is trusted.
///
/// # Errors
/// [`ProofError::IndexOutOfRange`] or [`ProofError::WrongLength`].
pub fn root_from_inclusion(leaf: &Hash, index: u64, size: u64, proof: &[Hash]) -> Result<Hash, ProofError> {
    if index >= size {
        return Err(ProofError::IndexOutOfRange { index, size });
    }
    let shape = Shape::of(index, size);
    let (inner, border) = shape.split(proof, 0)?;
    Ok(climb_border(climb_inner(*leaf, inner, index), border))
}

/// Checks that the tree of `old` leaves is a prefix of the tree of `new` leaves (RFC 9162 section 2.1.4.2).
///
/// The proof is empty when the sizes are equal (then the roots must be too), or when `old` is zero (then `old_root`
/// must be the empty root).
///
/// # Errors
/// [`ProofError`] says what does not fit.
pub fn verify_consistency(
    old: u64,
    old_root: &Hash,
    new: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::SizesReversed { old, new });
    }
    if old == 0 || old == new {
        if !proof.is_empty() {
            return Err(ProofError::WrongLength { expected: 0, got: proof.len() });
        }
        if old == 0 {
            same(&empty_root(), old_root)?;
        }
        return if old == new { same(old_root, new_root) } else { Ok(()) };
    }
    // The walk starts at the last complete subtree of the old tree, `level` levels above its last leaf. When that
    // subtree is the whole old tree, its hash is the old root, and the proof leaves it out.
    let level = old.trailing_zeros();
    let index = (old - 1) >> level;
    let shape = Shape::of(old - 1, new).above(level);
    let (seed, rest) = match proof.split_first() {
        _ if old.is_power_of_two() => (old_root, proof),
        Some(first_and_rest) => first_and_rest,
        None => {
            return Err(ProofError::WrongLength { expected: shape.hashes() + 1, got: 0 });
        }
    };
    let (inner, border) = shape.split(rest, proof.len() - rest.len())?;
    same(&climb_border(climb_left(*seed, inner, index), border), old_root)?;
    same(&climb_border(climb_inner(*seed, inner, index), border), new_root)
}

fn same(computed: &Hash, expected: &Hash) -> Result<(), ProofError> {
    if computed == expected { Ok(()) } else { Err(ProofError::RootMismatch) }
}

/// How a path from a leaf to the root looks: first siblings on either side, until the path meets the right edge of
/// the tree; from there on only left siblings.
struct Shape {
    inner: u32,
    border: u32,
}

impl Shape {
    /// Of the path from leaf `index` in a tree of `size` leaves; `index < size`.
    fn of(index: u64, size: u64) -> Self {
        let inner = u64::BITS - (index ^ (size - 1)).leading_zeros();
        let border = index.checked_shr(inner).unwrap_or(0).count_ones();
        Self { inner, border }
    }

    /// The same path from a node `level` levels up, which is still below the right edge.
    fn above(self, level: u32) -> Self {
        Self { inner: self.inner - level, ..self }
    }

    fn hashes(&self) -> usize {
        (self.inner + self.border) as usize
    }

    /// The hashes beside the inner part and beside the border. `before` hashes were taken from the proof already.
    fn split<'p>(&self, proof: &'p [Hash], before: usize) -> Result<(&'p [Hash], &'p [Hash]), ProofError> {
        match proof.split_at_checked(self.inner as usize) {
            Some(parts) if proof.len() == self.hashes() => Ok(parts),
            _ => Err(ProofError::WrongLength { expected: self.hashes() + before, got: proof.len() + before }),
        }
    }
}

/// From a node at `index` of its level upwards, with a sibling on either side.
fn climb_inner(node: Hash, siblings: &[Hash], index: u64) -> Hash {
    siblings.iter().enumerate().fold(node, |node, (level, sibling)| {
        if index >> level & 1 == 0 { node_hash(&node, sibling) } else { node_hash(sibling, &node) }
    })
}

/// The same walk, but only through siblings on the left: those were there when the tree was smaller.
fn climb_left(node: Hash, siblings: &[Hash], index: u64) -> Hash {
    let on_the_left = siblings.iter().enumerate().filter(|(level, _)| index >> level & 1 == 1);
    on_the_left.fold(node, |node, (_, sibling)| node_hash(sibling, &node))
}

fn climb_border(node: Hash, siblings: &[Hash]) -> Hash {
    siblings.iter().fold(node, |node, sibling| node_hash(sibling, &node))
}

/// The subtrees an inclusion proof names, as ranges of leaves, sibling of the leaf first. At most 64.
pub(crate) fn inclusion_ranges(index: u64, size: u64) -> Result<Vec<Range<u64>>, ProofError> {
    if index >= size {
        return Err(ProofError::IndexOutOfRange { index, size });
    }
    let mut ranges = Vec::new();
    let mut tree = 0..size;
    while tree.end - tree.start > 1 {
        let middle = split(&tree);
        if index < middle {
            ranges.push(middle..tree.end);
            tree.end = middle;
        } else {
            ranges.push(tree.start..middle);
            tree.start = middle;
        }
    }
    ranges.reverse();
    Ok(ranges)
}

/// The subtrees a consistency proof names, as ranges of leaves, in the order of the proof. At most 65.
pub(crate) fn consistency_ranges(old: u64, new: u64) -> Result<Vec<Range<u64>>, ProofError> {
    if old > new {
        return Err(ProofError::SizesReversed { old, new });
    }
    if old == 0 {
        return Ok(Vec::new());
    }
    let mut ranges = Vec::new();
    let mut tree = 0..new;
    while old < tree.end {
        let middle = split(&tree);
        if old <= middle {
            ranges.push(middle..tree.end);
            tree.end = middle;
        } else {
            ranges.push(tree.start..middle);
            tree.start = middle;
        }
    }
    // What is left is a complete subtree that both trees share. The verifier knows it when it is the whole old tree.
    if tree.start > 0 {
        ranges.push(tree);
    }
    ranges.reverse();
    Ok(ranges)
}

/// Where a tree of at least two leaves splits: the left part has the largest power of two smaller than the size.
fn split(tree: &Range<u64>) -> u64 {
    tree.start + (1 << (tree.end - tree.start - 1).ilog2())
}

#[cfg(test)]
mod tests;
