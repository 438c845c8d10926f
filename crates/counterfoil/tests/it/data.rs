//! Data sets from the command line, by a file, and on pages: stored, read for a purpose, destroyed, and what the ledger,
//! the tables and the disk say of it.

use std::io::Write as _;

use ::http::Method;
use serde_json::{Value, json};

use crate::support::{Run, World, data, eventually, http, people};

/// Runs a command as somebody; it must succeed.
#[track_caller]
fn done(world: &World, key: &str, arguments: &[&str]) -> Value {
    world.json(&[&["--token", key], arguments].concat())
}

fn tried(world: &World, key: &str, arguments: &[&str]) -> Run {
    world.cli(&[&["--json", "--token", key], arguments].concat())
}

/// How many files below a directory hold this text.
fn files_with(dir: &std::path::Path, text: &str) -> usize {
    let entries = std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("readable").path());
    let holds = |path: std::path::PathBuf| match path.is_dir() {
        true => files_with(&path, text),
        false => {
            let bytes = std::fs::read(&path).unwrap_or_default();
            usize::from(bytes.windows(text.len()).any(|window| window == text.as_bytes()))
        }
    };
    entries.map(holds).sum()
}

#[test]
fn given_a_data_set_when_stored_read_and_destroyed_then_nothing_lies_in_clear_and_all_is_on_record() {
    let world = World::new();
    let staff = people::Staff::new(&world);
    let (actor, steward) = data::steward_of_loans(&world, &staff, "personal");
    let rows: String = (0..20_000).map(|n| format!("{n},canary-{n}@example.com\n")).collect();
    let file = world.file("loans.csv", &format!("id,email\n{rows}"));
    let put =
        ["data", "put", "loans", &file, "--version", "1", "--subject-column", "email", "--subject-scope", "email"];
    let stored = done(&world, &steward, &put);
    assert_eq!(stored["stored"]["bytes"], json!(rows.len() + "id,email\n".len()));
    assert_eq!(tried(&world, &steward, &put).error(), (65, "exists".into()));
    assert_eq!(tried(&world, &staff.deployer.1, &put).error(), (65, "forbidden".into()));
    assert_eq!(files_with(&world.data, "canary-7@example.com"), 0, "nothing lies in clear");

    let read = world.path("read.csv").display().to_string();
    let get =
        |purpose: &'static str| ["--purpose", purpose, "data", "get", "loans", "1", "-o", &read].map(str::to_owned);
    let words = |words: &[String]| words.iter().map(String::as_str).collect::<Vec<_>>().join("\u{1f}");
    let ask = |key: &str, purpose: &'static str| {
        let line = words(&get(purpose));
        tried(&world, key, &line.split('\u{1f}').collect::<Vec<_>>())
    };
    assert_eq!(ask(&steward, "audit").error(), (65, "forbidden".into()), "not declared");
    assert!(!world.path("read.csv").exists() && !world.path("read.part").exists());
    assert_eq!(ask(&steward, "development").code, 0);
    assert_eq!(std::fs::read(world.path("read.csv")).expect("read"), std::fs::read(&file).expect("written"));
    assert_eq!(ask(&staff.trainer.1, "development").code, 0, "trainers read");
    let auditor = people::somebody_with(&world, &staff, "auditor");
    assert_eq!(ask(&auditor.1, "development").error(), (65, "forbidden".into()), "auditors do not");

    let shown = done(&world, &auditor.1, &["data", "show", "loans"]);
    assert_eq!(shown["versions"][0]["version"], "1");
    let cookie = people::session(&world, &auditor.1);
    for (path, text) in [("/data", "object/personal/"), ("/data/loans", "column email")] {
        let page = http::send(Method::GET, &format!("{}{path}", world.url), &[("cookie", &cookie)], "").text();
        assert!(page.contains(text), "{path}: {page}");
    }
    world.json(&["records", "seal"]);
    let sql = "select decision, count(*) as n from access_events \
               where action = 'dataset.read' and object_kind = 'dataset' group by 1 order by 1";
    assert_eq!(world.sql(sql), [json!({"decision": "allow", "n": 2}), json!({"decision": "deny", "n": 2})]);
    let run = world.json(&["controls", "run", "AI-CR-01"])["runs"][0].take();
    assert_eq!(run["outcome"], "pass", "{run}");
    assert!(run["population"].as_u64() >= Some(2), "the model and the version: {run}");

    done(&world, &steward, &["data", "destroy", "loans", "1", "--reference", "CHG-7"]);
    assert_eq!(ask(&steward, "development").error(), (65, "not_found".into()));
    let deleted = "select deletion_id, replicas_total, replicas_confirmed, verified_by from deletions";
    let object = stored["stored"]["object"].as_str().expect("an object");
    let row = json!({"deletion_id": object, "replicas_total": 2, "replicas_confirmed": 2, "verified_by": null});
    assert_eq!(world.sql(deleted), [row]);
    let confirm = ["retention", "confirm", object, "--reference", "CHECK-7"];
    assert_eq!(tried(&world, &steward, &confirm).error(), (65, "forbidden".into()), "not by whoever destroyed it");
    let another = people::somebody_with(&world, &staff, "data_steward");
    done(&world, &another.1, &confirm);
    assert_eq!(world.sql(deleted)[0]["verified_by"], another.0.as_str());
    let run = world.json(&["controls", "run", "AI-DG-07"])["runs"][0].take();
    assert_eq!((&run["outcome"], &run["population"]), (&"pass".into(), &1.into()), "{run}");
    let gone = &world.sql("select kind, encrypted from data_objects where deleted_at is not null")[0];
    assert_eq!(gone, &json!({"kind": "dataset", "encrypted": true}));
    let row = &world.sql("select version, owner_id, classification, ended_at is not null as ended from datasets")[0];
    assert_eq!(row, &json!({"version": "1", "owner_id": actor, "classification": "personal", "ended": true}));
}

#[test]
fn given_an_object_that_was_changed_when_read_then_the_command_says_which_and_what_is_wrong_and_keeps_nothing() {
    let world = World::new();
    let staff = people::Staff::new(&world);
    let (_, steward) = data::steward_of_loans(&world, &staff, "personal");
    let file =
        world.file("loans.csv", &format!("id,note\n{}", "1,a row that is as long as this one\n".repeat(200_000)));
    let put = ["data", "put", "loans", &file, "--version", "1", "--no-subjects"];
    let object = done(&world, &steward, &put)["stored"]["object"].as_str().expect("an object").to_owned();
    let whole = done(&world, &steward, &["data", "verify", "loans", "1"]);
    assert_eq!(whole["object"], object.as_str());
    let mut found = vec![world.data.join("objects")];
    let path = loop {
        let next = found.pop().expect("the object is there");
        if next.ends_with(&object) {
            break next;
        }
        if next.is_dir() {
            found.extend(std::fs::read_dir(&next).expect("a directory").map(|entry| entry.expect("readable").path()));
        }
    };
    let bytes = std::fs::read(&path).expect("read");
    let read = world.path("read.csv").display().to_string();
    let get = ["--purpose", "development", "data", "get", "loans", "1", "-o", &read];
    let last = bytes.len() - 1;
    type Change<'a> = &'a dyn Fn(&mut Vec<u8>);
    let cases: [(&str, Change<'_>); 6] = [
        ("(changed)", &|bytes| bytes[100_000] ^= 1),
        ("(changed)", &|bytes| bytes[5_000_000] ^= 1),
        ("(broken_end)", &|bytes| bytes[last] ^= 1),
        ("(truncated)", &|bytes| bytes.truncate(last)),
        ("(trailing)", &|bytes| bytes.push(0)),
        // The commitment to the key, at the end of the header.
        ("(wrong_key)", &|bytes| bytes[8 + 2 + "personal".len() + 16 + 4] ^= 1),
    ];
    for (why, change) in cases {
        let mut changed = bytes.clone();
        change(&mut changed);
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(&path, &changed).expect("written");
        for words in [&get[..], &["data", "verify", "loans", "1"]] {
            let run = tried(&world, &steward, words);
            assert_eq!(run.error(), (65, "conflict".into()), "{why}: {run:?}");
            let told = format!("{run:?}");
            assert!(told.contains(why) && told.contains(&object), "{why}: {told}");
        }
        assert!(!world.path("read.csv").exists() && !world.path("read.part").exists(), "{why}");
    }
    std::fs::remove_file(&path).expect("removed");
    std::fs::write(&path, &bytes).expect("written");
    assert_eq!(tried(&world, &steward, &get).code, 0);
}

#[test]
fn given_a_file_with_a_data_set_when_applied_by_a_steward_then_it_is_declared_and_a_duty_can_be_of_it() {
    let world = World::new();
    let staff = people::Staff::new(&world);
    let (actor, steward) = people::somebody_with(&world, &staff, "data_steward");
    let text = format!(
        "[dataset.calls]\nclass = \"internal\"\nowner = \"{actor}\"\nsource = \"telephony\"\nlicence = \"own\"\n\
         purposes = [\"development\", \"monitoring\"]\n"
    );
    let file = world.file("data.toml", &text);
    let apply = ["apply", "-f", &file, "--yes", "--only", "datasets"];
    assert_eq!(done(&world, &steward, &apply)["applied"], 1);
    assert_eq!(done(&world, &steward, &apply)["plan"], json!([]), "all is as declared");
    data::declare_loans(&world, &(actor, steward), "personal", &[]);

    let (other, key) = people::somebody(&world);
    let asked = people::ask(&world, &other, "data_steward", "dataset/calls");
    done(&world, &staff.lead.1, &["grants", "approve", &asked]);
    let data = world.file("data.txt", "ring\n");
    done(&world, &key, &["data", "put", "calls", &data, "--version", "1"]);
    let refused = tried(&world, &key, &["data", "put", "loans", &data, "--version", "1"]);
    assert_eq!(refused.error(), (65, "forbidden".into()));
}

/// What is being written to the object store.
fn incoming(world: &World) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(world.data.join("objects")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|kind| kind == "incoming")).collect()
}

#[test]
fn given_an_upload_under_way_when_the_server_is_killed_then_nothing_of_it_is_there_and_its_name_is_free() {
    let mut world = World::new();
    let staff = people::Staff::new(&world);
    let (_, steward) = data::steward_of_loans(&world, &staff, "personal");
    let address = world.url.trim_start_matches("http://").to_owned();
    let mut stream = std::net::TcpStream::connect(&address).expect("it listens");
    let head = format!(
        "PUT /api/v1/datasets/loans/versions/1?subjects=none HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {steward}\r\n\
         content-length: 8000000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("sent");
    stream.write_all(&vec![b'x'; 4_000_000]).expect("sent");
    let written = || incoming(&world).iter().any(|path| path.metadata().is_ok_and(|known| known.len() > 0));
    eventually("it is being written", || written().then_some(()));
    world.server().kill();
    world.start();
    assert_eq!(incoming(&world), Vec::<std::path::PathBuf>::new());
    assert_eq!(done(&world, &steward, &["data", "show", "loans"])["versions"], json!([]));
    let file = world.file("loans.txt", "small\n");
    let put = ["data", "put", "loans", &file, "--version", "1", "--no-subjects"];
    assert_eq!(tried(&world, &steward, &put[..6]).error(), (65, "invalid".into()), "whom it is about is not said");
    let stored = done(&world, &steward, &put);
    assert_eq!(stored["stored"]["bytes"], 6);
}
