//! Model artifacts looked through from the command line: no server runs.

use std::path::Path;

use serde_json::Value;

use crate::support::World;

/// Names `posix.system`, and calls it with `true`.
const EVIL: &[u8] = b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.";

#[test]
fn given_artifacts_when_scanned_without_a_server_then_each_verdict_has_its_exit_code_and_its_findings() {
    let world = World::empty(&[]);
    let honest =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../scan/corpus/models/forest.joblib").display().to_string();
    let passed = world.cli(&["--json", "models", "scan", &honest]);
    assert_eq!((passed.code, &passed.json()["verdict"]), (0, &"pass".into()), "{passed:?}");

    std::fs::create_dir(world.path("models")).expect("made");
    std::fs::write(world.path("models/model.pkl"), EVIL).expect("written");
    std::fs::write(world.path("models/notes.txt"), "notes\n").expect("written");
    let log = world.path("findings.sarif").display().to_string();
    let failed = world.cli(&["--json", "models", "scan", "models", "--sarif", &log]);
    assert_eq!(failed.error(), (1, "artifact_failed".to_owned()), "{failed:?}");
    let artifacts = &failed.json()["artifacts"];
    assert_eq!((&artifacts[0]["verdict"], &artifacts[1]["verdict"]), (&"fail".into(), &"pass".into()), "{artifacts}");
    assert_eq!(artifacts[0]["findings"][0]["rule"], "pickle-code");
    assert_eq!(artifacts[0]["sha256"].as_str().map(str::len), Some(64));
    let log: Value = serde_json::from_slice(&std::fs::read(log).expect("a log")).expect("JSON");
    assert_eq!((&log["version"], &log["runs"][0]["results"][0]["ruleId"]), (&"2.1.0".into(), &"pickle-code".into()));

    std::fs::write(world.path("model.bin"), b"\x00\x01\x02\x03").expect("written");
    let incomplete = world.cli(&["--json", "models", "scan", "model.bin"]);
    assert_eq!(incomplete.error(), (2, "scan_incomplete".to_owned()), "{incomplete:?}");
    assert_eq!(world.cli(&["--json", "models", "scan", "not-there"]).code, 5);
    assert_eq!(world.cli(&["--json", "models", "scan"]).code, 64);
    let told = world.cli(&["models", "scan", "models"]);
    assert!(
        told.out.contains("critical pickle-code") && told.out.contains("1 passed, 1 failed, 0 incomplete"),
        "{told:?}"
    );
}

#[test]
fn given_links_in_a_directory_when_scanned_then_they_are_not_followed_and_not_passed_over() {
    let world = World::empty(&[]);
    std::fs::create_dir(world.path("models")).expect("made");
    std::fs::write(world.path("outside.pkl"), EVIL).expect("written");
    std::os::unix::fs::symlink(world.path("outside.pkl"), world.path("models/model.pkl")).expect("linked");
    let run = world.cli(&["--json", "models", "scan", "models"]);
    assert_eq!(run.error(), (2, "scan_incomplete".to_owned()), "{run:?}");
    assert_eq!(run.json()["links"], serde_json::json!(["models/model.pkl"]));
}

#[test]
fn given_a_directory_without_files_when_scanned_then_that_is_no_pass() {
    let world = World::empty(&[]);
    std::fs::create_dir_all(world.path("empty/inside")).expect("made");
    let run = world.cli(&["--json", "models", "scan", "empty"]);
    assert_eq!(run.error(), (2, "scan_incomplete".to_owned()), "{run:?}");
    assert_eq!(run.json()["links"], serde_json::json!(["empty"]));
}
