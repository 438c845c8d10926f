//! Nothing leaves by itself: the kernel sees every connection that the program opens.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::support::http::get;
use crate::support::receiver::{self, Receiver};
use crate::support::trace::{Reached, inet};
use crate::support::{World, tools};

#[test]
fn given_a_day_of_work_when_watched_then_the_server_reaches_itself_and_whom_the_settings_name_and_commands_the_server_only()
 {
    let Some(strace) = tools::strace("nothing leaves by itself") else { return };
    // Nobody listens at the address of the mail server: what counts is who is called.
    let (receiver, mail) = (Receiver::start("127.0.0.1:0", None), Receiver::start("127.0.0.1:0", None));
    let mail_address = mail.address.clone();
    drop(mail);
    let mut world = World::empty(&[("COUNTERFOIL_SERVER_PUBLIC_URL", "http://localhost:8600")]);
    let secret = world.file("webhook.secret", &receiver::secret());
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).expect("set");
    world.set("COUNTERFOIL_NOTIFY_WEBHOOK_URL", &receiver.url());
    world.set("COUNTERFOIL_NOTIFY_WEBHOOK_SECRET_FILE", &secret);
    for (key, value) in [("HOST", "127.0.0.1"), ("FROM", "counterfoil@example.com"), ("TLS", "none")] {
        world.set(&format!("COUNTERFOIL_NOTIFY_SMTP_{key}"), value);
    }
    world.set("COUNTERFOIL_NOTIFY_SMTP_PORT", mail_address.split(':').next_back().expect("a port"));
    let by_server = Reached::by(&mut world, &strace, "server");
    world.start();
    let by_commands = Reached::by(&mut world, &strace, "commands");
    world.apply();
    world.key = world.create_key("support");
    for route in ["chat", "limited", "broken", "reset", "no-such-route"] {
        world.chat(route);
    }
    let mut stream = crate::support::world::ask("chat");
    stream["stream"] = true.into();
    assert_eq!(world.post("/v1/chat/completions", &stream).status, 200);
    world.json(&["signin"]);
    let operator = world.sql("select principal_id from role_grants where role = 'administrator'");
    let operator = operator[0]["principal_id"].as_str().expect("the operator").to_owned();
    world.json(&["people", "set", &operator, "--email", "operator@example.com"]);
    assert_eq!(
        world.cli(&["--json", "notifications", "test"]).error().1,
        "not_delivered",
        "the mail, for nobody listens"
    );
    assert_eq!(receiver.of("test").len(), 1);
    for page in ["/healthz", "/readyz", "/metrics", "/log/checkpoint"] {
        assert_eq!(get(&format!("{}{page}", world.url)).status, 200, "{page}");
    }
    world.json(&["records", "seal"]);
    world.json(&["controls", "run"]);
    let pack = world.path("pack.zip").display().to_string();
    world.json(&["evidence", "export", "--from", "2020-01-01", "-o", &pack]);
    let server = inet(&world.url);
    world.stop();
    // It asks itself, too: what its own listener does is found out as any client would.
    let named = [inet(&world.upstream.base_url), inet(&receiver.url()), inet(&mail_address), server.clone()];
    assert_eq!(by_server.addresses(), BTreeSet::from(named));
    assert_eq!(by_commands.addresses(), BTreeSet::from([server]));

    // Without a server, and for the auditor, there is nobody to reach.
    let offline = Reached::by(&mut world, &strace, "offline");
    let count = json!([{"n": 6}]);
    assert_eq!(json!(world.sql("select count(*) as n from inference_records")), count);
    let package = ["sql", "--package", &pack, "select count(*) as n from inference_records"];
    assert_eq!(world.json(&package), count);
    world.json(&["verify", &pack]);
    assert_eq!(offline.addresses(), BTreeSet::new());
}
