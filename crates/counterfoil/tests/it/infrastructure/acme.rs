//! Certificates by ACME: a real authority gives them, sees the listener itself, and may be away later.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};

use super::tls::{curl, free_port};
use crate::support::pki::Authority;
use crate::support::world::Process;
use crate::support::{World, eventually, tools};

/// A key by which accounts are bound: 32 bytes in base64url.
const EAB_KEY: &str = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s";

/// An authority on this machine, with its own directory of files.
struct Acme {
    python: PathBuf,
    dir: PathBuf,
    log: PathBuf,
    port: u16,
    /// Where port 443 of every name leads.
    forward: u16,
    process: Option<Process>,
}

impl Acme {
    fn start(&mut self) -> String {
        let mut command = Command::new(&self.python);
        command.arg(tools::client("acme_server.py")).stdin(Stdio::null());
        command.env("DIR", &self.dir).env("EAB_KEY", EAB_KEY);
        command.env("PORT", self.port.to_string()).env("FORWARD", self.forward.to_string());
        let process = Process::start(&mut command, &self.log).unwrap_or_else(|run| panic!("no authority: {run:?}"));
        let directory = process.hello["directory"].as_str().expect("a directory").to_owned();
        self.process = Some(process);
        directory
    }

    fn stop(&mut self) {
        self.process = None;
    }
}

/// An authority that finds the world's server at `forward`, and the world with the settings to ask it. Nothing runs of
/// the world.
fn authority(test: &str, forward: u16) -> Option<(World, Acme, String)> {
    let python = tools::python(test, "acme2certifier")?;
    if !tools::programs(test, &["curl", "openssl"]) {
        return None;
    }
    let mut world = World::empty(&[]);
    let dir = world.path("authority");
    std::fs::create_dir(&dir).expect("a directory");
    let ca = Authority::new(&dir, "ca");
    ca.sign("server", &["localhost"]);
    let log = world.path("authority.log");
    let mut acme = Acme { python, dir, log, port: free_port(), forward, process: None };
    let directory = acme.start();
    let key = world.file("eab.key", EAB_KEY);
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("changed");
    for (setting, value) in [
        ("DIRECTORY", directory.as_str()),
        ("DOMAINS", "counterfoil.test"),
        ("CONTACT", "ops@example.com"),
        ("TERMS_AGREED", "true"),
        ("CA", ca.file().as_str()),
        ("EAB_KID", "kid-1"),
        ("EAB_KEY_FILE", key.as_str()),
    ] {
        world.set(&format!("COUNTERFOIL_ACME_{setting}"), value);
    }
    Some((world, acme, ca.file()))
}

/// What a client gets that believes the authority and calls the server by a name.
fn call(name: &str, port: u16, ca: &str, path: &str) -> (i32, String) {
    let resolve = format!("{name}:{port}:127.0.0.1");
    curl(&["--cacert", ca, "--resolve", &resolve, &format!("https://{name}:{port}{path}")])
}

fn metric(port: u16, ca: &str, name: &str) -> u64 {
    let (_, said) = call("counterfoil.test", port, ca, "/metrics");
    let line = said.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("{name}: {said}")).trim().parse().expect("a number")
}

/// The only file below a directory with this name.
fn kept(data: &Path, name: &str) -> PathBuf {
    let mut found = std::fs::read_dir(data.join("acme")).expect("a directory");
    found.next().expect("an authority's").expect("readable").path().join(name)
}

/// What `openssl x509` says of a certificate, after the `=`, in small letters.
fn said_of(certificate: &Path, what: &[&str]) -> String {
    let said = tools::run(Command::new("openssl").args(["x509", "-noout", "-in"]).arg(certificate).args(what));
    said.trim().rsplit('=').next().expect("a value").replace(':', "").to_lowercase()
}

#[test]
fn given_an_authority_when_the_server_has_no_certificate_then_it_gets_one_and_goes_on_with_it_while_the_authority_is_away()
 {
    let port = free_port();
    let Some((mut world, mut acme, ca)) = authority("certificates by ACME", port) else { return };
    world.listen = format!("127.0.0.1:{port}");
    world.start();
    eventually("a certificate is shown", || (call("counterfoil.test", port, &ca, "/healthz").0 == 0).then_some(()));
    assert_ne!(call("other.test", port, &ca, "/healthz").0, 0, "it is for the names of the settings");

    // The ledger says which one, and commands on this machine believe it.
    let certificate = kept(&world.data, "certificate.pem");
    let rows =
        eventually("the ledger knows", || Some(world.sql("select * from certificates")).filter(|r| !r.is_empty()));
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["sha256"], said_of(&certificate, &["-fingerprint", "-sha256"]).as_str());
    let serial = said_of(&certificate, &["-serial"]);
    assert_eq!(rows[0]["serial"].as_str().expect("text").trim_start_matches('0'), serial.trim_start_matches('0'));
    assert_eq!(rows[0]["names_sha256"], merkle::hex(&Sha256::digest("counterfoil.test\n")).as_str());
    assert!(metric(port, &ca, "counterfoil_tls_certificate_expires_seconds") > 1_700_000_000);
    assert_eq!(metric(port, &ca, "counterfoil_acme_failures_total"), 0);
    for name in ["certificate.pem", "account.json"] {
        let mode = std::fs::metadata(kept(&world.data, name)).expect("kept").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
    // Nothing answers challenges any more.
    let challenge = ["s_client", "-alpn", "acme-tls/1", "-servername", "counterfoil.test", "-connect"];
    let asked = Command::new("openssl").args(challenge).arg(format!("127.0.0.1:{port}")).stdin(Stdio::null()).output();
    assert!(!asked.expect("openssl").status.success());

    // At the start there was nothing to find out.
    let query = "select tls_min from endpoints where endpoint_id = 'listener/n1' and checked_at is not null";
    let found = eventually("what it speaks is found out when it has one", || world.sql(query).pop());
    assert_eq!(found["tls_min"], "1.2");

    // Started again, it needs nobody.
    world.stop();
    acme.stop();
    world.start();
    assert_eq!(call("counterfoil.test", port, &ca, "/healthz").0, 0, "the one that was kept is shown at once");
    assert_eq!(world.log().matches("asking for a certificate").count(), 1, "{}", world.log());
    assert_eq!(world.sql("select * from certificates").len(), 1);

    // Another certificate is due and cannot be had: the old one stays, and that is told.
    world.stop();
    world.set("COUNTERFOIL_ACME_DOMAINS", "counterfoil.test,second.test");
    world.start();
    eventually("the failure is told", || world.log().contains("the old one is shown still").then_some(()));
    assert_eq!(call("counterfoil.test", port, &ca, "/healthz").0, 0);
    assert_eq!(metric(port, &ca, "counterfoil_acme_failures_total"), 1);

    // The authority is back, and the certificate changes while the server serves.
    world.stop();
    acme.start();
    world.start();
    eventually("the new one is shown", || (call("second.test", port, &ca, "/healthz").0 == 0).then_some(()));
    assert_eq!(call("counterfoil.test", port, &ca, "/healthz").0, 0);
    let rows = eventually("the ledger knows", || Some(world.sql("select * from certificates")).filter(|r| r.len() > 1));
    assert_eq!(rows.len(), 2);
    assert_ne!(rows[0]["sha256"], rows[1]["sha256"]);
}

#[test]
fn given_a_server_that_ends_before_it_has_its_certificate_when_started_again_then_it_goes_on_with_the_same_order() {
    let port = free_port();
    let Some((mut world, acme, ca)) = authority("an order that was begun", port) else { return };
    world.listen = format!("127.0.0.1:{port}");
    std::fs::write(acme.dir.join("withheld"), "").expect("written");
    world.start();
    eventually("the failure is told", || world.log().contains("nobody can connect").then_some(()));
    world.stop();
    assert!(kept(&world.data, "order.json").exists());
    std::fs::remove_file(acme.dir.join("withheld")).expect("removed");
    world.set("COUNTERFOIL_ACME_CONTACT", "others@example.com");
    world.start();
    eventually("a certificate is shown", || (call("counterfoil.test", port, &ca, "/healthz").0 == 0).then_some(()));
    assert!(world.log().contains("going on with the order"), "{}", world.log());
    assert!(world.log().contains("was told whom to write to"), "{}", world.log());
    let asked = std::fs::read_to_string(acme.dir.join("asked")).expect("a list");
    assert_eq!(asked.matches("/acme/neworders").count(), 1, "{asked}");
    assert!(!kept(&world.data, "order.json").exists());
}

#[test]
fn given_an_authority_that_does_not_find_the_server_when_asked_then_the_server_says_what_must_lead_to_it() {
    let nowhere = free_port();
    let Some((mut world, _acme, _)) = authority("a name that leads elsewhere", nowhere) else { return };
    world.start();
    eventually("the reason is told", || world.log().contains("nobody can connect").then_some(()));
    let log = world.log();
    assert!(log.contains("`counterfoil.test`") && log.contains("port 443"), "{log}");
    assert!(
        !world
            .data
            .join("acme")
            .read_dir()
            .expect("kept")
            .any(|dir| { dir.expect("readable").path().join("certificate.pem").exists() })
    );
}

#[test]
fn given_an_authority_that_knows_its_accounts_when_the_key_has_another_name_then_its_refusal_is_told() {
    let Some((mut world, _acme, _)) = authority("an account that is not bound", free_port()) else { return };
    world.set("COUNTERFOIL_ACME_EAB_KID", "kid-2");
    world.start();
    eventually("the refusal is told", || world.log().contains("nobody can connect").then_some(()));
    assert!(world.log().contains("urn:ietf:params:acme:error"), "{}", world.log());
}

#[test]
fn given_settings_that_contradict_when_started_then_the_server_says_which_and_what_to_do() {
    let world = World::empty(&[]);
    let acme = "[acme]\ndirectory = \"https://ca.example/dir\"\ndomains = [\"a.example\"]\n";
    for (text, word) in [
        (acme.to_owned(), "terms of service"),
        (format!("{acme}terms_agreed = true\ncontact = \"nobody\"\n"), "e-mail address"),
        (format!("{acme}terms_agreed = true\n[tls]\ncertificate = \"c\"\nkey = \"k\"\n"), "have one of the two"),
        ("[acme]\ndomains = [\"a.example\"]\n".to_owned(), "acme.directory"),
    ] {
        let file = world.file("counterfoil.toml", &text);
        let run = world.cli(&["--json", "config", "check", "--config", &file]);
        assert_eq!(run.error(), (64, "usage".to_owned()), "{text}");
        assert!(run.err.contains(word), "{text}: {}", run.err);
    }
    let file = world.file("good.toml", &format!("{acme}terms_agreed = true\n[server]\nlisten = \"0.0.0.0:443\"\n"));
    assert_eq!(
        world.json(&["config", "check", "--config", &file])["ok"],
        true,
        "such a server may be reached by others"
    );
}
