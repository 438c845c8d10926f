//! The register of services: who answers for each, with which risk, and who agreed to that.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::response::Redirect;
use domain::people::ActorKind;
use domain::serving::ServiceRegistered;
use domain::{Command, Refusal, RefusalCode};
use engine::Asked as Wish;
use serde::Deserialize;

use crate::api::approvals::WEEK_MS;
use crate::app::{App, Found, SERVICES};
use crate::auth::Visitor;
use crate::failure::{Failure, PageError};
use crate::people::Names;
use crate::rows::{self, Row};
use crate::ui::{Cell, Column, Empty, Link, Mark, Page, Query, Section, Shell, Table, Tone, clock, page};

const REGISTER: &str = "SELECT seq, service_id, risk_tier, purpose_id, env, team, owner_id, approved_at, approved_by\n\
                        FROM services WHERE status = 'active' ORDER BY service_id LIMIT 500";

/// The page.
#[derive(Template)]
#[template(path = "serving/services.html")]
pub(crate) struct ServicesPage {
    shell: Shell,
    services: Vec<String>,
    /// Who may answer for one: pseudonym, and as they are shown.
    people: Vec<(String, String)>,
    table: Table,
}

impl ServicesPage {
    fn new(shell: Shell, found: &Found) -> Self {
        let columns =
            ["service", "risk", "purpose", "environment", "team", "owner", "registration", "approved (UTC)", "by"];
        let empty = Empty::new("No service is declared", "Declare services in a file:")
            .command("counterfoil apply -f org.toml");
        let mut table = Table::new("Services", columns.map(Column::text).into(), empty);
        table.rows = found.rows.iter().map(row).collect();
        table.query = Some(Query { sql: REGISTER.to_owned(), size: found.size });
        let services = found.rows.iter().map(|row| rows::text(row, "service_id")).collect();
        Self { shell, services, people: Vec::new(), table }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let row = |value: serde_json::Value| value.as_object().expect("an object").clone();
        let rows = vec![
            row(serde_json::json!({
                "seq": 40, "service_id": "credit-risk", "risk_tier": "high", "purpose_id": "credit-scoring", "env": "prod",
                "team": "lending", "owner_id": "a_91bc77", "approved_at": "2026-11-22T20:54:09Z", "approved_by": "a_50",
            })),
            row(
                serde_json::json!({"seq": 41, "service_id": "support", "risk_tier": "low", "env": "prod", "team": "care"}),
            ),
        ];
        let shell = || Shell::sample(Section::Services);
        let mut full = Self::new(shell(), &Found { rows, size: 18_204 });
        Names::sample(&[("a_91bc77", "Zoë Nguyễn")]).fill(&mut [&mut full.table]);
        full.people = vec![("a_91bc77".into(), "Zoë Nguyễn (a_91bc77)".into())];
        [full, Self::new(shell(), &Found { rows: vec![], size: 1 })]
    }
}

fn row(row: &Row) -> Vec<Cell> {
    let text = |column: &str| rows::text(row, column);
    let approved_at = rows::instant(row, "approved_at");
    let standing = match (rows::maybe(row, "owner_id"), approved_at) {
        (None, _) => Mark::new("not registered", Tone::Bad),
        (Some(_), None) => Mark::new("not approved", Tone::Bad),
        _ => Mark::new("approved", Tone::Good),
    };
    vec![
        Cell::Stub(text("service_id"), Link::into("/ledger", &text("seq"))),
        Cell::Text(text("risk_tier")),
        Cell::Text(text("purpose_id")),
        Cell::Text(text("env")),
        Cell::Text(text("team")),
        rows::maybe(row, "owner_id").map_or(Cell::None, Cell::actor),
        Cell::Mark(standing),
        approved_at.map_or(Cell::None, Cell::Time),
        rows::maybe(row, "approved_by").map_or(Cell::None, Cell::actor),
    ]
}

/// `GET /services`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Page {
    let own = app.may_read_some(&who, "state", &SERVICES)?;
    let mut found = app.ask(REGISTER).await?;
    if let Some(own) = &own {
        let lies = |row: &Row, kind: &str, column: &str| own.contains(&format!("{kind}/{}", rows::text(row, column)));
        found.rows.retain(|row| lies(row, "service", "service_id") || lies(row, "environment", "env"));
    }
    let mut shown = ServicesPage::new(Shell::new(&app, &who, Section::Services).await?, &found);
    if own.is_some() {
        // They may neither ask the query again, nor open the ledger that each row leads to, nor register all services here.
        shown.table.query = None;
        shown.services.clear();
        for (cells, row) in shown.table.rows.iter_mut().zip(&found.rows) {
            cells.iter_mut().take(1).for_each(|stub| *stub = Cell::Text(rows::text(row, "service_id")));
        }
    }
    let people: Vec<String> = app.engine.read(|state| {
        let people = state.actors.values().filter(|actor| actor.kind == ActorKind::Human);
        people.filter(|actor| !state.left.contains_key(&actor.actor)).map(|actor| actor.actor.clone()).collect()
    });
    let names = Names::on_page(&app, &who, people.clone(), &mut [&mut shown.table]).await;
    shown.people = people.into_iter().map(|actor| (actor.clone(), names.shown(&actor))).collect();
    shown.people.sort_by_cached_key(|(_, shown)| shown.to_lowercase());
    page(&shown)
}

/// A registration that a form asks for.
#[derive(Deserialize)]
pub(crate) struct Asked {
    service: String,
    owner: String,
    reference: String,
}

/// `POST /services/register`: asks for the approval of a registration with the risk as it is declared, and leads to it.
pub(crate) async fn register(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Form(form): Form<Asked>,
) -> Result<Redirect, PageError> {
    // Whoever may not know which services there are is not told by what is missing.
    app.may_read(&who, "state")?;
    let declared = app.engine.read(|state| state.services.get(&form.service).map(|spec| spec.risk_tier));
    let missing =
        || Failure::from(Refusal::new(RefusalCode::NotFound, format!("there is no service `{}`", form.service)));
    let risk_tier = declared.ok_or_else(missing)?;
    let owner = form.owner.trim().to_owned();
    let command = Command::RegisterService(ServiceRegistered { service: form.service.clone(), owner, risk_tier });
    let reference = form.reference.trim().to_owned();
    let wish = Wish { command, evidence: vec![], expires_at: clock() + WEEK_MS, reference };
    let approval = app.engine.request_approval(&who, wish).await?;
    Ok(Redirect::to(&format!("/approvals/{approval}")))
}
