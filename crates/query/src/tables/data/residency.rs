//! `regions`, `stores` and `residency_rules`: the regions there are, where things lie, and where data of a class may be.

use std::collections::BTreeMap;

use domain::data::residency::Residency;
use domain::{Event, State};

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, ms, text, time};

/// Regions as they are declared now.
#[derive(Clone, Default)]
pub(crate) struct Regions {
    declared: Option<(Origin, i64)>,
    residency: Residency,
}

impl Table for Regions {
    const ROOM: &'static str = "data";
    const NAME: &'static str = "regions";
    const DOC: &'static str = "Regions that data may be in, as they are declared now.";
    const COLUMNS: &'static [Column] = &[
        text("region_id", "Code of the region"),
        text("within", "The region that it lies in; NULL for a jurisdiction"),
        text("jurisdiction", "The outermost region around it, or itself"),
        time("declared_at", "When the regions were declared as they are"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        if let Event::RegionsDeclared(body) = &leaf.entry.event {
            self.declared = Some((leaf.origin(), leaf.entry.ts));
            self.residency.regions = body.regions.clone();
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        let Some((origin, at)) = self.declared else { return };
        for (code, spec) in &self.residency.regions {
            let cells = [code.into(), spec.within.as_ref().into(), self.residency.jurisdiction(code).into(), ms(at)];
            out.push(origin, cells);
        }
    }
}

#[derive(Clone)]
struct Located {
    origin: Origin,
    store: String,
    region: String,
    at: i64,
    until: Option<i64>,
}

/// Where stores lie and lay.
#[derive(Clone, Default)]
pub(crate) struct Stores(Vec<Located>);

impl Table for Stores {
    const ROOM: &'static str = "data";
    const NAME: &'static str = "stores";
    const DOC: &'static str = "Where stores lie, and lay before, as the settings of whoever uses them said.";
    const COLUMNS: &'static [Column] = &[
        text(
            "store_id",
            "`node/NAME` for a node with its data directory, `archive/BUCKET` for a write-once bucket, `objects/PLACE` for the bucket of objects",
        ),
        text("region", "The region that it is in"),
        time("located_at", "Since when it is said to be there"),
        time("ended_at", "Until when; NULL while it is"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        let Event::StoreLocated(body) = &leaf.entry.event else { return };
        let (origin, at) = (leaf.origin(), leaf.entry.ts);
        let mut live = self.0.iter_mut().filter(|row| row.store == body.store && row.until.is_none());
        if let Some(before) = live.next_back() {
            (before.origin, before.until) = (origin, Some(at));
        }
        let (store, region) = (body.store.clone(), body.region.clone());
        self.0.extend(region.map(|region| Located { origin, store, region, at, until: None }));
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for row in &self.0 {
            let until = row.until.map_or(Cell::Null, ms);
            out.push(row.origin, [(&row.store).into(), (&row.region).into(), ms(row.at), until]);
        }
    }
}

/// What one row is about: class, country of subjects, region.
type Place = (String, Option<String>, String);

#[derive(Clone)]
struct Permitted {
    origin: Origin,
    rule: String,
    legal_basis: Option<&'static str>,
    reference: String,
    by: String,
    at: i64,
    until: Option<i64>,
}

/// Regions that rules permit and permitted.
#[derive(Clone, Default)]
pub(crate) struct ResidencyRules {
    /// Folded of regions and rules, and of nothing else.
    state: State,
    live: BTreeMap<Place, Permitted>,
    ended: Vec<(Place, Permitted)>,
}

impl ResidencyRules {
    /// What the rules permit as they are now.
    fn permitted(&self, leaf: &Leaf<'_>) -> BTreeMap<Place, Permitted> {
        let residency = &self.state.residency;
        let mut all = BTreeMap::new();
        for (class, known) in &residency.rules {
            let Some(rule) = &known.rule else { continue };
            let version = known.version;
            let lists = rule.countries.iter().map(|(country, list)| (Some(country), list));
            for (country, list) in lists.chain([(None, &rule.regions)]) {
                let name = country.map_or_else(String::new, |country| format!("/{country}"));
                let permitted = Permitted {
                    origin: leaf.origin(),
                    rule: format!("{class}{name}@{version}"),
                    legal_basis: rule.legal_basis.map(|basis| basis.as_str()),
                    reference: rule.reference.clone(),
                    by: known.by.clone(),
                    at: leaf.entry.ts,
                    until: None,
                };
                let places = residency.permitted(list).map(|region| (class.clone(), country.cloned(), region.clone()));
                all.extend(places.map(|place| (place, permitted.clone())));
            }
        }
        all
    }
}

impl Table for ResidencyRules {
    const ROOM: &'static str = "data";
    const NAME: &'static str = "residency_rules";
    const DOC: &'static str = "Where data of a classification may be: a row for each declared region that a rule permits or permitted. Rows with a country only narrow those without.";
    const COLUMNS: &'static [Column] = &[
        text("classification", "The class"),
        text("region", "A declared region in which it may be, named by the rule or lying in one that is"),
        text("rule_id", "The rule, as `CLASS@VERSION` or `CLASS/COUNTRY@VERSION`"),
        text(
            "subject_country",
            "Country of the subjects for whom this holds beside the class's own; NULL for that one",
        ),
        text("legal_basis", "Why data may go from one region of the rule to another, such as `adequacy`"),
        text("reference", "Where it is written down why"),
        text("ruled_by", "Who said so"),
        time("ruled_at", "Since when"),
        time("ended_at", "Until when; NULL while it holds"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        if !matches!(&leaf.entry.event, Event::RegionsDeclared(_) | Event::ResidencyRuled(_)) {
            return;
        }
        self.state.apply(leaf.entry);
        let mut now = self.permitted(leaf);
        let before = std::mem::take(&mut self.live);
        for (place, mut row) in before {
            match now.get(&place).is_some_and(|known| known.rule == row.rule) {
                true => drop(now.insert(place, row)),
                false => {
                    (row.origin, row.until) = (leaf.origin(), Some(leaf.entry.ts));
                    self.ended.push((place, row));
                }
            }
        }
        self.live = now;
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        let ended = self.ended.iter().map(|(place, row)| (place, row));
        for ((class, country, region), row) in ended.chain(&self.live) {
            let cells = [
                class.into(),
                region.into(),
                (&row.rule).into(),
                country.as_ref().into(),
                row.legal_basis.into(),
                (&row.reference).into(),
                (&row.by).into(),
                ms(row.at),
                row.until.map_or(Cell::Null, ms),
            ];
            out.push(row.origin, cells);
        }
    }
}
