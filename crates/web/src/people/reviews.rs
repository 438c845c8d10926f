//! Access reviews: campaigns and what is due, and one campaign with its roles and credentials, to be decided one by one.

use std::collections::BTreeSet;
use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query as Parameters, State};
use axum::response::{IntoResponse, Redirect, Response};
use domain::people::reviews::{ItemKind, Outcome, Review, ReviewDecided, ReviewItem, ReviewReason};
use domain::people::{ActorKind, KeyScope};
use engine::{Campaign, Due, Principal};
use http::header;
use serde::Deserialize;
use serde_json::{Value, json};

use super::names::Names;
use crate::app::{App, Found};
use crate::auth::Visitor;
use crate::failure::{Failure, PageError};
use crate::rows::{self, Row};
use crate::ui::{
    Cell, Column, Empty, Instant, Link, Mark, Page, Query, Section, Shell, Table, Tone, clock, page, parse_instant,
};

const CAMPAIGNS: &str = "SELECT seq, review_id, scope, reviewer_id, alternate_id, started_at, due_at, completed_at,\n  \
                         population_count, kept, removals_requested, removals_done, gone, open_items, overdue\n\
                         FROM access_reviews\nORDER BY due_at DESC\nLIMIT 200";

/// Days that the form proposes.
const DAYS: i64 = 14;

/// The page of all campaigns.
#[derive(Template)]
#[template(path = "people/reviews.html")]
pub(crate) struct ReviewsPage {
    shell: Shell,
    names: Names,
    due: Vec<Waiting>,
    people: Vec<String>,
    scopes: Vec<String>,
    until: String,
    table: Table,
}

/// What waits for somebody.
#[derive(Clone, Debug)]
struct Waiting {
    review: String,
    reviewer: Option<String>,
    open: usize,
    due_at: Instant,
    overdue: bool,
    /// Whether it waits for the visitor.
    yours: bool,
}

impl Waiting {
    fn of(due: Due, visitor: &str) -> Self {
        let yours = due.reviewer.as_deref() == Some(visitor);
        let Due { review, reviewer, open, due_at, overdue } = due;
        Self { review, reviewer, open, due_at: Instant(due_at), overdue, yours }
    }
}

impl ReviewsPage {
    fn new(shell: Shell, due: Vec<Waiting>, people: Vec<String>, scopes: Vec<String>, found: &Found, now: i64) -> Self {
        let names = ["review", "scope", "reviewer", "how it stands", "started (UTC)", "due (UTC)"];
        let mut columns: Vec<Column> = names.map(Column::text).into();
        columns.extend(["items", "kept", "removed", "gone", "open"].map(Column::number));
        let empty = Empty::new("No review yet", "Start one below, or type:")
            .command("counterfoil reviews start --reviewer ACTOR --due 14d");
        let mut table = Table::new("Reviews", columns, empty);
        table.rows = found.rows.iter().map(campaign_row).collect();
        table.query = Some(Query { sql: CAMPAIGNS.to_owned(), size: found.size });
        let until = Instant(now + DAYS * 86_400_000).rfc3339().chars().take(10).collect();
        Self { shell, names: Names::default(), due, people, scopes, until, table }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let now = 1_795_380_849_000;
        let waiting = |yours, overdue| Waiting {
            review: "r_3f9ac2".into(),
            reviewer: Some("a_91bc77".into()),
            open: 3,
            due_at: Instant(now),
            overdue,
            yours,
        };
        let row = json!({
            "seq": 40, "review_id": "r_3f9ac2", "scope": "org", "reviewer_id": "a_91bc77", "population_count": 12,
            "started_at": "2026-11-22T20:54:09Z", "due_at": "2026-12-06T00:00:00Z", "kept": 8, "gone": 1,
            "removals_requested": 1, "removals_done": 1, "open_items": 2, "overdue": false,
        });
        let found = Found { rows: vec![row.as_object().expect("an object").clone()], size: 18_204 };
        let shell = || Shell::sample(Section::People);
        let (people, scopes) = (vec!["a_91bc77".to_owned()], vec!["service/credit-risk".to_owned()]);
        let none = Found { rows: vec![], size: 18_204 };
        let due = vec![waiting(true, false), waiting(false, true)];
        let mut full = Self::new(shell(), due, people, scopes, &found, now);
        full.names = Names::sample(&[("a_91bc77", "Zoë Nguyễn")]);
        full.names.fill(&mut [&mut full.table]);
        [full, Self::new(shell(), vec![], vec![], vec![], &none, now)]
    }
}

fn campaign_row(row: &Row) -> Vec<Cell> {
    let text = |column: &str| rows::text(row, column);
    let moment = |column: &str| rows::instant(row, column).map_or(Cell::None, Cell::Time);
    let count = |column: &str| Cell::count(rows::count(row, column));
    let stands = match (rows::instant(row, "completed_at"), text("overdue").as_str()) {
        (Some(_), _) => Mark::new("complete", Tone::Good),
        (None, "true") => Mark::new("overdue", Tone::Bad),
        (None, _) => Mark::new("open", Tone::Open),
    };
    let id = text("review_id");
    let link = Link::into("/reviews", &id);
    vec![
        Cell::Id(id, link),
        Cell::Text(text("scope")),
        Cell::actor(text("reviewer_id")),
        Cell::Mark(stands),
        moment("started_at"),
        moment("due_at"),
        count("population_count"),
        count("kept"),
        count("removals_done"),
        count("gone"),
        count("open_items"),
    ]
}

/// The page of one campaign.
#[derive(Template)]
#[template(path = "people/review.html")]
pub(crate) struct ReviewPage {
    shell: Shell,
    names: Names,
    review: Review,
    started: Instant,
    due: Instant,
    overdue: bool,
    completed: Option<Instant>,
    /// Those that wait for the visitor.
    open: Vec<Open>,
    /// Whether the visitor may complete it, and everything is settled.
    completable: bool,
    reasons: Vec<(&'static str, &'static str)>,
    people: Vec<String>,
    /// Who decides of what the reviewer holds; empty when nobody does.
    substitute: String,
    table: Table,
}

/// A role or a credential to be decided of.
#[derive(Clone, Debug)]
struct Open {
    item: String,
    actor: String,
    /// The role; nothing of a credential.
    role: Option<String>,
    duty: &'static str,
    /// Of a credential: what it is, in words.
    means: &'static str,
    privileged: bool,
    scope: String,
    until: Option<Instant>,
    /// Whether it can be taken away here.
    granted: bool,
}

impl Open {
    fn of(state: &domain::State, privileged: &BTreeSet<&str>, name: &str, item: &ReviewItem) -> Self {
        let credential = |means, until, opens_management: bool| Self {
            item: name.to_owned(),
            actor: item.actor.clone(),
            role: None,
            duty: "",
            means,
            privileged: opens_management && privileged.contains(item.actor.as_str()),
            scope: item.scope.clone(),
            until,
            granted: true,
        };
        let grant = state.grants.get(name);
        match item.kind {
            ItemKind::Role => Self {
                role: Some(item.role.clone()),
                duty: domain::people::roles::find(&item.role).map_or("one of your own", |role| role.duty),
                privileged: state.is_privileged(&item.role),
                until: grant.map(|grant| Instant(grant.requested.ends_at)),
                granted: grant.is_some(),
                ..credential("", None, false)
            },
            ItemKind::Key => {
                let newest = state.line_of(name).last();
                let management = newest.is_some_and(|key| matches!(key.created.scope, KeyScope::Actor(_)));
                credential("a key that opens", newest.map(|key| Instant(key.ends_at())), management)
            }
            ItemKind::Passkey => credential("a passkey that signs in", None, true),
        }
    }
}

impl ReviewPage {
    fn new(shell: Shell, state: &domain::State, review: Review, visitor: &str, size: u64, now: i64) -> Self {
        let at = review.completed_at.unwrap_or(now);
        let outcome = |name: &str, item: &ReviewItem| state.outcome_of(name, item, at);
        let waits = |(name, item): &(&String, &ReviewItem)| {
            outcome(name, item) == Outcome::Open && state.decider_of(&review, item) == Some(visitor)
        };
        let privileged = state.privileged_actors(now);
        let open = review.items.iter().filter(waits).map(|(name, item)| Open::of(state, &privileged, name, item));
        let open: Vec<Open> = open.collect();
        let settled = review.items.iter().all(|(name, item)| outcome(name, item) != Outcome::Open);
        let reviews = review.reviewer == visitor || review.alternate.as_deref() == Some(visitor);
        let columns = ["item", "actor", "what", "scope", "outcome", "reason", "reference", "by", "at (UTC)"];
        let mut table = Table::new("What is in this review", columns.map(Column::text).into(), Empty::new("None", ""));
        table.rows = review.items.iter().map(|(name, item)| item_row(name, item, outcome(name, item))).collect();
        let sql = format!("SELECT *\nFROM access_review_items\nWHERE review_id = '{}'", review.started.review);
        table.query = Some(Query { sql, size });
        let here = state.actors.values().filter(|actor| actor.kind == ActorKind::Human);
        let people = here.filter(|actor| !state.left.contains_key(&actor.actor)).map(|actor| actor.actor.clone());
        Self {
            started: Instant(review.started_at),
            due: Instant(review.started.due_at),
            overdue: review.is_overdue(now),
            completed: review.completed_at.map(Instant),
            completable: settled && reviews && review.completed_at.is_none(),
            reasons: ReviewReason::ALL.iter().map(|(reason, meaning)| (reason.as_str(), *meaning)).collect(),
            people: people.collect(),
            substitute: review.alternate.clone().unwrap_or_default(),
            shell,
            names: Names::default(),
            review,
            open,
            table,
        }
    }
}

#[cfg(test)]
impl ReviewPage {
    pub(crate) fn samples() -> [Self; 2] {
        use domain::people::reviews::ReviewStarted;
        use domain::people::{ActorRegistered, Key, KeyCreated};
        let now = 1_795_380_849_000;
        let item = |actor: &str, role: &str| ReviewItem {
            kind: ItemKind::Role,
            actor: actor.into(),
            role: role.into(),
            scope: "org".into(),
            decided: None,
        };
        let review = |completed_at| Review {
            started: ReviewStarted {
                review: "r_3f9ac2".into(),
                scope: "org".into(),
                reviewer: "a_91bc77".into(),
                alternate: None,
                credentials: true,
                due_at: now - 1,
                at_size: 18_204,
                population: 4,
                population_root: "9f2c4e1ab07d6635".into(),
            },
            started_by: "a_7f3k2m9q".into(),
            started_at: now - 86_400_000,
            reviewer: "a_91bc77".into(),
            alternate: Some("a_50".into()),
            items: [
                ("a_7f3k2m9q/administrator", item("a_7f3k2m9q", "administrator")),
                ("g_1", item("a_91bc77", "monitor")),
                (
                    "k_1",
                    ReviewItem { kind: ItemKind::Key, scope: "service/credit-risk".into(), ..item("a_7f3k2m9q", "") },
                ),
                (
                    "p_1",
                    ReviewItem { kind: ItemKind::Passkey, scope: "actor/a_7f3k2m9q".into(), ..item("a_7f3k2m9q", "") },
                ),
            ]
            .map(|(name, item)| (name.to_owned(), item))
            .into(),
            completed_at,
        };
        let mut state = domain::State::default();
        for (actor, role) in [("a_7f3k2m9q", "administrator"), ("a_91bc77", "monitor")] {
            let (actor, kind, roles) = (actor.to_owned(), ActorKind::Human, vec![role.to_owned()]);
            state.actors.insert(actor.clone(), ActorRegistered { actor, kind, roles });
        }
        let key = KeyCreated {
            key: "k_1".into(),
            scope: KeyScope::Service("credit-risk".into()),
            prefix: "cfk_".into(),
            secret_sha256: String::new(),
            expires_at: now + 86_400_000,
            session: None,
        };
        state.keys.insert("k_1".into(), Key::new(key, now - 86_400_000, "a_7f3k2m9q"));
        let shell = || Shell::sample(Section::People);
        let mut full = Self::new(shell(), &state, review(None), "a_91bc77", 18_204, now);
        full.names = Names::sample(&[("a_91bc77", "Zoë Nguyễn"), ("a_7f3k2m9q", "Ada Okafor")]);
        full.names.fill(&mut [&mut full.table]);
        [full, Self::new(shell(), &state, review(Some(now)), "a_50", 18_204, now)]
    }
}

fn item_row(name: &str, item: &ReviewItem, outcome: Outcome) -> Vec<Cell> {
    let tone = match outcome {
        Outcome::Open => Tone::Open,
        Outcome::Kept => Tone::Good,
        Outcome::Removed | Outcome::Gone => Tone::Plain,
    };
    let decided = item.decided.as_ref();
    let (stream, what) = match item.kind {
        ItemKind::Role => (format!("grant/{name}"), item.role.as_str()),
        ItemKind::Key => (format!("key/{name}"), "key"),
        ItemKind::Passkey => (format!("actor/{}", item.actor), "passkey"),
    };
    let link = Link::to("/ledger").with("stream", stream);
    vec![
        Cell::Id(name.to_owned(), link),
        Cell::actor(&item.actor),
        Cell::Text(what.to_owned()),
        Cell::Text(item.scope.clone()),
        Cell::Mark(Mark::new(outcome.as_str(), tone)),
        Cell::maybe(decided.map(|decided| decided.reason.as_str().to_owned())),
        Cell::maybe(decided.and_then(|decided| decided.reference.clone())),
        decided.map_or(Cell::None, |decided| Cell::actor(&decided.by)),
        decided.map_or(Cell::None, |decided| Cell::Time(Instant(decided.at))),
    ]
}

/// A campaign that `who` may see: whoever may read reviews, and whoever reviews in it.
pub(crate) fn may_see(app: &App, who: &Principal, id: &str) -> Result<Review, Failure> {
    app.may_read(who, &format!("review/{id}"))?;
    let review = app.engine.review(id)?;
    let reviews = review.reviewer == who.actor || review.alternate.as_ref() == Some(&who.actor);
    if !reviews {
        app.may_read(who, "reviews")?;
    }
    Ok(review)
}

/// A campaign as the API shows it.
pub(crate) fn review_value(app: &App, review: &Review) -> Value {
    let now = clock();
    app.engine.read(|state| {
        let list = state.review_list(review, review.completed_at.unwrap_or(now));
        json!({
            "review": review.started.review, "scope": review.started.scope, "reviewer": review.reviewer,
            "alternate": review.alternate, "started_by": review.started_by, "started_at": review.started_at,
            "due_at": review.started.due_at, "completed_at": review.completed_at, "overdue": review.is_overdue(now),
            "at_size": review.started.at_size, "population": review.started.population,
            "population_root": review.started.population_root, "items": list.items,
        })
    })
}

/// `GET /reviews`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Page {
    app.may_read(&who, "reviews")?;
    let due = app.engine.reviews_due().into_iter().map(|due| Waiting::of(due, &who.actor)).collect();
    let (people, scopes) = app.engine.read(|state| {
        let here = state.actors.values().filter(|actor| actor.kind == ActorKind::Human);
        let people = here.filter(|actor| !state.left.contains_key(&actor.actor)).map(|actor| actor.actor.clone());
        (people.collect(), domain::people::roles::narrow_scopes(state))
    });
    let found = app.ask(CAMPAIGNS).await?;
    let shell = Shell::new(&app, &who, Section::People).await?;
    let mut shown = ReviewsPage::new(shell, due, people, scopes, &found, clock());
    let reviewers = shown.due.iter().filter_map(|wait| wait.reviewer.clone());
    let concerned = reviewers.chain(shown.people.iter().cloned()).collect();
    shown.names = Names::on_page(&app, &who, concerned, &mut [&mut shown.table]).await;
    page(&shown)
}

/// The form that starts a campaign.
#[derive(Deserialize)]
pub(crate) struct Start {
    scope: String,
    reviewer: String,
    #[serde(default)]
    alternate: String,
    /// There when the box is ticked.
    credentials: Option<String>,
    due: String,
}

fn named(actor: String) -> Option<String> {
    Some(actor.trim().to_owned()).filter(|actor| !actor.is_empty())
}

/// `POST /reviews`
pub(crate) async fn start(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Form(form): Form<Start>,
) -> Result<Redirect, PageError> {
    let due_at = parse_instant(&form.due)
        .ok_or_else(|| Failure::invalid(format!("`{}` is not a day: write it like 2026-11-22", form.due)))?;
    let Start { scope, reviewer, alternate, credentials, .. } = form;
    let wish = Campaign { scope, reviewer, alternate: named(alternate), credentials: credentials.is_some(), due_at };
    let review = app.engine.start_review(&who, wish).await?;
    Ok(Redirect::to(&format!("/reviews/{review}")))
}

/// `GET /reviews/{id}`
pub(crate) async fn one(State(app): State<Arc<App>>, Visitor(who): Visitor, Path(id): Path<String>) -> Page {
    let review = may_see(&app, &who, &id)?;
    let shell = Shell::new(&app, &who, Section::People).await?;
    let mut shown = app.engine.read(|state| ReviewPage::new(shell, state, review, &who.actor, state.size, clock()));
    let mut concerned = vec![shown.review.reviewer.clone(), shown.review.started_by.clone()];
    concerned.extend(shown.review.alternate.iter().chain(&shown.people).cloned());
    shown.names = Names::on_page(&app, &who, concerned, &mut [&mut shown.table]).await;
    page(&shown)
}

/// The form that decides of one item.
#[derive(Deserialize)]
pub(crate) struct Decide {
    item: String,
    reason: String,
    #[serde(default)]
    reference: String,
}

/// `POST /reviews/{id}/decide`
pub(crate) async fn decide(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(review): Path<String>,
    Form(form): Form<Decide>,
) -> Result<Redirect, PageError> {
    let reason = ReviewReason::find(&form.reason).ok_or_else(|| Failure::invalid("choose one of the reasons"))?;
    let verdict = reason.verdict();
    let (item, reference) = (form.item, named(form.reference));
    let decided = ReviewDecided { review: review.clone(), item, verdict, reason, reference };
    app.engine.decide_review(&who, decided).await?;
    Ok(Redirect::to(&format!("/reviews/{review}")))
}

/// The form that hands a campaign on.
#[derive(Deserialize)]
pub(crate) struct Assign {
    reviewer: String,
    #[serde(default)]
    alternate: String,
}

/// `POST /reviews/{id}/assign`
pub(crate) async fn assign(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(review): Path<String>,
    Form(form): Form<Assign>,
) -> Result<Redirect, PageError> {
    app.engine.assign_review(&who, &review, form.reviewer, named(form.alternate)).await?;
    Ok(Redirect::to(&format!("/reviews/{review}")))
}

/// `POST /reviews/{id}/complete`
pub(crate) async fn complete(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(review): Path<String>,
) -> Result<Redirect, PageError> {
    app.engine.complete_review(&who, &review).await?;
    Ok(Redirect::to(&format!("/reviews/{review}")))
}

/// In which form a list is wanted.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    #[serde(default)]
    format: String,
}

/// `GET /reviews/{id}/list`: the list of a completed campaign, as `json`, `csv`, or with its proof.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(id): Path<String>,
    Parameters(form): Parameters<Wanted>,
) -> Result<Response, PageError> {
    may_see(&app, &who, &id)?;
    let (kind, name, bytes) = match form.format.as_str() {
        "json" => ("application/json", format!("{id}.json"), app.engine.review_list(&id)?.to_json()),
        "csv" => ("text/csv; charset=utf-8", format!("{id}.csv"), app.engine.review_list(&id)?.to_csv().into_bytes()),
        _ => {
            let (engine, review) = (Arc::clone(&app.engine), id.clone());
            let made = tokio::task::spawn_blocking(move || ::assurance::review_list(&engine, &review)).await;
            let made = made.map_err(|panicked| Failure::internal("prove the list", &panicked))?;
            let list = made.map_err(crate::api::assurance_failure)?;
            ("text/plain; charset=utf-8", format!("{id}.list"), list.to_string().into_bytes())
        }
    };
    let name = format!("attachment; filename=\"{name}\"");
    Ok(([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)], bytes).into_response())
}
