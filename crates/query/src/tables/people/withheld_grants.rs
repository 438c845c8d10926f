//! `withheld_grants`: roles that being in a group would have asked for, and that rules keep apart from what was there.

use domain::Event;
use domain::people::GrantWithheld;

use crate::fold::{Leaf, Moment};
use crate::table::{Column, Origin, Rows, Table, ms, text, time};

#[derive(Clone, Default)]
pub(crate) struct WithheldGrants(Vec<(Origin, i64, GrantWithheld)>);

impl Table for WithheldGrants {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "withheld_grants";
    const DOC: &'static str = "Roles that were not asked for although somebody came into a mapped group, because rules \
        keep them apart from what they held or had asked for.";
    const COLUMNS: &'static [Column] = &[
        text("group_id", "The group"),
        text("principal_id", "Who came into it, or was in it when it was mapped"),
        text("role", "The role that was withheld"),
        text("scope", "Where it would have held"),
        text("rule", "The rule that keeps it apart; see `sod_pairs`"),
        time("withheld_at", "When"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        if let Event::GrantWithheld(body) = &leaf.entry.event {
            self.0.push((leaf.origin(), leaf.entry.ts, body.clone()));
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (origin, at, body) in &self.0 {
            let words = [&body.group, &body.actor, &body.role, &body.scope, &body.rule].map(Into::into);
            let [group, actor, role, scope, rule] = words;
            out.push(*origin, [group, actor, role, scope, rule, ms(*at)]);
        }
    }
}
