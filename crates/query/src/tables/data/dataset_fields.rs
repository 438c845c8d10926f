//! `dataset_fields`: the fields of each version: what a steward said of them, what detectors found, and which models take them.
//!
//! A field's use is known where a registered model's inputs are named like fields of the same data set: then those that no such
//! model takes are unused. Where no model's inputs fit, nothing is known.

use std::collections::{BTreeMap, BTreeSet};

use domain::Event;
use domain::data::{FieldDecision, FoundKind, ScannedColumn};
use sha2::{Digest, Sha256};

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, int, ms, text, time};

#[derive(Clone)]
struct Declared {
    origin: Origin,
    decision: FieldDecision,
    by: String,
    at: i64,
}

#[derive(Clone)]
struct Version {
    origin: Origin,
    /// The columns that are listed of it, when somebody looked.
    listed: Vec<String>,
    /// Nothing while it was not scanned.
    columns: Option<Vec<ScannedColumn>>,
}

#[derive(Clone, Default)]
pub(crate) struct DatasetFields {
    declared: BTreeMap<String, BTreeMap<String, Declared>>,
    versions: BTreeMap<(String, String), Version>,
    /// The names of each model version's inputs.
    inputs: BTreeMap<String, BTreeSet<String>>,
}

impl Table for DatasetFields {
    const ROOM: &'static str = "data";
    const NAME: &'static str = "dataset_fields";
    const DOC: &'static str = "Fields of versions of data sets, a row for each purpose of each, or one when it has none. Of a version of which no column is known, those that are declared.";
    const COLUMNS: &'static [Column] = &[
        text("dataset_id", "Name of the data set"),
        text("version", "Name of the version, which is there"),
        text("field", "The column"),
        text("sensitivity", "Its class as declared, or else as its contents propose; NULL when neither says anything"),
        text("purpose_id", "A purpose that it is for; NULL when it has none"),
        text(
            "justification_hash",
            "SHA-256 of the reference to why it is needed, hexadecimal; NULL when none was given",
        ),
        text("justification_ref", "That reference"),
        text("declared_class", "Its class as a steward declared it; NULL while nobody did"),
        text("declared_by", "Who did"),
        time("declared_at", "When"),
        text("proposed_class", "The class that its contents propose; NULL when detectors found nothing"),
        text("found", "What detectors found in it, the surest first, by their names and with commas"),
        int("found_permille", "The share of its cells that have the first of those, in thousandths"),
        int("score_permille", "How sure that is, in thousandths"),
        text("used_by", "Model versions with an input of its name, as `MODEL@VERSION`, with commas"),
        text("use_state", "`used`, `unused` by any model whose inputs fit the data set, or `unknown` when none fits"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        let (origin, at) = (leaf.origin(), leaf.entry.ts);
        match &leaf.entry.event {
            Event::FieldsDeclared(body) => {
                let fields = self.declared.entry(body.dataset.clone()).or_default();
                for decision in &body.fields {
                    let (by, decision) = (leaf.entry.actor.clone(), decision.clone());
                    fields.insert(decision.field.clone(), Declared { origin, decision, by, at });
                }
            }
            Event::VersionStored(body) => {
                let version = Version { origin, listed: vec![], columns: None };
                self.versions.insert((body.dataset.clone(), body.version.clone()), version);
            }
            Event::VersionDescribed(body) => {
                if let Some(version) = self.versions.get_mut(&(body.dataset.clone(), body.version.clone())) {
                    let names = body.content.columns.iter().map(|column| column.name.clone());
                    (version.origin, version.listed) = (origin, names.collect());
                }
            }
            Event::VersionScanned(body) => {
                if let Some(version) = self.versions.get_mut(&(body.dataset.clone(), body.version.clone())) {
                    (version.origin, version.columns) = (origin, Some(body.columns.clone()));
                }
            }
            Event::VersionEnded(body) => {
                self.versions.remove(&(body.dataset.clone(), body.version.clone()));
            }
            Event::ModelRegistered(body) => {
                let names = body.facts.inputs.iter().map(|input| input.name.clone()).collect();
                self.inputs.insert(format!("{}@{}", body.model, body.version), names);
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        let nothing = BTreeMap::new();
        for ((dataset, name), version) in &self.versions {
            let declared = self.declared.get(dataset).unwrap_or(&nothing);
            let scanned = version.columns.iter().flatten().filter_map(|one| Some((one.column.as_ref()?, one)));
            let mut fields: Vec<(&String, Option<&ScannedColumn>)> =
                scanned.map(|(field, one)| (field, Some(one))).collect();
            let seen: BTreeSet<&String> = fields.iter().map(|(field, _)| *field).collect();
            fields.extend(version.listed.iter().filter(|field| !seen.contains(field)).map(|field| (field, None)));
            if version.columns.is_none() && version.listed.is_empty() {
                fields.extend(declared.keys().map(|field| (field, None)));
            }
            let names: BTreeSet<&String> = fields.iter().map(|(field, _)| *field).collect();
            let fits = self.inputs.values().any(|inputs| inputs.iter().any(|input| names.contains(input)));
            for (field, scanned) in fields {
                let used =
                    self.inputs.iter().filter(|(_, inputs)| inputs.contains(field)).map(|(model, _)| model.as_str());
                let used: Vec<&str> = used.collect();
                let field = Field { dataset, version: name, field, scanned, fits, used, stored: version.origin };
                field.push(declared.get(field.field), out);
            }
        }
    }
}

/// One field of one version.
struct Field<'a> {
    dataset: &'a str,
    version: &'a str,
    field: &'a str,
    scanned: Option<&'a ScannedColumn>,
    fits: bool,
    used: Vec<&'a str>,
    stored: Origin,
}

impl Field<'_> {
    fn push(&self, declared: Option<&Declared>, out: &mut Rows) {
        let proposed = self.scanned.and_then(ScannedColumn::proposed).map(|class| class.as_str());
        let decision = declared.map(|known| &known.decision);
        let class = decision.map(|one| one.class.as_str());
        let purposes = decision.map_or(&[][..], |one| one.purposes.as_slice());
        let mut found: Vec<&FoundKind> = self.scanned.iter().flat_map(|one| &one.found).collect();
        found.sort_by_key(|one| std::cmp::Reverse(one.score_permille));
        let first = found.first();
        let share = first.zip(self.scanned).map(|(first, all)| first.cells.saturating_mul(1_000) / all.cells.max(1));
        let kinds: Vec<&str> = found.iter().map(|one| one.kind.as_str()).collect();
        let reference = decision.and_then(|one| one.justification.as_ref());
        let word = match (self.fits, self.used.is_empty()) {
            (_, false) => "used",
            (true, true) => "unused",
            (false, true) => "unknown",
        };
        let words = |words: &[&str]| Some(words.join(",")).filter(|all| !all.is_empty());
        let origin =
            declared.map(|known| known.origin).filter(|known| known.seq > self.stored.seq).unwrap_or(self.stored);
        let each: Vec<Option<&str>> = match purposes {
            [] => vec![None],
            some => some.iter().map(|purpose| Some(purpose.as_str())).collect(),
        };
        for purpose in each {
            let cells = [
                self.dataset.into(),
                self.version.into(),
                self.field.into(),
                class.or(proposed).into(),
                purpose.into(),
                reference.map(|text| merkle::hex(&Sha256::digest(text.as_bytes()))).into(),
                reference.into(),
                class.into(),
                declared.map(|known| &known.by).into(),
                declared.map_or(Cell::Null, |known| ms(known.at)),
                proposed.into(),
                words(&kinds).into(),
                share.into(),
                first.map(|one| u64::from(one.score_permille)).into(),
                words(&self.used).into(),
                word.into(),
            ];
            out.push(origin, cells);
        }
    }
}
