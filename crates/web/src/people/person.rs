//! One person's page: what is known of them, what they hold and held, and the groups that they are and were in.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::response::Redirect;
use domain::people::ActorKind;
use engine::{Engine, PersonWish, Principal, Profile};
use serde::Deserialize;

use super::names::{Names, may_know};
use super::roster::kind;
use crate::app::{App, Found};
use crate::auth::Visitor;
use crate::failure::{Failure, PageError};
use crate::rows::{self, Row};
use crate::ui::{Cell, Column, Empty, Instant, Link, Mark, Page, Query, Section, Shell, Table, Tone, literal, page};

/// The page.
#[derive(Template)]
#[template(path = "people/person.html")]
pub(crate) struct PersonPage {
    shell: Shell,
    person: Facts,
    /// Whether names are shown to this visitor.
    named: bool,
    may: May,
    grants: Table,
    keys: Table,
    groups: Table,
}

/// What the visitor may do to this person: nothing else is offered.
#[derive(Clone, Copy, Debug)]
struct May {
    write: bool,
    leave: bool,
    come_back: bool,
}

/// What the state and the profile say.
struct Facts {
    actor: String,
    kind: &'static str,
    left_at: Option<Instant>,
    removed: bool,
    profile: Option<Profile>,
    roles: Vec<String>,
    sessions: usize,
    groups: Vec<(String, Link)>,
}

impl Facts {
    fn shown(&self) -> &str {
        self.profile.as_ref().and_then(|profile| profile.name.as_deref()).unwrap_or(&self.actor)
    }

    fn text(&self, of: impl Fn(&Profile) -> &Option<String>) -> String {
        self.profile.as_ref().and_then(|profile| of(profile).clone()).unwrap_or_default()
    }

    fn name(&self) -> String {
        self.text(|profile| &profile.name)
    }

    fn email(&self) -> String {
        self.text(|profile| &profile.email)
    }

    fn user_name(&self) -> String {
        self.text(|profile| &profile.user_name)
    }

    fn status(&self) -> Mark {
        match (self.left_at, self.removed) {
            (None, _) => Mark::new("active", Tone::Good),
            (Some(_), true) => Mark::new("left, and removed from the directory", Tone::Plain),
            (Some(_), false) => Mark::new("left", Tone::Plain),
        }
    }
}

fn grants_sql(actor: &str) -> String {
    let actor = literal(actor);
    format!(
        "SELECT seq, grant_id, role, scope, requested_by, approved_by, requested_at, granted_at, expires_at, revoked_at,\n  \
         ended_because, reference\nFROM role_grants\nWHERE principal_id = {actor}\nORDER BY requested_at DESC\nLIMIT 200"
    )
}

fn keys_sql(actor: &str) -> String {
    let actor = literal(actor);
    format!(
        "SELECT seq, credential_id, kind, created_at, expires_at, last_used_at, revoked_at\nFROM credentials\n\
         WHERE principal_id = {actor}\nORDER BY created_at DESC\nLIMIT 200"
    )
}

fn groups_sql(actor: &str) -> String {
    let actor = literal(actor);
    let (text, time) = ("CAST(NULL AS VARCHAR)", "CAST(NULL AS TIMESTAMP)");
    format!(
        "SELECT seq, group_id, source, added_at, added_by, removed_at, removed_by, {text} AS withheld\nFROM group_members\n\
         WHERE principal_id = {actor}\nUNION ALL SELECT seq, group_id, {text}, withheld_at, {text}, {time}, {text},\n  \
         role || ' in ' || scope || ': ' || rule\nFROM withheld_grants\nWHERE principal_id = {actor}\n\
         ORDER BY added_at DESC\nLIMIT 200"
    )
}

impl PersonPage {
    fn new(
        shell: Shell,
        person: Facts,
        (named, may): (bool, May),
        found: [Found; 3],
        names: &Names,
        groups: &[(String, String)],
    ) -> Self {
        let [grants, keys, memberships] = found;
        let actor = person.actor.clone();
        let made = |caption, columns: &[&str], empty, found: &Found, row: &dyn Fn(&Row) -> Vec<Cell>, sql: String| {
            let mut table = Table::new(caption, columns.iter().copied().map(Column::text).collect(), empty);
            table.rows = found.rows.iter().map(row).collect();
            table.query = Some(Query { sql, size: found.size });
            table
        };
        let code = |row: &Row, column: &str| {
            Some(rows::text(row, column)).filter(|text| !text.is_empty()).map_or(Cell::None, |text| who(names, &text))
        };
        let moment = |row: &Row, column: &str| rows::instant(row, column).map_or(Cell::None, Cell::Time);
        let event = |row: &Row| Link::into("/ledger", &rows::text(row, "seq"));
        let group =
            |id: &str| groups.iter().find(|(known, _)| known == id).map_or(id.to_owned(), |(_, name)| name.clone());

        let columns = [
            "grant",
            "role",
            "scope",
            "asked by",
            "approved by",
            "held since (UTC)",
            "until (UTC)",
            "ended (UTC)",
            "why",
            "reference",
        ];
        let empty = Empty::new("No role yet", "Ask for one:")
            .command(format!("counterfoil grants request --actor {actor} --role ROLE --reference TICKET"));
        let grants = made(
            "Roles held and asked for",
            &columns,
            empty,
            &grants,
            &|row| {
                vec![
                    Cell::Id(rows::text(row, "grant_id"), event(row)),
                    Cell::Text(rows::text(row, "role")),
                    Cell::Text(rows::text(row, "scope")),
                    code(row, "requested_by"),
                    code(row, "approved_by"),
                    moment(row, "granted_at"),
                    moment(row, "expires_at"),
                    moment(row, "revoked_at"),
                    Cell::maybe(rows::maybe(row, "ended_because")),
                    Cell::Text(rows::text(row, "reference")),
                ]
            },
            grants_sql(&actor),
        );
        let columns = ["key", "made (UTC)", "ends (UTC)", "last used (UTC)", "withdrawn (UTC)"];
        let empty = Empty::new("No key", "They can make one for themselves, or somebody makes their first:")
            .command(format!("counterfoil keys create --actor {actor} --expires 90d"));
        let keys = made(
            "Keys",
            &columns,
            empty,
            &keys,
            &|row| {
                vec![
                    Cell::Id(rows::text(row, "credential_id"), event(row)),
                    moment(row, "created_at"),
                    moment(row, "expires_at"),
                    moment(row, "last_used_at"),
                    moment(row, "revoked_at"),
                ]
            },
            keys_sql(&actor),
        );
        let columns = ["group", "said by", "since (UTC)", "put in by", "until (UTC)", "taken out by", "withheld"];
        let empty =
            Empty::new("In no group", "Put them into one:").command(format!("counterfoil groups join GROUP {actor}"));
        let groups = made(
            "Groups, then and now",
            &columns,
            empty,
            &memberships,
            &|row| {
                let id = rows::text(row, "group_id");
                vec![
                    Cell::Stub(group(&id), Link::into("/groups", &id)),
                    Cell::maybe(rows::maybe(row, "source")),
                    moment(row, "added_at"),
                    code(row, "added_by"),
                    moment(row, "removed_at"),
                    code(row, "removed_by"),
                    rows::maybe(row, "withheld").map_or(Cell::None, |why| Cell::Mark(Mark::new(why, Tone::Bad))),
                ]
            },
            groups_sql(&actor),
        );
        Self { shell, person, named, may, grants, keys, groups }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let row = |value: serde_json::Value| value.as_object().expect("an object").clone();
        let grant = row(serde_json::json!({
            "seq": 40, "grant_id": "g_3f9ac2", "role": "deployer", "scope": "service/credit-risk",
            "requested_by": "a_7f3k2m9q", "approved_by": "a_50", "granted_at": "2026-11-22T20:54:09Z",
            "expires_at": "2027-02-20T00:00:00Z", "reference": "group:gr_1",
        }));
        let key = row(serde_json::json!({
            "seq": 41, "credential_id": "k_1", "kind": "api_key", "created_at": "2026-11-22T20:54:09Z",
            "expires_at": "2027-02-20T00:00:00Z",
        }));
        let member = row(serde_json::json!({
            "seq": 39, "group_id": "gr_1", "source": "scim", "added_at": "2026-11-22T20:54:09Z", "added_by": "a_dir",
        }));
        let withheld = row(serde_json::json!({
            "seq": 44, "group_id": "gr_2", "added_at": "2026-11-23T20:54:09Z", "withheld": "auditor in org: audit-not-deploy",
        }));
        let found = |rows: &[Row]| Found { rows: rows.to_vec(), size: 18_204 };
        let names = Names::sample(&[("a_7f3k2m9q", "Ada Okafor"), ("a_50", "Ben Lindqvist")]);
        let groups = [("gr_1".to_owned(), "ML deployers".to_owned())];
        let profile = Profile {
            name: Some("Zoë Nguyễn".into()),
            email: Some("zoe@example.com".into()),
            user_name: Some("zoe@example.com".into()),
            ..Profile::default()
        };
        let facts = |profile, left: bool| Facts {
            actor: "a_91bc77".into(),
            kind: "human",
            left_at: left.then_some(Instant(1_795_380_849_000)),
            removed: left,
            profile,
            roles: vec!["deployer in service/credit-risk".into()],
            sessions: 1,
            groups: vec![("ML deployers".into(), Link::into("/groups", "gr_1"))],
        };
        let shell = || Shell::sample(Section::People);
        let may = |all| May { write: all, leave: all, come_back: all };
        let all = [found(&[grant]), found(&[key]), found(&[withheld, member])];
        [
            Self::new(shell(), facts(Some(profile), false), (true, may(true)), all, &names, &groups),
            Self::new(
                shell(),
                facts(None, true),
                (false, may(false)),
                [found(&[]), found(&[]), found(&[])],
                &Names::default(),
                &[],
            ),
        ]
    }
}

/// An actor in a cell: with their name where it is known; either way it leads to their page.
pub(super) fn who(names: &Names, actor: &str) -> Cell {
    match names.name(actor) {
        Some(_) => Cell::Actor(names.actor(actor)),
        None => Cell::Link(actor.to_owned(), Link::into("/people", actor)),
    }
}

/// `GET /people/{actor}`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor, Path(actor): Path<String>) -> Page {
    if actor != who.actor {
        app.may_read(&who, "people")?;
    }
    let person = facts(&app, &who, &actor).await?;
    let queries = [grants_sql(&actor), keys_sql(&actor), groups_sql(&actor)];
    let found = [app.ask(&queries[0]).await?, app.ask(&queries[1]).await?, app.ask(&queries[2]).await?];
    let columns = ["requested_by", "approved_by", "added_by", "removed_by"];
    let rows_found = found.iter().flat_map(|found| &found.rows);
    let concerned: Vec<String> =
        rows_found.flat_map(|row| columns.iter().filter_map(|column| rows::maybe(row, column))).collect();
    let names = Names::of(&app, &who, concerned).await?;
    let mut groups = Vec::new();
    let ids: std::collections::BTreeSet<String> =
        found[2].rows.iter().filter_map(|row| rows::maybe(row, "group_id")).collect();
    for id in ids {
        let name = super::groups::name(&app, &who, &id).await?;
        groups.push((id, name));
    }
    let named = may_know(&app, &who) || actor == who.actor;
    let shell = Shell::new(&app, &who, Section::People).await?;
    let may = |action| app.decides(&who, action, &format!("actor/{actor}"));
    let may = May { write: may("person.provision"), leave: may("actor.leave"), come_back: may("actor.return") };
    page(&PersonPage::new(shell, person, (named, may), found, &names, &groups))
}

async fn facts(app: &App, who: &Principal, actor: &str) -> Result<Facts, Failure> {
    let now = Engine::now_ms();
    let known = app.engine.read(|state| {
        let registered = state.actors.get(actor)?;
        let roles = state.roles_of(actor, now).map(|(role, scope)| format!("{role} in {scope}")).collect();
        let groups: Vec<String> = state.groups_of(actor).map(|(id, _)| id.to_owned()).collect();
        let sessions = state.sessions.values().filter(|session| session.actor == actor && session.expires_at > now);
        let facts = Facts {
            actor: actor.to_owned(),
            kind: kind(registered.kind),
            left_at: state.left.get(actor).copied().map(Instant),
            removed: state.removed.contains(actor),
            profile: None,
            roles,
            sessions: sessions.count(),
            groups: vec![],
        };
        Some((facts, groups))
    });
    let (mut facts, groups) = known.ok_or_else(|| Failure::not_found("actor", actor))?;
    facts.profile = Names::of(app, who, [actor]).await?.profile(actor).cloned();
    for id in groups {
        let name = super::groups::name(app, who, &id).await?;
        facts.groups.push((name, Link::into("/groups", &id)));
    }
    Ok(facts)
}

/// What a form writes down of somebody.
#[derive(Deserialize)]
pub(crate) struct Known {
    name: String,
    email: String,
    user_name: String,
}

fn given(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The profile with what was entered by hand, which takes the place of what a directory said of the same.
pub(crate) fn by_hand(
    known: Option<Profile>,
    name: Option<String>,
    email: Option<String>,
    user_name: Option<String>,
) -> Profile {
    let mut profile = known.unwrap_or_default();
    if profile.name != name {
        profile.extra.retain(|attribute, _| attribute != "displayName" && attribute != "name");
    }
    if profile.email != email {
        profile.extra.remove("emails");
    }
    Profile { name, email, user_name, ..profile }
}

/// `POST /people/{actor}`
pub(crate) async fn set(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(actor): Path<String>,
    Form(form): Form<Known>,
) -> Result<Redirect, PageError> {
    let back = Redirect::to(&format!("/people/{actor}"));
    let kind = kind_of(&app, &actor)?;
    let profile =
        by_hand(app.engine.profile(&actor).await?, given(&form.name), given(&form.email), given(&form.user_name));
    let wish = PersonWish { actor: Some(actor), kind, profile: Some(profile), presence: None, expect: None };
    app.engine.provision_person(&who, wish).await?;
    Ok(back)
}

/// What kind of actor somebody is.
pub(crate) fn kind_of(app: &App, actor: &str) -> Result<ActorKind, Failure> {
    let kind = app.engine.read(|state| state.actors.get(actor).map(|known| known.kind));
    kind.ok_or_else(|| Failure::not_found("actor", actor))
}

/// `POST /people/{actor}/leave`
pub(crate) async fn leave(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(actor): Path<String>,
) -> Result<Redirect, PageError> {
    app.engine.leave(&who, &actor).await?;
    Ok(Redirect::to(&format!("/people/{actor}")))
}

/// `POST /people/{actor}/return`
pub(crate) async fn come_back(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(actor): Path<String>,
) -> Result<Redirect, PageError> {
    app.engine.return_actor(&who, &actor).await?;
    Ok(Redirect::to(&format!("/people/{actor}")))
}
