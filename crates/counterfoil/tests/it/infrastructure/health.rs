//! Signs of life, and an end that leaves nothing to recover.

use serde_json::json;

use crate::support::http::get;
use crate::support::{World, eventually, http};

#[test]
fn given_a_server_when_asked_how_it_is_then_it_says_so_without_a_key() {
    let world = World::new();
    assert_eq!(world.chat("chat").status, 200);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(&format!("{}{path}", world.url)).status, 200, "{path}");
    }
    let metrics = get(&format!("{}/metrics", world.url)).text();
    assert!(metrics.contains("counterfoil_") && metrics.ends_with("# EOF\n"), "{metrics}");
    let checkpoint = get(&format!("{}/log/checkpoint", world.url)).text();
    assert_eq!(checkpoint.lines().nth(3), Some(""), "{checkpoint}");
}

#[test]
fn given_open_doors_when_called_without_a_key_then_only_public_things_are_answered() {
    let world = World::new();
    for path in ["/api/v1/org", "/api/v1/ledger", "/api/v1/events/0", "/api/v1/controls", "/api/v1/evidence"] {
        assert_eq!(get(&format!("{}{path}", world.url)).status, 401, "{path}");
        let bearer = format!("Bearer {}", world.key);
        let answer =
            http::send(::http::Method::GET, &format!("{}{path}", world.url), &[("authorization", &bearer)], "");
        assert!(matches!(answer.status, 401 | 403), "a service's key opens no management: {path}: {}", answer.status);
    }
}

#[test]
fn given_a_server_without_tls_when_probed_then_the_ledger_says_that_it_speaks_in_clear_on_this_machine_alone() {
    let mut world = World::new();
    let headers = get(&format!("{}/v1/models", world.url)).headers;
    assert!(headers.contains_key("x-content-type-options") && !headers.contains_key("strict-transport-security"));
    let found = |wanted: &str| {
        let query = format!(
            "select zone, tls_min, client_auth, retired_at is null as used from endpoints where endpoint_id = '{wanted}' and checked_at is not null"
        );
        eventually("it is probed", || world.sql(&query).pop())
    };
    let listener = json!({"zone": "loopback", "tls_min": null, "client_auth": "required", "used": true});
    assert_eq!(found("listener/n1"), listener);
    let provider = json!({"zone": "loopback", "tls_min": null, "client_auth": null, "used": true});
    assert_eq!(found("provider/stand-in"), provider, "declared after the start, and asked then");
    world.stop();
    let gone = "select endpoint_id from endpoints where retired_at is not null";
    assert_eq!(world.sql(gone), [json!({"endpoint_id": "listener/n1"})], "without a node nobody listens");
}

#[test]
fn given_records_when_the_server_is_asked_to_end_then_it_seals_them_and_the_next_start_recovers_nothing() {
    let mut world = World::new();
    for _ in 0..3 {
        assert_eq!(world.chat("chat").status, 200);
    }
    world.stop();
    assert!(!world.data.join("run.json").exists());
    world.start();
    assert_eq!(world.sql("select count(*) as n from inference_records"), [json!({"n": 3})]);
    let recovered = "select count(*) as n from events where type = 'node.recovered'";
    assert_eq!(world.sql(recovered), [json!({"n": 0})], "a clean end leaves nothing to recover");
    let counted = world.sql("select sum(requests) as requests, sum(logged) as logged from gateway_counters");
    assert_eq!(counted, [json!({"requests": 3, "logged": 3})]);
}
