//! Old copies: a ledger that lacks what it has signed for is refused, here by itself, by the memory that it has elsewhere,
//! or by a witness that remembers.

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
    copy(&world.data, &world.path("newest"));
    std::fs::remove_dir_all(&world.data).expect("removed");
    copy(&world.path("older"), &world.data);
    // The check asks the witness, too; and without one, it says what it does not know.
    let checked = world.cli(&["--json", "ledger", "fsck"]);
    assert!(checked.code == 3 && checked.out.contains(&witness.url()), "{checked:?}");
    let before = checked.json()["size"].clone();
    let kept = world.file("kept", &witness.latest().expect("a checkpoint"));
    world.set("COUNTERFOIL_WITNESSES_URLS", "");
    let alone = world.cli(&["--json", "ledger", "fsck"]);
    assert!(alone.code == 0 && alone.out.contains("an older copy of all of it would pass"), "{alone:?}");
    assert_eq!(world.cli(&["--json", "ledger", "fsck", "--seen", &kept]).code, 3);
    let nothing = world.file("nothing", "no checkpoint");
    assert_eq!(world.cli(&["--json", "ledger", "fsck", "--seen", &nothing]).code, 64);
    witness.configure(&mut world);
    let run = world.try_start().expect_err("it must not start");
    assert_eq!(run.error(), (3, "rolled_back".to_owned()), "{run:?}");
    // What the witness said, commands know as well.
    let run = world.cli(&["--json", "keys", "create", "--service", "support", "--expires", "90d"]);
    assert_eq!(run.error(), (3, "rolled_back".to_owned()), "{run:?}");
    let run = world.cli(&["--json", "ledger", "fsck"]);
    assert_eq!((run.code, &run.json()["size"]), (3, &before), "nothing was written: {run:?}");
    std::fs::remove_dir_all(&world.data).expect("removed");
    copy(&world.path("newest"), &world.data);
    world.start();
    world.create_key("support");
    world.stop();
}

#[test]
fn given_a_whole_older_directory_when_started_then_it_is_refused_until_somebody_accepts_it() {
    let mut world = World::empty(&[]);
    let state = world.path("state");
    world.set("COUNTERFOIL_SERVER_STATE", &state.display().to_string());
    world.start();
    world.apply();
    world.stop();
    let accept = |reference: &str| world.cli(&["--json", "ledger", "accept-rollback", "--reference", reference]);
    assert_eq!(accept("INC-1").error(), (65, "nothing_to_accept".to_owned()));
    copy(&world.data, &world.path("older"));
    world.start();
    // A restart adds a few entries by itself; the history that is lost must be longer than that.
    for _ in 0..30 {
        world.create_key("support");
    }
    world.stop();
    let remembered: Vec<_> = std::fs::read_dir(&state).expect("a memory").flatten().collect();
    assert_eq!(remembered.len(), 1, "one file a ledger");
    std::fs::remove_dir_all(&world.data).expect("removed");
    copy(&world.path("older"), &world.data);

    let run = world.try_start().expect_err("it must not start");
    assert_eq!(run.error(), (3, "rolled_back".to_owned()), "{run:?}");
    let file = remembered[0].path().display().to_string();
    assert!(run.err.contains(&file) && run.err.contains("counterfoil ledger accept-rollback"), "{run:?}");
    let run = world.cli(&["--json", "ledger", "checkpoint"]);
    assert_eq!(run.error(), (3, "rolled_back".to_owned()), "commands refuse it too: {run:?}");
    let run = world.cli(&["--json", "ledger", "fsck"]);
    assert!(run.code == 3 && run.out.contains(&file), "{run:?}");
    world.set("COUNTERFOIL_TOKEN", "cfk_unknown");
    let accept = |world: &World| world.cli(&["--json", "ledger", "accept-rollback", "--reference", "INC-2207"]);
    assert_eq!(accept(&world).code, 65, "not everybody may");
    let token = std::fs::read_to_string(world.data.join("operator.token")).expect("a key");
    world.set("COUNTERFOIL_TOKEN", token.trim());

    // What a witness told of the directory, over which the copy was unpacked, stays in its way no longer than the witness
    // is named.
    let witness = WitnessProcess::away(&mut world);
    let halt = world.data.join("ledger/.state/other-history");
    std::fs::write(&halt, format!("{witness}/add-checkpoint\nit has more\n")).expect("written");
    assert_eq!(accept(&world).error(), (3, "rolled_back".to_owned()), "it cannot be asked again");
    world.set("COUNTERFOIL_WITNESSES_URLS", "");
    let accepted = accept(&world);
    assert!(!halt.exists(), "{accepted:?}");
    assert_eq!(accepted.code, 0, "{accepted:?}");
    let accepted = accepted.json();
    assert!(accepted["from_size"].as_u64() > accepted["to_size"].as_u64(), "{accepted}");
    world.start();
    let rows = world.sql("select seq, actor, body from events where type = 'ledger.rollback.accepted'");
    assert_eq!((rows.len(), &rows[0]["seq"]), (1, &accepted["event"]), "{rows:?}");
    assert_ne!(rows[0]["actor"], "a_system");
    assert!(rows[0]["body"].as_str().is_some_and(|body| body.contains("INC-2207")), "{rows:?}");
    assert_eq!(world.sql("select seq from events where type = 'ledger.resumed'").len(), 1);
    let package = world.path("pack.zip").display().to_string();
    world.json(&["evidence", "export", "--from", "2020-01-01", "-o", &package]);
    let verified = world.cli(&["--json", "verify", &package]);
    assert_eq!(verified.code, 0, "{verified:?}");
    assert!(verified.out.contains("rollback.accepted"), "{verified:?}");
    world.stop();
    world.start();
    world.stop();
}

#[test]
fn given_a_memory_that_cannot_be_written_when_started_then_it_warns_and_serves() {
    let mut world = World::empty(&[]);
    let state = world.file("state", "a file, not a directory");
    world.set("COUNTERFOIL_SERVER_STATE", &state);
    world.start();
    assert!(world.log().contains("cannot be remembered outside its directory"), "{}", world.log());
    world.stop();
}
