//! Signing in to the pages, and who may do what.

mod accesses;

use std::process::Command;

use ::http::Method;

use crate::support::{Run, World, http, tools};

const PAGES: [&str; 26] = [
    "/",
    "/ledger",
    "/ledger/0",
    "/inferences",
    "/controls",
    "/criteria",
    "/evidence",
    "/people",
    "/groups",
    "/approvals",
    "/policies",
    "/authz",
    "/documents",
    "/services",
    "/data",
    "/data/lineage",
    "/data/lineage?node=model%2Fcredit-risk%2F1",
    "/emergencies",
    "/encryption",
    "/retention",
    "/requests",
    "/tokens",
    "/keys",
    "/accesses",
    "/accesses/mine",
    "/reviews",
];

/// A sign-in link to the world's server, whatever address it is told to write.
fn link(world: &World) -> String {
    let link = world.json(&["signin"])["url"].as_str().expect("a link").to_owned();
    let (_, secret) = link.split_once("/signin/").expect("a path");
    format!("{}/signin/{secret}", world.url)
}

/// The value of a cookie that an answer sets, as a request sends it back.
fn cookie(answer: &http::Response) -> Option<String> {
    Some(answer.header("set-cookie")?.split(';').next()?.to_owned())
}

#[test]
fn given_a_sign_in_link_when_opened_then_it_signs_in_once_and_the_pages_show_themselves() {
    let world = World::new();
    let link = link(&world);
    let ask = http::get(&link);
    assert_eq!(ask.status, 200, "looking at the link does not use it up");
    let origin = [("origin", world.url.as_str()), ("sec-fetch-site", "same-origin")];
    let opened = http::send(Method::POST, &link, &origin, "");
    assert!(matches!(opened.status, 302 | 303), "{}: {}", opened.status, opened.text());
    let session = cookie(&opened).expect("a session");
    let attributes = opened.header("set-cookie").expect("a cookie").to_lowercase();
    assert!(attributes.contains("httponly") && attributes.contains("samesite="), "{attributes}");

    for page in PAGES {
        let answer = http::send(Method::GET, &format!("{}{page}", world.url), &[("cookie", &session)], "");
        assert_eq!(answer.status, 200, "{page}");
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.contains("default-src 'none'") || policy.contains("default-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe-inline") && !policy.contains("unsafe-eval"), "{policy}");
    }
    let asked = |question: &str| {
        http::send(Method::GET, &format!("{}/authz?{question}", world.url), &[("cookie", &session)], "").text()
    };
    let able = asked("action=service.declare&resource=service/credit");
    let actor = able.split("<option value=\"a_").nth(1).and_then(|rest| rest.split('"').next()).expect("an actor");
    assert!(able.contains("Who may"), "{able}");
    let why = asked(&format!("who=a_{actor}&action=service.declare&resource=service/credit"));
    assert!(why.contains("Policies that decided"), "{why}");
    assert!(asked("action=read&resource=foo/zzz").contains("is nothing to ask about"));
    let again = http::send(Method::POST, &link, &origin, "");
    assert!(again.status >= 400 && cookie(&again).is_none(), "a link is good once: {}", again.status);
}

#[test]
fn given_a_browser_when_it_shows_the_pages_then_they_are_accessible_and_call_nobody_else() {
    let test = "the pages in a browser";
    let (Some(packages), Some(chromium)) = (tools::node(test), tools::chromium(test)) else { return };
    let world = World::new();
    for route in ["chat", "limited", "chat"] {
        world.chat(route);
    }
    world.json(&["records", "seal"]);
    world.json(&["controls", "run"]);
    tools::run(
        Command::new("node")
            .arg(tools::client("pages.mjs"))
            .env("NODE_DIR", packages)
            .env("CHROMIUM", chromium)
            .env("BASE_URL", &world.url)
            .env("LINK", link(&world))
            .env("PATHS", PAGES.join(",")),
    );
}

/// Signs in by a link and gives the cookie that a browser would send back.
pub fn session(world: &World) -> String {
    let origin = [("origin", world.url.as_str()), ("sec-fetch-site", "same-origin")];
    cookie(&http::send(Method::POST, &link(world), &origin, "")).expect("a session")
}

/// Registers somebody and makes them a key: pseudonym and secret.
fn somebody(world: &World) -> (String, String) {
    let actor = world.json(&["people", "add", "--kind", "human"])["actor"].as_str().expect("a pseudonym").to_owned();
    let key = world.json(&["keys", "create", "--actor", &actor, "--expires", "1d"]);
    (actor, key["secret"].as_str().expect("a secret").to_owned())
}

/// Runs a command that may fail.
fn run(world: &World, arguments: &[&str]) -> Run {
    world.cli(&[&["--json"], arguments].concat())
}

fn ask<'a>(actor: &'a str, role: &'a str, scope: &'a str) -> [&'a str; 10] {
    ["grants", "request", "--actor", actor, "--role", role, "--scope", scope, "--reference", "CHG-1042"]
}

#[test]
fn given_people_with_duties_when_they_ask_and_approve_then_roles_hold_as_granted_and_conflicts_are_refused_by_name() {
    let world = World::new();
    let ((lead, lead_key), (deployer, deployer_key)) = (somebody(&world), somebody(&world));
    let grant = |args: &[&str]| world.json(args)["grant"].as_str().expect("a grant").to_owned();

    // The organisation begins: the administrator makes the first approver, and from then on needs one.
    world.json(&["grants", "approve", &grant(&ask(&lead, "security_lead", "org"))]);
    let asked = grant(&ask(&deployer, "deployer", "service/support"));
    assert_eq!(run(&world, &["grants", "approve", &asked]).error(), (65, "forbidden".into()), "whoever asked");
    let declare =
        ["authz", "explain", "--who", &deployer, "--action", "service.declare", "--resource", "service/support"];
    let before = world.json(&declare);
    assert_eq!((&before["permitted"], &before["policies"]), (&false.into(), &serde_json::json!([])));
    assert!(before["would_suffice"].as_array().expect("roles").contains(&"deployer".into()), "{before}");
    world.json(&["--token", &lead_key, "grants", "approve", &asked]);
    assert_eq!(world.json(&declare)["permitted"], true);
    let able = world.json(&["authz", "who-can", "service.declare", "service/support"]);
    assert!(able["actors"].as_array().expect("actors").contains(&deployer.as_str().into()), "{able}");
    let elsewhere = world.json(&["authz", "who-can", "service.declare", "service/credit"]);
    assert!(!elsewhere["actors"].as_array().expect("actors").contains(&deployer.as_str().into()), "{elsewhere}");

    // Who may is said with roles and the approval besides; what there is not, cannot be asked about.
    let holders = able["holders"].as_array().expect("holders");
    let holds = |holder: &serde_json::Value| {
        holder["actor"] == deployer.as_str() && holder["roles"] == serde_json::json!([["deployer", "service/support"]])
    };
    assert!(holders.iter().any(holds), "{able}");
    let about = |resource: &str| {
        run(&world, &["authz", "explain", "--who", &deployer, "--action", "read", "--resource", resource])
    };
    assert_eq!(about("foo/zzz").error(), (65, "invalid".into()));
    assert!(about("service/none").err.contains("no service `none`"));

    let conflict = run(&world, &ask(&deployer, "model_trainer", "org"));
    assert_eq!(conflict.error(), (65, "forbidden".into()));
    for word in ["train-not-deploy", "deployer", "model_trainer", "service/support"] {
        assert!(conflict.err.contains(word), "{word}: {}", conflict.err);
    }
    let refused = world.sql("select policies from refusals where command = 'grant.request'");
    assert!(refused[0].to_string().contains("train-not-deploy"), "{refused:?}");

    // A leaver is refused by the next request, whatever they hold.
    assert_eq!(run(&world, &["--token", &deployer_key, "people", "add", "--kind", "human"]).error().1, "forbidden");
    assert_eq!(run(&world, &["--token", &deployer_key, "signin"]).code, 0, "for themselves they may");
    assert_eq!(run(&world, &["signin", "--actor", &deployer]).error().1, "forbidden", "nobody else may any more");
    world.json(&["--token", &lead_key, "people", "leave", &deployer]);
    assert_eq!(run(&world, &["--token", &deployer_key, "signin"]).error().1, "unauthenticated");
    let held = world.sql("select role, ended_because from role_grants where scope = 'service/support'");
    assert_eq!((&held[0]["role"], &held[0]["ended_because"]), (&"deployer".into(), &"left".into()));

    let runs = world.json(&["controls", "run", "AI-AC-01", "AI-AC-02"]);
    let outcome = |control: &str| {
        let runs = runs["runs"].as_array().expect("runs");
        runs.iter().find(|run| run["control"] == control).expect("it ran")["outcome"].clone()
    };
    assert_eq!((outcome("AI-AC-01"), outcome("AI-AC-02")), ("pass".into(), "fail".into()), "{runs}");
}

#[test]
fn given_the_page_of_people_when_its_forms_are_used_then_it_does_what_the_command_line_does() {
    let world = World::new();
    let (actor, _) = somebody(&world);
    let origin = [("origin", world.url.as_str()), ("sec-fetch-site", "same-origin")];
    let session = cookie(&http::send(Method::POST, &link(&world), &origin, "")).expect("a session");
    let form = |path: &str, body: &str| {
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let headers = [origin[0], origin[1], ("cookie", session.as_str()), kind];
        http::send(Method::POST, &format!("{}{path}", world.url), &headers, body.to_owned())
    };
    let page = || http::send(Method::GET, &format!("{}/people", world.url), &[("cookie", &session)], "").text();
    let until = "2999-01-01";
    let wish = |role: &str| format!("actor={actor}&role={role}&scope=org&until={until}&reference=CHG-1");
    let late = form("/grants", &wish("monitor"));
    assert_eq!(late.status, 422, "{}", late.text());
    let until = world.sql("select cast(max(ts) + interval '30 days' as date) as day from events")[0]["day"].clone();
    let wish = |role: &str| {
        format!("actor={actor}&role={role}&scope=org&until={}&reference=CHG-1", until.as_str().expect("a day"))
    };
    assert_eq!(form("/grants", &wish("model_trainer")).status, 303);
    let refused = form("/grants", &wish("deployer"));
    assert!(refused.status == 403 && refused.text().contains("train-not-deploy"), "{}", refused.text());
    let asked = page();
    let grant = asked.split("/grants/g_").nth(1).and_then(|rest| rest.split('/').next()).expect("it waits");
    assert!(!asked.contains(&format!("/grants/g_{grant}/decline")), "whoever asked withdraws");
    assert_eq!(form(&format!("/grants/g_{grant}/withdraw"), "").status, 303);
    assert!(page().contains("withdrawn"));
    assert_eq!(form("/people/leave", &format!("actor={actor}")).status, 303);
    assert!(page().contains("left"));
}
