//! How long data is kept: rules, what goes when and what keeps it, what went, and legal holds.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::response::Redirect;
use domain::Command;
use domain::keys::retention::{Kind, RetentionScheduled};
use engine::Upcoming;
use serde::Deserialize;

use crate::app::{App, Found};
use crate::auth::Visitor;
use crate::failure::{Failure, PageError};
use crate::rows::{self, Row};
use crate::ui::{Cell, Column, Empty, Instant, Link, Mark, Page, Query, Section, Shell, Table, Tone, clock, page};

const DAY_MS: i64 = 86_400_000;

/// How far the page looks ahead.
const AHEAD_MS: i64 = 30 * DAY_MS;

const RULES: &str = "SELECT seq, rule_id, kind, classification, days, basis, scheduled_by, scheduled_at\nFROM retention_rules\n\
                     WHERE unscheduled_at IS NULL\nORDER BY rule_id";

const GONE: &str = "SELECT seq, deletion_id, object_id, rule_id, requested_at, completed_at, replicas_confirmed, replicas_total, verified_by\n\
                    FROM deletions\nORDER BY requested_at DESC\nLIMIT 200";

const HOLDS: &str = "SELECT seq, hold_id, held, reference, placed_by, placed_at, review_due_at, released_by, released_at\n\
                     FROM legal_holds\nORDER BY released_at IS NOT NULL, placed_at DESC\nLIMIT 200";

/// The page.
#[derive(Template)]
#[template(path = "keys/retention.html")]
pub(crate) struct RetentionPage {
    shell: Shell,
    rules: Table,
    due: Table,
    holds: Table,
    gone: Table,
    /// Live holds, to be released.
    held: Vec<(String, String)>,
    /// Disposals that are done and confirmed by nobody.
    unconfirmed: Vec<(String, String)>,
    /// Whether nothing is disposed of because the clock is not believed.
    clock_leapt: bool,
}

/// What queries found for the page.
struct Asked {
    rules: Found,
    holds: Found,
    gone: Found,
}

impl RetentionPage {
    fn new(shell: Shell, asked: &Asked, upcoming: &[Upcoming], clock_leapt: bool) -> Self {
        let pair = |row: &Row, id: &str, about: &str| (rows::text(row, id), rows::text(row, about));
        let live = asked.holds.rows.iter().filter(|row| rows::instant(row, "released_at").is_none());
        // An erasure is confirmed where its request is closed.
        let done = |row: &&Row| {
            rows::instant(row, "completed_at").is_some()
                && rows::maybe(row, "verified_by").is_none()
                && rows::maybe(row, "rule_id").is_some()
        };
        Self {
            shell,
            rules: rules(&asked.rules),
            due: due(upcoming),
            holds: holds(&asked.holds),
            gone: gone(&asked.gone),
            held: live.map(|row| pair(row, "hold_id", "held")).collect(),
            unconfirmed: asked.gone.rows.iter().filter(done).map(|row| pair(row, "deletion_id", "object_id")).collect(),
            clock_leapt,
        }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        use domain::keys::retention::{Expiring, Item};
        let found =
            |row: serde_json::Value| Found { rows: vec![row.as_object().expect("an object").clone()], size: 18_204 };
        let asked = Asked {
            rules: found(serde_json::json!({"seq": 40, "rule_id": "payloads", "kind": "inference_payload",
                "classification": "*", "days": 30, "basis": "POL-7", "scheduled_by": "a_50",
                "scheduled_at": "2026-11-22T20:54:09Z"})),
            holds: found(serde_json::json!({"seq": 41, "hold_id": "h_3f9ac2", "held": "class/confidential",
                "reference": "CASE-3", "placed_by": "a_50", "placed_at": "2026-11-22T20:54:09Z",
                "review_due_at": "2027-02-20T20:54:09Z", "released_by": null, "released_at": null})),
            gone: found(serde_json::json!({"seq": 42, "deletion_id": "x_3f9ac2",
                "object_id": "payloads/internal/2026-10-22", "rule_id": "payloads",
                "requested_at": "2026-11-22T20:54:09Z", "completed_at": "2026-11-22T20:54:10Z",
                "replicas_confirmed": 3, "replicas_total": 3, "verified_by": null})),
        };
        let day = Some("2026-10-30".to_owned());
        let item = Item { kind: Kind::InferencePayload, class: "confidential".into(), day, object: None };
        let expiring = Expiring {
            item,
            rule: "payloads".into(),
            days: 30,
            expires_at: 1_795_640_049_000,
            held_by: None,
            unless_clear: vec![],
        };
        let free = Upcoming { expiring, source: None, rows: Some(1200), bytes: 5_000_000, held_by: vec![] };
        let held = Upcoming { held_by: vec!["h_3f9ac2".into()], ..free.clone() };
        let none = || Found { rows: vec![], size: 18_204 };
        let nothing = Asked { rules: none(), holds: none(), gone: none() };
        let shell = || Shell::sample(Section::Retention);
        [Self::new(shell(), &asked, &[free, held], true), Self::new(shell(), &nothing, &[], false)]
    }
}

fn table(caption: &'static str, columns: &[&str], empty: Empty, sql: &str, size: u64) -> Table {
    let mut table = Table::new(caption, columns.iter().map(|title| Column::text(*title)).collect(), empty);
    table.query = Some(Query { sql: sql.to_owned(), size });
    table
}

fn moment(row: &Row, column: &str) -> Cell {
    rows::instant(row, column).map_or(Cell::None, Cell::Time)
}

fn rules(found: &Found) -> Table {
    let empty = Empty::new("No rule says how long data is kept: it is kept for ever", "To make one:")
        .command("counterfoil retention set payloads --days 30 --basis POL-7");
    let columns = ["rule", "kind", "class", "days", "basis", "by", "since (UTC)"];
    let mut table = table("Rules", &columns, empty, RULES, found.size);
    let row = |row: &Row| {
        let text = |column: &str| rows::text(row, column);
        vec![
            Cell::Id(text("rule_id"), Link::into("/ledger", &text("seq"))),
            Cell::Text(text("kind")),
            Cell::Text(text("classification")),
            Cell::count(rows::count(row, "days")),
            Cell::Text(text("basis")),
            Cell::actor(text("scheduled_by")),
            moment(row, "scheduled_at"),
        ]
    };
    table.rows = found.rows.iter().map(row).collect();
    table
}

fn due(upcoming: &[Upcoming]) -> Table {
    let columns = ["due (UTC)", "kind", "class", "day, or what it is of", "payloads", "bytes, about", "rule", "state"];
    let empty = Empty::new("Nothing goes in the next 30 days", "What no rule is about is kept. To look further:")
        .command("counterfoil retention due --days 365");
    let mut table = Table::new("Due", columns.map(Column::text).into(), empty);
    let row = |one: &Upcoming| {
        let item = &one.expiring.item;
        let state = match one.held_by.first() {
            Some(hold) => Mark::new(format!("held by {hold}"), Tone::Open),
            None => Mark::new("goes", Tone::Good),
        };
        vec![
            Cell::Time(Instant(one.expiring.expires_at)),
            Cell::Text(item.kind.as_str().into()),
            Cell::Text(item.class.clone()),
            Cell::maybe(item.day.clone().or_else(|| one.source.clone()).or_else(|| item.object.clone())),
            one.rows.map_or(Cell::None, Cell::count),
            Cell::count(one.bytes),
            Cell::Text(one.expiring.rule.clone()),
            Cell::Mark(state),
        ]
    };
    table.rows = upcoming.iter().map(row).collect();
    table
}

fn holds(found: &Found) -> Table {
    let empty = Empty::new("Nothing is held", "When something may not be destroyed:")
        .command("counterfoil holds place class/confidential --reference CASE-3");
    let columns = ["hold", "on", "reference", "by", "since (UTC)", "review due (UTC)", "released by", "released (UTC)"];
    let mut table = table("Legal holds", &columns, empty, HOLDS, found.size);
    let row = |row: &Row| {
        let text = |column: &str| rows::text(row, column);
        vec![
            Cell::Id(text("hold_id"), Link::into("/ledger", &text("seq"))),
            Cell::Text(text("held")),
            Cell::Text(text("reference")),
            Cell::actor(text("placed_by")),
            moment(row, "placed_at"),
            moment(row, "review_due_at"),
            rows::maybe(row, "released_by").map_or(Cell::None, Cell::actor),
            moment(row, "released_at"),
        ]
    };
    table.rows = found.rows.iter().map(row).collect();
    table
}

fn gone(found: &Found) -> Table {
    let empty = Empty::new("Nothing was disposed of", "It happens once a day. To do it now:")
        .command("counterfoil retention run");
    let columns = ["disposal", "what", "rule", "begun (UTC)", "done (UTC)", "copies gone", "of", "confirmed by"];
    let mut table = table("Disposed of", &columns, empty, GONE, found.size);
    let row = |row: &Row| {
        let text = |column: &str| rows::text(row, column);
        vec![
            Cell::Id(text("deletion_id"), Link::into("/ledger", &text("seq"))),
            Cell::Text(text("object_id")),
            Cell::maybe(rows::maybe(row, "rule_id")),
            moment(row, "requested_at"),
            moment(row, "completed_at"),
            // Nobody looked, which is not none.
            rows::maybe(row, "replicas_confirmed")
                .map_or(Cell::None, |_| Cell::count(rows::count(row, "replicas_confirmed"))),
            Cell::count(rows::count(row, "replicas_total")),
            rows::maybe(row, "verified_by").map_or(Cell::None, Cell::actor),
        ]
    };
    table.rows = found.rows.iter().map(row).collect();
    table
}

/// `GET /retention`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Page {
    app.may_read(&who, "retention")?;
    let upcoming = app.engine.upcoming(clock().saturating_add(AHEAD_MS)).await?;
    let asked = Asked { rules: app.ask(RULES).await?, holds: app.ask(HOLDS).await?, gone: app.ask(GONE).await? };
    let shell = Shell::new(&app, &who, Section::Retention).await?;
    page(&RetentionPage::new(shell, &asked, &upcoming, app.engine.clock_leapt()))
}

/// What a button leads to.
type Back = Result<Redirect, PageError>;

/// A rule that a form takes.
#[derive(Deserialize)]
pub(crate) struct NewRule {
    rule: String,
    kind: Kind,
    class: String,
    days: u32,
    basis: String,
}

/// `POST /retention/rules`
pub(crate) async fn set(State(app): State<Arc<App>>, Visitor(who): Visitor, Form(form): Form<NewRule>) -> Back {
    let NewRule { rule, kind, class, days, basis } = form;
    let (class, basis) = (class.trim().to_owned(), basis.trim().to_owned());
    let ask = format!(
        "counterfoil retention set {rule} --kind {} --class '{class}' --days {days} --basis {basis} --ask REFERENCE",
        kind.as_str()
    );
    let scheduled = RetentionScheduled { rule, kind, class, days, basis };
    let done = app.engine.execute(&who, Command::ScheduleRetention(scheduled)).await;
    done.map_err(|error| {
        let mut failure = Failure::from(error);
        if failure.policies.iter().any(|policy| policy == "approval-required") {
            failure.message += &format!("; or at once: `{ask}`");
        }
        PageError(failure)
    })?;
    Ok(Redirect::to("/retention"))
}

/// A hold that a form places.
#[derive(Deserialize)]
pub(crate) struct NewHold {
    on: String,
    reference: String,
    /// After how many days it is looked at again.
    days: u32,
}

/// `POST /retention/holds`
pub(crate) async fn place(State(app): State<Arc<App>>, Visitor(who): Visitor, Form(form): Form<NewHold>) -> Back {
    let review_due = clock().saturating_add(i64::from(form.days).saturating_mul(DAY_MS));
    app.engine.place_hold(&who, form.on.trim(), form.reference.trim(), review_due).await?;
    Ok(Redirect::to("/retention#holds"))
}

/// Where something is written down.
#[derive(Deserialize)]
pub(crate) struct Reference {
    reference: String,
}

/// `POST /retention/holds/{id}/release`
pub(crate) async fn release(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(id): Path<String>,
    Form(form): Form<Reference>,
) -> Back {
    app.engine.release_hold(&who, &id, form.reference.trim()).await?;
    Ok(Redirect::to("/retention#holds"))
}

/// `POST /retention/disposals/{id}/confirm`
pub(crate) async fn confirm(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(id): Path<String>,
    Form(form): Form<Reference>,
) -> Back {
    app.engine.confirm_disposal(&who, &id, form.reference.trim()).await?;
    Ok(Redirect::to("/retention#gone"))
}
