//! The gateway's edge counters: how many inference requests ended in each hour, and how many were recorded.
//!
//! They are kept apart from the records on purpose: a control compares the two.

use std::collections::BTreeMap;
use std::sync::Mutex;

const HOUR_US: i64 = 3_600_000_000;

/// Counts of one hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hour {
    /// Requests that ended.
    pub requests: u64,
    /// Requests whose record was durable.
    pub logged: u64,
}

/// Counts by hour, in milliseconds since the epoch of its start.
#[derive(Debug, Default)]
pub struct Counters {
    hours: Mutex<BTreeMap<i64, (Hour, bool)>>,
}

impl Counters {
    /// Counts one request that ended at `ended_at_us`.
    pub fn count(&self, ended_at_us: i64, logged: bool) {
        let hour = ended_at_us.div_euclid(HOUR_US) * (HOUR_US / 1000);
        let mut hours = self.hours.lock().expect("no panic while the counters are locked");
        let (counts, changed) = hours.entry(hour).or_default();
        counts.requests += 1;
        counts.logged += u64::from(logged);
        *changed = true;
    }

    /// The hours that changed since they were last reported, or only those before `before_ms`.
    pub fn changed(&self, before_ms: Option<i64>) -> Vec<(i64, Hour)> {
        let hours = self.hours.lock().expect("no panic while the counters are locked");
        let due =
            hours.iter().filter(|(hour, (_, changed))| *changed && before_ms.is_none_or(|before| **hour < before));
        due.map(|(hour, (counts, _))| (*hour, *counts)).collect()
    }

    /// Notes that these counts of an hour are in the ledger. What was counted since stays to be reported.
    pub fn reported(&self, hour: i64, reported: Hour) {
        let mut hours = self.hours.lock().expect("no panic while the counters are locked");
        if let Some((counts, changed)) = hours.get_mut(&hour) {
            *changed = *counts != reported;
        }
        // Two days are plenty for late answers; what is older was reported and will not change.
        while hours.len() > 48 && hours.first_key_value().is_some_and(|(_, (_, changed))| !changed) {
            hours.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_requests_in_two_hours_when_reported_then_each_hour_is_due_until_it_is_in_the_ledger() {
        let counters = Counters::default();
        counters.count(5, true);
        counters.count(HOUR_US + 5, false);
        let first = Hour { requests: 1, logged: 1 };
        assert_eq!(counters.changed(Some(3_600_000)), [(0, first)]);
        assert_eq!(counters.changed(Some(3_600_000)), [(0, first)], "not reported yet");
        counters.reported(0, first);
        let second = Hour { requests: 1, logged: 0 };
        assert_eq!(counters.changed(None), [(3_600_000, second)]);
        counters.count(HOUR_US + 6, true);
        counters.reported(3_600_000, second);
        assert_eq!(counters.changed(None), [(3_600_000, Hour { requests: 2, logged: 1 })], "one came meanwhile");
    }
}
