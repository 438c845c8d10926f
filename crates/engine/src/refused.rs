//! Those turned away at the doors, counted until the count becomes an event: the first of a kind within seconds, further
//! ones once a minute, however many there are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::Command;
use domain::people::{Door, SigninRefused};

use crate::{Engine, ExecuteError};

/// How long counts of one kind are gathered before they become an event, in milliseconds.
const GATHER_MS: i64 = 60_000;

#[derive(Clone, Copy, Default)]
struct Tally {
    count: u64,
    first_at: i64,
    last_at: i64,
    /// When the last count became an event.
    told_at: i64,
}

/// The counts. Doors and reasons are few, so they are bounded.
#[derive(Default)]
pub(crate) struct Refused(Mutex<BTreeMap<(Door, &'static str), Tally>>);

impl Refused {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Door, &'static str), Tally>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, door: Door, reason: &'static str, now: i64) {
        let mut tallies = self.lock();
        let tally = tallies.entry((door, reason)).or_default();
        if tally.count == 0 {
            tally.first_at = now;
        }
        tally.count = tally.count.saturating_add(1);
        tally.last_at = now;
    }

    /// Takes what is due.
    fn take(&self, now: i64, all: bool) -> Vec<SigninRefused> {
        let mut tallies = self.lock();
        let due = |tally: &Tally| tally.count > 0 && (all || now.saturating_sub(tally.told_at) >= GATHER_MS);
        let due = tallies.iter_mut().filter(|(_, tally)| due(tally));
        let taken = due.map(|((door, reason), tally)| {
            let Tally { count, first_at, last_at, .. } = *tally;
            *tally = Tally { told_at: now, ..Tally::default() };
            SigninRefused { door: *door, reason: (*reason).to_owned(), count, first_at, last_at }
        });
        taken.collect()
    }

    /// Gives back what could not be told.
    fn put_back(&self, told: &SigninRefused) {
        let mut tallies = self.lock();
        let known = tallies.iter_mut().find(|((door, reason), _)| *door == told.door && *reason == told.reason);
        if let Some((_, tally)) = known {
            let last_at = if tally.count == 0 { told.last_at } else { tally.last_at };
            let count = tally.count.saturating_add(told.count);
            *tally = Tally { count, first_at: told.first_at, last_at, told_at: 0 };
        }
    }
}

impl Engine {
    /// Counts one who was turned away at a door, with the reason in a word. What they sent is not kept.
    pub fn turned_away(&self, door: Door, reason: &'static str) {
        self.refused.add(door, reason, Self::now_ms());
    }

    /// Makes events of the counts that are due, or of all.
    pub(crate) async fn tell_refused(self: &Arc<Self>, all: bool) -> Result<(), ExecuteError> {
        for told in self.refused.take(Self::now_ms(), all) {
            let done = self.execute(self.system(), Command::CountRefused(told.clone())).await;
            match done {
                // Under policies that forbid it: asking again at once would fill the ledger with refusals.
                Err(ExecuteError::Refused(refusal)) => {
                    tracing::warn!(%refusal, "those turned away at the doors could not be counted");
                }
                Err(error) => {
                    self.refused.put_back(&told);
                    return Err(error);
                }
                Ok(_) => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_flood_of_strangers_when_told_then_there_is_one_count_a_minute_and_none_is_lost() {
        let (refused, mut told) = (Refused::default(), Vec::new());
        for second in 0..150_i64 {
            for _ in 0..1000 {
                refused.add(Door::Key, "unknown", 1_000_000 + second * 1000);
            }
            told.extend(refused.take(1_000_000 + second * 1000, false));
        }
        let counts: Vec<u64> = told.iter().map(|told| told.count).collect();
        assert_eq!(counts, [1000, 60_000, 60_000]);
        assert_eq!(refused.take(1_150_000, true)[0].count, 29_000);
        assert!(refused.take(1_150_000, true).is_empty());
        refused.put_back(&told[2]);
        assert_eq!(refused.take(1_150_001, false)[0], told[2], "what could not be told is told another time");
    }
}
