//! The directory's door, as directories use it; and people and groups where there is no directory.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use ::http::Method;
use serde_json::{Value, json};

use crate::support::{World, eventually, http, tools};

/// A directory's program: its key, and the door.
pub struct Directory<'a> {
    world: &'a World,
    secret: String,
}

impl<'a> Directory<'a> {
    /// Registers the program, gives it its one role and its key.
    pub fn new(world: &'a World) -> Self {
        let actor = world.json(&["people", "add", "--kind", "service", "--name", "Company directory"])["actor"].clone();
        let actor = actor.as_str().expect("a pseudonym");
        // Whoever answers for a program can act as it, so it is somebody who administers nothing.
        let owner = world.json(&["people", "add", "--kind", "human"])["actor"].clone();
        let owner = owner.as_str().expect("a pseudonym");
        world.json(&["people", "own", actor, "--owner", owner]);
        // Only they make its keys; theirs is gone before the program's role makes it a privileged person's.
        let first = world.json(&["keys", "create", "--actor", owner, "--expires", "1d"]);
        let as_owner = ["--token", first["secret"].as_str().expect("a secret")];
        let key = world.json(&[&as_owner[..], &["keys", "create", "--actor", actor, "--expires", "30d"]].concat());
        world.json(&["keys", "revoke", first["key"].as_str().expect("a key")]);
        let asked = world.json(&["grants", "request", "--actor", actor, "--role", "directory", "--reference", "CHG-7"]);
        world.json(&["grants", "approve", asked["grant"].as_str().expect("a grant")]);
        Self { world, secret: key["secret"].as_str().expect("a secret").to_owned() }
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: String) -> http::Response {
        let bearer = format!("Bearer {}", self.secret);
        let mut all = vec![("authorization", bearer.as_str())];
        let kind = headers.iter().any(|(name, _)| *name == "content-type");
        all.extend((!kind).then_some(("content-type", "application/scim+json")));
        all.extend(headers);
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        http::send(method, &format!("{}/scim/v2{path}", self.world.url), &all, body)
    }

    #[track_caller]
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = self.send(method, path, &[], body);
        let json = if answer.body.is_empty() { Value::Null } else { answer.json() };
        (answer.status, json)
    }

    /// The identifier of a new user.
    #[track_caller]
    fn user(&self, name: &str) -> String {
        let (status, user) =
            self.ask("POST", "/Users", &json!({"schemas": [USER], "userName": name, "displayName": name}));
        assert_eq!(status, 201, "{user}");
        user["id"].as_str().expect("an id").to_owned()
    }
}

pub const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// Carries out the recorded exchanges of a directory.
fn replay(world: &World, directory: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/directories").join(directory);
    let exchanges: Vec<Value> =
        serde_json::from_slice(&std::fs::read(path).expect("a recording")).expect("a list of exchanges");
    let door = Directory::new(world);
    let mut kept = BTreeMap::new();
    for exchange in exchanges {
        let text = |value: &Value| {
            let fill = |text: String, (name, id): (&String, &String)| text.replace(&format!("{{{name}}}"), id);
            kept.iter().fold(value.to_string(), fill)
        };
        let filled = |value: &Value| serde_json::from_str::<Value>(&text(value)).expect("still JSON");
        let what = exchange["what"].as_str().expect("a name");
        let path = filled(&exchange["path"]);
        let method = exchange["method"].as_str().expect("a method");
        let (status, answer) = door.ask(method, path.as_str().expect("a path"), &filled(&exchange["body"]));
        assert_eq!(u64::from(status), exchange["status"], "{directory}, {what}: {answer}");
        for (pointer, wanted) in filled(&exchange["expect"]).as_object().into_iter().flatten() {
            // Names of schemas have no slash, so each step of a pointer is a name.
            let found = answer.pointer(pointer).unwrap_or(&Value::Null);
            assert_eq!(found, wanted, "{directory}, {what}: {pointer} in {answer}");
        }
        if let Some(name) = exchange["keep"].as_str() {
            kept.insert(name.to_owned(), answer["id"].as_str().expect("an id").to_owned());
        }
    }
}

/// Every file below a directory holds none of these words.
#[track_caller]
fn nowhere(dir: &Path, words: &[&str]) {
    for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            nowhere(&path, words);
            continue;
        }
        let bytes = std::fs::read(&path).expect("readable");
        for word in words {
            let found = bytes.windows(word.len()).any(|part| part == word.as_bytes());
            assert!(!found, "{word} is in {}", path.display());
        }
    }
}

#[test]
fn given_two_directories_when_each_sends_what_it_sends_then_both_are_understood_and_nothing_names_anybody() {
    let mut world = World::new();
    for recorded in ["entra.json", "okta.json"] {
        replay(&world, recorded);
    }
    let gone = world.sql("select principal_id from principals where status = 'left'");
    assert_eq!(gone.len(), 1, "whoever is inactive has left: {gone:?}");
    let moved = world.sql("select * from group_members where removed_at is not null");
    assert!(moved.len() >= 4, "{moved:?}");
    let deleted = world.sql("select group_id from people_groups where deleted_at is not null");
    assert_eq!(deleted.len(), 2);
    world.stop();
    let words = [
        "Nguyễn",
        "fabrikam",
        "northwind",
        "Lindqvist",
        "Zoë N",
        "Credit risk trainers",
        "Northwind",
        "Risk lead",
        "00ujl29u",
        "1mz050nq",
    ];
    nowhere(&world.data, &words);
}

#[test]
fn given_users_and_groups_when_searched_at_once_then_each_page_filter_and_attribute_is_as_the_standard_says() {
    let world = World::new();
    replay(&world, "search.json");
    assert_eq!(world.sql("select * from refusals"), Vec::<Value>::new(), "a search is no command");
}

#[test]
fn given_a_key_and_a_session_when_the_directory_deactivates_their_owner_then_the_next_request_is_refused() {
    let world = World::new();
    let door = Directory::new(&world);
    let actor = door.user("zoe@example.com");
    let link = world.json(&["signin", "--actor", &actor])["url"].as_str().expect("a link").to_owned();
    let (_, secret) = link.split_once("/signin/").expect("a path");
    let origin = [("origin", world.url.as_str()), ("sec-fetch-site", "same-origin")];
    let opened = http::send(Method::POST, &format!("{}/signin/{secret}", world.url), &origin, "");
    let session =
        opened.header("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a session").to_owned();
    let own = format!("{}/api/v1/people/{actor}", world.url);
    let by_session = || http::send(Method::GET, &own, &[("cookie", &session)], "").status;
    assert_eq!(by_session(), 200, "they may see themselves");
    let path = format!("{}/api/v1/keys", world.url);
    let expires_at = world.sql("select cast(max(ts) as bigint) / 1000 + 86400000 as at from events")[0]["at"].clone();
    let wish = json!({"actor": actor, "expires_at": expires_at}).to_string();
    let headers = [origin[0], origin[1], ("cookie", session.as_str()), ("content-type", "application/json")];
    let key = http::send(Method::POST, &path, &headers, wish);
    assert_eq!(key.status, 200, "{}", key.text());
    let bearer = format!("Bearer {}", key.json()["secret"].as_str().expect("a secret"));
    let by_key = || http::send(Method::GET, &own, &[("authorization", &bearer)], "").status;
    assert_eq!(by_key(), 200);
    let off = json!({"schemas": [PATCH_OP], "Operations": [{"op": "replace", "value": {"active": false}}]});
    assert_eq!(door.ask("PATCH", &format!("/Users/{actor}"), &off).0, 200);
    assert_eq!((by_session(), by_key()), (401, 401), "at once");
    let on = json!({"schemas": [PATCH_OP], "Operations": [{"op": "replace", "path": "active", "value": "True"}]});
    assert_eq!(door.ask("PATCH", &format!("/Users/{actor}"), &on).0, 200);
    assert_eq!((by_session(), by_key()), (401, 401), "what they held does not come back");
    let seen = world.sql(&format!("select status, returned_at from principals where principal_id = '{actor}'"));
    assert_eq!(seen[0]["status"], "active");
    assert!(seen[0]["returned_at"].is_string(), "{seen:?}");
}

#[test]
fn given_a_thousand_users_when_they_are_listed_in_pages_then_each_is_there_once() {
    let world = World::new();
    let door = Directory::new(&world);
    for i in 0..1_000 {
        door.user(&format!("user-{i:04}@example.com"));
    }
    let mut seen = std::collections::BTreeSet::new();
    for start in (1..=1_000).step_by(150) {
        let path = format!("/Users?startIndex={start}&count=150&attributes=userName");
        let (status, page) = door.ask("GET", &path, &Value::Null);
        assert_eq!((status, &page["totalResults"], &page["startIndex"]), (200, &json!(1_000), &json!(start)));
        for user in page["Resources"].as_array().expect("users") {
            assert!(user.get("displayName").is_none(), "it was not asked for: {user}");
            assert!(seen.insert(user["userName"].as_str().expect("a name").to_owned()), "{user} came twice");
        }
    }
    assert_eq!(seen.len(), 1_000);
    let (_, past) = door.ask("GET", "/Users?startIndex=2000", &Value::Null);
    assert_eq!((&past["totalResults"], &past["Resources"]), (&json!(1_000), &json!([])));
    let (_, counted) = door.ask("GET", "/Users?count=0", &Value::Null);
    assert_eq!((&counted["totalResults"], &counted["itemsPerPage"]), (&json!(1_000), &json!(0)));
    let (_, many) = door.ask("GET", "/Users?count=100000", &Value::Null);
    assert_eq!(many["itemsPerPage"], 200);
    let (_, some) = door.ask("GET", "/Users?filter=userName+sw+%22user-09%22&count=7", &Value::Null);
    assert_eq!((&some["totalResults"], &some["itemsPerPage"]), (&json!(100), &json!(7)));
    let found = world.json(&["people", "list", "--search", "USER-0999"]);
    assert_eq!(found[0]["user_name"], "user-0999@example.com");
}

#[test]
fn given_what_is_not_for_this_door_when_it_comes_then_it_is_refused_in_the_standards_own_words() {
    let world = World::new();
    let door = Directory::new(&world);
    let nobody = http::get(&format!("{}/scim/v2/Users", world.url));
    assert_eq!((nobody.status, nobody.header("www-authenticate")), (401, Some("Bearer")));
    assert_eq!(nobody.header("content-type"), Some("application/scim+json"));
    let application = format!("Bearer {}", world.key);
    let wrong =
        http::send(Method::GET, &format!("{}/scim/v2/Users", world.url), &[("authorization", &application)], "");
    assert_eq!((wrong.status, &wrong.json()["status"]), (403, &"403".into()));
    let search = |headers: &[(&str, &str)]| {
        http::send(Method::POST, &format!("{}/scim/v2/.search", world.url), headers, "{}").status
    };
    assert_eq!((search(&[]), search(&[("authorization", &application)])), (401, 403));
    // The directory's key opens nothing else.
    let own = ["--json", "--token", &door.secret];
    for beyond in
        [&["people", "add", "--kind", "human"][..], &["grants", "list"], &["people", "list"], &["groups", "list"]]
    {
        assert_eq!(world.cli(&[&own[..], beyond].concat()).error().1, "forbidden", "{beyond:?}");
    }
    let first =
        world.sql("select principal_id from role_grants where role = 'administrator'")[0]["principal_id"].clone();
    let first = first.as_str().expect("text");
    assert_eq!(
        door.ask("DELETE", &format!("/Users/{first}"), &Value::Null).0,
        404,
        "whom it does not know is not there"
    );
    let by_hand = world.json(&["people", "add", "--user-name", "ada@example.com", "--email", "ada@example.com"]);
    let by_hand = format!("/Users/{}", by_hand["actor"].as_str().expect("a pseudonym"));
    let gone = json!({"schemas": [PATCH_OP], "Operations": [{"op": "replace", "path": "active", "value": false}]});
    for (method, body) in [("GET", &Value::Null), ("DELETE", &Value::Null), ("PATCH", &gone)] {
        assert_eq!(door.ask(method, &by_hand, body).0, 404, "whom it did not register is not there: {method}");
    }
    for list in ["/Users", "/Users?filter=userName%20eq%20%22ada%40example.com%22"] {
        assert_eq!(door.ask("GET", list, &Value::Null).1["totalResults"], 0, "{list}");
    }

    let large = json!({"schemas": [USER], "userName": "big", "title": "x".repeat(300 << 10)});
    let (status, answer) = door.ask("POST", "/Users", &large);
    assert_eq!((status, &answer["status"]), (413, &"413".into()));
    let members: Vec<Value> = (0..2_100).map(|i| json!({"value": format!("a_{i}")})).collect();
    let (status, answer) = door.ask("POST", "/Groups", &json!({"displayName": "many", "members": members}));
    assert_eq!(status, 413, "{answer}");
    let large = json!({"filter": format!("userName eq \"{}\"", "x".repeat(300 << 10))});
    assert_eq!(door.ask("POST", "/.search", &large).0, 413);
    let long = json!({"filter": format!("userName eq \"{}\"", "x".repeat(3 << 10))});
    let (status, answer) = door.ask("POST", "/.search", &long);
    assert_eq!((status, &answer["scimType"]), (400, &"invalidFilter".into()), "{answer}");
    let refused = world.sql("select command from refusals where code = 'invalid' order by seq");
    let refused: Vec<&Value> = refused.iter().map(|row| &row["command"]).collect();
    assert_eq!(refused, ["person.provision", "group.provision"], "what is too large is on record");

    for (method, path, body, status, keyword) in [
        ("GET", "/Users?filter=userName+eq", Value::Null, 400, "invalidFilter"),
        ("GET", "/Users?filter=password+pr", Value::Null, 400, "invalidFilter"),
        ("GET", "/Users?count=many", Value::Null, 400, "invalidValue"),
        ("POST", "/Users", json!({"userName": "z\u{43e}e"}), 400, "invalidValue"),
        ("POST", "/Users", json!({"displayName": "nameless"}), 400, "invalidValue"),
        ("POST", "/Groups", json!({"displayName": "g", "members": [{"value": first}]}), 400, "invalidValue"),
    ] {
        let (got, answer) = door.ask(method, path, &body);
        assert_eq!((got, &answer["scimType"]), (status, &keyword.into()), "{method} {path}: {answer}");
    }
    assert_eq!(door.ask("POST", "/Bulk", &json!({})).0, 501);
    assert_eq!(door.ask("GET", "/Nothing", &Value::Null).0, 404);
    assert_eq!(door.ask("DELETE", "/Users", &Value::Null).0, 405);
    assert_eq!(door.send("POST", "/Users", &[("content-type", "text/plain")], "{}".into()).status, 415);
}

#[test]
fn given_a_version_when_something_changed_since_then_the_change_is_refused() {
    let world = World::new();
    let door = Directory::new(&world);
    let path = format!("/Users/{}", door.user("zoe"));
    let first = door.send("GET", &path, &[], String::new()).header("etag").expect("a version").to_owned();
    assert_eq!(door.send("GET", &path, &[("if-none-match", &first)], String::new()).status, 304);
    let change = |title: &str, version: &str| {
        let body = json!({"schemas": [PATCH_OP], "Operations": [{"op": "add", "path": "title", "value": title}]});
        door.send("PATCH", &path, &[("if-match", version)], body.to_string())
    };
    let done = change("one", &first);
    assert_eq!(done.status, 200);
    let second = done.header("etag").expect("a version").to_owned();
    assert_ne!(first, second);
    assert_eq!(change("two", &first).status, 412);
    assert_eq!(change("two", &second).status, 200);
    assert_eq!(door.send("DELETE", &path, &[("if-match", &second)], String::new()).status, 412);
    assert_eq!(door.send("DELETE", &path, &[("if-match", "*")], String::new()).status, 204);
}

#[test]
fn given_a_group_with_a_mapping_when_the_directory_puts_people_in_then_roles_wait_hold_end_and_conflicts_are_shown() {
    let world = World::new();
    let door = Directory::new(&world);
    let (zoe, lead) = (door.user("zoe"), door.user("lead"));
    let asked = world.json(&["grants", "request", "--actor", &lead, "--role", "security_lead", "--reference", "CHG-8"]);
    world.json(&["grants", "approve", asked["grant"].as_str().expect("a grant")]);
    let lead_key = world.json(&["keys", "create", "--actor", &lead, "--expires", "1d"]);
    let as_lead = ["--json", "--token", lead_key["secret"].as_str().expect("a secret")];
    for (group, role) in [("Trainers", "model_trainer"), ("Deployers", "deployer@service/support")] {
        world.json(&["groups", "add", group]);
        world.json(&["groups", "map", group, "--role", role, "--days", "30"]);
    }
    assert_eq!(world.cli(&["--json", "groups", "approve", "trainers"]).error().1, "forbidden", "whoever mapped");
    let approved = world.cli(&[&as_lead[..], &["groups", "approve", "trainers"]].concat());
    assert_eq!(approved.code, 0, "{approved:?}");
    let (_, found) = door.ask("GET", "/Groups?filter=displayName+eq+%22trainers%22", &Value::Null);
    let trainers = format!("/Groups/{}", found["Resources"][0]["id"].as_str().expect("an id"));
    let join =
        json!({"schemas": [PATCH_OP], "Operations": [{"op": "add", "path": "members", "value": [{"value": zoe}]}]});
    assert_eq!(door.ask("PATCH", &trainers, &join).0, 204);
    let held = world.json(&["people", "show", &zoe]);
    assert_eq!(held["roles"], json!([{"role": "model_trainer", "scope": "org"}]));
    world.json(&["groups", "join", "Deployers", &zoe]);
    let withheld = world.sql("select principal_id, role, rule from withheld_grants");
    assert_eq!(withheld[0]["rule"], "train-not-deploy");
    let grants = world.sql(&format!("select approved_by, requested_by from role_grants where principal_id = '{zoe}'"));
    assert_eq!((grants.len(), &grants[0]["approved_by"]), (1, &lead.as_str().into()));
    assert_ne!(grants[0]["requested_by"], lead.as_str());
    let go = json!({"schemas": [PATCH_OP], "Operations": [{"op": "remove", "path": format!("members[value eq \"{zoe}\"]")}]});
    assert_eq!(door.ask("PATCH", &trainers, &go).0, 204);
    assert_eq!(world.json(&["people", "show", &zoe])["roles"], json!([]));
    let ended = world.sql(&format!("select ended_because from role_grants where principal_id = '{zoe}'"));
    assert_eq!(ended[0]["ended_because"], "group_left");
    let runs = world.json(&["controls", "run", "AI-AC-01"]);
    assert_eq!(runs["runs"][0]["outcome"], "pass", "{runs}");
}

#[test]
fn given_no_directory_when_people_come_from_a_file_then_the_plan_is_shown_and_doing_it_twice_changes_nothing() {
    let world = World::new();
    let file = world.file("people.csv", "user_name,name,email\nzoe,Zoë Nguyễn,zoe@example.com\nada,Ada Okafor,\n");
    let planned = world.json(&["people", "import", &file, "--dry-run"]);
    assert_eq!((&planned["plan"], &planned["actors"]), (&json!(["+ zoe", "+ ada"]), &json!([])));
    let done = world.json(&["people", "import", &file, "--yes"]);
    assert_eq!(done["actors"].as_array().map(Vec::len), Some(2));
    let again = world.json(&["people", "import", &file, "--yes"]);
    assert_eq!(again["plan"], json!([]));
    let zoe = world.json(&["people", "list", "--search", "nguyễn"])[0]["actor"].as_str().expect("found").to_owned();
    world.json(&["people", "set", &zoe, "--name", "Zoë Meyer"]);
    assert_eq!(world.json(&["people", "show", &zoe])["name"], "Zoë Meyer");
    world.json(&["people", "leave", &zoe]);
    let planned = world.json(&["people", "import", &file, "--dry-run"]);
    assert_eq!(planned["plan"], json!([format!("~ zoe ({zoe}): name, comes back")]));
    world.json(&["people", "return", &zoe]);
    assert_eq!(world.json(&["people", "show", &zoe])["status"], "active");
    let wrong = world.cli(&["--json", "people", "add", "--email", "notanemail"]);
    assert_eq!((wrong.code, wrong.error().1), (65, "invalid".to_owned()), "{wrong:?}");
    let nobody = world.cli(&["--json", "people", "add"]);
    assert_eq!((nobody.code, nobody.error().1), (64, "usage".to_owned()), "{nobody:?}");
    let taken = world.cli(&["--json", "people", "add", "--user-name", "ZOE"]);
    assert_eq!(taken.error(), (65, "exists".into()));
    let row = world.file("bad.csv", "user_name,role\nzoe,administrator\n");
    assert_eq!(world.cli(&["--json", "people", "import", &row, "--yes"]).code, 64);
    // A directory that comes later did not register them: they are not there for it, and their name is taken.
    let door = Directory::new(&world);
    let (_, found) = door.ask("GET", "/Users?filter=userName+eq+%22zoe%22", &Value::Null);
    assert_eq!(found["totalResults"], 0, "{found}");
    assert_eq!(door.ask("DELETE", &format!("/Users/{zoe}"), &Value::Null).0, 404);
    assert_eq!(door.ask("POST", "/Users", &json!({"schemas": [USER], "userName": "zoe"})).0, 409);
}

#[test]
fn given_names_when_pages_are_shown_then_only_roles_that_know_people_by_name_see_them() {
    let world = World::new();
    let door = Directory::new(&world);
    let (zoe, ada) = (door.user("Zoe Okonkwo"), door.user("Ada"));
    let group = world.json(&["groups", "add", "Watchers of lending"])["group"].as_str().expect("an id").to_owned();
    world.json(&["groups", "join", &group, &zoe]);
    let asked = world.json(&["grants", "request", "--actor", &ada, "--role", "monitor", "--reference", "CHG-9"]);
    world.json(&["grants", "approve", asked["grant"].as_str().expect("a grant")]);
    let session = |actor: &[&str]| {
        let link = world.json(&[&["signin"], actor].concat())["url"].as_str().expect("a link").to_owned();
        let (_, secret) = link.split_once("/signin/").expect("a path");
        let origin = [("origin", world.url.as_str()), ("sec-fetch-site", "same-origin")];
        let opened = http::send(Method::POST, &format!("{}/signin/{secret}", world.url), &origin, "");
        opened.header("set-cookie").and_then(|cookie| cookie.split(';').next()).expect("a session").to_owned()
    };
    let page =
        |cookie: &str, path: &str| http::send(Method::GET, &format!("{}{path}", world.url), &[("cookie", cookie)], "");
    let (admin, monitor) = (session(&[]), session(&["--actor", &ada]));
    let key = world.json(&["keys", "create", "--actor", &zoe, "--expires", "1d"])["secret"].clone();
    let own =
        ["--token", key.as_str().expect("a secret"), "keys", "create", "--actor", zoe.as_str(), "--expires", "1d"];
    let own = world.json(&own)["key"].as_str().expect("a key").to_owned();
    let made = world.sql(&format!("select seq from credentials where credential_id = '{own}'"))[0]["seq"].clone();
    let review = world.json(&["reviews", "start", "--reviewer", &zoe, "--alternate", &ada, "--due", "14d"]);
    let review = review["review"].as_str().expect("a review").to_owned();
    let paths = [
        "/people".to_owned(),
        format!("/people/{zoe}"),
        "/people?q=okonkwo".to_owned(),
        format!("/groups/{group}"),
        "/keys".to_owned(),
        format!("/ledger?actor={zoe}"),
        format!("/ledger/{made}"),
        "/reviews".to_owned(),
        format!("/reviews/{review}"),
    ];
    for path in paths {
        let (known, unknown) = (page(&admin, &path), page(&monitor, &path));
        assert_eq!((known.status, unknown.status), (200, 200), "{path}");
        assert!(known.text().contains("Zoe Okonkwo"), "{path}: {}", known.text());
        assert!(!unknown.text().contains("Zoe Okonkwo"), "{path}");
    }
    // Reading names is on record, at whatever page, and only of those who saw any.
    let read = |of: &str| {
        let query =
            format!("select route from access_events where action = 'people.read' and principal_id {of} '{ada}'");
        let rows = world.json(&["sql", "--tail", &query]);
        let route = |row: &Value| row["route"].as_str().unwrap_or_default().to_owned();
        rows.as_array().expect("rows").iter().map(route).collect::<std::collections::BTreeSet<_>>()
    };
    let routes = ["GET /keys", "GET /ledger", "GET /ledger/{seq}", "GET /reviews/{id}", "GET /people/{actor}"];
    eventually("the reads are on record", || {
        let found = read("<>");
        routes.iter().all(|route| found.contains(*route)).then_some(())
    });
    assert!(read("=").is_empty(), "who is shown pseudonyms was denied nothing");
    assert!(page(&admin, "/groups").text().contains("Watchers of lending"));
    assert!(!page(&monitor, "/groups").text().contains("Watchers of lending"));
    assert!(page(&monitor, &format!("/people/{zoe}")).text().contains(&zoe), "pseudonyms are for everybody who reads");
    assert_eq!(page(&admin, "/people/a_nobody").status, 404);
}

#[test]
fn given_the_stock_client_when_its_compliance_checker_runs_then_it_finds_nothing_wrong() {
    let test = "the SCIM client's compliance checker";
    let Some(python) = tools::python(test, "scim2_tester") else { return };
    let world = World::new();
    let door = Directory::new(&world);
    let said = tools::run(
        Command::new(python)
            .arg(tools::client("scim_client.py"))
            .env("SCIM_URL", format!("{}/scim/v2", world.url))
            .env("SCIM_KEY", &door.secret),
    );
    assert!(said.contains("SUCCESS"), "{said}");
}
