//! Contracts and checks: what must be true of versions of data sets, running a check, and what is quarantined.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use domain::data::{Contract, ContractPublished, ContractRetired, Form, KnownContract, RuleResult, VersionReleased};
use domain::{Command, RefusalCode};
use engine::{Asked, Principal};
use http::header;
use ingest::check::{Outcome, Proposal, Under, Wish, check_version, kept_rows, profile_version, try_contract};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Json;
use super::approvals::WEEK_MS;
use crate::App;
use crate::auth::Caller;
use crate::failure::{ApiError, Failure};
use crate::ui::clock;

/// Whether what a contract says can be asked at all: of one that is to be published, or to be approved.
pub(crate) async fn feasible(command: &Command) -> Result<(), Failure> {
    let text = match command {
        Command::PublishContract(body) => &body.text,
        Command::RequestApproval(body) => match body.command.as_ref() {
            Command::PublishContract(body) => &body.text,
            _ => return Ok(()),
        },
        _ => return Ok(()),
    };
    read(text).await.map(drop)
}

/// Reads a contract, looks for data about people in it, and tries its SQL on no rows.
async fn read(text: &str) -> Result<Contract, Failure> {
    let contract = Contract::parse(text).map_err(|error| Failure::invalid(error.to_string()))?;
    ingest::classify::says_nothing_of_anybody(text).map_err(Failure::invalid)?;
    try_contract(&contract).await.map_err(Failure::invalid)?;
    Ok(contract)
}

/// A contract as it is listed.
fn listed(known: &KnownContract) -> Value {
    let published = &known.published;
    json!({
        "contract": published.contract, "version": published.version, "dataset": published.dataset,
        "published_at": known.at, "in_force_since": known.since, "retired_at": known.retired_at,
    })
}

/// What a contract checks.
fn checks(contract: &Contract) -> Vec<Value> {
    let shown = |check: &domain::data::Check| {
        json!({
            "rule": check.name, "dimension": check.dimension, "blocking": check.blocking, "tolerance": check.tolerance,
        })
    };
    contract.checks().iter().map(shown).collect()
}

/// `GET /contracts`
pub(crate) async fn list(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "contracts")?;
    let contracts: Vec<Value> = app.engine.read(|state| state.contracts.values().map(listed).collect());
    Ok(Answer(json!({ "contracts": contracts })))
}

/// `GET /contracts/{id}`: its newest version.
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, &format!("contract/{id}"))?;
    let known = app.engine.read(|state| state.contracts.get(&id).cloned());
    let known = known.ok_or_else(|| Failure::not_found("contract", &id))?;
    let mut shown = listed(&known);
    let contract = Contract::parse(&known.published.text).map_err(|error| Failure::invalid(error.to_string()))?;
    shown["text"] = json!(known.published.text);
    shown["columns"] = json!(contract.columns);
    shown["checks"] = json!(checks(&contract));
    Ok(Answer(shown))
}

/// A contract as TOML; with a reference its approval is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Text {
    text: String,
    ask: Option<String>,
}

/// `POST /contracts/try`: reads a contract and says what it checks. Changes nothing.
pub(crate) async fn attempt(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(wish): Json<Text>,
) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "contracts")?;
    let contract = read(&wish.text).await?;
    let checks = checks(&contract);
    Ok(Answer(json!({ "contract": contract.name, "dataset": contract.dataset, "checks": checks })))
}

/// `POST /contracts`: publishes the next version of a contract, or asks for the approval that this needs.
pub(crate) async fn publish(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(wish): Json<Text>,
) -> Result<Answer<Value>, ApiError> {
    let contract = read(&wish.text).await?;
    let newest = app.engine.read(|state| state.contracts.get(&contract.name).map(|known| known.published.version));
    let (name, version) = (contract.name, newest.unwrap_or(0) + 1);
    let body = ContractPublished { contract: name.clone(), version, dataset: contract.dataset, text: wish.text };
    let mut answer = settle(&app, &who, Command::PublishContract(body), wish.ask).await?;
    (answer["contract"], answer["version"]) = (json!(name), json!(version));
    Ok(Answer(answer))
}

/// Why a contract is put out of force; with `ask` its approval is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Retire {
    reference: String,
    #[serde(default)]
    ask: bool,
}

/// `POST /contracts/{id}/retire`
pub(crate) async fn retire(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Json(wish): Json<Retire>,
) -> Result<Answer<Value>, ApiError> {
    let ask = wish.ask.then(|| wish.reference.clone());
    let body = ContractRetired { contract: id.clone(), reference: wish.reference };
    let mut answer = settle(&app, &who, Command::RetireContract(body), ask).await?;
    answer["contract"] = json!(id);
    Ok(Answer(answer))
}

/// Carries a command out, or asks for its approval with a reference.
async fn settle(app: &Arc<App>, who: &Principal, command: Command, ask: Option<String>) -> Result<Value, ApiError> {
    match ask {
        Some(reference) => {
            let expires_at = clock() + WEEK_MS;
            let approval =
                app.engine.request_approval(who, Asked { command, evidence: vec![], expires_at, reference }).await?;
            Ok(json!({ "approval": approval, "expires_at": expires_at }))
        }
        None => {
            let done = app.engine.execute(who, command).await?;
            Ok(json!({ "events": done.events, "size": done.size }))
        }
    }
}

/// What is to be checked: against a contract by name, or by its text, or the one in force for the data set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCheck {
    dataset: String,
    version: String,
    contract: Option<String>,
    text: Option<String>,
    stage: Option<String>,
    run: Option<String>,
}

/// `POST /checks`: checks a version, and answers when it is recorded. Against a text nothing is recorded.
pub(crate) async fn check(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(wish): Json<NewCheck>,
) -> Result<Answer<Value>, ApiError> {
    let under = match (wish.contract, wish.text) {
        (None, None) => Under::InForce,
        (Some(name), None) => Under::Named(name),
        (None, Some(text)) => Under::Text(text),
        (Some(_), Some(_)) => return Err(Failure::invalid("give `contract`, or `text`, or neither").into()),
    };
    let stage = wish.stage.unwrap_or_else(|| "ingest".to_owned());
    let wish = Wish { dataset: wish.dataset, version: wish.version, under, stage, run: wish.run };
    let outcome = check_version(&app.engine, &who, wish).await?;
    Ok(Answer(found(&outcome)))
}

/// Checks a version that has just come in, when there is a contract in force for its data set. A check that cannot be run is
/// told, and the version waits for one that can.
pub(crate) async fn on_arrival(app: &Arc<App>, who: &Principal, dataset: &str, version: &str) -> Option<Value> {
    app.engine.contract_in_force(dataset)?;
    let (engine, who) = (Arc::clone(&app.engine), who.clone());
    let wish = Wish {
        dataset: dataset.to_owned(),
        version: version.to_owned(),
        under: Under::InForce,
        stage: "ingest".to_owned(),
        run: None,
    };
    // Whoever sent the version may be gone, and it is checked all the same.
    let work = tokio::spawn(async move { check_version(&engine, &who, wish).await });
    let outcome = work.await.unwrap_or_else(|error| Err(engine::ExecuteError::Internal(error.to_string())));
    Some(match outcome {
        Ok(outcome) => found(&outcome),
        Err(error) => json!({ "verdict": "unknown", "message": Failure::from(error).message }),
    })
}

/// What a check found, as it is answered.
pub(crate) fn found(outcome: &Outcome) -> Value {
    let checked = &outcome.checked;
    let recorded = outcome.recorded.as_ref();
    let results: Vec<Value> = checked.results.iter().map(|one| explained(one, &outcome.reasons)).collect();
    json!({
        "check": recorded.map(|recorded| &recorded.check), "dataset": checked.dataset, "version": checked.version, "contract": checked.contract,
        "stage": checked.stage, "run": checked.run, "rows": checked.rows, "verdict": checked.verdict,
        "quarantined": recorded.is_some_and(|recorded| recorded.quarantined), "results": results,
        "size": recorded.map(|recorded| recorded.done.size),
    })
}

/// What came of a rule, and of what is unknown why, or else what that means.
fn explained(result: &RuleResult, reasons: &[(String, String)]) -> Value {
    let mut shown = json!(result);
    if let Some(why) = result.why {
        let reason = reasons.iter().find(|(rule, _)| *rule == result.rule);
        shown["help"] = json!(reason.map_or(why.meaning(), |(_, reason)| reason));
    }
    shown
}

/// Which version is looked at; the newest when it is left out.
#[derive(Deserialize)]
pub(crate) struct OfVersion {
    pub(crate) version: Option<String>,
}

/// `GET /datasets/{id}/profile`: a contract that the rows of a version suggest. Publishes nothing.
pub(crate) async fn profile(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Query(wish): Query<OfVersion>,
) -> Result<Answer<Proposal>, ApiError> {
    Ok(Answer(propose(&app, &who, &id, wish.version).await?))
}

/// Looks at the rows of a version that `who` may read, and proposes a contract.
pub(crate) async fn propose(
    app: &App,
    who: &Principal,
    id: &str,
    version: Option<String>,
) -> Result<Proposal, Failure> {
    let version = match version.filter(|version| !version.is_empty()) {
        Some(version) => version,
        None => {
            app.may_read(who, &format!("dataset/{id}"))?;
            let newest = app.engine.read(|state| {
                let versions = &state.datasets.get(id)?.versions;
                versions.iter().max_by_key(|(_, version)| version.at).map(|(name, _)| name.clone())
            });
            newest.ok_or_else(|| Failure::invalid(format!("data set `{id}` has no version yet: store one")))?
        }
    };
    Ok(profile_version(&app.engine, who, id, &version).await?)
}

/// In which form rows are given out.
#[derive(Deserialize)]
pub(crate) struct InForm {
    form: Option<Form>,
}

/// `GET /datasets/{id}/versions/{version}/quarantine`: the rows that are kept of a quarantined version.
pub(crate) async fn quarantined(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path((id, version)): Path<(String, String)>,
    Query(wish): Query<InForm>,
) -> Result<Response, ApiError> {
    let form = wish.form.unwrap_or(Form::Csv);
    let kind = match form {
        Form::Csv => "text/csv; charset=utf-8",
        Form::Jsonl => "application/x-ndjson",
        Form::Parquet => "application/vnd.apache.parquet",
        Form::Arrow => return Err(Failure::invalid("rows are given out as `csv`, `jsonl` or `parquet`").into()),
    };
    let rows = kept_rows(&app.engine, &who, (&id, &version), form).await?;
    let name = format!("attachment; filename=\"{id}-{version}-quarantined.{}\"", form.as_str());
    let headers = [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, rows).into_response())
}

/// Why a quarantined version is let out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Release {
    reference: String,
}

/// `POST /datasets/{id}/versions/{version}/release`
pub(crate) async fn release(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path((id, version)): Path<(String, String)>,
    Json(wish): Json<Release>,
) -> Result<Answer<Value>, ApiError> {
    let quarantine = app.engine.read(|state| state.standing(&id, &version)?.quarantine.clone());
    let Some(quarantine) = quarantine else {
        let message = format!("version `{version}` of data set `{id}` is not quarantined");
        return Err(domain::Refusal::new(RefusalCode::Conflict, message).into());
    };
    let body = VersionReleased { dataset: id, version, check: quarantine.check, reference: wish.reference };
    let done = app.engine.release_version(&who, body).await?;
    Ok(Answer(json!({ "events": done.events, "size": done.size })))
}
