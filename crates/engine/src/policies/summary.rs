//! A comparison of policies as people read it: those who gain and lose the same together, and what to beware of.

use std::collections::{BTreeMap, BTreeSet};

use domain::Refusal;
use domain::people::custom::duties_of;
use domain::people::roles;
use serde::Serialize;

use super::{Asked, Change};
use crate::Permit;

/// Lines of one kind for somebody; what takes more is told by its actions alone.
const LINES_MAX: usize = 8;

/// How many are named where some gain or lose the same.
const NAMED: usize = 5;

/// Some who gain and lose the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangeGroup {
    /// Who, roles first: `role NAME`, `anybody`, or pseudonyms.
    pub who: Vec<String>,
    /// What they gain, as lines to be read; the changes themselves are exact.
    pub gains: Vec<String>,
    /// What they lose.
    pub losses: Vec<String>,
}

/// What policies let somebody do.
#[derive(Clone, Debug)]
pub(super) struct Power {
    /// On all of a kind.
    actions: BTreeSet<&'static str>,
    /// Whether nothing is refused but what is forbidden by name.
    everything: bool,
}

impl Power {
    pub fn new() -> Self {
        Self { actions: BTreeSet::new(), everything: true }
    }

    pub fn note(&mut self, action: &'static str, decided: &Result<Permit, Refusal>) {
        match decided {
            Ok(_) => {
                self.actions.insert(action);
            }
            Err(refusal) => self.everything &= !refusal.policies.is_empty(),
        }
    }

    /// The rules that keep apart what is brought together, but for what everybody could do and the ledger judges by itself.
    fn brings_together(&self, common: &BTreeSet<&str>) -> BTreeSet<&'static str> {
        let own: Vec<String> = self.actions.difference(common).map(|action| (*action).to_owned()).collect();
        let duties: Vec<&str> = duties_of(&own).collect();
        let rules =
            duties.iter().flat_map(|one| duties.iter().filter_map(move |other| roles::conflict_between(one, other)));
        rules.map(|conflict| conflict.rule).collect()
    }
}

/// What whoever approves should not miss, by what each could do before and could do then.
pub(super) fn warnings(asked: &[Asked], powers: &[(Power, Power)]) -> Vec<String> {
    let common = powers.iter().map(|(before, _)| before.actions.clone());
    let common = common.reduce(|one, other| &one & &other).unwrap_or_default();
    let (mut mighty, mut void) = (Vec::new(), BTreeMap::<String, Vec<&str>>::new());
    for (Asked { names, .. }, (before, after)) in asked.iter().zip(powers) {
        let names = || names.iter().map(String::as_str);
        if after.everything && !before.everything {
            mighty.extend(names());
        }
        let (was, is) = (before.brings_together(&common), after.brings_together(&common));
        let new: Vec<String> = is.difference(&was).map(|rule| format!("`{rule}`")).collect();
        if !new.is_empty() {
            void.entry(new.join(", ")).or_default().extend(names());
        }
    }
    let mut warnings = Vec::new();
    if !mighty.is_empty() {
        warnings.push(format!("{} could do everything that no policy forbids", listed(&mighty)));
    }
    warnings.extend(void.into_iter().map(|(rules, who)| {
        format!(
            "separation of duties would be void for {}: alone they could do what is kept apart by {rules}",
            listed(&who)
        )
    }));
    warnings
}

/// The changes by who gains and loses the same.
pub(super) fn grouped(gains: &[Change], losses: &[Change]) -> Vec<ChangeGroup> {
    type OnThings<'a> = BTreeMap<&'a [String], Vec<&'a str>>;
    let mut each: BTreeMap<&str, [OnThings<'_>; 2]> = BTreeMap::new();
    for (side, changes) in [gains, losses].into_iter().enumerate() {
        for change in changes {
            let on = &mut each.entry(change.who.as_str()).or_default()[side];
            on.entry(&change.resources).or_default().push(&change.action);
        }
    }
    let mut alike: BTreeMap<[OnThings<'_>; 2], Vec<String>> = BTreeMap::new();
    for (who, changes) in each {
        alike.entry(changes).or_default().push(who.to_owned());
    }
    let group = |([gains, losses], mut who): ([OnThings<'_>; 2], Vec<String>)| {
        who.sort_by_key(|name| (name.starts_with("a_"), name.clone()));
        ChangeGroup { who, gains: lines(&gains), losses: lines(&losses) }
    };
    let mut groups: Vec<ChangeGroup> = alike.into_iter().map(group).collect();
    groups.sort_by_key(|group| group.who.first().map(|name| (name.starts_with("a_"), name.clone())));
    groups
}

fn lines(on: &BTreeMap<&[String], Vec<&str>>) -> Vec<String> {
    if on.len() <= LINES_MAX {
        return on.iter().map(|(things, actions)| format!("{} on {}", actions.join(", "), things.join(", "))).collect();
    }
    let actions: BTreeSet<&str> = on.values().flatten().copied().collect();
    let names: Vec<&str> = actions.iter().copied().collect();
    vec![format!("{} actions: {}", actions.len(), names.join(", "))]
}

fn listed(names: &[&str]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let first = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}
