//! The command line: every command speaks JSON, and exit codes mean what they say.

use std::process::Stdio;

use ::http::Method;
use serde_json::{Value, json};

use crate::support::http::{RUNTIME, try_send};
use crate::support::world::ask;
use crate::support::{World, eventually};

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
    let events = "select count(*) filter (where type <> 'accesses.sealed') as n,
        count(*) filter (where type = 'node.joined') as joined,
        count(*) filter (where type = 'accesses.sealed') as looked from events";
    let first = world.sql(events);
    let (before, looked) = (first[0]["n"].as_u64().expect("a number"), first[0]["looked"].as_u64().expect("a number"));
    let expected = [json!({"n": before, "joined": 1, "looked": looked + 1})];
    assert_eq!(world.sql(events), expected, "looking adds that somebody looked, and nothing else");
    let created = world.json(&["keys", "create", "--service", "support"]);
    world.key = created["secret"].as_str().expect("a secret").to_owned();
    let expected = [json!({"n": before + 1, "joined": 1, "looked": looked + 3})];
    assert_eq!(world.sql(events), expected, "a command adds what it did, and its access");
    let seq = world.sql("select max(seq) as seq from events where type = 'key.created'")[0]["seq"].to_string();
    let proof = world.path("event.proof").display().to_string();
    world.json(&["ledger", "proof", "--event", &seq, "-o", &proof]);
    let key = world.log_vkey();
    assert_eq!(world.cli(&["verify", &proof, "--key", &key]).code, 0, "and it is signed for");
    let fsck = world.json(&["ledger", "fsck"]);
    assert_eq!(fsck["exit_code"], 0);
    world.start();
    assert_eq!(world.chat("chat").status, 200, "the key is good");
}

#[test]
fn given_a_file_with_settings_when_commands_run_without_a_server_then_they_go_by_it_as_the_server_does() {
    let mut world = World::new();
    world.stop();
    let text = format!("[server]\ndata = \"{}\"\n[node]\nname = \"n1\"\n", world.data.display());
    let file = world.file("counterfoil.toml", &text);
    world.data = world.path("elsewhere");
    let run = |world: &World, file: &str| {
        let mut command = world.command();
        command.env_remove("COUNTERFOIL_SERVER_DATA").args(["--json", "--config", file, "sql", "select 1 as one"]);
        command.output().expect("the program starts")
    };
    let output = run(&world, &file);
    assert_eq!(output.stdout, b"[{\"one\":1}]\n", "{output:?}");
    let wrong = world.file("wrong.toml", &text.replace("n1", "N 1"));
    let output = run(&world, &wrong);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(64) && said.contains("wrong.toml:4:8"), "{output:?}");
}

#[test]
fn given_a_reader_that_has_seen_enough_when_a_command_prints_on_then_it_ends_quietly() {
    let world = World::new();
    // More than a pipe holds, so that the program meets the closed end.
    let query = "select a.* from events a cross join events b cross join events c limit 5000";
    for arguments in [&["sql", query][..], &["--json", "sql", query]] {
        let mut command = world.command();
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), said.as_ref()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn given_a_server_that_was_killed_when_a_command_runs_then_it_opens_the_directory_and_asks_no_address_that_is_left() {
    let mut world = World::new();
    world.server.take().expect("it runs").kill();
    let left = std::fs::read_to_string(world.data.join("run.json")).expect("left behind");
    assert_eq!(world.sql("select 1 as one"), [json!({"one": 1})]);
    // As in a copy of the directory of a server that runs: what it left leads to another ledger.
    world.start();
    let now = std::fs::read_to_string(world.data.join("run.json")).expect("written");
    assert_ne!(now, left);
    world.stop();
    std::fs::write(world.data.join("run.json"), now).expect("written");
    assert_eq!(world.sql("select 1 as one"), [json!({"one": 1})]);
}

#[test]
fn given_a_server_that_is_ending_when_the_next_one_starts_then_it_waits_and_one_that_stays_is_named() {
    let mut world = World::new();
    let refused = world.try_start().expect_err("one server at a time");
    assert_eq!(refused.error(), (5, "locked".to_owned()), "{refused:?}");
    // A call that takes a while, so that the end takes a while.
    let (url, bearer) = (format!("{}/v1/chat/completions", world.url), format!("Bearer {}", world.key));
    let slow = RUNTIME.spawn(async move {
        let body = ask("hang").to_string().into();
        try_send(Method::POST, &url, &[("authorization", bearer.as_str())], body).await
    });
    eventually("the provider is called", || world.upstream.seen().pop());
    let mut ending = world.server.take().expect("it runs");
    ending.terminate();
    let from = world.log().len();
    world.start();
    assert!(world.log()[from..].contains("is in use by another process: waiting"), "{}", world.log());
    assert_eq!(ending.stop(), Some(0));
    assert_eq!(RUNTIME.block_on(slow).expect("no panic").expect("an answer").status, 504, "it was not cut off");
    assert_eq!(world.chat("chat").status, 200);
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
        (text(&["keys"]), 64),
        (text(&["keys", "create"]), 64),
        (text(&["keys", "create", "--service", "support", "--actor", "a_1"]), 64),
        (text(&["sql", "--at", "2100-01-01", "select 1"]), 65),
        (text(&["--url", "http://127.0.0.1:9", "--token", "x", "signin"]), 69),
        (text(&["--token", "cf_wrong", "signin"]), 65),
    ] {
        let arguments: Vec<&str> = ["--json"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
        let run = world.cli(&arguments);
        assert_eq!(run.code, code, "{arguments:?}: {run:?}");
        assert!(!run.error().1.is_empty(), "{arguments:?} has a word for it");
    }
    let run = world.cli(&["--json", "keys", "create", "--servce", "support"]);
    assert_eq!(run.error(), (64, "usage".to_owned()));
    assert!(run.err.contains("--servce") && run.err.contains("--service"), "it says what was meant: {run:?}");
    // The ledger may grow between the two.
    eventually("the size that there is is named", || {
        let size = world.sql("select count(*) as n from events")[0]["n"].clone();
        let run = world.cli(&["--json", "sql", "--at", "2100-01-01", "select 1"]);
        run.err.contains(&format!("at size {size}")).then_some(())
    });
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
fn given_a_file_that_stops_half_way_when_mended_and_applied_again_then_just_what_was_left_is_done() {
    let world = World::new();
    let org = world.org().replace("owner = \"care\"", "owner = \"care-team\"");
    let with = |action: &str| {
        let roles = format!("[role.odd]\nactions = [\"{action}\"]\n\n[role.reader]\nactions = [\"read\"]\n");
        world.file("half.toml", &format!("{org}\n{roles}"))
    };
    let run = world.cli(&["--json", "apply", "-f", &with("fly"), "--yes"]);
    assert_eq!(run.error().1, "invalid", "{run:?}");
    let left = "(at `+ role odd: fly`; applied 1 of 3; left: + role odd: fly, + role reader: read; ";
    assert!(run.err.contains(left), "{run:?}");
    let done = world.json(&["apply", "-f", &with("sql"), "--yes"]);
    let plan: Vec<&str> =
        done["plan"].as_array().expect("a plan").iter().filter_map(|step| step["what"].as_str()).collect();
    assert_eq!((&plan[..], &done["applied"]), (&["role odd: sql", "role reader: read"][..], &json!(2)));
    assert_eq!(world.json(&["apply", "-f", &with("sql"), "--yes"])["plan"], json!([]));
}

#[test]
fn given_groups_in_the_file_when_applied_then_they_are_found_by_name_and_a_second_time_changes_nothing() {
    let world = World::new();
    let groups = "[group.\"ML deployers\"]\nroles = [\"deployer@service/support\"]\ndays = 30\n\n\
                  [group.Watchers]\nexternal_id = \"guid-7\"\nroles = [\"monitor\"]\n";
    let written = |groups: &str| world.file("groups.toml", &format!("{}\n{groups}", world.org()));
    let plan = |groups: &str, how: &str| -> Vec<String> {
        let answer = world.json(&["apply", "-f", &written(groups), how]);
        let words = |step: &Value| {
            format!("{} {}", step["sign"].as_str().unwrap_or_default(), step["what"].as_str().unwrap_or_default())
        };
        answer["plan"].as_array().expect("a plan").iter().map(words).collect()
    };
    let expected = [
        "+ group ML deployers",
        "+ group ML deployers: asks for deployer in service/support for 30 days",
        "+ group Watchers",
        "+ group Watchers: asks for monitor in org for 90 days",
    ];
    assert_eq!(plan(groups, "--dry-run"), expected);
    assert_eq!(plan(groups, "--yes"), expected);
    assert_eq!(plan(groups, "--yes"), [""; 0], "all is as declared");
    assert_eq!(plan(&groups.replace("ML deployers", "ml DEPLOYERS"), "--yes"), [""; 0], "it is the same name");
    let shown = world.json(&["groups", "show", "Watchers"]);
    assert_eq!((&shown["external_id"], &shown["mapping"]["days"]), (&json!("guid-7"), &json!(90)));
    let changed = groups.replace("days = 30", "days = 60").replace("guid-7", "guid-8").replace("\"monitor\"", "");
    let expected = [
        "~ group ML deployers: asks for deployer in service/support for 60 days",
        "~ group Watchers: its key at the directory",
        "~ group Watchers: asks for nothing",
    ];
    assert_eq!(plan(&changed, "--yes"), expected);
    assert_eq!(plan(&changed, "--dry-run"), [""; 0]);
    assert_eq!(world.json(&["groups", "show", "guid-8"])["name"], "Watchers");
    assert_eq!(world.sql("select * from people_groups where deleted_at is not null").len(), 0);

    let lines = world.org().lines().count();
    for (from, to, word) in [
        ("\"monitor\"", "\"watcher\"", format!("groups.toml:{}:10: group `Watchers`: there is no role", lines + 8)),
        ("service/support", "service/nobody", "there is no service `nobody`".to_owned()),
        ("days = 30", "days = 367", format!("groups.toml:{}:8: group `ML deployers`", lines + 4)),
    ] {
        let run = world.cli(&["--json", "apply", "-f", &written(&groups.replace(from, to)), "--yes"]);
        assert_eq!(run.code, 64, "{run:?}");
        assert!(run.err.contains(&word), "{word}: {run:?}");
    }
    // Whoever may not know names can apply the rest.
    let watcher = world.json(&["people", "add", "--kind", "human"])["actor"].as_str().expect("a pseudonym").to_owned();
    let asked = world.json(&["grants", "request", "--actor", &watcher, "--role", "monitor", "--reference", "CHG-1"]);
    world.json(&["grants", "approve", asked["grant"].as_str().expect("a grant")]);
    let key = world.json(&["keys", "create", "--actor", &watcher, "--expires", "1d"]);
    let own = ["--json", "--token", key["secret"].as_str().expect("a secret"), "apply", "-f"];
    let file = written(groups);
    let apply = |rest: &[&str]| world.cli(&[&own[..], &[file.as_str()], rest].concat());
    assert_eq!(apply(&["--dry-run"]).error().1, "forbidden");
    assert_eq!(apply(&["--dry-run", "--only", "services"]).json()["plan"], json!([]));
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
    let now = chrono::Utc::now().to_rfc3339();
    assert_eq!(count(&["--at", &now]), 2, "the present is known though nothing happened just now");
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
