//! What tools elsewhere say of checks that they ran.
//!
//! A report is what somebody says, and is kept as that, beside the checks that were run here. It decides nothing: it shuts no
//! version away, lets none in, and opens no gate.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::checks::Verdict;
use super::contracts::Dimension;
use crate::decide::{identifier_is_valid, reference_is_valid};
use crate::{Event, Refusal, RefusalCode, State};

/// The most results of one report: all lie in an entry of the ledger.
pub const MAX_RESULTS: usize = 200;

/// The longest name of a rule, in bytes.
pub const MAX_RULE_BYTES: usize = 128;

/// A tool that checks data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tool {
    /// Great Expectations.
    GreatExpectations,
    /// Tests of dbt.
    Dbt,
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::GreatExpectations, Self::Dbt];

    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GreatExpectations => "great_expectations",
            Self::Dbt => "dbt",
        }
    }
}

/// What a tool says of one of its rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportedResult {
    /// The rule, by the tool's own words.
    pub rule: String,
    /// Of which dimension it is, by its kind.
    pub dimension: Dimension,
    /// Whether breaking it only warns, there.
    pub warns: bool,
    /// What came of it.
    pub verdict: Verdict,
    /// How many rows were looked at, when the tool says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<u64>,
    /// How many of them break it, when the tool says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub violations: Option<u64>,
}

/// The wish to keep what a tool says of checks that it ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportChecks {
    /// Of which data set.
    pub dataset: String,
    /// Of which of its versions, when whoever reports it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Public identifier of the report, `k_` and random characters.
    pub report: String,
    /// Which tool.
    pub tool: Tool,
    /// Its version, as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_version: Option<String>,
    /// The run, by the tool's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// When that was, as it says, in milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ran_at: Option<i64>,
    /// Each rule.
    pub results: Vec<ReportedResult>,
}

/// A tool elsewhere is said to have checked a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChecksReported {
    /// Which data set.
    pub dataset: String,
    /// Which of its versions, when whoever reports it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The object that the version lay in when it was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Public identifier of the report, `k_` and random characters.
    pub report: String,
    /// Which tool.
    pub tool: Tool,
    /// Its version, as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_version: Option<String>,
    /// The run, by the tool's own name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// When that was, as it says, in milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ran_at: Option<i64>,
    /// What came of all rules that do more than warn.
    pub verdict: Verdict,
    /// Each rule.
    pub results: Vec<ReportedResult>,
}

/// What came of all rules together: unknown is not passed, and neither is nothing.
#[must_use]
pub fn overall(results: &[ReportedResult]) -> Verdict {
    let firm = |verdict| results.iter().any(|one| !one.warns && one.verdict == verdict);
    if firm(Verdict::Failed) {
        Verdict::Failed
    } else if results.is_empty() || firm(Verdict::Unknown) {
        Verdict::Unknown
    } else {
        Verdict::Passed
    }
}

/// Whether a rule of a tool can be called this here.
#[must_use]
pub fn rule_is_valid(rule: &str) -> bool {
    let usual = |c: char| !c.is_control() && !matches!(c, '"' | '\\' | '@');
    (1..=MAX_RULE_BYTES).contains(&rule.len()) && rule.chars().all(usual)
}

/// Whether a version of a tool is written as they are.
#[must_use]
pub fn tool_version_is_valid(version: &str) -> bool {
    let usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-');
    (1..=32).contains(&version.len()) && version.chars().all(usual)
}

pub(crate) fn report(state: &State, body: &ReportChecks) -> Result<Vec<Event>, Refusal> {
    let refuse = |code, message: String| Err(Refusal::new(code, message));
    identifier_is_valid("report", &body.report)?;
    body.run.as_deref().map_or(Ok(()), reference_is_valid)?;
    if body.tool_version.as_deref().is_some_and(|version| !tool_version_is_valid(version)) {
        return refuse(RefusalCode::Invalid, "a tool's version has up to 32 letters, digits and `.+-`".to_owned());
    }
    let dataset = &body.dataset;
    if !state.datasets.contains_key(dataset) {
        return refuse(RefusalCode::NotFound, format!("there is no data set `{dataset}`: declare it first"));
    }
    let object = match &body.version {
        None => None,
        Some(version) => match state.dataset_version(dataset, version) {
            Some(known) => Some(known.stored.object.clone()),
            None => {
                return refuse(RefusalCode::NotFound, format!("data set `{dataset}` has no version `{version}`"));
            }
        },
    };
    if !(1..=MAX_RESULTS).contains(&body.results.len()) {
        let message = format!("a report has 1 to {MAX_RESULTS} results, and this one {}", body.results.len());
        return refuse(RefusalCode::Invalid, message);
    }
    let mut names = BTreeSet::new();
    for one in &body.results {
        if !rule_is_valid(&one.rule) || !names.insert(&one.rule) {
            let rule = format!("each rule of a report has a name of its own of up to {MAX_RULE_BYTES} bytes");
            return refuse(RefusalCode::Invalid, rule + ", without control characters, `\"`, `\\` and `@`");
        }
    }
    let ReportChecks { dataset, version, report, tool, tool_version, run, ran_at, results } = body.clone();
    let verdict = overall(&results);
    let said = ChecksReported { dataset, version, object, report, tool, tool_version, run, ran_at, verdict, results };
    Ok(vec![Event::ChecksReported(said)])
}
