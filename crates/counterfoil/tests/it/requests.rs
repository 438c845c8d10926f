//! A person asks what is held of them, and then to be forgotten: from the command line, with two who approve, to a
//! certificate that verifies offline. Afterwards nothing of theirs is found in any byte of the data directory.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::ipc::writer::FileWriter;
use engine::Engine;
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

use crate::directory::{self, Directory};
use crate::retention::{node, options};
use crate::support::{World, attacker, data, eventually, memory, people, tools};

const USER: &str = "canary.user.7f3a@example.com";
const PHONE: &str = "+61412307777";
/// The number of somebody else.
const STAYS: &str = "+61412000001";
const PROMPT: &str = "canary-prompt-91bc";
const CONTACT: &str = "canary-street-12-55d0";
const ERROR: &str = "canary-error-0c4e";
const NAME: &str = "canary-name-8d1e";
const TITLE: &str = "canary-title-77bb";
const NUMBER: &str = "canary-number-3f21";
const ROW: &str = "canary-row-66aa";

const CANARIES: [&str; 9] = [USER, PHONE, PROMPT, CONTACT, ERROR, NAME, TITLE, NUMBER, ROW];

const OTHER: &str = "somebody.else@example.com";

const SCOPES: &str = r#"
[tokens.numbers]
method = "vaulted"
kind = "text"
class = "personal"
purposes = ["support"]
per_subject = true
"#;

/// Bytes below a directory that are one of the canaries: file and canary.
fn canaries_below(dir: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            canaries_below(&path, found);
            continue;
        }
        let Ok(bytes) = std::fs::read(&path) else { continue };
        for canary in CANARIES {
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

/// A request from receipt to what is held, by a privacy officer; its identifier, and how many of what were found.
fn searched(world: &World, officer: &str, kind: &str, identifiers: &[&str]) -> (String, Value) {
    let identifiers = world.file("identifiers.txt", &identifiers.join("\n"));
    let contact = world.file("contact.txt", CONTACT);
    let done = |words: &[&str]| world.json(&[&["--token", officer, "requests"], words].concat());
    let received =
        done(&["receive", "--kind", kind, "--channel", "email", "--file", &identifiers, "--contact", &contact]);
    assert!(received["known_by"].as_u64() > Some(0), "{received}");
    let request = received["request"].as_str().expect("an identifier").to_owned();
    done(&["identity", &request, "--method", "callback", "--reference", "DSR-7"]);
    let found = done(&["search", &request]);
    (request, found["searched"]["counts"].clone())
}

/// Says of the only model there is that it did not learn from the person.
fn assess(world: &World, officer: &str, request: &str) {
    let mut words = vec!["--token", officer, "requests", "assess", request, "--model", "credit-risk/1"];
    words.extend(["--assessment", "not-trained", "--action", "keep", "--reference", "DSR-8"]);
    world.json(&words);
}

/// Puts rows of a person and of somebody else into versions `parquet` and `arrow` of the data set `loans`.
fn put_columns(world: &World, steward: &str, scope: &str, [person, another]: [&str; 2]) {
    let texts = |of: [&str; 3]| Arc::new(StringArray::from(of.to_vec())) as ArrayRef;
    let numbers = Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef;
    let columns =
        [("n", numbers), (scope, texts([person, another, person])), ("note", texts([ROW, "of another", ROW]))];
    let batch = RecordBatch::try_from_iter(columns).expect("a batch");
    for form in ["parquet", "arrow"] {
        let path = world.path(&format!("loans.{form}"));
        let file = std::fs::File::create(&path).expect("created");
        if form == "parquet" {
            let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
            writer.write(&batch).expect("written");
            writer.close().expect("closed");
        } else {
            let mut writer = FileWriter::try_new(file, &batch.schema()).expect("a writer");
            writer.write(&batch).expect("written");
            writer.finish().expect("finished");
        }
        let path = path.display().to_string();
        let put =
            ["data", "put", "loans", &path, "--version", form, "--subject-column", scope, "--subject-scope", scope];
        world.json(&[&["--token", steward], &put[..]].concat());
    }
}

/// Tokens and rows of the person and of somebody else, and an account that a directory made; the pseudonym of that.
fn elsewhere(world: &World, door: &Directory<'_>, officer: &str, steward: &people::Person) -> String {
    let scopes = world.file("tokens.toml", SCOPES);
    world.json(&["--token", officer, "apply", "-f", &scopes, "--only", "tokens", "--yes"]);
    let numbers = world.file("numbers.txt", &format!("{NUMBER}\nof another\n"));
    let whose = world.file("whose.txt", &format!("{USER}\n{OTHER}\n"));
    let by = ["--token", steward.1.as_str()];
    let words = ["tokens", "tokenize", "numbers", "--file", &numbers, "--subjects", &whose, "--service", "support"];
    world.json(&[&by[..], &words].concat());
    data::declare_loans(world, steward, "personal", &[]);
    let rows = world.file("loans.csv", &format!("phone,note\n{PHONE},{ROW}\n{STAYS},of another\n"));
    let put =
        ["data", "put", "loans", &rows, "--version", "1", "--subject-column", "phone", "--subject-scope", "phone"];
    world.json(&[&by[..], &put].concat());
    put_columns(world, &steward.1, "phone", [PHONE, STAYS]);
    let user = json!({"schemas": [directory::USER], "userName": USER, "displayName": NAME, "title": TITLE});
    let (status, user) = door.ask("POST", "/Users", &user);
    assert_eq!(status, 201, "{user}");
    user["id"].as_str().expect("an id").to_owned()
}

/// A guess of a million: an Australian mobile number, the person's among them.
fn guess(number: u32) -> String {
    format!("+61412{number:06}")
}

/// How many guesses there are.
const GUESSES: u32 = 1_000_000;

/// No number out of a million, the right one among them, is confirmed by anything that is stored, nor found by any index of
/// names, with every key at hand that there still is.
fn nothing_confirms(world: &World, node: &str, origin: &str) {
    let copied = attacker::Copied::take(&world.data, &world.path("stolen"), origin);
    let indexes = copied.indexes();
    assert!(indexes.iter().any(|(scope, _)| scope == "phone"), "the indexes' keys are there as before");
    let confirmed = attacker::confirmed(&[&world.data], &indexes, guess, GUESSES);
    // Another person's number is in the data set still, and is found in the same way: the method finds what is there.
    assert_eq!(confirmed, [STAYS.to_owned()].into(), "of a million numbers");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let engine = Engine::open(options(world, node)).await.expect("the data directory opens");
        let vault = engine.vault();
        for (scope, _) in indexes.iter().filter(|(scope, _)| !scope.contains('/')) {
            for guess in [USER, PHONE] {
                assert_eq!(vault.known_subject(scope, guess, 1).expect("looked up"), None, "{guess} in `{scope}`");
            }
        }
        assert!(vault.known_subject("support", OTHER, 1).expect("looked up").is_some(), "another is known as before");
        engine.shutdown().await.expect("ends well");
    });
}

/// The references of a person, as the request that was received has them.
fn references(world: &World, request: &str) -> Vec<String> {
    let received =
        world.sql(&format!("select body from events where type = 'request.received' and stream = 'request/{request}'"));
    let body: Value = serde_json::from_str(received[0]["body"].as_str().expect("text")).expect("JSON");
    body["subjects"].as_array().expect("references").iter().map(|one| one.as_str().expect("text").to_owned()).collect()
}

/// No key of a person is in the memory of the process that had them all and destroyed them. What is freed is wiped; what a
/// thread had on its stack is written over by the next that it does, so it is given something to do.
fn no_key_is_left_in_memory(world: &mut World, keys: &[[u8; 32]]) {
    let words: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
    if memory::places_in(world.server().id(), &words).is_none() {
        return eprintln!("skipped: the memory of the server, which cannot be read here");
    }
    eventually("no key is left in memory", || {
        for words in 0..20 {
            assert_eq!(chat(world, "chat", OTHER, &format!("of another, again {words}")), 200);
        }
        world.json(&["people", "list"]);
        memory::places_in(world.server().id(), &words).filter(|found| found.is_empty()).map(drop)
    });
}

#[test]
fn given_a_person_when_they_ask_to_be_forgotten_then_no_byte_of_theirs_is_left_and_a_certificate_proves_each_step() {
    let mut world = World::empty(&[]);
    let temporary = world.path("temporary");
    std::fs::create_dir(&temporary).expect("made");
    world.set("TMPDIR", &temporary.display().to_string());
    world.begin();
    let door = Directory::new(&world);
    let staff = people::Staff::new(&world);
    let officers = [
        people::somebody_with(&world, &staff, "privacy_officer"),
        people::somebody_with(&world, &staff, "privacy_officer"),
    ];
    let steward = people::somebody_with(&world, &staff, "data_steward");
    let officer = officers[0].1.clone();
    let person = elsewhere(&world, &door, &officer, &steward);
    assert_eq!(chat(&world, "chat", USER, PROMPT), 200);
    assert_ne!(chat(&world, "broken", USER, ERROR), 200);
    assert_eq!(chat(&world, "chat", OTHER, "of another"), 200);

    // What is held is handed out, on record.
    let (access, counts) = searched(&world, &officer, "access", &[USER, PHONE]);
    let held = ["inferences", "tokens", "datasets", "profile"].map(|what| counts[what].as_u64().unwrap_or(0));
    assert_eq!(held, [2, 1, 3, 1], "{counts}");
    let export = world.path("held.zip").display().to_string();
    let own = world.cli(&["--json", "--token", &officer, "requests", "export", &access, "-o", &export]);
    assert_eq!(own.error().1, "forbidden", "whoever confirmed who asks does not hand out: {own:?}");
    let rule = "select access_id from access_records where policies = 'confirm-not-hand-out' and decision = 'deny'";
    eventually("it is on record", || {
        let rows = world.json(&["sql", "--tail", rule]);
        rows.as_array().is_some_and(|rows| !rows.is_empty()).then_some(())
    });
    let take = ["--token", &officers[1].1, "requests", "export", &access, "-o", &export];
    world.json(&take);
    let archive = std::fs::read(&export).expect("written");
    for canary in CANARIES {
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

    let (request, _) = searched(&world, &officer, "erasure", &[USER, PHONE]);
    let off = json!({"schemas": [directory::PATCH_OP], "Operations": [{"op": "replace", "value": {"active": false}}]});
    assert_eq!(door.ask("PATCH", &format!("/Users/{person}"), &off).0, 200, "they leave first");
    assess(&world, &officer, &request);
    // A copy of the keys from before, as a backup would be. The process is up all along: it has had every key.
    let parts =
        ["", "-wal"].map(|part| (world.data.join(format!("keys.sqlite{part}")), world.path(&format!("older{part}"))));
    for (keys, copy) in parts.iter().filter(|(keys, _)| keys.exists()) {
        std::fs::copy(keys, copy).expect("copied");
    }
    let vkey = world.log_vkey();
    let (origin, _) = vkey.split_once('+').expect("an origin and a key");
    let origin = origin.to_owned();
    let copied = attacker::Copied::take(&world.data, &world.path("backup"), &origin);
    let theirs: Vec<[u8; 32]> =
        references(&world, &request).iter().flat_map(|subject| copied.keys_of(subject)).collect();
    assert!(theirs.len() >= 3, "an older backup opens the keys of a person: {}", theirs.len());
    let before = attacker::confirmed(&[&world.data], &copied.indexes(), guess, GUESSES);
    assert_eq!(
        before,
        [PHONE.to_owned(), STAYS.to_owned()].into(),
        "before, with keys at hand, a digest confirms a guess"
    );

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
    no_key_is_left_in_memory(&mut world, &theirs);
    let close = ["--token", &officer, "requests", "close", &request, "--outcome", "done", "--reference", "DSR-8"];
    world.json(&close);
    let row = &world
        .sql(&format!("select outcome, identity_verified from dsr where request_id = '{request}' group by 1, 2"))[0];
    assert_eq!((&row["outcome"], &row["identity_verified"]), (&"done".into(), &true.into()));
    let left = world.sql("select key_id from subject_keys where destroyed_at is null");
    assert!(left.is_empty(), "{left:?}");
    for control in ["AI-PR-01", "AI-PR-02", "AI-DG-07"] {
        let ran = world.json(&["controls", "run", control]);
        assert!(ran.to_string().contains("\"pass\""), "{control}: {ran}");
    }
    let gone = world.sql("select verified_by from deletions where object_id like 'subject/%'");
    assert!(!gone.is_empty() && gone.iter().all(|row| row["verified_by"] == officers[0].0.as_str()), "{gone:?}");
    let (another, _) = searched(&world, &officer, "access", &[OTHER]);
    world.json(&["--token", &officers[1].1, "requests", "export", &another, "-o", &export]);
    let archive = std::fs::read(&export).expect("written");
    assert!(archive.windows(10).any(|part| part == b"of another"), "what is held of another opens as before");
    let pack = world.path("pack.zip").display().to_string();
    world.json(&["evidence", "export", "--from", "2020-01-01", "-o", &pack, "--payloads"]);
    let node = node(&world);
    world.stop();

    let mut found = Vec::new();
    for dir in [&world.data, &temporary] {
        canaries_below(dir, &mut found);
    }
    assert!(found.is_empty(), "{found:?}");
    let keys = attacker::keys_in(&[&world.data, &temporary], &theirs);
    assert!(keys.is_empty(), "a key of theirs lies in {keys:?}");
    for canary in CANARIES {
        assert!(!world.log().contains(canary), "the server's own log has {canary}");
    }
    verified(&world, &certificate, &pack, &vkey);
    nothing_confirms(&world, &node, &origin);

    // Freed memory keeps what lay in it until it is used again; whatever starts anew has nothing of theirs to read.
    world.start();
    world.json(&["--token", &officer, "requests", "status", &request]);
    world.json(&["people", "list"]);
    match memory::found_in(world.server().id(), &CANARIES) {
        Some(found) => assert!(found.is_empty(), "{found:?} in memory after a restart"),
        None => eprintln!("skipped: the memory of the server, which cannot be read here"),
    }
    let words: Vec<&[u8]> = theirs.iter().map(|key| &key[..]).collect();
    let keys = memory::places_in(world.server().id(), &words);
    assert!(keys.is_none_or(|keys| keys.is_empty()), "a key of theirs in memory after a restart");
    world.stop();

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
    let steward = data::steward_of_loans(&world, &staff, "personal");
    put_columns(&world, &steward.1, "email", [USER, OTHER]);
    let (request, counts) = searched(&world, &officers[0].1, "erasure", &[USER]);
    assert_eq!(counts["inferences"], 2, "{counts}");
    assess(&world, &officers[0].1, &request);
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
    let rewritten = world.sql("select body from events where type = 'dataset.version.rewritten' order by seq");
    let told = |row: &Value| {
        let body: Value = serde_json::from_str(row["body"].as_str().expect("text")).expect("JSON");
        (body["version"].as_str().unwrap_or_default().to_owned(), body["rows_removed"].as_u64())
    };
    let mut removed: Vec<_> = rewritten.iter().map(told).collect();
    removed.sort();
    assert_eq!(removed, [("arrow".to_owned(), Some(2)), ("parquet".to_owned(), Some(2))], "each once");
    let gone = world.sql("select seq from events where type = 'object.destroyed'");
    assert_eq!(gone.len(), 2, "the objects before, each once: {gone:?}");
}

/// The certificate and the package verify; a certificate that says otherwise is refused, and it is named where.
fn verified(world: &World, certificate: &str, pack: &str, vkey: &str) {
    let verdict = |report: &Value, claim: &str| {
        let verdicts = report["verdicts"].as_array().expect("verdicts");
        verdicts.iter().find(|one| one["claim"] == claim).expect("one of the five")["verdict"].clone()
    };
    for file in [certificate, pack] {
        let ran = world.cli(&["--json", "verify", file, "--key", vkey]);
        let report = ran.json();
        assert_eq!(
            (verdict(&report, "integrity"), verdict(&report, "erasure")),
            ("pass".into(), "pass".into()),
            "{report}"
        );
        if let Some((code, said)) = tools::second_verifier(file, vkey) {
            assert_eq!(code, ran.code, "{file}: {said}");
        }
    }
    let report = world.cli(&["--json", "verify", certificate, "--key", vkey]);
    assert_eq!(report.out.matches("\"policy.absent\"").count(), 1, "one checkpoint is judged once: {report:?}");
    assert!(report.out.contains("steps of the erasure are there"), "{report:?}");
    let text = std::fs::read_to_string(certificate).expect("written");
    let whole: Value = serde_json::from_str(&text).expect("JSON");
    let count = whole["events"].as_array().expect("events").len();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut other = whole.clone();
        change(&mut other);
        let file = world.file("changed.json", &other.to_string());
        let first = world.cli(&["--json", "verify", &file, "--key", vkey]);
        if let Some((code, said)) = tools::second_verifier(&file, vkey) {
            assert_eq!(code, first.code, "{said}\n{first:?}");
        }
        first
    };
    let later = changed(&|other| other["events"][count - 2]["at"] = json!(1));
    assert!(later.code != 0 && later.out.contains("another `at`"), "{later:?}");
    let fewer = changed(&|other| drop(other["events"].as_array_mut().expect("events").remove(count - 2)));
    assert!(fewer.out.contains("nothing proves that every step was done"), "{fewer:?}");
    assert_eq!(verdict(&fewer.json(), "erasure"), "fail");
    let another = changed(&|other| other["request"] = json!("q_another"));
    assert!(another.code != 0 && another.out.contains("of another request"), "{another:?}");
    for (member, code) in [
        ("method", "certificate.method"),
        ("limits", "certificate.limits"),
        ("organisation", "certificate.organisation"),
    ] {
        let said = if member == "limits" { json!([]) } else { json!("another") };
        let other = changed(&|other| other[member] = said.clone());
        assert!(other.code != 0 && other.out.contains(code), "{other:?}");
    }
    let unsigned = changed(&|other| other["log_vkey"] = json!("no key"));
    assert!(unsigned.code != 0 && unsigned.out.contains("certificate.key"), "{unsigned:?}");
    let unpinned = world.cli(&["--json", "verify", certificate]);
    assert_eq!(verdict(&unpinned.json(), "integrity"), "unknown", "{unpinned:?}");
    let moved = changed(&|other| other["root"] = json!("00"));
    assert!(moved.code != 0 && moved.out.contains("size and root"), "{moved:?}");
}
