//! `notifications`: what people were told, and what could not be told them.

use domain::Event;
use domain::people::NotificationSettled;

use crate::fold::{Leaf, Moment};
use crate::table::{Column, Origin, Rows, Table, int, ms, text, time};

#[derive(Clone, Default)]
pub(crate) struct Notifications(Vec<(Origin, i64, NotificationSettled)>);

impl Table for Notifications {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "notifications";
    const DOC: &'static str = "Messages to people, and to the program that the settings name, of which it is known what \
        became of them. Those still under way are not here.";
    const COLUMNS: &'static [Column] = &[
        text("notification_id", "Public identifier; the webhook's `webhook-id`, and part of a mail's Message-ID"),
        text("kind", "What it is of, such as `approval_requested` or `emergency_declared`"),
        text("about", "The thing it is about, as `kind/name`"),
        text("channel", "`webhook` or `email`"),
        text("principal_id", "For whom; NULL when a program was told"),
        text("delivery", "`delivered`, `failed`, or `skipped` when there is no address"),
        int("attempts", "How often it was sent"),
        text("reason", "Why it was not delivered, in a word"),
        time("settled_at", "When that was known"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        if let Event::NotificationSettled(body) = &leaf.entry.event {
            self.0.push((leaf.origin(), leaf.entry.ts, body.clone()));
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (origin, at, told) in &self.0 {
            let cells = [
                (&told.notification).into(),
                told.kind.as_str().into(),
                (&told.about).into(),
                told.channel.as_str().into(),
                told.to.as_deref().into(),
                told.delivery.as_str().into(),
                told.attempts.into(),
                told.reason.as_deref().into(),
                ms(*at),
            ];
            out.push(*origin, cells);
        }
    }
}
