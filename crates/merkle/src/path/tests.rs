use proptest::prelude::*;

use super::*;
use crate::encoding::hash_from_hex;
use crate::tree::tests::{ROOTS, numbered, vector_leaves};

fn hashes(texts: &[&str]) -> Vec<Hash> {
    texts.iter().map(|text| hash_from_hex(text).unwrap()).collect()
}

#[test]
fn inclusion_vectors_of_the_reference_implementation() {
    let leaves = vector_leaves();
    let check = |index: u64, size: usize, expected: &[&str]| {
        let proof = inclusion_proof_of(&leaves[..size], index).unwrap();
        assert_eq!(proof, hashes(expected), "leaf {index} of {size}");
        let root = hash_from_hex(ROOTS[size - 1]).unwrap();
        verify_inclusion(&leaves[index as usize], index, size as u64, &proof, &root).unwrap();
    };
    let two = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
    let leaf_4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
    let pair_6 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
    let right = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
    let leaf_1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
    check(0, 1, &[]);
    check(0, 8, &[leaf_1, two, right]);
    check(5, 8, &[leaf_4, pair_6, ROOTS[3]]);
    check(2, 3, &[ROOTS[1]]);
    check(1, 5, &[ROOTS[0], two, leaf_4]);
}

#[test]
fn consistency_vectors_of_the_reference_implementation() {
    let leaves = vector_leaves();
    let check = |old: usize, new: usize, expected: &[&str]| {
        let proof = consistency_proof_of(&leaves[..new], old as u64).unwrap();
        assert_eq!(proof, hashes(expected), "{old} to {new}");
        let root = |size: usize| hash_from_hex(ROOTS[size - 1]).unwrap();
        verify_consistency(old as u64, &root(old), new as u64, &root(new), &proof).unwrap();
    };
    let leaf_1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
    let two = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
    let right = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
    let pair_4 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
    let pair_6 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
    let leaf_4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
    check(1, 1, &[]);
    check(1, 8, &[leaf_1, two, right]);
    check(6, 8, &[pair_4, pair_6, ROOTS[3]]);
    check(2, 5, &[two, leaf_4]);
}

#[test]
fn nothing_is_proven_about_trees_that_are_not_there() {
    let leaves = numbered(3);
    let empty = empty_root();
    assert_eq!(inclusion_proof_of(&leaves, 3), Err(ProofError::IndexOutOfRange { index: 3, size: 3 }));
    assert_eq!(verify_inclusion(&leaves[0], 0, 0, &[], &empty), Err(ProofError::IndexOutOfRange { index: 0, size: 0 }));
    assert_eq!(consistency_proof_of(&leaves, 4), Err(ProofError::SizesReversed { old: 4, new: 3 }));
    assert_eq!(verify_consistency(4, &empty, 3, &empty, &[]), Err(ProofError::SizesReversed { old: 4, new: 3 }));
}

#[test]
fn the_empty_tree_is_a_prefix_of_all() {
    let root = root_of(&numbered(3));
    assert_eq!(consistency_proof_of(&numbered(3), 0), Ok(vec![]));
    assert_eq!(verify_consistency(0, &empty_root(), 3, &root, &[]), Ok(()));
    assert_eq!(verify_consistency(0, &empty_root(), 0, &empty_root(), &[]), Ok(()));
    assert_eq!(verify_consistency(0, &root, 3, &root, &[]), Err(ProofError::RootMismatch));
    assert_eq!(verify_consistency(0, &empty_root(), 0, &root, &[]), Err(ProofError::RootMismatch));
    assert_eq!(
        verify_consistency(0, &empty_root(), 3, &root, &[root]),
        Err(ProofError::WrongLength { expected: 0, got: 1 })
    );
}

#[test]
fn equal_sizes_need_equal_roots_and_no_proof() {
    let [a, b] = [[1; 32], [2; 32]];
    assert_eq!(verify_consistency(5, &a, 5, &a, &[]), Ok(()));
    assert_eq!(verify_consistency(5, &a, 5, &b, &[]), Err(ProofError::RootMismatch));
    assert_eq!(verify_consistency(5, &a, 5, &a, &[a]), Err(ProofError::WrongLength { expected: 0, got: 1 }));
}

#[test]
fn sizes_near_the_largest_number_do_not_overflow() {
    let hash = [7; 32];
    for (index, size) in [(0, u64::MAX), (u64::MAX - 1, u64::MAX), (1 << 63, u64::MAX), (0, 1 << 63)] {
        let ranges = inclusion_ranges(index, size).unwrap();
        let proof = vec![hash; ranges.len()];
        root_from_inclusion(&hash, index, size, &proof).unwrap();
        root_from_inclusion(&hash, index, size, &[]).unwrap_err();
    }
    for (old, new) in [(1, u64::MAX), (u64::MAX - 1, u64::MAX), (1 << 63, u64::MAX), ((1 << 63) + 1, u64::MAX)] {
        let ranges = consistency_ranges(old, new).unwrap();
        let proof = vec![hash; ranges.len()];
        assert_eq!(verify_consistency(old, &hash, new, &hash, &proof), Err(ProofError::RootMismatch), "{old} to {new}");
    }
}

/// A tree of up to 70 leaves, and a leaf in it.
fn tree_and_index() -> impl Strategy<Value = (usize, usize)> {
    (1..70_usize).prop_flat_map(|size| (Just(size), 0..size))
}

proptest! {
    #[test]
    fn inclusion_fails_when_anything_is_changed(
        (size, index) in tree_and_index(),
        other in 0..140_u64,
        place: prop::sample::Index,
        bit in 0..8_u8,
    ) {
        let leaves = numbered(size);
        let (index, leaf, size) = (index as u64, leaves[index], size as u64);
        let proof = inclusion_proof_of(&leaves, index).unwrap();
        let root = root_of(&leaves);

        // One bit of the leaf, of the root or of the proof.
        let mut parts = [vec![leaf, root], proof.clone()].concat();
        let byte = place.index(parts.len() * 32);
        parts[byte / 32][byte % 32] ^= 1 << bit;
        let (ends, changed) = parts.split_at(2);
        prop_assert!(verify_inclusion(&ends[0], index, size, changed, &ends[1]).is_err());

        // Another position.
        if other != index {
            prop_assert!(verify_inclusion(&leaf, other, size, &proof, &root).is_err());
        }
        // Another length of the proof.
        let longer = [proof.clone(), vec![root]].concat();
        prop_assert!(verify_inclusion(&leaf, index, size, &longer, &root).is_err());
        if let Some((_, shorter)) = proof.split_last() {
            prop_assert!(verify_inclusion(&leaf, index, size, shorter, &root).is_err());
        }
    }

    #[test]
    fn consistency_fails_when_anything_is_changed(
        (new, old) in tree_and_index(),
        other in 0..140_u64,
        place: prop::sample::Index,
        bit in 0..8_u8,
    ) {
        prop_assume!(old > 0);
        let leaves = numbered(new);
        let [old_root, new_root] = [root_of(&leaves[..old]), root_of(&leaves)];
        let proof = consistency_proof_of(&leaves, old as u64).unwrap();
        let (old, new) = (old as u64, new as u64);

        let mut parts = [vec![old_root, new_root], proof.clone()].concat();
        let byte = place.index(parts.len() * 32);
        parts[byte / 32][byte % 32] ^= 1 << bit;
        let (ends, changed) = parts.split_at(2);
        prop_assert!(verify_consistency(old, &ends[0], new, &ends[1], changed).is_err());

        if other != old {
            prop_assert!(verify_consistency(other, &old_root, new, &new_root, &proof).is_err());
        }
        let longer = [proof.clone(), vec![new_root]].concat();
        prop_assert!(verify_consistency(old, &old_root, new, &new_root, &longer).is_err());
        let shorter = &proof[..proof.len() - 1];
        prop_assert!(verify_consistency(old, &old_root, new, &new_root, shorter).is_err());
    }

    /// The number of leaves is bound to the root by the checkpoint, not by the proof: where two sizes give a path of
    /// the same shape, the same proof leads to the same root. Any other size is refused.
    #[test]
    fn another_size_is_refused_unless_the_path_has_the_same_shape(
        (size, index) in tree_and_index(),
        other in 0..140_u64,
    ) {
        let leaves = numbered(size);
        let proof = inclusion_proof_of(&leaves, index as u64).unwrap();
        let verdict = verify_inclusion(&leaves[index], index as u64, other, &proof, &root_of(&leaves));
        let same_length = inclusion_ranges(index as u64, other).is_ok_and(|ranges| ranges.len() == proof.len());
        prop_assert!(verdict.is_err() || same_length);
    }

    #[test]
    fn hostile_proofs_do_not_panic(
        index: u64,
        size: u64,
        proof in prop::collection::vec(any::<Hash>(), 0..70),
        root: Hash,
    ) {
        prop_assert!(verify_inclusion(&root, index, size, &proof, &root).is_err() || size == 1);
        let consistent = verify_consistency(index, &root, size, &root, &proof);
        prop_assert!(consistent.is_err() || index == size);
    }
}
