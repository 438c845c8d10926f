//! How one sequence of leaves differs from another, in words that name rows: altered, added, removed, moved.

use std::collections::{HashMap, VecDeque};

use merkle::Hash;

/// One difference. Positions count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// Another row stands at this position.
    Altered(usize),
    /// A row that should not be there, by its position among those found.
    Added(usize),
    /// A row that should be there, by its position among those expected.
    Removed(usize),
    /// A row that belongs elsewhere.
    Moved {
        /// Where it was found.
        at: usize,
        /// Where it belongs.
        from: usize,
    },
}

/// The differences, in order of position. Empty when the sequences are equal.
pub(crate) fn differences(expected: &[Hash], found: &[Hash]) -> Vec<Difference> {
    let mut places: HashMap<&Hash, VecDeque<usize>> = HashMap::new();
    for (at, leaf) in expected.iter().enumerate() {
        places.entry(leaf).or_default().push_back(at);
    }
    let mut take = |leaf| places.get_mut(leaf).and_then(VecDeque::pop_front);
    let matched: Vec<Option<usize>> = found.iter().map(&mut take).collect();
    let mut here = vec![false; expected.len()];
    matched.iter().flatten().for_each(|from| here[*from] = true);

    let is_added = |at: usize| matched.get(at).is_some_and(Option::is_none);
    let is_removed = |at: usize| here.get(at) == Some(&false);
    let same_length = expected.len() == found.len();
    let mut all = Vec::new();
    for at in 0..expected.len().max(found.len()) {
        match (is_added(at), is_removed(at)) {
            (true, true) if same_length => all.push(Difference::Altered(at)),
            (added, removed) => {
                all.extend(removed.then_some(Difference::Removed(at)));
                all.extend(added.then_some(Difference::Added(at)));
            }
        }
    }
    // Rows that are on both sides, in the order found and in the order expected.
    let in_place = (0..expected.len()).filter(|at| here[*at]);
    let common = matched.iter().enumerate().filter_map(|(at, from)| Some((at, (*from)?)));
    all.extend(
        common
            .zip(in_place)
            .filter(|((_, from), should)| from != should)
            .map(|((at, from), _)| Difference::Moved { at, from }),
    );
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaves(numbers: &[u8]) -> Vec<Hash> {
        numbers.iter().map(|number| [*number; 32]).collect()
    }

    #[test]
    fn each_kind_of_difference_is_named() {
        use Difference::{Added, Altered, Moved, Removed};
        for (found, expected) in [
            (&[1, 2, 3, 4][..], &[][..]),
            (&[1, 9, 3, 4], &[Altered(1)]),
            (&[1, 2, 9, 3, 4], &[Added(2)]),
            (&[1, 2, 4], &[Removed(2)]),
            (&[1, 3, 2, 4], &[Moved { at: 1, from: 2 }, Moved { at: 2, from: 1 }]),
            (&[1, 2, 3, 4, 4], &[Added(4)]),
            (&[], &[Removed(0), Removed(1), Removed(2), Removed(3)]),
        ] {
            assert_eq!(differences(&leaves(&[1, 2, 3, 4]), &leaves(found)), expected, "{found:?}");
        }
    }

    proptest! {
        #[test]
        fn only_equal_sequences_have_no_difference(a: Vec<u8>, b: Vec<u8>) {
            prop_assert_eq!(differences(&leaves(&a), &leaves(&b)).is_empty(), a == b);
        }
    }
}
