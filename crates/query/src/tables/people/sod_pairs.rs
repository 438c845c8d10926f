//! `sod_pairs`: roles that nobody may hold together.

use domain::people::roles::CONFLICTS;

use crate::fold::{Leaf, Moment};
use crate::table::{Column, Rows, Table, text};

#[derive(Clone, Default)]
pub(crate) struct SodPairs;

impl Table for SodPairs {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "sod_pairs";
    const DOC: &'static str = "Pairs of roles that nobody may hold together in one scope, each pair in both orders. \
        Rules of the program, not of an organisation.";
    const COLUMNS: &'static [Column] = &[
        text("role_a", "One role"),
        text("role_b", "The other"),
        text("rule", "Name of the rule, as refusals give it"),
        text("why", "What one person with both could do"),
    ];

    fn apply(&mut self, _: &Leaf<'_>) {}

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for rule in &CONFLICTS {
            let (one, other) = rule.roles;
            for (a, b) in [(one, other), (other, one)] {
                out.push_constant([a.into(), b.into(), rule.rule.into(), rule.why.into()]);
            }
        }
    }
}
