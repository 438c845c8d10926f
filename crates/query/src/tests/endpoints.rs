//! Endpoints, as probes found them.

use domain::infrastructure::{ClientAuth, Endpoint, EndpointsProbed, Found, NodeJoined, NodeStopped, TlsVersion, Zone};
use domain::vendors::ProviderRetired;

use super::*;

const ROWS: &str =
    "SELECT endpoint_id, zone, tls_min, client_auth, checked_at, retired_at FROM endpoints ORDER BY endpoint_id";

/// Where the provider of [`World::filled`] is.
const ACME: &str = "https://api.example.org/v1";

fn probed(incarnation: u64, endpoints: &[(&str, &str, Option<Found>)]) -> Event {
    let endpoint = |(endpoint, address, found): &(&str, &str, Option<Found>)| Endpoint {
        endpoint: (*endpoint).into(),
        address: (*address).into(),
        found: *found,
    };
    let endpoints = endpoints.iter().map(endpoint).collect();
    Event::EndpointsProbed(EndpointsProbed { node: "n1".into(), incarnation, endpoints })
}

fn found(zone: Zone, tls_min: Option<TlsVersion>, client_auth: Option<ClientAuth>) -> Option<Found> {
    Some(Found { zone, tls_min, client_auth })
}

#[test]
fn an_endpoint_is_a_row_before_it_is_probed_and_says_what_the_newest_probe_found() {
    run(async {
        let world = World::filled();
        let rows = ["listener/n1|-|-|-|-|-", "provider/acme|-|-|-|-|-"];
        assert_eq!(ask(&world.session().await, ROWS).await, rows, "there, and never probed");
        let listener =
            ("listener/n1", "http://127.0.0.1:8600", found(Zone::Loopback, None, Some(ClientAuth::Required)));
        let acme = ("provider/acme", ACME, found(Zone::Public, Some(TlsVersion::V1_2), None));
        world.add(T0 + HOUR, probed(1, &[listener, acme]));
        let at = "2026-11-22T11:00:00";
        let first = [format!("listener/n1|loopback|-|required|{at}|-"), format!("provider/acme|public|1.2|-|{at}|-")];
        assert_eq!(ask(&world.session().await, ROWS).await, first);
        // What cannot be reached any more keeps what was found, and its age.
        world.add(T0 + 2 * HOUR, probed(1, &[listener, ("provider/acme", ACME, None)]));
        let rows = ask(&world.session().await, ROWS).await;
        assert_eq!(rows[1], first[1]);
        assert_eq!(rows[0], "listener/n1|loopback|-|required|2026-11-22T12:00:00|-");
        // A probe of where the provider was before says nothing of where it is.
        world.add(T0 + 3 * HOUR, probed(1, &[listener, ("provider/acme", "https://old.example", acme.2)]));
        assert_eq!(ask(&world.session().await, ROWS).await[1], first[1]);
        let address = "SELECT address, env FROM endpoints ORDER BY endpoint_id";
        let expected = ["http://127.0.0.1:8600|prod".to_owned(), format!("{ACME}|prod")];
        assert_eq!(ask(&world.session().await, address).await, expected);
    });
}

#[test]
fn a_listener_lives_as_long_as_its_node_and_a_provider_until_it_is_retired() {
    run(async {
        let world = World::filled();
        let clear = found(Zone::Any, None, Some(ClientAuth::Redirects));
        let secure = found(Zone::Any, Some(TlsVersion::V1_2), Some(ClientAuth::Required));
        let listener = ("listener/n1", "https://0.0.0.0:8600", secure);
        world.add(T0 + HOUR, probed(1, &[listener, ("redirect/n1", "http://0.0.0.0:80", clear)]));
        let retired = "SELECT endpoint_id, tls_min, retired_at FROM endpoints ORDER BY endpoint_id";
        let there = ["listener/n1|1.2|-", "provider/acme|-|-", "redirect/n1|-|-"];
        assert_eq!(ask(&world.session().await, retired).await, there);
        world.add(T0 + 2 * HOUR, probed(1, &[listener]));
        let ended = NodeStopped { node: "n1".into(), incarnation: 1 };
        world.add(T0 + 3 * HOUR, Event::NodeStopped(ended));
        world.add(T0 + 3 * HOUR, Event::ProviderRetired(ProviderRetired { provider: "acme".into() }));
        // Written by a probe that was under way when the node ended.
        world.add(T0 + 3 * HOUR + MINUTE, probed(1, &[listener]));
        let gone = [
            "listener/n1|1.2|2026-11-22T13:00:00",
            "provider/acme|-|2026-11-22T13:00:00",
            "redirect/n1|-|2026-11-22T12:00:00",
        ];
        assert_eq!(ask(&world.session().await, retired).await, gone);
        let joined = NodeJoined { node: "n1".into(), incarnation: 2, program: "0.1.0".into() };
        world.add(T0 + 4 * HOUR, Event::NodeJoined(joined));
        let again = ask(&world.session().await, retired).await;
        assert_eq!(again[0], "listener/n1|-|-", "there again, and to be probed again");
    });
}
