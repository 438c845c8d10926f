//! A person asks what is held of them, and then to be forgotten: from the command line, with two who approve, to a
//! certificate that verifies offline. Afterwards nothing of theirs is found in any byte of the data directory.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{World, eventually, people};

const USER: &str = "canary.user.7f3a@example.com";
const PROMPT: &str = "canary-prompt-91bc";
const CONTACT: &str = "canary-street-12-55d0";
const ERROR: &str = "canary-error-0c4e";

/// Bytes below a directory that are one of the canaries: file and canary.
fn canaries_below(dir: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            canaries_below(&path, found);
            continue;
        }
        let Ok(bytes) = std::fs::read(&path) else { continue };
        for canary in [USER, PROMPT, CONTACT, ERROR] {
            if bytes.windows(canary.len()).any(|part| part == canary.as_bytes()) {
                found.push(format!("{} has {canary}", path.display()));
            }
        }
    }
}

fn chat(world: &World, route: &str, user: &str, words: &str) -> u16 {
    let body = json!({"model": route, "user": user, "messages": [{"role": "user", "content": words}]});
    world.post("/v1/chat/completions", &body).status
}

/// A request from receipt to what is held, by a privacy officer; its identifier.
fn searched(world: &World, officer: &str, kind: &str) -> String {
    let identifiers = world.file("identifiers.txt", &format!("{USER}\n"));
    let contact = world.file("contact.txt", CONTACT);
    let done = |words: &[&str]| world.json(&[&["--token", officer, "requests"], words].concat());
    let received =
        done(&["receive", "--kind", kind, "--channel", "email", "--file", &identifiers, "--contact", &contact]);
    assert_eq!(received["known_by"], 1);
    let request = received["request"].as_str().expect("an identifier").to_owned();
    done(&["identity", &request, "--method", "callback", "--reference", "DSR-7"]);
    let found = done(&["search", &request]);
    assert_eq!(found["searched"]["counts"]["inferences"], 2, "{found}");
    request
}

#[test]
fn given_a_person_when_they_ask_to_be_forgotten_then_no_byte_of_theirs_is_left_and_a_certificate_proves_each_step() {
    let mut world = World::new();
    let staff = people::Staff::new(&world);
    let officers = [
        people::somebody_with(&world, &staff, "privacy_officer"),
        people::somebody_with(&world, &staff, "privacy_officer"),
    ];
    let officer = officers[0].1.clone();
    assert_eq!(chat(&world, "chat", USER, PROMPT), 200);
    assert_ne!(chat(&world, "broken", USER, ERROR), 200);
    assert_eq!(chat(&world, "chat", "somebody.else@example.com", "of another"), 200);

    // What is held is handed out, on record.
    let access = searched(&world, &officer, "access");
    let export = world.path("held.zip").display().to_string();
    let take = ["--token", &officer, "requests", "export", &access, "-o", &export];
    world.json(&take);
    let archive = std::fs::read(&export).expect("written");
    for canary in [USER, PROMPT, CONTACT, ERROR] {
        assert!(archive.windows(canary.len()).any(|part| part == canary.as_bytes()), "{canary} is held");
    }
    std::fs::remove_file(&export).expect("removed");
    let seen = "select access_id from access_records where action = 'request.read' and purpose = 'subject_request'";
    let seen = world.json(&["sql", "--tail", seen]);
    assert!(seen.as_array().is_some_and(|rows| !rows.is_empty()), "who saw it, and what for");
    let refused = world.cli(&["--json", "--token", &staff.deployer.1, "requests", "export", &access, "-o", &export]);
    assert_eq!(refused.error().1, "forbidden");
    let close = ["--token", &officer, "requests", "close", &access, "--outcome", "done", "--reference", "DSR-7"];
    world.json(&close);

    // A copy of the keys from before, as a backup would be.
    let request = searched(&world, &officer, "erasure");
    world.stop();
    let parts =
        ["", "-wal"].map(|part| (world.data.join(format!("keys.sqlite{part}")), world.path(&format!("older{part}"))));
    for (keys, copy) in parts.iter().filter(|(keys, _)| keys.exists()) {
        std::fs::copy(keys, copy).expect("copied");
    }
    world.start();

    let asked = world.json(&["requests", "ask", &request, "--reference", "DSR-8"]);
    let approval = asked["approval"].as_str().expect("an approval").to_owned();
    let early = world.cli(&["--json", "requests", "execute", &request]);
    assert_eq!(early.error().1, "forbidden", "nobody approved: {early:?}");
    for (_, key) in &officers {
        world.json(&["--token", key, "approvals", "approve", &approval]);
    }
    let own = world.cli(&["--json", "--token", &officer, "requests", "execute", &request]);
    assert_eq!(own.error().1, "forbidden", "whoever approved does not carry out: {own:?}");
    world.json(&["requests", "execute", &request]);
    eventually("the erasure is completed", || {
        let standing = world.json(&["--token", &officer, "requests", "status", &request]);
        (standing["standing"] == "erased").then_some(())
    });

    let certificate = world.path("certificate.json").display().to_string();
    world.json(&["--token", &officer, "requests", "certificate", &request, "-o", &certificate]);
    let pdf = world.path("certificate.pdf").display().to_string();
    world.json(&["--token", &officer, "requests", "certificate", &request, "--pdf", "-o", &pdf]);
    assert!(std::fs::read(&pdf).expect("written").starts_with(b"%PDF-"));
    let close = ["--token", &officer, "requests", "close", &request, "--outcome", "done", "--reference", "DSR-8"];
    world.json(&close);
    let row = &world
        .sql(&format!("select outcome, identity_verified from dsr where request_id = '{request}' group by 1, 2"))[0];
    assert_eq!((&row["outcome"], &row["identity_verified"]), (&"done".into(), &true.into()));
    let left = world.sql("select key_id from subject_keys where destroyed_at is null");
    assert!(left.is_empty(), "{left:?}");
    for control in ["AI-PR-01", "AI-PR-02"] {
        let ran = world.json(&["controls", "run", control]);
        assert!(ran.to_string().contains("\"pass\""), "{control}: {ran}");
    }
    let pack = world.path("pack.zip").display().to_string();
    world.json(&["evidence", "export", "--from", "2020-01-01", "-o", &pack, "--payloads"]);
    let vkey = world.log_vkey();
    world.stop();

    let mut found = Vec::new();
    canaries_below(&world.data, &mut found);
    assert!(found.is_empty(), "{found:?}");
    for canary in [USER, PROMPT, CONTACT, ERROR] {
        assert!(!world.log().contains(canary), "the server's own log has {canary}");
    }
    verified(&world, &certificate, &pack, &vkey);

    // The root of the keys is a new one: what was wrapped under the old one is of no use.
    for part in ["", "-wal", "-shm"] {
        // Not all of them are there.
        let _ = std::fs::remove_file(world.data.join(format!("keys.sqlite{part}")));
    }
    for (keys, copy) in parts.iter().filter(|(_, copy)| copy.exists()) {
        std::fs::copy(copy, keys).expect("put back");
    }
    assert!(world.try_start().is_err(), "an older copy of the keys opens nothing");
}

/// How often the server is killed while it erases.
fn rounds() -> u64 {
    let rounds = std::env::var("COUNTERFOIL_TEST_KILL_ROUNDS").ok();
    rounds.map_or(3, |rounds| rounds.parse().expect("COUNTERFOIL_TEST_KILL_ROUNDS is a number"))
}

#[test]
fn given_a_server_that_is_killed_while_it_erases_when_started_again_then_every_step_is_told_once() {
    let mut world = World::new();
    let staff = people::Staff::new(&world);
    let officers = [
        people::somebody_with(&world, &staff, "privacy_officer"),
        people::somebody_with(&world, &staff, "privacy_officer"),
    ];
    for words in [PROMPT, ERROR] {
        assert_eq!(chat(&world, "chat", USER, words), 200);
    }
    let request = searched(&world, &officers[0].1, "erasure");
    let asked = world.json(&["requests", "ask", &request, "--reference", "DSR-8"]);
    let approval = asked["approval"].as_str().expect("an approval").to_owned();
    for (_, key) in &officers {
        world.json(&["--token", key, "approvals", "approve", &approval]);
    }
    // This begins it, and what follows happens by itself a moment later: at some moment of it the server dies.
    world.json(&["approvals", "carry-out", &approval]);
    for round in 0..rounds() {
        world.server().kill();
        world.start();
        std::thread::sleep(std::time::Duration::from_millis(2000 + 13 * round));
    }
    eventually("the erasure is completed", || {
        let standing = world.json(&["--token", &officers[0].1, "requests", "status", &request]);
        (standing["standing"] == "erased").then_some(())
    });
    let steps = world.sql("select body from events where type = 'request.step' order by seq");
    let steps: Vec<Value> = steps
        .iter()
        .map(|row| serde_json::from_str::<Value>(row["body"].as_str().expect("text")).expect("JSON")["step"].clone())
        .collect();
    let order = [
        "holds_checked",
        "datasets_rewritten",
        "keys_destroyed",
        "tokens_gone",
        "payload_rows_removed",
        "profile_gone",
        "caches_emptied",
        "root_ratcheted",
        "completed",
    ];
    assert_eq!(steps, order);
    let refused = world.sql("select command from refusals where command = 'request.step'");
    assert!(refused.is_empty(), "{refused:?}");
}

/// The certificate and the package verify; a certificate that says otherwise is refused, and it is named where.
fn verified(world: &World, certificate: &str, pack: &str, vkey: &str) {
    let verdict = |report: &Value, claim: &str| {
        let verdicts = report["verdicts"].as_array().expect("verdicts");
        verdicts.iter().find(|one| one["claim"] == claim).expect("one of the five")["verdict"].clone()
    };
    for file in [certificate, pack] {
        let report = world.cli(&["--json", "verify", file, "--key", vkey]).json();
        assert_eq!(
            (verdict(&report, "integrity"), verdict(&report, "erasure")),
            ("pass".into(), "pass".into()),
            "{report}"
        );
    }
    let text = std::fs::read_to_string(certificate).expect("written");
    let whole: Value = serde_json::from_str(&text).expect("JSON");
    let count = whole["events"].as_array().expect("events").len();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut other = whole.clone();
        change(&mut other);
        let file = world.file("changed.json", &other.to_string());
        world.cli(&["--json", "verify", &file, "--key", vkey])
    };
    let later = changed(&|other| other["events"][count - 2]["at"] = json!(1));
    assert!(later.code != 0 && later.out.contains("another `at`"), "{later:?}");
    let fewer = changed(&|other| drop(other["events"].as_array_mut().expect("events").remove(count - 2)));
    assert!(fewer.out.contains("nothing proves that every step was done"), "{fewer:?}");
    assert_eq!(verdict(&fewer.json(), "erasure"), "fail");
    let another = changed(&|other| other["request"] = json!("q_another"));
    assert!(another.code != 0 && another.out.contains("of another request"), "{another:?}");
    let moved = changed(&|other| other["root"] = json!("00"));
    assert!(moved.code != 0 && moved.out.contains("size and root"), "{moved:?}");
}
