//! Programs that prove who they are: tokens of CI jobs, exchanged by a standard client's request, and client certificates.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use ::http::Method;
use serde_json::{Value, json};

use crate::support::pki::Authority;
use crate::support::{World, eventually, http, tools, world::ask};

/// The issuer of tokens, a stand-in, which ends with its owner.
struct Issuer {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    issuer: String,
}

impl Issuer {
    fn start(test: &str) -> Option<Self> {
        let python = tools::python(test, "cryptography")?;
        let mut command = Command::new(python);
        command.arg(tools::client("token_issuer.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let (to, from) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let mut issuer = Self { child, to, from: BufReader::new(from), issuer: String::new() };
        issuer.issuer = issuer.line();
        Some(issuer)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.from.read_line(&mut line).expect("readable");
        line.trim().to_owned()
    }

    fn tell(&mut self, what: &Value) -> String {
        writeln!(self.to, "{what}").expect("it listens");
        self.line()
    }

    /// A token as GitHub Actions shapes it, with other claims in place of some.
    fn job(&mut self, id: &str, other: Value, how: Option<&str>) -> String {
        let mut claims = json!({
            "jti": id, "aud": "counterfoil", "sub": "repo:example/lending:ref:refs/heads/main",
            "repository": "example/lending", "ref": "refs/heads/main", "event_name": "push", "run_id": "42",
        });
        for (name, value) in other.as_object().expect("claims") {
            claims[name] = value.clone();
        }
        self.tell(&json!({"mint": claims, "how": how}))
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        // It may have ended by itself; both are what a test wants.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Percent-encodes a form's value.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(b).to_string(),
            _ => format!("%{b:02X}"),
        })
        .collect()
}

/// The exchange as RFC 8693 writes it: status and answer.
fn exchange(world: &World, token: &str, scope: Option<&str>) -> (u16, Value) {
    let mut fields = vec![
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", token),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
    ];
    fields.extend(scope.map(|scope| ("scope", scope)));
    let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let answer = http::send(Method::POST, &format!("{}/oauth2/token", world.url), &kind, body.join("&"));
    (answer.status, answer.json())
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{name} of {value}")).to_owned()
}

/// A world with two rules for an issuer's tokens: the management API for one, and inference of `support` for the other.
fn declared(issuer: &str) -> (World, String) {
    let world = World::with(&[("COUNTERFOIL_WORKLOAD_HOSTS", "127.0.0.1")]);
    let bot = text(&world.json(&["people", "add", "--kind", "service"]), "actor");
    let rules = format!(
        "\n[workload.deploy]\nissuer = \"{issuer}\"\naudience = \"counterfoil\"\nactor = \"{bot}\"\nttl = \"5m\"\n\
         claims = {{ repository = \"example/lending\", ref = \"refs/heads/main\" }}\n\
         [workload.smoke]\nissuer = \"{issuer}\"\naudience = \"counterfoil\"\nactor = \"{bot}\"\nservice = \"support\"\n\
         claims = {{ repository = \"example/lending\", event_name = \"schedule\" }}\n"
    );
    let file = world.file("org.toml", &(world.org() + &rules));
    world.json(&["apply", "-f", &file, "--yes"]);
    assert_eq!(world.json(&["apply", "-f", &file, "--yes"])["applied"], 0, "declared as it is in force");
    (world, bot)
}

#[test]
fn given_a_ci_jobs_token_when_exchanged_then_a_short_lived_key_opens_what_the_rule_says_and_the_token_is_taken_once() {
    let Some(mut issuer) = Issuer::start("tokens of CI jobs") else { return };
    let (mut world, bot) = declared(&issuer.issuer);
    let token = issuer.job("1", json!({}), None);
    let (status, answer) = exchange(&world, &token, None);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["token_type"], "Bearer");
    assert!((290..=300).contains(&answer["expires_in"].as_u64().expect("seconds")), "{answer}");
    let job = world.cli(&["--json", "--token", &text(&answer, "access_token"), "signin"]);
    assert!(job.code != 0 && job.err.contains(&bot) && job.err.contains("people-answer"), "it acts as {bot}: {job:?}");
    assert_eq!(exchange(&world, &token, None).0, 400, "a token is taken once");
    let refused = world.sql("select code, policies from refusals where command = 'key.exchange'");
    assert!(refused[0]["policies"].to_string().contains("token-once"), "{refused:?}");

    // Another rule opens inference, by another claim or by its name.
    let audience = json!(["somebody-else", "counterfoil"]);
    let scheduled = issuer.job("2", json!({"event_name": "schedule", "aud": audience}), None);
    let (_, answer) = exchange(&world, &scheduled, Some("smoke"));
    world.key = text(&answer, "access_token");
    assert_eq!(world.chat("chat").status, 200);
    let key = text(&answer, "key");
    let record = world.records().pop().expect("a record");
    assert_eq!((&record["key"], &record["service"]), (&key.as_str().into(), &"support".into()));
    let row = world.sql(&format!("select * from credentials where credential_id = '{key}'"))[0].clone();
    assert_eq!((&row["kind"], &row["workload_id"]), (&"workload".into(), &"smoke".into()), "{row}");
    let rules = world.sql("select workload_id, exchanges from workloads order by workload_id");
    assert_eq!(
        rules,
        [json!({"workload_id": "deploy", "exchanges": 1}), json!({"workload_id": "smoke", "exchanges": 1})]
    );

    // What a rule gave ends with it.
    let file = world.file("org.toml", &world.org());
    world.json(&["apply", "-f", &file, "--yes", "--prune"]);
    assert_eq!(world.chat("chat").status, 401);
    assert_eq!(exchange(&world, &issuer.job("3", json!({}), None), None).0, 400);
}

#[test]
fn given_tokens_that_are_forged_late_early_or_for_others_when_exchanged_then_each_is_refused_alike_and_counted() {
    let Some(mut issuer) = Issuer::start("tokens that are no good") else { return };
    let (world, _) = declared(&issuer.issuer);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let cases = [
        (json!({}), Some("stranger"), "signature"),
        (json!({}), Some("hs256"), "algorithm"),
        (json!({}), Some("none"), "algorithm"),
        (json!({"exp": now - 3600, "iat": now - 7200, "nbf": now - 7200}), None, "time"),
        (json!({"nbf": now + 3600}), None, "time"),
        (json!({"aud": "somebody-else"}), None, "audience"),
        (json!({"aud": ["somebody-else", "nobody"]}), None, "audience"),
        (json!({"iss": "https://evil.example"}), None, "issuer"),
        (json!({"repository": "example/lending-fork"}), None, "claims"),
        (json!({"ref": "refs/heads/mаin"}), None, "claims"),
        (json!({"jti": ""}), None, "subject"),
    ];
    let mut answers = Vec::new();
    for (at, (other, how, reason)) in cases.into_iter().enumerate() {
        let token = issuer.job(&format!("c{at}"), other.clone(), how);
        let (status, answer) = exchange(&world, &token, None);
        // After some failures in a row one has to wait, which is a refusal as well.
        assert!(matches!(status, 400 | 429), "{other} {how:?}: {status} {answer}");
        if status == 400 {
            answers.push(answer);
            let count =
                format!("select sum(times) as n from signin_refusals where door = 'exchange' and reason = '{reason}'");
            eventually(&format!("`{reason}` is counted"), || {
                world.sql(&count)[0]["n"].as_u64().is_some_and(|n| n > 0).then_some(())
            });
        }
    }
    assert!(answers.len() >= 9 && answers.windows(2).all(|two| two[0] == two[1]), "all are told the same: {answers:?}");
    for garbage in ["", "a.b.c", "x", &"a".repeat(100_000)] {
        assert!(matches!(exchange(&world, garbage, None).0, 400 | 413 | 429), "{:.9}", garbage);
    }
    assert_eq!(world.sql("select count(*) as n from events where type = 'key.exchanged'")[0]["n"], 0);
}

#[test]
fn given_an_issuer_that_changes_its_keys_when_a_token_is_shown_then_the_new_ones_are_fetched_but_not_at_each_strangers_word()
 {
    let Some(mut issuer) = Issuer::start("an issuer that changes its keys") else { return };
    let (world, _) = declared(&issuer.issuer);
    assert_eq!(exchange(&world, &issuer.job("1", json!({}), None), None).0, 200);
    for id in ["2", "3", "4"] {
        assert_eq!(exchange(&world, &issuer.job(id, json!({}), Some("unknown")), None).0, 400);
    }
    assert_eq!(issuer.tell(&json!({"requests": true})), "1", "keys that were just fetched are not fetched again");
    issuer.tell(&json!({"rotate": true}));
    // Ten seconds after the last fetch, a name that is not known is reason to ask again.
    let token = issuer.job("5", json!({}), None);
    eventually("the new keys are fetched", || (exchange(&world, &token, None).0 == 200).then_some(()));
}

#[test]
fn given_a_client_certificate_when_a_rule_believes_its_name_then_it_opens_every_door_without_a_key_and_no_other_does() {
    let test = "client certificates";
    if !tools::programs(test, &["curl", "openssl"]) {
        return;
    }
    let mut world = World::empty(&[]);
    let (authority, others) = (Authority::new(world.dir.path(), "ca"), Authority::new(world.dir.path(), "other-ca"));
    let server = authority.sign("server", &["localhost", "127.0.0.1"]);
    world.set("COUNTERFOIL_TLS_CERTIFICATE", &server.certificate);
    world.set("COUNTERFOIL_TLS_KEY", &server.key);
    world.set("COUNTERFOIL_TLS_CLIENT_CA", &authority.file());
    world.start();
    world.apply();
    let bot = text(&world.json(&["people", "add", "--kind", "service"]), "actor");
    let rules = format!(
        "\n[workload.batch]\ncertificate = [\"uri:spiffe://example/batch\"]\nactor = \"{bot}\"\nservice = \"support\"\n\
         [workload.ops]\ncertificate = [\"dns:ops.example\"]\nactor = \"{bot}\"\n"
    );
    let file = world.file("org.toml", &(world.org() + &rules));
    world.json(&["apply", "-f", &file, "--yes"]);
    let ca = authority.file();
    let curl = |path: &str, more: &[&str]| {
        let url = format!("{}{path}", world.url);
        let status = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "30", "--cacert", &ca, &url];
        let output = Command::new("curl").args(status).args(more).output().expect("curl");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let shown = |name: &str, by: &Authority, file: &str| {
        let files = by.sign(file, &[name]);
        vec!["--cert".to_owned(), files.certificate, "--key".to_owned(), files.key]
    };
    let body = ask("chat").to_string();
    let chat = |certificate: &[String]| {
        let certificate = certificate.iter().map(String::as_str);
        let more: Vec<&str> = certificate.chain(["-H", "content-type: application/json", "-d", &body]).collect();
        curl("/v1/chat/completions", &more)
    };
    let page =
        |path: &str, certificate: &[String]| curl(path, &certificate.iter().map(String::as_str).collect::<Vec<_>>());
    let batch = shown("spiffe://example/batch", &authority, "batch");
    for _ in 0..3 {
        assert_eq!(chat(&batch), "200");
    }
    assert_eq!(page("/v1/models", &batch), "200");
    assert_eq!(page("/api/v1/org", &batch), "403", "it is for inference");
    assert_eq!(chat(&[]), "401");
    assert_eq!(chat(&shown("spiffe://example/other", &authority, "unknown")), "401");
    assert_eq!(chat(&shown("spiffe://example/batch", &others, "forged")), "000", "the handshake fails");
    let exchanged = world.sql("select exchanges from workloads where workload_id = 'batch'");
    assert_eq!(exchanged[0]["exchanges"], 1, "one key serves all calls of its time");

    let ops = shown("ops.example", &authority, "ops");
    assert_eq!(page("/api/v1/org", &ops), "403", "let in as the account, which has no role yet");
    assert_eq!(chat(&ops), "403", "a key of the management API infers nothing");
    let key = world.sql("select credential_id from credentials where workload_id = 'batch'")[0].clone();
    world.json(&["keys", "revoke", key["credential_id"].as_str().expect("a key")]);
    assert_eq!(chat(&batch), "200", "the rule stands, so it is exchanged anew");
    world.json(&["people", "leave", &bot]);
    assert_eq!((chat(&batch), page("/api/v1/org", &ops)), ("401".into(), "401".into()));
}
