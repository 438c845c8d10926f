//! Findings as SARIF 2.1.0, for tools that collect them.

use ::scan::artifacts::{ALL, Finding, RULES, Severity};
use serde_json::{Value, json};

use super::Scanned;

/// The log of one run.
pub(super) fn log(scanned: &[Scanned], links: &[String]) -> Value {
    let results: Vec<Value> =
        scanned.iter().flat_map(|one| one.report.findings.iter().map(|finding| result(one, finding))).collect();
    let mut notifications: Vec<Value> = Vec::new();
    for one in scanned {
        notifications.extend(one.report.unread.iter().map(|part| not_read(&one.path, &part.path, &part.reason)));
    }
    notifications.extend(links.iter().map(|link| not_read(link, link, "it is a link, or holds no file")));
    let artifacts: Vec<Value> = scanned
        .iter()
        .map(|one| {
            json!({"location": {"uri": uri(&one.path)}, "hashes": {"sha-256": one.sha256},
                          "properties": {"verdict": one.report.verdict().as_str(), "unlisted": one.report.unlisted}})
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "counterfoil", "version": env!("CARGO_PKG_VERSION"), "rules": rules(),
                                "properties": {"rulesVersion": RULES}}},
            "artifacts": artifacts,
            "results": results,
            "invocations": [{"executionSuccessful": notifications.is_empty(), "toolExecutionNotifications": notifications}],
        }],
    })
}

fn rules() -> Vec<Value> {
    let rule = |rule: &&'static ::scan::artifacts::Rule| {
        json!({"id": rule.id, "shortDescription": {"text": rule.about},
               "defaultConfiguration": {"level": level(rule.severity)},
               "properties": {"security-severity": score(rule.severity), "tags": ["security"]}})
    };
    ALL.iter().map(rule).collect()
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "note",
        Severity::Medium => "warning",
        Severity::High | Severity::Critical => "error",
    }
}

/// The numbers that collectors sort by.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "3.0",
        Severity::Medium => "6.0",
        Severity::High => "8.0",
        Severity::Critical => "9.5",
    }
}

fn result(one: &Scanned, finding: &Finding) -> Value {
    let mut physical = json!({"artifactLocation": {"uri": uri(&one.path)}});
    // An offset inside of a member is none of the file's.
    if let (Some(offset), false) = (finding.offset, finding.path.contains('!')) {
        physical["region"] = json!({"byteOffset": offset, "byteLength": 1});
    }
    let index = ALL.iter().position(|rule| rule.id == finding.rule.id);
    json!({
        "ruleId": finding.rule.id,
        "ruleIndex": index,
        "level": level(finding.rule.severity),
        "message": {"text": finding.reason},
        "locations": [{"physicalLocation": physical, "logicalLocations": [{"fullyQualifiedName": finding.path}]}],
        "properties": {"offset": finding.offset},
    })
}

fn not_read(file: &str, path: &str, reason: &str) -> Value {
    json!({"level": "warning", "message": {"text": format!("{path}: {reason}")},
           "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri(file)}}}]})
}

/// A path as a reference: what has a meaning in one is escaped.
fn uri(path: &str) -> String {
    let mut text = String::new();
    // A colon in the first part would make it a scheme.
    if path.split('/').next().is_some_and(|first| first.contains(':')) {
        text.push_str("./");
    }
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' | b'@' => {
                text.push(char::from(byte))
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_paths_with_odd_names_when_written_as_references_then_nothing_in_them_means_something_else() {
        assert_eq!(uri("a b/c#d?.pkl"), "a%20b/c%23d%3F.pkl");
        assert_eq!(uri("http:x"), "./http:x");
        assert_eq!(uri("/models/é.pt"), "/models/%C3%A9.pt");
    }

    #[test]
    fn given_a_failing_and_an_unread_file_when_logged_then_both_stand_in_the_log() {
        let scan = |name: &str, bytes: &[u8]| Scanned {
            path: name.to_owned(),
            sha256: "00".to_owned(),
            report: ::scan::artifacts::scan(name, &bytes),
        };
        let log =
            log(&[scan("m.pkl", b"cos\nsystem\n(S'true'\ntR."), scan("m.bin", b"\x00\x01\x02\x03")], &["l".to_owned()]);
        let run = &log["runs"][0];
        assert_eq!(run["results"][0]["ruleId"], "pickle-code");
        assert_eq!(run["results"][0]["level"], "error");
        assert_eq!(run["invocations"][0]["toolExecutionNotifications"].as_array().map(Vec::len), Some(2));
        let rule = run["results"][0]["ruleIndex"].as_u64().and_then(|at| usize::try_from(at).ok()).expect("an index");
        assert_eq!(run["tool"]["driver"]["rules"][rule]["id"], "pickle-code");
    }
}
