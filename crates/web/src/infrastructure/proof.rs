//! An inclusion proof as a reader follows it: every step with its two inputs and its result.

use merkle::{Hash, hex, node_hash};

/// One step from a leaf towards the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The hash that the proof brings, in hexadecimal.
    pub sibling: String,
    /// Whether that hash stands on the left.
    pub left: bool,
    /// SHA-256(0x01, left, right), in hexadecimal.
    pub result: String,
}

impl Step {
    pub(crate) fn side(&self) -> &'static str {
        if self.left { "left" } else { "right" }
    }
}

/// The steps of an inclusion proof, by the algorithm of RFC 9162 section 2.1.3.2. A proof of the wrong length gives
/// steps that do not end at the root, and so shows itself.
pub(crate) fn steps(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Vec<Step> {
    let (mut node, mut last) = (index, size.saturating_sub(1));
    let mut hash = leaf;
    let mut steps = Vec::with_capacity(path.len());
    for sibling in path {
        let left = node % 2 == 1 || node == last;
        hash = if left { node_hash(sibling, &hash) } else { node_hash(&hash, sibling) };
        steps.push(Step { sibling: hex(sibling), left, result: hex(&hash) });
        if left {
            while node % 2 == 0 && node != 0 {
                node /= 2;
                last /= 2;
            }
        }
        node /= 2;
        last /= 2;
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_of_every_leaf_of_every_small_tree_end_at_its_root() {
        for size in 1..20u64 {
            let leaves: Vec<Hash> = (0..size).map(|i| merkle::leaf_hash(&i.to_be_bytes())).collect();
            let root = hex(&merkle::root_of(&leaves));
            for index in 0..size {
                let leaf = leaves[usize::try_from(index).expect("small")];
                let path = merkle::inclusion_proof_of(&leaves, index).expect("within the tree");
                let last = steps(leaf, index, size, &path).last().map_or(hex(&leaf), |step| step.result.clone());
                assert_eq!(last, root, "leaf {index} of {size}");
            }
        }
    }
}
