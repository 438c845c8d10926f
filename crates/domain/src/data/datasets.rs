//! Data sets: who answers for each, where it comes from, what it may be used for, and its versions.
//!
//! A version is stored once under its name and never changed, but for what a person's erasure takes out of it: then it
//! lies in another object from there on, and the one before is destroyed. The ledger has no digest of what a version
//! says, which could confirm a guess, but a commitment that only its key can open.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::content::{self, Content, VersionDescribed};
use super::objects::{Doomed, StoredObject, is_well_formed};
use super::residency::country_is_valid;
use crate::decide::{name_is_valid, reference_is_valid};
use crate::keys::holds;
use crate::keys::tokens::scope_is_free;
use crate::people::Purpose;
use crate::{Event, Given, Refusal, RefusalCode, State};

/// How sensitive data is, which chooses the keys that it is encrypted under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataClass {
    /// Anybody may have it.
    Public,
    /// For the organisation.
    Internal,
    /// For those in it who need it.
    Confidential,
    /// About people.
    Personal,
    /// About people, and what could harm them most, such as health.
    Sensitive,
}

impl DataClass {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Public, Self::Internal, Self::Confidential, Self::Personal, Self::Sensitive];

    /// The word used in the ledger and for keys.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Confidential => "confidential",
            Self::Personal => "personal",
            Self::Sensitive => "sensitive",
        }
    }

    /// Whether it is data about people.
    #[must_use]
    pub fn is_personal(self) -> bool {
        matches!(self, Self::Personal | Self::Sensitive)
    }
}

/// Why data about people may be processed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LawfulBasis {
    /// They agreed.
    Consent,
    /// A contract with them needs it.
    Contract,
    /// The law demands it.
    LegalObligation,
    /// Somebody's life is at stake.
    VitalInterests,
    /// A public task needs it.
    PublicTask,
    /// An interest that outweighs theirs.
    LegitimateInterests,
}

impl LawfulBasis {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Consent,
        Self::Contract,
        Self::LegalObligation,
        Self::VitalInterests,
        Self::PublicTask,
        Self::LegitimateInterests,
    ];

    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::Contract => "contract",
            Self::LegalObligation => "legal_obligation",
            Self::VitalInterests => "vital_interests",
            Self::PublicTask => "public_task",
            Self::LegitimateInterests => "legitimate_interests",
        }
    }
}

/// What is declared of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetSpec {
    /// How sensitive it is.
    pub class: DataClass,
    /// Who answers for it, by pseudonym.
    pub owner: String,
    /// Where it comes from, as a reference such as `crm/exports` or a ticket's number. Never a name.
    pub source: String,
    /// Under which licence or agreement, as a reference such as `CC-BY-4.0`.
    pub licence: String,
    /// Why data about people may be processed; needed for classes `personal` and `sensitive`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lawful_basis: Option<LawfulBasis>,
    /// What it may be read for.
    pub purposes: Vec<Purpose>,
    /// Where it is to stay, as a region name of your choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The country of those whom it is about, by two letters, such as `au`; left out when they are of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_country: Option<String>,
}

/// A data set as declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetDeclared {
    /// Its name.
    pub dataset: String,
    /// What is declared of it.
    pub spec: DatasetSpec,
}

/// Nothing more is stored in a data set; the versions that it has stay until they are destroyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatasetRetired {
    /// Which data set.
    pub dataset: String,
}

/// How rows are written in a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Comma-separated, with a header.
    Csv,
    /// A JSON object a line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
    /// A file of Apache Arrow's interprocess format, which is Feather's second version too.
    Arrow,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Csv, Self::Jsonl, Self::Parquet, Self::Arrow];

    /// The word used in the ledger and in requests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
        }
    }

    /// The form that a file's name ends in, without regard to case.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "parquet" => Some(Self::Parquet),
            "arrow" | "feather" => Some(Self::Arrow),
            _ => None,
        }
    }

    /// Whether rows are lines of text, of which several files can be put one behind the other.
    #[must_use]
    pub fn is_text(self) -> bool {
        matches!(self, Self::Csv | Self::Jsonl)
    }
}

/// Where a version says whom each row is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectColumn {
    /// How rows are written.
    pub form: Form,
    /// The column, or the member of each object, with an identifier of a person.
    pub column: String,
    /// The scope of that identifier, as the vault knows it.
    pub scope: String,
}

/// The wish to store a version whose object was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreVersion {
    /// Of which data set.
    pub dataset: String,
    /// Name of the version, never used twice.
    pub version: String,
    /// The object that was written.
    pub object: String,
    /// Where it says whom rows are about, when it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subjects: Option<SubjectColumn>,
}

/// A version of a data set was stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionStored {
    /// Of which data set.
    pub dataset: String,
    /// Name of the version.
    pub version: String,
    /// What it lies in.
    pub stored: StoredObject,
    /// Where it says whom rows are about, when it does. Who they are is in the vault's key store and nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subjects: Option<SubjectColumn>,
}

/// The report that a version was written anew without somebody's rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RewriteVersion {
    /// Of which data set.
    pub dataset: String,
    /// Which version.
    pub version: String,
    /// How many rows it has no more.
    pub rows_removed: u64,
    /// The object that it was in.
    pub old: String,
    /// The object that was written.
    pub object: String,
}

/// A version was written anew, and lies in another object from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionRewritten {
    /// Of which data set.
    pub dataset: String,
    /// Which version.
    pub version: String,
    /// How many rows it has no more.
    pub rows_removed: u64,
    /// The object that it was in, which is to be destroyed.
    pub old: String,
    /// What it lies in.
    pub stored: StoredObject,
}

/// The wish to destroy a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DestroyVersion {
    /// Of which data set.
    pub dataset: String,
    /// Which version.
    pub version: String,
    /// Where the reason is written down, such as a ticket's number.
    pub reference: String,
}

/// A version is no more; its object is to be destroyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionEnded {
    /// Of which data set.
    pub dataset: String,
    /// Which version.
    pub version: String,
    /// The object that it was in.
    pub object: String,
    /// Where the reason is written down.
    pub reference: String,
}

/// A data set as the state knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    /// What is declared of it.
    pub spec: DatasetSpec,
    /// Since when nothing more is stored in it, in milliseconds since the epoch.
    pub retired_at: Option<i64>,
    /// Its versions by name.
    pub versions: BTreeMap<String, Version>,
    /// Names of versions that are no more.
    pub ended: BTreeSet<String>,
}

/// A version as the state knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// What it lies in.
    pub stored: StoredObject,
    /// Where it says whom rows are about.
    pub subjects: Option<SubjectColumn>,
    /// What is in it, when it was read as it came in.
    #[serde(default)]
    pub content: Option<Content>,
    /// When it was stored, in milliseconds since the epoch.
    pub at: i64,
    /// Who stored it.
    pub by: String,
}

/// The most purposes of a data set.
const MAX_PURPOSES: usize = 10;

/// Names that no new data set gets: its page would lie where another page does.
pub const TAKEN_NAMES: [&str; 4] = ["contracts", "findings", "lineage", "residency"];

/// Names that no new version gets, for the same reason.
pub const TAKEN_VERSIONS: [&str; 3] = ["diff", "profile", "versions"];

impl State {
    /// A version of a data set.
    #[must_use]
    pub fn dataset_version(&self, dataset: &str, version: &str) -> Option<&Version> {
        self.datasets.get(dataset)?.versions.get(version)
    }

    pub(crate) fn declare_dataset(&mut self, body: &DatasetDeclared) {
        let new =
            || Dataset { spec: body.spec.clone(), retired_at: None, versions: BTreeMap::new(), ended: BTreeSet::new() };
        let dataset = self.datasets.entry(body.dataset.clone()).or_insert_with(new);
        (dataset.spec, dataset.retired_at) = (body.spec.clone(), None);
    }

    pub(crate) fn store_version(&mut self, body: &VersionStored, by: &str, at: i64) {
        if let Some(dataset) = self.datasets.get_mut(&body.dataset) {
            let (stored, subjects) = (body.stored.clone(), body.subjects.clone());
            let version = Version { stored, subjects, content: None, at, by: by.to_owned() };
            dataset.versions.insert(body.version.clone(), version);
        }
    }

    pub(crate) fn rewrite_version(&mut self, body: &VersionRewritten) {
        let dataset = self.datasets.get_mut(&body.dataset);
        if let Some(version) = dataset.and_then(|dataset| dataset.versions.get_mut(&body.version)) {
            version.stored = body.stored.clone();
            version.content = version.content.as_ref().map(|content| content.without(body.rows_removed));
        }
        // Whoever is forgotten may be in them.
        self.drop_quarantined_rows(&body.dataset, &body.version);
        self.doom(&body.old, &body.stored.class, &body.dataset, &body.version);
    }

    pub(crate) fn end_version(&mut self, body: &VersionEnded) {
        self.drop_quarantined_rows(&body.dataset, &body.version);
        if let Some(versions) = self.checks.get_mut(&body.dataset) {
            versions.remove(&body.version);
        }
        let dataset = self.datasets.get_mut(&body.dataset);
        let gone = dataset.and_then(|dataset| {
            dataset.ended.insert(body.version.clone());
            dataset.versions.remove(&body.version)
        });
        self.forget_scan(&body.dataset, &body.version);
        if let Some(gone) = gone {
            self.doom(&body.object, &gone.stored.class, &body.dataset, &body.version);
        }
    }

    pub(super) fn doom(&mut self, object: &str, class: &str, dataset: &str, version: &str) {
        let doomed = Doomed { class: class.to_owned(), dataset: dataset.to_owned(), version: version.to_owned() };
        self.doomed_objects.insert(object.to_owned(), doomed);
    }
}

/// The data set and version that lie in an object now.
pub(crate) fn lies_in<'a>(state: &'a State, object: &str) -> Option<(&'a String, &'a String, &'a Version)> {
    let mut all =
        state.datasets.iter().flat_map(|(name, known)| known.versions.iter().map(move |(v, of)| (name, v, of)));
    all.find(|(_, _, version)| version.stored.object == object)
}

fn refuse<T>(code: RefusalCode, why: String) -> Result<T, Refusal> {
    Err(Refusal::new(code, why))
}

fn find<'a>(state: &'a State, dataset: &str) -> Result<&'a Dataset, Refusal> {
    let missing = || Refusal::new(RefusalCode::NotFound, format!("there is no data set `{dataset}`"));
    state.datasets.get(dataset).ok_or_else(missing)
}

fn find_version<'a>(state: &'a State, dataset: &str, version: &str) -> Result<&'a Version, Refusal> {
    let missing = || format!("data set `{dataset}` has no version `{version}`");
    find(state, dataset)?.versions.get(version).map_or_else(|| refuse(RefusalCode::NotFound, missing()), Ok)
}

/// Whether nothing else here is reached by this name.
pub(super) fn name_is_free(what: &str, name: &str, taken: &[&str]) -> Result<(), Refusal> {
    match taken.contains(&name) {
        true => refuse(RefusalCode::Invalid, format!("a {what} cannot be called `{name}`: that address is taken")),
        false => Ok(()),
    }
}

pub(crate) fn declare(state: &State, body: &DatasetDeclared) -> Result<Vec<Event>, Refusal> {
    let (dataset, spec) = (&body.dataset, &body.spec);
    name_is_valid("data set", dataset)?;
    let known = state.datasets.get(dataset);
    if known.is_none() {
        name_is_free("data set", dataset, &TAKEN_NAMES)?;
    }
    spec_is_valid(state, dataset, spec)?;
    if let Some(known) = known.filter(|known| known.spec.class != spec.class && !known.versions.is_empty()) {
        let was = known.spec.class.as_str();
        let message = format!(
            "data set `{dataset}` has versions that are encrypted as `{was}`: destroy them first, or declare another"
        );
        return refuse(RefusalCode::Conflict, message);
    }
    match known.is_some_and(|known| known.spec == *spec && known.retired_at.is_none()) {
        true => Ok(vec![]),
        false => Ok(vec![Event::DatasetDeclared(body.clone())]),
    }
}

fn spec_is_valid(state: &State, dataset: &str, spec: &DatasetSpec) -> Result<(), Refusal> {
    let invalid = |why: &str| refuse(RefusalCode::Invalid, format!("data set `{dataset}`: {why}"));
    let here = state.actors.contains_key(&spec.owner) && !state.left.contains_key(&spec.owner);
    if !here {
        return invalid("its owner is nobody who is registered: give a pseudonym, as `counterfoil people list` shows");
    }
    for (what, reference) in [("source", &spec.source), ("licence", &spec.licence)] {
        if reference_is_valid(reference).is_err() {
            return invalid(&format!("its {what} is a reference of up to 64 letters, digits and `-_./#:`"));
        }
    }
    if spec.class.is_personal() && spec.lawful_basis.is_none() {
        return invalid("data about people needs a lawful basis: say which");
    }
    let named_twice = spec.purposes.iter().enumerate().any(|(at, one)| spec.purposes.iter().take(at).any(|o| o == one));
    if spec.purposes.is_empty() || spec.purposes.len() > MAX_PURPOSES || named_twice {
        return invalid("it needs purposes that it may be read for, each once");
    }
    spec.subject_country.as_ref().map_or(Ok(()), |country| country_is_valid(country))?;
    spec.region.as_ref().map_or(Ok(()), |region| name_is_valid("region", region))
}

pub(crate) fn retire(state: &State, body: &DatasetRetired) -> Result<Vec<Event>, Refusal> {
    match find(state, &body.dataset)?.retired_at {
        Some(_) => Ok(vec![]),
        None => Ok(vec![Event::DatasetRetired(body.clone())]),
    }
}

pub(crate) fn store(state: &State, given: &Given, body: &StoreVersion) -> Result<Vec<Event>, Refusal> {
    may_store(state, &body.dataset, &body.version, body.subjects.as_ref())?;
    let class = find(state, &body.dataset)?.spec.class.as_str();
    let stored = written(given, &body.object, class)?;
    let (dataset, version, subjects) = (body.dataset.clone(), body.version.clone(), body.subjects.clone());
    let described = given.content.as_ref().map(|content| -> Result<Event, Refusal> {
        content::is_well_formed(content)?;
        let (dataset, version, content) = (dataset.clone(), version.clone(), content.clone());
        Ok(Event::VersionDescribed(VersionDescribed { dataset, version, content }))
    });
    let described = described.transpose()?;
    let stored = Event::VersionStored(VersionStored { dataset, version, stored, subjects });
    Ok(std::iter::once(stored).chain(described).collect())
}

/// Whether a version of this name can be stored; asked before its bytes are taken.
///
/// # Errors
/// A [`Refusal`] that says why not.
pub fn may_store(state: &State, dataset: &str, version: &str, subjects: Option<&SubjectColumn>) -> Result<(), Refusal> {
    name_is_valid("version", version)?;
    name_is_free("version", version, &TAKEN_VERSIONS)?;
    let known = find(state, dataset)?;
    if known.retired_at.is_some() {
        return refuse(RefusalCode::Conflict, format!("data set `{dataset}` is retired: declare it again first"));
    }
    if known.versions.contains_key(version) || known.ended.contains(version) {
        let message = format!("data set `{dataset}` has or had version `{version}`: a version is never reused");
        return refuse(RefusalCode::Exists, message);
    }
    let Some(subjects) = subjects else { return Ok(()) };
    name_is_valid("scope of identifiers", &subjects.scope)?;
    scope_is_free(&subjects.scope)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    match (1..=64).contains(&subjects.column.len()) && subjects.column.chars().all(plain) {
        true => Ok(()),
        false => {
            let rule = "the column of subjects is named by up to 64 letters, digits, `_`, `-` and `.`";
            refuse(RefusalCode::Invalid, rule.to_owned())
        }
    }
}

/// The object that was written, if it is the one that is named and of the right class.
fn written(given: &Given, object: &str, class: &str) -> Result<StoredObject, Refusal> {
    let Some(stored) = given.object.as_ref().filter(|stored| stored.object == object) else {
        let message = format!("no object `{object}` was written here that waits to be stored: upload it first");
        return refuse(RefusalCode::NotFound, message);
    };
    is_well_formed(stored)?;
    if stored.class != class {
        let message =
            format!("object `{object}` was encrypted as `{}`, not as `{class}`: upload it again", stored.class);
        return refuse(RefusalCode::Conflict, message);
    }
    Ok(stored.clone())
}

pub(crate) fn rewrite(state: &State, given: &Given, body: &RewriteVersion) -> Result<Vec<Event>, Refusal> {
    let (dataset, version) = (body.dataset.clone(), body.version.clone());
    let known = find_version(state, &dataset, &version)?;
    if known.stored.object != body.old {
        let message = format!("version `{version}` of data set `{dataset}` is not in object `{}` any more", body.old);
        return refuse(RefusalCode::Conflict, message);
    }
    let stored = written(given, &body.object, &known.stored.class)?;
    let (rows_removed, old) = (body.rows_removed, body.old.clone());
    Ok(vec![Event::VersionRewritten(VersionRewritten { dataset, version, rows_removed, old, stored })])
}

pub(crate) fn destroy(state: &State, body: &DestroyVersion) -> Result<Vec<Event>, Refusal> {
    reference_is_valid(&body.reference)?;
    let (dataset, version, reference) = (body.dataset.clone(), body.version.clone(), body.reference.clone());
    let known = find_version(state, &dataset, &version)?;
    for on in [format!("dataset/{dataset}"), format!("class/{}", known.stored.class)] {
        if let Some(hold) = holds::blocking(state, &on) {
            let message = format!("hold `{hold}` on `{on}` keeps version `{version}` of data set `{dataset}`");
            return refuse(RefusalCode::Conflict, message);
        }
    }
    let object = known.stored.object.clone();
    Ok(vec![Event::VersionEnded(VersionEnded { dataset, version, object, reference })])
}
