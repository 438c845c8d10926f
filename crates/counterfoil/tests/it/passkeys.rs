//! Passkeys and recovery codes, with a real browser and a virtual authenticator.

use std::process::Command;

use ::http::Method;
use serde_json::json;

use crate::support::{World, eventually, http, tools};

/// Why people were turned away, once there are as many reasons: door and word, sorted.
fn turned_away(world: &World, reasons: usize) -> Vec<String> {
    let query = "select distinct door || ' ' || reason as why from signin_refusals where door in ('passkey', 'recovery') order by 1";
    eventually("those turned away are counted", || {
        let rows = world.sql(query);
        let told = || rows.iter().map(|row| row["why"].as_str().expect("text").to_owned()).collect();
        (rows.len() >= reasons).then(told)
    })
}

#[test]
fn given_a_browser_when_a_passkey_is_made_used_lost_and_removed_then_each_step_is_on_record() {
    let test = "passkeys in a browser";
    let (Some(packages), Some(chromium)) = (tools::node(test), tools::chromium(test)) else { return };
    let world = World::named();
    let link = world.json(&["signin"])["url"].as_str().expect("a link").to_owned();
    let address = link.split("/signin/").next().expect("an address").to_owned();
    tools::run(
        Command::new("node")
            .arg(tools::client("passkeys.mjs"))
            .env("NODE_DIR", packages)
            .env("CHROMIUM", chromium)
            .env("BASE_URL", address)
            .env("LINK", link),
    );
    let sessions = world.sql("select proof, mfa, count(*) as n from sessions group by proof, mfa order by proof");
    let sessions: Vec<_> =
        sessions.iter().map(|row| (row["proof"].as_str(), row["mfa"].as_bool(), row["n"].as_i64())).collect();
    let expected = [
        (Some("link"), Some(false), Some(1)),
        (Some("passkey"), Some(true), Some(4)),
        (Some("recovery"), Some(false), Some(1)),
    ];
    assert_eq!(sessions, expected);
    let ended = "select s.proof, c.revoked_at = s.ended_at as at_once from sessions s \
                 join credentials c on c.credential_id = s.credential_id where s.ended_because = 'passkey_removed'";
    assert_eq!(world.sql(ended), [json!({"proof": "passkey", "at_once": true})], "with the passkey that opened it");
    let passkeys = "select privileged, mfa, last_used_at is not null as used, revoked_at is not null as removed \
                    from credentials where credential_id like 'p_%' order by created_at";
    let passkeys: Vec<String> = world.sql(passkeys).iter().map(ToString::to_string).collect();
    assert_eq!(passkeys.len(), 2);
    assert!(passkeys[0].contains(r#""removed":true"#) && passkeys[1].contains(r#""removed":false"#), "{passkeys:?}");
    assert!(passkeys.iter().all(|row| row.contains(r#""privileged":true"#) && row.contains(r#""mfa":true"#)));
    // What the browser refuses by itself never came here.
    assert_eq!(turned_away(&world, 2), ["passkey unknown", "recovery mistyped"]);
    let named = world.sql("select count(*) as n from events where body like '%laptop%'");
    assert_eq!(named[0]["n"], 0, "the ledger has no name of a passkey");
}

#[test]
fn given_no_browser_when_proofs_are_shown_then_nothing_tells_whether_somebody_is_known() {
    let world = World::named();
    let origin = [("origin", world.url.as_str()), ("sec-fetch-site", "same-origin")];
    let post = |path: &str, cookie: &str, body: &str| {
        let headers = [origin[0], origin[1], ("cookie", cookie), ("content-type", "application/json")];
        http::send(Method::POST, &format!("{}{path}", world.url), &headers, body.to_owned())
    };
    let asked = post("/signin/passkey/options", "", "{}");
    assert_eq!(asked.status, 200, "{}", asked.text());
    let options = asked.json();
    assert_eq!((&options["rpId"], &options["userVerification"]), (&"localhost".into(), &"required".into()));
    assert_eq!(options["allowCredentials"], serde_json::json!([]), "nobody is named before they showed a passkey");
    let cookie = asked.header("set-cookie").expect("a cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().expect("a pair").to_owned();
    let shown = post("/signin/passkey", &cookie, r#"{"id":"AAAAAAAAAAAAAAAAAAAAAA"}"#);
    let replayed = post("/signin/passkey", &cookie, "garbage");
    assert_eq!((shown.status, shown.text()), (403, replayed.text()), "one answer to all that is wrong");
    let elsewhere = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
    let address = format!("{}/signin/passkey/options", world.url);
    assert_eq!(http::send(Method::POST, &address, &elsewhere, "{}").status, 403);

    let codes = world.json(&["recovery", "create"]);
    let code = codes["codes"][0].as_str().expect("a code").to_owned();
    let form = |code: &str| {
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let headers = [origin[0], origin[1], kind];
        http::send(Method::POST, &format!("{}/recover", world.url), &headers, format!("code={code}"))
    };
    assert_eq!(form("nonsense").status, 403);
    let entered = form(&code);
    assert_eq!(entered.status, 303, "{}", entered.text());
    assert_eq!(form(&code).status, 403, "good once");
    let reasons = ["passkey challenge", "passkey form", "recovery mistyped", "recovery unknown"];
    assert_eq!(turned_away(&world, 4), reasons);
    let text = world.sql("select body from events where type like 'recovery.%'");
    assert!(text.len() == 2 && !format!("{text:?}").contains(&code), "the ledger has digests");
}

#[test]
fn given_the_data_directory_when_codes_are_made_by_its_right_then_no_key_is_needed_and_no_server_may_run() {
    let mut world = World::named();
    let by_directory = ["recovery", "create", "--by-data-directory"];
    assert_ne!(world.cli(&by_directory).code, 0, "a server runs");
    world.stop();
    std::fs::remove_file(world.data.join("operator.token")).expect("it was there");
    let made = world.json(&by_directory);
    assert_eq!(made["codes"].as_array().map(Vec::len), Some(8));
    world.start();
    let by = world.sql("select actor from events where type = 'recovery.issued'");
    assert_eq!(by[0]["actor"], "a_system");
}
