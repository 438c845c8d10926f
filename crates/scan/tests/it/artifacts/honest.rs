//! Honest artifacts (`corpus/models/make.py` wrote them): none may fail, and all of each must have been read.

use std::path::{Path, PathBuf};

use scan::artifacts::{ALL, Verdict};

use super::look;
use crate::measure::root;

pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/models").join(name)
}

#[test]
fn given_honest_models_of_many_libraries_when_scanned_then_all_pass() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    for entry in std::fs::read_dir(path("")).expect("fixtures") {
        let path = entry.expect("a fixture").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if name.ends_with(".py") {
            continue;
        }
        let report = look(&name, &std::fs::read(&path).expect("a fixture"));
        count += 1;
        if report.verdict() != Verdict::Pass {
            wrong.push(format!("{name}: {:#?} {:#?}", report.findings, report.unread));
        }
    }
    assert!(wrong.is_empty(), "{} of {count}: {}", wrong.len(), wrong.join("\n"));
    assert!(count > 100, "{count} fixtures");
}

#[test]
fn given_the_docs_when_read_then_they_name_every_rule_and_how_bad_it_is() {
    let text = std::fs::read_to_string(root().join("docs/artifacts.md")).expect("docs/artifacts.md");
    for rule in ALL {
        let line = format!("| `{}` | {} | {} |", rule.id, rule.severity.as_str(), rule.about);
        assert!(text.contains(&line), "docs/artifacts.md lacks: {line}");
    }
    let written = text.lines().filter(|line| line.starts_with("| `")).count();
    assert!(written >= ALL.len());
}
