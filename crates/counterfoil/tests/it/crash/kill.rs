//! `kill -9` at any instant.

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
