//! Whether the clock can be believed, as far as the ledger tells. What is due is due by the clock, and what is destroyed does
//! not come back: so where it jumped ahead nothing is disposed of, until somebody says that it is right.

use std::sync::PoisonError;

use domain::keys::retention::{CLOCK_LEAP_MS, ClockLeap};
use domain::{Entry, Event};

use crate::{Engine, ExecuteError};

/// What the entries that were looked at say of the clock.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// How many entries.
    through: u64,
    /// The newest time among them, in milliseconds since the epoch.
    newest: Option<i64>,
    /// A leap that nobody confirmed.
    leap: Option<ClockLeap>,
}

impl Clock {
    fn see(&mut self, entry: &Entry) {
        if matches!(entry.event, Event::ClockConfirmed(_)) {
            (self.newest, self.leap) = (Some(entry.ts), None);
            return;
        }
        self.leap = self.leap.or_else(|| self.leaps(entry.ts));
        self.newest = self.newest.max(Some(entry.ts));
    }

    fn leaps(&self, to: i64) -> Option<ClockLeap> {
        let from = self.newest.filter(|from| to.saturating_sub(*from) > CLOCK_LEAP_MS)?;
        Some(ClockLeap { from, to })
    }
}

impl Engine {
    /// How the clock is ahead of what the ledger was told by it, if it is by more than a day: between two entries, or since
    /// the newest one. A server that was down for as long looks the same. Reads what came since the last time. Blocks.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn clock_leap(&self) -> Result<Option<ClockLeap>, ExecuteError> {
        let mut clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let (from, to) = (clock.through, self.log.size());
        let mut each = |seq: u64, bytes: &[u8]| {
            if let Ok(entry) = Entry::decode(bytes) {
                clock.see(&entry);
            }
            clock.through = seq + 1;
        };
        self.log.for_each_entry(from..to, &mut each).map_err(|e| ExecuteError::Unavailable(e.to_string()))?;
        let leap = clock.leap.or_else(|| clock.leaps(Self::now_ms()));
        self.clock_leapt.store(leap.is_some(), std::sync::atomic::Ordering::Relaxed);
        Ok(leap)
    }

    /// Whether the clock was found ahead the last time that was looked at.
    pub fn clock_leapt(&self) -> bool {
        self.clock_leapt.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use domain::infrastructure::NodeStopped;
    use domain::keys::retention::ClockConfirmed;

    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn entry(ts: i64, event: Event) -> Entry {
        let stream = event.stream();
        Entry { v: 1, id: "i".into(), ts, actor: "a_1".into(), stream, sv: 1, event }
    }

    fn stopped(ts: i64) -> Entry {
        entry(ts, Event::NodeStopped(NodeStopped { node: "n1".into(), incarnation: 1 }))
    }

    #[test]
    fn given_times_of_entries_when_one_is_far_ahead_then_it_is_a_leap_until_somebody_confirms_it() {
        let mut clock = Clock::default();
        [0, DAY_MS, 2 * DAY_MS, DAY_MS].map(stopped).iter().for_each(|entry| clock.see(entry));
        assert_eq!((clock.leap, clock.leaps(3 * DAY_MS)), (None, None), "a day at most each, and back is no leap");
        let ahead = clock.leaps(3 * DAY_MS + 1);
        assert_eq!(ahead, Some(ClockLeap { from: 2 * DAY_MS, to: 3 * DAY_MS + 1 }));
        clock.see(&stopped(900 * DAY_MS));
        clock.see(&stopped(900 * DAY_MS + 1));
        let leap = ClockLeap { from: 2 * DAY_MS, to: 900 * DAY_MS };
        assert_eq!(clock.leap, Some(leap), "what was written by it makes it no better");
        let confirmed = ClockConfirmed { from: leap.from, to: leap.to, reference: "INC-7".into() };
        clock.see(&entry(3 * DAY_MS, Event::ClockConfirmed(confirmed)));
        assert_eq!((clock.leap, clock.newest), (None, Some(3 * DAY_MS)), "it was set right before");
    }
}
