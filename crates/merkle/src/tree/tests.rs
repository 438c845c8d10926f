use super::*;
use crate::encoding::{hash_from_hex, hex, unhex};

/// The leaves that the reference implementation of RFC 6962 tests with.
pub(crate) const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

/// The roots of the trees over the first one, two, ... of [`LEAVES`].
pub(crate) const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

pub(crate) fn vector_leaves() -> Vec<Hash> {
    LEAVES.iter().map(|leaf| leaf_hash(&unhex(leaf).unwrap())).collect()
}

/// Leaf hashes of the entries `leaf 0`, `leaf 1`, ...
pub(crate) fn numbered(count: usize) -> Vec<Hash> {
    (0..count).map(|n| leaf_hash(format!("leaf {n}").as_bytes())).collect()
}

/// The Merkle tree hash, word for word as RFC 6962 section 2.1 defines it.
fn by_definition(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(1 << (leaves.len() - 1).ilog2());
            node_hash(&by_definition(left), &by_definition(right))
        }
    }
}

#[test]
fn hashes_are_those_of_rfc_6962() {
    assert_eq!(hex(&empty_root()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let leaves = vector_leaves();
    for (count, root) in (1..).zip(ROOTS) {
        assert_eq!(hex(&root_of(&leaves[..count])), root, "{count} leaves");
    }
}

#[test]
fn frontier_has_the_root_of_every_size_on_the_way() {
    let leaves = numbered(600);
    let mut frontier = Frontier::new();
    for size in 0..=600 {
        assert_eq!(frontier.size(), size as u64);
        assert_eq!(frontier.root(), by_definition(&leaves[..size]), "{size} leaves");
        let again = Frontier::from_parts(frontier.size(), frontier.hashes().to_vec()).unwrap();
        assert_eq!(again, frontier);
        if let Some(leaf) = leaves.get(size) {
            frontier.push(*leaf);
        }
    }
}

#[test]
fn a_frontier_needs_one_hash_for_each_bit_of_its_size() {
    let hash = hash_from_hex(ROOTS[0]).unwrap();
    assert_eq!(Frontier::from_parts(6, vec![hash]), Err(ProofError::WrongLength { expected: 2, got: 1 }));
    assert_eq!(Frontier::from_parts(u64::MAX, vec![hash; 64]), Err(ProofError::TreeTooLarge { size: u64::MAX }));
    let mut largest = Frontier::from_parts(1 << 63, vec![hash]).unwrap();
    largest.push(hash);
    assert_eq!(largest.hashes().len(), 2);
}
