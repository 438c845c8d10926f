//! Lineage: what was made from what, as pipelines report it, and as Counterfoil sees it by itself.
//!
//! A report in the ledger has names of jobs, data sets and columns, and nothing else of what a pipeline said: that may be
//! SQL or the text of an error with personal data in it, and lies sealed under the key of its day. Checksums are
//! fingerprints under a key of the vault: they tell whether two are the same, and let nobody confirm a guess at what was in a file.

pub mod openlineage;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::decide::{digest_is_valid, name_is_valid, refuse};
use crate::keys::retention::day_start;
use crate::{Event, Given, Refusal, RefusalCode, State};

/// The namespace of data sets that are kept here.
pub const OWN: &str = "counterfoil";

/// How they are named as an address.
const OWN_SCHEME: &str = "counterfoil://";

/// The class under whose day keys raw reports are sealed.
pub const CLASS: &str = "lineage-events";

/// The most data sets that a report reads, and that it writes.
pub const MAX_PORTS: usize = 128;

/// The most edges between columns that a report keeps; how many more there were is said.
pub const MAX_COLUMNS: usize = 512;

/// The most reports of one command.
pub const MAX_REPORTS: usize = 256;

/// The longest namespace, name of a job or data set, and name of a column, in bytes.
pub const NAMESPACE_BYTES: usize = 256;
/// See [`NAMESPACE_BYTES`].
pub const NAME_BYTES: usize = 512;
/// See [`NAMESPACE_BYTES`].
pub const COLUMN_BYTES: usize = 128;

/// The most bytes of names in a report: an entry of the ledger has room for them.
const MAX_NAME_BYTES: usize = 40_000;

/// What a report is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reported {
    /// A run of a job.
    Run,
    /// A data set by itself, without a run.
    Dataset,
    /// A job as it is made, without a run.
    Job,
    /// A version that was read here for a run; Counterfoil reports it.
    Read,
}

impl Reported {
    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Dataset => "dataset",
            Self::Job => "job",
            Self::Read => "read",
        }
    }
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It began.
    Start,
    /// It goes on.
    Running,
    /// It ended well.
    Complete,
    /// It was stopped.
    Abort,
    /// It failed.
    Fail,
    /// Something else is known of it.
    Other,
}

impl RunStatus {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Start, Self::Running, Self::Complete, Self::Abort, Self::Fail, Self::Other];

    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Abort => "abort",
            Self::Fail => "fail",
            Self::Other => "other",
        }
    }
}

/// What a job or a data set is called by whoever reports it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    /// Where it is.
    pub namespace: String,
    /// Its name there.
    pub name: String,
}

/// A data set as something read or wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// Where it is.
    pub namespace: String,
    /// Its name there.
    pub name: String,
    /// The data set here that this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// The version of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The vault's fingerprint of the checksum that was reported, or else of the version that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
}

/// What tells whether two are the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checksum {
    /// Of what.
    pub of: ChecksumOf,
    /// The vault's fingerprint of it, of which 32 hexadecimal digits; a random reference in older entries.
    pub reference: String,
}

/// What a checksum is of: only those of the same are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChecksumOf {
    /// The bytes.
    Content,
    /// The name that its store gives to a version.
    Version,
}

/// That a column was made from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnEdge {
    /// Which of the inputs, counted from 0.
    pub input: u32,
    /// The column of that.
    pub input_column: String,
    /// Which of the outputs, counted from 0.
    pub output: u32,
    /// The column of that.
    pub output_column: String,
}

/// A report as it was sent, sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedReport {
    /// The day whose key it is sealed under, `yyyy-mm-dd`.
    pub day: String,
    /// The vault's reference for whom it is sealed: nobody in particular.
    pub subject: String,
    /// Salted commitment to what it says, hexadecimal.
    pub commitment: String,
}

/// Somebody reported what was made from what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineageReported {
    /// What this is of.
    pub kind: Reported,
    /// When that was, as whoever reports it says, in milliseconds since the epoch.
    pub happened_at: i64,
    /// The run, a UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The run that began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// How far the run has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<RunStatus>,
    /// The job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Named>,
    /// What was read.
    pub inputs: Vec<Port>,
    /// What was written.
    pub outputs: Vec<Port>,
    /// Which columns were made from which.
    pub columns: Vec<ColumnEdge>,
    /// How many more of those there were.
    pub columns_left_out: u64,
    /// What was sent, sealed; left out for what Counterfoil reports by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<SealedReport>,
}

/// The wish to report lineage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportLineage {
    /// The reports, of which which data sets here they speak of is not said yet.
    pub reports: Vec<LineageReported>,
}

/// What a data set is called elsewhere, from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineageAliased {
    /// Where it is.
    pub namespace: String,
    /// Its name there.
    pub name: String,
    /// The data set here that this is; left out when it is none any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
}

/// What was written last, by data set, to hold against what is read.
#[derive(Clone, Debug, Default)]
pub struct Written(BTreeMap<String, Wrote>);

/// A checksum that something wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrote {
    /// The checksum.
    pub checksum: Checksum,
    /// The run that wrote it.
    pub run: Option<String>,
    /// The number of the entry that says so.
    pub seq: u64,
}

impl Written {
    /// Holds what a report read against what was written before, then takes in what it wrote. Calls `each` with the number
    /// of every input that can be held against something, what was written, and whether that is what was read.
    pub fn take(&mut self, report: &LineageReported, seq: u64, mut each: impl FnMut(usize, &Wrote, bool)) {
        for (at, port) in report.inputs.iter().enumerate() {
            let (Some(read), Some(wrote)) = (&port.checksum, self.0.get(&port.id())) else { continue };
            // A run that writes over what it read has read what was there before.
            let own = report.run.is_some() && wrote.run == report.run;
            if !own && wrote.checksum.of == read.of {
                each(at, wrote, wrote.checksum.reference == read.reference);
            }
        }
        for port in &report.outputs {
            if let Some(checksum) = port.checksum.clone() {
                self.0.insert(port.id(), Wrote { checksum, run: report.run.clone(), seq });
            }
        }
    }
}

impl Port {
    /// How it is called in the graph and in tables: `dataset:NAMESPACE:NAME`, or `version:NAME:VERSION` of a version here.
    #[must_use]
    pub fn id(&self) -> String {
        match (&self.dataset, &self.version) {
            (Some(dataset), Some(version)) => format!("version:{dataset}:{version}"),
            (Some(dataset), None) => format!("dataset:{OWN}:{dataset}"),
            (None, _) => format!("dataset:{}:{}", self.namespace, self.name),
        }
    }
}

impl Named {
    /// How a job is called in the graph and in tables.
    #[must_use]
    pub fn job_id(&self) -> String {
        format!("job:{}:{}", self.namespace, self.name)
    }
}

/// A version as it is named in one word, `NAME@VERSION`.
#[must_use]
pub fn named_version(text: &str) -> Option<(&str, &str)> {
    text.split_once('@').filter(|(dataset, version)| !dataset.is_empty() && !version.is_empty())
}

/// The data set here that names of elsewhere speak of, and its version: `counterfoil://NAME/VERSION` however it is cut into
/// namespace and name, or what was declared to be called so.
fn resolve(state: &State, namespace: &str, name: &str) -> Option<(String, Option<String>)> {
    if let Some(dataset) = state.lineage_aliases.get(namespace).and_then(|names| names.get(name)) {
        return Some((dataset.clone(), None));
    }
    let rest = namespace.strip_prefix(OWN)?;
    let rest = if rest.is_empty() { rest } else { rest.strip_prefix("://")? };
    let whole = format!("{rest}/{name}");
    let mut parts = whole.split(['/', '@']).filter(|part| !part.is_empty());
    let (dataset, version) = (parts.next()?, parts.next());
    match parts.next() {
        None => Some((dataset.to_owned(), version.map(str::to_owned))),
        Some(_) => None,
    }
}

impl State {
    pub(crate) fn alias(&mut self, body: &LineageAliased) {
        let names = self.lineage_aliases.entry(body.namespace.clone()).or_default();
        match &body.dataset {
            Some(dataset) => drop(names.insert(body.name.clone(), dataset.clone())),
            None => drop(names.remove(&body.name)),
        }
        self.lineage_aliases.retain(|_, names| !names.is_empty());
    }
}

fn invalid<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(refuse(RefusalCode::Invalid, why))
}

/// A name as it may stand in the ledger.
fn text_is_valid(what: &str, text: &str, most: usize) -> Result<(), Refusal> {
    if text.is_empty() || text.len() > most || text.chars().any(char::is_control) {
        return invalid(format!("the {what} has 1 to {most} bytes and no control characters"));
    }
    Ok(())
}

/// Whether a name that would stand in the ledger has in it what looks like data about a person.
#[must_use]
pub fn is_about_somebody(name: &str) -> bool {
    let found = scan::personal::find(name, &scan::personal::Kind::ALL);
    found.iter().any(|one| one.score_permille >= scan::detect::MASKED)
}

fn run_is_valid(run: &str) -> Result<(), Refusal> {
    let fits = run.len() == 36
        && run.char_indices().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_digit() || ('a'..='f').contains(&c),
        });
    if fits { Ok(()) } else { invalid("a run is named by a UUID, such as 01a204ce-f484-7f71-af44-93561f30881c") }
}

pub(crate) fn alias(state: &State, body: &LineageAliased) -> Result<Vec<Event>, Refusal> {
    text_is_valid("namespace of the data set", &body.namespace, NAMESPACE_BYTES)?;
    text_is_valid("name of the data set", &body.name, NAME_BYTES)?;
    if body.namespace == OWN || body.namespace.starts_with(OWN_SCHEME) {
        return invalid("names that begin with `counterfoil` speak of data sets here already");
    }
    if body.dataset.is_some() && is_about_somebody(&body.name) {
        return invalid(
            "the name of the data set has in it what looks like data about a person, and names stand in the ledger for good",
        );
    }
    let known = state.lineage_aliases.get(&body.namespace).and_then(|names| names.get(&body.name));
    match &body.dataset {
        Some(dataset) if !state.datasets.contains_key(dataset) => {
            Err(refuse(RefusalCode::NotFound, format!("there is no data set `{dataset}`: declare it first")))
        }
        None if known.is_none() => Err(refuse(RefusalCode::NotFound, "no data set here is called so elsewhere")),
        dataset if known == dataset.as_ref() => Ok(vec![]),
        _ => Ok(vec![Event::LineageAliased(body.clone())]),
    }
}

pub(crate) fn report(state: &State, given: &Given, body: &ReportLineage) -> Result<Vec<Event>, Refusal> {
    if !(1..=MAX_REPORTS).contains(&body.reports.len()) {
        return invalid(format!("give 1 to {MAX_REPORTS} reports at once"));
    }
    let one = |report: &LineageReported| {
        is_sealed(given, report)?;
        resolved(state, report).map(Event::LineageReported)
    };
    body.reports.iter().map(one).collect()
}

/// A report with the data sets here that it speaks of; asked before it is sealed too.
///
/// # Errors
/// A [`Refusal`] that says what is wrong with it.
pub fn resolved(state: &State, report: &LineageReported) -> Result<LineageReported, Refusal> {
    is_well_formed(report)?;
    let mut report = report.clone();
    for port in report.inputs.iter_mut().chain(&mut report.outputs) {
        (port.dataset, port.version) = match resolve(state, &port.namespace, &port.name) {
            Some((dataset, version)) => is_here(state, &dataset, version)?,
            None if port.namespace == OWN || port.namespace.starts_with(OWN_SCHEME) => {
                return invalid("a data set here is named `counterfoil://NAME` or `counterfoil://NAME/VERSION`");
            }
            None => (None, None),
        };
    }
    Ok(report)
}

/// A data set that is named as one here must be one: else what a pipeline says would lead nowhere, and nobody would know.
fn is_here(state: &State, dataset: &str, version: Option<String>) -> Result<(Option<String>, Option<String>), Refusal> {
    let Some(known) = state.datasets.get(dataset) else {
        let message = format!("there is no data set `{dataset}`: declare it, or name it otherwise");
        return Err(refuse(RefusalCode::NotFound, message));
    };
    if let Some(version) =
        version.as_ref().filter(|one| !known.versions.contains_key(*one) && !known.ended.contains(*one))
    {
        let message = format!("data set `{dataset}` never had a version `{version}`: store it first, or name none");
        return Err(refuse(RefusalCode::NotFound, message));
    }
    Ok((Some(dataset.to_owned()), version))
}

/// What was sent is sealed first, and its checksums become fingerprints of the vault's: so a report comes in by its own door.
fn is_sealed(given: &Given, report: &LineageReported) -> Result<(), Refusal> {
    // A version that was read here, and nothing beside it: nobody puts other names into the ledger so.
    let bare = matches!(&report.inputs[..], [one] if one.namespace == OWN && one.checksum.is_none())
        && report.outputs.is_empty()
        && report.columns.is_empty()
        && report.job.is_none();
    match &report.sealed {
        Some(sealed) if given.lineage.contains(&sealed.commitment) => Ok(()),
        None if report.kind == Reported::Read && bare => Ok(()),
        _ => invalid("lineage is reported as OpenLineage events, at /api/v1/lineage"),
    }
}

fn is_well_formed(report: &LineageReported) -> Result<(), Refusal> {
    let of_run = matches!(report.kind, Reported::Run | Reported::Read);
    if of_run != report.run.is_some() || (report.kind == Reported::Job) && report.job.is_none() {
        return invalid("a run is named by its UUID, and a job by its namespace and name");
    }
    report.run.iter().chain(&report.parent).try_for_each(|run| run_is_valid(run))?;
    if let Some(job) = &report.job {
        text_is_valid("namespace of the job", &job.namespace, NAMESPACE_BYTES)?;
        text_is_valid("name of the job", &job.name, NAME_BYTES)?;
    }
    let most = report.inputs.len().max(report.outputs.len());
    if most > MAX_PORTS || report.columns.len() > MAX_COLUMNS {
        return invalid(format!("a report reads and writes at most {MAX_PORTS} data sets: report {most} in several"));
    }
    let mut bytes = 0_usize;
    for port in report.inputs.iter().chain(&report.outputs) {
        text_is_valid("namespace of the data set", &port.namespace, NAMESPACE_BYTES)?;
        text_is_valid("name of the data set", &port.name, NAME_BYTES)?;
        bytes = bytes.saturating_add(port.namespace.len()).saturating_add(port.name.len()).saturating_add(160);
        let reference = port.checksum.as_ref().map(|checksum| &checksum.reference);
        if reference.is_some_and(|one| one.len() != 32 || !one.bytes().all(|b| b.is_ascii_hexdigit())) {
            return invalid("a checksum is a reference of the vault here");
        }
    }
    for edge in &report.columns {
        text_is_valid("name of the column", &edge.input_column, COLUMN_BYTES)?;
        text_is_valid("name of the column", &edge.output_column, COLUMN_BYTES)?;
        let at = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
        if at(edge.input) >= report.inputs.len() || at(edge.output) >= report.outputs.len() {
            return invalid("an edge between columns names no data set of the report");
        }
        bytes = bytes.saturating_add(edge.input_column.len()).saturating_add(edge.output_column.len());
        bytes = bytes.saturating_add(70);
    }
    if bytes > MAX_NAME_BYTES {
        return invalid("the names in the report are too long together: report the data sets in several");
    }
    let Some(sealed) = &report.sealed else { return Ok(()) };
    digest_is_valid("sealed report", &sealed.commitment)?;
    match day_start(&sealed.day) {
        Some(_) => Ok(()),
        None => invalid("this is no day"),
    }
}

/// What a model version is said to have learned from.
pub(crate) fn learned_from_is_valid(state: &State, trained_on: &[String], run: Option<&String>) -> Result<(), Refusal> {
    if trained_on.len() > MAX_PORTS || !trained_on.is_sorted_by(|a, b| a < b) {
        return invalid(format!("a model version names at most {MAX_PORTS} versions of data sets, sorted, each once"));
    }
    for one in trained_on {
        let Some((dataset, version)) = named_version(one) else {
            return invalid("what a model version learned from is named `NAME@VERSION`");
        };
        name_is_valid("data set", dataset)?;
        name_is_valid("version", version)?;
        is_here(state, dataset, Some(version.to_owned()))?;
    }
    run.map_or(Ok(()), |run| run_is_valid(run))
}
