//! Commands, the declared state, artifacts, the ledger and SQL.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use domain::Command;
use domain::data::DataClass;
use domain::people::roles::ORG;
use engine::Ask;
use http::{HeaderMap, header};
use ledger::log::{Log, LogError};
use query::{Filled, Params, TableInfo};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Json;
use super::assurance::{at, failure};
use crate::App;
use crate::auth::Caller;
use crate::failure::{ApiError, Failure};
use crate::infrastructure::download;
use crate::{reader, rows};

/// `POST /commands`: the one way to change anything. `Idempotency-Key` holds a UUID of the caller's choice.
pub(crate) async fn command(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    headers: HeaderMap,
    Json(command): Json<Command>,
) -> Result<Answer<Value>, ApiError> {
    // Whom identifiers lead to, and what is sealed of them, only its own door finds out: here both could be made up.
    if matches!(command, Command::ReceiveRequest(_)) {
        return Err(Failure::invalid("a request is taken in by `POST /api/v1/requests`, not as a command").into());
    }
    // The names in it are looked through where it is read.
    if matches!(command, Command::ReportChecks(_)) {
        return Err(Failure::invalid("a report is taken in by `POST /api/v1/checks/reports`, not as a command").into());
    }
    super::contracts::feasible(&command).await?;
    let idempotency = headers
        .get("idempotency-key")
        .map(|value| value.to_str().ok().and_then(|text| text.parse().ok()))
        .map(|id| id.ok_or_else(|| Failure::invalid("`Idempotency-Key` is not a UUID: generate one for each command")))
        .transpose()?;
    let done = app.engine.execute(&who, Ask { command, idempotency, expect: None }).await?;
    Ok(Answer(json!({
        "first_seq": done.first_seq, "events": done.events, "size": done.size, "replayed": done.replayed,
    })))
}

/// `GET /org`: what is declared.
pub(crate) async fn org(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    // Whoever reads a service or an environment in which they hold a role reads what is declared: they could not declare
    // anything there otherwise. It has no personal data.
    let part = |scope: &str| scope != ORG && app.is_shown(&who, "read", scope);
    if !app.is_shown(&who, "read", "state") && !who.roles.iter().any(|(_, scope)| part(scope)) {
        app.may_read(&who, "state")?;
    }
    Ok(Answer(app.engine.read(|state| {
        let in_use = state.datasets.iter().filter(|(_, dataset)| dataset.retired_at.is_none());
        let datasets: BTreeMap<_, _> = in_use.map(|(name, dataset)| (name, &dataset.spec)).collect();
        json!({
            "size": state.size,
            "org": state.org,
            "services": state.services,
            "registrations": state.registrations,
            "providers": state.providers,
            "models": state.models,
            "deployments": state.deployments,
            "datasets": datasets,
            "token_scopes": state.token_scopes,
            "detectors": state.detectors.live().map(|(name, known)| (name, &known.spec)).collect::<BTreeMap<_, _>>(),
            "workloads": state.workloads,
            "retention": state.retention_rules.iter().map(|(name, rule)| (name, &rule.scheduled)).collect::<std::collections::BTreeMap<_, _>>(),
            "regions": state.residency.regions,
            "residency": state.residency.rules.iter().filter_map(|(class, known)| Some((class, known.rule.as_ref()?))).collect::<BTreeMap<_, _>>(),
            "max_key_days": state.keys_limited.as_ref().map(|limit| limit.max_days),
            "approvals": state.approval_rules,
            "roles": state.custom_roles,
            "controls": state.controls.values().collect::<Vec<_>>(),
        })
    })))
}

/// How an artifact is to be kept.
#[derive(Deserialize)]
pub(crate) struct Kept {
    /// The data class that it is encrypted as; `internal` when none is named.
    class: Option<DataClass>,
}

/// `PUT /artifacts`: keeps the body, encrypted, under the digest of what it says.
pub(crate) async fn put_artifact(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Query(wish): Query<Kept>,
    body: Bytes,
) -> Result<Answer<Value>, ApiError> {
    app.may(&who, "artifact.put", "model/artifact")?;
    let engine = Arc::clone(&app.engine);
    let keep = move || match wish.class {
        Some(class) => engine.put_artifact_as(class, &body),
        None => engine.put_artifact(&body),
    };
    let kept = tokio::task::spawn_blocking(keep).await;
    let sha256 = kept.map_err(|panicked| Failure::internal("keep the artifact", &panicked))??;
    who.attempt.iter().for_each(|attempt| attempt.concerns(&sha256));
    Ok(Answer(json!({ "sha256": sha256 })))
}

/// `GET /ledger`
pub(crate) async fn ledger(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "ledger")?;
    let (size, root) = app.head()?;
    let published = reader::published(app.engine.log());
    Ok(Answer(json!({
        "origin": app.engine.log().origin(),
        "vkey": app.engine.org().log_vkey,
        "size": size,
        "root": merkle::hex(&root),
        "checkpoint": published.as_ref().map(|published| &published.note),
        "witnesses": published.map(|published| published.witnesses).unwrap_or_default(),
        "unsealed_records": app.engine.records().stats().unsealed,
    })))
}

/// How far back somebody else knows the ledger.
#[derive(Deserialize)]
pub(crate) struct Known {
    since: Option<u64>,
}

/// `POST /checkpoint`: signs and publishes the ledger as it is now. With `since`, also the proof from that size on, as the
/// request by which it is shown to a witness.
pub(crate) async fn checkpoint(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Query(Known { since }): Query<Known>,
) -> Result<Answer<Value>, ApiError> {
    app.may(&who, "segment.request", "log")?;
    let made = move |log: &Log| -> Result<_, LogError> {
        let note = log.publish()?;
        match since.map(|since| log.witness_request(since)) {
            Some(Err(LogError::BeyondEnd { asked, size })) => Ok(Err((asked, size))),
            asked => Ok(Ok((note, asked.transpose()?))),
        }
    };
    let (note, asked) = reader::with_log(&app, "publish a checkpoint", made).await?.map_err(|(asked, size)| {
        Failure::invalid(format!("the ledger has {size} entries: it cannot be proven to extend {asked}"))
    })?;
    Ok(Answer(match asked {
        Some(asked) => json!({ "checkpoint": note, "request": asked.to_string() }),
        None => json!({ "checkpoint": note }),
    }))
}

fn number(seq: &str) -> Result<u64, Failure> {
    seq.parse().map_err(|_| Failure::not_found("event", seq))
}

/// `GET /events/{seq}`: the entry, and its exact bytes in base64, which are what is hashed.
pub(crate) async fn event(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(seq): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "ledger")?;
    let included = reader::included(&app, number(&seq)?).await?.ok_or_else(|| Failure::not_found("event", &seq))?;
    let entry: Value = serde_json::from_slice(&included.entry).unwrap_or_default();
    Ok(Answer(json!({
        "seq": number(&seq)?,
        "entry": entry,
        "bytes": BASE64_STANDARD.encode(&included.entry),
        "leaf_hash": merkle::hex(&included.leaf),
    })))
}

/// `GET /events/{seq}/proof`: text in the format `counterfoil/event-proof@v1`, whose lower half is a C2SP tlog-proof.
pub(crate) async fn event_proof(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(seq): Path<String>,
) -> Result<Response, ApiError> {
    app.may_read(&who, "ledger")?;
    let (index, engine) = (number(&seq)?, Arc::clone(&app.engine));
    let made = tokio::task::spawn_blocking(move || ::assurance::event_proof(&engine, index)).await;
    let proof = made.map_err(|panicked| Failure::internal("prove the event", &panicked))?.map_err(failure)?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], proof.to_string()).into_response())
}

/// A question.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    query: String,
    /// A past ledger size, or a time.
    at: Option<Value>,
    /// Whether records that are not sealed yet are seen too.
    #[serde(default)]
    tail: bool,
    /// `table`, `csv`, `json` or `parquet`.
    #[serde(default = "json_format")]
    format: String,
    /// What `$start`, `$end` and `$now` stand for, in milliseconds since the epoch.
    params: Option<Window>,
}

/// Values of the parameters that control queries use.
#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Window {
    start: i64,
    end: i64,
    now: i64,
}

fn json_format() -> String {
    "json".to_owned()
}

/// `POST /sql`
pub(crate) async fn sql(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(question): Json<Question>,
) -> Result<Response, ApiError> {
    App::asked(&who, &question.query, None);
    app.may(&who, "sql", "ledger")?;
    let moment = match question.at.as_ref() {
        None | Some(Value::Null) => query::At::Latest { tail: question.tail },
        Some(_) if question.tail => {
            return Err(Failure::invalid("`tail` and `at` exclude each other: the past has no tail").into());
        }
        at_value => at(at_value)?,
    };
    let session = app.db.at(moment).await.map_err(rows::failure)?;
    App::asked(&who, &question.query, Some(session.size()));
    let params = question.params.map(|Window { start, end, now }| Params { start, end, now });
    let answer = session.sql(&question.query, params).await.map_err(rows::failure)?;
    let mut response = download(&answer, &question.format)?;
    response.headers_mut().insert("x-counterfoil-size", session.size().into());
    let gone: Vec<String> = session.gone_since().iter().map(ToString::to_string).collect();
    // Names of rules and tables have no character that a header could not.
    if let Some(gone) = http::HeaderValue::from_str(&gone.join("; ")).ok().filter(|_| !gone.is_empty()) {
        response.headers_mut().insert("x-counterfoil-gone", gone);
    }
    Ok(response)
}

/// `GET /tables`
pub(crate) async fn tables(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may(&who, "sql", "ledger")?;
    let tables: Vec<Value> = query::tables().iter().map(table).collect();
    Ok(Answer(json!({ "tables": tables })))
}

fn table(info: &TableInfo) -> Value {
    let column = |column: &query::Column| json!({ "name": column.name, "type": column.kind.sql(), "doc": column.doc });
    let missing = match info.filled {
        Filled::Yes => None,
        Filled::NotYet { area } => Some(area),
    };
    json!({
        "name": info.name, "room": info.room, "doc": info.doc, "filled": missing.is_none(), "missing": missing,
        "columns": info.columns.iter().map(column).collect::<Vec<_>>(),
    })
}
