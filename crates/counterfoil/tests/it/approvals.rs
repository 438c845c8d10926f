//! What a second person must agree to: policies and services of high risk, by commands, API and pages.

use ::http::Method;
use serde_json::{Value, json};

use crate::support::{Run, World, http, people};

/// Runs a command as somebody; it must succeed.
#[track_caller]
fn done(world: &World, key: &str, arguments: &[&str]) -> Value {
    world.json(&[&["--token", key], arguments].concat())
}

/// Runs a command as somebody; it must be refused by this rule.
#[track_caller]
fn refused(world: &World, key: &str, arguments: &[&str], rule: &str) -> Run {
    let run = world.cli(&[&["--json", "--token", key], arguments].concat());
    assert_eq!(run.error(), (65, "forbidden".into()), "{arguments:?}: {run:?}");
    assert!(run.err.contains(rule), "{rule}: {}", run.err);
    run
}

#[test]
fn given_other_policies_when_proposed_then_the_diff_is_shown_and_a_second_person_approves_before_they_come_into_force()
{
    let world = World::new();
    let staff = people::Staff::new(&world);
    let (_, deputy) = people::somebody_with(&world, &staff, "security_lead");
    let shipped = world.json(&["policies", "show"]);
    let more = "@id(\"monitors-retire\")\npermit (principal in Role::\"monitor\", action == Action::\"service.retire\", resource);\n";
    let text = format!("{}\n{more}", shipped["text"].as_str().expect("text"));
    let file = world.file("policies.cedar", &text);
    let wrong =
        world.file("wrong.cedar", "permit (principal in Role::\"monitor\", action == Action::\"fly\", resource);");
    let run = world.cli(&["--json", "policies", "diff", &wrong]);
    assert!(run.error().1 == "invalid" && run.err.contains("line 1, column "), "{run:?}");
    let everything = world.file("all.cedar", &format!("{text}\npermit (principal, action, resource);\n"));
    let run = world.cli(&["policies", "diff", &everything]);
    assert!(run.code == 0 && run.out.contains("WARNING: separation of duties would be void"), "{run:?}");
    assert!(run.out.lines().count() < 120, "{}", run.out.lines().count());

    let diff = world.json(&["policies", "diff", &file]);
    assert_eq!(diff["gains"], json!([{"who": "role monitor", "action": "service.retire", "resources": ["service"]}]));
    assert_eq!((&diff["losses"], &diff["added"]), (&json!([]), &json!(["monitors-retire"])));

    let install = ["policies", "install", "--file", &file];
    let run = world.cli(&[&["--json"], &install[..]].concat());
    assert!(run.code == 65 && run.err.contains("security_lead"), "{run:?}");
    let proposed = world.json(&["policies", "propose", &file, "--reference", "CHG-7"]);
    let approval = proposed["approval"].as_str().expect("a request");
    assert_eq!(world.cli(&["--json", "policies", "approve", approval]).error().1, "forbidden", "whoever asked");
    refused(&world, &staff.deployer.1, &["approvals", "approve", approval], "vote");
    let waiting = done(&world, &staff.lead.1, &["approvals", "list"]);
    assert_eq!(
        (&waiting["approvals"][0]["approval"], &waiting["approvals"][0]["can_vote"]),
        (&approval.into(), &true.into())
    );
    done(&world, &deputy, &["approvals", "comment", approval, "Ask Zoe Nguyen first"]);
    done(&world, &deputy, &["approvals", "approve", approval]);
    let shown = world.json(&["approvals", "show", approval]);
    assert_eq!((&shown["standing"], &shown["policies"]["gains"]), (&"approved".into(), &diff["gains"]));
    assert_eq!(shown["command"]["body"]["text"], text.as_str());
    assert_eq!(shown["comments"][0]["text"], "Ask Zoe Nguyen first");
    let told = world.sql("select body from events where type = 'approval.commented'");
    assert!(told.len() == 1 && !told[0].to_string().contains("Zoe"), "the ledger has a digest: {told:?}");

    // Another text than the one approved is refused; the one approved comes into force, and decisions name it.
    let other = world.file("other.cedar", &format!("{text}\n"));
    let run = world.cli(&["--json", "policies", "install", "--file", &other]);
    assert!(run.code == 65 && run.err.contains("another thing"), "{run:?}");
    world.json(&["policies", "install", approval]);
    let sha256 = world.json(&["policies", "show"])["sha256"].clone();
    assert_eq!(sha256, diff["to"]);
    let explained =
        world.json(&["authz", "explain", "--who", &staff.lead.0, "--action", "deploy", "--resource", "service/credit"]);
    assert_eq!((&explained["policy_version"], &explained["action"]), (&sha256, &"service.declare".into()));
    let would = explained["would"].as_array().expect("what would have to change");
    assert!(would.contains(&json!({"what": "approval", "quorum": 1, "role": "model_approver"})), "{explained}");
    let versions =
        world.sql("select version, approval_id, approved_by, stood_in, superseded_at from policy_versions order by 1");
    assert_eq!(versions.len(), 2);
    assert_eq!((&versions[1]["approval_id"], &versions[1]["stood_in"]), (&approval.into(), &false.into()));
    assert!(!versions[0]["superseded_at"].is_null() && versions[1]["superseded_at"].is_null());
    let refusals =
        world.sql("select distinct policies, policy_version from refusals where command = 'policies.install'");
    assert!(refusals.iter().any(|row| row["policies"] == "approval-required"), "{refusals:?}");
    assert!(refusals.iter().all(|row| row["policy_version"] != sha256), "refused under the old ones");
}

#[test]
fn given_a_service_of_high_risk_when_trainer_approver_and_deployer_do_their_duty_then_it_serves_and_nobody_does_two() {
    let world = World::empty_organisation();
    let staff = people::Staff::new(&world);
    let file = world.file("org.toml", &world.org());
    let apply = |key: &str, only: &str, ask: bool| {
        let ask: &[&str] = if ask { &["--ask", "CHG-9"] } else { &[] };
        world.cli(&[&["--json", "--token", key, "apply", "-f", &file, "--yes", "--only", only], ask].concat())
    };
    let operator = world.token();
    assert_eq!(apply(&operator, "providers", false).code, 0);
    let run = apply(&operator, "models", false);
    assert_eq!(run.error().1, "forbidden", "the trainer's duty has somebody: {run:?}");
    assert_eq!(apply(&staff.trainer.1, "models", false).code, 0);
    let run = apply(&staff.deployer.1, "services", false);
    assert!(run.code == 65 && run.err.contains("approvals request"), "{run:?}");
    let asked = apply(&staff.deployer.1, "services", true).json();
    let approval = asked["asked"][0].as_str().expect("a request").to_owned();
    let again = apply(&staff.deployer.1, "services", true).json();
    assert!(again["asked"][0].as_str().expect("told").contains("0 of 1"), "{again}");
    let other = world.file("other.toml", &world.org().replace("owner = \"lending\"", "owner = \"loans\""));
    let beside = ["apply", "-f", &other, "--yes", "--only", "services"];
    refused(&world, &staff.deployer.1, &beside, "approvals withdraw");
    let beside = done(&world, &staff.deployer.1, &[&beside[..], &["--ask", "CHG-10"]].concat());
    let beside = beside["asked"][0].as_str().expect("a second request").to_owned();
    assert!(beside.starts_with("p_") && beside != approval, "{beside}");
    done(&world, &staff.deployer.1, &["approvals", "withdraw", &beside]);
    let run = world.cli(&["--json", "--token", &staff.deployer.1, "approvals", "carry-out", &beside]);
    assert!(run.error().1 == "conflict" && run.err.contains("withdrawn"), "{run:?}");
    refused(&world, &staff.trainer.1, &["approvals", "approve", &approval], "train-not-approve");
    refused(&world, &staff.deployer.1, &["approvals", "approve", &approval], "request-not-approve");
    refused(&world, &staff.deployer.1, &["approvals", "carry-out", &approval], "approval-required");

    // The approver is away and hands the vote to somebody who could have the role.
    let (other, other_key) = people::somebody(&world);
    let hand = |to: &str| {
        ["approvals", "delegate", "--to", to, "--role", "model_approver", "--until", "1d"].map(str::to_owned)
    };
    let words = hand(&staff.deployer.0);
    refused(&world, &staff.approver.1, &words.each_ref().map(String::as_str), "approve-not-deploy");
    let words = hand(&other);
    done(&world, &staff.approver.1, &words.each_ref().map(String::as_str));
    let compared = done(&world, &other_key, &["approvals", "show", &approval])["differences"].clone();
    assert!(compared.to_string().contains("\"member\":\"owner\""), "{compared}");
    done(&world, &other_key, &["approvals", "approve", &approval]);
    let carried = done(&world, &staff.deployer.1, &["approvals", "carry-out", &approval]);
    let names: Vec<&str> =
        carried["events"].as_array().expect("events").iter().filter_map(|e| e["t"].as_str()).collect();
    assert_eq!(names, ["service.declared", "approval.consumed", "deployment.started"]);
    assert_eq!(apply(&staff.deployer.1, "services", true).json()["plan"], json!([]), "all is as declared");
    let run = world.cli(&["--json", "--token", &staff.deployer.1, "approvals", "carry-out", &approval]);
    assert!(run.error().1 == "conflict" && run.err.contains("used before"), "{run:?}");
    let used = done(&world, &staff.deployer.1, &["approvals", "show", &approval]);
    assert_eq!(used["standing"], "used", "{used}");
    // What is now says nothing of it any more: it is compared with what was when it was asked for.
    assert_eq!(used["differences"], compared, "{used}");

    let change =
        world.sql("select c.*, d.deployment_id from changes c join deployments d on d.change_id = c.change_id");
    assert_eq!(
        (&change[0]["opened_by"], &change[0]["implemented_by"]),
        (&json!(staff.deployer.0), &json!(staff.deployer.0))
    );
    assert_eq!(change[0]["approved_by"], other.as_str());
    assert_eq!(change[0]["tested"], json!(null), "nobody recorded a test, and an approval is none");
    let votes = world.sql("select principal_id, on_behalf_of from approval_votes");
    assert_eq!((&votes[0]["principal_id"], &votes[0]["on_behalf_of"]), (&json!(other), &json!(staff.approver.0)));
    let runs = world.json(&["controls", "run", "AI-AC-06"]);
    assert_eq!(runs["runs"][0]["outcome"], "pass", "{runs}");
    assert!(world.sql("select * from stand_ins where duty <> 'security_lead'").is_empty());
}

#[test]
fn given_a_deployer_of_one_service_when_they_apply_a_file_then_it_is_read_compared_and_applied_like_anybodys() {
    let world = World::new();
    let staff = people::Staff::new(&world);
    let (actor, key) = people::somebody(&world);
    let grant = people::ask(&world, &actor, "deployer", "service/support");
    world.json(&["--token", &staff.lead.1, "grants", "approve", &grant]);
    let changed = world.file("changed.toml", &world.org().replace("owner = \"care\"", "owner = \"helpers\""));
    let applied = done(&world, &key, &["apply", "-f", &changed, "--yes", "--only", "services"]);
    assert_eq!(applied["applied"], 1, "{applied}");
    let listed = done(&world, &key, &["services", "list"]);
    let support = listed.as_array().expect("rows").iter().find(|row| row["service_id"] == "support");
    assert_eq!(support.expect("listed")["team"], "helpers");
    let odd = world.org().replace("provider = \"stand-in\"", "provider = \"nobody\"");
    let run = world.cli(&["--json", "apply", "-f", &world.file("odd.toml", &odd), "--dry-run"]);
    assert!(run.code == 64 && run.err.contains("`nobody` is not declared"), "{run:?}");
}

#[test]
fn given_an_organisation_of_one_when_everything_is_done_by_them_then_the_ledger_and_a_control_say_so() {
    let world = World::new();
    let stood_in = world.sql("select duty, command from stand_ins order by seq");
    let duties: Vec<(&str, &str)> =
        stood_in.iter().filter_map(|row| Some((row["duty"].as_str()?, row["command"].as_str()?))).collect();
    assert!(duties.contains(&("model_trainer", "model.register")), "{duties:?}");
    assert!(duties.contains(&("deployer", "service.declare")), "{duties:?}");
    assert!(duties.contains(&("model_approver", "service.declare")), "a service of high risk: {duties:?}");
    let runs = world.json(&["controls", "run", "AI-AC-06"]);
    let violating = runs["runs"][0]["violating"].as_array().expect("rows");
    assert_eq!((&runs["runs"][0]["outcome"], violating.len()), (&"fail".into(), stood_in.len()));
}

#[test]
fn given_the_pages_when_an_approver_opens_the_queue_then_one_click_shows_everything_and_a_button_votes() {
    let world = World::new();
    let staff = people::Staff::new(&world);
    let shipped = world.json(&["policies", "show"])["text"].as_str().expect("text").to_owned();
    let session = |key: &str| people::session(&world, key);
    let (admin, lead) = (session(&world.token()), session(&staff.lead.1));
    let form = |cookie: &str, path: &str, body: &str| people::form(&world, cookie, path, body);
    let page = |cookie: &str, path: &str| {
        http::send(Method::GET, &format!("{}{path}", world.url), &[("cookie", cookie)], "").text()
    };
    let text = format!(
        "{shipped}@id(\"more\") permit (principal in Role::\"monitor\", action == Action::\"evidence.request\", resource);\n"
    );
    // As a browser sends it: lines end in CR LF.
    let encoded: String = text.replace('\n', "\r\n").bytes().map(|byte| format!("%{byte:02X}")).collect();
    let proposed = form(&admin, "/policies", &format!("text={encoded}&reference=CHG-8"));
    assert_eq!(proposed.status, 303, "{}", proposed.text());
    let path = proposed.header("location").expect("leads to the request").to_owned();
    assert!(page(&lead, "/approvals").contains(&path), "it waits for the lead");
    let shown = page(&lead, &path);
    for word in ["role monitor", "evidence.request", "CHG-8", "Approve", "Decline"] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    assert!(!page(&admin, &path).contains("value=\"approve\""), "whoever asked does not vote");
    let own = form(&admin, &format!("{path}/vote"), "vote=approve");
    assert!(own.status == 403 && own.text().contains("somebody else"), "{}", own.text());
    assert_eq!(form(&lead, &format!("{path}/vote"), "vote=approve").status, 303);
    assert_eq!(form(&admin, &format!("{path}/carry-out"), "").status, 303);
    assert!(page(&admin, &path).contains("used"));
    assert_eq!(world.json(&["policies", "show"])["text"], text.as_str());
    assert!(page(&lead, "/policies").contains(path.trim_start_matches("/approvals/")));
}

#[test]
fn given_an_emergency_when_somebody_takes_a_role_then_it_works_at_once_everybody_sees_it_and_another_person_reviews_it()
{
    let world = World::new();
    let staff = people::Staff::new(&world);
    let (monitor, monitor_key) = people::somebody_with(&world, &staff, "monitor");
    let declare = ["emergencies", "declare", "--role", "deployer", "--minutes", "30", "--reference", "INC-5"];
    refused(&world, &staff.trainer.1, &declare, "train-not-deploy");
    let retire = json!({"command": "service.retire", "body": {"service": "credit"}});
    let send = |key: &str| {
        let bearer = format!("Bearer {key}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        http::send(Method::POST, &format!("{}/api/v1/commands", world.url), &headers, retire.to_string())
    };
    assert_eq!(send(&monitor_key).status, 403);
    let emergency = done(&world, &monitor_key, &declare)["emergency"].as_str().expect("an emergency").to_owned();
    assert_eq!(send(&monitor_key).status, 200, "at once");
    let lead = people::session(&world, &staff.lead.1);
    let page = |path: &str| http::send(Method::GET, &format!("{}{path}", world.url), &[("cookie", &lead)], "").text();
    let overview = page("/");
    assert!(overview.contains("Emergency:") && overview.contains(&emergency), "{overview}");
    assert!(page("/emergencies").contains("service.retire on service/credit"));
    let own = ["emergencies", "review", &emergency, "--finding", "justified", "--reference", "INC-5"];
    refused(&world, &monitor_key, &own, "review");
    assert_eq!(people::form(&world, &lead, &format!("/emergencies/{emergency}/end"), "").status, 303);
    assert_eq!(send(&monitor_key).status, 403, "it is over");
    assert!(page("/").contains("waits to be reviewed"));
    let review =
        people::form(&world, &lead, &format!("/emergencies/{emergency}/review"), "finding=justified&reference=INC-5");
    assert_eq!(review.status, 303, "{}", review.text());
    assert!(!page("/").contains("waits to be reviewed"));
    let row = &world.sql("select principal_id, uses, finding, reviewed_by from emergencies")[0];
    assert_eq!(
        (&row["principal_id"], &row["uses"], &row["finding"]),
        (&json!(monitor), &json!(1), &json!("justified"))
    );
    let change = &world.sql("select emergency, post_review_at from changes where kind = 'emergency'")[0];
    assert!(change["emergency"] == true && !change["post_review_at"].is_null(), "{change}");
    let runs = world.json(&["controls", "run", "AI-AC-01", "AI-AC-07"]);
    let outcomes: Vec<&Value> = runs["runs"].as_array().expect("runs").iter().map(|run| &run["outcome"]).collect();
    assert_eq!(outcomes, ["pass", "pass"], "{runs}");
}

#[test]
fn given_a_role_of_their_own_when_defined_and_granted_then_it_permits_what_it_says_and_keeps_duties_apart() {
    let world = World::new();
    let staff = people::Staff::new(&world);
    let wrong = world.cli(&[
        "--json",
        "roles",
        "define",
        "mighty",
        "--action",
        "model.register",
        "--action",
        "service.declare",
    ]);
    assert!(wrong.code == 65 && wrong.err.contains("train-not-deploy"), "{wrong:?}");
    let unknown = world.cli(&["--json", "roles", "define", "odd", "--action", "fly"]);
    assert_eq!(unknown.error(), (65, "invalid".into()));
    let define = ["roles", "define", "stopper", "--action", "read", "--action", "service.retire"];
    let run = world.cli(&[&["--json"], &define[..]].concat());
    assert!(run.err.contains("approval-required"), "{run:?}");
    let asked =
        world.json(&[&define[..], &["--ask", "CHG-3"]].concat())["approval"].as_str().expect("asked").to_owned();
    done(&world, &staff.lead.1, &["approvals", "approve", &asked]);
    world.json(&["approvals", "carry-out", &asked]);
    let (actor, key) = people::somebody_with(&world, &staff, "stopper");
    let explained =
        world.json(&["authz", "explain", "--who", &actor, "--action", "retire", "--resource", "service/credit"]);
    assert_eq!((&explained["permitted"], &explained["policies"]), (&json!(true), &json!(["role-stopper"])));
    assert!(world.json(&["authz", "who-can", "retire", "service/credit"])["actors"].to_string().contains(&actor));
    assert_eq!(done(&world, &key, &["roles", "list"])["stopper"]["actions"], json!(["read", "service.retire"]));
    let words = ["grants", "request", "--actor", &staff.trainer.0, "--role", "stopper", "--reference", "CHG-4"];
    let run = world.cli(&[&["--json"], &words[..]].concat());
    assert!(run.code == 65 && run.err.contains("train-not-deploy"), "{run:?}");
    let pairs = world.sql("select role_b from sod_pairs where role_a = 'stopper' and rule = 'train-not-deploy'");
    assert_eq!(pairs[0]["role_b"], "model_trainer");
    assert_eq!(world.cli(&["--json", "roles", "retire", "stopper"]).error().1, "conflict", "somebody holds it");
}
