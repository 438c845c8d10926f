//! `service_registrations`: who answered for which service, of which risk, and when. `services` has who does now.

use domain::Event;
use domain::serving::ServiceRegistered;

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, ms, text, time};
use crate::tables::people::{Requests, decided_by};

#[derive(Clone)]
struct Row {
    origin: Origin,
    registered: ServiceRegistered,
    since: i64,
    until: Option<i64>,
    approval: Option<String>,
}

#[derive(Clone, Default)]
pub(crate) struct ServiceRegistrations {
    rows: Vec<Row>,
    requests: Requests,
}

impl ServiceRegistrations {
    fn end(&mut self, leaf: &Leaf<'_>, concerned: impl Fn(&ServiceRegistered) -> bool) {
        for row in self.rows.iter_mut().filter(|row| row.until.is_none() && concerned(&row.registered)) {
            (row.origin, row.until) = (leaf.origin(), Some(leaf.entry.ts));
        }
    }
}

impl Table for ServiceRegistrations {
    const ROOM: &'static str = "serving";
    const NAME: &'static str = "service_registrations";
    const DOC: &'static str = "Who answered for a service of a risk, from when to when: a row each time.";
    const COLUMNS: &'static [Column] = &[
        text("service_id", "Name of the service"),
        text("owner_id", "The person who answered for it"),
        text("risk_tier", "The risk that it was registered with: `high`, `medium` or `low`"),
        time("since", "From when on"),
        time(
            "until",
            "When it was registered anew or retired, its risk changed, or the person left; NULL while it holds",
        ),
        time("approved_at", "When that was approved; NULL when it was not"),
        text("approved_by", "Whose vote made up the quorum; NULL when `approved_at` is"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        self.requests.apply(leaf);
        match &leaf.entry.event {
            Event::ServiceRegistered(body) => {
                self.end(leaf, |known| known.service == body.service);
                let (origin, since) = (leaf.origin(), leaf.entry.ts);
                self.rows.push(Row { origin, registered: body.clone(), since, until: None, approval: None });
            }
            // It comes right after what it is of.
            Event::ApprovalConsumed(body) => {
                let asked = self.requests.get(&body.approval).map(|known| &known.requested);
                let asked = asked.filter(|asked| asked.command == "service.register");
                let service = asked.and_then(|asked| asked.resource.strip_prefix("service/"));
                let last = self.rows.iter_mut().rfind(|row| Some(row.registered.service.as_str()) == service);
                if let Some(row) = last {
                    (row.origin, row.approval) = (leaf.origin(), Some(body.approval.clone()));
                }
            }
            Event::ServiceDeclared(body) => {
                let other_risk = |known: &ServiceRegistered| known.risk_tier != body.spec.risk_tier;
                self.end(leaf, |known| known.service == body.service && other_risk(known));
            }
            Event::ServiceRetired(body) => self.end(leaf, |known| known.service == body.service),
            Event::ActorLeft(body) => self.end(leaf, |known| known.owner == body.actor),
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for row in &self.rows {
            let decided = row.approval.as_ref().and_then(|id| self.requests.get(id)).and_then(decided_by);
            let cells = [
                (&row.registered.service).into(),
                (&row.registered.owner).into(),
                row.registered.risk_tier.as_str().into(),
                ms(row.since),
                row.until.map_or(Cell::Null, ms),
                decided.map_or(Cell::Null, |cast| ms(cast.at)),
                decided.map(|cast| &cast.by).into(),
            ];
            out.push(row.origin, cells);
        }
    }
}
