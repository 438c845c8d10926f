//! What was withdrawn is refused by the next request, at every door: keys, sessions, people and programs, however they end.

use ::http::Method;
use serde_json::{Value, json};

use crate::support::{World, http, world::ask};

/// A request at a door.
struct Door {
    method: Method,
    path: &'static str,
    body: Option<Value>,
}

fn door(method: Method, path: &'static str, body: Option<Value>) -> Door {
    Door { method, path, body }
}

/// Every door that an application's key opens.
fn inference_doors() -> Vec<Door> {
    let (get, post) = (|| Method::GET, || Method::POST);
    let tensors = json!({"inputs": []});
    vec![
        door(post(), "/v1/chat/completions", Some(ask("chat"))),
        door(post(), "/v1/completions", Some(json!({"model": "chat", "prompt": "hello"}))),
        door(post(), "/v1/embeddings", Some(json!({"model": "chat", "input": "hello"}))),
        door(post(), "/v1/responses", Some(json!({"model": "chat", "input": "hello"}))),
        door(get(), "/v1/models", None),
        door(get(), "/v1/models/chat", None),
        door(post(), "/v2/models/credit-risk/infer", Some(tensors.clone())),
        door(post(), "/v2/models/credit-risk/versions/1/infer", Some(tensors)),
        door(get(), "/v2/models/credit-risk", None),
        door(get(), "/v2/models/credit-risk/ready", None),
    ]
}

/// Doors of the management API, those that only read: a test asks them often.
fn management_doors() -> Vec<Door> {
    let paths = ["/org", "/tables", "/ledger", "/events/0", "/events/0/proof", "/controls", "/evidence", "/keys"];
    let mut doors: Vec<Door> = paths.into_iter().map(|path| door(Method::GET, path, None)).collect();
    doors.push(door(Method::POST, "/sql", Some(json!({"query": "select 1"}))));
    doors.push(door(Method::POST, "/keys/lookup", Some(json!({"sha256": []}))));
    doors
}

const PAGES: [&str; 9] =
    ["/", "/ledger", "/inferences", "/controls", "/criteria", "/evidence", "/people", "/keys", "/sql"];

/// The status of a request that shows a header.
fn knock(world: &World, prefix: &str, door: &Door, shown: (&str, &str)) -> u16 {
    let headers = [shown, ("content-type", "application/json")];
    let body = door.body.as_ref().map(ToString::to_string).unwrap_or_default();
    http::send(door.method.clone(), &format!("{}{prefix}{}", world.url, door.path), &headers, body).status
}

/// Holds a secret against doors: let in (whatever the answer then is), or refused for want of a good key.
#[track_caller]
fn assert_doors(world: &World, prefix: &str, doors: &[Door], secret: &str, open: bool, how: &str) {
    let bearer = format!("Bearer {secret}");
    let names: &[&str] =
        if prefix.is_empty() { &["authorization", "x-api-key", "api-key"] } else { &["authorization"] };
    for door in doors {
        for name in names {
            let value = if *name == "authorization" { bearer.as_str() } else { secret };
            let status = knock(world, prefix, door, (name, value));
            // Whoever fails often is told to wait; whoever shows something good never is.
            let refused = matches!(status, 401 | 429);
            assert_eq!(!refused, open, "{how}: {} {} with {name} gave {status}", door.method, door.path);
        }
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{name} of {value}")).to_owned()
}

/// Ends a key: how it is called, and what does it. Arguments: the world, the key, its secret and the actor it belongs to.
type End = (&'static str, fn(&World, &str, &str, &str));

const KEY_ENDS: [End; 4] = [
    ("revoked", |world, key, _, _| drop(world.json(&["keys", "revoke", key]))),
    ("replaced without overlap", |world, key, _, actor| {
        // A person's key is replaced by themselves only, an application's by whoever may make it.
        let own = world
            .json(&["keys", "list"])
            .as_array()
            .expect("rows")
            .iter()
            .any(|row| row["credential_id"] == key && row["kind"] == "human" && row["principal_id"] == actor);
        match own {
            true => drop(world.json(&["keys", "revoke", key])),
            false => drop(world.json(&["keys", "rotate", key, "--overlap", "0"])),
        }
    }),
    ("reported as leaked", |world, _, secret, _| {
        let body = json!({"secret": secret}).to_string();
        let kind = [("content-type", "application/json")];
        assert_eq!(http::send(Method::POST, &format!("{}/api/v1/keys/leaked", world.url), &kind, body).status, 200);
    }),
    ("its actor left", |world, _, _, actor| drop(world.json(&["people", "leave", actor]))),
];

#[test]
fn given_an_applications_key_when_it_ends_in_any_way_then_every_inference_door_refuses_the_next_request() {
    let world = World::new();
    for (how, end) in KEY_ENDS {
        let bot = text(&world.json(&["people", "add", "--kind", "service"]), "actor");
        let scope = ["--service", "support", "--service", "credit", "--account", &bot, "--expires", "1h"];
        let created = world.json(&[&["keys", "create"][..], &scope].concat());
        let (key, secret) = (text(&created, "key"), text(&created, "secret"));
        assert_doors(&world, "", &inference_doors(), &secret, true, how);
        end(&world, &key, &secret, &bot);
        assert_doors(&world, "", &inference_doors(), &secret, false, how);
        assert_doors(&world, "/api/v1", &management_doors(), &secret, false, how);
    }
    let refused = world.records().iter().filter(|record| record["status"] == "refused").count();
    assert!(refused >= 4 * 6, "each refused inference is on record: {refused}");
}

#[test]
fn given_a_key_of_the_management_api_when_it_ends_in_any_way_then_every_door_refuses_the_next_request() {
    let world = World::new();
    for (how, end) in KEY_ENDS {
        let actor = text(&world.json(&["people", "add", "--kind", "human"]), "actor");
        let created = world.json(&["keys", "create", "--actor", &actor, "--expires", "1h"]);
        let (key, secret) = (text(&created, "key"), text(&created, "secret"));
        assert_doors(&world, "/api/v1", &management_doors(), &secret, true, how);
        end(&world, &key, &secret, &actor);
        assert_doors(&world, "/api/v1", &management_doors(), &secret, false, how);
    }
}

#[test]
fn given_a_session_when_it_or_its_person_ends_then_every_page_and_the_api_refuse_the_next_request() {
    let world = World::new();
    let origin = [("origin", world.url.as_str()), ("sec-fetch-site", "same-origin")];
    let session = |actor: &str| {
        let url = text(&world.json(&["signin", "--actor", actor]), "url");
        let secret = url.rsplit('/').next().expect("a secret").to_owned();
        let opened = http::send(Method::POST, &format!("{}/signin/{secret}", world.url), &origin, "");
        opened.header("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a session").to_owned()
    };
    // A page that is not shown sends a browser on to sign in, or says that it must.
    let is_shown = |path: &str, cookie: &str| {
        let answer = http::send(Method::GET, &format!("{}{path}", world.url), &[("cookie", cookie)], "");
        !matches!(answer.status, 302 | 303 | 307 | 401)
    };
    let check = |cookie: &str, open: bool, how: &str| {
        for path in PAGES {
            assert_eq!(is_shown(path, cookie), open, "{how}: {path}");
        }
        for door in management_doors().iter().filter(|door| door.method == Method::GET) {
            assert_eq!(knock(&world, "/api/v1", door, ("cookie", cookie)) != 401, open, "{how}: {}", door.path);
        }
    };
    for how in ["signed out", "the person left"] {
        let actor = text(&world.json(&["people", "add", "--kind", "human"]), "actor");
        let cookie = session(&actor);
        check(&cookie, true, how);
        match how {
            "signed out" => {
                let headers = [origin[0], origin[1], ("cookie", cookie.as_str())];
                http::send(Method::POST, &format!("{}/signout", world.url), &headers, "");
            }
            _ => drop(world.json(&["people", "leave", &actor])),
        }
        check(&cookie, false, how);
    }
}
