//! Sets of words that are looked up without regard to capital letters, fast enough for every word of a text.

/// Longest word that is known, in bytes.
pub(crate) const LONGEST: usize = 20;

/// Words with what each says.
pub(crate) struct Words<V> {
    /// Open addressing: a word stands in the first free slot from its hash on. At most half of them are taken.
    slots: Vec<Option<(&'static str, V)>>,
}

impl<V: Copy + Default> Words<V> {
    /// Words in small letters; one that comes again adds to what it said.
    pub(crate) fn of(words: impl Iterator<Item = (&'static str, V)>, add: impl Fn(&mut V, V)) -> Self {
        let words: Vec<_> = words.filter(|(word, _)| word.len() <= LONGEST).collect();
        let mut slots = vec![None; (words.len() * 2).next_power_of_two().max(2)];
        let mask = slots.len() - 1;
        for (word, says) in words {
            let mut at = hash(word.as_bytes()) & mask;
            while slots.get(at).is_some_and(|slot| slot.as_ref().is_some_and(|(known, _)| *known != word)) {
                at = (at + 1) & mask;
            }
            if let Some(slot) = slots.get_mut(at) {
                add(&mut slot.get_or_insert((word, V::default())).1, says);
            }
        }
        Self { slots }
    }

    /// What a word says, if it is known.
    pub(crate) fn get(&self, word: &[u8]) -> Option<V> {
        let mut lower = [0; LONGEST];
        let lower = lower.get_mut(..word.len())?;
        lower.copy_from_slice(word);
        lower.make_ascii_lowercase();
        let mask = self.slots.len() - 1;
        let mut at = hash(lower) & mask;
        while let Some((known, says)) = self.slots.get(at)? {
            if known.as_bytes() == lower {
                return Some(*says);
            }
            at = (at + 1) & mask;
        }
        None
    }
}

impl Words<()> {
    /// A set, written with white space between the words.
    pub(crate) fn set(words: &'static str) -> Self {
        Self::of(words.split_whitespace().map(|word| (word, ())), |(), ()| ())
    }

    pub(crate) fn has(&self, word: &[u8]) -> bool {
        self.get(word).is_some()
    }
}

/// FNV-1a.
fn hash(word: &[u8]) -> usize {
    let hash = word
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    usize::try_from((hash ^ (hash >> 29)) & 0x7fff_ffff).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_words_when_looked_up_then_those_that_were_given_are_known_in_any_case() {
        let words = Words::of([("one", 1), ("two", 2), ("one", 4)].into_iter(), |sum, more| *sum += more);
        assert_eq!((words.get(b"One"), words.get(b"TWO"), words.get(b"three")), (Some(5), Some(2), None));
        assert!(Words::set("a b c").has(b"B") && !Words::set("a b c").has(b"d"));
        assert!(!Words::set("").has(b"") && !Words::set("a").has(&[b'a'; 40]));
    }
}
