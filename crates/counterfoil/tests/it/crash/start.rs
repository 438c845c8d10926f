//! A start with a long history.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::infrastructure::{CommandRefused, LedgerHeartbeat};
use domain::people::{KeyCreated, KeyRevoked, KeyScope};
use domain::serving::{GatewayCounted, SegmentProgress};
use domain::{Entry, Event, RefusalCode, State};
use ledger::log::{Log, LogOptions};
use ledger::vfs::RealVfs;
use merkle::SignerKey;
use sha2::{Digest, Sha256};

use crate::support::World;

/// How many events the ledger has.
const EVENTS: u64 = 100_000;

/// How long a start may take with that many, on the machine of docs/performance.md.
const LIMIT: Duration = Duration::from_secs(2);

/// How long that machine takes to hash 128 MiB. It has instructions for it, as all of its kind have.
const HASHING: Duration = Duration::from_millis(75);

/// The limit on this machine: one that is slower, or busy, has more time in proportion.
fn limit() -> Duration {
    let (bytes, began) = (vec![7; 1 << 20], Instant::now());
    let mut hash = Sha256::new();
    for _ in 0..128 {
        hash.update(&bytes);
    }
    assert_ne!(hash.finalize().as_slice(), [0; 32]);
    LIMIT.mul_f64((began.elapsed().as_secs_f64() / HASHING.as_secs_f64()).max(1.0))
}

/// The ledger's signing key.
fn signer(data: &Path) -> SignerKey {
    let text = std::fs::read_to_string(data.join("signer.key")).expect("a key");
    let mut parts = text.trim_end().splitn(3, ' ').skip(1);
    let seed = merkle::encoding::hash_from_hex(parts.next().expect("a seed")).expect("hexadecimal");
    SignerKey::ed25519(parts.next().expect("a name"), &seed).expect("a key")
}

/// The events that come most often, in turns: applications' keys come and go, and the server reports on itself.
fn event(number: u64, checkpoint: &str, now: i64) -> Event {
    let hash = |what: &str| merkle::hex(&Sha256::digest(format!("{what} {number}")));
    let key = |number: u64| format!("k_{number:016x}");
    let (node, incarnation) = ("n1".to_owned(), 1);
    match number % 6 {
        0 => Event::KeyCreated(KeyCreated {
            key: key(number),
            scope: KeyScope::Service("support".into()),
            prefix: "cfk_test".into(),
            secret_sha256: hash("secret"),
            expires_at: now + 90 * 86_400_000,
            session: None,
        }),
        1 => Event::KeyRevoked(KeyRevoked { key: key(number - 1) }),
        2 => Event::LedgerHeartbeat(LedgerHeartbeat { checkpoint: checkpoint.to_owned(), signed_at: now }),
        3 => Event::GatewayCounted(GatewayCounted { node, incarnation, hour: now, requests: number, logged: number }),
        4 => Event::SegmentProgress(SegmentProgress { node, incarnation, number: 0, n: number, root: hash("root") }),
        _ => Event::CommandRefused(CommandRefused {
            command: "key.create".into(),
            resource: format!("key/{}", key(number)),
            code: RefusalCode::Forbidden,
            policies: vec![],
        }),
    }
}

/// Makes the ledger of a server that does not run as long as it must be, with the server's own means but without a
/// sync for each event. All of it is of today: that is the most that a state can have to remember.
fn grow(data: &Path) {
    let mut state = State::default();
    let mut options = LogOptions::new(data.join("ledger"), signer(data));
    options.wal.segment_bytes = 16 << 20;
    let mut fold = |_, bytes: &[u8]| state.apply(&Entry::decode(bytes).expect("an entry"));
    let (log, _) = Log::open(Arc::new(RealVfs), options, &mut fold).expect("the server has ended");
    let checkpoint = log.publish().expect("a checkpoint");
    let now = chrono::Utc::now().timestamp_millis();
    while state.size < EVENTS {
        let mut batch = Vec::new();
        for number in state.size..(state.size + 1000).min(EVENTS) {
            let (id, event) = (uuid::Uuid::now_v7().to_string(), event(number, &checkpoint, now));
            let stream = event.stream();
            let sv = state.version(&stream) + 1;
            let entry = Entry { v: 1, id, ts: now, actor: "a_system".into(), stream, sv, event };
            state.apply(&entry);
            batch.push(entry.encode().expect("small"));
        }
        log.append_and_wait(batch).expect("durable");
    }
}

#[test]
fn given_a_hundred_thousand_events_when_started_after_a_kill_then_it_listens_within_two_seconds() {
    let mut world = World::new();
    world.stop();
    grow(&world.data);
    // This start folds all of them; its end leaves a snapshot.
    world.start();
    world.stop();
    world.start();
    let took = (0..3).map(|_| {
        // There is something after the snapshot, and something to recover.
        world.key = world.create_key("support");
        assert_eq!(world.chat("chat").status, 200);
        world.server().kill();
        let began = Instant::now();
        world.start();
        began.elapsed()
    });
    // The machine may be busy with something else for a while, but not three times.
    let took: Vec<Duration> = took.collect();
    let limit = limit();
    eprintln!("starts with {EVENTS} events took {took:?} of {limit:?}");
    assert!(took.iter().any(|took| *took < limit), "{took:?} of {limit:?}");
    let events = world.sql("select count(*) as n from events")[0]["n"].as_u64().expect("a number");
    assert!(events > EVENTS, "{events}");
    assert_eq!(world.chat("chat").status, 200, "the newest key is known");
}
