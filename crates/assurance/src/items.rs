//! Answers of a control's queries: texts in the order of their bytes, and the Merkle root over them. There may be
//! millions, so they are kept end to end in one buffer, and sorted and hashed by all cores.

use std::num::NonZeroUsize;

use merkle::{Frontier, Hash, leaf_hash, root_of};
use serde::{Serialize, Serializer};

/// Fewer items than this are not worth a thread.
const MANY: usize = 1 << 14;

/// Leaves in each subtree of [`Items::root`] but the last; a power of two.
const SUBTREE: usize = 1 << 14;

/// Texts, sorted by their bytes.
#[derive(Clone, Debug, Default)]
pub struct Items {
    text: String,
    places: Vec<Place>,
}

/// Where a text is. Compared by the first bytes before anything else, because they are at hand.
#[derive(Clone, Copy, Debug)]
struct Place {
    first: u64,
    start: usize,
    len: u32,
}

/// Items while they are gathered, in any order.
#[derive(Debug, Default)]
pub(crate) struct Gathering(Items);

impl Gathering {
    /// Adds a text. What is beyond 4 GiB of one text is not kept; no engine makes such.
    pub fn add(&mut self, text: &str) {
        let Items { text: all, places } = &mut self.0;
        let mut first = [0; 8];
        first.iter_mut().zip(text.bytes()).for_each(|(to, byte)| *to = byte);
        let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
        places.push(Place { first: u64::from_be_bytes(first), start: all.len(), len });
        all.push_str(text);
    }

    /// Puts them in order.
    pub fn sorted(self) -> Items {
        let Items { text, mut places } = self.0;
        let order = |a: &Place, b: &Place| a.first.cmp(&b.first).then_with(|| bytes(&text, a).cmp(bytes(&text, b)));
        if places.len() >= MANY {
            let middle = places.len() / 2;
            let (low, high) = places.split_at_mut(middle);
            std::thread::scope(|scope| {
                scope.spawn(|| low.sort_unstable_by(order));
                high.sort_unstable_by(order);
            });
        }
        // A stable sort finds that there are two sorted halves, and merges them.
        places.sort_by(order);
        Items { text, places }
    }
}

impl Items {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The texts in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.places.iter().map(|place| self.at(place))
    }

    /// Whether `text` is one of them.
    #[must_use]
    pub fn contains(&self, text: &str) -> bool {
        self.places.binary_search_by(|place| self.at(place).cmp(text)).is_ok()
    }

    /// Leaves each text in once.
    pub(crate) fn once_each(mut self) -> Self {
        let text = &self.text;
        self.places.dedup_by(|a, b| bytes(text, a) == bytes(text, b));
        self
    }

    /// The root of the tree whose leaves they are, in order (RFC 6962 section 2.1), in hexadecimal.
    pub(crate) fn root(&self) -> String {
        let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let subtrees: Vec<&[Place]> = self.places.chunks(SUBTREE).collect();
        let root = |places: &&[Place]| -> Hash {
            let mut frontier = Frontier::new();
            places.iter().for_each(|place| frontier.push(leaf_hash(self.at(place).as_bytes())));
            frontier.root()
        };
        // Complete subtrees of one size, and a smaller one at the end, make up the tree as leaves do.
        let share = subtrees.len().div_ceil(threads).max(1);
        let roots: Vec<Hash> = std::thread::scope(|scope| {
            let shares =
                subtrees.chunks(share).map(|share| scope.spawn(move || share.iter().map(root).collect::<Vec<_>>()));
            let threads: Vec<_> = shares.collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("hashing does not panic")).collect()
        });
        merkle::hex(&root_of(&roots))
    }

    fn at(&self, place: &Place) -> &str {
        &self.text[place.start..place.start + place.len as usize]
    }
}

fn bytes<'t>(text: &'t str, place: &Place) -> &'t [u8] {
    &text.as_bytes()[place.start..place.start + place.len as usize]
}

impl Serialize for Items {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(texts: &[String]) -> Items {
        let mut gathering = Gathering::default();
        texts.iter().for_each(|text| gathering.add(text));
        gathering.sorted()
    }

    /// What the definition says, without any haste.
    fn check(mut texts: Vec<String>) {
        let items = items(&texts);
        texts.sort_unstable();
        assert!(items.iter().eq(texts.iter().map(String::as_str)));
        let leaves: Vec<Hash> = texts.iter().map(|text| leaf_hash(text.as_bytes())).collect();
        assert_eq!(items.root(), merkle::hex(&root_of(&leaves)));
        let found = texts.iter().all(|text| items.contains(text));
        assert!(found && !items.contains("none of these"));
        let twice: Vec<String> = texts.iter().chain(&texts).cloned().collect();
        texts.dedup();
        assert!(self::items(&twice).once_each().iter().eq(texts.iter().map(String::as_str)));
    }

    #[test]
    fn given_few_texts_when_sorted_then_order_and_root_are_those_of_their_bytes() {
        check(vec![]);
        check(["", "a", "é", "a\u{0}", "aaaaaaaab", "aaaaaaaaa", "aaaaaaaa", "Z"].map(str::to_owned).to_vec());
    }

    #[test]
    fn given_many_texts_when_sorted_then_order_and_root_are_those_of_their_bytes() {
        for n in [SUBTREE - 1, SUBTREE, SUBTREE + 1, 3 * SUBTREE + 77] {
            // Scattered by a multiplication that never meets the same number twice.
            check((0..n as u64).map(|i| format!("item-{:016x}", i.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect());
        }
    }
}
