//! Retention: how long what is kept, by kind and class, and the disposal of what is due.
//!
//! Sealed payloads are disposed of by the day: each class has a key for each day, and destroying it takes everything
//! sealed in that class on that day, of everybody. So a disposal is three entries: what is to go, by which rule
//! (`retention.disposing`); then the key and the rows go; then what became of it (`retention.disposed`). A process that
//! dies in between finds the first without the last, and goes on.
//!
//! Versions of data sets and artifacts of models go one by one, each with its own key. The disposal of a version ends it,
//! as destroying it by hand does.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::holds;
use crate::data::{DataClass, datasets, lineage};
use crate::decide::{name_is_valid, reference_is_valid, refuse};
use crate::serving::SegmentFile;
use crate::{Command, Event, Refusal, RefusalCode, State};

/// A rule for every class of a kind.
pub const ANY_CLASS: &str = "*";

/// The class under which the texts of queries are committed to: see the room of people.
pub const QUERIES: &str = "queries";

/// What the days of segments with records of inferences are kept under, in place of a class: a segment holds records of any.
pub const INFERENCE_CORES: &str = "inference_core";

/// The same of records of accesses.
pub const ACCESS_CORES: &str = "access_core";

/// How far the clock may be ahead of the newest entry before nothing is disposed of by it, in milliseconds.
pub const CLOCK_LEAP_MS: i64 = DAY_MS;

/// Words that stand in the place of a class, so that nothing else may be of a class of that name.
pub const RESERVED: [&str; 4] = [QUERIES, INFERENCE_CORES, ACCESS_CORES, lineage::CLASS];

/// The most segments that one entry says are gone.
pub const MOST_SEGMENTS: usize = 100;

/// How long something may be kept, in days: shortest and longest.
pub const DAYS: (u32, u32) = (1, 36_500);

/// How long a disposal may take once it is due, in milliseconds.
pub const WITHIN_MS: i64 = 7 * DAY_MS;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Sealed requests and responses of inferences.
    InferencePayload,
    /// The records of inferences themselves, without personal data.
    InferenceCore,
    /// What accesses asked, committed to and not kept.
    AccessRecord,
    /// The records of accesses themselves.
    AccessCore,
    /// Versions of data sets.
    Dataset,
    /// Artifacts, such as models.
    Artifact,
    /// Reports of lineage as they were sent.
    LineageEvent,
}

impl Kind {
    /// The word used in the ledger and in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InferencePayload => "inference_payload",
            Self::InferenceCore => INFERENCE_CORES,
            Self::AccessRecord => "access_record",
            Self::AccessCore => ACCESS_CORES,
            Self::Dataset => "dataset",
            Self::Artifact => "artifact",
            Self::LineageEvent => "lineage_event",
        }
    }

    /// The kind of what is kept by the day under a class: what is sealed under its day keys, or segments of records.
    #[must_use]
    pub fn sealed_in(class: &str) -> Self {
        match class {
            QUERIES => Self::AccessRecord,
            INFERENCE_CORES => Self::InferenceCore,
            ACCESS_CORES => Self::AccessCore,
            lineage::CLASS => Self::LineageEvent,
            _ => Self::InferencePayload,
        }
    }

    /// Whether it is segments of records, which go as files and have no key.
    #[must_use]
    pub fn is_core(self) -> bool {
        matches!(self, Self::InferenceCore | Self::AccessCore)
    }
}

/// How long something is kept, from here on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionScheduled {
    /// The rule's name.
    pub rule: String,
    /// What it is about.
    pub kind: Kind,
    /// Of which class; `*` for every class that no other rule names.
    pub class: String,
    /// For how many whole days after the day on which it came to be.
    pub days: u32,
    /// Where it is written down why, such as a clause or a ticket's number. Never a name.
    pub basis: String,
}

/// A rule no longer holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionUnscheduled {
    /// Which rule.
    pub rule: String,
}

/// There are payloads of a class and day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionKept {
    /// What they are.
    pub kind: Kind,
    /// Their class.
    pub class: String,
    /// The day of their key, `yyyy-mm-dd`.
    pub day: String,
}

/// The wish to dispose of something that is due.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeginDisposal {
    /// Public identifier, `x_` and random characters.
    pub disposal: String,
    /// What is to go.
    pub item: Item,
    /// Holds on people and services of whom it was looked, and found, that they have nothing in it.
    pub clear_of: Vec<String>,
}

/// Something that goes as a whole: what was sealed in a class on a day, or an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// What it is.
    pub kind: Kind,
    /// Its class.
    pub class: String,
    /// The day of its key, `yyyy-mm-dd`; left out for an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
    /// The object's identifier; left out for a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
}

/// Something is to go. Nothing holds it, and it is due by a rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionDisposing {
    /// Public identifier.
    pub disposal: String,
    /// What.
    pub item: Item,
    /// By which rule.
    pub rule: String,
    /// How many days that rule said.
    pub days: u32,
    /// When it was due, in milliseconds since the epoch.
    pub due: i64,
    /// Holds of which it was looked whether they have something in it.
    pub clear_of: Vec<String>,
}

/// How something went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The key that it was sealed under was destroyed; then its ciphertext was removed.
    KeyDestroyed,
    /// Its file was deleted.
    FileDeleted,
}

impl Method {
    /// The word used in the ledger and in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeyDestroyed => "key_destroyed",
            Self::FileDeleted => "file_deleted",
        }
    }
}

/// Something went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionDisposed {
    /// Which disposal.
    pub disposal: String,
    /// What.
    pub item: Item,
    /// How.
    pub method: Method,
    /// When it was due, in milliseconds since the epoch.
    pub due: i64,
    /// Copies there were in this installation: the key, and each file with ciphertext.
    pub copies: u64,
    /// Those of them that were looked for again afterwards and not found.
    pub copies_confirmed: u64,
}

/// Another person looked at a disposal and found it done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisposalConfirmed {
    /// Which disposal; of a version that somebody destroyed, the object that it lay in.
    pub disposal: String,
    /// Where it is written down what was looked at.
    pub reference: String,
}

/// Segments whose records go, by a disposal that is under way. What proves of them that they were is in the entries that
/// sealed them, and again here: a file that is gone is one of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentsDisposed {
    /// Which disposal.
    pub disposal: String,
    /// What records they are of: `inference_core` or `access_core`.
    pub kind: Kind,
    /// The segments.
    pub segments: Vec<SegmentGone>,
}

/// The wish to have what is due disposed of, although the clock leapt ahead: it is right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfirmClock {
    /// Where it is written down how that was found out. Never a name.
    pub reference: String,
}

/// The clock leapt ahead, and somebody says that it is right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockConfirmed {
    /// From when, in milliseconds since the epoch.
    pub from: i64,
    /// To when.
    pub to: i64,
    /// Where it is written down how that was found out. Never a name.
    pub reference: String,
}

/// A clock that is ahead of what the ledger was told by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockLeap {
    /// From when, in milliseconds since the epoch.
    pub from: i64,
    /// To when.
    pub to: i64,
}

/// A segment whose file of records is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentGone {
    /// The node that wrote it.
    pub node: String,
    /// Its incarnation.
    pub incarnation: u64,
    /// The segment's number.
    pub number: u64,
    /// How many records it had.
    pub n: u64,
    /// The root over them, hexadecimal.
    pub root: String,
    /// The file that held them.
    pub core: SegmentFile,
}

/// A segment's payload file was written anew without some of its rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PayloadCompacted {
    /// The node whose segment it is.
    pub node: String,
    /// Its incarnation.
    pub incarnation: u64,
    /// The segment's number.
    pub number: u64,
    /// The file as it was.
    pub old: SegmentFile,
    /// The file as it is; left out when no row was left, and the file is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new: Option<SegmentFile>,
    /// How many rows went.
    pub rows_removed: u64,
    /// RFC 6962 root over the ciphertexts that are left, in the order of their records, hexadecimal; left out when none is,
    /// and in older entries. It says which went, to whoever has the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
    /// Why they went: `request/ID` of an erasure, `disposal/ID`, sorted. None in older entries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
}

/// A rule as it is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// What it says.
    pub scheduled: RetentionScheduled,
    /// The person who said so.
    pub by: String,
    /// When, in milliseconds since the epoch.
    pub at: i64,
}

/// A disposal as it is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Disposal {
    /// What is to go.
    pub disposing: RetentionDisposing,
    /// The person who made the rule, who does not confirm it.
    pub ruled_by: String,
    /// When that was said, in milliseconds since the epoch.
    pub at: i64,
    /// What became of it, and when; `None` while it is under way.
    pub disposed: Option<(RetentionDisposed, i64)>,
    /// The person who confirmed it, and when.
    pub confirmed: Option<(String, i64)>,
}

/// Something for which a rule says how long it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiring {
    /// What.
    pub item: Item,
    /// By which rule.
    pub rule: String,
    /// How many days that says.
    pub days: u32,
    /// When it is due, in milliseconds since the epoch.
    pub expires_at: i64,
    /// A hold that keeps it, or `service/NAME` of one that answers with it.
    pub held_by: Option<String>,
    /// Holds on people and services: it is kept while one of them has something in it, which only the records tell.
    pub unless_clear: Vec<String>,
}

/// A whole object that can be disposed of, beside days of payloads.
struct Object {
    item: Item,
    /// When it came to be, in milliseconds since the epoch.
    since: i64,
    /// What keeps it that is no hold, such as `service/NAME` of one that answers with it.
    kept_by: Option<String>,
    /// What a hold on it would be on, such as `dataset/NAME`, beside its class.
    held_as: Option<String>,
    /// Whether it says whom its rows are about.
    about_people: bool,
}

/// The objects that can be disposed of: versions of data sets, and encrypted artifacts.
fn objects(state: &State) -> Vec<Object> {
    let item = |kind, class: &str, object: &str| {
        let (class, object) = (class.to_owned(), Some(object.to_owned()));
        Item { kind, class, day: None, object }
    };
    let versions = state.datasets.iter().flat_map(|(name, dataset)| {
        dataset.versions.values().map(move |version| Object {
            item: item(Kind::Dataset, &version.stored.class, &version.stored.object),
            since: version.at,
            kept_by: None,
            held_as: Some(format!("dataset/{name}")),
            about_people: version.subjects.is_some(),
        })
    });
    let live = state.deployments.values().flat_map(BTreeMap::values);
    let answers = live.filter_map(|one| {
        let started = &one.started;
        Some((started.artifact_sha256.as_ref()?, format!("service/{}", started.service)))
    });
    let served: BTreeMap<&String, String> = answers.collect();
    let artifacts = state.artifacts.iter().map(|(object, artifact)| Object {
        kept_by: served.get(&artifact.sha256).cloned(),
        item: item(Kind::Artifact, &artifact.class, object),
        since: artifact.at,
        held_as: None,
        about_people: false,
    });
    versions.chain(artifacts).collect()
}

/// The start of a day written `yyyy-mm-dd`, in milliseconds since the epoch.
#[must_use]
pub fn day_start(day: &str) -> Option<i64> {
    let mut parts = day.split('-');
    let mut part = |len: usize| parts.next().filter(|part| part.len() == len)?.parse::<u32>().ok().map(i64::from);
    let (year, month, date) = (part(4)?, part(2)?, part(2)?);
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&date) {
        return None;
    }
    // Days before a civil date, with years that begin in March, so that a leap day is a year's last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (month * 153 + 2) / 5 + date;
    // 1970-01-01 counted in the same way.
    Some((days - 719_469) * DAY_MS)
}

/// The classes that something may be of, sorted: those of data sets and artifacts, what services and scopes of tokens
/// declare, and what payloads are kept of.
fn classes(state: &State) -> BTreeSet<&str> {
    let mut all: BTreeSet<&str> = DataClass::ALL.iter().map(|class| class.as_str()).collect();
    all.extend([QUERIES, lineage::CLASS]);
    all.extend(state.services.values().map(|service| service.classification.as_str()));
    all.extend(state.token_scopes.values().map(|known| known.spec.class.as_str()));
    all.extend(state.kept.keys().map(String::as_str));
    all
}

/// Whether something may be of a class: a rule or a hold on a mistyped one would be about nothing.
pub(super) fn class_is_known(state: &State, class: &str) -> Result<(), Refusal> {
    let known = classes(state);
    if known.contains(class) || RESERVED.contains(&class) {
        return Ok(());
    }
    let known: Vec<&str> = known.into_iter().collect();
    let message =
        format!("nothing is of class `{class}`, and no service declares it: name one of {}", known.join(", "));
    Err(refuse(RefusalCode::NotFound, message))
}

impl State {
    /// The rule for a kind and class: one that names the class, else one for every class.
    #[must_use]
    pub fn retention_rule(&self, kind: Kind, class: &str) -> Option<&Rule> {
        rule_in(&self.retention_rules, kind, class)
    }

    /// All that a rule says the end of, soonest first, held or not, apart from what is being disposed of.
    #[must_use]
    pub fn expiring(&self) -> Vec<Expiring> {
        let days = self.kept.iter().flat_map(|(class, days)| days.iter().map(move |day| (class, day)));
        let days = days.filter_map(|(class, day)| {
            let kind = Kind::sealed_in(class);
            let item = Item { kind, class: class.clone(), day: Some(day.clone()), object: None };
            // What is sealed on a day may be of its last moment.
            let since = day_start(day)?.saturating_add(DAY_MS);
            let about_people = matches!(kind, Kind::InferencePayload | Kind::InferenceCore);
            self.expires(Object { item, since, kept_by: None, held_as: None, about_people })
        });
        let whole = objects(self).into_iter().filter_map(|one| self.expires(one));
        let mut all: Vec<Expiring> = days.chain(whole).filter(|one| !self.is_going(&one.item)).collect();
        all.sort_by(|a, b| (a.expires_at, &a.item).cmp(&(b.expires_at, &b.item)));
        all
    }

    /// What is due at `now` (milliseconds since the epoch) and not held, as far as the ledger tells.
    #[must_use]
    pub fn due(&self, now: i64) -> Vec<Expiring> {
        let mut all = self.expiring();
        all.retain(|one| one.expires_at <= now && one.held_by.is_none());
        all
    }

    /// Disposals that began and were not reported as done.
    pub fn under_way(&self) -> impl Iterator<Item = &Disposal> {
        self.disposals.values().filter(|disposal| disposal.disposed.is_none())
    }

    /// What an object that is there is of, such as `dataset/NAME/VERSION` or `model/NAME/VERSION`.
    #[must_use]
    pub fn object_source(&self, object: &str) -> Option<String> {
        if let Some((dataset, version, _)) = datasets::lies_in(self, object) {
            return Some(format!("dataset/{dataset}/{version}"));
        }
        let mut versions = self.models.values().flat_map(BTreeMap::values);
        let model = versions.find(|model| model.enclosed.as_ref().is_some_and(|enclosed| enclosed.object == object))?;
        Some(format!("model/{}/{}", model.model, model.version))
    }

    fn expires(&self, object: Object) -> Option<Expiring> {
        let rule = self.retention_rule(object.item.kind, &object.item.class)?;
        let days = rule.scheduled.days;
        let expires_at = object.since.saturating_add(i64::from(days).saturating_mul(DAY_MS));
        let (held_by, unless_clear) = self.kept_by(&object);
        Some(Expiring { rule: rule.scheduled.rule.clone(), item: object.item, days, expires_at, held_by, unless_clear })
    }

    /// What keeps an object, and holds that may, of whom it must be looked whether they have something in it.
    fn kept_by(&self, object: &Object) -> (Option<String>, Vec<String>) {
        let Object { item, kept_by, held_as, about_people, .. } = object;
        let class = format!("class/{}", item.class);
        let held = || held_as.iter().chain([&class]).find_map(|on| holds::blocking(self, on));
        let held_by = kept_by.clone().or_else(held);
        // Of whom something is, and which services it came by, the ledger does not say; nor of which classes records are.
        let looked_for = |on: &str| {
            (*about_people && on.starts_with("subject/"))
                || (matches!(item.kind, Kind::InferencePayload | Kind::InferenceCore) && on.starts_with("service/"))
                || (item.kind == Kind::InferenceCore && on.starts_with("class/"))
        };
        let unless_clear = holds::live(self).filter(|(_, hold)| looked_for(&hold.placed.on));
        (held_by, unless_clear.map(|(id, _)| id.clone()).collect())
    }

    /// What keeps something whose disposal has begun: a hold that was placed since. One that may have something in it keeps
    /// it too, for nobody looked.
    #[must_use]
    pub fn kept_since(&self, disposing: &RetentionDisposing) -> Option<String> {
        let item = &disposing.item;
        let about_people = matches!(item.kind, Kind::InferencePayload | Kind::InferenceCore);
        let doomed = item.object.as_ref().and_then(|object| self.doomed_objects.get(object));
        let object = Object {
            item: item.clone(),
            since: 0,
            kept_by: None,
            held_as: doomed.map(|doomed| format!("dataset/{}", doomed.dataset)),
            about_people: about_people || doomed.is_some(),
        };
        let (held_by, unless_clear) = self.kept_by(&object);
        held_by.or_else(|| unless_clear.into_iter().find(|hold| !disposing.clear_of.contains(hold)))
    }

    /// What keeps an object of a data set that goes by a rule of retention.
    #[must_use]
    pub fn doomed_kept_since(&self, object: &str) -> Option<String> {
        let of = self.under_way().find(|one| one.disposing.item.object.as_deref() == Some(object))?;
        self.kept_since(&of.disposing)
    }

    fn is_going(&self, item: &Item) -> bool {
        self.under_way().any(|disposal| disposal.disposing.item == *item)
    }

    pub(super) fn is_disposed(&self, item: &Item) -> bool {
        self.disposals.values().any(|disposal| disposal.disposing.item == *item)
    }

    /// Whether an object goes, or went, by a rule.
    pub(crate) fn is_disposed_of(&self, object: &str) -> bool {
        self.disposals.values().any(|disposal| disposal.disposing.item.object.as_deref() == Some(object))
    }

    /// Whether a command would have something go sooner than the rules in force. Where there is none, it is kept for ever.
    #[must_use]
    pub fn shortens(&self, command: &Command) -> bool {
        let mut after = self.retention_rules.clone();
        match command {
            Command::ScheduleRetention(body) => {
                let rule = Rule { scheduled: body.clone(), by: String::new(), at: 0 };
                after.insert(body.rule.clone(), rule);
            }
            Command::UnscheduleRetention(body) => {
                after.remove(&body.rule);
            }
            _ => return false,
        }
        let rules = || self.retention_rules.values().chain(after.values()).map(|rule| &rule.scheduled);
        let kinds: BTreeSet<Kind> = rules().map(|rule| rule.kind).collect();
        let classes: BTreeSet<&str> =
            rules().map(|rule| rule.class.as_str()).chain(self.kept.keys().map(String::as_str)).collect();
        let days = |rules, kind, class| rule_in(rules, kind, class).map(|rule| rule.scheduled.days);
        kinds.into_iter().any(|kind| {
            classes.iter().any(|class| match (days(&self.retention_rules, kind, class), days(&after, kind, class)) {
                (Some(before), Some(after)) => after < before,
                (None, Some(_)) => self.may_hold(kind, class),
                (_, None) => false,
            })
        })
    }

    /// Whether there may be something of a kind and class. Of what this cannot see, there may be.
    fn may_hold(&self, kind: Kind, class: &str) -> bool {
        match kind {
            // Days of segments are told of once a day: there may be some that were not told of yet, of a start before this too.
            Kind::InferenceCore => self.nodes.values().any(|node| node.incarnation > 1 || node.sealed_records > 0),
            Kind::AccessCore => self.nodes.values().any(|node| node.incarnation > 1 || node.sealed_accesses > 0),
            Kind::InferencePayload | Kind::AccessRecord | Kind::LineageEvent => {
                let here = |(known, days): (&String, &BTreeSet<String>)| {
                    let named = class == ANY_CLASS || class == known;
                    named && Kind::sealed_in(known) == kind && !days.is_empty()
                };
                self.kept.iter().any(here)
            }
            Kind::Dataset => {
                let mut versions = self.datasets.values().flat_map(|dataset| dataset.versions.values());
                versions.any(|version| class == ANY_CLASS || class == version.stored.class)
            }
            Kind::Artifact => self.artifacts.values().any(|artifact| class == ANY_CLASS || class == artifact.class),
        }
    }

    pub(crate) fn schedule_retention(&mut self, body: &RetentionScheduled, by: &str, at: i64) {
        let by = self.person_of(by).to_owned();
        self.retention_rules.insert(body.rule.clone(), Rule { scheduled: body.clone(), by, at });
    }

    pub(crate) fn begin_disposal(&mut self, body: &RetentionDisposing, at: i64) {
        let ruled_by = self.retention_rules.get(&body.rule).map(|rule| rule.by.clone()).unwrap_or_default();
        let disposal = Disposal { disposing: body.clone(), ruled_by, at, disposed: None, confirmed: None };
        self.disposals.insert(body.disposal.clone(), disposal);
    }

    pub(crate) fn end_disposal(&mut self, body: &RetentionDisposed, at: i64) {
        if let Some(disposal) = self.disposals.get_mut(&body.disposal) {
            disposal.disposed = Some((body.clone(), at));
        }
        if let (Some(days), Some(day)) = (self.kept.get_mut(&body.item.class), &body.item.day) {
            days.remove(day);
        }
        if let Some(object) = &body.item.object {
            self.artifacts.remove(object);
        }
    }

    pub(crate) fn confirm_disposal(&mut self, body: &DisposalConfirmed, by: &str, at: i64) {
        let by = self.person_of(by).to_owned();
        if let Some(disposal) = self.disposals.get_mut(&body.disposal) {
            disposal.confirmed = Some((by, at));
        } else if let Some(deletion) = self.deletions.get_mut(&body.disposal) {
            deletion.confirmed = Some((by, at));
        }
    }
}

fn rule_in<'r>(rules: &'r BTreeMap<String, Rule>, kind: Kind, class: &str) -> Option<&'r Rule> {
    let of = |named: &str| rules.values().find(|rule| rule.scheduled.kind == kind && rule.scheduled.class == named);
    of(class).or_else(|| of(ANY_CLASS))
}

pub(crate) fn schedule(state: &State, body: &RetentionScheduled) -> Result<Vec<Event>, Refusal> {
    let invalid = |why: String| Err(refuse(RefusalCode::Invalid, why));
    name_is_valid("rule", &body.rule)?;
    if body.class != ANY_CLASS {
        name_is_valid("class", &body.class)?;
    }
    let (shortest, longest) = DAYS;
    if !(shortest..=longest).contains(&body.days) {
        return invalid(format!("rule `{}`: keep for {shortest} to {longest} days", body.rule));
    }
    if body.kind.is_core() && body.class != ANY_CLASS {
        let (rule, kind) = (&body.rule, body.kind.as_str());
        return invalid(format!(
            "rule `{rule}`: a segment holds records of every class and goes as a whole: make it for `{kind}` of class \
             `{ANY_CLASS}`"
        ));
    }
    reference_is_valid(&body.basis)?;
    let named = state.retention_rules.get(&body.rule).is_some_and(|rule| rule.scheduled.class == body.class);
    if body.class != ANY_CLASS && !named {
        class_is_known(state, &body.class)?;
    }
    let same = |rule: &&Rule| rule.scheduled.kind == body.kind && rule.scheduled.class == body.class;
    if let Some(other) = state.retention_rules.values().filter(same).find(|rule| rule.scheduled.rule != body.rule) {
        let message = format!(
            "rule `{}` is about `{}` of class `{}` already: change that one, or take it away first",
            other.scheduled.rule,
            body.kind.as_str(),
            body.class
        );
        return Err(refuse(RefusalCode::Exists, message));
    }
    let known = state.retention_rules.get(&body.rule).is_some_and(|rule| rule.scheduled == *body);
    Ok(if known { vec![] } else { vec![Event::RetentionScheduled(body.clone())] })
}

pub(crate) fn unschedule(state: &State, body: &RetentionUnscheduled) -> Result<Vec<Event>, Refusal> {
    match state.retention_rules.contains_key(&body.rule) {
        true => Ok(vec![Event::RetentionUnscheduled(body.clone())]),
        false => {
            let message = "there is no such rule of retention: see `counterfoil retention list`";
            Err(refuse(RefusalCode::NotFound, message))
        }
    }
}
