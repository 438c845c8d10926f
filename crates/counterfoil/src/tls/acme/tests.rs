//! Settings, and when things are done.

use std::os::unix::fs::PermissionsExt;

use super::*;

const DAY: i64 = 24 * 3600 * 1000;

fn settings() -> Acme {
    Acme {
        directory: "https://ca.example/directory".into(),
        domains: vec!["counterfoil.example.com".into()],
        contact: "ops@example.com".into(),
        terms_agreed: true,
        ..Acme::default()
    }
}

#[test]
fn given_settings_that_make_sense_when_checked_then_nothing_is_wrong_and_nothing_is_asked_by_default() {
    assert_eq!(check(&settings()), Ok(()));
    assert_eq!(check(&Acme::default()), Ok(()));
    for directory in ["http://127.0.0.1:14000/dir", "http://localhost/dir", "https://ca.example:8443/acme/x"] {
        assert_eq!(check(&Acme { directory: directory.into(), ..settings() }), Ok(()), "{directory}");
    }
    let domains = vec!["localhost".into(), "XN--BCHER-KVA.example".into(), "a-1.b.example".into()];
    assert_eq!(check(&Acme { domains, ..settings() }), Ok(()));
}

#[test]
fn given_a_setting_that_makes_no_sense_when_checked_then_it_is_named_with_what_to_do() {
    let domains = |domains: &[&str]| domains.iter().map(|domain| (*domain).to_owned()).collect();
    let with = |change: fn(&mut Acme)| {
        let mut changed = settings();
        change(&mut changed);
        changed
    };
    let cases = [
        (with(|s| s.directory = "http://ca.example/dir".into()), "directory", "https"),
        (with(|s| s.directory = "letsencrypt".into()), "directory", "https"),
        (with(|s| s.terms_agreed = false), "terms_agreed", "terms of service"),
        (with(|s| s.domains = vec![]), "domains", "counterfoil.example.com"),
        (with(|s| s.contact = "mailto:a@b".into()), "contact", "e-mail"),
        (with(|s| s.ca = "/nowhere/ca.pem".into()), "ca", "/nowhere/ca.pem"),
        (with(|s| s.eab_kid = "kid".into()), "eab_key_file", "file"),
        (with(|s| s.eab_key_file = "/nowhere/key".into()), "eab_kid", "identifier"),
        (with(|s| s.directory = String::new()), "domains", "acme.directory"),
        (Acme { domains: domains(&["*.example.com"]), ..settings() }, "domains", "name each"),
        (Acme { domains: domains(&["a.example", "10.0.0.1"]), ..settings() }, "domains", "`10.0.0.1`"),
        (Acme { domains: domains(&["bücher.example"]), ..settings() }, "domains", "not a name"),
        (Acme { domains: domains(&["-a.example"]), ..settings() }, "domains", "not a name"),
        (Acme { domains: domains(&["a..example"]), ..settings() }, "domains", "not a name"),
        (Acme { domains: domains(&["a.example."]), ..settings() }, "domains", "not a name"),
    ];
    for (settings, key, word) in cases {
        match check(&settings) {
            Err(Unusable(found, why)) => assert!(found == key && why.contains(word), "{found}: {why}"),
            Ok(()) => panic!("{settings:?}"),
        }
    }
}

#[test]
fn given_a_key_of_an_account_elsewhere_when_checked_then_it_is_private_and_in_base64url() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("eab.key");
    let settings = Acme { eab_kid: "k".into(), eab_key_file: path.display().to_string(), ..settings() };
    secret_file::create(&path, b"c2VjcmV0LXNlY3JldA==\n").expect("written");
    assert_eq!(check(&settings), Ok(()), "padding and a line's end do no harm");
    std::fs::write(&path, "not base64url!").expect("written");
    assert!(check(&settings).is_err_and(|Unusable(key, why)| key == "eab_key_file" && why.contains("base64url")));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("changed");
    assert!(check(&settings).is_err_and(|Unusable(key, why)| key == "eab_key_file" && why.contains("chmod 600")));
}

#[test]
fn given_a_certificate_when_two_thirds_of_its_life_are_over_then_it_is_due() {
    assert_eq!(due_at(0, 90 * DAY), 60 * DAY);
    assert_eq!(due_at(10 * DAY, 16 * DAY), 14 * DAY);
    assert_eq!(due_at(5, 5), 5);
    assert_eq!(due_at(7, 3), 3, "nonsense is due at its end");
    assert_eq!(due_at(i64::MIN, i64::MAX), i64::MAX - i64::MAX / 3);
}

#[test]
fn given_failures_when_one_follows_another_then_the_pauses_grow_up_to_an_hour() {
    let minutes: Vec<u64> = [0, 1, 2, 3, 4, 5, 6, 7, 40, u32::MAX].map(|n| pause(n).as_secs() / 60).into();
    assert_eq!(minutes, [2, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
}

#[test]
fn given_a_certificate_when_kept_then_it_is_private_and_one_for_other_names_does_not_take_its_place() {
    let dir = tempfile::tempdir().expect("a directory");
    let kept = Kept::new(dir.path(), "https://ca.example/directory");
    assert!(kept.certificate().expect("readable").is_none());
    let pem = |name: &str| {
        let key = rcgen::KeyPair::generate().expect("a key");
        let params = rcgen::CertificateParams::new([name.to_owned()]).expect("a name");
        key.serialize_pem() + &params.self_signed(&key).expect("signed").pem()
    };
    let names = BTreeSet::from(["a.example".to_owned()]);
    let (_, first) = kept.keep_certificate(&pem("a.example"), &names).expect("kept");
    let refused = kept.keep_certificate(&pem("b.example"), &names).expect_err("other names");
    assert!(refused.contains("other names"), "{refused}");
    assert!(kept.keep_certificate("no PEM at all", &names).is_err());
    let (_, second) = kept.keep_certificate(&pem("a.example"), &names).expect("kept");
    assert_ne!(first.sha256, second.sha256);
    let (_, found) = kept.certificate().expect("readable").expect("there");
    assert_eq!(found, second);
    let begun =
        kept::Finalizing { url: "https://ca.example/order/1".into(), key_pem: "k".into(), names: names.clone() };
    kept.keep_order(&begun).expect("kept");
    kept.keep_order(&begun).expect("kept in its place");
    assert_eq!(kept.order(&names).map(|order| order.url), Some(begun.url));
    assert!(kept.order(&BTreeSet::from(["b.example".to_owned()])).is_none(), "an order is for its names");
    kept.keep_certificate(&pem("a.example"), &names).expect("kept");
    assert!(kept.order(&names).is_none(), "it came to its end");
    assert_eq!(kept.contact(), None);
    kept.keep_contact("ops@example.com").expect("kept");
    assert_eq!(kept.contact().as_deref(), Some("ops@example.com"));
    let others = Kept::new(dir.path(), "https://other.example/directory");
    assert!(others.certificate().expect("readable").is_none(), "another authority's is not taken");

    let authority = std::fs::read_dir(dir.path().join("acme")).expect("a directory").next().expect("one").expect("one");
    let path = authority.path().join("certificate.pem");
    assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("changed");
    assert!(kept.certificate().is_err_and(|why| why.contains("chmod 600")), "others may have its key");
}
