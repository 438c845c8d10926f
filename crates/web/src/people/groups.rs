//! Groups of people, and the roles that being in one asks for.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::response::Redirect;
use domain::people::roles::{ROLES, Role};
use domain::people::{Group, IdentitySource, MappedRole};
use engine::{GroupNote, GroupWish, Principal};
use serde::Deserialize;

use super::names::{Names, may_know};
use super::person::who as actor_cell;
use crate::App;
use crate::auth::Visitor;
use crate::failure::{Failure, PageError};
use crate::ui::{Cell, Column, Empty, Instant, Link, Mark, Page, Section, Shell, Table, Tone, page};

/// What a group is called, for those who may know it; its identifier for everybody else, and when it was forgotten.
pub(crate) async fn name(app: &App, who: &Principal, group: &str) -> Result<String, Failure> {
    if !may_know(app, who) {
        return Ok(group.to_owned());
    }
    Ok(app.engine.group_note(group).await?.map_or_else(|| group.to_owned(), |note| note.display_name))
}

/// All groups.
#[derive(Template)]
#[template(path = "people/groups.html")]
pub(crate) struct GroupsPage {
    shell: Shell,
    groups: Table,
}

/// What the list shows of a group.
#[derive(Clone, Debug)]
struct Listed {
    id: String,
    name: String,
    members: usize,
    roles: String,
    stands: Option<Mark>,
}

fn listed(id: &str, name: String, group: &Group) -> Listed {
    let mapping = group.mapping.as_ref();
    let stands = mapping.map(|mapping| match mapping.approved {
        Some(_) => Mark::new("approved", Tone::Good),
        None => Mark::new("each grant waits", Tone::Open),
    });
    let roles = mapping.map(|mapping| written(&mapping.roles)).unwrap_or_default();
    Listed { id: id.to_owned(), name, members: group.members.len(), roles, stands }
}

fn written(roles: &[MappedRole]) -> String {
    let roles: Vec<String> = roles.iter().map(|mapped| format!("{} in {}", mapped.role, mapped.scope)).collect();
    roles.join(", ")
}

impl GroupsPage {
    fn new(shell: Shell, found: Vec<Listed>) -> Self {
        let columns = ["group", "identifier"].map(Column::text).into_iter();
        let columns = columns.chain([Column::number("members"), Column::text("asks for"), Column::text("the mapping")]);
        let empty =
            Empty::new("No group yet", "A directory makes them, or you do:").command("counterfoil groups add NAME");
        let mut groups = Table::new("Groups", columns.collect(), empty);
        groups.rows = found
            .into_iter()
            .map(|group| {
                vec![
                    Cell::Stub(group.name, Link::into("/groups", &group.id)),
                    Cell::Code(group.id),
                    Cell::count(group.members as u64),
                    Cell::maybe(Some(group.roles).filter(|roles| !roles.is_empty())),
                    group.stands.map_or(Cell::None, Cell::Mark),
                ]
            })
            .collect();
        Self { shell, groups }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let group = |id: &str, roles: &str, stands| Listed {
            id: id.into(),
            name: "ML deployers".into(),
            members: 12,
            roles: roles.into(),
            stands,
        };
        let some = vec![
            group("gr_1", "deployer in service/credit-risk", Some(Mark::new("approved", Tone::Good))),
            group("gr_2", "", None),
        ];
        let shell = || Shell::sample(Section::People);
        [Self::new(shell(), some), Self::new(shell(), vec![])]
    }
}

/// `GET /groups`
pub(crate) async fn list(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Page {
    app.may_read(&who, "people")?;
    let groups = app.engine.read(|state| state.groups.clone());
    let mut found = Vec::with_capacity(groups.len());
    for (id, group) in &groups {
        found.push(listed(id, name(&app, &who, id).await?, group));
    }
    found.sort_by_cached_key(|group| group.name.to_lowercase());
    let shell = Shell::new(&app, &who, Section::People).await?;
    page(&GroupsPage::new(shell, found))
}

/// A group's own page.
#[derive(Template)]
#[template(path = "people/group.html")]
pub(crate) struct GroupPage {
    shell: Shell,
    id: String,
    name: String,
    mapping: Option<Shown>,
    members: Table,
    /// Who could join, by pseudonym and as they are shown.
    others: Vec<(String, String)>,
    roles: &'static [Role],
    /// Roles of the organisation's own.
    own: Vec<String>,
    scopes: Vec<String>,
}

/// A mapping as the page shows it.
struct Shown {
    roles: String,
    days: u16,
    by: String,
    approved: Option<(String, Instant)>,
}

impl GroupPage {
    fn new(
        shell: Shell,
        id: String,
        name: String,
        group: &Group,
        names: &Names,
        others: Vec<(String, String)>,
        (own, scopes): (Vec<String>, Vec<String>),
    ) -> Self {
        let mapping = group.mapping.as_ref().map(|mapping| Shown {
            roles: written(&mapping.roles),
            days: mapping.days,
            by: names.shown(&mapping.mapped_by),
            approved: mapping.approved.as_ref().map(|(by, at)| (names.shown(by), Instant(*at))),
        });
        let empty =
            Empty::new("Nobody is in it", "Put somebody in:").command(format!("counterfoil groups join {id} ACTOR"));
        let columns = ["member", "said by"].map(Column::text).into();
        let mut members = Table::new("Members", columns, empty);
        let row = |(actor, sources): (&String, &BTreeSet<IdentitySource>)| {
            let said: Vec<&str> = sources.iter().map(|source| source.as_str()).collect();
            vec![actor_cell(names, actor), Cell::Text(said.join(", "))]
        };
        members.rows = group.members.iter().map(row).collect();
        Self { shell, id, name, mapping, members, others, roles: &ROLES, own, scopes }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        use domain::people::Mapping;
        let names = Names::sample(&[("a_7f3k2m9q", "Ada Okafor"), ("a_91bc77", "Zoë Nguyễn")]);
        let mapping = Mapping {
            roles: vec![MappedRole { role: "deployer".into(), scope: "service/credit-risk".into() }],
            days: 90,
            mapped_by: "a_7f3k2m9q".into(),
            mapper: "a_7f3k2m9q".into(),
            approved: Some(("a_50".into(), 1_795_380_849_000)),
            approver: Some("a_50".into()),
        };
        let members = [("a_91bc77".to_owned(), BTreeSet::from([IdentitySource::Oidc, IdentitySource::Scim]))].into();
        let full = Group { members, mapping: Some(mapping), ..Group::default() };
        let shell = || Shell::sample(Section::People);
        let others = vec![("a_7f3k2m9q".to_owned(), "Ada Okafor (a_7f3k2m9q)".to_owned())];
        let new = |group: &Group, names: &Names, others| {
            let (id, name) = ("gr_1".into(), "ML deployers".into());
            let choices = (vec!["release_manager".to_owned()], vec!["service/credit-risk".to_owned()]);
            Self::new(shell(), id, name, group, names, others, choices)
        };
        [new(&full, &names, others), new(&Group::default(), &Names::default(), vec![])]
    }
}

/// `GET /groups/{id}`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor, Path(id): Path<String>) -> Page {
    app.may_read(&who, "people")?;
    let found = app.engine.read(|state| {
        let group = state.groups.get(&id)?.clone();
        let here = |actor: &&String| !state.left.contains_key(*actor) && !group.members.contains_key(*actor);
        let human = |actor: &&String| state.actors[*actor].kind == domain::people::ActorKind::Human;
        let others: Vec<String> = state.actors.keys().filter(here).filter(human).take(500).cloned().collect();
        let scopes = domain::people::roles::narrow_scopes(state);
        let own: Vec<String> = state.custom_roles.keys().cloned().collect();
        Some((group, others, (own, scopes)))
    });
    let (group, others, choices) = found.ok_or_else(|| Failure::not_found("group", &id))?;
    let mapping = group.mapping.as_ref();
    let mut concerned: Vec<String> = group.members.keys().chain(&others).cloned().collect();
    concerned.extend(mapping.map(|mapping| mapping.mapped_by.clone()));
    concerned.extend(mapping.and_then(|mapping| mapping.approved.as_ref()).map(|(by, _)| by.clone()));
    let names = Names::of(&app, &who, concerned).await?;
    let mut others: Vec<(String, String)> = others.iter().map(|actor| (actor.clone(), names.shown(actor))).collect();
    others.sort_by_cached_key(|(_, shown)| shown.to_lowercase());
    let called = name(&app, &who, &id).await?;
    let shell = Shell::new(&app, &who, Section::People).await?;
    page(&GroupPage::new(shell, id, called, &group, &names, others, choices))
}

type Back = Result<Redirect, PageError>;

/// A group's name, from a form.
#[derive(Deserialize)]
pub(crate) struct Named {
    name: String,
}

/// `POST /groups`
pub(crate) async fn add(State(app): State<Arc<App>>, Visitor(who): Visitor, Form(form): Form<Named>) -> Back {
    let note = GroupNote { display_name: form.name.trim().to_owned(), ..GroupNote::default() };
    let group = app.engine.provision_group(&who, GroupWish { note: Some(note), ..wish(None) }).await?;
    Ok(Redirect::to(&format!("/groups/{group}")))
}

/// A wish that changes nothing, to be filled.
pub(crate) fn wish(group: Option<String>) -> GroupWish {
    let (add, remove) = (BTreeSet::new(), BTreeSet::new());
    GroupWish { group, note: None, source: IdentitySource::Scim, add, remove, expect: None }
}

/// A member, from a form.
#[derive(Deserialize)]
pub(crate) struct Member {
    actor: String,
    /// `join` or `go`.
    what: String,
}

/// `POST /groups/{id}/members`
pub(crate) async fn member(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(id): Path<String>,
    Form(form): Form<Member>,
) -> Back {
    let back = Redirect::to(&format!("/groups/{id}"));
    let (who_, empty) = (BTreeSet::from([form.actor.trim().to_owned()]), BTreeSet::new());
    let (add, remove) = if form.what == "join" { (who_, empty) } else { (empty, who_) };
    app.engine.provision_group(&who, GroupWish { add, remove, ..wish(Some(id)) }).await?;
    Ok(back)
}

/// A role that a group is to be mapped to, from a form; without a role the mapping ends.
#[derive(Deserialize)]
pub(crate) struct Mapped {
    role: String,
    scope: String,
    days: u16,
}

/// `POST /groups/{id}/roles`
pub(crate) async fn map(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(id): Path<String>,
    Form(form): Form<Mapped>,
) -> Back {
    let Mapped { role, scope, days } = form;
    let roles = if role.is_empty() { vec![] } else { vec![MappedRole { role, scope }] };
    app.engine.map_group(&who, &id, roles, days).await?;
    Ok(Redirect::to(&format!("/groups/{id}")))
}

/// `POST /groups/{id}/roles/approve`
pub(crate) async fn approve(State(app): State<Arc<App>>, Visitor(who): Visitor, Path(id): Path<String>) -> Back {
    app.engine.approve_group_map(&who, &id).await?;
    Ok(Redirect::to(&format!("/groups/{id}")))
}

/// `POST /groups/{id}/delete`
pub(crate) async fn delete(State(app): State<Arc<App>>, Visitor(who): Visitor, Path(id): Path<String>) -> Back {
    app.engine.delete_group(&who, &id, None).await?;
    Ok(Redirect::to("/groups"))
}
