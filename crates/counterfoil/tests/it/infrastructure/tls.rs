//! The listener with TLS: what clients must believe, what they may speak, and certificates that change.

use std::process::Command;

use serde_json::json;

use crate::support::pki::Authority;
use crate::support::{World, eventually, tools, world::ask};

/// A world whose server has a certificate for `localhost` and this machine's address, and the file with its authority.
fn secured(more: &[(&str, &str)]) -> (World, Authority, String) {
    let mut world = World::empty(more);
    let authority = Authority::new(world.dir.path(), "ca");
    let files = authority.sign("server", &["localhost", "127.0.0.1"]);
    world.set("COUNTERFOIL_TLS_CERTIFICATE", &files.certificate);
    world.set("COUNTERFOIL_TLS_KEY", &files.key);
    world.begin();
    let ca = authority.file();
    (world, authority, ca)
}

/// What curl said: its exit code, and head and body.
pub fn curl(arguments: &[&str]) -> (i32, String) {
    let output = Command::new("curl").args(["-sS", "-i", "--max-time", "30"]).args(arguments).output().expect("curl");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout) + &text(&output.stderr))
}

/// A free port, to be taken again in a moment.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

#[test]
fn given_a_private_authority_when_the_stock_python_client_believes_it_then_inference_over_tls_works_unchanged() {
    let test = "the Python OpenAI client over TLS";
    let Some(python) = tools::python(test, "openai") else { return };
    if !tools::programs(test, &["openssl"]) {
        return;
    }
    let (world, _authority, ca) = secured(&[]);
    assert!(world.url.starts_with("https://"), "{}", world.url);
    let said = tools::run(
        Command::new(python)
            .arg(tools::client("openai_client.py"))
            .env("BASE_URL", format!("{}/v1", world.url))
            .env("API_KEY", &world.key)
            .env("SSL_CERT_FILE", &ca)
            .env("PYTHONIOENCODING", "utf-8"),
    );
    assert_eq!(said.lines().count(), 12, "{said}");
}

#[test]
fn given_tls_when_clients_speak_it_then_old_versions_strangers_and_plain_http_are_refused_and_browsers_are_told_to_stay()
 {
    if !tools::programs("TLS of the listener", &["curl", "openssl"]) {
        return;
    }
    let (world, _authority, ca) = secured(&[]);
    let page = format!("{}/signin", world.url);
    for version in ["--tlsv1.2", "--tlsv1.3"] {
        let (code, said) = curl(&["--cacert", &ca, version, &page]);
        assert!(code == 0 && said.contains("200 OK"), "{version}: {said}");
    }
    // Every door says so: pages, API, and those for inference, whether they answer or refuse.
    for path in ["/signin", "/api/v1/org", "/v1/models", "/v1/chat/completions", "/v1/nothing", "/v2", "/v2/nothing"] {
        let (_, said) = curl(&["--cacert", &ca, &format!("{}{path}", world.url)]);
        let head = said.to_lowercase();
        for header in ["strict-transport-security: max-age=31536000", "x-content-type-options: nosniff"] {
            assert_eq!(head.matches(header).count(), 1, "{path}: {header}: {said}");
        }
        assert!(head.contains("content-security-policy: default-src 'none'"), "{path}: {said}");
    }
    let (code, said) =
        curl(&["--cacert", &ca, "--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", &page]);
    assert_ne!(code, 0, "{said}");
    assert_ne!(curl(&[&page]).0, 0, "the authority is believed by nobody else");
    let plain = curl(&[&page.replace("https://", "http://")]);
    assert!(plain.0 != 0 || !plain.1.contains("200 OK"), "{plain:?}");
    let cbc = ["--cacert", &ca, "--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-AES128-SHA256:AES128-SHA", &page];
    assert_ne!(curl(&cbc).0, 0, "no suites from before authenticated encryption");

    // The command line believes the certificate that the server told in its data directory, or the authority in a file.
    let link = world.json(&["signin"])["url"].as_str().expect("a link").to_owned();
    assert!(link.starts_with("https://"), "{link}");
    let token = std::fs::read_to_string(world.data.join("operator.token")).expect("a token");
    let at = ["--json", "--url", &world.url, "--token", token.trim(), "sql", "select 1 as one"];
    assert_eq!(world.cli(&at).error(), (69, "unreachable".into()));
    let believing = [&["--ca-file", &ca][..], &at].concat();
    assert_eq!(world.cli(&believing).json()[0]["one"], 1);

    let secret = link.rsplit('/').next().expect("a secret");
    let open = format!("{}/signin/{secret}", world.url);
    let origin = format!("origin: {}", world.url);
    let (_, opened) = curl(&["--cacert", &ca, "-X", "POST", "-H", &origin, "-H", "sec-fetch-site: same-origin", &open]);
    let cookie = opened.lines().find(|line| line.to_lowercase().starts_with("set-cookie:")).expect("a session");
    assert!(cookie.contains("Secure") && cookie.contains("HttpOnly"), "{cookie}");
}

#[test]
fn given_a_listener_with_tls_when_probed_then_the_ledger_says_what_it_speaks_and_that_it_asks_who_calls() {
    if !tools::programs("probes of the listener", &["openssl"]) {
        return;
    }
    let from = format!("127.0.0.1:{}", free_port());
    let (world, _authority, _ca) = secured(&[("COUNTERFOIL_TLS_REDIRECT_FROM", &from)]);
    let query = "select endpoint_id, address, zone, tls_min, client_auth from endpoints \
        where checked_at is not null and retired_at is null order by endpoint_id";
    let found = eventually("everything is probed", || Some(world.sql(query)).filter(|rows| rows.len() == 3));
    let expected = json!([
        {"endpoint_id": "listener/n1", "address": world.url, "zone": "loopback", "tls_min": "1.2", "client_auth": "required"},
        {"endpoint_id": "provider/stand-in", "address": world.upstream.base_url, "zone": "loopback", "tls_min": null,
            "client_auth": null},
        {"endpoint_id": "redirect/n1", "address": format!("http://{from}"), "zone": "loopback", "tls_min": null,
            "client_auth": "redirects"},
    ]);
    assert_eq!(json!(found), expected);
    let tested = world.json(&["controls", "run", "AI-CR-03"]);
    let run = &tested["runs"][0];
    // The stand-in speaks in clear. A listener that only sends browsers on serves nothing that could be secured.
    assert_eq!(
        (&run["outcome"], &run["population"], &run["violations"]),
        (&json!("fail"), &json!(2), &json!(1)),
        "{run}"
    );
}

#[test]
fn given_a_certificate_that_changes_when_renewed_then_the_new_one_is_shown_without_a_restart_and_a_broken_one_is_not() {
    if !tools::programs("a certificate that changes", &["curl", "openssl"]) {
        return;
    }
    let (world, _authority, ca) = secured(&[]);
    let page = format!("{}/healthz", world.url);
    assert_eq!(curl(&["--cacert", &ca, &page]).0, 0);
    let other = Authority::new(world.dir.path(), "new-ca");
    let new_ca = other.file();
    assert_ne!(curl(&["--cacert", &new_ca, &page]).0, 0);
    std::fs::write(world.path("server.pem"), "half a file").expect("written");
    eventually("the broken file is told", || world.log().contains("cannot be used").then_some(()));
    assert_eq!(curl(&["--cacert", &ca, &page]).0, 0, "the old one is shown still");
    other.sign("server", &["localhost", "127.0.0.1"]);
    eventually("the new one is shown", || (curl(&["--cacert", &new_ca, &page]).0 == 0).then_some(()));
    assert_eq!(world.sql("select 1 as one")[0]["one"], 1, "commands on this machine go along");
}

#[test]
fn given_an_address_that_others_reach_when_nothing_speaks_tls_then_the_server_does_not_start() {
    let mut world = World::empty(&[]);
    let refused = world.cli(&["--json", "serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(refused.error(), (64, "usage".into()));
    assert!(refused.err.contains("tls.certificate") && refused.err.contains("server.behind_proxy"), "{}", refused.err);
    let file = world.file("c.toml", "[server]\nlisten = \"0.0.0.0:8600\"\n");
    let check = world.cli(&["--json", "config", "check", "--config", &file]);
    assert!(check.code == 64 && check.err.contains("c.toml:2:10"), "{check:?}");
    let half = world.file("d.toml", "[tls]\ncertificate = \"/nowhere.pem\"\nkey = \"/nowhere.key\"\n");
    let check = world.cli(&["--json", "config", "check", "--config", &half]);
    assert!(check.code == 64 && check.err.contains("d.toml:2:15") && check.err.contains("/nowhere.pem"), "{check:?}");
    world.set("COUNTERFOIL_SERVER_BEHIND_PROXY", "true");
    world.start();
}

#[test]
fn given_a_listener_without_tls_beside_when_a_browser_comes_then_it_is_sent_to_the_one_with_tls() {
    if !tools::programs("the redirect", &["curl", "openssl"]) {
        return;
    }
    let from = format!("127.0.0.1:{}", free_port());
    let (world, _authority, ca) = secured(&[("COUNTERFOIL_TLS_REDIRECT_FROM", &from)]);
    let plain = format!("http://{from}/signin?x=1");
    let (_, said) = curl(&[&plain]);
    assert!(said.contains("308") && said.contains(&format!("location: {}/signin?x=1", world.url)), "{said}");
    let (code, said) = curl(&["--cacert", &ca, "-L", &plain]);
    assert!(code == 0 && said.contains("200 OK"), "{said}");
    let body = ask("chat").to_string();
    let (_, said) =
        curl(&["-H", "content-type: application/json", "-d", &body, &format!("http://{from}/v1/chat/completions")]);
    assert!(said.contains("308"), "nothing is served there: {said}");
}
