//! Old copies: a ledger that lacks what it has signed for is refused, here by itself, or by a witness that remembers.

use std::path::Path;
use std::process::Command;

use crate::infrastructure::witness::WitnessProcess;
use crate::support::{World, eventually, tools};

fn copy(from: &Path, to: &Path) {
    tools::run(Command::new("cp").arg("-a").arg(from).arg(to));
}

#[test]
fn given_an_older_copy_of_the_entries_when_started_then_it_is_refused_as_rolled_back() {
    let mut world = World::new();
    world.stop();
    copy(&world.data, &world.path("older"));
    world.start();
    world.create_key("support");
    world.stop();
    let newest = std::fs::read(world.data.join("ledger/.state/signer")).expect("what was signed last");
    // The copy is restored, but not over what the signer remembers.
    std::fs::remove_dir_all(&world.data).expect("removed");
    copy(&world.path("older"), &world.data);
    std::fs::write(world.data.join("ledger/.state/signer"), newest).expect("written");
    let run = world.try_start().expect_err("it must not start");
    assert_eq!(run.error(), (3, "rolled_back".to_owned()), "{run:?}");
    assert!(run.err.contains("rolled back"), "{run:?}");
    assert_eq!(world.cli(&["--json", "ledger", "fsck"]).code, 3);
}

#[test]
fn given_a_whole_older_directory_when_a_witness_remembers_more_then_it_is_refused_as_rolled_back() {
    let mut world = World::new();
    let witness = WitnessProcess::start(&world, "w1");
    witness.configure(&mut world);
    world.stop();
    copy(&world.data, &world.path("older"));
    world.start();
    // A restart adds a few entries by itself; the history that is lost must be longer than that.
    for _ in 0..30 {
        world.create_key("support");
    }
    let size = world.sql("select max(seq) as seq from events")[0]["seq"].as_u64().expect("a number");
    eventually("the witness has seen it all", || (witness.size()? > size).then_some(()));
    world.stop();
    std::fs::remove_dir_all(&world.data).expect("removed");
    copy(&world.path("older"), &world.data);
    let run = world.try_start().expect_err("it must not start");
    assert_eq!(run.error(), (3, "rolled_back".to_owned()), "{run:?}");
}
