//! `emergencies`: roles taken at once, what was done with them, and who looked at it afterwards.

use std::collections::BTreeMap;

use domain::Event;
use domain::people::{Emergency, roles};

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, boolean, int, ms, text, time};

/// An emergency with when it was first used, and when reviewed.
#[derive(Clone)]
pub(crate) struct Known {
    pub origin: Origin,
    pub emergency: Emergency,
    pub first_use: Option<i64>,
    pub reviewed_at: Option<i64>,
}

#[derive(Clone, Default)]
pub(crate) struct Emergencies(BTreeMap<String, Known>);

impl Emergencies {
    pub fn each(&self) -> impl Iterator<Item = (&String, &Known)> {
        self.0.iter()
    }
}

impl Table for Emergencies {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "emergencies";
    const DOC: &'static str =
        "Roles that people took at once, without approval, for minutes; each is to be reviewed by somebody else.";
    const COLUMNS: &'static [Column] = &[
        text("emergency_id", "Public identifier"),
        text("principal_id", "Who took the role"),
        text("role", "The role"),
        text(
            "scope",
            "Where it held: `org`, which is everywhere, `service/NAME`, `environment/NAME`, or `dataset/NAME`",
        ),
        time("declared_at", "When it began"),
        time("ends_at", "When it ended, or will end, by itself"),
        time("ended_at", "When it ended before that; NULL while it did not"),
        int("uses", "How many commands they carried out while it held"),
        time("review_due_at", "Until when it must be reviewed"),
        text("reviewed_by", "Who reviewed it; NULL while nobody has"),
        time("reviewed_at", "When"),
        text("finding", "`justified` or `unjustified`; NULL while nobody has reviewed it"),
        text("reference", "Where the reason is written down, such as an incident's number"),
        boolean("privileged", "Whether the role can change what serves, who may act, or what is kept"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        let (by, at) = (&leaf.entry.actor, leaf.entry.ts);
        let emergency = match &leaf.entry.event {
            Event::EmergencyDeclared(body) => {
                let (declared, actor) = (body.clone(), by.clone());
                let emergency = Emergency { declared, actor, at, ended_at: None, uses: vec![], reviewed: None };
                let known = Known { origin: leaf.origin(), emergency, first_use: None, reviewed_at: None };
                self.0.insert(body.emergency.clone(), known);
                return;
            }
            Event::EmergencyUsed(body) => &body.emergency,
            Event::EmergencyEnded(body) => &body.emergency,
            Event::EmergencyReviewed(body) => &body.emergency,
            _ => return,
        };
        let Some(known) = self.0.get_mut(emergency) else { return };
        known.origin = leaf.origin();
        match &leaf.entry.event {
            Event::EmergencyUsed(body) => {
                known.first_use.get_or_insert(at);
                known.emergency.uses.push(body.clone());
            }
            Event::EmergencyEnded(_) => known.emergency.ended_at = Some(at),
            Event::EmergencyReviewed(body) => {
                (known.emergency.reviewed, known.reviewed_at) = (Some((by.clone(), body.finding)), Some(at));
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (id, known) in &self.0 {
            let Known { origin, emergency, reviewed_at, .. } = known;
            let declared = &emergency.declared;
            let cells = [
                id.into(),
                (&emergency.actor).into(),
                (&declared.role).into(),
                (&declared.scope).into(),
                ms(emergency.at),
                ms(declared.ends_at),
                emergency.ended_at.map_or(Cell::Null, ms),
                (emergency.uses.len() as u64).into(),
                ms(emergency.review_due_at()),
                emergency.reviewed.as_ref().map(|(by, _)| by).into(),
                reviewed_at.map_or(Cell::Null, ms),
                emergency.reviewed.as_ref().map(|(_, finding)| finding.as_str()).into(),
                (&declared.reference).into(),
                roles::is_privileged(&declared.role).into(),
            ];
            out.push(*origin, cells);
        }
    }
}
