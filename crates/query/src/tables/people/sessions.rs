//! `sessions`: how people came in, and for how long.

use std::collections::BTreeMap;

use domain::Event;
use domain::people::{Proof, SessionEnd};

use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, boolean, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    session_sha256: String,
    actor: String,
    passkey: Option<String>,
    proof: Proof,
    mfa: bool,
    authenticated_at: i64,
    started_at: i64,
    expires_at: i64,
    ended: Option<(i64, &'static str)>,
}

/// By public identifier.
#[derive(Clone, Default)]
pub(crate) struct Sessions(BTreeMap<String, Row>);

impl Table for Sessions {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "sessions";
    const DOC: &'static str = "Sessions of people at the pages: how they proved who they are, and when that ended.";
    const COLUMNS: &'static [Column] = &[
        text("session_id", "Public identifier"),
        text("principal_id", "Whose session it is"),
        text("proof", "How they proved who they are: `link`, `oidc`, `passkey` or `recovery`"),
        boolean("mfa", "Whether that took more than one factor"),
        time(
            "authenticated_at",
            "When they proved it, which may be before the session began; NULL when the provider did not say",
        ),
        time("started_at", "When it began"),
        time("expires_at", "When it becomes void by itself"),
        time("ended_at", "When it ended before that; NULL while it did not"),
        text(
            "ended_because",
            "`signed_out`, `revoked`, `idle`, `provider`, `replaced`, `passkey_removed`, or `left`; NULL while it did not \
             end before its time",
        ),
        text("credential_id", "The passkey that opened it; NULL for all others, and when the ledger did not say yet"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        let (origin, at) = (leaf.origin(), leaf.entry.ts);
        match &leaf.entry.event {
            Event::SessionStarted(body) => {
                let row = Row {
                    origin,
                    session_sha256: body.session_sha256.clone(),
                    actor: body.actor.clone(),
                    passkey: body.passkey.clone(),
                    proof: body.proof,
                    mfa: body.mfa,
                    authenticated_at: body.authenticated_at,
                    started_at: at,
                    expires_at: body.expires_at,
                    ended: None,
                };
                self.0.insert(body.session.clone(), row);
            }
            Event::SessionEnded(body) => {
                if let Some(row) = self.0.get_mut(&body.session) {
                    (row.origin, row.ended) = (origin, Some((at, body.reason.as_str())));
                }
            }
            Event::SessionOpened(body) => {
                let row = Row {
                    origin,
                    session_sha256: body.session_sha256.clone(),
                    actor: body.actor.clone(),
                    passkey: None,
                    proof: Proof::Link,
                    mfa: false,
                    authenticated_at: at,
                    started_at: at,
                    expires_at: body.expires_at,
                    ended: None,
                };
                let digits: String = body.session_sha256.chars().take(16).collect();
                self.0.insert(format!("s_{digits}"), row);
            }
            Event::SessionClosed(body) => {
                let closed = self.0.values_mut().filter(|row| row.session_sha256 == body.session_sha256);
                closed.for_each(|row| (row.origin, row.ended) = (origin, Some((at, SessionEnd::SignedOut.as_str()))));
            }
            Event::ActorLeft(body) => {
                let open = |row: &&mut Row| row.actor == body.actor && row.ended.is_none() && row.expires_at > at;
                let theirs = self.0.values_mut().filter(open);
                theirs.for_each(|row| (row.origin, row.ended) = (origin, Some((at, "left"))));
            }
            _ => {}
        }
    }

    fn rows(&self, _: &Moment, out: &mut Rows) {
        for (session, row) in &self.0 {
            let cells = [
                session.into(),
                (&row.actor).into(),
                row.proof.as_str().into(),
                row.mfa.into(),
                if row.authenticated_at > 0 { ms(row.authenticated_at) } else { Cell::Null },
                ms(row.started_at),
                ms(row.expires_at),
                row.ended.map_or(Cell::Null, |(at, _)| ms(at)),
                row.ended.map_or(Cell::Null, |(_, why)| why.into()),
                row.passkey.as_ref().into(),
            ];
            out.push(row.origin, cells);
        }
    }
}
