//! How often somebody may be turned away before they must wait: by address, and by the identity or code that they claim.
//!
//! Secrets of 256 bits cannot be guessed, however often one tries; what is held back is the work that trying makes, and
//! guessing at what is short, such as the codes of the command line. Keys and links are judged here, so whoever shows a good one
//! is let in at once, however often others failed at the same address; only where the provider must be asked all of them wait.
//! Whoever comes in ends the row of failures of their address.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, FromRequestParts};
use http::StatusCode;
use http::request::Parts;
use sha2::{Digest, Sha256};

use crate::App;
use crate::failure::Failure;

/// How often in a row one may fail without waiting.
const FREE: u32 = 10;

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// How long failures are remembered after the last one.
const MEMORY: Duration = Duration::from_secs(15 * 60);

/// How many are remembered at once.
const ROOM: usize = 20_000;

/// Who must wait.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Whom {
    /// Whoever comes from an address.
    Address(IpAddr),
    /// Whoever claims an identity or shows a code, known by its digest.
    Claim([u8; 32]),
}

impl Whom {
    /// An address. Whoever has an IPv6 address has a network of them.
    pub(crate) fn from(address: IpAddr) -> Self {
        Self::Address(match address {
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                Some(v4) => IpAddr::V4(v4),
                None => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
            },
            v4 => v4,
        })
    }

    pub(crate) fn claims(what: &str) -> Self {
        Self::Claim(Sha256::digest(what.as_bytes()).into())
    }
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Failures {
    /// How long to wait after the last failure: not at all at first, then 1 s, and twice as long each time.
    fn wait(self) -> Duration {
        let doubled =
            self.count.checked_sub(FREE).map_or(Duration::ZERO, |over| Duration::from_secs(1 << over.min(20)));
        doubled.min(LONGEST)
    }
}

/// The failures of all who failed lately.
#[derive(Default)]
pub(crate) struct Gate(Mutex<HashMap<Whom, Failures>>);

impl Gate {
    /// How long somebody must still wait; zero when they need not.
    pub(crate) fn wait(&self, whom: &Whom, now: Instant) -> Duration {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(whom).map_or(Duration::ZERO, |failed| (failed.last + failed.wait()).saturating_duration_since(now))
    }

    /// Notes a failure.
    pub(crate) fn failed(&self, whom: Whom, now: Instant) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = |failed: &Failures| now.saturating_duration_since(failed.last) > MEMORY;
        if failures.len() >= ROOM && !failures.contains_key(&whom) {
            failures.retain(|_, failed| !over(failed));
            if failures.len() >= ROOM {
                // Whoever failed longest ago makes room, many at once, so that a flood costs little for each.
                let mut moments: Vec<Instant> = failures.values().map(|failed| failed.last).collect();
                let (_, oldest, _) = moments.select_nth_unstable(ROOM / 8);
                let oldest = *oldest;
                failures.retain(|_, failed| failed.last > oldest);
            }
        }
        let failed = failures.entry(whom).or_insert(Failures { count: 0, last: now });
        if over(failed) {
            failed.count = 0;
        }
        failed.count = failed.count.saturating_add(1);
        failed.last = now;
    }

    /// Forgets the failures of somebody who came in.
    pub(crate) fn succeeded(&self, whom: &Whom) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(whom);
    }
}

/// The answer to whoever must wait.
pub(crate) fn too_many(wait: Duration) -> Failure {
    let seconds = wait.as_secs().max(1);
    let mut failure =
        Failure::new(StatusCode::TOO_MANY_REQUESTS, "too_many", "too many attempts failed: wait, then try again");
    failure.retry_after = Some(seconds);
    failure
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin(pub IpAddr);

impl Origin {
    pub(crate) fn of(parts: &Parts, app: &App) -> Self {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        let told = app.settings.address_header.as_deref().and_then(|name| {
            // The last one is what our own proxy saw; those before it are what the client claims.
            let last = parts.headers.get_all(name).into_iter().next_back()?.to_str().ok()?;
            let last = last.rsplit(',').next()?.trim();
            last.parse::<IpAddr>().ok().or_else(|| last.parse::<SocketAddr>().ok().map(|address| address.ip()))
        });
        Self(told.or(peer).unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)))
    }
}

impl FromRequestParts<Arc<App>> for Origin {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Self::Rejection> {
        Ok(Self::of(parts, app))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Whom {
        Whom::from(text.parse().expect("an address"))
    }

    #[test]
    fn given_failures_in_a_row_when_there_are_too_many_then_the_wait_doubles_up_to_its_limit() {
        let (gate, mut now) = (Gate::default(), Instant::now());
        let whom = address("192.0.2.1");
        for _ in 0..FREE - 1 {
            gate.failed(whom.clone(), now);
            assert_eq!(gate.wait(&whom, now), Duration::ZERO);
        }
        let mut waits = Vec::new();
        for _ in 0..13 {
            gate.failed(whom.clone(), now);
            let wait = gate.wait(&whom, now);
            waits.push(wait.as_secs());
            now += wait;
            assert_eq!(gate.wait(&whom, now), Duration::ZERO);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
        assert_eq!(gate.wait(&address("192.0.2.2"), now), Duration::ZERO, "others need not wait");
        now += MEMORY + Duration::from_secs(1);
        gate.failed(whom.clone(), now);
        assert_eq!(gate.wait(&whom, now), Duration::ZERO, "what was long ago is forgotten");
        gate.succeeded(&whom);
    }

    #[test]
    fn given_a_network_of_addresses_when_they_fail_then_they_count_as_one() {
        assert_eq!(address("2001:db8:1:2::1"), address("2001:db8:1:2:ffff::9"));
        assert_ne!(address("2001:db8:1:2::1"), address("2001:db8:1:3::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
    }

    #[test]
    fn given_more_strangers_than_there_is_room_for_when_they_fail_then_memory_stays_bounded() {
        let (gate, now) = (Gate::default(), Instant::now());
        for number in 0..(ROOM as u32 + 200) {
            gate.failed(Whom::from(IpAddr::V4(number.into())), now + Duration::from_millis(number.into()));
        }
        assert!((ROOM / 2..=ROOM).contains(&gate.0.lock().expect("no panic").len()));
    }
}
