//! Residency: regions, rules by class, whether something may go somewhere, where data is, and authorised transfers.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use domain::Command;
use domain::data::residency::{Movement, RegionSpec, RegionsDeclared, ResidencyRule, ResidencyRuled, country_is_valid};
use domain::data::transfers::{LegalBasis, TransferAuthorised, TransferRevoked};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Json;
use crate::App;
use crate::auth::Caller;
use crate::data::{places, report};
use crate::failure::{ApiError, Failure};
use crate::ui::clock;

/// How long somebody has to approve a transfer, in milliseconds.
const TO_APPROVE_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// `GET /residency`
pub(crate) async fn show(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "residency")?;
    let places = places(&app);
    Ok(Answer(app.engine.read(|state| {
        let known = &state.residency;
        json!({
            "regions": known.regions, "stores": known.stores, "rules": known.rules, "transfers": known.transfers,
            "places": places, "size": state.size,
        })
    })))
}

/// In which form the report is wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    /// `json` or `csv`.
    #[serde(default)]
    format: String,
}

/// `GET /residency/report`
pub(crate) async fn reported(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Query(wanted): Query<Wanted>,
) -> Result<Response, ApiError> {
    app.may_read(&who, "residency")?;
    match wanted.format.as_str() {
        "" | "json" => Ok(Answer(json!({ "places": places(&app), "at": clock() })).into_response()),
        format => Ok(report(&app, format)?),
    }
}

/// The regions that there are.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRegions {
    regions: BTreeMap<String, RegionSpec>,
}

/// `PUT /residency/regions`: all of them.
pub(crate) async fn declare(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(new): Json<NewRegions>,
) -> Result<Answer<Value>, ApiError> {
    let count = new.regions.len();
    app.engine.execute(&who, Command::DeclareRegions(RegionsDeclared { regions: new.regions })).await?;
    Ok(Answer(json!({ "regions": count })))
}

/// `PUT /residency/rules/{id}`: where data of a class may be.
pub(crate) async fn rule(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(class): Path<String>,
    Json(rule): Json<ResidencyRule>,
) -> Result<Answer<Value>, ApiError> {
    set(&app, &who, class, Some(rule)).await
}

/// `DELETE /residency/rules/{id}`
pub(crate) async fn lift(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(class): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    set(&app, &who, class, None).await
}

async fn set(
    app: &App,
    who: &engine::Principal,
    class: String,
    rule: Option<ResidencyRule>,
) -> Result<Answer<Value>, ApiError> {
    app.engine.execute(who, Command::RuleResidency(ResidencyRuled { class: class.clone(), rule })).await?;
    let version = app.engine.read(|state| state.residency.rules.get(&class).map_or(0, |known| known.version));
    Ok(Answer(json!({ "class": class, "version": version })))
}

/// Something that would go somewhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    class: String,
    /// What it is of or goes to, as an authorisation may name it.
    #[serde(default)]
    of: Vec<String>,
    /// From where; from here when it is not said.
    from: Option<String>,
    to: Option<String>,
    /// Countries of subjects; of one that nobody said, every rule holds.
    #[serde(default)]
    subject_countries: Vec<String>,
}

/// `POST /residency/check`: what the rules say of it. Nothing goes anywhere.
pub(crate) async fn check(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(asked): Json<Question>,
) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "residency")?;
    asked.subject_countries.iter().try_for_each(|country| country_is_valid(country)).map_err(Failure::from)?;
    let countries: Vec<&str> = asked.subject_countries.iter().map(String::as_str).collect();
    let answer = app.engine.read(|state| {
        let from = asked.from.as_deref().or_else(|| state.residency.of_node(app.engine.node()));
        let movement = Movement { class: &asked.class, of: &asked.of, from, to: asked.to.as_deref() };
        let standing = state.residency.standing(&movement);
        let ruling = standing.ruling(&countries, clock());
        json!({
            "refused": ruling.refused, "rule": ruling.rule, "permitted": ruling.permitted, "transfer": ruling.transfer,
            "from": from, "to": asked.to,
        })
    });
    Ok(Answer(answer))
}

/// `GET /transfers`
pub(crate) async fn transfers(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "residency")?;
    let now = clock();
    let transfers: Vec<Value> = app.engine.read(|state| {
        let known = state.residency.transfers.values();
        known
            .map(|known| {
                json!({
                    "authorised": known.authorised, "legal_source": known.authorised.legal_basis.source(),
                    "by": known.by, "at": known.at, "revoked": known.revoked, "live": known.is_live(now),
                })
            })
            .collect()
    });
    Ok(Answer(json!({ "transfers": transfers })))
}

/// A transfer to be authorised.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTransfer {
    class: String,
    of: Option<String>,
    from: String,
    to: String,
    legal_basis: LegalBasis,
    reference: String,
    /// Milliseconds since the epoch.
    expires_at: i64,
}

/// `POST /transfers`: asks for the approval of a transfer.
pub(crate) async fn authorise(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(new): Json<NewTransfer>,
) -> Result<Answer<Value>, ApiError> {
    let NewTransfer { class, of, from, to, legal_basis, reference, expires_at } = new;
    let transfer = String::new();
    let wish = TransferAuthorised { transfer, class, of, from, to, legal_basis, reference, expires_at };
    // It is no use to ask beyond its own end.
    let until = clock().saturating_add(TO_APPROVE_MS).min(expires_at);
    let (transfer, approval) = app.engine.ask_transfer(&who, wish, until).await?;
    Ok(Answer(json!({ "transfer": transfer, "approval": approval, "expires_at": until })))
}

/// Where something is written down.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reference {
    reference: String,
}

/// `POST /transfers/{id}/revoke`
pub(crate) async fn revoke(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Json(why): Json<Reference>,
) -> Result<Answer<Value>, ApiError> {
    let revoked = TransferRevoked { transfer: id.clone(), reference: why.reference };
    app.engine.execute(&who, Command::RevokeTransfer(revoked)).await?;
    Ok(Answer(json!({ "transfer": id, "revoked": true })))
}
