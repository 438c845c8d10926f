//! Custodians of the root key: each keeps a server going over restarts; one that is away stops sealing after the grace,
//! and not before; and the passphrase of a root key file.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::support::custodians::{Bao, secret, soft_hsm};
use crate::support::http::get;
use crate::support::receiver::{self, Receiver};
use crate::support::{World, eventually};

/// Settings for a Transit engine, with the token in a file.
fn transit(world: &mut World, bao: &Bao, grace_seconds: &str) {
    let token = secret(&world.path("bao-token"), Bao::TOKEN);
    world.set("COUNTERFOIL_CUSTODIAN_KIND", "transit");
    world.set("COUNTERFOIL_CUSTODIAN_ADDRESS", &bao.address);
    world.set("COUNTERFOIL_CUSTODIAN_TOKEN_FILE", &token);
    world.set("COUNTERFOIL_CUSTODIAN_GRACE_SECONDS", grace_seconds);
}

/// Settings for a device, with the PIN in a file; that file.
fn device(world: &mut World, module: &Path, conf: &Path, pin: &str) -> PathBuf {
    let pin_file = world.path("pin");
    for (name, value) in [
        ("SOFTHSM2_CONF", conf.display().to_string()),
        ("COUNTERFOIL_CUSTODIAN_KIND", "pkcs11".to_owned()),
        ("COUNTERFOIL_CUSTODIAN_MODULE", module.display().to_string()),
        ("COUNTERFOIL_CUSTODIAN_TOKEN_LABEL", "custody".to_owned()),
        ("COUNTERFOIL_CUSTODIAN_PIN_FILE", secret(&pin_file, pin)),
    ] {
        world.set(name, &value);
    }
    pin_file
}

fn reports(world: &World) -> Vec<serde_json::Value> {
    let rows = world.sql("select body from events where type = 'encryption.custodian.reported' order by seq");
    let body = |row: &serde_json::Value| {
        let body: serde_json::Value = serde_json::from_str(row["body"].as_str().expect("text")).expect("JSON");
        json!([body["kind"], body["key_id"], body["reachable"]])
    };
    rows.iter().map(body).collect()
}

#[test]
fn given_openbao_as_custodian_when_restarted_then_what_was_sealed_opens_and_no_root_key_lies_on_the_disk() {
    let mut world = World::empty(&[]);
    let Some(bao) = Bao::start("custodian openbao", world.dir.path()) else { return };
    transit(&mut world, &bao, "3600");
    world.begin();
    assert_eq!(world.chat("chat").status, 200);
    assert!(!world.data.join("root.key").exists());
    world.stop();
    world.start();
    assert_eq!(world.chat("chat").status, 200);
    let told = json!(["transit", "transit:transit/counterfoil", true]);
    eventually("the custodian is in the ledger", || (reports(&world) == [told.clone()]).then_some(()));
    let metrics = get(&format!("{}/metrics", world.url)).text();
    assert!(metrics.contains("counterfoil_custodian_reachable 1"), "{metrics}");
    assert!(metrics.contains("counterfoil_custodian_grace_left_seconds -1"), "{metrics}");
    assert!(!world.log().contains(Bao::TOKEN));
    world.stop();

    // Without its custodian it does not start, and says whom it misses.
    drop(bao);
    let run = world.try_start().expect_err("nobody has the root key");
    assert_eq!(run.code, 5, "{run:?}");
    assert!(run.err.contains("custodian transit:transit/counterfoil: "), "{run:?}");
}

#[test]
fn given_a_custodian_that_goes_away_when_the_grace_is_over_then_calls_are_refused_until_it_is_back() {
    let told = Receiver::start("127.0.0.1:0", None);
    let mut world = World::empty(&[
        ("COUNTERFOIL_SERVER_PUBLIC_URL", "https://counterfoil.example"),
        ("COUNTERFOIL_NOTIFY_WEBHOOK_URL", &told.url()),
    ]);
    let Some(bao) = Bao::start("custodian away", world.dir.path()) else { return };
    let webhook = world.path("webhook-secret");
    world.set("COUNTERFOIL_NOTIFY_WEBHOOK_SECRET_FILE", &secret(&webhook, &receiver::secret()));
    transit(&mut world, &bao, "12");
    world.begin();
    assert_eq!(world.chat("chat").status, 200);
    let ready = |world: &World| get(&format!("{}/readyz", world.url));
    assert_eq!(ready(&world).text(), "ready\n");
    let report = |reachable: bool| json!(["transit", "transit:transit/counterfoil", reachable]);
    eventually("the custodian is in the ledger", || (reports(&world) == [report(true)]).then_some(()));

    bao.pause(true);
    eventually("it is noticed", || ready(&world).text().contains("ready, but the custodian").then_some(()));
    assert_eq!(ready(&world).status, 200);
    assert_eq!(world.chat("chat").status, 200, "sealing goes on with keys that are held");
    assert!(get(&format!("{}/metrics", world.url)).text().contains("counterfoil_custodian_reachable 0"));
    eventually("the alert is in the log", || world.log().contains("ALERT: the custodian").then_some(()));
    let alert = eventually("somebody is told", || told.of("custodian_away").pop());
    assert_eq!(alert.event["subject"], "encryption/root");
    assert_eq!(alert.event["data"]["what"], "transit:transit/counterfoil");

    eventually("the grace is over", || (ready(&world).status == 503).then_some(()));
    let refused = eventually("it fails closed", || Some(world.chat("chat")).filter(|answer| answer.status == 503));
    let message = refused.json()["error"]["message"].to_string();
    assert!(message.contains("the custodian of the root key cannot be reached"), "{message}");
    let calls = world.upstream.seen().len();
    assert_eq!(world.chat("chat").status, 503);
    assert_eq!(world.upstream.seen().len(), calls, "no provider is called while nothing can be sealed");

    bao.pause(false);
    eventually("it is ready again", || (ready(&world).text() == "ready\n").then_some(()));
    eventually("service resumes", || (world.chat("chat").status == 200).then_some(()));
    let expected = [report(true), report(false), report(true)];
    eventually("the ledger knows", || (reports(&world) == expected).then_some(()));
    assert!(!world.log().contains(Bao::TOKEN));
    world.stop();
}

#[test]
fn given_a_device_as_custodian_when_restarted_then_what_was_sealed_opens_and_no_root_key_lies_on_the_disk() {
    let pin = "31415926";
    let mut world = World::empty(&[]);
    let Some((module, conf)) = soft_hsm("custodian softhsm", world.dir.path(), pin) else { return };
    let pin_file = device(&mut world, &module, &conf, pin);
    world.begin();
    assert_eq!(world.chat("chat").status, 200);
    assert!(!world.data.join("root.key").exists());
    world.stop();
    world.start();
    assert_eq!(world.chat("chat").status, 200);
    let told = json!(["pkcs11", "pkcs11:custody/counterfoil", true]);
    eventually("the custodian is in the ledger", || (reports(&world) == [told.clone()]).then_some(()));
    world.stop();
    secret(&pin_file, "00000000");
    let run = world.try_start().expect_err("the PIN is wrong");
    assert!(run.code == 5 && run.err.contains("custodian pkcs11:counterfoil: "), "{run:?}");
    assert!(!run.err.contains("00000000"), "{run:?}");
}

#[test]
fn given_a_root_key_file_when_put_under_a_passphrase_then_it_opens_with_that_alone_and_never_while_a_server_runs() {
    let mut world = World::new();
    assert_eq!(world.chat("chat").status, 200);
    let passphrase = world.path("passphrase");
    world.set("COUNTERFOIL_CUSTODIAN_PASSPHRASE_FILE", &secret(&passphrase, "correct horse battery staple\n"));
    let running = world.cli(&["--json", "encryption", "passphrase"]);
    assert_eq!(running.error(), (5, "locked".into()), "{running:?}");
    world.stop();
    let refused = world.try_start().expect_err("a passphrase is named that is not in force");
    assert!(refused.err.contains("is under no passphrase"), "{refused:?}");

    let root = || std::fs::read_to_string(world.data.join("root.key")).expect("the root key file");
    let key = root()[23..87].to_owned();
    assert_eq!(world.json(&["encryption", "passphrase"])["passphrase"], true);
    assert!(root().starts_with("counterfoil-root-key-2 argon2id ") && !root().contains(&key));
    world.start();
    assert_eq!(world.chat("chat").status, 200);
    world.stop();

    let old = world.path("old");
    let from = secret(&old, "correct horse battery staple\n");
    secret(&passphrase, "another one\n");
    let wrong = world.try_start().expect_err("it is another passphrase");
    assert!(wrong.err.contains("does not open with this passphrase"), "{wrong:?}");
    world.json(&["encryption", "passphrase", "--from-file", &from]);
    world.start();
    world.stop();
    let removed =
        world.json(&["encryption", "passphrase", "--from-file", &passphrase.display().to_string(), "--remove"]);
    assert_eq!(removed["passphrase"], false);
    world.set("COUNTERFOIL_CUSTODIAN_PASSPHRASE_FILE", "");
    world.start();
    assert_eq!(world.chat("chat").status, 200);
    world.stop();
}

#[test]
fn given_a_root_key_file_when_moved_to_openbao_and_on_to_a_device_then_each_serves_and_the_one_before_opens_nothing() {
    let mut world = World::new();
    let Some(bao) = Bao::start("moved custodian", world.dir.path()) else { return };
    assert_eq!(world.chat("chat").status, 200);
    let file = world.file("file.toml", "[custodian]\nkind = \"file\"\n");
    let step = |from: &str| ["encryption", "move-custodian", "--from", from].map(str::to_owned);
    let moved = |world: &World, from: &str| {
        let words = step(from);
        world.json(&words.each_ref().map(String::as_str))
    };
    let retired = |world: &World, from: &str| {
        let words = step(from);
        world.json(&[&words.each_ref().map(String::as_str)[..], &["--retire-old"]].concat())
    };
    transit(&mut world, &bao, "3600");
    let running = world.cli(&["--json", "encryption", "move-custodian", "--from", &file]);
    assert_eq!(running.error(), (5, "locked".into()), "{running:?}");
    world.stop();
    let refused = world.try_start().expect_err("the root is not there yet");
    assert_eq!(refused.code, 5, "{refused:?}");
    let early = world.cli(&["--json", "encryption", "move-custodian", "--from", &file, "--retire-old"]);
    assert_eq!(early.error(), (5, "keys".into()), "{early:?}");
    assert!(world.data.join("root.key").exists());

    let done = moved(&world, &file);
    assert_eq!((&done["key_id"], &done["moved"]), (&json!("transit:transit/counterfoil"), &json!(true)), "{done}");
    assert_eq!(moved(&world, &file)["moved"], false, "doing it again changes nothing");
    assert_eq!(reports(&world), [json!(["transit", "transit:transit/counterfoil", true])]);
    assert!(world.data.join("root.key").exists(), "there is a way back until it is retired");
    world.start();
    assert_eq!(world.chat("chat").status, 200);
    world.stop();
    assert_eq!(retired(&world, &file)["forgotten"], true);
    assert!(!world.data.join("root.key").exists());

    let pin = "31415926";
    let Some((module, conf)) = soft_hsm("moved custodian", world.dir.path(), pin) else { return };
    let token = world.path("bao-token");
    let before = format!(
        "[custodian]\nkind = \"transit\"\naddress = \"{}\"\ntoken_file = \"{}\"\n",
        bao.address,
        token.display()
    );
    let before = world.file("transit.toml", &before);
    ["ADDRESS", "TOKEN_FILE"].iter().for_each(|key| world.set(&format!("COUNTERFOIL_CUSTODIAN_{key}"), ""));
    device(&mut world, &module, &conf, pin);
    assert_eq!(moved(&world, &before)["key_id"], "pkcs11:custody/counterfoil");
    assert_eq!(retired(&world, &before)["forgotten"], true);
    drop(bao);
    world.start();
    assert_eq!(world.chat("chat").status, 200);
    let told: Vec<_> = reports(&world).into_iter().map(|report| report[0].clone()).collect();
    assert_eq!(told, ["transit", "pkcs11"]);
    world.stop();
}
