//! Who may act and in which role: requests that wait for an approver, asking for a role, and what is held.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query as Asked, State};
use axum::response::Redirect;
use domain::State as Ledger;
use domain::people::roles::{ROLES, Role};
use domain::people::{ActorKind, EndReason};
use engine::{PersonWish, Wish};
use serde::Deserialize;

use super::names::Names;
use super::person::{by_hand, who as actor_cell};
use super::roster::{Person, Roster, roster};
use crate::app::{App, Found};
use crate::auth::Visitor;
use crate::failure::{Failure, PageError};
use crate::rows::{self, Row};
use crate::ui::{
    Cell, Column, Empty, Instant, Link, Mark, Page, Query, Section, Shell, Table, Tone, clock, page, parse_instant,
};

/// Actors on a page.
const PAGE: usize = 50;

const GRANTS: &str = "SELECT seq, grant_id, principal_id, role, scope, requested_by, approved_by, granted_at,\n  \
                      expires_at, revoked_at, ended_because, reference\nFROM role_grants\n\
                      ORDER BY requested_at DESC\nLIMIT 200";

const RULES: &str =
    "SELECT rule, role_a, role_b, why\nFROM sod_pairs\nWHERE role_a < role_b AND until IS NULL\nORDER BY rule";

/// Days that the form proposes.
const DAYS: i64 = 90;

/// The page.
#[derive(Template)]
#[template(path = "people/access.html")]
pub(crate) struct AccessPage {
    shell: Shell,
    waiting: Vec<Waiting>,
    /// Who may be named in a form: pseudonym, and as they are shown.
    actors: Vec<(String, String)>,
    search: Search,
    total: u64,
    roles: &'static [Role],
    /// Roles of the organisation's own.
    own: Vec<String>,
    scopes: Vec<String>,
    until: String,
    people: Table,
    grants: Table,
    rules: Table,
}

/// Whom the page looks for, as the address has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Search {
    q: String,
    page: usize,
}

/// A request that waits.
#[derive(Clone, Debug)]
struct Waiting {
    grant: String,
    actor: String,
    role: String,
    /// What it is for.
    duty: &'static str,
    privileged: bool,
    scope: String,
    ends_at: Instant,
    reference: String,
    requested_by: String,
    /// How the two are shown.
    shown: String,
    asker: String,
    /// Whether the role would be the visitor's.
    yours: bool,
    /// Whether the visitor asked for it.
    asked: bool,
    /// Whether the visitor would be let approve it.
    approvable: bool,
}

/// What the page shows of the state.
struct Facts {
    waiting: Vec<Waiting>,
    actors: Vec<String>,
    /// Roles of the organisation's own.
    own: Vec<String>,
    scopes: Vec<String>,
}

impl Facts {
    fn of(state: &Ledger, visitor: &str, now: i64) -> Self {
        let pending = state.grants.values().filter(|grant| grant.is_pending(now));
        let waiting = pending.map(|grant| {
            let wish = &grant.requested;
            let known = domain::people::roles::find(&wish.role);
            Waiting {
                grant: wish.grant.clone(),
                actor: wish.actor.clone(),
                role: wish.role.clone(),
                duty: known.map_or("one of your own", |role| role.duty),
                privileged: state.is_privileged(&wish.role),
                scope: wish.scope.clone(),
                ends_at: Instant(wish.ends_at),
                reference: wish.reference.clone(),
                requested_by: grant.requested_by.clone(),
                shown: String::new(),
                asker: String::new(),
                yours: visitor == wish.actor,
                asked: visitor == grant.requested_by,
                approvable: state.may_approve_grant(visitor, grant, now),
            }
        });
        let here = state
            .actors
            .values()
            .filter(|actor| actor.kind != ActorKind::System && !state.left.contains_key(&actor.actor));
        Self {
            waiting: waiting.collect(),
            actors: here.map(|actor| actor.actor.clone()).collect(),
            own: state.custom_roles.keys().cloned().collect(),
            scopes: domain::people::roles::narrow_scopes(state),
        }
    }
}

impl AccessPage {
    fn new(
        shell: Shell,
        facts: Facts,
        found: [Found; 2],
        (search, roster): (Search, Roster),
        names: &Names,
        now: i64,
    ) -> Self {
        let [grants, rules] = found;
        let empty = || Empty::new("Nobody yet", "Register somebody:").command("counterfoil people add");
        let table = |caption, columns: &[&str], found: &Found, row: &dyn Fn(&Row) -> Vec<Cell>, sql: &str| {
            let mut table = Table::new(caption, columns.iter().copied().map(Column::text).collect(), empty());
            table.rows = found.rows.iter().map(row).collect();
            table.query = Some(Query { sql: sql.to_owned(), size: found.size });
            table
        };
        let columns = ["who", "e-mail", "pseudonym", "kind", "status", "roles now", "left (UTC)"];
        let mut people = Table::new("Actors", columns.map(Column::text).into(), empty());
        people.rows = roster.people.iter().map(actor_row).collect();
        let list = Link::to("/people").maybe("q", Some(&search.q).filter(|q| !q.is_empty()));
        people.first = (search.page > 0).then(|| list.clone());
        let after = search.page.saturating_add(1);
        let more = after.saturating_mul(PAGE) < roster.total;
        people.next = more.then(|| list.with("page", after));
        let total = roster.total as u64;
        let columns = [
            "grant",
            "actor",
            "role and scope",
            "how it stands",
            "asked by",
            "approved by",
            "until (UTC)",
            "reference",
        ];
        let grants = table("Grants", &columns, &grants, &|row| grant_row(row, names, now), GRANTS);
        let columns = ["rule", "one role", "the other", "one person could"];
        let rules = table("Roles kept apart", &columns, &rules, &rule_row, RULES);
        let until = Instant(now + DAYS * 86_400_000).rfc3339().chars().take(10).collect();
        let Facts { mut waiting, actors, own, scopes } = facts;
        for wish in &mut waiting {
            (wish.shown, wish.asker) = (names.shown(&wish.actor), names.shown(&wish.requested_by));
        }
        let mut actors: Vec<(String, String)> =
            actors.into_iter().map(|actor| (actor.clone(), names.shown(&actor))).collect();
        actors.sort_by_cached_key(|(_, shown)| shown.to_lowercase());
        Self { shell, waiting, actors, search, total, roles: &ROLES, own, scopes, until, people, grants, rules }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let now = 1_795_380_849_000;
        let waiting = |grant: &str, yours, asked| Waiting {
            grant: grant.into(),
            actor: "a_91bc77".into(),
            role: "deployer".into(),
            duty: "puts services and their routes into production",
            privileged: true,
            scope: "service/credit-risk".into(),
            ends_at: Instant(now + 86_400_000),
            reference: "CHG-1042".into(),
            requested_by: "a_7f3k2m9q".into(),
            shown: String::new(),
            asker: String::new(),
            yours,
            asked,
            approvable: !yours && !asked,
        };
        let facts = Facts {
            waiting: vec![
                waiting("g_3f9ac2", false, false),
                waiting("g_3f9ac2d1", false, true),
                waiting("g_3f9ac2d2", true, false),
            ],
            actors: vec!["a_7f3k2m9q".into(), "a_91bc77".into()],
            own: vec!["release_manager".into()],
            scopes: vec!["service/credit-risk".into()],
        };
        let row = |value: serde_json::Value| value.as_object().expect("an object").clone();
        let person = |actor: &str, profile, left_at| Person {
            actor: actor.into(),
            kind: "human",
            left_at,
            profile,
            roles: vec![("deployer".into(), "service/credit-risk".into())],
        };
        let zoe = engine::Profile {
            name: Some("Zoë Nguyễn".into()),
            email: Some("zoe@example.com".into()),
            ..engine::Profile::default()
        };
        let some =
            Roster { people: vec![person("a_91bc77", Some(zoe), None), person("a_5", None, Some(now))], total: 120 };
        let none_found = Roster { people: vec![], total: 0 };
        let names = Names::sample(&[("a_91bc77", "Zoë Nguyễn")]);
        let search = || Search { q: "zoe".into(), page: 1 };
        let grant = row(serde_json::json!({
            "seq": 40, "grant_id": "g_3f9ac2", "principal_id": "a_91bc77", "role": "deployer",
            "scope": "service/credit-risk", "requested_by": "a_7f3k2m9q", "approved_by": "a_50",
            "granted_at": "2026-11-22T20:54:09Z", "expires_at": "2027-02-20T00:00:00Z", "reference": "CHG-1042",
        }));
        let rule = row(serde_json::json!({
            "rule": "train-not-deploy", "role_a": "deployer", "role_b": "model_trainer", "why": "deploy a model alone",
        }));
        let shell = || Shell::sample(Section::People);
        let none = Facts { waiting: vec![], actors: vec![], own: vec![], scopes: vec![] };
        let found = |rows: &[Row]| Found { rows: rows.to_vec(), size: 18_204 };
        [
            Self::new(shell(), facts, [found(&[grant]), found(&[rule])], (search(), some), &names, now),
            Self::new(shell(), none, [found(&[]), found(&[])], (Search::default(), none_found), &Names::default(), now),
        ]
    }
}

fn actor_row(person: &Person) -> Vec<Cell> {
    let status = match person.left_at {
        None => Mark::new("active", Tone::Good),
        Some(_) => Mark::new("left", Tone::Plain),
    };
    let roles: Vec<String> = person.roles.iter().map(|(role, scope)| format!("{role} in {scope}")).collect();
    let text =
        |of: fn(&engine::Profile) -> &Option<String>| Cell::maybe(person.profile.as_ref().and_then(|p| of(p).clone()));
    vec![
        Cell::Stub(person.name().unwrap_or(&person.actor).to_owned(), Link::into("/people", &person.actor)),
        text(|profile| &profile.email),
        Cell::Code(person.actor.clone()),
        Cell::Text(person.kind.to_owned()),
        Cell::Mark(status),
        Cell::Wide(roles.join(", ")),
        person.left_at.map_or(Cell::None, |at| Cell::Time(Instant(at))),
    ]
}

fn grant_row(row: &Row, names: &Names, now: i64) -> Vec<Cell> {
    let text = |column: &str| rows::text(row, column);
    let code = |column: &str| {
        Some(text(column)).filter(|text| !text.is_empty()).map_or(Cell::None, |actor| actor_cell(names, &actor))
    };
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
        Cell::Wide(format!("{} in {}", text("role"), text("scope"))),
        Cell::Mark(stands),
        code("requested_by"),
        code("approved_by"),
        until.map_or(Cell::None, Cell::Time),
        Cell::Wide(text("reference")),
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
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor, Asked(search): Asked<Search>) -> Page {
    app.may_read(&who, "people")?;
    let now = clock();
    let facts = app.engine.read(|state| Facts::of(state, &who.actor, now));
    let found = [app.ask(GRANTS).await?, app.ask(RULES).await?];
    let roster = roster(&app, &who, &search.q, search.page.saturating_mul(PAGE), PAGE).await?;
    let columns = ["principal_id", "requested_by", "approved_by"];
    let granted = found[0].rows.iter().flat_map(|row| columns.iter().filter_map(|column| rows::maybe(row, column)));
    let waiting = facts.waiting.iter().flat_map(|wish| [wish.actor.clone(), wish.requested_by.clone()]);
    let named: Vec<String> = waiting.chain(granted).chain(facts.actors.iter().cloned()).collect();
    let names = Names::of(&app, &who, named).await?;
    let shell = Shell::new(&app, &who, Section::People).await?;
    page(&AccessPage::new(shell, facts, found, (search, roster), &names, now))
}

/// What a form's button leads to.
type Back = Result<Redirect, PageError>;

fn back() -> Redirect {
    Redirect::to("/people")
}

/// Whom a form registers.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct New {
    name: String,
    email: String,
    user_name: String,
}

/// `POST /people`
pub(crate) async fn register(State(app): State<Arc<App>>, Visitor(who): Visitor, Form(form): Form<New>) -> Back {
    let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let [name, email, user_name] = [&form.name, &form.email, &form.user_name].map(|text| given(text));
    if name.is_none() && email.is_none() && user_name.is_none() {
        app.engine.register_actor(&who, ActorKind::Human).await?;
        return Ok(back());
    }
    let profile = Some(by_hand(None, name, email, user_name));
    let wish = PersonWish { actor: None, kind: ActorKind::Human, profile, presence: None, expect: None };
    let actor = app.engine.provision_person(&who, wish).await?;
    Ok(Redirect::to(&format!("/people/{actor}")))
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
