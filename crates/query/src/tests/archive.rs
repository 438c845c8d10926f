//! Copies in a write-once bucket, as the ledger tells of them.

use domain::infrastructure::{ArchiveLocked, ArchiveProbed, LockMode, LockedObject, ProbeOutcome};

use super::*;

const ROWS: &str =
    "SELECT locked_until >= required_until, delete_attempts, bucket FROM ledger_objects ORDER BY object_id";

const CORES: [&str; 2] = ["n1-1-0", "n1-1-1"];

fn name(core: &str) -> String {
    format!("records/inferences/segment_day=2026-11-22/{core}-00.core.parquet")
}

fn locked(until: i64) -> Event {
    locked_by(LockMode::Compliance, until)
}

fn locked_by(mode: LockMode, until: i64) -> Event {
    let object = |core: &&str| LockedObject {
        object: name(core),
        sha256: "ab".repeat(32),
        bytes: 9,
        version: "v1".into(),
        until,
    };
    let objects = CORES.iter().map(object).collect();
    Event::ArchiveLocked(ArchiveLocked { bucket: "audit".into(), mode, through: 9, objects })
}

fn probed(object: String, outcome: ProbeOutcome) -> Event {
    Event::ArchiveProbed(ArchiveProbed { bucket: "audit".into(), object, outcome })
}

#[test]
fn a_lock_counts_when_the_bucket_says_so_and_its_newest_trial_was_refused() {
    run(async {
        let world = World::filled();
        assert_eq!(ask(&world.session().await, ROWS).await, ["-|0|-"; 2], "a disk locks nothing");
        world.add(T0 + 2 * HOUR, locked(T0 + 500 * 24 * HOUR));
        assert_eq!(ask(&world.session().await, ROWS).await, ["-|0|audit"; 2], "it was not tried");
        world.add(T0 + 2 * HOUR, probed("probes/1".into(), ProbeOutcome::Held));
        assert_eq!(ask(&world.session().await, ROWS).await, ["true|0|audit"; 2]);
        assert_eq!(violations(&world.session().await, "AI-LG-02").await, Vec::<String>::new());
        world.add(T0 + 2 * HOUR, probed(name(CORES[0]), ProbeOutcome::Hidden));
        assert_eq!(ask(&world.session().await, ROWS).await, ["-|1|audit", "true|0|audit"]);
        world.add(T0 + 2 * HOUR, probed("probes/2".into(), ProbeOutcome::Deletable));
        assert_eq!(ask(&world.session().await, ROWS).await, ["-|1|audit", "-|0|audit"]);
        // A lock that ends too early is shown, and is none in the eyes of the control.
        world.add(T0 + 2 * HOUR, probed("probes/3".into(), ProbeOutcome::Held));
        world.add(T0 + 2 * HOUR, locked(T0 + 24 * HOUR));
        assert_eq!(ask(&world.session().await, ROWS).await, ["false|1|audit", "false|0|audit"]);
        assert_eq!(violations(&world.session().await, "AI-LG-02").await.len(), 3, "both, and that one was hidden once");
    });
}

#[test]
fn a_lock_that_somebody_could_lift_and_a_trial_of_long_ago_count_for_nothing() {
    run(async {
        let world = World::filled();
        let until = T0 + 500 * DAY;
        world.add(T0 + 2 * HOUR, locked_by(LockMode::Governance, until));
        world.add(T0 + 2 * HOUR, probed("probes/1".into(), ProbeOutcome::Held));
        assert_eq!(ask(&world.session().await, ROWS).await, ["-|0|audit"; 2], "it can be lifted");
        world.add(T0 + 2 * HOUR, locked(until));
        assert_eq!(ask(&world.session().await, ROWS).await, ["true|0|audit"; 2]);
        world.add(T0 + 3 * DAY, probed(name(CORES[1]), ProbeOutcome::Held));
        assert_eq!(ask(&world.session().await, ROWS).await, ["-|0|audit"; 2], "nobody tried for two days");
        world.add(T0 + 3 * DAY, probed("probes/2".into(), ProbeOutcome::Held));
        assert_eq!(ask(&world.session().await, ROWS).await, ["true|0|audit"; 2]);
    });
}
