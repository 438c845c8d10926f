//! Results of checks that tools elsewhere ran. Only what is kept of them is read at all: values of rows, which such files may
//! have, go by unread, and [`slim`] leaves them where the file lies.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use domain::data::lineage::openlineage::instant;
use domain::data::reports::{MAX_RESULTS, rule_is_valid, tool_version_is_valid};
use domain::data::{Dimension, ReportedResult, Tool, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::classify::says_nothing_of_anybody;

/// The longest file with results, and the longest manifest, in bytes.
pub const MAX_REPORT_BYTES: usize = 64 << 20;

/// What is left of both when they are sent, in bytes.
pub const MAX_SENT_BYTES: usize = 16 << 20;

/// What a tool says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which tool.
    pub tool: Tool,
    /// Its version.
    pub tool_version: Option<String>,
    /// The run, by its own name for it.
    pub run: Option<String>,
    /// When that was, in milliseconds since the epoch.
    pub ran_at: Option<i64>,
    /// Each rule.
    pub results: Vec<ReportedResult>,
    /// What is called otherwise than there, and why.
    pub notes: Vec<String>,
}

/// Files with results, as they are read.
#[derive(Clone, Copy, Debug)]
pub struct Files<'a> {
    /// The results.
    pub report: &'a str,
    /// What dbt knows of its tests.
    pub manifest: Option<&'a str>,
}

/// The tool that a word names.
#[must_use]
pub fn tool_of(word: &str) -> Option<Tool> {
    match word {
        "great-expectations" => Some(Tool::GreatExpectations),
        "dbt" => Some(Tool::Dbt),
        _ => None,
    }
}

/// The same files with nothing in them but what is read.
///
/// # Errors
/// Why they cannot be read.
pub fn slim(tool: Tool, files: Files<'_>) -> Result<(String, Option<String>), String> {
    let written = |error: serde_json::Error| error.to_string();
    match tool {
        Tool::GreatExpectations => {
            Ok((serde_json::to_string(&read::<Validated>(files.report)?).map_err(written)?, None))
        }
        Tool::Dbt => {
            let run: Run = read(files.report)?;
            let mut manifest: Option<Manifest> = files.manifest.map(read).transpose()?;
            if let Some(manifest) = &mut manifest {
                let ran: BTreeSet<&String> = run.results.iter().map(|one| &one.unique_id).collect();
                manifest.nodes.retain(|id, _| ran.contains(id));
            }
            let manifest = manifest.map(|manifest| serde_json::to_string(&manifest)).transpose().map_err(written)?;
            Ok((serde_json::to_string(&run).map_err(written)?, manifest))
        }
    }
}

/// What a tool says of a data set. `of` names whose results are meant when the files have several: a suite of Great
/// Expectations, or a model, seed or source of dbt.
///
/// # Errors
/// Why the files cannot be read, or whose results they have.
pub fn report_of(tool: Tool, files: Files<'_>, dataset: &str, of: Option<&str>) -> Result<Report, String> {
    match tool {
        Tool::GreatExpectations => validated(read(files.report)?, dataset, of),
        Tool::Dbt => tested(read(files.report)?, files.manifest.map(read).transpose()?, dataset, of),
    }
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, String> {
    if text.len() > MAX_REPORT_BYTES {
        return Err(format!("a file has {MAX_REPORT_BYTES} bytes at most"));
    }
    serde_json::from_str(text).map_err(|error| format!("it is not as the tool writes it: {error}"))
}

/// A validation's result, or a checkpoint's, which has several; version 0.18 has each of those in a member of its own.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Validated {
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<Vec<Expectation>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suite_name: Option<String>,
    meta: Meta,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<RunId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_results: Option<BTreeMap<String, Validated>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_result: Option<Box<Validated>>,
}

#[derive(Default, Serialize, Deserialize)]
struct Meta {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    great_expectations_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expectation_suite_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    active_batch_definition: Option<Batch>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run_id: Option<RunId>,
}

#[derive(Serialize, Deserialize)]
struct Batch {
    #[serde(default)]
    data_asset_name: Option<String>,
}

#[derive(Clone, Serialize, Deserialize)]
struct RunId {
    #[serde(default)]
    run_name: Option<String>,
    #[serde(default)]
    run_time: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Expectation {
    success: Option<bool>,
    expectation_config: Config,
    #[serde(default)]
    result: Counts,
    /// Whether it could not be evaluated: of the whole, or by metric.
    #[serde(default)]
    exception_info: Raised,
}

#[derive(Serialize, Deserialize)]
struct Config {
    #[serde(rename = "type", alias = "expectation_type")]
    kind: String,
    #[serde(default)]
    kwargs: Kwargs,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    severity: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
struct Kwargs {
    #[serde(default)]
    column: Value,
    #[serde(default, rename = "column_A")]
    first: Value,
    #[serde(default, rename = "column_B")]
    second: Value,
    #[serde(default)]
    column_list: Value,
}

/// Numbers may be missing, or written as numbers with a point.
#[derive(Default, Serialize, Deserialize)]
struct Counts {
    #[serde(default)]
    element_count: Option<f64>,
    #[serde(default)]
    unexpected_count: Option<f64>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(from = "Value", into = "bool")]
struct Raised(bool);

impl From<Value> for Raised {
    fn from(value: Value) -> Self {
        let raised = |of: &Value| of["raised_exception"] == true;
        Self(value == true || raised(&value) || value.as_object().is_some_and(|metrics| metrics.values().any(raised)))
    }
}

impl From<Raised> for bool {
    fn from(raised: Raised) -> Self {
        raised.0
    }
}

fn validated(file: Validated, dataset: &str, of: Option<&str>) -> Result<Report, String> {
    let of_file = file.run_id.clone();
    let mut all: Vec<Validated> = Vec::new();
    let inside = file.run_results.into_iter().flatten().map(|(_, mut one)| match one.validation_result.take() {
        Some(inside) => *inside,
        None => one,
    });
    all.extend(inside.filter(|one| one.results.is_some()));
    if file.results.is_some() {
        all.push(Validated {
            results: file.results,
            suite_name: file.suite_name,
            meta: file.meta,
            ..Validated::default()
        });
    }
    if all.is_empty() {
        return Err("it has no `results`: only results of validations and checkpoints of Great Expectations are read"
            .to_owned());
    }
    let names: Vec<String> = all.iter().filter_map(|one| one.names().next().map(str::to_owned)).collect();
    // Of what names nothing, whoever reports it says whose it is.
    all.retain(|one| match of {
        Some(of) => one.names().any(|name| name == of),
        None => one.names().next().is_none() || one.names().any(|name| name == dataset),
    });
    let one = match (all.pop(), all.is_empty()) {
        (Some(one), true) => one,
        _ => {
            return Err(format!(
                "say whose results are meant with --of and the name of one suite: {}",
                names.join(", ")
            ));
        }
    };
    let run_id = one.meta.run_id.or(of_file);
    let mut named = Names::default();
    let mut results = Vec::new();
    for (n, result) in (1..).zip(one.results.unwrap_or_default()) {
        let Config { kind, kwargs, severity } = result.expectation_config;
        let column = kwargs.names();
        let wish = if column.is_empty() { kind.clone() } else { format!("{column}.{kind}") };
        let verdict = match (result.exception_info.0, result.success) {
            (true, _) | (false, None) => Verdict::Unknown,
            (false, Some(true)) => Verdict::Passed,
            (false, Some(false)) => Verdict::Failed,
        };
        let known = verdict != Verdict::Unknown;
        results.push(ReportedResult {
            rule: named.of(n, wish, "expectation"),
            dimension: dimension_of(&kind),
            warns: matches!(severity.as_deref(), Some("warning" | "info")),
            verdict,
            checked: result.result.element_count.filter(|_| known).and_then(count),
            violations: result.result.unexpected_count.filter(|_| known).and_then(count),
        });
    }
    let run = run_id.as_ref().and_then(|run| run.run_name.clone());
    let ran_at = run_id.as_ref().and_then(|run| instant(run.run_time.as_deref()?));
    finished(Tool::GreatExpectations, one.meta.great_expectations_version, run, ran_at, results, named.notes)
}

impl Validated {
    /// What it is of: its suite, and what it calls the data.
    fn names(&self) -> impl Iterator<Item = &str> {
        let suite = self.suite_name.as_deref().or(self.meta.expectation_suite_name.as_deref());
        let asset = self.meta.active_batch_definition.as_ref().and_then(|batch| batch.data_asset_name.as_deref());
        suite.into_iter().chain(asset)
    }
}

impl Kwargs {
    fn names(&self) -> String {
        let named = [&self.column, &self.first, &self.second].into_iter().filter_map(Value::as_str);
        let listed = self.column_list.as_array().into_iter().flatten().filter_map(Value::as_str);
        named.chain(listed).collect::<Vec<_>>().join("+")
    }
}

fn count(number: f64) -> Option<u64> {
    (number >= 0.0 && number.fract() == 0.0 && number < 9e15).then_some(number as u64)
}

/// The dimension of a rule, by its kind.
fn dimension_of(kind: &str) -> Dimension {
    let kind = kind.rsplit('.').next().unwrap_or(kind);
    let has = |words: &[&str]| words.iter().any(|word| kind.contains(word));
    if has(&["unique", "proportion_of_unique", "duplicate"]) {
        Dimension::Uniqueness
    } else if has(&["null", "row_count", "not_empty", "at_least_one", "completeness"]) {
        Dimension::Completeness
    } else if has(&["pair", "multicolumn", "relationship", "equal_rowcount", "equality", "other_table"]) {
        Dimension::Consistency
    } else if has(&["recency", "freshness"]) {
        Dimension::Timeliness
    } else {
        Dimension::Validity
    }
}

/// What dbt writes of a run.
#[derive(Serialize, Deserialize)]
struct Run {
    metadata: RunMetadata,
    results: Vec<RunResult>,
}

#[derive(Serialize, Deserialize)]
struct RunMetadata {
    dbt_schema_version: String,
    #[serde(default)]
    dbt_version: Option<String>,
    #[serde(default)]
    generated_at: Option<String>,
    #[serde(default)]
    invocation_id: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct RunResult {
    unique_id: String,
    status: String,
    #[serde(default)]
    failures: Option<u64>,
}

/// What dbt knows of its nodes.
#[derive(Serialize, Deserialize)]
struct Manifest {
    nodes: BTreeMap<String, Node>,
}

#[derive(Serialize, Deserialize)]
struct Node {
    #[serde(default)]
    name: String,
    #[serde(default)]
    column_name: Option<String>,
    #[serde(default)]
    attached_node: Option<String>,
    #[serde(default)]
    test_metadata: Option<TestMetadata>,
    #[serde(default)]
    depends_on: DependsOn,
    #[serde(default)]
    config: NodeConfig,
}

#[derive(Serialize, Deserialize)]
struct TestMetadata {
    name: String,
    #[serde(default)]
    namespace: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
struct DependsOn {
    #[serde(default)]
    nodes: Vec<String>,
}

#[derive(Default, Serialize, Deserialize)]
struct NodeConfig {
    #[serde(default)]
    severity: Option<String>,
}

impl Node {
    /// The nodes that a test is of.
    fn tests(&self) -> Vec<&str> {
        match &self.attached_node {
            Some(node) => vec![node.as_str()],
            None => self.depends_on.nodes.iter().map(String::as_str).collect(),
        }
    }
}

/// The name of a model, seed, snapshot or source, as `model.PROJECT.NAME` has it.
fn node_name(id: &str) -> &str {
    let mut parts = id.split('.');
    let kind = parts.next().unwrap_or_default();
    // A source has the name of its own source before it.
    let skipped = if kind == "source" { 2 } else { 1 };
    parts.nth(skipped).unwrap_or(id)
}

fn tested(run: Run, manifest: Option<Manifest>, dataset: &str, of: Option<&str>) -> Result<Report, String> {
    if !run.metadata.dbt_schema_version.contains("/run-results/v") {
        return Err("it is no run_results.json of dbt".to_owned());
    }
    let tests: Vec<&RunResult> = run.results.iter().filter(|one| one.unique_id.starts_with("test.")).collect();
    if tests.is_empty() {
        return Err("no test of data was run: run `dbt test` or `dbt build`".to_owned());
    }
    let node = |one: &RunResult| manifest.as_ref().and_then(|manifest| manifest.nodes.get(&one.unique_id));
    let meant = match (of, &manifest) {
        (Some(_), None) => return Err("which tests are of it stands in manifest.json: give that too".to_owned()),
        (Some(of), Some(_)) => Some(of),
        (None, Some(_)) => Some(dataset),
        // Whoever reports them without a manifest says that all are of it.
        (None, None) => None,
    };
    let is_meant = |one: &&&RunResult| {
        meant.is_none_or(|meant| node(one).is_some_and(|node| node.tests().iter().any(|id| node_name(id) == meant)))
    };
    let chosen: Vec<&&RunResult> = tests.iter().filter(is_meant).collect();
    if chosen.is_empty() {
        let of: BTreeSet<&str> =
            tests.iter().filter_map(|one| node(one)).flat_map(Node::tests).map(node_name).collect();
        let of: Vec<&str> = of.into_iter().take(20).collect();
        let meant = meant.unwrap_or_default();
        return Err(format!("no test of `{meant}` was run: name with --of one of {}", of.join(", ")));
    }
    let mut named = Names::default();
    let mut results = Vec::new();
    for (n, one) in (1..).zip(chosen) {
        let node = node(one);
        let kind = node.and_then(|node| node.test_metadata.as_ref()).map(|test| match &test.namespace {
            Some(namespace) => format!("{namespace}.{}", test.name),
            None => test.name.clone(),
        });
        // Without a manifest, `test.PROJECT.NAME.HASH` has the kind, the model and the column in one word.
        let name = node.map_or_else(|| one.unique_id.split('.').nth(2).unwrap_or_default(), |node| node.name.as_str());
        let wish = match (&kind, node.and_then(|node| node.column_name.as_ref())) {
            (Some(kind), Some(column)) => format!("{column}.{kind}"),
            _ => name.to_owned(),
        };
        let (verdict, warned) = match one.status.as_str() {
            "pass" => (Verdict::Passed, false),
            "fail" => (Verdict::Failed, false),
            "warn" => (Verdict::Failed, true),
            _ => (Verdict::Unknown, false),
        };
        let severity = node.and_then(|node| node.config.severity.as_deref()).unwrap_or_default();
        results.push(ReportedResult {
            rule: named.of(n, wish, "test"),
            dimension: dimension_of(kind.as_deref().unwrap_or(name)),
            warns: warned || severity.eq_ignore_ascii_case("warn"),
            verdict,
            checked: None,
            violations: one.failures.filter(|_| verdict != Verdict::Unknown),
        });
    }
    let RunMetadata { dbt_version, generated_at, invocation_id, .. } = run.metadata;
    let ran_at = generated_at.as_deref().and_then(instant);
    finished(Tool::Dbt, dbt_version, invocation_id, ran_at, results, named.notes)
}

/// Names that are there once.
#[derive(Default)]
struct Names {
    taken: BTreeSet<String>,
    notes: Vec<String>,
}

impl Names {
    /// A name for the result at a place: the one that is wished, where it can be one, else the place.
    fn of(&mut self, n: usize, wish: String, word: &str) -> String {
        let mut name = wish;
        if !rule_is_valid(&name) || says_nothing_of_anybody(&name).is_err() {
            name = format!("{word}-{n}");
            self.notes.push(format!("result {n} is called `{name}`: its own name cannot be written down here"));
        }
        let mut again = 2;
        let own = name.clone();
        while !self.taken.insert(name.clone()) {
            // Room for a number, in whole characters.
            let room = own.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= 120).last();
            name = format!("{}#{again}", own.get(..room.unwrap_or(0)).unwrap_or_default());
            again += 1;
        }
        name
    }
}

fn finished(
    tool: Tool,
    tool_version: Option<String>,
    run: Option<String>,
    ran_at: Option<i64>,
    results: Vec<ReportedResult>,
    mut notes: Vec<String>,
) -> Result<Report, String> {
    if !(1..=MAX_RESULTS).contains(&results.len()) {
        let why = format!("{} results are meant, and a report has 1 to {MAX_RESULTS}", results.len());
        return Err(why + ": name with --of what they are of");
    }
    let usual = |c: char| c.is_ascii_alphanumeric() || "-_./#:".contains(c);
    let fits = |run: &String| (1..=64).contains(&run.len()) && run.chars().all(usual);
    let said = run.is_some();
    let run = run.filter(|run| fits(run) && says_nothing_of_anybody(run).is_ok());
    if said && run.is_none() {
        notes.push("the run is not named: its name has more than 64 letters, digits and `-_./#:`".to_owned());
    }
    let tool_version = tool_version.filter(|version| tool_version_is_valid(version));
    Ok(Report { tool, tool_version, run, ran_at, results, notes })
}
