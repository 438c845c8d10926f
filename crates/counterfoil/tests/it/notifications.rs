//! People are told what waits for them: by a webhook whose signature the receiver checks, and by a real mail server.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::pki::Authority;
use crate::support::receiver::{self, Receiver};
use crate::support::talk::Talk;
use crate::support::{World, eventually, http, people, tools};

const PUBLIC_URL: &str = "http://localhost:8600";

/// A file that only its owner may read.
fn private(world: &World, name: &str, text: &str) -> String {
    let file = world.file(name, text);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("set");
    file
}

/// Nothing runs; messages would go to this address.
fn telling(address: &str, attempts: &str) -> World {
    let mut world = World::empty(&[("COUNTERFOIL_SERVER_PUBLIC_URL", PUBLIC_URL)]);
    let secret = private(&world, "webhook.secret", &receiver::secret());
    world.set("COUNTERFOIL_NOTIFY_WEBHOOK_URL", address);
    world.set("COUNTERFOIL_NOTIFY_WEBHOOK_SECRET_FILE", &secret);
    world.set("COUNTERFOIL_NOTIFY_WEBHOOK_ATTEMPTS", attempts);
    world
}

/// Asks for other policies, which the security lead must approve; the request's identifier.
fn ask(world: &World, reference: &str) -> String {
    let shipped = world.json(&["policies", "show"])["text"].as_str().expect("text").to_owned();
    let file = world.file("policies.cedar", &format!("{shipped}\n// {reference}\n"));
    let asked = world.json(&["policies", "propose", &file, "--reference", reference]);
    asked["approval"].as_str().expect("a request").to_owned()
}

/// What the ledger says became of what was told of a thing.
fn settled(world: &World, about: &str, channel: &str) -> Vec<Value> {
    world.sql(&format!(
        "select kind, principal_id, delivery, attempts, reason from notifications \
         where about = '{about}' and channel = '{channel}' order by seq"
    ))
}

#[test]
fn given_a_receiver_that_fails_first_when_a_glass_is_broken_then_it_is_told_signed_and_once_with_a_link() {
    let receiver = Receiver::start("127.0.0.1:0", Some("emergency_declared"));
    let mut world = telling(&receiver.url(), "8");
    world.start();
    let staff = people::Staff::new(&world);
    let (monitor, monitor_key) = people::somebody_with(&world, &staff, "monitor");
    let declare = ["emergencies", "declare", "--role", "deployer", "--minutes", "30", "--reference", "INC-5"];
    let declared = world.json(&[&["--token", &monitor_key], &declare[..]].concat());
    let emergency = declared["emergency"].as_str().expect("an emergency").to_owned();
    let told = eventually("the alert arrives", || receiver.of("emergency_declared").pop());
    let (event, data) = (&told.event, &told.event["data"]);
    assert_eq!((&event["specversion"], &event["source"]), (&json!("1.0"), &json!(PUBLIC_URL)));
    assert_eq!(event["subject"], format!("emergency/{emergency}").as_str());
    assert_eq!(data["link"], format!("{PUBLIC_URL}/emergencies#{emergency}").as_str());
    let to = data["to"].to_string();
    assert!(to.contains(&staff.lead.0) && !to.contains(&monitor), "those who can act, not who did: {to}");
    let row = eventually("it is in the ledger", || settled(&world, &format!("emergency/{emergency}"), "webhook").pop());
    assert_eq!((&row["delivery"], &row["reason"]), (&json!("delivered"), &Value::Null));

    // It was answered 500 at first, and came again under the same identifier.
    assert_eq!(row["attempts"], 2);
    let all = receiver.told();
    let answers: Vec<u16> = all.iter().filter(|one| one.id == told.id).map(|one| one.answered).collect();
    assert_eq!(answers, [500, 200]);
    let metrics = http::get(&format!("{}/metrics", world.url)).text();
    assert!(
        metrics.contains("counterfoil_notifications_total{channel=\"webhook\",outcome=\"delivered\"}"),
        "{metrics}"
    );

    let tried = world.json(&["notifications", "test"]);
    assert_eq!(tried["tried"][0]["delivery"], "delivered", "{tried}");
    assert_eq!(receiver.of("test").len(), 1);
    let refused = world.cli(&["--json", "--token", &monitor_key, "notifications", "test"]);
    assert_eq!(refused.error(), (65, "forbidden".into()), "{refused:?}");
}

#[test]
fn given_a_receiver_that_was_away_when_the_server_is_killed_and_starts_again_then_it_is_told_and_never_twice() {
    let receiver = Receiver::start("127.0.0.1:0", None);
    let (url, address) = (receiver.url(), receiver.address.clone());
    let mut world = telling(&url, "8");
    world.start();
    let _staff = people::Staff::new(&world);
    drop(receiver);
    let first = ask(&world, "CHG-1");
    let about = format!("approval/{first}");
    eventually("a try fails", || world.log().contains("will be tried again").then_some(()));
    world.server().kill();
    world.server = None;

    let receiver = Receiver::start(&address, None);
    world.start();
    let told = eventually("it is told after the restart", || receiver.of("approval_requested").pop());
    assert_eq!(told.event["data"]["link"], format!("{PUBLIC_URL}/approvals/{first}").as_str());
    assert_eq!(told.event["data"]["what"], "policies.install on policies");
    eventually("it is in the ledger", || settled(&world, &about, "webhook").pop());
    world.server().kill();
    world.server = None;
    world.start();
    // Something else is told, so the courier has looked at everything since.
    let (other, _) = people::somebody(&world);
    let about = format!("grant/{}", people::ask(&world, &other, "monitor", "org"));
    eventually("the other is in the ledger", || settled(&world, &about, "webhook").pop());
    assert_eq!(receiver.told().iter().filter(|one| one.id == told.id).count(), 1, "never twice");
}

#[test]
fn given_a_dead_receiver_and_a_mail_server_when_people_wait_then_each_gets_a_mail_and_the_dead_ones_message_waits() {
    let name = "mails by a real server";
    let Some(python) = tools::python(name, "aiosmtpd") else { return };
    if !tools::programs(name, &["openssl"]) {
        return;
    }
    // A port that no other test gets, and where nobody listens.
    let mut world = telling("http://127.0.0.1:1/hook", "2");
    let authority = Authority::new(world.dir.path(), "authority");
    let files = authority.sign("mail", &["127.0.0.1"]);
    let mails = world.path("mails.jsonl");
    let script = tools::client("mail_server.py");
    let mut server = Talk::start(Command::new(python).arg(script).args([&files.certificate, &files.key]).arg(&mails));
    let port = server.line();
    let password = private(&world, "mail.password", "a mail secret\n");
    for (key, value) in [
        ("HOST", "127.0.0.1"),
        ("PORT", port.as_str()),
        ("FROM", "Counterfoil <counterfoil@example.com>"),
        ("USERNAME", "counterfoil"),
        ("PASSWORD_FILE", password.as_str()),
        ("CA_FILE", authority.file().as_str()),
    ] {
        world.set(&format!("COUNTERFOIL_NOTIFY_SMTP_{key}"), value);
    }
    // A line break in a name makes no header.
    world.set("COUNTERFOIL_ORGANISATION_NAME", "Acme\r\nBcc: everybody@acme.example");
    world.start();
    let staff = people::Staff::new(&world);
    let (gone, _) = people::somebody_with(&world, &staff, "security_lead");
    let (silent, _) = people::somebody_with(&world, &staff, "security_lead");
    world.json(&["people", "set", &staff.lead.0, "--email", "lead@example.com"]);
    world.json(&["people", "set", &gone, "--email", "gone@example.com"]);
    let approval = ask(&world, "CHG-7");
    let about = format!("approval/{approval}");
    let link = format!("{PUBLIC_URL}/approvals/{approval}");
    let mail = eventually("the mail arrives", || {
        let text = std::fs::read_to_string(&mails).unwrap_or_default();
        let mails = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        mails.into_iter().find(|mail| mail["text"].as_str().is_some_and(|text| text.contains(&link)))
    });
    assert_eq!((&mail["to"], &mail["from"]), (&json!(["lead@example.com"]), &json!("counterfoil@example.com")));
    assert_eq!((&mail["tls"], &mail["authenticated"]), (&json!(true), &json!(true)));
    let text = mail["text"].as_str().expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("headers");
    let unfolded = head.replace("\r\n ", " ");
    assert!(unfolded.contains("your vote is asked for: policies.install on policies"), "{text}");
    assert!(!head.lines().any(|line| line.starts_with("Bcc")) && !body.contains("@example.com"), "{text}");

    let rows = eventually("it is known what became of all three", || {
        Some(settled(&world, &about, "email")).filter(|rows| rows.len() == 3)
    });
    let of = |actor: &str| rows.iter().find(|row| row["principal_id"] == actor).expect("a row").clone();
    assert_eq!(of(&staff.lead.0)["delivery"], "delivered");
    assert_eq!((&of(&gone)["delivery"], &of(&gone)["reason"]), (&json!("failed"), &json!("status_550")));
    assert_eq!((&of(&silent)["delivery"], &of(&silent)["reason"]), (&json!("skipped"), &json!("no_address")));
    eventually("the webhook pauses", || world.log().contains("a channel takes nothing and pauses").then_some(()));
    assert_eq!(settled(&world, &about, "webhook"), [] as [Value; 0], "its message waits for it");
    let waiting = "counterfoil_notifications_waiting{channel=\"webhook\"} ";
    eventually("the gauge says so", || {
        let metrics = http::get(&format!("{}/metrics", world.url)).text();
        metrics.lines().find_map(|line| line.strip_prefix(waiting)).filter(|count| *count != "0").map(drop)
    });

    // Whoever tries hears what is wrong; nothing of an address is in the ledger or the log.
    let tried = world.cli(&["--json", "notifications", "test"]);
    assert_eq!(tried.error(), (2, "not_delivered".into()), "{tried:?}");
    assert_eq!(tried.json()["tried"][1]["reason"], "no_address", "{tried:?}");
    let operator = world.sql("select principal_id from role_grants where role = 'administrator'");
    let operator = operator[0]["principal_id"].as_str().expect("the operator").to_owned();
    world.json(&["people", "set", &operator, "--email", "operator@example.com"]);
    let tried = world.cli(&["--json", "notifications", "test"]).json();
    assert_eq!(tried["tried"][1]["delivery"], "delivered", "{tried}");
    let named = world.sql("select count(*) as n from events where body like '%@example.com%'");
    assert_eq!(named[0]["n"], 0);
    assert!(!world.log().contains("@example.com"), "{}", world.log());
    let cookie = people::session(&world, &staff.lead.1);
    let page = http::send(::http::Method::GET, &format!("{}/approvals", world.url), &[("cookie", &cookie)], "").text();
    assert!(page.contains("What people were told") && page.contains("failed: status_550"), "{page}");
}

#[test]
fn given_no_channel_when_tried_then_the_answer_says_what_to_set() {
    let world = World::empty_organisation();
    let run = world.cli(&["--json", "notifications", "test"]);
    assert_eq!(run.error(), (65, "conflict".into()), "{run:?}");
    assert!(run.err.contains("no channel"), "{run:?}");
    assert_eq!(world.json(&["notifications", "list"]), json!([]));
}
