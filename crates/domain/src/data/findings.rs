//! Findings: what contradicts the declared class of a data set or a field, who is to settle it and by when, and how it was.
//!
//! The same thing in the same place of a data set is one finding, however often it is found: a second one is opened only
//! when the first was settled in a way that it contradicts again. Only whom rows are about is said of each version, and so
//! is one for each.

use serde::{Deserialize, Serialize};

use super::DataClass;
use super::fields::{Contradiction, FieldDecision, FoundKind, VersionScanned, against};
use crate::decide::{reference_is_valid, refuse};
use crate::{Event, Given, Refusal, RefusalCode, State};

const DAY_MS: i64 = 86_400_000;

/// The longest time for which something is accepted.
const MAX_ACCEPTED_MS: i64 = 366 * DAY_MS;

/// Why something is a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingWhy {
    /// Something that opens something should stand in no data set.
    Secret,
    /// Data of a higher class than was declared.
    AboveClass,
    /// Nobody said what a field is.
    Undeclared,
    /// People are in rows that are said to be about nobody, so that no erasure finds them.
    Unnamed,
}

impl FindingWhy {
    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::AboveClass => "above_class",
            Self::Undeclared => "undeclared",
            Self::Unnamed => "unnamed",
        }
    }

    /// How long there is to settle it.
    fn time_ms(self) -> i64 {
        match self {
            Self::Secret => DAY_MS,
            Self::AboveClass => 7 * DAY_MS,
            Self::Undeclared | Self::Unnamed => 30 * DAY_MS,
        }
    }
}

/// Something contradicts what is declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingOpened {
    /// Its public identifier.
    pub finding: String,
    /// In which data set.
    pub dataset: String,
    /// In which of its versions it was found first.
    pub version: String,
    /// In which column; absent for the file or the data set as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What was found, by the detector's name; `undeclared` when nobody said what a field is, `unnamed` when people are in
    /// rows that are said to be about nobody.
    pub kind: String,
    /// Why that is a finding.
    pub why: FindingWhy,
    /// The class that it has by what was found.
    pub class: DataClass,
    /// Cells that have it, of those looked at.
    pub cells: u64,
    /// How sure the detector is, in thousandths.
    pub score_permille: u16,
    /// Who is to settle it: who answers for the data set.
    pub owner: String,
    /// By when, in milliseconds since the epoch.
    pub due: i64,
}

/// How a finding was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// It is declared as what it is.
    Reclassified,
    /// It is not what the detector took it for.
    FalseAlarm,
    /// The version is destroyed.
    Removed,
    /// It stays as it is for a time.
    Accepted,
}

impl Resolution {
    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reclassified => "reclassified",
            Self::FalseAlarm => "false_alarm",
            Self::Removed => "removed",
            Self::Accepted => "accepted",
        }
    }
}

/// A finding was settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingResolved {
    /// Which finding.
    pub finding: String,
    /// The data set that it is in.
    pub dataset: String,
    /// How.
    pub resolution: Resolution,
    /// Where the reason is written down, such as a ticket's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Until when it is accepted, in milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<i64>,
}

/// A finding as the state knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was found.
    pub opened: FindingOpened,
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// How it was settled, by whom, and when.
    pub resolved: Option<(FindingResolved, String, i64)>,
}

impl Finding {
    /// Whether the same thing in the same place needs no other finding at `now`.
    fn covers(&self, now: i64) -> bool {
        self.resolved.as_ref().is_none_or(|(resolved, ..)| match resolved.resolution {
            Resolution::FalseAlarm => true,
            Resolution::Accepted => resolved.until.is_some_and(|until| now < until),
            Resolution::Reclassified | Resolution::Removed => false,
        })
    }
}

impl State {
    /// Whether single values of a column of a version may be shown to whoever reads it: the data set is public or internal,
    /// so is the column by its steward's decision, and detectors looked at it in this version and found nothing above that
    /// but what was settled as a false alarm. Of what nobody looked at yet, nothing is shown.
    #[must_use]
    pub fn shows_values(&self, dataset: &str, version: &str, column: &str) -> bool {
        let open = |class: Option<DataClass>| class.is_some_and(|class| class <= DataClass::Internal);
        let declared = open(self.field_class(dataset, None)) && open(self.field_class(dataset, Some(column)));
        let scan = self.scans.get(dataset).and_then(|scans| scans.get(version));
        let looked =
            scan.and_then(|scan| scan.scanned.columns.iter().find(|one| one.column.as_deref() == Some(column)));
        let harmless = |found: &FoundKind| {
            (!found.secret && found.class <= DataClass::Internal) || self.is_false_alarm(dataset, column, &found.kind)
        };
        declared && looked.is_some_and(|looked| looked.found.iter().all(harmless))
    }

    /// Whether somebody said of a kind of thing in a column that it is none.
    fn is_false_alarm(&self, dataset: &str, column: &str, kind: &str) -> bool {
        self.findings.values().any(|finding| {
            let opened = &finding.opened;
            let same = opened.dataset == dataset && opened.field.as_deref() == Some(column) && opened.kind == kind;
            let resolved = finding.resolved.as_ref().map(|(resolved, ..)| resolved.resolution);
            same && resolved == Some(Resolution::FalseAlarm)
        })
    }

    pub(crate) fn open_finding(&mut self, body: &FindingOpened, at: i64) {
        let finding = Finding { opened: body.clone(), at, resolved: None };
        self.findings.insert(body.finding.clone(), finding);
    }

    pub(crate) fn resolve_finding(&mut self, body: &FindingResolved, by: &str, at: i64) {
        if let Some(finding) = self.findings.get_mut(&body.finding) {
            finding.resolved = Some((body.clone(), by.to_owned(), at));
        }
    }
}

/// The findings that a scan opens.
pub(crate) fn contradictions(state: &State, given: &Given, body: &VersionScanned) -> Vec<Event> {
    let Some(owner) = state.datasets.get(&body.dataset).map(|known| known.spec.owner.clone()) else { return vec![] };
    let known = |one: &Contradiction| {
        state.findings.values().any(|finding| {
            let opened = &finding.opened;
            let same = opened.dataset == body.dataset && opened.field == one.field && opened.kind == one.kind;
            let there = one.why != FindingWhy::Unnamed || opened.version == body.version;
            same && there && finding.covers(given.now)
        })
    };
    let fresh = against(state, body).into_iter().filter(|one| !known(one));
    let opened = fresh.enumerate().map(|(i, one)| {
        Event::FindingOpened(FindingOpened {
            finding: format!("f_{}_{i}", given.fresh),
            dataset: body.dataset.clone(),
            version: body.version.clone(),
            field: one.field,
            kind: one.kind,
            why: one.why,
            class: one.class,
            cells: one.cells,
            score_permille: one.score_permille,
            owner: owner.clone(),
            due: given.now.saturating_add(one.why.time_ms()),
        })
    });
    opened.collect()
}

/// The open findings that a declaration of fields settles.
pub(crate) fn settled_by<'a>(
    state: &'a State,
    dataset: &'a str,
    fields: &'a [FieldDecision],
) -> impl Iterator<Item = Event> + 'a {
    let open = state.findings.values().filter(move |one| one.resolved.is_none() && one.opened.dataset == dataset);
    open.filter_map(move |finding| {
        let opened = &finding.opened;
        let decision = match &opened.field {
            Some(field) => fields.iter().find(|one| one.field == *field)?,
            None => fields.first()?,
        };
        let settled = match opened.why {
            FindingWhy::Secret | FindingWhy::Unnamed => false,
            FindingWhy::AboveClass => opened.field.is_some() && decision.class >= opened.class,
            FindingWhy::Undeclared => true,
        };
        settled.then(|| {
            Event::FindingResolved(FindingResolved {
                finding: opened.finding.clone(),
                dataset: opened.dataset.clone(),
                resolution: Resolution::Reclassified,
                reference: decision.justification.clone(),
                until: None,
            })
        })
    })
}

pub(crate) fn resolve(state: &State, given: &Given, body: &FindingResolved) -> Result<Vec<Event>, Refusal> {
    let conflict = |why: String| Err(refuse(RefusalCode::Conflict, why));
    let invalid = |why: &str| Err(refuse(RefusalCode::Invalid, why));
    let known = state.findings.get(&body.finding).filter(|known| known.opened.dataset == body.dataset);
    let Some(known) = known else {
        let message =
            format!("data set `{}` has no such finding: `counterfoil data findings` lists them", body.dataset);
        return Err(refuse(RefusalCode::NotFound, message));
    };
    let opened = &known.opened;
    match &known.resolved {
        Some((resolved, ..)) if resolved == body => return Ok(vec![]),
        Some((resolved, ..)) => {
            let how = resolved.resolution.as_str();
            return conflict(format!("finding `{}` was settled as `{how}` before", body.finding));
        }
        None => {}
    }
    body.reference.as_deref().map_or(Ok(()), reference_is_valid)?;
    if body.until.is_some() != (body.resolution == Resolution::Accepted) {
        return invalid(
            "what is accepted is so until a day, and nothing else has one: give `until` with `accepted` only",
        );
    }
    let reasoned = matches!(body.resolution, Resolution::FalseAlarm | Resolution::Accepted);
    if reasoned && body.reference.is_none() {
        return invalid("say where the reason is written down: a reference is needed, such as a ticket's number");
    }
    match body.resolution {
        Resolution::Reclassified => {
            let field = opened.field.as_deref();
            let fits = state.field_class(&opened.dataset, field).is_some_and(|class| class >= opened.class);
            let declared = state.fields.get(&opened.dataset).is_some_and(|all| match field {
                Some(field) => all.contains_key(field),
                None => !all.is_empty(),
            });
            let settled = match opened.why {
                FindingWhy::Secret | FindingWhy::Unnamed => false,
                FindingWhy::AboveClass => fits,
                FindingWhy::Undeclared => declared,
            };
            if opened.why == FindingWhy::Unnamed {
                return conflict(format!(
                    "finding `{}` is about rows that say of nobody that they are about them: store them anew with the column \
                     that names people, and destroy the version",
                    body.finding
                ));
            }
            if !settled {
                return conflict(format!(
                    "finding `{}` is contradicted as before: declare the field as what it is with `counterfoil data \
                     fields`, or remove the version",
                    body.finding
                ));
            }
        }
        Resolution::Removed if state.dataset_version(&opened.dataset, &opened.version).is_some() => {
            return conflict(format!(
                "version `{}` of data set `{}` is still there: destroy it first",
                opened.version, opened.dataset
            ));
        }
        Resolution::Accepted => {
            let until = body.until.unwrap_or(0);
            if until <= given.now || until > given.now.saturating_add(MAX_ACCEPTED_MS) {
                return invalid("it is accepted until a day that is to come, within a year");
            }
        }
        Resolution::Removed | Resolution::FalseAlarm => {}
    }
    Ok(vec![Event::FindingResolved(body.clone())])
}
