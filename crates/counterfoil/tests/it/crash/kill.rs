//! `kill -9` at any instant.

use serde_json::{Value, json};

use crate::crash::{Load, assert_kept};
use crate::support::{World, eventually};

/// Rounds of starting, loading and killing. Continuous integration asks for more at night.
fn rounds() -> usize {
    let rounds = std::env::var("COUNTERFOIL_TEST_KILL_ROUNDS").ok();
    rounds.map_or(10, |rounds| rounds.parse().expect("COUNTERFOIL_TEST_KILL_ROUNDS is a number"))
}

#[test]
fn given_load_when_the_gateway_is_killed_again_and_again_then_every_acknowledged_inference_is_on_record_once() {
    // Small segments, so that it is killed while it seals, too.
    let mut world = World::with(&[("COUNTERFOIL_RECORDS_ROLL_RECORDS", "40")]);
    let mut acknowledged = Vec::new();
    for round in 0..rounds() {
        let load = Load::start(&world, 8);
        // The instant differs from round to round, in steps that do not divide what happens inside.
        let enough = 1 + (round * 37) % 150;
        eventually("enough calls were answered", || (load.answered() >= enough).then_some(()));
        world.server().kill();
        acknowledged.extend(load.end());
        world.start();
    }
    assert_kept(&world, &acknowledged);

    let statuses = world.sql("select distinct status from inference_records order by status");
    assert!(statuses.iter().all(|row| row["status"] == "ok" || row["status"] == "interrupted"), "{statuses:?}");
    let recovered = world.sql("select count(*) as n from events where type = 'node.recovered'");
    assert_eq!(recovered[0]["n"], rounds(), "each kill is in the ledger");
    world.stop();
    let fsck = world.cli(&["--json", "ledger", "fsck"]);
    assert_eq!(fsck.code, 0, "{fsck:?}");
}

/// The outcome of a control, and the details of its violations.
fn run_control(world: &World, control: &str) -> (Value, String) {
    let run = world.json(&["controls", "run", control])["runs"][0].clone();
    let violations = run["violating"].to_string();
    (run["outcome"].clone(), violations)
}

#[test]
fn given_counts_that_died_with_the_process_when_the_log_is_tested_for_completeness_then_it_does_not_pass() {
    let mut world = World::new();
    assert_eq!(world.chat("chat").status, 200);
    world.json(&["records", "seal"]);
    for control in ["AI-IN-01", "AI-LG-03"] {
        assert_eq!(run_control(&world, control).0, "pass", "{control}: all is counted");
    }
    world.stop();
    world.start();
    assert_eq!(run_control(&world, "AI-IN-01").0, "pass", "a clean end loses no count");
    assert_eq!(world.chat("chat").status, 200);
    world.json(&["records", "seal"]);
    world.server().kill();
    world.start();
    for control in ["AI-IN-01", "AI-LG-03"] {
        let (outcome, violations) = run_control(&world, control);
        assert_eq!(outcome, "fail", "{control}: {violations}");
        assert!(violations.contains("count") && violations.contains("lost"), "{control}: {violations}");
    }
    let lost = "select sum(lost) >= 1 as lost, sum(recovered) as recovered from gateway_counters where lost > 0";
    assert_eq!(world.sql(lost), [json!({"lost": true, "recovered": 1})], "what was found is said");
    let package = world.path("pack.zip").display().to_string();
    world.json(&["evidence", "export", "--from", "2020-01-01", "-o", &package]);
    let verified = world.cli(&["--json", "verify", &package]);
    assert_eq!(
        (verified.code, verified.json()["verdicts"][1]["verdict"].clone()),
        (0, json!("unknown")),
        "{verified:?}"
    );
    assert!(verified.out.contains("count.lost"), "{verified:?}");
    world.stop();
}
