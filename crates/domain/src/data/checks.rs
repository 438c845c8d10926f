//! Checks of versions against contracts, and what follows: a version that breaks a blocking rule is quarantined, and
//! only somebody else lets it out again.
//!
//! A check is run by Counterfoil itself, and what it found comes in as a fact; nobody reports it. What could not be
//! evaluated is unknown, and unknown is not passed.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::contracts::{Dimension, KnownContract};
use super::objects::{StoredObject, is_well_formed};
use crate::decide::{digest_is_valid, identifier_is_valid, name_is_valid, reference_is_valid};
use crate::people::Purpose;
use crate::{Event, Given, Refusal, RefusalCode, State};

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds.
    Passed,
    /// It is broken.
    Failed,
    /// It could not be evaluated.
    Unknown,
}

impl Verdict {
    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// Why something could not be evaluated. A word of ours: an engine's own message may repeat what is in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unsure {
    /// A column that it needs is not there.
    ColumnMissing,
    /// There is nothing that it could be said of.
    NoRows,
    /// The version that it refers to is not there, or may not be read.
    ReferenceMissing,
    /// It took too much time or memory.
    Limit,
    /// The expression cannot be computed over these rows.
    NotEvaluable,
}

impl Unsure {
    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ColumnMissing => "column_missing",
            Self::NoRows => "no_rows",
            Self::ReferenceMissing => "reference_missing",
            Self::Limit => "limit",
            Self::NotEvaluable => "not_evaluable",
        }
    }

    /// What that means, for people.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::ColumnMissing => "a column that it needs is not there",
            Self::NoRows => "there is no row that it could be said of",
            Self::ReferenceMissing => {
                "what it refers to is not there, waits for its check, or may not be read for `operation`"
            }
            Self::Limit => "it takes more time or memory than it may",
            Self::NotEvaluable => "it cannot be computed over these rows, as with a division by zero in one of them",
        }
    }
}

/// What was found of one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleResult {
    /// The rule, by its name in the contract.
    pub rule: String,
    /// Of which dimension it is.
    pub dimension: Dimension,
    /// Whether breaking it quarantines the version.
    pub blocking: bool,
    /// What came of it, its tolerance considered.
    pub verdict: Verdict,
    /// How many rows were looked at.
    pub checked: u64,
    /// How many of them break it.
    pub violations: u64,
    /// Why it is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Unsure>,
}

/// Which contract a version was checked against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractUsed {
    /// Its name.
    pub contract: String,
    /// Its version; none when it was a file that is not published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// SHA-256 of its text, hexadecimal.
    pub sha256: String,
}

/// A version of a data set was checked against a contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionChecked {
    /// Of which data set.
    pub dataset: String,
    /// Which version.
    pub version: String,
    /// Public identifier of the check, `k_` and random characters.
    pub check: String,
    /// The object that the version lay in.
    pub object: String,
    /// Against which contract.
    pub contract: ContractUsed,
    /// At which stage of a pipeline.
    pub stage: String,
    /// In which run of it, by the name that the pipeline gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// How many rows it has.
    pub rows: u64,
    /// What came of it: failed when a blocking rule is, unknown when one could not be evaluated.
    pub verdict: Verdict,
    /// Each rule.
    pub results: Vec<RuleResult>,
}

/// A version breaks a blocking rule, and is read by nobody until somebody else releases it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionQuarantined {
    /// Of which data set.
    pub dataset: String,
    /// Which version.
    pub version: String,
    /// The check that found it.
    pub check: String,
    /// The blocking rules that it breaks.
    pub rules: Vec<String>,
    /// How many of the rows that break them are kept beside it.
    pub kept: u64,
    /// What those lie in, encrypted; none when no row in particular breaks a rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<StoredObject>,
}

/// A quarantined version may be read all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionReleased {
    /// Of which data set.
    pub dataset: String,
    /// Which version.
    pub version: String,
    /// The check that had it quarantined.
    pub check: String,
    /// Where the reason is written down, such as a ticket's number. Never a name.
    pub reference: String,
}

/// The wish to record a check that was run here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckVersion {
    /// Of which data set.
    pub dataset: String,
    /// Which version.
    pub version: String,
    /// The check, which is known to whoever ran it.
    pub check: String,
}

/// What a check found: a fact, from Counterfoil itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// All that is told of it.
    pub checked: VersionChecked,
    /// Rows that break blocking rules, and how many they are.
    pub offending: Option<(StoredObject, u64)>,
}

/// How a version stands, as the state knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The newest check under the contract that was in force.
    pub checked: Option<LastCheck>,
    /// That it is quarantined.
    pub quarantine: Option<Quarantine>,
    /// The contract and its version under which it was released last.
    pub released: Option<(String, u64)>,
}

/// The newest check of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastCheck {
    /// Its identifier.
    pub check: String,
    /// The contract.
    pub contract: String,
    /// The contract's version.
    pub number: u64,
    /// The object that the version lay in.
    pub object: String,
    /// What came of it.
    pub verdict: Verdict,
    /// Dimensions of which something was checked and no blocking rule is broken or unknown.
    pub passed: BTreeSet<Dimension>,
    /// When, in milliseconds since the epoch.
    pub at: i64,
}

/// Why a version is quarantined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// The check that found it.
    pub check: String,
    /// The blocking rules that it breaks.
    pub rules: Vec<String>,
    /// The rows that are kept; none when there are none, or no more.
    pub rows: Option<StoredObject>,
    /// How many those are.
    pub kept: u64,
    /// Who asked for the check.
    pub by: String,
    /// When, in milliseconds since the epoch.
    pub at: i64,
}

/// What came of all rules together.
#[must_use]
pub fn overall(results: &[RuleResult]) -> Verdict {
    let blocking = |verdict| results.iter().any(|one| one.blocking && one.verdict == verdict);
    if blocking(Verdict::Failed) {
        Verdict::Failed
    } else if results.is_empty() || blocking(Verdict::Unknown) {
        Verdict::Unknown
    } else {
        Verdict::Passed
    }
}

/// Dimensions of which something passed and no blocking rule did not.
fn passed(results: &[RuleResult]) -> BTreeSet<Dimension> {
    let of = |dimension: Dimension| results.iter().filter(move |one| one.dimension == dimension);
    let holds = |dimension: &Dimension| {
        of(*dimension).any(|one| one.verdict == Verdict::Passed)
            && of(*dimension).all(|one| !one.blocking || one.verdict == Verdict::Passed)
    };
    Dimension::ALL.into_iter().filter(holds).collect()
}

/// The share of rows that break a rule, and the bounds between which it lies with a confidence of 95 % if these rows stand
/// for more like them, by Wilson's interval. For people to read; nothing is decided by it.
#[must_use]
pub fn wilson(violations: u64, checked: u64) -> Option<(f64, f64, f64)> {
    const Z: f64 = 1.959_963_984_540_054;
    if checked == 0 {
        return None;
    }
    let (n, share) = (checked as f64, violations as f64 / checked as f64);
    let (z2, scale) = (Z * Z, 1.0 + Z * Z / n);
    let (centre, spread) = (share + z2 / (2.0 * n), Z * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt());
    Some((share, ((centre - spread) / scale).max(0.0), ((centre + spread) / scale).min(1.0)))
}

impl State {
    /// How a version stands; `None` when nothing was checked of it.
    #[must_use]
    pub fn standing(&self, dataset: &str, version: &str) -> Option<&Standing> {
        self.checks.get(dataset)?.get(version)
    }

    /// Whether a version's rows may be seen, for this purpose.
    ///
    /// # Errors
    /// A [`Refusal`] that says what it waits for.
    pub fn may_see(&self, dataset: &str, version: &str, purpose: Purpose) -> Result<(), Refusal> {
        let standing = self.standing(dataset, version);
        let forbid = |rule: &str, message: String| {
            Err(Refusal { code: RefusalCode::Forbidden, message, policies: vec![rule.to_owned()] })
        };
        if let Some(quarantine) = standing.and_then(|standing| standing.quarantine.as_ref()) {
            let message = format!(
                "version `{version}` of data set `{dataset}` is quarantined, since check `{}` found it to break {}: store a \
                 version without that, or have somebody else release it with `counterfoil data release`",
                quarantine.check,
                quarantine.rules.join(", ")
            );
            return forbid("quarantined", message);
        }
        let checked = standing.and_then(|standing| standing.checked.as_ref());
        let released = standing.and_then(|standing| standing.released.as_ref());
        if let Some(contract) = self.guard_of(dataset, version) {
            // What was let out under another version of the contract was not let out under this one.
            let let_out = released.is_some_and(|(name, number)| {
                *name == contract.published.contract && *number == contract.published.version
            });
            let settled = let_out || checked.is_some_and(|last| last.verdict == Verdict::Passed);
            if !settled {
                let name = &contract.published.contract;
                let message = format!(
                    "version `{version}` of data set `{dataset}` waits for its check under contract `{name}`: run \
                     `counterfoil data check {dataset}@{version}`"
                );
                return forbid("unchecked", message);
            }
        }
        if purpose == Purpose::Training
            && let Err(why) = self.may_train_on(dataset, version)
        {
            let message = format!("no model is trained on version `{version}` of data set `{dataset}`: {why}");
            return forbid("training-gate", message);
        }
        Ok(())
    }

    /// The contract that a version needs a check under before it is read: it was in force when the version was stored.
    fn guard_of(&self, dataset: &str, version: &str) -> Option<&KnownContract> {
        let stored_at = self.dataset_version(dataset, version)?.at;
        self.contract_of(dataset).filter(|contract| stored_at >= contract.since)
    }

    /// Versions, as (data set, version), that need a check and of which none is on record, the oldest first. Whoever brings a
    /// version in has it checked, so each of them was left by a process that ended in between, or its check could not be run.
    #[must_use]
    pub fn unchecked(&self) -> Vec<(String, String)> {
        let versions = self.datasets.iter().flat_map(|(name, known)| known.versions.iter().map(move |one| (name, one)));
        let waits = |dataset: &str, version: &str| {
            self.guard_of(dataset, version).is_some() && self.standing(dataset, version).is_none()
        };
        let left = versions.filter(|(dataset, (version, _))| waits(dataset, version));
        let mut left: Vec<(i64, String, String)> =
            left.map(|(dataset, (version, known))| (known.at, dataset.clone(), version.clone())).collect();
        left.sort();
        left.into_iter().map(|(_, dataset, version)| (dataset, version)).collect()
    }

    /// What keeps a version from being trained on.
    fn may_train_on(&self, dataset: &str, version: &str) -> Result<(), String> {
        let Some(contract) = self.contract_of(dataset).map(|known| &known.published) else {
            return Err(
                "the data set has no contract in force: publish one with `counterfoil contracts publish`".into()
            );
        };
        let (name, number) = (&contract.contract, contract.version);
        let again = format!("run `counterfoil data check {dataset}@{version}`");
        let checked = self.standing(dataset, version).and_then(|standing| standing.checked.as_ref());
        let Some(last) = checked.filter(|last| last.contract == *name && last.number == number) else {
            return Err(format!("it was not checked under version {number} of contract `{name}`: {again}"));
        };
        if last.verdict != Verdict::Passed {
            return Err(format!("check `{}` under contract `{name}` {}", last.check, last.verdict.as_str()));
        }
        let lies_in = self.dataset_version(dataset, version).map(|known| &known.stored.object);
        if lies_in != Some(&last.object) {
            return Err(format!("it was written anew since check `{}`: {again}", last.check));
        }
        let lacking = Dimension::FOR_TRAINING.into_iter().filter(|dimension| !last.passed.contains(dimension));
        let lacking: Vec<&str> = lacking.map(Dimension::as_str).collect();
        match lacking.is_empty() {
            true => Ok(()),
            false => Err(format!("contract `{name}` has no rule that passed on {}: add one", lacking.join(", "))),
        }
    }

    pub(crate) fn check_version(&mut self, body: &VersionChecked, at: i64) {
        let governs = self.contract_of(&body.dataset).is_some_and(|known| {
            known.published.contract == body.contract.contract && Some(known.published.version) == body.contract.version
        });
        let Some(number) = body.contract.version.filter(|_| governs) else { return };
        let standing = self.checks.entry(body.dataset.clone()).or_default().entry(body.version.clone()).or_default();
        standing.checked = Some(LastCheck {
            check: body.check.clone(),
            contract: body.contract.contract.clone(),
            number,
            object: body.object.clone(),
            verdict: body.verdict,
            passed: passed(&body.results),
            at,
        });
    }

    pub(crate) fn quarantine_version(&mut self, body: &VersionQuarantined, by: &str, at: i64) {
        let standing = self.checks.entry(body.dataset.clone()).or_default().entry(body.version.clone()).or_default();
        standing.quarantine = Some(Quarantine {
            check: body.check.clone(),
            rules: body.rules.clone(),
            rows: body.rows.clone(),
            kept: body.kept,
            by: by.to_owned(),
            at,
        });
    }

    pub(crate) fn release_version(&mut self, body: &VersionReleased) {
        self.drop_quarantined_rows(&body.dataset, &body.version);
        let standing = self.checks.get_mut(&body.dataset).and_then(|versions| versions.get_mut(&body.version));
        if let Some(standing) = standing {
            standing.quarantine = None;
            standing.released = standing.checked.as_ref().map(|last| (last.contract.clone(), last.number));
        }
    }

    /// Has the rows that are kept beside a version destroyed: they are in it all the same, or are to be in nothing.
    pub(super) fn drop_quarantined_rows(&mut self, dataset: &str, version: &str) {
        let standing = self.checks.get_mut(dataset).and_then(|versions| versions.get_mut(version));
        let quarantine = standing.and_then(|standing| standing.quarantine.as_mut());
        let gone = quarantine.and_then(|quarantine| {
            quarantine.kept = 0;
            quarantine.rows.take()
        });
        if let Some(gone) = gone {
            self.doom(&gone.object, &gone.class, dataset, version);
        }
    }

    /// Every encrypted object of data that the ledger speaks of: of versions, of rows that are kept beside them, and of what
    /// is to be destroyed and is not yet known to be gone.
    pub fn spoken_of(&self) -> impl Iterator<Item = &str> {
        let versions = self.datasets.values().flat_map(|dataset| dataset.versions.values());
        let stored = versions.map(|version| version.stored.object.as_str());
        let beside = self.quarantined_objects().map(|stored| stored.object.as_str());
        stored.chain(beside).chain(self.doomed_objects.keys().map(String::as_str))
    }

    /// Objects with rows that are kept beside versions.
    pub fn quarantined_objects(&self) -> impl Iterator<Item = &StoredObject> {
        let standings = self.checks.values().flat_map(|versions| versions.values());
        standings.filter_map(|standing| standing.quarantine.as_ref()?.rows.as_ref())
    }
}

fn refuse<T>(code: RefusalCode, why: String) -> Result<T, Refusal> {
    Err(Refusal::new(code, why))
}

/// Whether a stage and a run are named as they may be; asked before a check is run.
///
/// # Errors
/// A [`Refusal`] that says how to name them.
pub fn stage_is_valid(stage: &str, run: Option<&str>) -> Result<(), Refusal> {
    name_is_valid("stage of a pipeline", stage)?;
    run.map_or(Ok(()), reference_is_valid)
}

pub(crate) fn check(state: &State, given: &Given, body: &CheckVersion) -> Result<Vec<Event>, Refusal> {
    identifier_is_valid("check", &body.check)?;
    let fits = |found: &&Found| {
        let checked = &found.checked;
        (&checked.dataset, &checked.version, &checked.check) == (&body.dataset, &body.version, &body.check)
    };
    let Some(found) = given.checked.as_ref().filter(fits) else {
        let message = format!("no check `{}` of that version was run here: run `counterfoil data check`", body.check);
        return refuse(RefusalCode::NotFound, message);
    };
    let checked = &found.checked;
    stage_is_valid(&checked.stage, checked.run.as_deref())?;
    digest_is_valid("contract", &checked.contract.sha256)?;
    let version = state.dataset_version(&body.dataset, &body.version);
    if version.map(|known| &known.stored.object) != Some(&checked.object) {
        let message = format!(
            "version `{}` of data set `{}` changed while it was checked: check it again",
            body.version, body.dataset
        );
        return refuse(RefusalCode::Conflict, message);
    }
    let mut events = vec![Event::VersionChecked(checked.clone())];
    let contract = state.contract_of(&body.dataset).map(|known| &known.published);
    let Some(contract) = contract.filter(|contract| {
        contract.contract == checked.contract.contract && Some(contract.version) == checked.contract.version
    }) else {
        return Ok(events);
    };
    let standing = state.standing(&body.dataset, &body.version);
    let settled = standing.is_some_and(|standing| {
        standing.quarantine.is_some()
            || standing.released.as_ref() == Some(&(contract.contract.clone(), contract.version))
    });
    if checked.verdict == Verdict::Failed && !settled {
        let broken = checked.results.iter().filter(|one| one.blocking && one.verdict == Verdict::Failed);
        let rows = found.offending.as_ref().map(|(stored, _)| stored.clone());
        rows.as_ref().map_or(Ok(()), is_well_formed)?;
        events.push(Event::VersionQuarantined(VersionQuarantined {
            dataset: body.dataset.clone(),
            version: body.version.clone(),
            check: body.check.clone(),
            rules: broken.map(|one| one.rule.clone()).collect(),
            kept: found.offending.as_ref().map_or(0, |(_, kept)| *kept),
            rows,
        }));
    }
    Ok(events)
}

pub(crate) fn release(state: &State, given: &Given, body: &VersionReleased) -> Result<Vec<Event>, Refusal> {
    reference_is_valid(&body.reference)?;
    let (dataset, version) = (&body.dataset, &body.version);
    let Some(known) = state.dataset_version(dataset, version) else {
        return refuse(RefusalCode::NotFound, format!("data set `{dataset}` has no version `{version}`"));
    };
    let quarantine = state.standing(dataset, version).and_then(|standing| standing.quarantine.as_ref());
    let Some(quarantine) = quarantine else {
        return refuse(
            RefusalCode::Conflict,
            format!("version `{version}` of data set `{dataset}` is not quarantined"),
        );
    };
    if quarantine.check != body.check {
        let message = format!("version `{version}` is quarantined by check `{}`: look at that one", quarantine.check);
        return refuse(RefusalCode::Conflict, message);
    }
    let person = state.person_of(&given.by);
    if [&known.by, &quarantine.by].into_iter().any(|part| state.person_of(part) == person) {
        let message = format!(
            "`{person}` stored version `{version}` or had it checked, and rule `release-by-another` asks for somebody else"
        );
        let policies = vec!["release-by-another".to_owned()];
        return Err(Refusal { code: RefusalCode::Forbidden, message, policies });
    }
    Ok(vec![Event::VersionReleased(body.clone())])
}
