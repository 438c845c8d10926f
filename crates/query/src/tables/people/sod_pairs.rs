//! `sod_pairs`: roles that nobody may hold together.

use domain::Event;
use domain::people::custom::duties_of;
use domain::people::roles::{self, CONFLICTS, Conflict, ROLES};

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, ms, text, time};

/// One of the organisation's own roles as it was defined for a time.
#[derive(Clone)]
struct Defined {
    origin: Origin,
    role: String,
    duties: Vec<&'static str>,
    since: i64,
    until: Option<i64>,
}

#[derive(Clone, Default)]
pub(crate) struct SodPairs(Vec<Defined>);

impl SodPairs {
    fn end(&mut self, leaf: &Leaf<'_>, role: &str) {
        for defined in self.0.iter_mut().filter(|defined| defined.role == role && defined.until.is_none()) {
            (defined.origin, defined.until) = (leaf.origin(), Some(leaf.entry.ts));
        }
    }
}

impl Table for SodPairs {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "sod_pairs";
    const DOC: &'static str = "Pairs of roles that nobody may hold together in one scope, each pair in both orders. \
        Rules of the program, not of an organisation; a role of an organisation's own inherits them from what it permits, \
        for as long as it does.";
    const COLUMNS: &'static [Column] = &[
        text("role_a", "One role"),
        text("role_b", "The other"),
        text("rule", "Name of the rule, as refusals give it"),
        text("why", "What one person with both could do"),
        time("since", "Since when it holds for a role of the organisation's own; NULL for the program's"),
        time("until", "Until when it did, as that role was defined; NULL while it does"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::RoleDefined(body) => {
                self.end(leaf, &body.role);
                let (origin, since) = (leaf.origin(), leaf.entry.ts);
                let duties = duties_of(&body.actions).collect();
                self.0.push(Defined { origin, role: body.role.clone(), duties, since, until: None });
            }
            Event::RoleRetired(body) => self.end(leaf, &body.role),
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for rule in &CONFLICTS {
            let (one, other) = rule.roles;
            for (a, b) in [(one, other), (other, one)] {
                out.push_constant([a.into(), b.into(), rule.rule.into(), rule.why.into(), Cell::Null, Cell::Null]);
            }
        }
        for own in &self.0 {
            let mut pair = |a: &str, b: &str, rule: &Conflict, since: i64, until: Option<i64>| {
                let cells =
                    [a.into(), b.into(), rule.rule.into(), rule.why.into(), ms(since), until.map_or(Cell::Null, ms)];
                out.push(own.origin, cells);
            };
            for role in &ROLES {
                let Some(rule) = apart(&own.duties, &[role.name]) else { continue };
                pair(&own.role, role.name, rule, own.since, own.until);
                pair(role.name, &own.role, rule, own.since, own.until);
            }
            for other in &self.0 {
                let Some(rule) = apart(&own.duties, &other.duties) else { continue };
                let (since, until) = (own.since.max(other.since), earlier(own.until, other.until));
                if until.is_none_or(|until| since < until) {
                    pair(&own.role, &other.role, rule, since, until);
                }
            }
        }
    }
}

fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    [one, other].into_iter().flatten().min()
}

fn apart(one: &[&str], other: &[&str]) -> Option<&'static Conflict> {
    one.iter().find_map(|a| other.iter().find_map(|b| roles::conflict_between(a, b)))
}
