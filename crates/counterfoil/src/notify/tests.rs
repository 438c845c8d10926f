//! What is said of wrong settings, and what a message looks like on its way.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::webhook::sign;
use super::*;
use crate::config::{ConfigError, Environment};

fn secret_file(dir: &Path, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join("secret");
    std::fs::write(&path, text).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("set");
    path.display().to_string()
}

fn load(text: &str) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("counterfoil.toml");
    std::fs::write(&path, text).expect("written");
    Config::load_to_serve(Some(&path), &Environment::new())
}

#[test]
fn given_wrong_settings_when_loaded_then_the_error_names_the_place_and_what_to_write() {
    let url = "[server]\npublic_url = \"https://c.example\"\n";
    let webhook = |rest: &str| format!("{url}[notify_webhook]\n{rest}");
    let smtp = |rest: &str| format!("{url}[notify_smtp]\n{rest}");
    for (text, said) in [
        (
            webhook("url = \"http://hooks.example/x\"\nsecret_file = \"s\"\n"),
            "`notify_webhook.url`: `http://hooks.example/x`",
        ),
        (webhook("url = \"https://u:p@hooks.example/x\"\nsecret_file = \"s\"\n"), "`notify_webhook.url`"),
        (webhook("url = \"hooks\"\nsecret_file = \"s\"\n"), "`notify_webhook.url`"),
        (webhook("url = \"https://hooks.example/x\"\n"), "`notify_webhook.secret_file`: messages are signed"),
        (webhook("url = \"https://hooks.example/x\"\nsecret_file = \"/nowhere\"\n"), "`notify_webhook.secret_file`"),
        (webhook("url = \"https://h.example\"\nsecret_file = \"s\"\nsecret_env = \"S\"\n"), "name one place"),
        (
            webhook("url = \"https://h.example\"\nsecret_env = \"COUNTERFOIL_HOOK\"\n"),
            "`notify_webhook.secret_env`: `COUNTERFOIL_HOOK` begins with",
        ),
        (webhook("url = \"https://h.example\"\nsecret_file = \"s\"\nattempts = 0\n"), "`notify_webhook.attempts`"),
        (smtp("host = \"mail.example.com\"\n"), "`notify_smtp.from`"),
        (smtp("host = \"mail/x\"\nfrom = \"c@example.com\"\n"), "`notify_smtp.host`"),
        (
            smtp("host = \"m.example\"\nfrom = \"c@example.com\"\ntls = \"ssl\"\n"),
            "neither `starttls`, `tls` nor `none`",
        ),
        (smtp("host = \"m.example\"\nfrom = \"c@example.com\"\ntls = \"none\"\n"), "would travel readable"),
        (smtp("host = \"m.example\"\nfrom = \"c@example.com\"\nusername = \"c\"\n"), "`notify_smtp.password_file`"),
        (smtp("host = \"m.example\"\nfrom = \"c@example.com\"\npassword_file = \"p\"\n"), "`notify_smtp.username`"),
        (smtp("host = \"m.example\"\nfrom = \"c@example.com\"\nca_file = \"/nowhere\"\n"), "`notify_smtp.ca_file`"),
        (
            smtp("host = \"m.example\"\nfrom = \"c@example.com\"\ntls = \"tls\"\n"),
            "`notify_smtp.tls`: `tls` is spoken at port 465",
        ),
        (
            smtp(
                "host = \"m.example\"\nfrom = \"c@example.com\"\nusername = \"c\"\npassword_env = \"COUNTERFOIL_P\"\n",
            ),
            "`notify_smtp.password_env`: `COUNTERFOIL_P` begins with",
        ),
        ("[notify_smtp]\nhost = \"m.example\"\nfrom = \"c@example.com\"\n".to_owned(), "`server.public_url`"),
        (
            "[server]\npublic_url = \"c.example\"\n[notify_smtp]\nhost = \"m.example\"\nfrom = \"c@example.com\"\n"
                .to_owned(),
            "`server.public_url`: messages carry links",
        ),
    ] {
        match load(&text) {
            Err(error) => assert!(error.to_string().contains(said), "{text}: {error}"),
            Ok(_) => panic!("{text} was taken"),
        }
    }
    for good in [
        smtp("host = \"localhost\"\nport = 25\nfrom = \"Counterfoil <c@example.com>\"\ntls = \"none\"\n"),
        smtp("host = \"m.example\"\nfrom = \"c@example.com\"\n"),
        smtp("host = \"m.example\"\nfrom = \"c@example.com\"\nport = 465\ntls = \"tls\"\n"),
    ] {
        load(&good).expect("good");
    }
}

#[test]
fn given_a_secret_when_loaded_then_only_one_of_the_right_form_is_taken() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let with = |secret: &str| {
        let file = secret_file(dir.path(), secret);
        load(&format!(
            "[server]\npublic_url = \"https://c.example\"\n[notify_webhook]\nurl = \"http://127.0.0.1:9/x\"\nsecret_file = \"{file}\"\n"
        ))
    };
    let text = |bytes: usize| format!("whsec_{}\n", STANDARD.encode(vec![7; bytes]));
    with(&text(24)).expect("good");
    with(&text(64)).expect("good");
    for wrong in [text(23), text(65), text(32).replace("whsec_", ""), "whsec_!".to_owned(), String::new()] {
        let error = with(&wrong).expect_err("wrong").to_string();
        assert!(error.contains("`notify_webhook.secret_file`") && !error.contains("Bwc"), "{error}");
    }
}

#[test]
fn given_the_vector_of_the_standard_when_signed_then_the_signature_is_its() {
    let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("Base64");
    let signature = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", r#"{"test": 2432232314}"#);
    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn given_a_host_when_looked_at_then_only_this_machine_is_this_machine() {
    for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "[::1]"] {
        assert!(is_loopback(host), "{host}");
    }
    for host in ["localhost.example", "10.0.0.1", "128.0.0.1", "0.0.0.0", "mail.example"] {
        assert!(!is_loopback(host), "{host}");
    }
}
