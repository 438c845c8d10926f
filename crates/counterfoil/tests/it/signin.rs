//! Signing in with a company's provider, from the command line, and what is refused at the doors: a real OpenID provider, a
//! real browser, the real program.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use ::http::Method;
use serde_json::{Value, json};

use crate::support::talk::Talk;
use crate::support::{World, eventually, http, tools};

/// A secret that needs care in a form and in a header.
const SECRET: &str = "s3cr:t &+/=";

/// A world whose people sign in with a provider, and a browser.
struct Company {
    world: World,
    provider: Talk,
    issuer: String,
    browser: Talk,
}

impl Company {
    /// None when there is no Node or no browser.
    fn new(test: &str, settings: &[(&str, &str)]) -> Option<Self> {
        let (packages, chromium) = (tools::node(test)?, tools::chromium(test)?);
        let mut provider = Command::new("node");
        provider.arg(tools::client("openid.mjs")).env("NODE_DIR", &packages).env("CLIENT_SECRET", SECRET);
        let mut provider = Talk::start(provider.stderr(Stdio::null()));
        let issuer = provider.line();
        let mut world = World::empty(settings);
        world.listen = format!("127.0.0.1:{}", free_port());
        world.set("COUNTERFOIL_SERVER_PUBLIC_URL", &format!("http://{}", world.listen));
        let secret = world.file("client.secret", SECRET);
        std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o600)).expect("changed");
        world.set("COUNTERFOIL_OIDC_ISSUER", &issuer);
        world.set("COUNTERFOIL_OIDC_CLIENT_ID", "counterfoil");
        world.set("COUNTERFOIL_OIDC_CLIENT_SECRET_FILE", &secret);
        let home = world.path("home").display().to_string();
        world.set("XDG_CONFIG_HOME", &home);
        world.start();
        world.apply();
        provider.say(&format!("callback {}/signin/oidc/callback", world.url));
        let mut browser = Command::new("node");
        browser.arg(tools::client("signin.mjs")).env("NODE_DIR", packages).env("CHROMIUM", chromium);
        let browser = Talk::start(browser.env("BASE_URL", &world.url));
        Some(Self { world, provider, issuer, browser })
    }

    /// Somebody signs in; where that led, and what is there.
    #[track_caller]
    fn signin(&mut self, visitor: &str, who: &str, path: &str) -> Value {
        self.browser.step(&json!(["signin", visitor, who, path]))
    }

    #[track_caller]
    fn goto(&mut self, visitor: &str, path: &str) -> Value {
        self.browser.step(&json!(["goto", visitor, path]))
    }

    #[track_caller]
    fn press(&mut self, visitor: &str, button: &str) -> Value {
        self.browser.step(&json!(["press", visitor, button]))
    }

    /// Waits until somebody turned away at a door is on record.
    #[track_caller]
    fn on_record(&self, door: &str, reason: &str) {
        on_record(&self.world, door, reason);
    }

    fn sessions(&self, columns: &str) -> Vec<Value> {
        self.world.sql(&format!("select {columns} from sessions order by started_at"))
    }
}

#[track_caller]
fn on_record(world: &World, door: &str, reason: &str) {
    let query = format!("select times from signin_refusals where door = '{door}' and reason = '{reason}'");
    eventually(&format!("{door}: {reason} is on record"), || world.sql(&query).pop());
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

#[test]
fn given_a_provider_when_people_sign_in_and_out_then_sessions_follow_and_the_ledger_names_nobody() {
    let register = [("COUNTERFOIL_OIDC_REGISTER", "true")];
    let Some(mut company) = Company::new("sign-in by a provider", &register) else { return };
    let came = company.signin("anna", "anna", "/sessions");
    assert_eq!((&came["path"], &came["fresh"]), (&json!("/sessions"), &json!(true)), "{came}");
    assert!(came["text"].as_str().is_some_and(|text| text.contains("the company's provider, with a second factor")));
    // The same person elsewhere is the same actor; another is another.
    company.signin("anna at home", "anna", "/");
    company.signin("ben", "ben", "/");
    let rows = company.sessions("principal_id, proof, mfa, ended_because");
    assert_eq!(rows.len(), 3, "{rows:?}");
    assert!(rows[0]["principal_id"] == rows[1]["principal_id"] && rows[0]["principal_id"] != rows[2]["principal_id"]);
    assert!(rows.iter().all(|row| row["proof"] == "oidc"));
    assert_eq!((&rows[0]["mfa"], &rows[2]["mfa"]), (&json!(true), &json!(false)));

    // The provider changed its key without notice.
    company.provider.say("rotate");
    assert_eq!(company.signin("ben again", "ben", "/")["fresh"], json!(true));

    // Signing out here signs out there: the provider asks, and leads back.
    company.goto("ben again", "/sessions");
    let left = company.press("ben again", "Sign out");
    assert!(left["url"].as_str().is_some_and(|url| url.starts_with(&company.issuer)), "{left}");
    let back = company.press("ben again", "Sign out");
    assert!(back["url"].as_str().is_some_and(|url| url.starts_with(&company.world.url)), "{back}");

    // The provider says that Anna signed out there: all her sessions here end at once.
    company.provider.say("logout anna");
    eventually("Anna's sessions end", || {
        let ended = company.world.sql("select session_id from sessions where ended_because = 'provider'");
        (ended.len() == 2).then_some(())
    });
    assert!(company.goto("anna", "/sessions")["path"].as_str().is_some_and(|path| path.starts_with("/signin?return=")));
    assert_eq!(company.goto("ben", "/sessions")["path"], json!("/sessions"), "Ben is still there");

    let events = company.world.sql("select body from events");
    let all: String = events.iter().filter_map(|row| row["body"].as_str()).collect();
    for name in ["anna", "Anna", "example.com", "ben@", "ml-deployers", SECRET] {
        assert!(!all.contains(name), "`{name}` is in the ledger");
    }
}

#[test]
fn given_strangers_when_they_come_by_the_provider_then_all_hear_the_same_and_looks_do_not_count() {
    let Some(mut company) =
        Company::new("strangers by a provider", &[("COUNTERFOIL_OIDC_EMAIL_DOMAINS", "example.com")])
    else {
        return;
    };
    let mut said = Vec::new();
    // Known at the provider, and not here; from another domain; from a domain that only looks like the company's.
    for who in ["anna", "ben", "eve"] {
        let came = company.signin(who, who, "/");
        assert_eq!(came["fresh"], json!(false), "{who}: {came}");
        said.push(came["text"].clone());
    }
    assert!(said.iter().all(|text| *text == said[0]), "{said:?}");
    assert!(said[0].as_str().is_some_and(|text| text.contains("not let in")), "{said:?}");
    company.on_record("oidc", "unknown");
    company.on_record("oidc", "domain");
    assert!(company.sessions("session_id").is_empty());
}

#[test]
fn given_forged_answers_when_they_come_back_then_each_is_refused_with_a_record() {
    let Some(mut company) = Company::new("forged answers", &[("COUNTERFOIL_OIDC_REGISTER", "true")]) else { return };
    let url = company.world.url.clone();
    // An answer that this browser never asked for, and one with a state made up.
    for (visitor, path) in [("nobody", "/signin/oidc/callback?code=c&state=s"), ("nobody", "/signin/oidc/callback")] {
        let came = company.goto(visitor, path);
        assert_eq!(came["status"], json!(400), "{came}");
    }
    company.on_record("oidc", "state");
    // A cookie planted beforehand is not the session's afterwards.
    company.browser.step(&json!(["plant", "anna", "cfs_planted"]));
    company.signin("anna", "anna", "/");
    let cookies = company.browser.step(&json!(["cookie", "anna"]));
    let cookies = cookies["cookies"].as_array().expect("cookies").clone();
    let session = cookies.iter().find(|cookie| cookie["name"] == "counterfoil_session").expect("a session");
    assert!(session["value"] != "cfs_planted" && session["httpOnly"] == true && session["sameSite"] == "Strict");
    assert!(!cookies.iter().any(|cookie| cookie["name"] == "counterfoil_oidc"), "used up");
    // Nobody is led to another site.
    for to in ["//evil.example/", "https://evil.example/", "/\\evil.example"] {
        let path = format!("/signin/oidc?return={}", to.replace('/', "%2F").replace('\\', "%5C"));
        let came = company.goto("anna", &path);
        assert_eq!(came["path"], json!("/"), "{to}: {came}");
    }
    // Words that somebody signed out, from whoever likes to say so.
    for token in ["", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbm5hIn0."] {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let address = format!("{url}/signin/oidc/backchannel-logout");
        let answer = http::send(Method::POST, &address, &form, format!("logout_token={token}"));
        assert_eq!(answer.status, 400, "{}", answer.text());
    }
    company.on_record("logout", "malformed");
    let frame = format!("{url}/signin/oidc/frontchannel-logout?iss={}&sid=guess", company.issuer);
    let answer = http::get(&frame);
    assert_eq!(answer.status, 200, "nobody learns whether there was one");
    let policy = answer.header("content-security-policy").expect("a policy").to_owned();
    assert_eq!(policy, format!("default-src 'none'; frame-ancestors {}", company.issuer));
    let open = company.world.sql("select session_id from sessions where ended_at is null");
    assert!(!open.is_empty(), "and nobody was signed out");
}

#[test]
fn given_a_session_from_this_morning_when_something_critical_is_asked_then_it_takes_a_fresh_proof_first() {
    let Some(mut company) = Company::new("a fresh proof", &[("COUNTERFOIL_OIDC_REGISTER", "true")]) else { return };
    company.signin("anna", "anna", "/sessions");
    // What the ledger calls fresh is ten minutes; the clock of a test does not wait so long, so the proof is asked for where
    // it always is: at the door that critical acts lead to.
    let came = company.goto("anna", "/reauthenticate?return=%2Fsessions");
    assert!(came["text"].as_str().is_some_and(|text| text.contains("Prove who you are")), "{came}");
    let proven = company.signin("anna", "anna", "/reauthenticate?return=%2Fsessions");
    assert_eq!((&proven["path"], &proven["fresh"]), (&json!("/sessions"), &json!(true)), "{proven}");
    let rows = company.sessions("ended_because, authenticated_at");
    assert_eq!(rows.len(), 2);
    assert_eq!((&rows[0]["ended_because"], &rows[1]["ended_because"]), (&json!("replaced"), &json!(null)), "{rows:?}");
}

#[test]
fn given_a_command_line_when_a_person_lets_it_in_then_it_acts_as_them_until_it_gives_the_key_back() {
    let Some(mut company) = Company::new("login by a browser", &[("COUNTERFOIL_OIDC_REGISTER", "true")]) else {
        return;
    };
    company.signin("anna", "anna", "/");
    let anna = company.sessions("principal_id")[0]["principal_id"].clone();

    // By the browser on the same machine.
    let mut command = company.world.command();
    command
        .args(["--json", "login", "--no-browser"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut login = command.spawn().expect("it starts");
    let mut lines = BufReader::new(login.stderr.take().expect("piped")).lines();
    let line = lines.next().expect("a line").expect("text");
    let address = line.split(": ").last().expect("an address").to_owned();
    let asked = company.goto("anna", &address);
    assert!(asked["text"].as_str().is_some_and(|text| text.contains("Let a command line in?")), "{asked}");
    let said = company.press("anna", "Let it in");
    assert!(said["text"].as_str().is_some_and(|text| text.contains("let in")), "{said}");
    let output = login.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["actor"], anna);
    let kept = company.world.path("home/counterfoil/logins.json");
    let mode = std::fs::metadata(&kept).expect("kept").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);

    // It acts as Anna, who may do nothing yet but look after herself.
    let sessions = company.world.json(&["sessions", "list"]);
    assert_eq!(sessions["sessions"].as_array().map(Vec::len), Some(1));
    let (code, why) = company.world.cli(&["--json", "people", "add", "--kind", "human"]).error();
    assert_eq!((code, why.as_str()), (65, "forbidden"));
    company.world.json(&["logout"]);
    let (code, _) = company.world.cli(&["--json", "logout"]).error();
    assert_eq!(code, 65, "once");
    let keys =
        company.world.sql("select revoked_at from credentials where kind = 'human' order by created_at desc limit 1");
    assert!(keys[0]["revoked_at"].is_string(), "{keys:?}");

    // By a code, from a machine without a browser.
    let mut command = company.world.command();
    command.args(["--json", "login", "--device"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut login = command.spawn().expect("it starts");
    let mut lines = BufReader::new(login.stderr.take().expect("piped")).lines();
    let line = lines.next().expect("a line").expect("text");
    let code = line.rsplit(' ').next().expect("a code").to_owned();
    company.goto("anna", "/device");
    company.browser.step(&json!(["fill", "anna", "Code", "BBBB-BBBB"]));
    let wrong = company.press("anna", "Go on");
    assert!(wrong["text"].as_str().is_some_and(|text| text.contains("no command line waits")), "{wrong}");
    company.goto("anna", "/device");
    company.browser.step(&json!(["fill", "anna", "Code", code.to_lowercase()]));
    let shown = company.press("anna", "Go on");
    assert!(shown["text"].as_str().is_some_and(|text| text.contains(&code.replace('-', ""))), "{shown}");
    company.press("anna", "Let it in");
    let output = login.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    company.world.json(&["logout"]);
    company.on_record("login", "unknown");
}

#[test]
fn given_strangers_with_made_up_keys_when_there_are_too_many_then_they_wait_and_the_ledger_counts_them() {
    let world = World::new();
    let ask = |key: &str| {
        let bearer = format!("Bearer {key}");
        http::send(Method::GET, &format!("{}/api/v1/sessions", world.url), &[("authorization", &bearer)], "")
    };
    let before = world.sql("select count(*) as n from events")[0]["n"].as_i64().expect("a number");
    let answers: Vec<http::Response> = (0..60).map(|n| ask(&format!("cfk_made_up_{n}"))).collect();
    assert!(answers.iter().take(9).all(|answer| answer.status == 401));
    let last = answers.last().expect("some");
    let wait: u64 = last.header("retry-after").and_then(|text| text.parse().ok()).expect("how long to wait");
    assert!(last.status == 429 && wait > 1, "{}: {wait}", last.status);
    let operator = std::fs::read_to_string(world.data.join("operator.token")).expect("a key");
    assert_eq!(ask(operator.trim()).status, 200, "whoever has a good key need not wait");
    on_record(&world, "key", "unknown");
    on_record(&world, "key", "too_many");
    let counted = world.sql("select cast(sum(times) as bigint) as n from signin_refusals where door = 'key'");
    let events = world.sql("select count(*) as n from events")[0]["n"].as_i64().expect("a number");
    assert!(events - before < 20, "{} events for 60 strangers; {counted:?} counted", events - before);
}
