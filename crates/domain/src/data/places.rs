//! Where data is processed and kept, as declared: what a service answers with, what a data set and a store hold, and how
//! the rules stand to each. What an auditor, or a customer's questionnaire, asks for.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::residency::Movement;
use crate::State;
use crate::serving::{ServiceSpec, Target};

/// How the rules stand to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaceStanding {
    /// A rule permits it.
    Permitted,
    /// No rule permits it, and an authorisation does.
    Authorised,
    /// Nothing permits it: it is refused.
    Refused,
    /// No rule is of the class.
    NoRule,
}

impl PlaceStanding {
    /// The word that people read.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Permitted => "permitted",
            Self::Authorised => "authorised",
            Self::Refused => "refused",
            Self::NoRule => "no rule",
        }
    }
}

/// Data of a class in a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// `service`, `dataset`, `store` or `provider`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// What of it, such as a route with whoever answers it.
    pub what: String,
    /// The class of the data; none where there is none of any.
    pub class: Option<String>,
    /// In which region, as declared; none when nothing was.
    pub region: Option<String>,
    /// The outermost region around that; none when it is not declared.
    pub jurisdiction: Option<String>,
    /// How the rules stand to that; none where there is no class.
    pub standing: Option<PlaceStanding>,
    /// The rule that decides, as `CLASS@VERSION`.
    pub rule: Option<String>,
    /// Why data may go there from another jurisdiction, and where the law has that.
    pub legal_basis: Option<&'static str>,
    /// Where the law has it.
    pub legal_source: Option<&'static str>,
    /// Where it is written down.
    pub reference: Option<String>,
    /// The authorisation that covers it.
    pub transfer: Option<String>,
    /// Until when it does, in milliseconds since the epoch.
    pub expires_at: Option<i64>,
}

/// What a place is of.
struct Of<'a> {
    kind: &'static str,
    name: &'a str,
    what: String,
    class: Option<&'a str>,
    region: Option<&'a str>,
    /// As authorisations may name it.
    covered_as: Vec<String>,
    country: Option<&'a str>,
}

impl State {
    /// Every place in which data is, or would be by a call, as a node sees it at `now` (milliseconds since the epoch).
    #[must_use]
    pub fn places(&self, node: &str, now: i64) -> Vec<Place> {
        let here = self.residency.of_node(node);
        let mut all: Vec<Of<'_>> = Vec::new();
        let mut called = BTreeSet::new();
        for (name, spec) in &self.services {
            for route in &spec.routes {
                if let Target::Provider { provider, .. } = &route.target {
                    called.insert(provider.as_str());
                }
                all.push(self.answered(here, (name, spec), (&route.name, &route.target)));
            }
        }
        for (name, dataset) in &self.datasets {
            all.push(Of {
                kind: "dataset",
                name,
                what: format!("{} versions", dataset.versions.len()),
                class: Some(dataset.spec.class.as_str()),
                region: here.or(dataset.spec.region.as_deref()),
                covered_as: vec![format!("dataset/{name}")],
                country: dataset.spec.subject_country.as_deref(),
            });
        }
        all.extend(self.stored(node));
        for (name, spec) in self.providers.iter().filter(|(name, _)| !called.contains(name.as_str())) {
            let region = spec.region.as_deref();
            let what = "no route leads there".to_owned();
            all.push(Of { kind: "provider", name, what, class: None, region, covered_as: vec![], country: None });
        }
        all.into_iter().map(|of| self.place(&of, here, now)).collect()
    }

    fn answered<'a>(
        &'a self,
        here: Option<&'a str>,
        (service, spec): (&'a str, &'a ServiceSpec),
        (route, target): (&str, &Target),
    ) -> Of<'a> {
        let (model, version) = target.model_and_version();
        let mut covered_as = vec![format!("service/{service}")];
        let (what, region) = match target {
            Target::Provider { provider, .. } => {
                covered_as.push(format!("provider/{provider}"));
                let region = self.providers.get(provider).and_then(|provider| provider.region.as_deref());
                (format!("route {route}: {model}"), region)
            }
            Target::Model { .. } => {
                (format!("route {route}: {model} version {version}"), here.or(spec.region.as_deref()))
            }
        };
        let (class, country) = (Some(spec.classification.as_str()), spec.subject_country.as_deref());
        Of { kind: "service", name: service, what, class, region, covered_as, country }
    }

    /// What stores hold of each class.
    fn stored<'a>(&'a self, node: &'a str) -> Vec<Of<'a>> {
        let mut held: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut holds = |class: &'a str, what: &'static str| {
            let known = held.entry(class).or_default();
            if !known.contains(&what) {
                known.push(what);
            }
        };
        for version in self.datasets.values().flat_map(|dataset| dataset.versions.values()) {
            holds(&version.stored.class, "data sets");
        }
        self.artifacts.values().for_each(|artifact| holds(&artifact.class, "models"));
        self.kept.iter().filter(|(_, days)| !days.is_empty()).for_each(|(class, _)| holds(class, "payloads"));
        let store = |name, what, class, region| Of {
            kind: "store",
            name,
            what,
            class,
            region,
            covered_as: vec![],
            country: None,
        };
        let here = self.residency.of_node(node);
        let held = held.into_iter().map(|(class, what)| store(node, what.join(", "), Some(class), here));
        let buckets = self.archives.keys().map(|bucket| {
            let region = self.residency.stores.get(&format!("archive/{bucket}")).map(String::as_str);
            store(bucket, "copies of the ledger, and of records without their contents".to_owned(), None, region)
        });
        held.chain(buckets).collect()
    }

    fn place(&self, of: &Of<'_>, from: Option<&str>, now: i64) -> Place {
        let residency = &self.residency;
        let mut place = Place {
            kind: of.kind,
            name: of.name.to_owned(),
            what: of.what.clone(),
            class: of.class.map(str::to_owned),
            region: of.region.map(str::to_owned),
            jurisdiction: of.region.and_then(|region| residency.jurisdiction(region)).map(str::to_owned),
            standing: None,
            rule: None,
            legal_basis: None,
            legal_source: None,
            reference: None,
            transfer: None,
            expires_at: None,
        };
        let Some(class) = of.class else { return place };
        let standing = residency.standing(&Movement { class, of: &of.covered_as, from, to: of.region });
        let countries: Vec<&str> = of.country.into_iter().collect();
        let ruling = standing.ruling(&countries, now);
        let rule = residency.rule(class).map(|(rule, _)| rule);
        let transfer = ruling.transfer.and_then(|id| residency.transfers.get(id)).map(|known| &known.authorised);
        place.standing = Some(match (ruling.refused, ruling.permitted, transfer) {
            (true, ..) => PlaceStanding::Refused,
            (_, true, _) => PlaceStanding::Permitted,
            (.., Some(_)) => PlaceStanding::Authorised,
            (.., None) => PlaceStanding::NoRule,
        });
        place.rule = ruling.rule.map(str::to_owned);
        let basis = transfer.map(|known| known.legal_basis).or_else(|| rule.and_then(|rule| rule.legal_basis));
        (place.legal_basis, place.legal_source) = (basis.map(|one| one.as_str()), basis.map(|one| one.source()));
        place.reference = transfer.map(|known| &known.reference).or_else(|| rule.map(|rule| &rule.reference)).cloned();
        place.transfer = transfer.map(|known| known.transfer.clone());
        place.expires_at = transfer.map(|known| known.expires_at);
        place
    }
}
