use std::collections::BTreeMap;
use std::convert::Infallible;
use std::iter;

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use sha2::Sha256;
use tlog_tiles::tlog;

use super::*;
use crate::path::{consistency_proof_of, inclusion_proof_of, verify_consistency, verify_inclusion};
use crate::tile::locate;
use crate::tree::tests::numbered;
use crate::tree::{node_hash, root_of};

/// The hashes of all complete subtrees, by level.
struct Levels(Vec<Vec<Hash>>);

impl Levels {
    fn of(leaves: &[Hash]) -> Self {
        let parents = |level: &Vec<Hash>| {
            let parents: Vec<Hash> = level.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
            (!parents.is_empty()).then_some(parents)
        };
        Self(iter::successors(Some(leaves.to_vec()), parents).collect())
    }
}

impl HashReader for Levels {
    type Error = Infallible;

    fn read(&self, level: u8, index: u64) -> Result<Hash, Infallible> {
        Ok(self.0[usize::from(level)][index as usize])
    }
}

/// Hash tiles by level and index, as a log would store them.
struct Tiles(BTreeMap<(u8, u64), Vec<u8>>);

impl Tiles {
    fn of(leaves: &[Hash]) -> Self {
        let mut tiles = BTreeMap::new();
        let (mut level, mut hashes) = (0, leaves.to_vec());
        while !hashes.is_empty() {
            for (index, tile) in (0..).zip(hashes.chunks(256)) {
                tiles.insert((level, index), tile.as_flattened().to_vec());
            }
            hashes = hashes.chunks_exact(256).map(root_of).collect();
            level += 1;
        }
        Self(tiles)
    }
}

impl HashReader for Tiles {
    type Error = String;

    fn read(&self, level: u8, index: u64) -> Result<Hash, String> {
        let missing = || format!("subtree {index} of level {level} is missing");
        let place = locate(level, index).ok_or_else(missing)?;
        let tile = self.0.get(&(place.level, place.index)).ok_or_else(missing)?;
        place.hash_in(tile).ok_or_else(missing)
    }
}

#[test]
fn every_proof_up_to_300_leaves_equals_those_of_ct_merkle_and_tlog_tiles() {
    let leaves = numbered(300);
    let ours = Levels::of(&leaves);
    let mut in_memory = MemoryBackedTree::<Sha256, String>::new();
    let mut in_tiles = Stored(Vec::new());
    let mut roots = vec![empty_root()];
    for size in 1..=300_u64 {
        in_memory.push(format!("leaf {}", size - 1));
        let leaf = tlog::Hash(leaves[size as usize - 1]);
        let new = tlog::stored_hashes_for_record_hash(size - 1, leaf, &in_tiles).unwrap();
        in_tiles.0.extend(new);
        let root = stored_root(&ours, size).unwrap();
        assert_eq!(root, tlog::tree_hash(size, &in_tiles).unwrap().0);
        assert_eq!(root, in_memory.root().as_bytes().as_slice());
        roots.push(root);
        for index in 0..size {
            let proof = stored_inclusion_proof(&ours, index, size).unwrap();
            assert_eq!(proof, plain(tlog::prove_record(size, index, &in_tiles).unwrap()));
            assert_eq!(proof.as_flattened(), in_memory.prove_inclusion(index as usize).as_bytes());
            verify_inclusion(&leaves[index as usize], index, size, &proof, &root).unwrap();

            let old = index + 1;
            let proof = stored_consistency_proof(&ours, old, size).unwrap();
            assert_eq!(proof, plain(tlog::prove_tree(size, old, &in_tiles).unwrap()));
            let theirs = in_memory.prove_consistency((size - old) as usize);
            assert_eq!(proof.as_flattened(), theirs.as_bytes());
            verify_consistency(old, &roots[old as usize], size, &root, &proof).unwrap();
        }
    }
}

#[test]
fn every_proof_from_a_slice_up_to_70_leaves_equals_that_from_subtrees() {
    let leaves = numbered(70);
    let stored = Levels::of(&leaves);
    for size in 1..=70 {
        let slice = &leaves[..size as usize];
        for index in 0..size {
            let [inclusion, consistency] = [inclusion_proof_of, consistency_proof_of].map(|f| f(slice, index).unwrap());
            assert_eq!(inclusion, stored_inclusion_proof(&stored, index, size).unwrap());
            assert_eq!(consistency, stored_consistency_proof(&stored, index, size).unwrap());
        }
    }
}

fn plain(hashes: Vec<tlog::Hash>) -> Vec<Hash> {
    hashes.into_iter().map(|hash| hash.0).collect()
}

/// Their reader, over the hashes in their own order.
struct Stored(Vec<tlog::Hash>);

impl tlog::HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        Ok(indexes.iter().map(|index| self.0[*index as usize]).collect())
    }
}

#[test]
fn proofs_from_tiles_equal_proofs_from_leaves() {
    let leaves = numbered(70_000);
    let tiles = Tiles::of(&leaves);
    assert_eq!(stored_root(&tiles, 70_000).unwrap(), root_of(&leaves));
    for (index, size) in [(0, 256), (255, 257), (65_536, 70_000), (12_345, 69_999)] {
        let leaves = &leaves[..size as usize];
        let proof = stored_inclusion_proof(&tiles, index, size).unwrap();
        assert_eq!(proof, inclusion_proof_of(leaves, index).unwrap(), "{index} of {size}");
        let proof = stored_consistency_proof(&tiles, index, size).unwrap();
        assert_eq!(proof, consistency_proof_of(leaves, index).unwrap(), "{index} to {size}");
    }
}

#[test]
fn an_unreadable_hash_is_told_apart_from_an_impossible_proof() {
    let tiles = Tiles::of(&numbered(3));
    assert_eq!(stored_root(&tiles, 4), Err(StoredError::Read("subtree 0 of level 2 is missing".to_owned())));
    assert_eq!(
        stored_inclusion_proof(&tiles, 3, 3),
        Err(StoredError::Proof(ProofError::IndexOutOfRange { index: 3, size: 3 }))
    );
    assert_eq!(stored_root(&tiles, 0), Ok(empty_root()));
}
