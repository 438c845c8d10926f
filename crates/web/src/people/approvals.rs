//! The queue: what waits for whoever looks, what may be carried out, and all that was asked.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::response::Redirect;
use domain::State as Ledger;
use domain::people::approvals::{Approval, ApprovalRule, Standing};
use domain::people::{ActorKind, roles};
use engine::Principal;
use serde::Deserialize;

use super::names::Names;
use crate::app::{App, Found};
use crate::auth::Visitor;
use crate::failure::{Failure, PageError};
use crate::rows::{self, Row};
use crate::ui::{
    Cell, Column, Empty, Instant, Link, Mark, Page, Query, Section, Shell, Table, Tone, clock, page, parse_instant,
};

const ALL: &str = "SELECT seq, approval_id, command, resource, standing, votes_for, quorum, role, requested_by,\n  \
                   requested_at, used_by, reference\nFROM approvals\nORDER BY requested_at DESC\nLIMIT 200";

const TOLD: &str = "SELECT seq, kind, about, channel, principal_id, delivery, attempts, reason, settled_at\n\
                    FROM notifications\nORDER BY seq DESC\nLIMIT 20";

/// The page.
#[derive(Template)]
#[template(path = "people/approvals.html")]
pub(crate) struct ApprovalsPage {
    shell: Shell,
    names: Names,
    waiting: Vec<Slip>,
    others: Vec<Slip>,
    grants: usize,
    /// Roles whose votes the visitor can hand on.
    votes: Vec<String>,
    people: Vec<String>,
    until: String,
    rules: Vec<ApprovalRule>,
    all: Option<Table>,
    /// What people were told last.
    told: Option<Table>,
}

/// A request on the queue.
#[derive(Clone, Debug)]
struct Slip {
    id: String,
    command: String,
    resource: String,
    requested_by: String,
    reference: String,
    ends_at: Instant,
    votes: usize,
    quorum: u64,
    role: String,
    approved: bool,
    /// What it would change has changed since it was asked for.
    stale: bool,
}

impl Slip {
    fn of(state: &Ledger, id: &str, approval: &Approval, now: i64) -> Self {
        let asked = &approval.requested;
        Self {
            id: id.to_owned(),
            command: asked.command.clone(),
            resource: asked.resource.clone(),
            requested_by: approval.requested_by.clone(),
            reference: asked.reference.clone(),
            ends_at: Instant(asked.expires_at),
            votes: approval.yes().count(),
            quorum: asked.quorum,
            role: asked.role.clone(),
            approved: approval.standing(now) == Standing::Approved,
            stale: state.is_stale(approval),
        }
    }
}

/// What the page shows of the state.
#[derive(Default)]
struct Facts {
    waiting: Vec<Slip>,
    others: Vec<Slip>,
    grants: usize,
    votes: Vec<String>,
    people: Vec<String>,
    rules: Vec<ApprovalRule>,
}

impl Facts {
    fn of(state: &Ledger, visitor: &str, all: bool, now: i64) -> Self {
        let (mut waiting, mut others) = (Vec::new(), Vec::new());
        for (id, approval) in state.approvals.iter().filter(|(_, approval)| approval.standing(now).is_open()) {
            match state.can_vote(approval, visitor, now) {
                true => waiting.push(Slip::of(state, id, approval, now)),
                false if all || approval.requested_by == visitor => others.push(Slip::of(state, id, approval, now)),
                false => {}
            }
        }
        let grants = state.grants.values().filter(|grant| grant.is_pending(now) && grant.requested.actor != visitor);
        let mut votes: Vec<String> = state.roles_of(visitor, now).map(|(role, _)| role.to_owned()).collect();
        votes.sort_unstable();
        votes.dedup();
        let rules = state.approval_rules();
        votes.retain(|role| roles::find(role).is_some() && rules.iter().any(|rule| rule.role == *role));
        let person = |actor: &&domain::people::ActorRegistered| {
            actor.kind == ActorKind::Human && actor.actor != visitor && !state.left.contains_key(&actor.actor)
        };
        let people = state.actors.values().filter(person).map(|actor| actor.actor.clone()).collect();
        Self { waiting, others, grants: if all { grants.count() } else { 0 }, votes, people, rules }
    }
}

impl ApprovalsPage {
    fn new(shell: Shell, facts: Facts, all: Option<(Found, Found)>, now: i64) -> Self {
        let table = |found: &Found| {
            let columns =
                ["approval", "what", "on", "how it stands", "votes", "asked by", "asked (UTC)", "done by", "reference"];
            let empty =
                Empty::new("Nothing was asked yet", "What needs an approval says so when you try it, and how to ask:")
                    .command("counterfoil policies propose FILE --reference TICKET");
            let mut table = Table::new("Requests", columns.map(Column::text).into(), empty);
            table.rows = found.rows.iter().map(row).collect();
            table.query = Some(Query { sql: ALL.to_owned(), size: found.size });
            table
        };
        let until = Instant(now + 7 * 86_400_000).rfc3339().chars().take(10).collect();
        let Facts { waiting, others, grants, votes, people, rules } = facts;
        let told = all.as_ref().map(|(_, told)| told_table(told));
        let (names, all) = (Names::default(), all.as_ref().map(|(all, _)| table(all)));
        Self { shell, names, waiting, others, grants, votes, people, until, rules, all, told }
    }

    /// The same with names, as `who` may see them.
    async fn named(mut self, app: &App, who: &Principal) -> Self {
        let asked = self.waiting.iter().chain(&self.others).map(|slip| slip.requested_by.clone());
        // Those to whom votes can be handed are offered to whoever has some.
        let offered = self.people.iter().filter(|_| !self.votes.is_empty()).cloned();
        let shown = asked.chain(offered).collect();
        let mut tables: Vec<&mut Table> = self.all.iter_mut().chain(&mut self.told).collect();
        self.names = Names::on_page(app, who, shown, &mut tables).await;
        self
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let now = 1_795_380_849_000;
        let slip = |id: &str, approved| Slip {
            id: id.into(),
            command: "service.declare".into(),
            resource: "service/credit-risk".into(),
            requested_by: "a_91bc77".into(),
            reference: "CHG-1042".into(),
            ends_at: Instant(now + 86_400_000),
            votes: usize::from(approved),
            quorum: 1,
            role: "model_approver".into(),
            approved,
            stale: false,
        };
        let row = serde_json::json!({
            "seq": 40, "approval_id": "p_3f9ac2", "command": "policies.install", "resource": "policies",
            "standing": "used", "votes_for": 1, "quorum": 1, "role": "security_lead", "requested_by": "a_91bc77",
            "requested_at": "2026-11-22T20:54:09Z", "used_by": "a_91bc77", "reference": "CHG-1042",
        });
        let facts = Facts {
            waiting: vec![slip("p_3f9ac2d1", false)],
            others: vec![slip("p_3f9ac2d2", true)],
            grants: 2,
            votes: vec!["security_lead".into()],
            people: vec!["a_50".into()],
            rules: Ledger::default().approval_rules(),
        };
        let found = |rows| Found { rows, size: 18_204 };
        let shell = || Shell::sample(Section::Approvals);
        let told = serde_json::json!({
            "seq": 41, "kind": "approval_requested", "about": "approval/p_3f9ac2", "channel": "email",
            "principal_id": "a_50", "delivery": "failed", "attempts": 8, "reason": "timeout",
            "settled_at": "2026-11-22T20:54:11Z",
        });
        let rows = |row: &serde_json::Value| vec![row.as_object().expect("an object").clone()];
        let all = Some((found(rows(&row)), found(rows(&told))));
        let mut full = Self::new(shell(), facts, all, now);
        full.names = Names::sample(&[("a_91bc77", "Zoë Nguyễn")]);
        full.names.fill(&mut full.all.iter_mut().collect::<Vec<_>>());
        [full, Self::new(shell(), Facts::default(), None, now)]
    }
}

/// How a request stands, as a mark.
pub(super) fn mark(standing: &str) -> Mark {
    let tone = match standing {
        "approved" | "used" => Tone::Good,
        "declined" => Tone::Bad,
        "waiting" => Tone::Open,
        _ => Tone::Plain,
    };
    Mark::new(standing, tone)
}

fn row(row: &Row) -> Vec<Cell> {
    let text = |column: &str| rows::text(row, column);
    let id = text("approval_id");
    let link = Link::into("/approvals", &id);
    vec![
        Cell::Id(id, link),
        Cell::Text(text("command")),
        Cell::Text(text("resource")),
        Cell::Mark(mark(&text("standing"))),
        Cell::Text(format!("{} of {} by {}", text("votes_for"), text("quorum"), text("role"))),
        Cell::actor(text("requested_by")),
        rows::instant(row, "requested_at").map_or(Cell::None, Cell::Time),
        rows::maybe(row, "used_by").map_or(Cell::None, Cell::actor),
        Cell::Text(text("reference")),
    ]
}

/// What people were told last, and what could not be told them.
fn told_table(found: &Found) -> Table {
    let columns = ["what", "about", "by", "for", "what became of it", "tries", "when (UTC)"];
    let empty = Empty::new("Nobody was told anything yet", "The settings name a webhook or a mail server; try them:")
        .command("counterfoil notifications test");
    let mut table = Table::new("Notifications", columns.map(Column::text).into(), empty);
    table.rows = found.rows.iter().map(told_row).collect();
    table.query = Some(Query { sql: TOLD.to_owned(), size: found.size });
    table
}

fn told_row(row: &Row) -> Vec<Cell> {
    let text = |column: &str| rows::text(row, column);
    let (delivery, reason) = (text("delivery"), rows::maybe(row, "reason"));
    let tone = match delivery.as_str() {
        "delivered" => Tone::Good,
        "failed" => Tone::Bad,
        _ => Tone::Plain,
    };
    let said = reason.map_or(delivery.clone(), |reason| format!("{delivery}: {reason}"));
    vec![
        Cell::Text(text("kind").replace('_', " ")),
        Cell::Code(text("about")),
        Cell::Text(text("channel")),
        rows::maybe(row, "principal_id").map_or(Cell::None, |id| Cell::actor(&id)),
        Cell::Mark(Mark::new(said, tone)),
        Cell::Text(text("attempts")),
        rows::instant(row, "settled_at").map_or(Cell::None, Cell::Time),
    ]
}

/// `GET /approvals`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Page {
    let (now, may_read) = (clock(), app.may_read(&who, "approvals").is_ok());
    let facts = app.engine.read(|state| Facts::of(state, &who.actor, may_read, now));
    let all = if may_read { Some((app.ask(ALL).await?, app.ask(TOLD).await?)) } else { None };
    let shell = Shell::new(&app, &who, Section::Approvals).await?;
    page(&ApprovalsPage::new(shell, facts, all, now).named(&app, &who).await)
}

/// To whom a form hands votes.
#[derive(Deserialize)]
pub(crate) struct Handed {
    to: String,
    role: String,
    until: String,
}

/// `POST /approvals/delegate`
pub(crate) async fn delegate(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Form(form): Form<Handed>,
) -> Result<Redirect, PageError> {
    let ends_at = parse_instant(&form.until)
        .ok_or_else(|| Failure::invalid(format!("`{}` is not a day: write it like 2026-11-22", form.until)))?;
    app.engine.delegate_vote(&who, &form.to, &form.role, ends_at).await?;
    Ok(Redirect::to("/approvals"))
}
