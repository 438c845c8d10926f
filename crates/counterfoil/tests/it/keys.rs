//! Keys of applications and programs: what they open, how they are replaced and end, and leaked ones.

use ::http::Method;
use serde_json::{Value, json};

use crate::support::{World, http, world::ask};

#[test]
fn given_a_key_when_created_used_and_revoked_then_it_works_until_then_and_its_secret_is_shown_once() {
    let mut world = World::new();
    let created = world.json(&["keys", "create", "--service", "support", "--expires", "12h"]);
    let (key, secret) = (created["key"].as_str().expect("an id"), created["secret"].as_str().expect("a secret"));
    world.key = secret.to_owned();
    assert_eq!(world.chat("chat").status, 200);
    let listed = world.json(&["keys", "list"]);
    let row = listed.as_array().expect("rows").iter().find(|row| row["credential_id"] == key).expect("it is listed");
    assert_eq!(row["service_id"], "support");
    assert!(!listed.to_string().contains(secret), "{listed}");
    world.json(&["keys", "revoke", key]);
    let answer = world.chat("chat");
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (401, &"invalid_api_key".into()));
    let record = world.records().pop().expect("the refused call is on record");
    assert_eq!(record["status"], "refused");
}

#[test]
fn given_a_key_of_one_service_when_it_asks_for_anothers_model_then_it_is_refused() {
    let mut world = World::new();
    world.key = world.create_key("credit");
    let answer = world.chat("chat");
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (404, &"model_not_found".into()));
}

#[test]
fn given_an_actor_when_a_key_is_created_for_it_then_it_opens_the_management_api_and_no_inference() {
    let mut world = World::new();
    let actor = world.sql("select principal_id from credentials where kind = 'human'")[0]["principal_id"].clone();
    let created = world.json(&["keys", "create", "--actor", actor.as_str().expect("text"), "--expires", "1h"]);
    let secret = created["secret"].as_str().expect("a secret").to_owned();
    assert_eq!(world.json(&["--token", &secret, "signin"])["actor"], actor);
    world.key = secret;
    assert_eq!(world.chat("chat").status, 403);
}

/// The row of a key in the table of credentials.
#[track_caller]
fn row(world: &World, key: &str) -> Value {
    world.sql(&format!("select * from credentials where credential_id = '{key}'"))[0].clone()
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{name} of {value}")).to_owned()
}

#[test]
fn given_a_key_of_two_services_when_it_asks_for_models_of_either_then_each_is_on_record_under_its_service() {
    let mut world = World::new();
    let created = world.json(&["keys", "create", "--service", "support", "--service", "credit", "--expires", "30d"]);
    world.key = text(&created, "secret");
    assert_eq!(world.chat("chat").status, 200);
    let tensors = json!({"inputs": []});
    assert_eq!(
        world.post("/v2/models/credit-risk/infer", &tensors).status,
        400,
        "it is let in, and says what it misses"
    );
    let records = world.records();
    let services: Vec<&str> = records.iter().map(|r| r["service"].as_str().unwrap_or_default()).collect();
    assert_eq!(services, ["support", "credit"], "{records:?}");
    let row = row(&world, &text(&created, "key"));
    assert_eq!((&row["service_id"], &row["env"]), (&"credit,support".into(), &"prod".into()), "{row}");
    assert_eq!(row["purpose_id"], "credit-scoring,support");

    // A second service with a model of that name: the client says which is meant.
    let org = world.org();
    let twin = org.split("[service.credit]").nth(1).expect("it is there").to_owned();
    let twin = format!("{org}\n[service.twin]{}", twin.replace("service.credit.route", "service.twin.route"));
    let file = world.file("org.toml", &twin);
    world.json(&["apply", "-f", &file, "--yes"]);
    let created = world.json(&["keys", "create", "--service", "twin", "--service", "credit", "--expires", "30d"]);
    let bearer = format!("Bearer {}", text(&created, "secret"));
    let infer = |service: &[(&str, &str)]| {
        let headers = [&[("authorization", bearer.as_str())], service].concat();
        http::send(Method::GET, &format!("{}/v2/models/credit-risk/ready", world.url), &headers, "")
    };
    let unclear = infer(&[]);
    assert!(unclear.status == 400 && unclear.text().contains("x-counterfoil-service"), "{}", unclear.text());
    assert_eq!(infer(&[("x-counterfoil-service", "twin")]).status, 200);
    assert_eq!(infer(&[("x-counterfoil-service", "support")]).status, 404);
}

#[test]
fn given_a_service_declared_for_another_purpose_or_environment_when_its_key_is_used_then_the_call_is_refused_on_record()
{
    let world = World::new();
    for (from, to) in [
        ("purpose = \"support\"", "purpose = \"marketing\""),
        ("owner = \"care\"", "owner = \"care\"\nenvironment = \"staging\""),
    ] {
        let file = world.file("org.toml", &world.org().replace(from, to));
        world.json(&["apply", "-f", &file, "--yes"]);
        let answer = world.chat("chat");
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (403, &"key_scope".into()), "{to}");
        assert_eq!(world.records().pop().expect("a record")["error_code"], "key_scope");
        world.apply();
        assert_eq!(world.chat("chat").status, 200);
    }
    let moved =
        world.sql("select env, count(*) as n from deployments where service_id = 'support' group by env order by env");
    assert_eq!(moved.len(), 2, "a move to another environment is a deployment: {moved:?}");
    let wrong = world.cli(&["--json", "keys", "create", "--service", "support", "--environment", "staging"]);
    assert_eq!(wrong.error(), (65, "invalid".into()));
}

#[test]
fn given_a_key_when_rotated_then_both_work_during_the_overlap_and_the_ledger_links_them() {
    let mut world = World::new();
    let old = world.json(&["keys", "create", "--service", "support", "--expires", "12h"]);
    let (id, first) = (text(&old, "key"), text(&old, "secret"));
    let new = world.json(&["keys", "rotate", &id, "--overlap", "24h"]);
    for secret in [&first, &text(&new, "secret")] {
        world.key.clone_from(secret);
        assert_eq!(world.chat("chat").status, 200);
    }
    let row_of_old = row(&world, &id);
    assert_eq!((&row_of_old["status"], &row_of_old["replaced_by"]), (&"ending".into(), &new["key"]));
    assert_eq!(world.cli(&["--json", "keys", "rotate", &id]).error(), (65, "conflict".into()), "once");
    let newest = world.json(&["keys", "rotate", &text(&new, "key"), "--overlap", "0"]);
    assert_eq!(world.chat("chat").status, 401, "without an overlap the old one is void at once");
    world.key = text(&newest, "secret");
    assert_eq!(world.chat("chat").status, 200);
    let late = world.cli(&["--json", "keys", "create", "--service", "support", "--expires", "91d"]);
    assert_eq!(late.error(), (65, "invalid".into()));
    let file = world.file("org.toml", &format!("{}\n[keys]\nmax_days = 7\n", world.org()));
    world.json(&["apply", "-f", &file, "--yes"]);
    assert_eq!(
        world.cli(&["--json", "keys", "create", "--service", "support", "--expires", "8d"]).error().1,
        "invalid"
    );
    world.json(&["keys", "create", "--service", "support", "--expires", "7d"]);
}

#[test]
fn given_keys_that_were_used_when_listed_then_each_has_its_hour_and_one_event_names_them_all() {
    let mut world = World::new();
    for _ in 0..3 {
        world.chat("chat");
    }
    world.json(&["records", "seal"]);
    world.chat("chat");
    world.stop();
    let used = world.sql("select last_used_at from credentials where last_used_at is not null");
    assert_eq!(used.len(), 2, "the application's and the operator's: {used:?}");
    let hour = used[0]["last_used_at"].as_str().expect("a time");
    assert!(hour.contains(":00:00"), "{hour}");
    let hours =
        world.sql("select count(*) as n from events where type = 'keys.used'")[0]["n"].as_u64().expect("a number");
    assert!((1..=3).contains(&hours), "not one a call: {hours}");
}

#[test]
fn given_a_secret_in_a_file_when_scanned_then_it_is_found_by_its_checksum_told_live_and_ended_on_request() {
    let world = World::new();
    let fake = format!("{}0", &world.key[..world.key.len() - 1]);
    let fake = if fake == world.key { format!("{}1", &world.key[..world.key.len() - 1]) } else { fake };
    std::fs::create_dir_all(world.path("repo/src")).expect("a directory");
    let env = world.file("repo/src/.env", &format!("A=1\nKEY={}\nFAKE={fake}\n", world.key));
    let repo = world.path("repo").display().to_string();

    let offline = world.cli(&["--json", "keys", "scan", &repo, "--offline"]);
    assert_eq!(offline.code, 2, "{offline:?}");
    let found = offline.json()["found"].as_array().expect("findings").clone();
    assert_eq!(found.len(), 1, "the checksum tells a key from what looks like one: {found:?}");
    assert_eq!((&found[0]["file"], &found[0]["line"], &found[0]["column"]), (&env.into(), &2.into(), &5.into()));
    assert!(!offline.out.contains(&world.key), "the secret is not repeated");

    let asked = world.cli(&["--json", "keys", "scan", &repo]);
    assert_eq!(asked.json()["found"][0]["status"], "live");
    assert_eq!(world.chat("chat").status, 200);
    assert_eq!(world.cli(&["--json", "keys", "scan", &repo, "--revoke"]).json()["found"][0]["status"], "ended now");
    assert_eq!(world.chat("chat").status, 401);
    assert_eq!(world.cli(&["--json", "keys", "scan", &repo]).json()["found"][0]["status"], "leaked");
    std::fs::remove_file(world.path("repo/src/.env")).expect("removed");
    assert_eq!(world.cli(&["--json", "keys", "scan", &repo]).code, 0);
}

#[test]
fn given_a_leaked_secret_when_anybody_reports_it_then_the_key_ends_and_a_wrong_secret_changes_nothing() {
    let world = World::new();
    let report = |secret: &str| {
        let body = json!({"secret": secret}).to_string();
        let kind = [("content-type", "application/json")];
        http::send(Method::POST, &format!("{}/api/v1/keys/leaked", world.url), &kind, body)
    };
    let before = world.sql("select count(*) as n from events where type like 'key.%'");
    assert_eq!(report("cfk_00000000000000000000000000000000000000000002CZclj").status, 404);
    assert_eq!(world.sql("select count(*) as n from events where type like 'key.%'"), before);
    assert_eq!(report(&world.key).status, 200);
    assert_eq!(world.chat("chat").status, 401);
    let types = world.sql("select type, actor from events where type in ('key.leaked', 'key.revoked') order by seq");
    assert_eq!((&types[0]["type"], &types[1]["type"]), (&"key.leaked".into(), &"key.revoked".into()), "{types:?}");
}

#[test]
fn given_a_service_account_when_its_owner_leaves_then_it_passes_on_and_when_it_leaves_its_keys_end() {
    let mut world = World::new();
    let person = text(&world.json(&["people", "add", "--kind", "human"]), "actor");
    let bot = text(&world.json(&["people", "add", "--kind", "service"]), "actor");
    let operator = text(&world.sql("select principal_id from credentials where kind = 'human'")[0], "principal_id");
    let owner = |world: &World| {
        let query = format!("select owner_id, owner_because from principals where principal_id = '{bot}'");
        let row = world.sql(&query)[0].clone();
        (text(&row, "owner_id"), text(&row, "owner_because"))
    };
    assert_eq!(owner(&world), (operator.clone(), "registered".into()));
    world.json(&["people", "own", &bot, "--owner", &person]);
    assert_eq!(owner(&world), (person.clone(), "named".into()));
    let created = world.json(&["keys", "create", "--service", "support", "--account", &bot, "--expires", "30d"]);
    let key = text(&created, "key");
    assert_eq!(row(&world, &key)["owner_id"], person.as_str());

    // The owner lets the program in and out, without any role; others may not.
    let secret = text(&world.json(&["keys", "create", "--actor", &person, "--expires", "1d"]), "secret");
    let own = world.json(&["--token", &secret, "keys", "create", "--actor", &bot, "--expires", "1d"]);
    world.json(&["--token", &secret, "keys", "revoke", &text(&own, "key")]);
    let own = world.json(&["--token", &secret, "keys", "create", "--actor", &bot, "--expires", "1d"]);
    let foreign = ["--json", "--token", &secret, "keys", "create", "--actor", &operator, "--expires", "1d"];
    assert_eq!(world.cli(&foreign).error(), (65, "forbidden".into()));

    world.json(&["people", "leave", &person]);
    assert_eq!(owner(&world), (operator, "left".into()));
    assert_eq!(row(&world, &text(&own, "key"))["status"], "revoked", "whoever left could act as the program");
    world.key = text(&created, "secret");
    assert_eq!(world.chat("chat").status, 200);
    world.json(&["people", "leave", &bot]);
    assert_eq!(world.chat("chat").status, 401);
    let runs = world.json(&["controls", "run", "AI-AC-04"]);
    let run = &runs["runs"][0];
    assert_eq!((&run["outcome"], run["violating"].as_array().map(Vec::len)), (&"fail".into(), Some(1)), "{run}");
    assert!(run["violating"].to_string().contains("privileged human credential without MFA"), "{run}");
}

#[test]
fn given_the_page_of_keys_when_its_forms_are_used_then_a_secret_is_shown_once_and_keys_are_replaced_and_end() {
    let world = World::new();
    let session = crate::people::session(&world);
    let form = |path: &str, body: &str| {
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let headers =
            [("origin", world.url.as_str()), ("sec-fetch-site", "same-origin"), ("cookie", session.as_str()), kind];
        http::send(Method::POST, &format!("{}{path}", world.url), &headers, body.to_owned())
    };
    let until = world.sql("select cast(max(ts) + interval '30 days' as date) as day from events")[0]["day"].clone();
    let until = until.as_str().expect("a day");
    let made = form("/keys", &format!("opens=service%2Fsupport&account=&until={until}"));
    assert_eq!(made.status, 200, "{}", made.text());
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let secret =
        made.text().split("cfk_").nth(1).and_then(|rest| rest.split('<').next()).map(|rest| format!("cfk_{rest}"));
    let secret = secret.expect("the secret is shown");
    let bearer = format!("Bearer {secret}");
    let chat = || {
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        http::send(Method::POST, &format!("{}/v1/chat/completions", world.url), &headers, ask("chat").to_string())
            .status
    };
    assert_eq!(chat(), 200);
    let page = http::send(Method::GET, &format!("{}/keys", world.url), &[("cookie", &session)], "").text();
    assert!(!page.contains(&secret) && page.contains(&secret[..10]), "only its beginning is shown again");
    let key =
        text(&world.sql("select credential_id from credentials order by created_at desc limit 1")[0], "credential_id");
    let replaced = form("/keys/rotate", &format!("key={key}&hours=1"));
    assert!(replaced.status == 200 && replaced.text().contains(&key), "{}", replaced.text());
    assert_eq!(chat(), 200);
    assert_eq!(form("/keys/revoke", &format!("key={key}")).status, 303);
    assert_eq!(chat(), 401);
    assert_eq!(form("/keys/leaked", &format!("secret={}", world.key)).status, 303);
    assert_eq!(world.chat("chat").status, 401);
}
