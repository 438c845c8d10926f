//! `sod_pairs`: roles that nobody may hold together.

use std::collections::BTreeMap;

use domain::Event;
use domain::people::custom::duties_of;
use domain::people::roles::{self, CONFLICTS, Conflict, ROLES};

use crate::fold::{Leaf, Moment};
use crate::table::{Column, Origin, Rows, Table, text};

/// The duties of each of the organisation's own roles.
#[derive(Clone, Default)]
pub(crate) struct SodPairs(BTreeMap<String, (Origin, Vec<&'static str>)>);

impl Table for SodPairs {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "sod_pairs";
    const DOC: &'static str = "Pairs of roles that nobody may hold together in one scope, each pair in both orders. \
        Rules of the program, not of an organisation; a role of an organisation's own inherits them from what it permits.";
    const COLUMNS: &'static [Column] = &[
        text("role_a", "One role"),
        text("role_b", "The other"),
        text("rule", "Name of the rule, as refusals give it"),
        text("why", "What one person with both could do"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::RoleDefined(body) => {
                let duties = duties_of(&body.actions).collect();
                self.0.insert(body.role.clone(), (leaf.origin(), duties));
            }
            Event::RoleRetired(body) => {
                self.0.remove(&body.role);
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for rule in &CONFLICTS {
            let (one, other) = rule.roles;
            for (a, b) in [(one, other), (other, one)] {
                out.push_constant([a.into(), b.into(), rule.rule.into(), rule.why.into()]);
            }
        }
        for (own, (origin, duties)) in &self.0 {
            let others = ROLES.iter().map(|role| (role.name, vec![role.name]));
            let others = others.chain(self.0.iter().map(|(name, (_, duties))| (name.as_str(), duties.clone())));
            for (other, theirs) in others {
                let Some(rule) = apart(duties, &theirs) else { continue };
                out.push(*origin, [own.into(), other.into(), rule.rule.into(), rule.why.into()]);
                if ROLES.iter().any(|role| role.name == other) {
                    out.push(*origin, [other.into(), own.into(), rule.rule.into(), rule.why.into()]);
                }
            }
        }
    }
}

fn apart(one: &[&str], other: &[&str]) -> Option<&'static Conflict> {
    one.iter().find_map(|a| other.iter().find_map(|b| roles::conflict_between(a, b)))
}
