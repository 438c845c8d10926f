//! Nothing leaves by itself: the kernel sees every connection that the program opens.

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::http::get;
use crate::support::trace::{Reached, inet};
use crate::support::{World, tools};

#[test]
fn given_a_day_of_work_when_watched_then_the_server_reaches_itself_and_its_providers_only_and_commands_the_server_only()
{
    let Some(strace) = tools::strace("nothing leaves by itself") else { return };
    let mut world = World::empty(&[]);
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
    assert_eq!(by_server.addresses(), BTreeSet::from([inet(&world.upstream.base_url), server.clone()]));
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
