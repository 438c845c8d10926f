//! Fields of data sets: what a steward says of each, and what detectors found in a version.
//!
//! A scan is on record with counts and never with what was found. What contradicts the declared classes is a finding, which
//! is opened by the same decision as the scan's own event, so that neither is there without the other.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::DataClass;
use super::findings::{self, FindingWhy};
use crate::decide::{name_is_valid, reference_is_valid, refuse};
use crate::people::Purpose;
use crate::{Event, Given, Refusal, RefusalCode, State};

/// The most fields that one event speaks of.
pub const MAX_FIELDS: usize = 500;

/// The most bytes of what one event says of fields: an entry has room for no more.
pub const MAX_BYTES: usize = 50_000;

/// What a steward says of a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldDecision {
    /// The column, or the member of each object.
    pub field: String,
    /// How sensitive it is.
    pub class: DataClass,
    /// What it may be used for: some of what the data set may be read for. None means nothing.
    pub purposes: Vec<Purpose>,
    /// Where it is written down why that is needed, such as a ticket's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub justification: Option<String>,
}

/// A steward said what fields are. What was said of others stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldsDeclared {
    /// Of which data set.
    pub dataset: String,
    /// What was said of each.
    pub fields: Vec<FieldDecision>,
}

/// A field as it is declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownField {
    /// What was said of it.
    pub decision: FieldDecision,
    /// Who said so.
    pub by: String,
    /// When, in milliseconds since the epoch.
    pub at: i64,
}

/// A kind of thing that detectors found in a column or a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundKind {
    /// The detector's name for it.
    pub kind: String,
    /// Cells that have it, of those looked at; for a file, how often it stands there. Zero when the column's name alone
    /// says so.
    pub cells: u64,
    /// How sure it is, in thousandths.
    pub score_permille: u16,
    /// The class that data of this kind has.
    pub class: DataClass,
    /// Whether it opens something, so that it should be nowhere.
    pub secret: bool,
}

/// What was looked at of a column, or of a file without columns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScannedColumn {
    /// The column; absent for the file as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Cells that were looked at, empty ones left out.
    pub cells: u64,
    /// What was found, by name of kind.
    pub found: Vec<FoundKind>,
}

impl ScannedColumn {
    /// The class that it should have by what was found; `None` when nothing was found, which says nothing of what it is.
    #[must_use]
    pub fn proposed(&self) -> Option<DataClass> {
        self.found.iter().map(|one| one.class).max()
    }
}

/// Detectors looked at a sample of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionScanned {
    /// Of which data set.
    pub dataset: String,
    /// Which version.
    pub version: String,
    /// The object that it was in.
    pub object: String,
    /// Rows that were looked at; zero for a file without rows.
    pub rows_sampled: u64,
    /// Bytes of text that were looked at.
    pub bytes_sampled: u64,
    /// Whether that was all there is.
    pub whole: bool,
    /// By column, in their order.
    pub columns: Vec<ScannedColumn>,
    /// Columns beyond those, of which nothing is on record.
    pub columns_left_out: u64,
    /// How many changes of the organisation's own detectors it knew; left out when there was none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub detectors: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A scan as the state knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownScan {
    /// What was found.
    pub scanned: VersionScanned,
    /// When, in milliseconds since the epoch.
    pub at: i64,
}

impl State {
    /// The class of a field: as it is declared, or else its data set's.
    #[must_use]
    pub fn field_class(&self, dataset: &str, field: Option<&str>) -> Option<DataClass> {
        let declared = field.and_then(|field| self.fields.get(dataset)?.get(field));
        let own = declared.map(|known| known.decision.class);
        own.or_else(|| self.datasets.get(dataset).map(|known| known.spec.class))
    }

    /// Versions of data sets that not every detector there is now has looked at, as (data set, version), the oldest first.
    #[must_use]
    pub fn unscanned(&self) -> Vec<(String, String)> {
        let scanned = |dataset: &str, version: &str| {
            let scan = self.scans.get(dataset).and_then(|all| all.get(version));
            scan.is_some_and(|known| known.scanned.detectors >= self.detectors.revision)
        };
        let versions = self.datasets.iter().flat_map(|(name, known)| known.versions.iter().map(move |one| (name, one)));
        let new = versions.filter(|(dataset, (version, _))| !scanned(dataset, version));
        let mut new: Vec<(i64, String, String)> =
            new.map(|(dataset, (version, known))| (known.at, dataset.clone(), version.clone())).collect();
        new.sort();
        new.into_iter().map(|(_, dataset, version)| (dataset, version)).collect()
    }

    pub(crate) fn declare_fields(&mut self, body: &FieldsDeclared, by: &str, at: i64) {
        let fields = self.fields.entry(body.dataset.clone()).or_default();
        for decision in &body.fields {
            let known = KnownField { decision: decision.clone(), by: by.to_owned(), at };
            fields.insert(decision.field.clone(), known);
        }
    }

    pub(crate) fn take_scan(&mut self, body: &VersionScanned, at: i64) {
        let known = KnownScan { scanned: body.clone(), at };
        self.scans.entry(body.dataset.clone()).or_default().insert(body.version.clone(), known);
    }

    pub(crate) fn forget_scan(&mut self, dataset: &str, version: &str) {
        if let Some(scans) = self.scans.get_mut(dataset) {
            scans.remove(version);
        }
    }
}

/// Names of columns stand in the ledger for good: what has the form of an address of somebody is not let in.
///
/// # Errors
/// [`RefusalCode::Invalid`]; the name is not repeated.
pub fn field_is_valid(field: &str) -> Result<(), Refusal> {
    let fits = (1..=128).contains(&field.len()) && !field.chars().any(|c| c.is_control() || c == '@');
    match fits {
        true => Ok(()),
        false => {
            let rule = "a field is named by up to 128 bytes without `@` and control characters";
            Err(refuse(RefusalCode::Invalid, rule))
        }
    }
}

/// Whether there is room in an entry for what is said of fields.
pub(crate) fn has_room(body: &impl Serialize) -> Result<(), Refusal> {
    match serde_json::to_vec(body).map_or(usize::MAX, |bytes| bytes.len()) <= MAX_BYTES {
        true => Ok(()),
        false => {
            let message = "this is longer than one entry of the ledger: speak of fewer fields at once";
            Err(refuse(RefusalCode::Invalid, message))
        }
    }
}

pub(crate) fn declare(state: &State, body: &FieldsDeclared) -> Result<Vec<Event>, Refusal> {
    let dataset = &body.dataset;
    let Some(known) = state.datasets.get(dataset) else {
        return Err(refuse(RefusalCode::NotFound, format!("there is no data set `{dataset}`")));
    };
    if !(1..=MAX_FIELDS).contains(&body.fields.len()) {
        let message = format!("say what 1 to {MAX_FIELDS} fields are, not {}", body.fields.len());
        return Err(refuse(RefusalCode::Invalid, message));
    }
    has_room(body)?;
    let mut named = BTreeSet::new();
    for one in &body.fields {
        field_is_valid(&one.field)?;
        let field = &one.field;
        let invalid = |why: String| Err(refuse(RefusalCode::Invalid, format!("field `{field}`: {why}")));
        if !named.insert(field) {
            return invalid("it is named twice".to_owned());
        }
        if one.class > known.spec.class {
            let (class, own) = (one.class.as_str(), known.spec.class.as_str());
            return invalid(format!(
                "it cannot be `{class}` in data set `{dataset}`, which is encrypted and guarded as `{own}`: declare a data \
                 set of class `{class}`, store the versions there, and destroy them here"
            ));
        }
        let twice = one.purposes.iter().enumerate().any(|(at, p)| one.purposes.iter().take(at).any(|o| o == p));
        if twice {
            return invalid("each purpose is named once".to_owned());
        }
        if let Some(other) = one.purposes.iter().find(|purpose| !known.spec.purposes.contains(purpose)) {
            return invalid(format!("data set `{dataset}` may not be read for `{}` at all", other.as_str()));
        }
        one.justification.as_deref().map_or(Ok(()), reference_is_valid)?;
    }
    let before = state.fields.get(dataset);
    let is_new =
        |one: &&FieldDecision| before.and_then(|all| all.get(&one.field)).is_none_or(|known| known.decision != **one);
    let fields: Vec<FieldDecision> = body.fields.iter().filter(is_new).cloned().collect();
    if fields.is_empty() {
        return Ok(vec![]);
    }
    let settled = findings::settled_by(state, dataset, &fields);
    let settled: Vec<Event> = settled.collect();
    let declared = Event::FieldsDeclared(FieldsDeclared { dataset: dataset.clone(), fields });
    Ok(std::iter::once(declared).chain(settled).collect())
}

pub(crate) fn scanned(state: &State, given: &Given, body: &VersionScanned) -> Result<Vec<Event>, Refusal> {
    if state.dataset_version(&body.dataset, &body.version).is_none() {
        let message = format!("data set `{}` has no version `{}`", body.dataset, body.version);
        return Err(refuse(RefusalCode::NotFound, message));
    }
    if body.columns.len() > MAX_FIELDS {
        return Err(refuse(RefusalCode::Invalid, format!("a scan speaks of {MAX_FIELDS} columns at most")));
    }
    if body.detectors > state.detectors.revision {
        return Err(refuse(RefusalCode::Invalid, "a scan knows of no change of detectors that was not made"));
    }
    has_room(body)?;
    for column in &body.columns {
        column.column.as_deref().map_or(Ok(()), field_is_valid)?;
        column.found.iter().try_for_each(|found| name_is_valid("kind", &found.kind))?;
    }
    let opened = findings::contradictions(state, given, body);
    Ok(std::iter::once(Event::VersionScanned(body.clone())).chain(opened).collect())
}

/// What of a scan contradicts the declarations, as (field, kind, why, class, cells, score).
pub(crate) fn against(state: &State, body: &VersionScanned) -> Vec<Contradiction> {
    let none = BTreeMap::new();
    let declared = state.fields.get(&body.dataset).unwrap_or(&none);
    let nobodys = state.dataset_version(&body.dataset, &body.version).is_some_and(|known| known.subjects.is_none());
    let (mut all, mut unnamed) = (Vec::new(), None::<Contradiction>);
    for column in &body.columns {
        let field = column.column.as_deref();
        let class = state.field_class(&body.dataset, field);
        for found in &column.found {
            let why = match found.secret {
                true => FindingWhy::Secret,
                false if class.is_some_and(|class| found.class > class) => FindingWhy::AboveClass,
                false => {
                    if nobodys && found.class.is_personal() {
                        unnamed.get_or_insert_with(Contradiction::unnamed).takes(found);
                    }
                    continue;
                }
            };
            all.push(Contradiction {
                field: column.column.clone(),
                kind: found.kind.clone(),
                why,
                class: found.class,
                cells: found.cells,
                score_permille: found.score_permille,
            });
        }
        let missing = field.filter(|field| !declared.is_empty() && !declared.contains_key(*field));
        all.extend(missing.map(|field| Contradiction::undeclared(Some(field), class)));
    }
    // Of a data set about people of which nothing is said, one finding says so, and not one for each field.
    let class = state.field_class(&body.dataset, None);
    let has_columns = body.columns.iter().any(|column| column.column.is_some());
    if declared.is_empty() && has_columns && class.is_some_and(DataClass::is_personal) {
        all.push(Contradiction::undeclared(None, class));
    }
    all.extend(unnamed);
    all
}

/// Something in a version that is not as it is declared.
pub(crate) struct Contradiction {
    pub field: Option<String>,
    pub kind: String,
    pub why: FindingWhy,
    pub class: DataClass,
    pub cells: u64,
    pub score_permille: u16,
}

impl Contradiction {
    /// People in rows that are said to be about nobody: one for all columns.
    fn unnamed() -> Self {
        let (kind, why, class) = ("unnamed".to_owned(), FindingWhy::Unnamed, DataClass::Personal);
        Self { field: None, kind, why, class, cells: 0, score_permille: 0 }
    }

    fn takes(&mut self, found: &FoundKind) {
        self.class = self.class.max(found.class);
        self.cells = self.cells.saturating_add(found.cells);
        self.score_permille = self.score_permille.max(found.score_permille);
    }

    fn undeclared(field: Option<&str>, class: Option<DataClass>) -> Self {
        Self {
            field: field.map(str::to_owned),
            kind: "undeclared".to_owned(),
            why: FindingWhy::Undeclared,
            class: class.unwrap_or(DataClass::Internal),
            cells: 0,
            score_permille: 1_000,
        }
    }
}
