//! Requests of people: the queue with its deadlines, and taking one in.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::response::Redirect;
use domain::keys::requests::{Intake, RequestKind};
use engine::NewRequest;
use serde::Deserialize;

use crate::app::{App, Found};
use crate::auth::Visitor;
use crate::failure::{Failure, PageError};
use crate::rows::{self, Row};
use crate::ui::{
    Cell, Column, Empty, Link, Mark, Page, Query, Section, Shell, Table, Tone, clock, page, parse_instant,
};

const ALL: &str = "SELECT seq, request_id, kind, channel, received_at, due_at, closed_at, outcome\nFROM dsr\n\
                   GROUP BY seq, request_id, kind, channel, received_at, due_at, closed_at, outcome\n\
                   ORDER BY closed_at ASC NULLS FIRST, due_at, request_id\nLIMIT 200";

/// The page.
#[derive(Template)]
#[template(path = "keys/requests.html")]
pub(crate) struct RequestsPage {
    shell: Shell,
    kinds: Vec<&'static str>,
    channels: Vec<&'static str>,
    all: Table,
}

impl RequestsPage {
    fn new(shell: Shell, found: &Found, now: i64) -> Self {
        let columns = ["request", "asks for", "came by", "received (UTC)", "due (UTC)", "stands"];
        let empty = Empty::new("Nobody has asked", "When somebody does:")
            .command("counterfoil requests receive --kind access --channel email --file identifiers.txt");
        let mut all = Table::new("Requests", columns.map(Column::text).into(), empty);
        all.rows = found.rows.iter().map(|one| row(one, now)).collect();
        all.query = Some(Query { sql: ALL.to_owned(), size: found.size });
        let kinds = RequestKind::ALL.iter().map(|kind| kind.as_str()).collect();
        let channels = Intake::ALL.iter().map(|channel| channel.as_str()).collect();
        Self { shell, kinds, channels, all }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let row = serde_json::json!({
            "seq": 40, "request_id": "q_3f9ac2", "kind": "erasure", "channel": "email",
            "received_at": "2026-11-22T20:54:09Z", "due_at": "2026-12-22T20:54:09Z", "closed_at": null, "outcome": null,
        });
        let full = Found { rows: vec![row.as_object().expect("an object").clone()], size: 18_204 };
        let none = Found { rows: vec![], size: 18_204 };
        let shell = || Shell::sample(Section::Requests);
        [Self::new(shell(), &full, 1_795_380_849_000), Self::new(shell(), &none, 0)]
    }
}

fn row(row: &Row, now: i64) -> Vec<Cell> {
    let text = |column: &str| rows::text(row, column);
    let moment = |column: &str| rows::instant(row, column).map_or(Cell::None, Cell::Time);
    let late = rows::instant(row, "due_at").is_some_and(|due| due.0 < now);
    let mark = match text("outcome").as_str() {
        "" if late => Mark::new("late", Tone::Bad),
        "" => Mark::new("open", Tone::Open),
        "done" => Mark::new("done", Tone::Good),
        other => Mark::new(other, Tone::Plain),
    };
    let id = text("request_id");
    let link = Link::into("/requests", &id);
    vec![
        Cell::Id(id, link),
        Cell::Text(text("kind")),
        Cell::Text(text("channel")),
        moment("received_at"),
        moment("due_at"),
        Cell::Mark(mark),
    ]
}

/// `GET /requests`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Page {
    app.may_read(&who, "requests")?;
    let all = app.ask(ALL).await?;
    page(&RequestsPage::new(Shell::new(&app, &who, Section::Requests).await?, &all, clock()))
}

/// What a form takes in.
#[derive(Deserialize)]
pub(crate) struct Received {
    kind: RequestKind,
    channel: Intake,
    /// One on each line.
    identifiers: String,
    /// When it came in; now when empty.
    #[serde(default)]
    received: String,
    #[serde(default)]
    contact: String,
}

/// `POST /requests`
pub(crate) async fn receive(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Form(form): Form<Received>,
) -> Result<Redirect, PageError> {
    let Received { kind, channel, identifiers, received, contact } = form;
    let bad = || Failure::invalid(format!("`{received}` is not a moment: write it like 2026-11-22T20:54"));
    let given = !received.trim().is_empty();
    let received_at = given.then(|| parse_instant(&received).ok_or_else(bad)).transpose()?;
    let identifiers = identifiers.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let contact = contact.trim().to_owned();
    let new = NewRequest { kind, channel, received_at, due_at: None, identifiers, contact };
    let (request, _) = app.engine.receive_request(&who, new).await?;
    Ok(Redirect::to(&format!("/requests/{request}")))
}
