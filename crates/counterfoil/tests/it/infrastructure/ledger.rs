//! The ledger as others see it: proofs of events, its tiles over HTTP, and checks of what is on disk.

use crate::support::World;
use crate::support::http::{get, send};

#[test]
fn given_an_event_when_proven_then_the_proof_verifies_offline_with_the_logs_key_only() {
    let mut world = World::new();
    let proof = world.path("event.proof").display().to_string();
    world.json(&["ledger", "proof", "--event", "2", "-o", &proof]);
    let vkey = world.log_vkey();
    world.stop();
    std::fs::remove_dir_all(&world.data).expect("verify needs no data directory");

    let report = world.json(&["verify", &proof, "--key", &vkey]);
    assert_eq!(report["verdicts"][0]["verdict"], "pass", "{report}");
    let no_key = world.cli(&["--json", "verify", &proof]);
    assert_eq!(no_key.code, 2, "without a key nothing is proven: {no_key:?}");
    let text = std::fs::read_to_string(&proof).expect("text");
    let other = world.file("other.proof", &text.replacen("index 2", "index 1", 1));
    assert_eq!(world.cli(&["--json", "verify", &other, "--key", &vkey]).code, 1);
}

#[test]
fn given_an_older_package_when_held_to_a_newer_checkpoint_with_its_proof_then_it_verifies_and_without_it_is_unknown() {
    let world = World::new();
    let pack = world.path("older.zip").display().to_string();
    world.json(&["evidence", "export", "--from", "2020-01-01", "-o", &pack]);
    let size = verify::Package::open(pack.as_ref()).expect("a package").manifest().size;
    let vkey = world.log_vkey();
    world.create_key("support");
    let answer = world.json(&["ledger", "checkpoint", "--since", &size.to_string()]);
    let held_to = |name: &str, member: &str| {
        let seen = world.file(name, answer[member].as_str().expect("text"));
        world.cli(&["--json", "verify", &pack, "--key", &vkey, "--seen", &seen])
    };
    let run = held_to("proven", "request");
    assert!(run.code == 0 && run.out.contains("seen.begins"), "{run:?}");
    let run = held_to("bare", "checkpoint");
    assert!(run.code == 2 && run.out.contains("seen.newer"), "{run:?}");
    let beyond = world.cli(&["--json", "ledger", "checkpoint", "--since", "999999"]);
    assert_eq!(beyond.error().1, "invalid", "{beyond:?}");
}

#[test]
fn given_the_log_over_http_when_read_as_tiles_then_its_entries_are_the_events() {
    let world = World::new();
    world.json(&["ledger", "checkpoint"]);
    let checkpoint = get(&format!("{}/log/checkpoint", world.url)).text();
    let size: u64 = checkpoint.lines().nth(1).expect("a size").parse().expect("a number");
    let address = format!("{}/log/tile/entries/000.p/{size}", world.url);
    assert_eq!(get(&address).status, 401, "entries are for those who may read the ledger");
    let token = std::fs::read_to_string(world.data.join("operator.token")).expect("the operator's key");
    let authorization = format!("Bearer {}", token.trim());
    let bundle = send(http::Method::GET, &address, &[("authorization", &authorization)], "");
    assert_eq!(bundle.status, 200);
    // C2SP tlog-tiles, log entries: each is preceded by its length as a big-endian u16.
    let mut rest = &bundle.body[..];
    let mut entries = 0;
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let (entry, next) = after.split_at(usize::from(u16::from_be_bytes(*length)));
        let value: serde_json::Value = serde_json::from_slice(entry).expect("an entry is JSON");
        assert!(value["t"].is_string(), "{value}");
        (rest, entries) = (next, entries + 1);
    }
    assert_eq!(entries, size);
    assert_eq!(get(&format!("{}/log/tile/0/009", world.url)).status, 404, "the log is not that long");
}

#[test]
fn given_a_ledger_when_a_byte_on_disk_changes_then_fsck_and_start_both_refuse_it() {
    let mut world = World::new();
    world.stop();
    assert_eq!(world.cli(&["ledger", "fsck"]).code, 0);
    let signer = world.data.join("ledger/checkpoint");
    let text = std::fs::read_to_string(&signer).expect("a checkpoint");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    // Another root for the same size.
    lines[2] = lines[2].chars().rev().skip(1).collect::<String>() + "=";
    std::fs::write(&signer, lines.join("\n") + "\n").expect("written");
    let fsck = world.cli(&["--json", "ledger", "fsck"]);
    assert!(matches!(fsck.code, 1 | 3), "{fsck:?}");
    assert!(world.try_start().is_err_and(|run| matches!(run.code, 1 | 3)));
}

#[test]
fn given_a_directory_in_use_when_opened_again_then_the_second_is_refused() {
    let world = World::new();
    let run = world.cli(&["--json", "serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(run.error(), (5, "locked".to_owned()), "{run:?}");
    assert_eq!(world.chat("chat").status, 200, "the first is not disturbed");
}
