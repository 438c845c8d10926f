//! Against SoftHSM2. The token outlives a run, so each test has a key of its own name.

use super::*;
use crate::custodian::tests::SoftHsm;

fn options(hsm: &SoftHsm, key: &str, pin: SecretSource) -> Pkcs11Options {
    Pkcs11Options { module: hsm.module.clone(), token: SoftHsm::LABEL.into(), slot: 0, key: key.into(), pin }
}

fn pin(dir: &Path, text: &str) -> SecretSource {
    let path = dir.join("pin");
    let _ = std::fs::remove_file(&path);
    crate::secret_file::create(&path, text.as_bytes()).expect("written");
    SecretSource::File(path)
}

#[test]
fn labels_tell_versions_only_as_we_write_them() {
    assert_eq!(version_of(b"root.12", "root"), Some(12));
    for other in
        ["root", "root.", "root.0", "root.01", "root.+1", "root.x", "root.1.2", "roots.1", "ro", "root.4294967296"]
    {
        assert_eq!(version_of(other.as_bytes(), "root"), None, "{other}");
    }
}

#[test]
fn given_soft_hsm_when_it_is_the_custodian_then_it_keeps_the_contract() {
    let Some(hsm) = SoftHsm::get("pkcs11") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let options = options(&hsm, "contract", pin(dir.path(), SoftHsm::PIN));
    let custodian = Pkcs11Custodian::open(&options).expect("opened");
    vault::custodian_conformance::check(&custodian);
    let wrapped = custodian.wrap(b"class key", b"aad").expect("wrapped");
    let other = Pkcs11Custodian::open(&options).expect("opened again");
    assert_eq!(other.unwrap(&wrapped, b"aad").expect("unwrapped"), b"class key");
    assert_eq!(other.key_id(), "pkcs11:custody/contract");
}

#[test]
fn given_soft_hsm_when_sessions_are_lost_then_they_are_opened_anew() {
    let Some(hsm) = SoftHsm::get("pkcs11-sessions") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let custodian = Pkcs11Custodian::open(&options(&hsm, "sessions", pin(dir.path(), SoftHsm::PIN))).expect("opened");
    let wrapped = custodian.wrap(b"class key", b"aad").expect("wrapped");
    // As by a device that was reset: sessions end, or nobody is signed in any more.
    let session = lock(&custodian.idle).pop().expect("an idle session");
    session.close().expect("closed");
    assert_eq!(custodian.unwrap(&wrapped, b"aad").expect("signed in again"), b"class key");
    lock(&custodian.idle).last().expect("an idle session").logout().expect("signed out");
    assert_eq!(custodian.unwrap(&wrapped, b"aad").expect("signed in again"), b"class key");
}

#[test]
fn given_a_key_in_the_device_when_its_value_is_asked_for_then_it_does_not_come_out() {
    let Some(hsm) = SoftHsm::get("pkcs11-sensitive") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let custodian = Pkcs11Custodian::open(&options(&hsm, "sensitive", pin(dir.path(), SoftHsm::PIN))).expect("opened");
    let found = custodian.with(|session| {
        let key = custodian.versions(session)?.pop_last().expect("a key").1;
        let wanted = [AttributeType::Value, AttributeType::Extractable, AttributeType::Sensitive];
        Ok(session.get_attributes(key, &wanted)?)
    });
    let found = found.ok().expect("attributes");
    assert!(found.contains(&Attribute::Extractable(false)) && found.contains(&Attribute::Sensitive(true)), "{found:?}");
    assert!(!found.iter().any(|attribute| matches!(attribute, Attribute::Value(_))));
}

#[test]
fn given_a_wrong_pin_when_opened_again_then_the_device_is_not_asked_twice() {
    let Some(hsm) = SoftHsm::get("pkcs11-pin") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let options = options(&hsm, "wrong-pin", pin(dir.path(), SoftHsm::PIN));
    let custodian = Pkcs11Custodian::open(&options).expect("opened");
    *lock(&custodian.wrong_pin) = Some(Zeroizing::new(SoftHsm::PIN.to_owned()));
    lock(&custodian.idle).clear();
    let refused = custodian.wrap(b"class key", b"aad").expect_err("not asked").to_string();
    assert!(refused.contains("may lock itself") && !refused.contains(SoftHsm::PIN), "{refused}");
}

#[test]
fn given_no_such_library_or_token_when_opened_then_it_says_so() {
    let options = |module: &Path| Pkcs11Options {
        module: module.to_owned(),
        token: "nowhere".into(),
        slot: 0,
        key: "root".into(),
        pin: SecretSource::None,
    };
    let failure = |options| Pkcs11Custodian::open(&options).err().expect("it cannot be used").to_string();
    let missing = failure(options(Path::new("/nonexistent/module.so")));
    assert!(missing.starts_with("custodian pkcs11:root: `/nonexistent/module.so`: "), "{missing}");
    let Some(hsm) = SoftHsm::get("pkcs11-token") else { return };
    assert!(failure(options(&hsm.module)).contains("there is no token with the label `nowhere`"));
}
