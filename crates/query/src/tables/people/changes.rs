//! `changes`: what was to be changed with somebody's approval, and who did it.

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Rows, Table, boolean, ms, text, time};

use super::approvals::{Requests, decided_by};
use super::emergencies::Emergencies;

#[derive(Clone, Default)]
pub(crate) struct Changes {
    requests: Requests,
    emergencies: Emergencies,
}

impl Table for Changes {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "changes";
    const DOC: &'static str = "Changes that need an approval, from the request on: one row an approval. What was changed \
        without one in an emergency is one row an emergency; because an organisation began, in `stand_ins`.";
    const COLUMNS: &'static [Column] = &[
        text("change_id", "Public identifier: the approval's, or the emergency's"),
        text("kind", "Name of the command, such as `service.declare`; `emergency` for what was done in one"),
        text("opened_by", "Who asked for it"),
        time("opened_at", "When"),
        text(
            "approved_by",
            "Whose vote made up the quorum; `approval_votes` has all of them. NULL while it is not approved",
        ),
        time("approved_at", "When"),
        text("implemented_by", "Who carried it out; NULL while nobody has"),
        time("implemented_at", "When"),
        text("env", "`prod`: an installation is one environment"),
        boolean(
            "tested",
            "Always NULL: nobody records a test of a change, and the check of a model's file when it is registered is none. NULL is not tested: a control must ask `COALESCE(tested, false)`, so that none passes by it",
        ),
        boolean("emergency", "Whether it was done in an emergency, before anybody else agreed"),
        time("post_review_at", "When an emergency was reviewed; NULL while it was not, and for all other changes"),
        text("resource", "What it changes, as `kind/name`; NULL for an emergency, see `events`"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        self.requests.apply(leaf);
        self.emergencies.apply(leaf);
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (id, origin, approval) in self.requests.each() {
            let decided = decided_by(approval);
            let cells = [
                id.into(),
                (&approval.requested.command).into(),
                (&approval.requested_by).into(),
                ms(approval.requested_at),
                decided.map(|cast| &cast.by).into(),
                decided.map_or(Cell::Null, |cast| ms(cast.at)),
                approval.consumed.as_ref().map(|(by, _)| by).into(),
                approval.consumed.as_ref().map_or(Cell::Null, |(_, at)| ms(*at)),
                "prod".into(),
                Cell::Null,
                false.into(),
                Cell::Null,
                (&approval.requested.resource).into(),
            ];
            out.push(origin, cells);
        }
        for (id, known) in self.emergencies.each().filter(|(_, known)| known.first_use.is_some()) {
            let emergency = &known.emergency;
            let cells = [
                id.into(),
                "emergency".into(),
                (&emergency.actor).into(),
                ms(emergency.at),
                Cell::Null,
                Cell::Null,
                (&emergency.actor).into(),
                known.first_use.map_or(Cell::Null, ms),
                "prod".into(),
                Cell::Null,
                true.into(),
                known.reviewed_at.map_or(Cell::Null, ms),
                Cell::Null,
            ];
            out.push(known.origin, cells);
        }
    }
}
