//! What happens while the custodian of the root key is away: keys that it unwrapped before go on serving for a stated
//! time (the *grace*), and for no longer.
//!
//! A custodian on a network or in a device can be away. Asking it for every class key would stop all sealing with it;
//! believing in it for ever would make it no custodian. So [`Custody`] keeps what was unwrapped, in memory that is wiped,
//! and gives it out only while the custodian cannot be reached, counted from the first time that it was not. When the
//! grace is over everything held is wiped, and unwrapping fails until the custodian is back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::error::BoxError;
use crate::ports::{Custodian, CustodianInfo};
use crate::vault::Vault;

/// How long a custodian that is away is left alone before it is asked again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Most keys held. There is one for each class and each index, far fewer; what is above is not held.
const MOST_HELD: usize = 8_192;

/// What is wrapped and unwrapped to find out whether a custodian is there.
const PROBE: (&[u8], &[u8]) = (&[0; 32], b"cf/custody/probe/v1");

/// A custodian cannot be asked at present. Drivers return it, as opposed to a refusal of what they were given.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct Unreachable {
    /// What the driver found, in words for an operator; nothing secret.
    pub why: String,
}

impl Unreachable {
    /// An error of a driver.
    #[must_use]
    pub fn error(why: impl Into<String>) -> BoxError {
        Box::new(Unreachable { why: why.into() })
    }
}

/// A custodian, and what it unwrapped, held for the time that it is away.
pub struct Custody {
    inner: Arc<dyn Custodian>,
    grace: Duration,
    state: Mutex<State>,
}

/// How a custodian is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Custodied {
    /// What it is.
    pub info: CustodianInfo,
    /// Why it cannot be asked, for how long that has been so, and how long held keys still serve; `None` when it was there
    /// the last time.
    pub away: Option<Away>,
}

/// A custodian that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Away {
    /// What was found when it was last asked.
    pub why: String,
    /// Since it first could not be asked.
    pub lasts: Duration,
    /// How long held keys still serve; zero when the grace is over.
    pub left: Duration,
}

#[derive(Default)]
struct State {
    held: HashMap<Place, Held>,
    /// Counts new versions of the root key: what older ones wrapped is forgotten with them.
    version: u64,
    missed: Option<Missed>,
    /// [`PROBE`] as the custodian wrapped it.
    probe: Option<Vec<u8>>,
}

/// Wrapped bytes and what they are bound to.
type Place = (Vec<u8>, Vec<u8>);

struct Held {
    plain: Zeroizing<Vec<u8>>,
    version: u64,
}

struct Missed {
    since: Instant,
    asked: Instant,
    why: String,
}

impl Custody {
    /// Holds for `grace` what `inner` unwraps.
    #[must_use]
    pub fn new(inner: Arc<dyn Custodian>, grace: Duration) -> Custody {
        Custody { inner, grace, state: Mutex::default() }
    }

    /// Asks the custodian whether it can wrap and unwrap, and says how it is. Wipes what is held when the grace is over.
    pub fn probe(&self) -> Custodied {
        let now = Instant::now();
        if let Err(error) = self.ask_probe() {
            self.missed(error.to_string(), now);
        }
        self.status(Instant::now())
    }

    /// How the custodian was when it was last asked.
    pub fn last(&self) -> Custodied {
        self.status(Instant::now())
    }

    fn ask_probe(&self) -> Result<(), BoxError> {
        let known = self.lock().probe.take();
        let wrapped = match known.map(|wrapped| self.unwraps_probe(wrapped)) {
            Some(Ok(wrapped)) => wrapped,
            Some(Err(error)) if error.is::<Unreachable>() => return Err(error),
            // Another process may have made the version forgotten that wrapped it: so wrap it anew.
            Some(Err(_)) | None => self.unwraps_probe(self.inner.wrap(PROBE.0, PROBE.1)?)?,
        };
        self.lock().probe = Some(wrapped);
        self.reached();
        Ok(())
    }

    /// Gives `wrapped` back if the custodian unwraps it to what was wrapped.
    fn unwraps_probe(&self, wrapped: Vec<u8>) -> Result<Vec<u8>, BoxError> {
        let (plain, aad) = PROBE;
        let found = Zeroizing::new(self.inner.unwrap(&wrapped, aad)?);
        match found.as_slice() == plain {
            true => Ok(wrapped),
            false => Err("it unwraps to something else than was wrapped".into()),
        }
    }

    fn status(&self, now: Instant) -> Custodied {
        let mut state = self.lock();
        let away = state.missed.as_ref().map(|missed| {
            let lasts = now.saturating_duration_since(missed.since);
            Away { why: missed.why.clone(), lasts, left: self.grace.saturating_sub(lasts) }
        });
        if away.as_ref().is_some_and(|away| away.left.is_zero()) {
            state.held.clear();
        }
        drop(state);
        Custodied { info: self.inner.describe(), away }
    }

    /// Whether to ask the custodian now, and not to spend time on one that was away a moment ago.
    /// One caller at a time may: the others would wait for the same silence.
    fn may_ask(&self, now: Instant) -> bool {
        let mut state = self.lock();
        let Some(missed) = &mut state.missed else { return true };
        let may = now.saturating_duration_since(missed.asked) >= RETRY_AFTER;
        if may {
            missed.asked = now;
        }
        may
    }

    fn reached(&self) {
        self.lock().missed = None;
    }

    fn missed(&self, why: String, now: Instant) {
        let mut state = self.lock();
        let since = state.missed.as_ref().map_or(now, |missed| missed.since);
        state.missed = Some(Missed { since, asked: Instant::now(), why });
    }

    fn hold(&self, wrapped: &[u8], aad: &[u8], plain: &[u8]) {
        let mut state = self.lock();
        let version = state.version;
        if state.held.len() < MOST_HELD {
            let held = Held { plain: Zeroizing::new(plain.to_vec()), version };
            state.held.insert((wrapped.to_vec(), aad.to_vec()), held);
        }
    }

    /// What is held, for as long as the grace lasts.
    fn held(&self, wrapped: &[u8], aad: &[u8], now: Instant) -> Result<Vec<u8>, BoxError> {
        let mut state = self.lock();
        let Some(missed) = &state.missed else {
            return Err(Unreachable::error("the custodian cannot be reached"));
        };
        let lasts = now.saturating_duration_since(missed.since);
        let why = missed.why.clone();
        if lasts >= self.grace {
            state.held.clear();
            let (lasts, grace) = (lasts.as_secs(), self.grace.as_secs());
            return Err(Unreachable::error(format!(
                "the custodian cannot be reached for {lasts} s, and keys are held for {grace} s only: {why}"
            )));
        }
        let held = state.held.get(&(wrapped.to_vec(), aad.to_vec()));
        held.map(|held| held.plain.to_vec()).ok_or_else(|| {
            Unreachable::error(format!("the custodian cannot be reached, and this key was not held: {why}"))
        })
    }

    /// Gives a driver's answer on, having noted whether it was there.
    fn noted<T>(&self, answer: Result<T, BoxError>, now: Instant) -> Result<T, BoxError> {
        match &answer {
            Err(error) if error.is::<Unreachable>() => self.missed(error.to_string(), now),
            _ => self.reached(),
        }
        answer
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while it was held leaves at worst a key less.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unwrap_at(&self, wrapped: &[u8], aad: &[u8], now: Instant) -> Result<Vec<u8>, BoxError> {
        if self.may_ask(now) {
            match self.noted(self.inner.unwrap(wrapped, aad), now) {
                Err(error) if error.is::<Unreachable>() => {}
                Err(refused) => return Err(refused),
                Ok(plain) => {
                    self.hold(wrapped, aad, &plain);
                    return Ok(plain);
                }
            }
        }
        self.held(wrapped, aad, now)
    }
}

impl Custodian for Custody {
    fn wrap(&self, plaintext: &[u8], aad: &[u8]) -> Result<Vec<u8>, BoxError> {
        let wrapped = self.noted(self.inner.wrap(plaintext, aad), Instant::now())?;
        self.hold(&wrapped, aad, plaintext);
        Ok(wrapped)
    }

    fn unwrap(&self, wrapped: &[u8], aad: &[u8]) -> Result<Vec<u8>, BoxError> {
        self.unwrap_at(wrapped, aad, Instant::now())
    }

    fn key_id(&self) -> String {
        self.inner.key_id()
    }

    fn advance(&self) -> Result<String, BoxError> {
        let key_id = self.noted(self.inner.advance(), Instant::now())?;
        let mut state = self.lock();
        state.version += 1;
        state.probe = None;
        Ok(key_id)
    }

    fn forget_older(&self) -> Result<(), BoxError> {
        self.noted(self.inner.forget_older(), Instant::now())?;
        let mut state = self.lock();
        let version = state.version;
        state.held.retain(|_, held| held.version >= version);
        state.probe = None;
        Ok(())
    }

    fn describe(&self) -> CustodianInfo {
        self.inner.describe()
    }
}

impl Vault {
    /// Forgets every key that lies unwrapped in memory, so that the next use of each asks the custodian: for when its grace
    /// is over. Signets that are in use outlive it by seconds.
    pub fn forget_unwrapped(&self) {
        self.ring.evict(|_| true);
        self.signets.evict(|_, _| true);
    }
}

#[cfg(test)]
mod tests;
