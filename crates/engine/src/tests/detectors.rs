//! Detectors of the organisation's own over a real data directory: who declares them, and when they look.

use domain::data::detectors::{DetectorDeclared, DetectorRetired};

use super::*;

fn duty(role: &str) -> Principal {
    Principal { actor: format!("a_{role}"), roles: vec![(role.into(), "org".into())], ..Principal::default() }
}

fn declare(pattern: &str) -> Command {
    let spec = serde_json::json!({ "class": "personal", "pattern": pattern });
    let spec = serde_json::from_value(spec).expect("a detector");
    Command::DeclareDetector(DetectorDeclared { detector: "staff_number".into(), spec })
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_detector_when_declared_then_it_looks_at_once_is_made_once_and_is_there_after_a_restart() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let finds = |engine: &Engine| engine.detectors().detectors.find("I am ST-12345").len();
    assert_eq!((finds(&engine), engine.detectors().revision), (0, 0));
    for role in ["model_trainer", "deployer", "auditor"] {
        let refused = engine.execute(&duty(role), declare("ST-[0-9]{5}")).await;
        assert!(
            matches!(&refused, Err(ExecuteError::Refused(why)) if why.code == RefusalCode::Forbidden),
            "{role}: {refused:?}"
        );
    }
    let before = engine.governance();
    engine.execute(&duty("data_steward"), declare("ST-[0-9]{5}")).await.expect("declared");
    assert!(engine.governance() > before, "routes are looked up anew");
    assert_eq!((finds(&engine), engine.detectors().revision), (1, 1));
    assert!(Arc::ptr_eq(&engine.detectors().detectors, &engine.detectors().detectors), "made once");
    killed(engine).await;

    let engine = open(dir.path()).await;
    assert_eq!((finds(&engine), engine.detectors().revision), (1, 1));
    let retire = Command::RetireDetector(DetectorRetired { detector: "staff_number".into() });
    engine.execute(&duty("privacy_officer"), retire).await.expect("retired");
    assert_eq!((finds(&engine), engine.detectors().revision), (0, 2));
}
