//! Results of control tests: the rows in the package are those that the ledger committed to, by the logic it names, at a
//! state of the ledger that the entries lead to. Whether the query gives these rows is for an SQL engine to repeat.

use std::collections::{BTreeMap, BTreeSet};

use domain::assurance::{ControlRan, Outcome};
use domain::{Event, canonical};
use merkle::{hex, leaf_hash, root_of};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::history::History;
use crate::package::Package;
use crate::report::{Claim::Completeness, Claim::Integrity, Findings};

/// `result.json` of a control.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResultFile {
    event: u64,
    run: ControlRan,
    violations: Vec<Value>,
    population: Vec<String>,
}

/// Checks every run in the ledger, and every result in the package: of each control that ran, the result that stands must
/// be there, so that nobody can leave out one that failed.
pub(crate) fn check(package: &Package, history: &History<'_>, findings: &mut Findings) {
    let mut standing: BTreeMap<&str, (u64, &ControlRan)> = BTreeMap::new();
    for (seq, entry) in &history.entries {
        let Event::ControlRan(run) = &entry.event else { continue };
        if standing.get(run.control.as_str()).is_none_or(|(_, other)| run.stands_over(other)) {
            standing.insert(&run.control, (*seq, run));
        }
        let place = format!("entry {seq}");
        if run.at_size > *seq {
            let message = format!("control `{}` says it ran at size {}, later than itself", run.control, run.at_size);
            findings.fail(Integrity, "control.at", place, message);
        } else if history.root(run.at_size).is_some_and(|root| hex(root) != run.at_root) {
            let message = format!("control `{}` ran over another ledger of size {}", run.control, run.at_size);
            findings.fail(Integrity, "control.at", place, message);
        }
    }
    let control = |path: &str| Some(path.strip_prefix("controls/")?.split_once('/')?.0.to_owned());
    let controls: BTreeSet<String> = package.paths().filter_map(control).collect();
    for control in &controls {
        let stands = standing.get(control.as_str()).map(|(seq, _)| *seq);
        check_result(package, history, (control, stands), findings);
    }
    for (control, (seq, _)) in standing.iter().filter(|(control, _)| !controls.contains(**control)) {
        let message = format!("entry {seq} has a result of control `{control}`, which is not in the package");
        findings.fail(Completeness, "control.absent", format!("controls/{control}"), message);
    }
    if !controls.is_empty() {
        findings.summary(Integrity, format!("{} control results", controls.len()));
    }
}

fn check_result(
    package: &Package,
    history: &History<'_>,
    (control, stands): (&str, Option<u64>),
    findings: &mut Findings,
) {
    let path = |name: &str| format!("controls/{control}/{name}");
    let place = path("result.json");
    let Some(file) = package.file(&place) else {
        return findings.fail(Integrity, "control.missing", place, "the file is missing");
    };
    let result: ResultFile = match serde_json::from_slice(file) {
        Ok(result) => result,
        Err(error) => return findings.fail(Integrity, "control.unreadable", place, error.to_string()),
    };
    let run = &result.run;
    match history.event(result.event) {
        Some(Event::ControlRan(recorded)) if recorded == run && run.control == control => {}
        _ => {
            let message = format!("entry {} does not record this run of this control", result.event);
            findings.fail(Integrity, "control.unrecorded", place.clone(), message);
        }
    }
    if let Some(seq) = stands.filter(|seq| *seq != result.event) {
        let message = format!("it is of entry {}, and the result of entry {seq} stands", result.event);
        findings.fail(Completeness, "control.superseded", place.clone(), message);
    }
    let queries = [package.file(&path("query.sql")), package.file(&path("population.sql"))];
    match queries {
        [Some(query), Some(population)] if logic_sha256(query, population) == run.logic_sha256 => {}
        [Some(_), Some(_)] => {
            let message = "the queries are not those that ran: their digest is another one";
            findings.fail(Integrity, "control.logic", path("query.sql"), message);
        }
        _ => findings.fail(Integrity, "control.missing", path("query.sql"), "a query of the control is missing"),
    }
    check_rows(&result, &place, findings);
}

fn check_rows(result: &ResultFile, place: &str, findings: &mut Findings) {
    let run = &result.run;
    let population = result.population.iter().map(|item| item.clone().into_bytes()).collect();
    if (result.population.len() as u64, sorted_root(population)) != (run.population, run.population_root.clone()) {
        let message = "its population is not the one that the ledger committed to";
        findings.fail(Integrity, "control.population", place, message);
    }
    let rows = result.violations.iter().map(|row| canonical::to_vec(row).unwrap_or_default()).collect();
    if (result.violations.len() as u64, sorted_root(rows)) != (run.violations, run.violations_root.clone()) {
        let message = "its violations are not those that the ledger committed to";
        findings.fail(Integrity, "control.violations", place, message);
    }
    let items: BTreeSet<&str> = result.population.iter().map(String::as_str).collect();
    if items.len() < result.population.len() {
        findings.fail(Integrity, "control.population", place, "an item comes twice in its population");
    }
    let outside = |row: &&Value| !row.get("item").and_then(Value::as_str).is_some_and(|item| items.contains(item));
    if let Some(row) = result.violations.iter().find(outside) {
        let message = format!("a violation names `{}`, which is not in the population", row["item"]);
        findings.fail(Integrity, "control.item", place, message);
    }
    let follows = match run.outcome {
        Outcome::Pass => run.population > 0 && run.violations == 0,
        Outcome::Fail => run.violations > 0,
        Outcome::NotTested => run.reason.is_some(),
    };
    if !follows {
        let message = "its outcome does not follow from its population and violations";
        findings.fail(Integrity, "control.outcome", place, message);
    }
}

/// Digest of a control's two queries (`docs/format.md`, "Control logic").
pub(crate) fn logic_sha256(query: &[u8], population: &[u8]) -> String {
    let mut hash = Sha256::new();
    for text in [query, population] {
        let text = text.trim_ascii_end();
        hash.update(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        hash.update(text);
    }
    hex(&hash.finalize())
}

fn sorted_root(mut items: Vec<Vec<u8>>) -> String {
    items.sort_unstable();
    hex(&root_of(&items.iter().map(|item| leaf_hash(item)).collect::<Vec<_>>()))
}
