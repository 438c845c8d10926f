//! Challenges that browsers were given and have not answered: each good once, for three minutes, for the browser that
//! asked. They are in memory, by each node for itself, and bounded.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a challenge may wait for its answer.
const LIFETIME: Duration = Duration::from_millis(webauthn::TIMEOUT_MS as u64);

/// How many challenges wait at most; the oldest gives way.
const MAX: usize = 4096;

/// What a browser was asked.
pub(super) struct Asked {
    /// What the answer must be to.
    pub challenge: [u8; 32],
    /// For whom a passkey is to be made; nobody when somebody is to show one.
    pub maker: Option<String>,
}

/// What browsers were asked, by what tells them apart.
#[derive(Default)]
pub(crate) struct Ceremonies(Mutex<HashMap<String, (Instant, Asked)>>);

impl Ceremonies {
    /// Remembers what a browser was asked, in place of what it was asked before.
    pub(super) fn put(&self, browser: String, asked: Asked) {
        self.put_at(Instant::now(), browser, asked);
    }

    fn put_at(&self, now: Instant, browser: String, asked: Asked) {
        let mut waiting = self.lock();
        waiting.retain(|_, (begun, _)| now.saturating_duration_since(*begun) < LIFETIME);
        if waiting.len() >= MAX && !waiting.contains_key(&browser) {
            let oldest = waiting.iter().min_by_key(|(_, (begun, _))| *begun).map(|(browser, _)| browser.clone());
            if let Some(oldest) = oldest {
                waiting.remove(&oldest);
            }
        }
        waiting.insert(browser, (now, asked));
    }

    /// What a browser was asked. It is forgotten, whatever the answer turns out to be.
    pub(super) fn take(&self, browser: &str) -> Option<Asked> {
        let (begun, asked) = self.lock().remove(browser)?;
        (begun.elapsed() < LIFETIME).then_some(asked)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Instant, Asked)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked {
        Asked { challenge: [7; 32], maker: None }
    }

    #[test]
    fn given_challenges_when_taken_then_each_is_there_once_and_none_when_old() {
        let ceremonies = Ceremonies::default();
        ceremonies.put("a".into(), asked());
        assert!(ceremonies.take("b").is_none());
        assert!(ceremonies.take("a").is_some());
        assert!(ceremonies.take("a").is_none());
        let Some(long_ago) = Instant::now().checked_sub(LIFETIME) else { return };
        ceremonies.put_at(long_ago, "a".into(), asked());
        assert!(ceremonies.take("a").is_none());
    }

    #[test]
    fn given_more_challenges_than_there_is_room_for_when_put_then_the_oldest_give_way() {
        let ceremonies = Ceremonies::default();
        let begun = Instant::now();
        for number in 0..MAX + 10 {
            let later = begun + Duration::from_micros(number as u64);
            ceremonies.put_at(later, number.to_string(), asked());
        }
        assert_eq!(ceremonies.lock().len(), MAX);
        assert!(ceremonies.take("0").is_none() && ceremonies.take("9").is_none());
        assert!(ceremonies.take("10").is_some() && ceremonies.take(&(MAX + 9).to_string()).is_some());
    }
}
