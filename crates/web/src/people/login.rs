//! Letting a command line in: by a browser on the same machine (RFC 8252), or by a code that is typed in somewhere else
//! (RFC 8628). What waits is in memory: it lives for minutes, and a restart only means to begin again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engine::Principal;
use sha2::{Digest, Sha256};

/// How long a code of a browser is good.
const CODE_TIME: Duration = Duration::from_secs(60);

/// How long a device waits for somebody.
pub(crate) const DEVICE_TIME: Duration = Duration::from_secs(600);

/// How often a device may ask.
pub(crate) const POLL_TIME: Duration = Duration::from_secs(5);

/// How many of each kind wait at most.
const ROOM: usize = 1000;

/// Letters of codes that people type: no vowels, so that no words come up, and none that look like others (RFC 8628, 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

type Hash = [u8; 32];

/// Whoever waits to be let in.
#[derive(Default)]
pub(crate) struct Logins(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    codes: HashMap<Hash, Code>,
    devices: HashMap<Hash, Device>,
}

/// A person said yes in a browser, and a command line on the same machine has the code.
struct Code {
    who: Principal,
    challenge: String,
    until: Instant,
}

/// A command line that waits for a person to type its code.
struct Device {
    user_code: String,
    said: Option<Said>,
    until: Instant,
    asked: Option<Instant>,
}

enum Said {
    Yes(Box<Principal>),
    No,
}

/// What a device is told.
pub(crate) enum Poll {
    /// Nobody said anything yet.
    Pending,
    /// It asks too often.
    TooFast,
    /// Somebody said no.
    Denied,
    /// It is not known, or waited for too long.
    Unknown,
    /// Somebody said yes.
    Granted(Box<Principal>),
}

fn hash(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

/// A code as people type it, as it is kept: letters only, in capitals.
pub(crate) fn plain(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_uppercase()).take(16).collect()
}

/// Eight letters from random bytes: 20^8 codes, 34 bits, with an even chance for each.
fn user_code(random: &[u8]) -> Option<String> {
    let even = random.iter().filter(|byte| **byte < 240).map(|byte| char::from(LETTERS[usize::from(byte % 20)]));
    let code: String = even.take(8).collect();
    (code.len() == 8).then_some(code)
}

impl Logins {
    fn lock(&self, now: Instant) -> MutexGuard<'_, Waiting> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.codes.retain(|_, code| code.until > now);
        waiting.devices.retain(|_, device| device.until > now);
        waiting
    }

    /// Keeps that `who` lets in whoever shows `code` and what `challenge` was made from. False when too many wait.
    pub(crate) fn allow(&self, code: &str, challenge: &str, who: Principal, now: Instant) -> bool {
        let mut waiting = self.lock(now);
        let room = waiting.codes.len() < ROOM;
        if room {
            let challenge = challenge.to_owned();
            waiting.codes.insert(hash(code), Code { who, challenge, until: now + CODE_TIME });
        }
        room
    }

    /// Uses a code up. With a wrong verifier it is gone too: whoever has the code only, tries once.
    pub(crate) fn redeem(&self, code: &str, verifier: &str, now: Instant) -> Option<Principal> {
        let code = self.lock(now).codes.remove(&hash(code))?;
        (oidc::Flow::challenge(verifier) == code.challenge).then_some(code.who)
    }

    /// Lets a device wait; the answer is the code for a person to type. `None` when too many wait.
    pub(crate) fn wait(&self, device_code: &str, random: &[u8], now: Instant) -> Option<String> {
        let mut waiting = self.lock(now);
        let user_code = user_code(random)?;
        let taken = waiting.devices.values().any(|device| device.user_code == user_code);
        if taken || waiting.devices.len() >= ROOM {
            return None;
        }
        let device = Device { user_code: user_code.clone(), said: None, until: now + DEVICE_TIME, asked: None };
        waiting.devices.insert(hash(device_code), device);
        Some(user_code)
    }

    /// Whether a device with this code waits for an answer.
    pub(crate) fn waits(&self, code: &str, now: Instant) -> bool {
        let code = plain(code);
        self.lock(now).devices.values().any(|device| device.user_code == code && device.said.is_none())
    }

    /// What a person says to the device with this code: yes when they are named, else no. False when none waits.
    pub(crate) fn say(&self, code: &str, who: Option<Principal>, now: Instant) -> bool {
        let code = plain(code);
        let mut waiting = self.lock(now);
        let device = waiting.devices.values_mut().find(|device| device.user_code == code && device.said.is_none());
        device.map(|device| device.said = Some(who.map_or(Said::No, |who| Said::Yes(Box::new(who))))).is_some()
    }

    /// What a device is told that asks how it stands.
    pub(crate) fn poll(&self, device_code: &str, now: Instant) -> Poll {
        let mut waiting = self.lock(now);
        let Some(device) = waiting.devices.get_mut(&hash(device_code)) else { return Poll::Unknown };
        let fast = device.asked.replace(now).is_some_and(|last| now.saturating_duration_since(last) < POLL_TIME / 2);
        match device.said.take() {
            None if fast => Poll::TooFast,
            None => Poll::Pending,
            Some(said) => {
                waiting.devices.remove(&hash(device_code));
                match said {
                    Said::Yes(who) => Poll::Granted(who),
                    Said::No => Poll::Denied,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anna() -> Principal {
        Principal { actor: "a_1".into(), ..Principal::default() }
    }

    #[test]
    fn given_a_code_when_redeemed_then_it_takes_the_right_verifier_within_a_minute_and_once() {
        let (logins, now) = (Logins::default(), Instant::now());
        let allow = || assert!(logins.allow("code", &oidc::Flow::challenge("verifier"), anna(), now));
        allow();
        assert!(logins.redeem("other", "verifier", now).is_none());
        assert_eq!(logins.redeem("code", "verifier", now).map(|who| who.actor).as_deref(), Some("a_1"));
        assert!(logins.redeem("code", "verifier", now).is_none(), "once");
        allow();
        assert!(logins.redeem("code", "guess", now).is_none());
        assert!(logins.redeem("code", "verifier", now).is_none(), "a wrong verifier uses it up");
        allow();
        assert!(logins.redeem("code", "verifier", now + CODE_TIME).is_none(), "too late");
    }

    #[test]
    fn given_a_device_when_somebody_types_its_code_then_it_is_let_in_once() {
        let (logins, now) = (Logins::default(), Instant::now());
        let code = logins.wait("device", &[7; 32], now).expect("room");
        assert_eq!(code, "KKKKKKKK");
        assert!(logins.wait("another", &[7; 32], now).is_none(), "the same code twice");
        assert!(matches!(logins.poll("device", now), Poll::Pending));
        assert!(matches!(logins.poll("device", now), Poll::TooFast));
        assert!(!logins.say("BBBB-BBBB", Some(anna()), now));
        assert!(logins.waits("kkkk-kkkk", now) && logins.say(" kkkk kkkk", Some(anna()), now));
        assert!(!logins.say("KKKKKKKK", None, now), "what was said is said");
        assert!(matches!(logins.poll("device", now), Poll::Granted(who) if who.actor == "a_1"));
        assert!(matches!(logins.poll("device", now), Poll::Unknown), "once");
        logins.wait("denied", &[8; 32], now).expect("room");
        assert!(logins.say("LLLLLLLL", None, now));
        assert!(matches!(logins.poll("denied", now), Poll::Denied));
        logins.wait("late", &[9; 32], now).expect("room");
        assert!(matches!(logins.poll("late", now + DEVICE_TIME), Poll::Unknown));
    }

    #[test]
    fn given_more_devices_than_there_is_room_for_then_memory_stays_bounded() {
        let (logins, now) = (Logins::default(), Instant::now());
        let random = |n: u32| n.to_be_bytes().iter().flat_map(|byte| [byte / 20, byte % 20]).collect::<Vec<u8>>();
        let taken = (0..3000_u32).filter(|n| logins.wait(&n.to_string(), &random(*n), now).is_some()).count();
        assert_eq!(taken, ROOM);
        assert!(logins.wait("later", &random(9), now + DEVICE_TIME).is_some());
    }
}
