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

    /// The hours that changed since they were last taken, or only those before `before_ms`.
    pub fn take_changed(&self, before_ms: Option<i64>) -> Vec<(i64, Hour)> {
        let mut hours = self.hours.lock().expect("no panic while the counters are locked");
        let mut taken = Vec::new();
        for (hour, (counts, changed)) in hours.iter_mut() {
            if *changed && before_ms.is_none_or(|before| *hour < before) {
                *changed = false;
                taken.push((*hour, *counts));
            }
        }
        // Two days are plenty for late answers; what is older was reported and will not change.
        while hours.len() > 48 && hours.first_key_value().is_some_and(|(_, (_, changed))| !changed) {
            hours.pop_first();
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_requests_in_two_hours_when_taken_then_each_hour_is_reported_once_until_it_changes() {
        let counters = Counters::default();
        counters.count(5, true);
        counters.count(HOUR_US + 5, false);
        let first = Hour { requests: 1, logged: 1 };
        assert_eq!(counters.take_changed(Some(3_600_000)), [(0, first)]);
        assert_eq!(counters.take_changed(None), [(3_600_000, Hour { requests: 1, logged: 0 })]);
        assert_eq!(counters.take_changed(None), []);
        counters.count(6, true);
        assert_eq!(counters.take_changed(None), [(0, Hour { requests: 2, logged: 2 })]);
    }
}
