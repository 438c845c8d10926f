//! Keys: what each opens, for whom, how it stands and when it was last used; making, replacing and ending them.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::response::Redirect;
use domain::State as Ledger;
use domain::people::{ActorKind, KeyScope};
use engine::{NewKey, Opens, Rotated};
use serde::Deserialize;

use super::names::Names;
use crate::app::{App, Found};
use crate::auth::Visitor;
use crate::failure::{Failure, PageError};
use crate::rows::{self, Row};
use crate::ui::{
    Cell, Column, Empty, Instant, Link, Mark, Page, Query, Section, Shell, Table, Tone, clock, page, parse_instant,
};

const KEYS: &str = "SELECT seq, credential_id, prefix, status, service_id, env, purpose_id, principal_id, kind, owner_id,\n  \
                    created_at, expires_at, last_used_at, replaced_by\nFROM credentials\n\
                    ORDER BY status IN ('live', 'ending') DESC, created_at DESC\nLIMIT 500";

const ACCOUNTS: &str = "SELECT seq, principal_id, owner_id, owner_because, registered_at\nFROM principals\n\
                        WHERE kind = 'service' AND status = 'active'\nORDER BY owner_because = 'left' DESC, registered_at";

/// Days that the form proposes.
const DAYS: i64 = 30;

const HOUR_MS: i64 = 3_600_000;

/// The page.
#[derive(Template)]
#[template(path = "people/keys.html")]
pub(crate) struct KeysPage {
    shell: Shell,
    names: Names,
    facts: Facts,
    until: String,
    keys: Table,
    accounts: Table,
}

/// What the page's forms offer.
#[derive(Clone, Debug, Default)]
struct Facts {
    services: Vec<String>,
    /// Keys that can be replaced or ended.
    live: Vec<String>,
    people: Vec<String>,
    programs: Vec<String>,
    max_days: u32,
}

impl Facts {
    fn of(state: &Ledger, now: i64) -> Self {
        let here = |kind: ActorKind| {
            let actors = state.actors.values().filter(move |actor| actor.kind == kind);
            actors.filter(|actor| !state.left.contains_key(&actor.actor)).map(|actor| actor.actor.clone()).collect()
        };
        let live = state.keys.values().filter(|key| key.is_live(now)).map(|key| key.created.key.clone());
        Self {
            services: state.services.keys().cloned().collect(),
            live: live.collect(),
            people: here(ActorKind::Human),
            programs: here(ActorKind::Service),
            max_days: state.key_days(),
        }
    }
}

impl KeysPage {
    fn new(shell: Shell, facts: Facts, found: [Found; 2], now: i64) -> Self {
        let [keys, accounts] = found;
        let table = |caption, columns: &[&str], found: &Found, row: &dyn Fn(&Row) -> Vec<Cell>, sql: &str, empty| {
            let mut table = Table::new(caption, columns.iter().copied().map(Column::text).collect(), empty);
            table.rows = found.rows.iter().map(row).collect();
            table.query = Some(Query { sql: sql.to_owned(), size: found.size });
            table
        };
        let columns =
            ["key", "how it stands", "opens", "belongs to", "owner", "expires (UTC)", "last used (UTC)", "begins with"];
        let none =
            Empty::new("No keys yet", "Make one below, or type:").command("counterfoil keys create --service NAME");
        let keys = table("Keys", &columns, &keys, &key_row, KEYS, none);
        let columns = ["account", "owner", "why them", "registered (UTC)"];
        let none =
            Empty::new("No service accounts", "Register a program:").command("counterfoil people add --kind service");
        let accounts = table("Service accounts", &columns, &accounts, &account_row, ACCOUNTS, none);
        let days = DAYS.min(i64::from(facts.max_days));
        let until = Instant(now + days * 24 * HOUR_MS).rfc3339().chars().take(10).collect();
        Self { shell, names: Names::default(), facts, until, keys, accounts }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let now = 1_795_380_849_000;
        let row = |value: serde_json::Value| value.as_object().expect("an object").clone();
        let live = row(serde_json::json!({
            "seq": 12, "credential_id": "k_91bc77", "prefix": "cfk_0aB3xY", "status": "live", "kind": "api_key",
            "service_id": "credit-risk,support", "env": "prod", "purpose_id": "credit-scoring,support",
            "owner_id": "a_7f3k2m9q", "created_at": "2026-11-22T20:54:09Z", "expires_at": "2027-02-20T00:00:00Z",
            "last_used_at": "2026-11-22T20:00:00Z",
        }));
        let leaked = row(serde_json::json!({
            "seq": 13, "credential_id": "k_91bc78", "prefix": "cfk_0aB3xZ", "status": "leaked", "kind": "human",
            "principal_id": "a_7f3k2m9q", "created_at": "2026-11-22T20:54:09Z", "expires_at": "2027-02-20T00:00:00Z",
        }));
        let account = row(serde_json::json!({
            "seq": 14, "principal_id": "a_b0t", "owner_id": "a_7f3k2m9q", "owner_because": "left",
            "registered_at": "2026-11-22T20:54:09Z",
        }));
        let facts = Facts {
            services: vec!["credit-risk".into()],
            live: vec!["k_91bc77".into()],
            people: vec!["a_7f3k2m9q".into()],
            programs: vec!["a_b0t".into()],
            max_days: 90,
        };
        let shell = || Shell::sample(Section::Keys);
        let found = |rows: &[Row]| Found { rows: rows.to_vec(), size: 18_204 };
        let none = Facts { max_days: 90, ..Facts::default() };
        let mut full = Self::new(shell(), facts, [found(&[live, leaked]), found(&[account])], now);
        full.names = Names::sample(&[("a_7f3k2m9q", "Ada Okafor")]);
        full.names.fill(&mut [&mut full.keys, &mut full.accounts]);
        [full, Self::new(shell(), none, [found(&[]), found(&[])], now)]
    }
}

fn key_row(row: &Row) -> Vec<Cell> {
    let text = |column: &str| rows::text(row, column);
    let actor = |column: &str| rows::maybe(row, column).map_or(Cell::None, Cell::actor);
    let moment = |column: &str| rows::instant(row, column).map_or(Cell::None, Cell::Time);
    let spaced = |column: &str| rows::maybe(row, column).map(|text| text.replace(',', ", "));
    let tone = match text("status").as_str() {
        "live" => Tone::Good,
        "ending" => Tone::Open,
        "leaked" => Tone::Bad,
        _ => Tone::Plain,
    };
    let bound = [("in", spaced("env")), ("for", spaced("purpose_id"))];
    let bound = bound.into_iter().filter_map(|(word, names)| Some(format!(" {word} {}", names?)));
    let opens = spaced("service_id").unwrap_or_else(|| "the management API".to_owned()) + &bound.collect::<String>();
    vec![
        Cell::Id(text("credential_id"), event(row)),
        Cell::Mark(Mark::new(text("status"), tone)),
        Cell::Wide(opens),
        actor("principal_id"),
        actor("owner_id"),
        moment("expires_at"),
        moment("last_used_at"),
        Cell::Code(format!("{}…", text("prefix"))),
    ]
}

fn account_row(row: &Row) -> Vec<Cell> {
    let because = rows::text(row, "owner_because");
    let why = match because.as_str() {
        "left" => Mark::new("the one before left: name an owner", Tone::Open),
        "" => Mark::new("nobody", Tone::Bad),
        named => Mark::new(named, Tone::Plain),
    };
    vec![
        Cell::Id(rows::text(row, "principal_id"), event(row)),
        rows::maybe(row, "owner_id").map_or(Cell::None, Cell::actor),
        Cell::Mark(why),
        rows::instant(row, "registered_at").map_or(Cell::None, Cell::Time),
    ]
}

fn event(row: &Row) -> Link {
    Link::into("/ledger", &rows::text(row, "seq"))
}

/// A new key, shown this once.
#[derive(Template)]
#[template(path = "people/key.html")]
pub(crate) struct NewKeyPage {
    shell: Shell,
    key: String,
    secret: String,
    expires_at: Instant,
    /// The key whose place it takes, and until when that goes on.
    replaces: Option<(String, Instant)>,
}

impl NewKeyPage {
    fn new(shell: Shell, new: NewKey, replaces: Option<(String, Instant)>) -> Self {
        let NewKey { key, secret, expires_at } = new;
        Self { shell, key, secret, expires_at: Instant(expires_at), replaces }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let key = || NewKey { key: "k_91bc77".into(), secret: "cfk_…".into(), expires_at: 1_795_380_849_000 };
        let shell = || Shell::sample(Section::Keys);
        let replaces = Some(("k_91bc76".to_owned(), Instant(1_795_380_849_000)));
        [Self::new(shell(), key(), None), Self::new(shell(), key(), replaces)]
    }
}

/// `GET /keys`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Page {
    app.may_read(&who, "keys")?;
    let now = clock();
    let facts = app.engine.read(|state| Facts::of(state, now));
    let found = [app.ask(KEYS).await?, app.ask(ACCOUNTS).await?];
    let shell = Shell::new(&app, &who, Section::Keys).await?;
    let mut shown = KeysPage::new(shell, facts, found, now);
    let offered = shown.facts.people.iter().chain(&shown.facts.programs).cloned().collect();
    shown.names = Names::on_page(&app, &who, offered, &mut [&mut shown.keys, &mut shown.accounts]).await;
    page(&shown)
}

/// What a form wants a key for: a service, or the management API as an actor.
#[derive(Deserialize)]
pub(crate) struct Wish {
    /// `service/NAME` or `actor/NAME`.
    opens: String,
    #[serde(default)]
    account: String,
    until: String,
}

/// `POST /keys`: makes a key and shows its secret, once.
pub(crate) async fn create(State(app): State<Arc<App>>, Visitor(who): Visitor, Form(form): Form<Wish>) -> Page {
    let expires_at = day(&form.until)?;
    let account = Some(form.account).filter(|account| !account.is_empty());
    let scope = match form.opens.split_once('/') {
        Some(("service", name)) => {
            app.engine.inference_scope(Opens { services: vec![name.to_owned()], account, ..Opens::default() })
        }
        Some(("actor", actor)) => KeyScope::Actor(actor.to_owned()),
        _ => return Err(Failure::invalid("a key opens a service, or the management API as an actor").into()),
    };
    let new = app.engine.create_key(&who, scope, expires_at).await?;
    page(&NewKeyPage::new(Shell::new(&app, &who, Section::Keys).await?, new, None))
}

/// Which key a form names.
#[derive(Deserialize)]
pub(crate) struct Named {
    key: String,
    /// Hours that the old key goes on.
    #[serde(default)]
    hours: u16,
}

/// `POST /keys/rotate`
pub(crate) async fn rotate(State(app): State<Arc<App>>, Visitor(who): Visitor, Form(named): Form<Named>) -> Page {
    let overlap = i64::from(named.hours) * HOUR_MS;
    let Rotated { new, ends_at } = app.engine.rotate_key(&who, named.key.trim(), overlap, None).await?;
    let replaces = Some((named.key, Instant(ends_at)));
    page(&NewKeyPage::new(Shell::new(&app, &who, Section::Keys).await?, new, replaces))
}

/// What a form's button leads to.
type Back = Result<Redirect, PageError>;

/// `POST /keys/revoke`
pub(crate) async fn revoke(State(app): State<Arc<App>>, Visitor(who): Visitor, Form(named): Form<Named>) -> Back {
    app.engine.revoke_key(&who, named.key.trim()).await?;
    Ok(Redirect::to("/keys"))
}

/// A secret that somebody found.
#[derive(Deserialize)]
pub(crate) struct Leaked {
    secret: String,
}

/// `POST /keys/leaked`
pub(crate) async fn leaked(State(app): State<Arc<App>>, Visitor(_): Visitor, Form(found): Form<Leaked>) -> Back {
    match app.engine.report_leak(&found.secret).await? {
        Some(_) => Ok(Redirect::to("/keys")),
        None => Err(Failure::not_found("key", "with this secret").into()),
    }
}

/// Who is to answer for a program.
#[derive(Deserialize)]
pub(crate) struct Owner {
    owner: String,
}

/// `POST /accounts/{actor}/owner`
pub(crate) async fn own(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(actor): Path<String>,
    Form(owner): Form<Owner>,
) -> Back {
    app.engine.own_account(&who, &actor, &owner.owner).await?;
    Ok(Redirect::to("/keys"))
}

fn day(text: &str) -> Result<i64, Failure> {
    parse_instant(text).ok_or_else(|| Failure::invalid(format!("`{text}` is not a day: write it like 2026-11-22")))
}
