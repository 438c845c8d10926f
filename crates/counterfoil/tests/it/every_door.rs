//! Every address that the program has, as its own source lists them, held against everything that ended: keys, sessions,
//! people and programs. A new address is among them by itself; one that asks nobody who they are must be named here.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use ::http::Method;
use serde_json::{Value, json};

use crate::support::people::{form, session, somebody};
use crate::support::{World, http, tools};

/// Files that list addresses, and what stands before each.
const ROUTERS: [(&str, &str); 10] = [
    ("crates/gateway/src/doors.rs", ""),
    ("crates/web/src/lib.rs", ""),
    ("crates/web/src/people/mod.rs", ""),
    ("crates/web/src/keys/mod.rs", ""),
    ("crates/web/src/serving/mod.rs", ""),
    ("crates/web/src/data/mod.rs", ""),
    ("crates/web/src/assurance/mod.rs", ""),
    ("crates/web/src/infrastructure/mod.rs", ""),
    ("crates/web/src/api/mod.rs", "/api/v1"),
    ("crates/web/src/directory/mod.rs", "/scim/v2"),
];

/// Addresses that ask nobody who they are, and why.
const OPEN: [(&str, &str); 26] = [
    ("/signin", "here people say who they are"),
    ("/signin/oidc", "leads to the provider"),
    ("/signin/oidc/callback", "the provider's word lets them in"),
    ("/signin/oidc/backchannel-logout", "the provider signs its word"),
    ("/signin/oidc/frontchannel-logout", "the provider names the session"),
    ("/signin/{secret}", "the link lets them in"),
    ("/signin/passkey", "the passkey lets them in"),
    ("/signin/passkey/options", "what is asked of a passkey"),
    ("/recover", "a recovery code lets them in"),
    ("/oauth2/token", "a program's token or certificate lets it in"),
    ("/api/v1/keys/leaked", "whoever finds a key may say so"),
    ("/api/v1/login/exchange", "the code lets the command line in"),
    ("/api/v1/login/device", "here a command line asks to be let in"),
    ("/api/v1/login/device/token", "the code lets the command line in"),
    ("/scim/v2/Me", "there is no such thing"),
    ("/scim/v2/Bulk", "there is no such thing"),
    ("/api/v1/view-links/{secret}", "the link lets them in"),
    ("/log/checkpoint", "hashes, for whoever watches the log"),
    ("/metrics", "numbers of the process"),
    ("/healthz", "whether the process lives"),
    ("/readyz", "whether it can work"),
    ("/assets/{digest}/{name}", "what pages look like"),
    ("/v2", "the program's name"),
    ("/v2/", "the program's name"),
    ("/v2/health/live", "whether the process lives"),
    ("/v2/health/ready", "whether it can work"),
];

/// Every address, with parameters by name.
fn addresses() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for crate_ in ["crates/gateway/src", "crates/web/src"] {
        list(&tools::repository(crate_), crate_, &mut found);
    }
    assert!(found.len() > 150, "addresses were not found: {found:?}");
    found
}

/// The addresses that the files below a directory list.
fn list(directory: &Path, name: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("readable").path();
        let name = format!("{name}/{}", path.file_name().unwrap_or_default().to_string_lossy());
        if path.is_dir() && !name.ends_with("/tests") {
            list(&path, &name, found);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = std::fs::read_to_string(&path).expect("text");
            let program = text.split("mod tests {").next().unwrap_or_default();
            for rest in program.split(".route(").skip(1) {
                let Some(address) = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next()) else {
                    continue;
                };
                let known = ROUTERS.iter().find(|(file, _)| *file == name);
                let (_, before) = known.unwrap_or_else(|| panic!("{name} has `{address}`: say what stands before it"));
                found.insert(format!("{before}{address}"));
            }
        }
    }
}

/// The address of some thing.
fn filled(address: &str) -> String {
    let fill = |part: &str| match part {
        "{seq}" => "0".to_owned(),
        "{version}" => "1".to_owned(),
        "{*path}" => "entries/000".to_owned(),
        named if named.starts_with('{') => "x_1".to_owned(),
        other => other.to_owned(),
    };
    address.split('/').map(fill).collect::<Vec<_>>().join("/")
}

/// Something that somebody showed to be let in.
struct Shown {
    how: &'static str,
    /// The header in which it is shown, and its value.
    header: (&'static str, String),
    /// An address that lets it in while it is good.
    good_at: &'static str,
}

impl Shown {
    fn key(how: &'static str, secret: &str) -> Self {
        Self { how, header: ("authorization", format!("Bearer {secret}")), good_at: "/api/v1/accesses/mine" }
    }

    fn session(how: &'static str, cookie: String) -> Self {
        Self { how, header: ("cookie", cookie), good_at: "/sessions" }
    }

    /// The status of a request with it, as from a page of ours.
    fn knock(&self, world: &World, method: &Method, path: &str) -> u16 {
        let (name, value) = (self.header.0, self.header.1.as_str());
        let headers = [
            (name, value),
            ("origin", world.url.as_str()),
            ("sec-fetch-site", "same-origin"),
            ("content-type", "application/json"),
        ];
        let answer = http::send(method.clone(), &format!("{}{path}", world.url), &headers, "{}");
        let elsewhere = answer.header("location").is_some_and(|to| to.starts_with("/signin"));
        // A page sends whoever is not signed in to where they can.
        if elsewhere { 401 } else { answer.status }
    }
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{name} of {value}")).to_owned()
}

/// What was shown, and what ends it.
type Ends<'a> = (Shown, Box<dyn FnOnce() + 'a>);

/// Keys of people and programs, each with one way to end it.
fn keys(world: &World) -> Vec<Ends<'_>> {
    let mut all: Vec<Ends<'_>> = Vec::new();
    let new = |actor: &str| world.json(&["keys", "create", "--actor", actor, "--expires", "1d"]);
    let person = || text(&world.json(&["people", "add", "--kind", "human"]), "actor");
    let program = || text(&world.json(&["people", "add", "--kind", "service"]), "actor");

    let key = new(&person());
    let id = text(&key, "key");
    let revoked = move || drop(world.json(&["keys", "revoke", &id]));
    all.push((Shown::key("a key that was revoked", &text(&key, "secret")), Box::new(revoked)));

    let key = new(&person());
    let (id, secret) = (text(&key, "key"), text(&key, "secret"));
    let shown = Shown::key("a key that was replaced without overlap", &secret);
    let replaced = move || drop(world.json(&["--token", &secret, "keys", "rotate", &id, "--overlap", "0"]));
    all.push((shown, Box::new(replaced)));

    let (_, secret) = somebody(world);
    let shown = Shown::key("a key that leaked", &secret);
    let leaked = move || {
        let (kind, body) = ([("content-type", "application/json")], json!({"secret": secret}).to_string());
        assert_eq!(http::send(Method::POST, &format!("{}/api/v1/keys/leaked", world.url), &kind, body).status, 200);
    };
    all.push((shown, Box::new(leaked)));

    let (_, secret) = somebody(world);
    let bearer = format!("Bearer {secret}");
    let given_up = move || {
        let headers = [("authorization", bearer.as_str())];
        let answer = http::send(Method::DELETE, &format!("{}/api/v1/login", world.url), &headers, "");
        assert!(answer.status < 300, "{}", answer.text());
    };
    all.push((Shown::key("a key that was given up", &secret), Box::new(given_up)));

    let (actor, secret) = somebody(world);
    let left = move || drop(world.json(&["people", "leave", &actor]));
    all.push((Shown::key("a key of somebody who left", &secret), Box::new(left)));

    let bot = program();
    let secret = text(&new(&bot), "secret");
    let left = move || drop(world.json(&["people", "leave", &bot]));
    all.push((Shown::key("a key of a program that left", &secret), Box::new(left)));

    let created = world.json(&["keys", "create", "--service", "support", "--expires", "1d"]);
    let id = text(&created, "key");
    let revoked = move || drop(world.json(&["keys", "revoke", &id]));
    let shown = Shown { good_at: "/v1/models", ..Shown::key("an application's key", &text(&created, "secret")) };
    all.push((shown, Box::new(revoked)));
    all
}

/// Sessions, each with one way to end it.
fn sessions(world: &World) -> Vec<Ends<'_>> {
    let mut all: Vec<Ends<'_>> = Vec::new();
    let signed_in = || {
        let (actor, secret) = somebody(world);
        (actor, session(world, &secret), secret)
    };
    let (_, cookie, _) = signed_in();
    let ours = cookie.clone();
    let signed_out = move || {
        let headers = [("origin", world.url.as_str()), ("sec-fetch-site", "same-origin"), ("cookie", ours.as_str())];
        http::send(Method::POST, &format!("{}/signout", world.url), &headers, "");
    };
    all.push((Shown::session("a session that was signed out of", cookie), Box::new(signed_out)));

    let (_, cookie, secret) = signed_in();
    let revoked = move || {
        let bearer = format!("Bearer {secret}");
        let headers = [("authorization", bearer.as_str())];
        let own = http::send(Method::GET, &format!("{}/api/v1/sessions", world.url), &headers, "").json();
        let id = text(&own["sessions"][0], "session");
        let answer = http::send(Method::DELETE, &format!("{}/api/v1/sessions/{id}", world.url), &headers, "");
        assert!(answer.status < 300, "{}", answer.text());
    };
    all.push((Shown::session("a session that was revoked", cookie), Box::new(revoked)));

    let (actor, cookie, _) = signed_in();
    let left = move || drop(world.json(&["people", "leave", &actor]));
    all.push((Shown::session("a session of somebody who left", cookie), Box::new(left)));
    all
}

/// A key that comes to its end by itself, soon.
fn expiring(world: &World) -> Shown {
    let actor = text(&world.json(&["people", "add", "--kind", "human"]), "actor");
    let token = format!("Bearer {}", world.token());
    let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let wish = json!({"actor": actor, "expires_at": now.as_millis() as u64 + 3_000}).to_string();
    let made = http::send(Method::POST, &format!("{}/api/v1/keys", world.url), &headers, wish);
    Shown::key("a key that came to its end", &text(&made.json(), "secret"))
}

#[test]
fn given_whatever_ended_when_shown_at_any_address_then_it_is_refused_and_each_refusal_is_on_record() {
    let world = World::new();
    let mut all: Vec<Ends<'_>> = keys(&world).into_iter().chain(sessions(&world)).collect();
    // First, while it is good.
    all.insert(0, (expiring(&world), Box::new(|| std::thread::sleep(Duration::from_secs(4)))));
    let addresses = addresses();
    for (address, why) in OPEN {
        assert!(addresses.contains(address), "there is no `{address}` any more ({why})");
    }
    let asks = |address: &&String| !OPEN.iter().any(|(open, _)| *open == address.as_str());
    let closed: Vec<&String> = addresses.iter().filter(asks).collect();
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

    let mut refusals = BTreeSet::new();
    for (shown, end) in all {
        let before = shown.knock(&world, &Method::GET, shown.good_at);
        assert_eq!(before, 200, "{} is good until it ends", shown.how);
        end();
        for address in &closed {
            let inference = ["/v1", "/v2"].iter().any(|door| address.starts_with(door));
            if inference && shown.header.0 == "cookie" {
                continue;
            }
            let path = filled(address);
            let answers: Vec<(&Method, u16)> =
                methods.iter().map(|method| (method, shown.knock(&world, method, &path))).collect();
            let doors: Vec<&(&Method, u16)> = answers.iter().filter(|(_, status)| *status != 405).collect();
            assert!(!doors.is_empty(), "nothing is at {path}");
            for (method, status) in doors {
                // Whoever fails often is told to wait.
                assert!(matches!(status, 401 | 429), "{}: {method} {path} gave {status}", shown.how);
                if !inference {
                    refusals.insert(format!("{method} {address}"));
                }
            }
        }
    }

    world.json(&["records", "seal"]);
    let told = world.sql("select distinct route from access_events where decision = 'deny'");
    let told: BTreeSet<String> = told.iter().map(|row| text(row, "route")).collect();
    let untold: Vec<&String> = refusals.difference(&told).collect();
    assert!(untold.is_empty(), "refused, and not on record: {untold:?}");
    let refused = world.sql("select count(*) as n from inference_records where status = 'refused'")[0]["n"].as_u64();
    assert!(refused.is_some_and(|refused| refused >= 8 * 4), "each refused inference is on record: {refused:?}");
}

/// Asks at a door that needs no key: how it answers.
fn ask(world: &World, path: &str, body: &Value) -> http::Response {
    let kind = [("content-type", "application/json")];
    http::send(Method::POST, &format!("{}{path}", world.url), &kind, body.to_string())
}

#[test]
fn given_what_lets_somebody_in_once_when_they_left_or_signed_out_before_it_was_used_then_it_lets_nobody_in() {
    let world = World::new();
    let origin = [("origin", world.url.as_str()), ("sec-fetch-site", "same-origin")];
    for (how, open) in [("used at once", true), ("signed out", false), ("left", false)] {
        let (actor, secret) = somebody(&world);
        let link = text(&world.json(&["--token", &secret, "signin"]), "url");
        let link = link.rsplit('/').next().expect("a secret").to_owned();
        let cookie = session(&world, &secret);
        let begun = ask(&world, "/api/v1/login/device", &json!({})).json();
        let said = format!("code={}&answer=allow", text(&begun, "user_code"));
        assert_eq!(form(&world, &cookie, "/device", &said).status, 200, "{how}");
        match how {
            "signed out" => drop(form(&world, &cookie, "/signout", "")),
            "left" => drop(world.json(&["people", "leave", &actor])),
            _ => {}
        }
        let device = json!({"device_code": text(&begun, "device_code")});
        let let_in = ask(&world, "/api/v1/login/device/token", &device);
        assert_eq!(let_in.status == 200, open, "{how}: {}", let_in.text());
        assert_ne!(ask(&world, "/api/v1/login/device/token", &device).status, 200, "{how}: once");
        // A link is a person's, not a session's.
        let opened = http::send(Method::POST, &format!("{}/signin/{link}", world.url), &origin, "");
        assert_eq!(opened.header("set-cookie").is_some(), how != "left", "{how}: {}", opened.text());
    }
}
