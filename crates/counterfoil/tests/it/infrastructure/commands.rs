//! The command line: every command speaks JSON, and exit codes mean what they say.

use serde_json::{Value, json};

use crate::support::World;

#[test]
fn given_a_server_when_each_command_runs_with_json_then_it_prints_one_value_and_exits_with_zero() {
    let world = World::new();
    assert_eq!(world.chat("chat").status, 200);
    let pack = world.path("pack.zip").display().to_string();
    for arguments in [
        &["config", "show"][..],
        &["keys", "list"],
        &["signin"],
        &["records", "seal"],
        &["sql", "select 1 as one"],
        &["controls", "list"],
        &["controls", "run"],
        &["ledger", "checkpoint"],
        &["ledger", "events", "--limit", "3"],
        &["ledger", "proof", "--event", "0"],
        &["evidence", "export", "--from", "2020-01-01", "-o", &pack],
        &["evidence", "list"],
    ] {
        let value = world.json(arguments);
        assert!(value.is_object() || value.is_array(), "{arguments:?}: {value}");
    }
}

#[test]
fn given_no_server_when_commands_run_then_they_open_the_directory_themselves() {
    let mut world = World::new();
    assert_eq!(world.chat("chat").status, 200);
    world.stop();
    assert_eq!(world.sql("select count(*) as n from inference_records"), [json!({"n": 1})]);
    let fsck = world.json(&["ledger", "fsck"]);
    assert_eq!(fsck["exit_code"], 0);
    world.start();
    assert_eq!(world.chat("chat").status, 200, "the key is still good");
}

#[test]
fn given_commands_that_cannot_be_carried_out_when_run_then_each_exit_code_says_why() {
    let mut world = World::new();
    let revoked = |key: &str| vec!["keys".to_owned(), "revoke".into(), key.into()];
    let text = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    for (arguments, code) in [
        (text(&["keys", "create", "--service", "support", "--expires", "soon"]), 64),
        (text(&["keys", "create", "--service", "nobody"]), 65),
        (revoked("k_0000000000000000"), 65),
        (text(&["sql", "select nonsense from nowhere"]), 65),
        (text(&["sql", "delete from events"]), 65),
        (text(&["sql", "--at", "yesterday", "select 1"]), 64),
        (text(&["ledger", "proof", "--event", "999999"]), 65),
        (text(&["apply", "-f", "absent.toml"]), 5),
        (text(&["verify", "absent.zip"]), 5),
        (text(&["no-such-command"]), 64),
        (text(&["--url", "http://127.0.0.1:9", "--token", "x", "signin"]), 69),
        (text(&["--token", "cf_wrong", "signin"]), 65),
    ] {
        let arguments: Vec<&str> = ["--json"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
        let run = world.cli(&arguments);
        assert_eq!(run.code, code, "{arguments:?}: {run:?}");
        assert!(!run.err.is_empty(), "{arguments:?} says why");
    }
    world.stop();
    std::fs::remove_dir_all(&world.data).expect("removed");
    let run = world.cli(&["--json", "sql", "select 1"]);
    assert_eq!(run.error(), (69, "unreachable".to_owned()), "there is no data either");
}

#[test]
fn given_the_same_file_when_applied_again_then_nothing_is_done_and_differences_are_shown() {
    let world = World::new();
    let file = world.path("org.toml").display().to_string();
    let again = world.json(&["apply", "-f", &file, "--yes"]);
    assert_eq!((&again["plan"], &again["applied"]), (&json!([]), &json!(0)));

    let changed = world.file("changed.toml", &world.org().replace("owner = \"care\"", "owner = \"care-team\""));
    let looked = world.json(&["apply", "-f", &changed, "--dry-run"]);
    assert_eq!(looked["applied"], 0);
    let what = looked["plan"][0]["what"].as_str().expect("text").to_owned();
    assert!(what.contains("support") && what.contains("care-team"), "{what}");
    let done = world.json(&["apply", "-f", &changed, "--yes"]);
    assert_eq!(done["applied"], 1);
    let actor = world.sql("select type, actor from events where type = 'service.declared' order by seq desc limit 1");
    assert!(actor[0]["actor"].as_str().is_some_and(|actor| !actor.is_empty()), "{actor:?}");

    let nothing = world.file("nothing.toml", "");
    let plan = world.json(&["apply", "-f", &nothing, "--prune", "--dry-run"]);
    assert_eq!(plan["plan"].as_array().map(Vec::len), Some(3), "{plan}");
}

#[test]
fn given_a_past_size_or_time_when_asked_then_the_answer_is_the_one_of_then() {
    let world = World::new();
    let count = |at: &[&str]| -> Value {
        let query = "select count(*) as n from services";
        world.json(&[&["sql"], at, &[query]].concat())[0]["n"].clone()
    };
    let declared = world.sql("select min(seq) as seq from events where type = 'service.declared'");
    let first = declared[0]["seq"].as_u64().expect("a number");
    assert_eq!(count(&[]), 2);
    assert_eq!(count(&["--at", &first.to_string()]), 0);
    assert_eq!(count(&["--at", &(first + 1).to_string()]), 1);
    assert_eq!(count(&["--at", "2020-01-01"]), 0);
    assert_eq!(count(&["--at", "2100-01-01"]), 2);
    for format in ["csv", "table", "json", "parquet"] {
        let file = world.path("answer").display().to_string();
        let run = world.cli(&["sql", "--format", format, "-o", &file, "select service_id from services order by 1"]);
        assert_eq!(run.code, 0, "{format}: {run:?}");
        let answer = std::fs::read(&file).expect("an answer");
        let has = |word: &[u8]| answer.windows(word.len()).any(|window| window == word);
        assert!(has(b"support") && has(b"credit"), "{format}");
        assert_eq!(answer.starts_with(b"PAR1"), format == "parquet");
    }
}
