//! Residency: the regions there are, where data of a class may be, and what may leave all the same.
//!
//! A rule is of a class, with narrower ones for subjects of a country beside it: they only ever tighten. What is not known
//! is permitted by none: an undeclared region lies in no other, and of a subject whose country nobody said, every country's
//! rule holds at once. `docs/decisions/0029-residency.md` says why.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::transfers::{KnownTransfer, LegalBasis};
use crate::decide::{name_is_valid, reference_is_valid, refuse};
use crate::people::actors::is_the_system;
use crate::{Command, Event, Given, Refusal, RefusalCode, State};

/// The most regions of an organisation, regions of a rule, and countries of a rule.
const MAX_NAMES: usize = 256;

/// How deep regions may lie in each other.
const MAX_DEPTH: usize = 8;

/// What is declared of a region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionSpec {
    /// The region that it lies in; none for a jurisdiction, which lies in no other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
}

/// The regions that there are, from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegionsDeclared {
    /// By code, such as `au-syd`.
    pub regions: BTreeMap<String, RegionSpec>,
}

/// Where a store lies, as the settings of whoever uses it say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreLocated {
    /// `node/NAME` for a node with its data directory, `archive/BUCKET` for a write-once bucket, `objects/PLACE` for the
    /// bucket of objects.
    pub store: String,
    /// In which region; left out when the settings do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// Where data of a class may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResidencyRule {
    /// Regions, sorted, each with all that lies in it.
    pub regions: Vec<String>,
    /// Regions for subjects of a country, by its code in lower case (ISO 3166-1): in these too, and not instead.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub countries: BTreeMap<String, Vec<String>>,
    /// Why data may go from one of the regions to another, when they are of several jurisdictions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<LegalBasis>,
    /// Where it is written down why, such as a clause.
    pub reference: String,
}

/// Where data of a class may be, from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResidencyRuled {
    /// Which class.
    pub class: String,
    /// The rule; left out when none holds any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<ResidencyRule>,
}

/// The rule of a class as it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownRule {
    /// How often the class was ruled on, this time too.
    pub version: u64,
    /// What holds; `None` when it was taken away.
    pub rule: Option<ResidencyRule>,
    /// The person who said so.
    pub by: String,
    /// When, in milliseconds since the epoch.
    pub at: i64,
}

/// All that is known of regions, rules and transfers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Residency {
    /// Regions by code.
    pub regions: BTreeMap<String, RegionSpec>,
    /// Regions of stores, by `node/NAME`, `archive/BUCKET` or `objects/PLACE`.
    pub stores: BTreeMap<String, String>,
    /// Rules by class, also those that were taken away.
    pub rules: BTreeMap<String, KnownRule>,
    /// Authorised transfers by public identifier, also those that are over.
    pub transfers: BTreeMap<String, KnownTransfer>,
}

/// Something that would be in a region, or go there.
#[derive(Clone, Copy, Debug)]
pub struct Movement<'a> {
    /// The class of the data.
    pub class: &'a str,
    /// What it is of or goes to, as an authorisation may name it: `provider/NAME`, `service/NAME`, `dataset/NAME`.
    pub of: &'a [String],
    /// The region that it is in.
    pub from: Option<&'a str>,
    /// The region that it would be in.
    pub to: Option<&'a str>,
}

/// How the rules stand to a movement, whosever the data are and whenever: worked out once, asked often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The class's rule by its name, and whether it permits.
    class: Option<(String, bool)>,
    /// Countries with a rule of their own: its name, and whether it permits.
    countries: Vec<(String, String, bool)>,
    /// Authorisations that cover it, with the moment from which on they do no more.
    transfers: Vec<(String, i64)>,
}

/// What the rules say of a movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling<'a> {
    /// Whether it may not be.
    pub refused: bool,
    /// The rule that decided, as `CLASS@VERSION` or `CLASS/COUNTRY@VERSION`; none when the class has none.
    pub rule: Option<&'a str>,
    /// Whether that rule permits it, without an authorisation.
    pub permitted: bool,
    /// The authorisation that covers it, if one does.
    pub transfer: Option<&'a str>,
}

impl Standing {
    /// What holds at `now` (milliseconds since the epoch) for a subject of these countries; of one of whom nobody said any,
    /// none is given, and every country's rule holds.
    #[must_use]
    pub fn ruling(&self, countries: &[&str], now: i64) -> Ruling<'_> {
        let transfer = self.transfers.iter().find(|(_, until)| now < *until).map(|(id, _)| id.as_str());
        let Some((name, permits)) = &self.class else {
            return Ruling { refused: false, rule: None, permitted: false, transfer };
        };
        let holds = |country: &String| countries.is_empty() || countries.contains(&country.as_str());
        let broken = self.countries.iter().find(|(country, _, permits)| !permits && holds(country));
        let broken = if *permits { broken.map(|(_, name, _)| name) } else { Some(name) };
        let rule = Some(broken.unwrap_or(name).as_str());
        let permitted = broken.is_none();
        Ruling { refused: !permitted && transfer.is_none(), rule, permitted, transfer }
    }

    /// Whether there is nothing to ask: no rule, and no authorisation.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.class.is_none() && self.transfers.is_empty()
    }
}

impl Residency {
    /// Whether a region is another or lies in it. What is not declared lies in none.
    #[must_use]
    pub fn within(&self, region: &str, outer: &str) -> bool {
        self.around(region).any(|one| one == outer)
    }

    /// A region and those around it, the innermost first; nothing when it is not declared.
    pub fn around<'a>(&'a self, region: &str) -> impl Iterator<Item = &'a str> {
        let known = self.regions.get_key_value(region);
        let outer = move |(_, spec): &(&'a String, &'a RegionSpec)| self.regions.get_key_value(spec.within.as_ref()?);
        std::iter::successors(known, outer).take(MAX_DEPTH).map(|(code, _)| code.as_str())
    }

    /// The outermost region around one: its jurisdiction.
    #[must_use]
    pub fn jurisdiction(&self, region: &str) -> Option<&str> {
        self.around(region).last()
    }

    /// The region of a node with its data directory.
    #[must_use]
    pub fn of_node(&self, node: &str) -> Option<&str> {
        self.stores.get(&format!("node/{node}")).map(String::as_str)
    }

    /// The rule of a class, with its version.
    #[must_use]
    pub fn rule(&self, class: &str) -> Option<(&ResidencyRule, u64)> {
        let known = self.rules.get(class)?;
        Some((known.rule.as_ref()?, known.version))
    }

    /// How the rules stand to a movement.
    #[must_use]
    pub fn standing(&self, movement: &Movement<'_>) -> Standing {
        let permits =
            |regions: &[String]| movement.to.is_some_and(|to| regions.iter().any(|region| self.within(to, region)));
        let covering = self.transfers.iter().filter(|(_, known)| known.covers(self, movement));
        let transfers = covering.map(|(id, known)| (id.clone(), known.authorised.expires_at)).collect();
        let Some((rule, version)) = self.rule(movement.class) else {
            return Standing { class: None, countries: Vec::new(), transfers };
        };
        let class = movement.class;
        let named = |(country, regions): (&String, &Vec<String>)| {
            (country.clone(), format!("{class}/{country}@{version}"), permits(regions))
        };
        let countries = rule.countries.iter().map(named).collect();
        Standing { class: Some((format!("{class}@{version}"), permits(&rule.regions))), countries, transfers }
    }

    /// Every declared region in which a rule's list of regions permits data to be.
    pub fn permitted<'a>(&'a self, regions: &'a [String]) -> impl Iterator<Item = &'a String> {
        self.regions.keys().filter(|code| regions.iter().any(|region| self.within(code, region)))
    }

    /// Whether something may be here that might not be before: in a region, known or not, of a subject, known or not.
    fn permits_more_than(&self, before: &Self) -> bool {
        // What is authorised is so by itself, and is not looked at.
        let (after, before) = (self.without_transfers(), before.without_transfers());
        let rules = after.rules.values().chain(before.rules.values()).filter_map(|known| known.rule.as_ref());
        let countries: BTreeSet<&str> = rules.flat_map(|rule| rule.countries.keys().map(String::as_str)).collect();
        let named = countries.into_iter().map(|country| vec![country]);
        // One of whom nobody said any, and one of a country that no rule names.
        let subjects: Vec<Vec<&str>> = named.chain([vec![], vec!["*"]]).collect();
        let classes: BTreeSet<&String> = after.rules.keys().chain(before.rules.keys()).collect();
        let regions = after.regions.keys().chain(before.regions.keys()).map(|code| Some(code.as_str()));
        let regions: BTreeSet<Option<&str>> = regions.chain([None]).collect();
        classes.iter().any(|class| {
            regions.iter().any(|to| {
                let movement = Movement { class, of: &[], from: None, to: *to };
                let (now, then) = (after.standing(&movement), before.standing(&movement));
                subjects.iter().any(|subject| !now.ruling(subject, 0).refused && then.ruling(subject, 0).refused)
            })
        })
    }

    fn without_transfers(&self) -> Self {
        let (regions, rules) = (self.regions.clone(), self.rules.clone());
        Self { regions, rules, ..Self::default() }
    }
}

impl State {
    /// Whether a command would permit data to be where it may not be now.
    #[must_use]
    pub fn loosens(&self, command: &Command) -> bool {
        let mut after = self.residency.clone();
        match command {
            Command::DeclareRegions(body) => after.regions = body.regions.clone(),
            Command::RuleResidency(body) => after.set_rule(body, "", 0),
            _ => return false,
        }
        after.permits_more_than(&self.residency)
    }

    pub(crate) fn locate_store(&mut self, body: &StoreLocated) {
        let stores = &mut self.residency.stores;
        match &body.region {
            Some(region) => stores.insert(body.store.clone(), region.clone()),
            None => stores.remove(&body.store),
        };
    }

    pub(crate) fn rule_residency(&mut self, body: &ResidencyRuled, by: &str, at: i64) {
        let by = self.person_of(by).to_owned();
        self.residency.set_rule(body, &by, at);
    }
}

impl Residency {
    fn set_rule(&mut self, body: &ResidencyRuled, by: &str, at: i64) {
        let version = self.rules.get(&body.class).map_or(0, |known| known.version).saturating_add(1);
        let known = KnownRule { version, rule: body.rule.clone(), by: by.to_owned(), at };
        self.rules.insert(body.class.clone(), known);
    }

    pub(super) fn is_declared(&self, region: &str) -> Result<(), Refusal> {
        match self.regions.contains_key(region) {
            true => Ok(()),
            false => {
                let message = format!("region `{region}` is not declared: declare it first, in `[region.{region}]`");
                Err(refuse(RefusalCode::NotFound, message))
            }
        }
    }
}

fn invalid<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(refuse(RefusalCode::Invalid, why))
}

pub(crate) fn declare(state: &State, body: &RegionsDeclared) -> Result<Vec<Event>, Refusal> {
    if body.regions.len() > MAX_NAMES {
        return invalid(format!("an organisation has {MAX_NAMES} regions at most"));
    }
    let after = Residency { regions: body.regions.clone(), ..state.residency.clone() };
    for (code, spec) in &body.regions {
        name_is_valid("region", code)?;
        let Some(outer) = &spec.within else { continue };
        if !body.regions.contains_key(outer) {
            return invalid(format!("region `{code}` lies in `{outer}`, which is not declared: declare both"));
        }
        let outermost = after.jurisdiction(code).and_then(|one| body.regions.get(one));
        if outermost.is_none_or(|one| one.within.is_some()) {
            return invalid(format!("region `{code}` lies in itself, or more than {MAX_DEPTH} deep"));
        }
    }
    let named = |rule: &ResidencyRule| {
        let all = rule.countries.values().flatten().chain(&rule.regions);
        all.cloned().collect::<Vec<_>>()
    };
    for (class, known) in &state.residency.rules {
        let named = known.rule.as_ref().map(named).unwrap_or_default();
        if let Some(gone) = named.iter().find(|region| !body.regions.contains_key(*region)) {
            let message = format!("the rule of class `{class}` names region `{gone}`: change the rule first");
            return Err(refuse(RefusalCode::Conflict, message));
        }
    }
    let same = state.residency.regions == body.regions;
    Ok(if same { vec![] } else { vec![Event::RegionsDeclared(body.clone())] })
}

/// Only Counterfoil itself says what its settings say.
pub(crate) fn locate(state: &State, given: &Given, body: &StoreLocated) -> Result<Vec<Event>, Refusal> {
    by_the_system(state, given)?;
    body.region.as_ref().map_or(Ok(()), |region| name_is_valid("region", region))?;
    let same = state.residency.stores.get(&body.store) == body.region.as_ref();
    Ok(if same { vec![] } else { vec![Event::StoreLocated(body.clone())] })
}

pub(super) fn by_the_system(state: &State, given: &Given) -> Result<(), Refusal> {
    match is_the_system(state, &given.by) {
        true => Ok(()),
        false => Err(refuse(RefusalCode::Forbidden, "only Counterfoil itself reports this")),
    }
}

pub(crate) fn rule(state: &State, body: &ResidencyRuled) -> Result<Vec<Event>, Refusal> {
    name_is_valid("class", &body.class)?;
    let known = state.residency.rules.get(&body.class);
    if let Some(rule) = &body.rule {
        rule_is_valid(state, &body.class, rule)?;
    }
    match known.and_then(|known| known.rule.as_ref()) == body.rule.as_ref() {
        true => Ok(vec![]),
        false => Ok(vec![Event::ResidencyRuled(body.clone())]),
    }
}

fn rule_is_valid(state: &State, class: &str, rule: &ResidencyRule) -> Result<(), Refusal> {
    reference_is_valid(&rule.reference)?;
    if rule.countries.len() > MAX_NAMES {
        return invalid(format!("a rule has {MAX_NAMES} countries at most"));
    }
    for country in rule.countries.keys() {
        country_is_valid(country)?;
    }
    for regions in rule.countries.values().chain([&rule.regions]) {
        if regions.is_empty() || !regions.is_sorted_by(|a, b| a < b) {
            return invalid(format!("the rule of class `{class}` names one region or more, sorted, each once"));
        }
        regions.iter().try_for_each(|region| state.residency.is_declared(region))?;
    }
    rule.legal_basis.map_or(Ok(()), |basis| basis.fits(class))
}

/// Two letters in lower case.
///
/// # Errors
/// A [`Refusal`] when it is something else, which is not repeated: it came from anywhere.
pub fn country_is_valid(country: &str) -> Result<(), Refusal> {
    match country.len() == 2 && country.bytes().all(|letter| letter.is_ascii_lowercase()) {
        true => Ok(()),
        false => invalid("a country is named by the two letters of ISO 3166-1, in lower case, such as `au`"),
    }
}
