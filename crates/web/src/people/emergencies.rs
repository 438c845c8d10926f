//! Emergencies: which are under way, which wait to be reviewed, and taking a role now.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::response::Redirect;
use domain::State as Ledger;
use domain::people::emergencies::EMERGENCY_ROLES;
use domain::people::{Emergency, Finding};
use serde::Deserialize;

use super::names::Names;
use crate::app::{App, Found};
use crate::auth::Visitor;
use crate::failure::PageError;
use crate::rows::{self, Row};
use crate::ui::{Cell, Column, Empty, Instant, Link, Mark, Page, Query, Section, Shell, Table, Tone, clock, page};

const ALL: &str = "SELECT seq, emergency_id, principal_id, role, scope, declared_at, COALESCE(ended_at, ends_at) AS over_at,\n  \
                   uses, reviewed_by, finding, review_due_at, reference\nFROM emergencies\nORDER BY declared_at DESC\nLIMIT 200";

/// The page.
#[derive(Template)]
#[template(path = "people/emergencies.html")]
pub(crate) struct EmergenciesPage {
    shell: Shell,
    names: Names,
    open: Vec<Open>,
    scopes: Vec<String>,
    roles: &'static [&'static str],
    all: Option<Table>,
}

/// An emergency that is under way, or that nobody has reviewed.
#[derive(Clone, Debug)]
pub(crate) struct Open {
    pub id: String,
    pub actor: String,
    pub role: String,
    pub scope: String,
    pub reference: String,
    pub until: Instant,
    pub due: Instant,
    pub under_way: bool,
    pub late: bool,
    pub uses: Vec<String>,
    /// Whether the visitor declared it.
    pub yours: bool,
}

impl Open {
    /// Those that are under way or not reviewed, newest first.
    pub(crate) fn all(state: &Ledger, visitor: &str, now: i64) -> Vec<Self> {
        let open = state.emergencies.iter().filter(|(_, emergency)| emergency.reviewed.is_none());
        let mut open: Vec<(i64, Self)> =
            open.map(|(id, emergency)| (emergency.at, Self::of(id, emergency, visitor, now))).collect();
        open.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        open.into_iter().map(|(_, open)| open).collect()
    }

    fn of(id: &str, emergency: &Emergency, visitor: &str, now: i64) -> Self {
        let declared = &emergency.declared;
        Self {
            id: id.to_owned(),
            actor: emergency.actor.clone(),
            role: declared.role.clone(),
            scope: declared.scope.clone(),
            reference: declared.reference.clone(),
            until: Instant(emergency.over_at()),
            due: Instant(emergency.review_due_at()),
            under_way: emergency.holds(now),
            late: now > emergency.review_due_at(),
            uses: emergency.uses.iter().map(|used| format!("{} on {}", used.command, used.resource)).collect(),
            yours: visitor == emergency.actor,
        }
    }

    #[cfg(test)]
    pub(crate) fn sample(under_way: bool) -> Self {
        Self {
            id: if under_way { "e_3f9ac2".into() } else { "e_3f9ac3".into() },
            actor: "a_91bc77".into(),
            role: "deployer".into(),
            scope: "service/credit-risk".into(),
            reference: "INC-2207".into(),
            until: Instant(1_795_380_849_000),
            due: Instant(1_795_640_049_000),
            under_way,
            late: !under_way,
            uses: vec!["service.declare on service/credit-risk".into()],
            yours: false,
        }
    }
}

impl EmergenciesPage {
    fn new(shell: Shell, open: Vec<Open>, scopes: Vec<String>, all: Option<Found>) -> Self {
        let table = |found: &Found| {
            let columns = [
                "emergency",
                "actor",
                "role",
                "scope",
                "from (UTC)",
                "until (UTC)",
                "commands",
                "review",
                "by",
                "due (UTC)",
                "reference",
            ];
            let empty = Empty::new("There was no emergency", "When there is one:")
                .command("counterfoil emergencies declare --role deployer --reference INC-1");
            let mut table = Table::new("Emergencies", columns.map(Column::text).into(), empty);
            table.rows = found.rows.iter().map(row).collect();
            table.query = Some(Query { sql: ALL.to_owned(), size: found.size });
            table
        };
        let all = all.as_ref().map(table);
        Self { shell, names: Names::default(), open, scopes, roles: &EMERGENCY_ROLES, all }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let row = serde_json::json!({
            "seq": 40, "emergency_id": "e_3f9ac2", "principal_id": "a_91bc77", "role": "deployer", "scope": "org",
            "declared_at": "2026-11-22T20:54:09Z", "over_at": "2026-11-22T21:24:09Z", "uses": 2, "reviewed_by": "a_50",
            "finding": "justified", "review_due_at": "2026-11-25T21:24:09Z", "reference": "INC-2207",
        });
        let found = Found { rows: vec![row.as_object().expect("an object").clone()], size: 18_204 };
        let shell = || Shell::sample(Section::Approvals);
        let open = vec![Open::sample(true), Open::sample(false)];
        let scopes = vec!["service/credit-risk".to_owned()];
        let mut full = Self::new(shell(), open, scopes, Some(found));
        full.names = Names::sample(&[("a_91bc77", "Zoë Nguyễn")]);
        full.names.fill(&mut full.all.iter_mut().collect::<Vec<_>>());
        [full, Self::new(shell(), vec![], vec![], None)]
    }
}

fn row(row: &Row) -> Vec<Cell> {
    let text = |column: &str| rows::text(row, column);
    let moment = |column: &str| rows::instant(row, column).map_or(Cell::None, Cell::Time);
    let review = match text("finding").as_str() {
        "justified" => Mark::new("justified", Tone::Good),
        "" => Mark::new("waits", Tone::Open),
        other => Mark::new(other, Tone::Bad),
    };
    vec![
        Cell::Id(text("emergency_id"), Link::into("/ledger", &text("seq"))),
        Cell::actor(text("principal_id")),
        Cell::Text(text("role")),
        Cell::Text(text("scope")),
        moment("declared_at"),
        moment("over_at"),
        Cell::count(rows::count(row, "uses")),
        Cell::Mark(review),
        rows::maybe(row, "reviewed_by").map_or(Cell::None, Cell::actor),
        moment("review_due_at"),
        Cell::Text(text("reference")),
    ]
}

/// `GET /emergencies`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Page {
    app.may_read(&who, "people")?;
    let (open, scopes) =
        app.engine.read(|state| (Open::all(state, &who.actor, clock()), domain::people::roles::narrow_scopes(state)));
    let all = app.ask(ALL).await?;
    let shell = Shell::new(&app, &who, Section::Approvals).await?;
    let concerned = open.iter().map(|one| one.actor.clone()).collect();
    let mut shown = EmergenciesPage::new(shell, open, scopes, Some(all));
    let mut tables: Vec<&mut Table> = shown.all.iter_mut().collect();
    shown.names = Names::on_page(&app, &who, concerned, &mut tables).await;
    page(&shown)
}

/// What a button leads to.
type Back = Result<Redirect, PageError>;

/// A role that a form takes.
#[derive(Deserialize)]
pub(crate) struct Taken {
    role: String,
    scope: String,
    minutes: u32,
    reference: String,
}

/// `POST /emergencies`
pub(crate) async fn declare(State(app): State<Arc<App>>, Visitor(who): Visitor, Form(form): Form<Taken>) -> Back {
    let ends_at = clock() + i64::from(form.minutes) * 60_000;
    app.engine.declare_emergency(&who, &form.role, &form.scope, ends_at, form.reference.trim()).await?;
    Ok(Redirect::to("/emergencies"))
}

/// `POST /emergencies/{id}/end`
pub(crate) async fn end(State(app): State<Arc<App>>, Visitor(who): Visitor, Path(id): Path<String>) -> Back {
    app.engine.end_emergency(&who, &id).await?;
    Ok(Redirect::to("/emergencies"))
}

/// What a form says of an emergency.
#[derive(Deserialize)]
pub(crate) struct Reviewed {
    finding: Finding,
    reference: String,
}

/// `POST /emergencies/{id}/review`
pub(crate) async fn review(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(id): Path<String>,
    Form(form): Form<Reviewed>,
) -> Back {
    app.engine.review_emergency(&who, &id, form.finding, form.reference.trim()).await?;
    Ok(Redirect::to("/emergencies"))
}
