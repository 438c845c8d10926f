//! `account_owners`: who answered for which program, and when. `principals` has who does now.

use domain::Event;
use domain::people::AccountOwned;

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    owned: AccountOwned,
    since: i64,
    until: Option<i64>,
}

#[derive(Clone, Default)]
pub(crate) struct AccountOwners(Vec<Row>);

impl AccountOwners {
    fn end(&mut self, leaf: &Leaf<'_>, concerned: impl Fn(&AccountOwned) -> bool) {
        for row in self.0.iter_mut().filter(|row| row.until.is_none() && concerned(&row.owned)) {
            (row.origin, row.until) = (leaf.origin(), Some(leaf.entry.ts));
        }
    }

    fn begin(&mut self, leaf: &Leaf<'_>, owned: AccountOwned) {
        self.0.push(Row { origin: leaf.origin(), owned, since: leaf.entry.ts, until: None });
    }

    /// What somebody answered for last, and nobody else has since.
    fn left_behind(&self, actor: &str) -> Vec<AccountOwned> {
        let last =
            |(at, row): &(usize, &Row)| !self.0[at + 1..].iter().any(|later| later.owned.actor == row.owned.actor);
        let theirs = self.0.iter().enumerate().filter(|(_, row)| row.owned.owner == actor && row.until.is_some());
        theirs.filter(last).map(|(_, row)| row.owned.clone()).collect()
    }
}

impl Table for AccountOwners {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "account_owners";
    const DOC: &'static str = "Who answered for a program, and could act as it, from when to when: a row each time.";
    const COLUMNS: &'static [Column] = &[
        text("principal_id", "The program"),
        text("owner_id", "The person who answered for it"),
        text("because", "Why they did: `registered`, `named`, or `left` (the one before left, and this one said so)"),
        time("since", "From when on"),
        time("until", "When somebody else came to answer for it, or the person left; NULL while they still do"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::AccountOwned(body) => {
                self.end(leaf, |owned| owned.actor == body.actor);
                self.begin(leaf, body.clone());
            }
            Event::ActorLeft(body) => self.end(leaf, |owned| owned.owner == body.actor),
            // Whoever comes back answers again for what nobody else took over.
            Event::ActorReturned(body) => {
                for owned in self.left_behind(&body.actor) {
                    self.begin(leaf, owned);
                }
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for Row { origin, owned, since, until } in &self.0 {
            let because = owned.reason.as_str().into();
            let cells =
                [(&owned.actor).into(), (&owned.owner).into(), because, ms(*since), until.map_or(Cell::Null, ms)];
            out.push(*origin, cells);
        }
    }
}
