//! Reading settings, and what is said of wrong ones.

use super::*;

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("counterfoil.toml");
    std::fs::write(&path, text).expect("written");
    (dir, path)
}

#[test]
fn given_the_sample_when_loaded_then_it_is_the_defaults() {
    let (_dir, path) = file(&Config::sample());
    let loaded = Config::load(Some(&path), &Environment::new()).expect("the sample is valid");
    let text = |config: &Config| toml::to_string(config).expect("settings are TOML");
    assert_eq!(text(&loaded), text(&Config::default()));
}

#[test]
fn given_a_wrong_line_when_loaded_then_the_error_names_line_column_and_reason() {
    for (text, line, word) in [
        ("[server]\nlisten = 5\n", 2, "expected text in quotes"),
        ("[notify_smtp]\nport = 70000\n", 2, "`70000`, expected a whole number from 0 to 65535"),
        ("[server]\nbehind_proxy = \"yes\"\n", 2, "expected `true` or `false`"),
        ("[witnesses]\nurls = \"http://a\"\n", 2, "expected a list in square brackets"),
        ("[server]\ndata = \"d\"\nlisten_on = \"x\"\n", 3, "listen_on"),
        ("[server\n", 1, ""),
        ("[records]\nroll_records = -1\n", 2, "-1"),
    ] {
        let (_dir, path) = file(text);
        match Config::load(Some(&path), &Environment::new()) {
            Err(ConfigError::Line { line: at, why, .. }) => {
                assert_eq!(at, line, "{text}: {why}");
                assert!(why.contains(word), "{text}: {why}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn given_a_home_or_none_when_asked_where_ledgers_are_remembered_then_the_setting_comes_first() {
    let mut config = Config::default();
    let home = |variable: &str| (variable == "HOME").then(|| "/home/u".to_owned());
    let xdg =
        |variable: &str| (variable == "XDG_STATE_HOME").then(|| "/var/state".to_owned()).or_else(|| home(variable));
    assert_eq!(config.state_dir(home), Some("/home/u/.local/state/counterfoil".into()));
    assert_eq!(config.state_dir(xdg), Some("/var/state/counterfoil".into()));
    assert_eq!(config.state_dir(|_| None), None);
    config.server.state = "/srv/memory".into();
    assert_eq!(config.state_dir(xdg), Some("/srv/memory".into()));
    config.server.state = "none".into();
    assert_eq!(config.state_dir(xdg), None);
}

#[test]
fn given_environment_variables_when_loaded_then_they_override_the_file_and_nonsense_is_named() {
    let (_dir, path) = file("[server]\nlisten = \"127.0.0.1:1\"\n");
    let env = env(&[
        ("COUNTERFOIL_SERVER_LISTEN", "127.0.0.1:2"),
        ("COUNTERFOIL_WITNESSES_URLS", "http://a, http://b"),
        ("COUNTERFOIL_WITNESSES_POLICY", path.to_str().expect("text")),
    ]);
    let config = Config::load(Some(&path), &env).expect("valid");
    assert_eq!(config.server.listen, "127.0.0.1:2");
    assert_eq!(config.witnesses.urls, ["http://a", "http://b"]);
    for (variable, value) in [
        ("LIMITS_CONCURRENT", "many"),
        ("LIMITS_CONCURRENT", "-1"),
        ("NODE_NAME", "N 1"),
        ("NOTIFY_SMTP_PORT", "70000"),
    ] {
        let name = format!("COUNTERFOIL_{variable}");
        match Config::load(Some(&path), &self::env(&[(&name, value)])) {
            Err(ConfigError::Variable { variable, why }) => {
                assert_eq!(variable, name);
                assert!(why.contains(value), "{name}={value}: {why}");
            }
            other => panic!("{name}={value}: {other:?}"),
        }
    }
}

fn env(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn given_a_value_that_makes_no_sense_when_loaded_then_the_error_names_its_place_in_the_file() {
    for (text, place) in [
        ("[server]\nlisten = \"nowhere\"\n", (2, 10)),
        ("[node]\n\nname='A b'\n", (3, 6)),
        ("records.roll_records = 0\n", (1, 24)),
        ("[limits]\nconcurrent = 5\nrequest_bytes = 0\n", (3, 17)),
        ("[limits]\nconnections = 9223372036854775807\n", (2, 15)),
        ("[limits]\nsql_seconds = 0\n", (2, 15)),
        ("[server]\nlisten = \"0.0.0.0:8600\"\n", (2, 10)),
        ("[tls]\ncertificate = \"/nowhere/c.pem\"\nkey = \"/nowhere/k.pem\"\n", (2, 15)),
        ("[tls]\nclient_ca = \"/nowhere/ca.pem\"\n", (2, 13)),
        ("[acme]\ndirectory = \"https://a.example\"\nterms_agreed = true\ndomains = [\"*.b\"]\n", (4, 11)),
        ("[witnesses]\nca = \"/nowhere/ca.pem\"\n", (2, 6)),
    ] {
        let (_dir, path) = file(text);
        match Config::load_to_serve(Some(&path), &Environment::new()) {
            Err(ConfigError::Line { line, column, why, .. }) => assert_eq!((line, column), place, "{text}: {why}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn given_a_misspelt_variable_when_loaded_then_it_is_refused_with_what_was_meant() {
    for (wrong, meant) in [
        ("COUNTERFOIL_RECORD_ROLL_SECONDS", "did you mean `COUNTERFOIL_RECORDS_ROLL_SECONDS`?"),
        ("COUNTERFOIL_SERVER_LISTN", "did you mean `COUNTERFOIL_SERVER_LISTEN`?"),
        ("COUNTERFOIL_TOKENS", "did you mean `COUNTERFOIL_TOKEN`?"),
        ("COUNTERFOIL_X", "config sample"),
    ] {
        match Config::load(None, &env(&[(wrong, "5")])) {
            Err(ConfigError::Variable { variable, why }) => {
                assert!(variable == wrong && why.contains(meant), "{variable}: {why}");
            }
            other => panic!("{wrong}: {other:?}"),
        }
    }
    let others = [
        "COUNTERFOIL_URL",
        "COUNTERFOIL_PROVIDER_OPENAI",
        "COUNTERFOIL_SERVICE_HOST",
        "COUNTERFOIL_PORT_8600_TCP",
        "COUNTERFOIL_TEST_NODE_DIR",
    ];
    for others in others {
        Config::load(None, &env(&[(others, "5")])).expect("not a setting");
    }
}

#[test]
fn given_two_words_when_compared_then_the_distance_counts_changed_letters() {
    assert_eq!(distance("", "abc"), 3);
    assert_eq!(distance("kitten", "sitting"), 3);
    assert_eq!(distance("same", "same"), 0);
}

#[test]
fn given_a_custodian_when_its_settings_do_not_go_together_then_the_wrong_one_is_named() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let token = dir.path().join("token");
    store::secret_file::create(&token, b"s.token").expect("written");
    let token = format!("token_file = \"{}\"\n", token.display());
    let transit = format!("kind = \"transit\"\naddress = \"https://bao.example.com:8200\"\n{token}");
    let pkcs11 = "kind = \"pkcs11\"\nmodule = \"/usr/lib/softhsm/libsofthsm2.so\"\npin_env = \"HSM_PIN\"\n";
    let load = |text: &str| {
        let (_dir, path) = file(&format!("[custodian]\n{text}"));
        Config::load(Some(&path), &Environment::new())
    };
    for good in ["", "kind = \"file\"\npassphrase_env = \"PASSPHRASE\"\n", &transit, pkcs11] {
        assert_eq!(load(good).map(drop), Ok(()), "{good}");
    }
    assert!(matches!(load(&transit).expect("good").custody().custodian, store::CustodianOptions::Transit(_)));
    for (wrong, setting) in [
        ("kind = \"cloud\"\n".to_owned(), "kind"),
        ("grace_seconds = 604801\n".to_owned(), "grace_seconds"),
        ("passphrase_env = \"COUNTERFOIL_SECRET\"\n".to_owned(), "passphrase_env"),
        ("passphrase_env = \"A\"\npassphrase_file = \"b\"\n".to_owned(), "passphrase_env"),
        (token.clone(), "token_file"),
        (format!("{transit}module = \"/m.so\"\n"), "module"),
        (format!("{transit}mount = \"a//b\"\n"), "mount"),
        (format!("{transit}key = \"../k\"\n"), "key"),
        (transit.replace("https://bao", "http://bao"), "address"),
        (transit.replace(":8200", ":8200/v1/transit"), "address"),
        (transit.replace(&token, ""), "token_file"),
        (pkcs11.replace("/usr/lib", "usr/lib"), "module"),
        (pkcs11.replace("pin_env = \"HSM_PIN\"", ""), "pin_file"),
        (format!("{pkcs11}token_label = \"{}\"\n", "a".repeat(33)), "token_label"),
    ] {
        let error = load(&wrong).expect_err(&wrong).to_string();
        assert!(error.contains(&format!("`custodian.{setting}`: ")), "{wrong}: {error}");
    }
}

#[test]
fn given_a_write_once_bucket_when_its_settings_do_not_go_together_then_the_wrong_one_is_named() {
    let load = |text: &str| {
        let (_dir, path) = file(&format!("[write_once]\n{text}"));
        Config::load(Some(&path), &Environment::new())
    };
    let good = "bucket = \"audit-records\"\nendpoint = \"https://s3.example.com\"\nprefix = \"bank/\"\n\
                access_key = \"AKIA\"\nsecret_key_env = \"BUCKET_SECRET\"\n";
    assert!(load("").expect("nothing is named").archive().is_none());
    let archive = load(good).expect("good").archive().expect("a bucket");
    assert_eq!((archive.bucket.region.as_str(), archive.lock_days), ("us-east-1", 0));
    for (wrong, setting) in [
        ("access_key = \"AKIA\"\n".to_owned(), "access_key"),
        (good.replace("audit-records", "Audit_Records"), "bucket"),
        (good.replace("https://", "http://"), "endpoint"),
        (good.replace("example.com", "example.com/bucket"), "endpoint"),
        (good.replace("bank/", "bank"), "prefix"),
        (good.replace("bank/", "../"), "prefix"),
        (good.replace("AKIA", ""), "access_key"),
        (good.replace("secret_key_env = \"BUCKET_SECRET\"\n", ""), "secret_key_file"),
        (format!("{good}secret_key_file = \"f\"\n"), "secret_key_env"),
        (format!("{good}region = \"\"\n"), "region"),
        (format!("{good}mode = \"legal\"\n"), "mode"),
        (format!("{good}lock_days = 40000\n"), "lock_days"),
    ] {
        let error = load(&wrong).expect_err(&wrong).to_string();
        assert!(error.contains(&format!("`write_once.{setting}`: ")), "{wrong}: {error}");
    }
}

#[test]
fn given_a_bucket_of_objects_when_it_is_the_write_once_one_or_its_settings_do_not_go_together_then_that_is_said() {
    let load = |text: &str| {
        let (_dir, path) = file(text);
        Config::load(Some(&path), &Environment::new())
    };
    let bucket = |section: &str, name: &str| {
        format!(
            "[{section}]\nbucket = \"{name}\"\nendpoint = \"https://s3.example.com\"\naccess_key = \"AKIA\"\n\
             secret_key_env = \"BUCKET_SECRET\"\n"
        )
    };
    assert!(load("").expect("nothing is named").objects().is_none());
    let both = load(&(bucket("write_once", "audit-records") + &bucket("objects", "erasable"))).expect("two buckets");
    assert_eq!(both.objects().expect("a bucket").bucket, "erasable");
    for (wrong, setting) in [
        (bucket("write_once", "records") + &bucket("objects", "records"), "bucket"),
        (bucket("objects", "erasable").replace("https://", "http://"), "endpoint"),
        ("[objects]\nprefix = \"bank/\"\n".to_owned(), "prefix"),
    ] {
        let error = load(&wrong).expect_err(&wrong).to_string();
        assert!(error.contains(&format!("`objects.{setting}`: ")), "{wrong}: {error}");
    }
}
