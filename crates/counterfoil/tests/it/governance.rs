//! The register of services, policies that people acknowledge, and training: by commands, a file and pages.

use ::http::Method;
use serde_json::{Value, json};

use crate::support::{Run, World, http, people};

/// Runs a command as somebody; it must succeed.
#[track_caller]
fn done(world: &World, key: &str, arguments: &[&str]) -> Value {
    world.json(&[&["--token", key], arguments].concat())
}

/// Runs a command as somebody.
fn tried(world: &World, key: &str, arguments: &[&str]) -> Run {
    world.cli(&[&["--json", "--token", key], arguments].concat())
}

/// Asks for an approval with a command, has it approved, and carries it out; the identifier.
#[track_caller]
fn agreed(world: &World, asker: &str, approver: &str, arguments: &[&str]) -> String {
    let asked = done(world, asker, &[arguments, &["--ask", "CHG-1"]].concat());
    let approval = asked["approval"].as_str().expect("asked for").to_owned();
    done(world, approver, &["approvals", "approve", &approval]);
    done(world, asker, &["approvals", "carry-out", &approval]);
    approval
}

/// What a control found: its outcome, and the items that violate with what is said of each.
#[track_caller]
fn control(world: &World, id: &str) -> (String, Vec<(String, String)>) {
    let run = world.json(&["controls", "run", id])["runs"][0].take();
    let word = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let rows = run["violating"].as_array().expect("rows");
    (word(&run, "outcome"), rows.iter().map(|row| (word(row, "item"), word(row, "detail"))).collect())
}

#[test]
fn given_services_when_somebody_answers_for_each_and_another_agreed_then_the_register_is_whole_until_they_leave() {
    let world = World::new();
    let staff = people::Staff::new(&world);
    let (owner, deployer) = &staff.deployer;
    let (outcome, found) = control(&world, "AI-GV-01");
    assert_eq!((outcome.as_str(), found.len()), ("fail", 2), "{found:?}");

    let register = ["services", "register", "support", "--owner", owner];
    let run = tried(&world, deployer, &register);
    assert!(run.code == 65 && run.err.contains("approval-required"), "{run:?}");
    assert_eq!(tried(&world, &staff.trainer.1, &register).error(), (65, "forbidden".into()));
    let unknown = tried(&world, deployer, &["services", "register", "nothing", "--owner", owner]);
    assert_eq!(unknown.error(), (64, "usage".into()));
    let approval = agreed(&world, deployer, &staff.approver.1, &register);
    let row = &world.sql("select owner_id, team, approved_by from services where service_id = 'support'")[0];
    assert_eq!(row, &json!({"owner_id": owner, "team": "care", "approved_by": staff.approver.0}));
    assert_eq!(done(&world, deployer, &["approvals", "show", &approval])["standing"], "used");
    assert_eq!(control(&world, "AI-GV-01").1, [("credit".to_owned(), "no owner who is here".to_owned())]);

    // The file names who answers for the other.
    let named = world.org().replace("[service.credit]\n", &format!("[service.credit]\naccountable = \"{owner}\"\n"));
    let file = world.file("registered.toml", &named);
    let apply = ["apply", "-f", &file, "--yes", "--only", "services", "--ask", "CHG-2"];
    let asked = done(&world, deployer, &apply)["asked"][0].as_str().expect("asked for").to_owned();
    let approver = people::session(&world, &staff.approver.1);
    assert_eq!(people::form(&world, &approver, &format!("/approvals/{asked}/vote"), "vote=approve").status, 303);
    done(&world, deployer, &["approvals", "carry-out", &asked]);
    assert_eq!(done(&world, deployer, &apply)["plan"], json!([]), "all is as declared");
    assert_eq!(control(&world, "AI-GV-01"), ("pass".to_owned(), vec![]));
    let page = http::send(Method::GET, &format!("{}/services", world.url), &[("cookie", &approver)], "").text();
    assert!(page.contains(owner.as_str()) && page.contains("approved"), "{page}");

    world.json(&["people", "leave", owner]);
    let (outcome, found) = control(&world, "AI-GV-01");
    assert_eq!((outcome.as_str(), found.len()), ("fail", 2), "whoever answered is gone: {found:?}");
}

#[test]
fn given_the_page_when_a_registration_is_asked_for_then_it_leads_to_the_request() {
    let world = World::new();
    let staff = people::Staff::new(&world);
    let deployer = people::session(&world, &staff.deployer.1);
    let body = format!("service=credit&owner={}&reference=CHG-1", staff.deployer.0);
    let asked = people::form(&world, &deployer, "/services/register", &body);
    assert_eq!(asked.status, 303, "{}", asked.text());
    let path = asked.header("location").expect("leads to the request").to_owned();
    let shown = http::send(Method::GET, &format!("{}{path}", world.url), &[("cookie", &deployer)], "").text();
    assert!(shown.contains("service.register") && shown.contains(&staff.deployer.0), "{shown}");
    let nothing = people::form(&world, &deployer, "/services/register", "service=nothing&owner=a_1&reference=CHG-1");
    assert_eq!(nothing.status, 404);
    // Whoever may not know which services there are does not learn it here.
    let roleless = people::session(&world, &people::somebody(&world).1);
    for service in ["credit", "nothing"] {
        let body = format!("service={service}&owner=a_1&reference=CHG-1");
        let refused = people::form(&world, &roleless, "/services/register", &body);
        assert!(refused.status == 403 && refused.text().contains("Not permitted"), "{service}: {}", refused.text());
    }
}

#[test]
fn given_a_policy_when_published_then_another_agreed_and_everybody_acknowledges_and_is_trained_by_somebody_else() {
    let world = World::new();
    let staff = people::Staff::new(&world);
    let compliance = people::somebody_with(&world, &staff, "compliance_lead");
    let deputy = people::somebody_with(&world, &staff, "compliance_lead");
    let text = "# Use of AI\n\nAsk before a model sees a customer's data.\n";
    let file = world.file("ai-use.md", text);
    let publish = ["documents", "publish", &file, "--id", "ai-use", "--review-due", "365d", "--ack-required"];
    let publish = &publish[..];
    assert_eq!(tried(&world, &world.token(), publish).error().1, "forbidden", "whoever administers does not publish");
    let run = tried(&world, &compliance.1, publish);
    assert!(run.code == 65 && run.err.contains("approval-required"), "{run:?}");

    // Whoever votes reads the very text.
    let asked = done(&world, &compliance.1, &[publish, &["--ask", "CHG-1"]].concat());
    let approval = asked["approval"].as_str().expect("asked for").to_owned();
    assert_eq!(tried(&world, &deputy.1, &["approvals", "approve", &approval]).error().1, "forbidden");
    assert_eq!(done(&world, &staff.lead.1, &["approvals", "show", &approval])["text"], text);
    done(&world, &staff.lead.1, &["approvals", "approve", &approval]);
    done(&world, &compliance.1, &["approvals", "carry-out", &approval]);
    let shown = tried(&world, &staff.trainer.1, &["documents", "show", "ai-use"]);
    assert_eq!((shown.code, shown.out.as_str()), (0, text));
    let row = &world.sql("select version, approved_by, ack_required, superseded_at from documents")[0];
    let expected = json!({"version": "1", "approved_by": staff.lead.0, "ack_required": true, "superseded_at": null});
    assert_eq!(row, &expected);

    let acknowledge = ["documents", "acknowledge", "ai-use", "--version", "1"];
    done(&world, &staff.trainer.1, &acknowledge);
    assert_eq!(tried(&world, &staff.trainer.1, &["documents", "acknowledge", "ai-use", "--version", "2"]).code, 65);
    let listed = done(&world, &staff.trainer.1, &["documents", "list"]);
    assert!(listed[0]["acknowledged_at"].is_i64(), "{listed}");
    acknowledged_by_button(&world, &staff.approver.1);
    acknowledged_for_nobody_else(&world, &staff.trainer);
    let missing = done(&world, &compliance.1, &["documents", "missing"]);
    let missing: Vec<&str> =
        missing.as_array().expect("rows").iter().filter_map(|row| row["principal_id"].as_str()).collect();
    assert!(missing.contains(&staff.deployer.0.as_str()) && !missing.contains(&staff.trainer.0.as_str()));
    for key in [&world.token(), &staff.lead.1, &staff.deployer.1, &compliance.1, &deputy.1] {
        done(&world, key, &acknowledge);
    }
    let (outcome, found) = control(&world, "AI-GV-02");
    assert!(outcome == "fail" && found.iter().all(|(_, detail)| detail == "no current training"), "{found:?}");
    train(&world, &compliance, &deputy);
    assert_eq!(control(&world, "AI-GV-02"), ("pass".to_owned(), vec![]));

    // The next version is to be read by all of them.
    world.file("ai-use.md", "# Use of AI\n\nAsk twice.\n");
    agreed(&world, &compliance.1, &staff.lead.1, publish);
    let (outcome, found) = control(&world, "AI-GV-02");
    assert_eq!((outcome.as_str(), found.len()), ("fail", 7), "{found:?}");
    assert!(found.iter().all(|(_, detail)| detail == "policy not acknowledged: ai-use"), "{found:?}");
}

#[test]
fn given_more_than_a_document_has_or_other_bytes_of_the_store_when_published_then_it_is_refused() {
    let world = World::new();
    let staff = people::Staff::new(&world);
    let (_, compliance) = people::somebody_with(&world, &staff, "compliance_lead");
    let large = "x".repeat((1 << 20) + 1);
    let file = world.file("large.md", &large);
    let publish = ["documents", "publish", &file, "--id", "large", "--review-due", "365d", "--ask", "CHG-1"];
    let run = tried(&world, &compliance, &publish);
    assert_eq!(run.error(), (64, "usage".into()), "{run:?}");

    let put = |key: &str, door: &str, body: String| {
        let bearer = format!("Bearer {key}");
        http::send(Method::PUT, &format!("{}/api/v1/{door}", world.url), &[("authorization", bearer.as_str())], body)
    };
    let refused = put(&compliance, "documents", large.clone());
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (413, &json!("malformed")), "{}", refused.text());
    // Publishing makes bytes readable for everybody, so it takes none that were kept for something else.
    let kept = put(&staff.trainer.1, "artifacts", "a model's bytes".to_owned());
    assert_eq!(kept.status, 200, "{}", kept.text());
    let review_due = chrono::Utc::now().timestamp_millis() + 86_400_000;
    let body = json!({
        "document": "large", "kind": "policy", "version": 1, "sha256": kept.json()["sha256"],
        "review_due": review_due, "ack_required": false,
    });
    let command = json!({"command": "document.publish", "body": body});
    let file = world.file("large.json", &command.to_string());
    let run = tried(&world, &compliance, &["approvals", "request", "-f", &file, "--reference", "CHG-1"]);
    assert!(run.code != 0 && run.err.contains("was uploaded"), "{run:?}");
}

/// Somebody finds at the page what they are to read, reads it, and acknowledges it.
#[track_caller]
fn acknowledged_by_button(world: &World, key: &str) {
    let cookie = people::session(world, key);
    let page = |path: &str| {
        http::send(Method::GET, &format!("{}{path}", world.url), &[("cookie", cookie.as_str())], "").text()
    };
    assert!(page("/documents").contains("href=\"/documents/ai-use\""));
    assert!(page("/documents/ai-use").contains("Ask before a model sees"));
    let stale = people::form(world, &cookie, "/documents/ai-use/acknowledge", "version=7");
    assert_eq!(stale.status, 409, "{}", stale.text());
    assert_eq!(people::form(world, &cookie, "/documents/ai-use/acknowledge", "version=1").status, 303);
    assert!(page("/documents/ai-use").contains("You acknowledged this version"));
    assert!(page("/documents").contains("Nothing waits for you"));
}

/// There is no way to acknowledge for somebody else.
#[track_caller]
fn acknowledged_for_nobody_else(world: &World, (actor, key): &people::Person) {
    let body = json!({"document": "ai-use", "version": 1, "actor": actor});
    let command = json!({"command": "document.acknowledge", "body": body}).to_string();
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let answer = http::send(Method::POST, &format!("{}/api/v1/commands", world.url), &headers, command);
    assert_eq!(answer.status, 400, "{}", answer.text());
}

/// Everybody is trained, as somebody else says.
#[track_caller]
fn train(world: &World, compliance: &people::Person, deputy: &people::Person) {
    let day = |days: i64| (chrono::Utc::now() + chrono::TimeDelta::days(days)).format("%Y-%m-%d").to_string();
    let (completed, expires) = (day(-2), day(300));
    let record = |actor: &str| {
        let words = ["training", "record", "--actor", actor, "--course", "ai-basics", "--completed", &completed];
        [&words[..], &["--expires", &expires]].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let own = record(&compliance.0);
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    let run = tried(world, &compliance.1, &own);
    assert!(run.code == 65 && run.err.contains("record-not-own"), "{run:?}");
    done(world, &deputy.1, &own);
    let people = world.sql("select principal_id from principals where kind = 'human'");
    let others = people.iter().filter_map(|row| row["principal_id"].as_str()).filter(|actor| *actor != compliance.0);
    let lines: String = others.map(|actor| format!("{actor},ai-basics,{completed},{expires}\n")).collect();
    let count = lines.lines().count();
    let file = world.file("training.csv", &format!("actor,course,completed,expires\n{lines}"));
    let imported = done(world, &compliance.1, &["training", "import", &file]);
    assert_eq!(imported, json!({"recorded": count, "same": 0}));
    let again = done(world, &compliance.1, &["training", "import", &file]);
    assert_eq!(again, json!({"recorded": 0, "same": count}));
    let wrong = world.file("wrong.csv", &format!("actor,course,completed,expires\na_nobody,x,{completed},{expires}\n"));
    let run = tried(world, &compliance.1, &["training", "import", &wrong]);
    assert!(run.code == 65 && run.err.contains("line 2"), "{run:?}");
}
