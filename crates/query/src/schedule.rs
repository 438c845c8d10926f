//! When a control is due, from how often it must run. The schedule is aligned to the clock, not to when it was set, so
//! that anybody can work out the same instants: full hours, midnights and Mondays in UTC.

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// 1970-01-05, the first Monday.
const MONDAY_MS: i64 = 4 * DAY_MS;

/// The instants at which a control of `frequency` is due after `after` and up to `until`, in milliseconds since the
/// epoch. A `continuous` control is proven once an hour. Empty for a frequency that is not one of `continuous`,
/// `hourly`, `daily` and `weekly`.
pub fn due_times(frequency: &str, after: i64, until: i64) -> impl Iterator<Item = i64> + use<> {
    let (period, offset) = match frequency {
        "continuous" | "hourly" => (HOUR_MS, 0),
        "daily" => (DAY_MS, 0),
        "weekly" => (7 * DAY_MS, MONDAY_MS),
        _ => (i64::MAX, 0),
    };
    let first = (after.saturating_sub(offset))
        .div_euclid(period)
        .saturating_add(1)
        .saturating_mul(period)
        .saturating_add(offset);
    std::iter::successors(Some(first), move |due| due.checked_add(period))
        .take_while(move |due| *due <= until && *due < i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T20:30:00Z, a Sunday.
    const NOW: i64 = 1_795_379_400_000;

    #[test]
    fn due_times_are_full_hours_midnights_and_mondays() {
        let hour = NOW - NOW % HOUR_MS;
        assert_eq!(
            due_times("hourly", NOW, NOW + 2 * HOUR_MS).collect::<Vec<_>>(),
            [hour + HOUR_MS, hour + 2 * HOUR_MS]
        );
        let midnight = NOW - NOW % DAY_MS + DAY_MS;
        assert_eq!(due_times("daily", NOW, NOW + DAY_MS).collect::<Vec<_>>(), [midnight]);
        assert_eq!(due_times("weekly", NOW, NOW + 7 * DAY_MS).collect::<Vec<_>>(), [midnight]);
        assert_eq!(due_times("yearly", NOW, i64::MAX).count(), 0);
    }

    #[test]
    fn what_is_due_at_an_instant_is_not_due_after_it() {
        let hour = NOW - NOW % HOUR_MS;
        assert_eq!(due_times("continuous", hour, hour).count(), 0);
        assert_eq!(due_times("continuous", hour - 1, hour).collect::<Vec<_>>(), [hour]);
    }
}
