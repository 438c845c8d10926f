//! Who may act and in which role: requests that wait for an approver, asking for a role, and what is held.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::response::Redirect;
use domain::State as Ledger;
use domain::people::roles::{ROLES, Role};
use domain::people::{ActorKind, EndReason};
use engine::Wish;
use serde::Deserialize;

use crate::app::{App, Found};
use crate::auth::Visitor;
use crate::failure::{Failure, PageError};
use crate::rows::{self, Row};
use crate::ui::{
    Cell, Column, Empty, Instant, Mark, Page, Query, Section, Shell, Table, Tone, clock, page, parse_instant,
};

/// The actors with the roles that they hold at `now`.
fn actors_sql(now: i64) -> String {
    let now = Instant(now).rfc3339();
    format!(
        "SELECT p.seq, p.principal_id, p.kind, p.status, p.registered_at, p.terminated_at,\n  \
         string_agg(g.role || ' in ' || g.scope, ', ') AS roles\nFROM principals p\nLEFT JOIN role_grants g ON \
         g.principal_id = p.principal_id AND g.granted_at IS NOT NULL AND g.revoked_at IS NULL\n  AND \
         (g.expires_at IS NULL OR g.expires_at > TIMESTAMP '{now}')\n\
         GROUP BY p.seq, p.principal_id, p.kind, p.status, p.registered_at, p.terminated_at\n\
         ORDER BY p.registered_at, p.principal_id"
    )
}

const GRANTS: &str = "SELECT seq, grant_id, principal_id, role, scope, requested_by, approved_by, granted_at,\n  \
                      expires_at, revoked_at, ended_because, reference\nFROM role_grants\n\
                      ORDER BY requested_at DESC\nLIMIT 200";

const RULES: &str = "SELECT rule, role_a, role_b, why\nFROM sod_pairs\nWHERE role_a < role_b\nORDER BY rule";

/// Days that the form proposes.
const DAYS: i64 = 90;

/// The page.
#[derive(Template)]
#[template(path = "people/access.html")]
pub(crate) struct AccessPage {
    shell: Shell,
    waiting: Vec<Waiting>,
    actors: Vec<String>,
    roles: &'static [Role],
    scopes: Vec<String>,
    until: String,
    people: Table,
    grants: Table,
    rules: Table,
}

/// A request that waits.
#[derive(Clone, Debug)]
struct Waiting {
    grant: String,
    actor: String,
    role: &'static Role,
    scope: String,
    ends_at: Instant,
    reference: String,
    requested_by: String,
    /// Whether the role would be the visitor's.
    yours: bool,
    /// Whether the visitor asked for it.
    asked: bool,
}

/// What the page shows of the state.
struct Facts {
    waiting: Vec<Waiting>,
    actors: Vec<String>,
    scopes: Vec<String>,
}

impl Facts {
    fn of(state: &Ledger, visitor: &str, now: i64) -> Self {
        let pending = state.grants.values().filter(|grant| grant.is_pending(now));
        let waiting = pending.filter_map(|grant| {
            let wish = &grant.requested;
            Some(Waiting {
                grant: wish.grant.clone(),
                actor: wish.actor.clone(),
                role: domain::people::roles::find(&wish.role)?,
                scope: wish.scope.clone(),
                ends_at: Instant(wish.ends_at),
                reference: wish.reference.clone(),
                requested_by: grant.requested_by.clone(),
                yours: visitor == wish.actor,
                asked: visitor == grant.requested_by,
            })
        });
        let here = state
            .actors
            .values()
            .filter(|actor| actor.kind != ActorKind::System && !state.left.contains_key(&actor.actor));
        Self {
            waiting: waiting.collect(),
            actors: here.map(|actor| actor.actor.clone()).collect(),
            scopes: state.services.keys().map(|service| format!("service/{service}")).collect(),
        }
    }
}

impl AccessPage {
    fn new(shell: Shell, facts: Facts, found: [Found; 3], now: i64) -> Self {
        let [people, grants, rules] = found;
        let empty = || Empty::new("Nobody yet", "Register somebody:").command("counterfoil people add");
        let table = |caption, columns: &[&str], found: &Found, row: &dyn Fn(&Row) -> Vec<Cell>, sql: &str| {
            let mut table = Table::new(caption, columns.iter().copied().map(Column::text).collect(), empty());
            table.rows = found.rows.iter().map(row).collect();
            table.query = Some(Query { sql: sql.to_owned(), size: found.size });
            table
        };
        let columns = ["actor", "kind", "status", "roles now", "registered (UTC)", "left (UTC)"];
        let people = table("Actors", &columns, &people, &actor_row, &actors_sql(now));
        let columns =
            ["grant", "actor", "role", "scope", "how it stands", "asked by", "approved by", "until (UTC)", "reference"];
        let grants = table("Grants", &columns, &grants, &|row| grant_row(row, now), GRANTS);
        let columns = ["rule", "one role", "the other", "one person could"];
        let rules = table("Roles kept apart", &columns, &rules, &rule_row, RULES);
        let until = Instant(now + DAYS * 86_400_000).rfc3339().chars().take(10).collect();
        let Facts { waiting, actors, scopes } = facts;
        Self { shell, waiting, actors, roles: &ROLES, scopes, until, people, grants, rules }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let now = 1_795_380_849_000;
        let waiting = |grant: &str, yours, asked| Waiting {
            grant: grant.into(),
            actor: "a_91bc77".into(),
            role: &ROLES[7],
            scope: "service/credit-risk".into(),
            ends_at: Instant(now + 86_400_000),
            reference: "CHG-1042".into(),
            requested_by: "a_7f3k2m9q".into(),
            yours,
            asked,
        };
        let facts = Facts {
            waiting: vec![
                waiting("g_3f9ac2", false, false),
                waiting("g_3f9ac2d1", false, true),
                waiting("g_3f9ac2d2", true, false),
            ],
            actors: vec!["a_7f3k2m9q".into(), "a_91bc77".into()],
            scopes: vec!["service/credit-risk".into()],
        };
        let row = |value: serde_json::Value| value.as_object().expect("an object").clone();
        let actor = row(serde_json::json!({
            "seq": 12, "principal_id": "a_91bc77", "kind": "human", "status": "active",
            "registered_at": "2026-11-22T20:54:09Z", "roles": "deployer in service/credit-risk",
        }));
        let grant = row(serde_json::json!({
            "seq": 40, "grant_id": "g_3f9ac2", "principal_id": "a_91bc77", "role": "deployer",
            "scope": "service/credit-risk", "requested_by": "a_7f3k2m9q", "approved_by": "a_50",
            "granted_at": "2026-11-22T20:54:09Z", "expires_at": "2027-02-20T00:00:00Z", "reference": "CHG-1042",
        }));
        let rule = row(serde_json::json!({
            "rule": "train-not-deploy", "role_a": "deployer", "role_b": "model_trainer", "why": "deploy a model alone",
        }));
        let shell = || Shell::sample(Section::People);
        let none = Facts { waiting: vec![], actors: vec![], scopes: vec![] };
        let found = |rows: &[Row]| Found { rows: rows.to_vec(), size: 18_204 };
        [
            Self::new(shell(), facts, [found(&[actor]), found(&[grant]), found(&[rule])], now),
            Self::new(shell(), none, [found(&[]), found(&[]), found(&[])], now),
        ]
    }
}

fn actor_row(row: &Row) -> Vec<Cell> {
    let (actor, status) = (rows::text(row, "principal_id"), rows::text(row, "status"));
    let tone = if status == "active" { Tone::Good } else { Tone::Plain };
    let moment = |column: &str| rows::instant(row, column).map_or(Cell::None, Cell::Time);
    vec![
        Cell::Id(actor, event(row)),
        Cell::Text(rows::text(row, "kind")),
        Cell::Mark(Mark::new(status, tone)),
        Cell::Wide(rows::text(row, "roles")),
        moment("registered_at"),
        moment("terminated_at"),
    ]
}

fn grant_row(row: &Row, now: i64) -> Vec<Cell> {
    let text = |column: &str| rows::text(row, column);
    let code = |column: &str| Some(text(column)).filter(|text| !text.is_empty()).map_or(Cell::None, Cell::Code);
    let until = rows::instant(row, "expires_at");
    let over = until.as_ref().is_some_and(|until| until.0 <= now);
    let stands = match (text("ended_because").as_str(), over, rows::instant(row, "granted_at")) {
        ("", false, Some(_)) => Mark::new("held", Tone::Good),
        ("", false, None) => Mark::new("waits", Tone::Open),
        ("", true, _) => Mark::new("expired", Tone::Plain),
        (why, _, _) => Mark::new(why, Tone::Plain),
    };
    vec![
        Cell::Id(text("grant_id"), event(row)),
        code("principal_id"),
        Cell::Text(text("role")),
        Cell::Text(text("scope")),
        Cell::Mark(stands),
        code("requested_by"),
        code("approved_by"),
        until.map_or(Cell::None, Cell::Time),
        Cell::Text(text("reference")),
    ]
}

fn rule_row(row: &Row) -> Vec<Cell> {
    let text = |column: &str| rows::text(row, column);
    vec![Cell::Code(text("rule")), Cell::Text(text("role_a")), Cell::Text(text("role_b")), Cell::Wide(text("why"))]
}

fn event(row: &Row) -> crate::ui::Link {
    crate::ui::Link::into("/ledger", &rows::text(row, "seq"))
}

/// `GET /people`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Page {
    app.may_read(&who, "people")?;
    let now = clock();
    let facts = app.engine.read(|state| Facts::of(state, &who.actor, now));
    let found = [app.ask(&actors_sql(now)).await?, app.ask(GRANTS).await?, app.ask(RULES).await?];
    let shell = Shell::new(&app, &who, Section::People)?;
    page(&AccessPage::new(shell, facts, found, now))
}

/// What a form's button leads to.
type Back = Result<Redirect, PageError>;

fn back() -> Redirect {
    Redirect::to("/people")
}

/// `POST /people`
pub(crate) async fn register(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Back {
    app.engine.register_actor(&who, ActorKind::Human).await?;
    Ok(back())
}

/// Whom a form names.
#[derive(Deserialize)]
pub(crate) struct Named {
    actor: String,
}

/// `POST /people/leave`
pub(crate) async fn leave(State(app): State<Arc<App>>, Visitor(who): Visitor, Form(named): Form<Named>) -> Back {
    app.engine.leave(&who, named.actor.trim()).await?;
    Ok(back())
}

/// A role that a form asks for.
#[derive(Deserialize)]
pub(crate) struct Request {
    actor: String,
    role: String,
    scope: String,
    until: String,
    reference: String,
}

/// `POST /grants`
pub(crate) async fn request(State(app): State<Arc<App>>, Visitor(who): Visitor, Form(form): Form<Request>) -> Back {
    let ends_at = parse_instant(&form.until)
        .ok_or_else(|| Failure::invalid(format!("`{}` is not a day: write it like 2026-11-22", form.until)))?;
    let Request { actor, role, scope, reference, .. } = form;
    let reference = reference.trim().to_owned();
    app.engine.request_grant(&who, Wish { actor, role, scope, ends_at, reference }).await?;
    Ok(back())
}

/// `POST /grants/{id}/approve`
pub(crate) async fn approve(State(app): State<Arc<App>>, Visitor(who): Visitor, Path(grant): Path<String>) -> Back {
    app.engine.approve_grant(&who, &grant).await?;
    Ok(back())
}

/// `POST /grants/{id}/decline`
pub(crate) async fn decline(State(app): State<Arc<App>>, Visitor(who): Visitor, Path(grant): Path<String>) -> Back {
    app.engine.end_grant(&who, &grant, EndReason::Declined).await?;
    Ok(back())
}

/// `POST /grants/{id}/withdraw`
pub(crate) async fn withdraw(State(app): State<Arc<App>>, Visitor(who): Visitor, Path(grant): Path<String>) -> Back {
    app.engine.end_grant(&who, &grant, EndReason::Withdrawn).await?;
    Ok(back())
}

/// `POST /grants/revoke`
pub(crate) async fn revoke(State(app): State<Arc<App>>, Visitor(who): Visitor, Form(form): Form<Revoked>) -> Back {
    app.engine.end_grant(&who, form.grant.trim(), EndReason::Revoked).await?;
    Ok(back())
}

/// Which grant a form takes away.
#[derive(Deserialize)]
pub(crate) struct Revoked {
    grant: String,
}
