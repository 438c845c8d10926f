//! `signin_refusals`: how many were turned away at the doors.

use domain::Event;
use domain::people::SigninRefused;

use crate::fold::{Leaf, Moment};
use crate::table::{Column, Origin, Rows, Table, int, ms, text, time};

#[derive(Clone, Default)]
pub(crate) struct SigninRefusals(Vec<(Origin, SigninRefused)>);

impl Table for SigninRefusals {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "signin_refusals";
    const DOC: &'static str = "Counts of those who were turned away when they tried to sign in, by door and reason. Nothing that they sent is kept.";
    const COLUMNS: &'static [Column] = &[
        text("door", "`link`, `oidc`, `logout`, `key`, `login`, `passkey`, `recovery` or `exchange`"),
        text("reason", "Why, in a word, such as `unknown`, `expired`, `signature` or `too_many`"),
        int("times", "How often"),
        time("first_at", "When the first was"),
        time("last_at", "When the last was"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        if let Event::SigninRefused(body) = &leaf.entry.event {
            self.0.push((leaf.origin(), body.clone()));
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (origin, told) in &self.0 {
            let cells = [
                told.door.as_str().into(),
                (&told.reason).into(),
                told.count.into(),
                ms(told.first_at),
                ms(told.last_at),
            ];
            out.push(*origin, cells);
        }
    }
}
