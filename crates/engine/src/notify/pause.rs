//! When a channel takes nothing: it pauses, longer each time, and one message at a time finds out whether it works again.

use std::time::Duration;

/// How long the pause after the first failure is, in milliseconds; four times as long after each further one.
const FIRST_MS: i64 = 2_000;

/// How long it is at most, in milliseconds, whatever a receiver asks for.
const LONGEST_MS: i64 = 3_600_000;

/// How long to wait after this many failures, in milliseconds.
pub(super) fn after(failures: u64) -> i64 {
    let doublings = u32::try_from(failures.saturating_sub(1).saturating_mul(2)).unwrap_or(u32::MAX);
    2_i64
        .checked_pow(doublings)
        .and_then(|times| FIRST_MS.checked_mul(times))
        .map_or(LONGEST_MS, |pause| pause.min(LONGEST_MS))
}

/// What is known of a channel. In the beginning that is nothing, so the first message goes alone.
#[derive(Default)]
pub(super) struct Pause {
    works: bool,
    failures: u64,
    /// Until when nothing is sent by our own choice; milliseconds since the epoch.
    ours: i64,
    /// Until when nothing is sent because whoever answered must not be asked.
    theirs: i64,
}

impl Pause {
    /// Whether the last thing known of the channel is that it took a message.
    pub fn works(&self) -> bool {
        self.works
    }

    /// When it is over.
    pub fn until(&self) -> i64 {
        self.ours.max(self.theirs)
    }

    /// Whether something may be sent. A new alert does not wait for a time that is only ours: the receiver may be back.
    pub fn is_over(&self, now: i64, is_new_alert: bool) -> bool {
        now >= self.theirs && (is_new_alert || now >= self.ours)
    }

    /// The channel took nothing, and `wait` at least must pass.
    pub fn begin(&mut self, wait: Duration, now: i64) {
        let wait = i64::try_from(wait.as_millis()).unwrap_or(LONGEST_MS).min(LONGEST_MS);
        self.theirs = self.theirs.max(now.saturating_add(wait));
        // What was under way when the pause began says nothing new.
        if now >= self.ours {
            self.failures = self.failures.saturating_add(1);
            self.ours = now.saturating_add(after(self.failures));
        }
        self.works = false;
    }

    /// The channel took a message; whether it did not before.
    pub fn end(&mut self) -> bool {
        let was_away = self.failures > 0;
        (self.works, self.failures, self.ours) = (true, 0, 0);
        was_away
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_channel_that_fails_when_it_fails_again_then_it_pauses_longer_and_never_over_an_hour() {
        let mut pause = Pause::default();
        let (mut now, mut pauses) = (1_000_000, Vec::new());
        for _ in 0..8 {
            pause.begin(Duration::ZERO, now);
            pause.begin(Duration::ZERO, now + 1);
            assert!(!pause.works() && !pause.is_over(now, false) && pause.is_over(now + 1, true));
            pauses.push((pause.until() - now) / 1000);
            now = pause.until();
            assert!(pause.is_over(now, false));
        }
        assert_eq!(pauses, [2, 8, 32, 128, 512, 2048, 3600, 3600]);
        assert!(pause.end() && pause.works() && !pause.end());
    }

    #[test]
    fn given_a_receiver_that_asks_for_time_when_something_gets_through_then_it_gets_its_time_but_an_hour_at_most() {
        let mut pause = Pause::default();
        pause.begin(Duration::from_secs(60), 0);
        pause.end();
        assert!(!pause.is_over(59_999, true) && pause.is_over(60_000, false));
        pause.begin(Duration::MAX, 60_000);
        assert_eq!(pause.until(), 60_000 + 3_600_000);
    }
}
