//! Requests of people about what is held of them: taking one in, checking who asks, searching, assessing, erasing,
//! answering, and the certificate.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use domain::Command;
use domain::keys::requests::{
    Assessment, IdentityMethod, IdentityResult, Intake, ModelAction, RefusalReason, Request, RequestAssessed,
    RequestClosed, RequestIdentityChecked, RequestKind, RequestOutcome,
};
use domain::people::Purpose;
use engine::{Asked as Wish, NewRequest, Principal};
use http::header;
use serde::Deserialize;
use serde_json::{Value, json};

use super::approvals::WEEK_MS;
use super::{Json, assurance_failure};
use crate::App;
use crate::auth::Caller;
use crate::failure::{ApiError, Failure};
use crate::ui::clock;

/// A request as it comes in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct New {
    kind: RequestKind,
    channel: Intake,
    /// Milliseconds since the epoch; by default now.
    received_at: Option<i64>,
    /// By default thirty days later.
    due_at: Option<i64>,
    identifiers: Vec<String>,
    #[serde(default)]
    contact: String,
}

/// `POST /requests`
pub(crate) async fn receive(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Json(new): Json<New>,
) -> Result<Answer<Value>, ApiError> {
    let New { kind, channel, received_at, due_at, identifiers, contact } = new;
    let new = NewRequest { kind, channel, received_at, due_at, identifiers, contact };
    let (request, known_by) = app.engine.receive_request(&who, new).await?;
    Ok(Answer(json!({ "request": request, "known_by": known_by })))
}

/// A request as it stands, without anything personal.
pub(crate) fn value(request: &Request, now: i64) -> Value {
    let steps: Vec<Value> = request.steps.iter().map(|(step, at)| json!({ "step": step, "at": at })).collect();
    let unassessed: Vec<&String> = request.unassessed().collect();
    json!({
        "request": request.received.request, "standing": request.standing(), "received": request.received,
        "late": request.closed.is_none() && now > request.received.due_at, "identity": request.identity,
        "searched": request.searched, "assessed": request.assessed, "unassessed": unassessed,
        "started_at": request.started_at, "steps": steps, "next_step": request.next_step(), "closed": request.closed,
    })
}

/// `GET /requests`: those that are open first, the most urgent before.
pub(crate) async fn list(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "requests")?;
    let now = clock();
    let requests: Vec<Value> = app.engine.read(|state| {
        let mut requests: Vec<&Request> = state.requests.values().collect();
        requests.sort_by_key(|request| (request.closed.is_some(), request.received.due_at));
        requests.into_iter().map(|request| value(request, now)).collect()
    });
    Ok(Answer(json!({ "requests": requests })))
}

/// `GET /requests/{id}`
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "requests")?;
    Ok(Answer(value(&app.engine.request(&id)?, clock())))
}

/// `GET /requests/{id}/text`: what whoever asked wrote.
pub(crate) async fn text(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    may_see(&app, &who, &id)?;
    Ok(Answer(json!({ "request": id, "text": app.engine.request_text(&id).await? })))
}

/// Whether somebody may see what is personal about a request. It is on record that they did, and what for.
pub(crate) fn may_see(app: &App, who: &Principal, id: &str) -> Result<(), Failure> {
    if let Some(attempt) = &who.attempt {
        attempt.purpose(Purpose::SubjectRequest);
        attempt.concerns(id);
    }
    app.may(who, "request.read", &format!("request/{id}"))?;
    app.engine.request(id).map(drop).map_err(Failure::from)
}

/// Who asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    method: IdentityMethod,
    result: IdentityResult,
    reference: String,
}

impl Identity {
    /// What to say of a request.
    pub(crate) fn of(self, request: &str) -> RequestIdentityChecked {
        let Self { method, result, reference } = self;
        RequestIdentityChecked { request: request.to_owned(), method, result, reference: reference.trim().to_owned() }
    }
}

/// `POST /requests/{id}/identity`
pub(crate) async fn identity(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Json(checked): Json<Identity>,
) -> Result<Answer<Value>, ApiError> {
    app.engine.check_request_identity(&who, checked.of(&id)).await?;
    now(&app, &id)
}

/// `POST /requests/{id}/search`
pub(crate) async fn search(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    may_see(&app, &who, &id)?;
    app.engine.search_request(&who, &id).await?;
    now(&app, &id)
}

/// What an erasure means for a model version.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Assessed {
    model: String,
    version: String,
    assessment: Assessment,
    action: ModelAction,
    reference: String,
}

impl Assessed {
    /// What to say of a request.
    pub(crate) fn of(self, request: &str) -> RequestAssessed {
        let Self { model, version, assessment, action, reference } = self;
        let (request, reference) = (request.to_owned(), reference.trim().to_owned());
        RequestAssessed { request, model, version, assessment, action, reference }
    }
}

/// `POST /requests/{id}/assess`
pub(crate) async fn assess(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Json(said): Json<Assessed>,
) -> Result<Answer<Value>, ApiError> {
    app.engine.assess_request(&who, said.of(&id)).await?;
    now(&app, &id)
}

/// Where the reason is written down.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reason {
    pub(crate) reference: String,
}

/// `POST /requests/{id}/approval`: asks for the approval of an erasure.
pub(crate) async fn ask(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Json(Reason { reference }): Json<Reason>,
) -> Result<Answer<Value>, ApiError> {
    let approval = ask_for(&app, &who, &id, reference).await?;
    Ok(Answer(json!({ "request": id, "approval": approval })))
}

/// Asks for the approval of an erasure, a week long.
pub(crate) async fn ask_for(app: &App, who: &Principal, id: &str, reference: String) -> Result<String, Failure> {
    let command: Command = app.engine.erasure_of(id)?;
    let wish = Wish { command, evidence: vec![], expires_at: clock() + WEEK_MS, reference };
    app.engine.request_approval(who, wish).await.map_err(Failure::from)
}

/// `POST /requests/{id}/execute`
pub(crate) async fn execute(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    app.engine.execute_request(&who, &id).await?;
    now(&app, &id)
}

/// How a request ends.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Closed {
    outcome: RequestOutcome,
    reason_code: Option<RefusalReason>,
    reference: String,
    /// Milliseconds since the epoch.
    notified_at: Option<i64>,
}

/// `POST /requests/{id}/close`
pub(crate) async fn close(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Json(closed): Json<Closed>,
) -> Result<Answer<Value>, ApiError> {
    let Closed { outcome, reason_code, reference, notified_at } = closed;
    let closed = RequestClosed { request: id.clone(), outcome, reason_code, reference, notified_at };
    app.engine.close_request(&who, closed).await?;
    now(&app, &id)
}

/// Which part of what is held.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Part {
    /// After how many inferences it begins.
    from: u64,
    /// Where it goes: the record of the access reads it, and what asks the rules of residency.
    #[serde(rename = "to_region")]
    _to_region: Option<String>,
}

/// `GET /requests/{id}/export`: what is held of whoever asked, opened, as a ZIP file.
pub(crate) async fn export(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Query(part): Query<Part>,
) -> Result<Response, ApiError> {
    Ok(exported(&app, &who, &id, &part).await?)
}

/// The archive for whoever may have it.
pub(crate) async fn exported(app: &App, who: &Principal, id: &str, part: &Part) -> Result<Response, Failure> {
    may_see(app, who, id)?;
    app.engine.must_be_fresh(who).map_err(Failure::from)?;
    let known = app.engine.request(id)?;
    if known.closed.is_some() {
        let message = format!("request `{id}` is closed: what is held is handed out for one that is open");
        return Err(Failure::new(http::StatusCode::CONFLICT, "conflict", message));
    }
    if !known.is_confirmed() {
        let message =
            format!("request `{id}` has nobody's identity confirmed: check who asks before anything is handed out");
        return Err(Failure::new(http::StatusCode::CONFLICT, "conflict", message));
    }
    app.engine.may_hand_out(who, id)?;
    app.engine.may_go_out(who, id).await?;
    let (bytes, next) = ::assurance::export_of_person(&app.engine, id, part.from).await.map_err(assurance_failure)?;
    let mut response = attached("application/zip", &format!("{id}.zip"), bytes);
    if let Some(next) = next {
        response.headers_mut().insert("x-counterfoil-next", next.into());
    }
    Ok(response)
}

/// `GET /requests/{id}/certificate`: the certificate of an erasure, as JSON.
pub(crate) async fn certificate(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    Ok(certified(&app, &who, &id, false).await?)
}

/// `GET /requests/{id}/certificate.pdf`
pub(crate) async fn certificate_pdf(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    Ok(certified(&app, &who, &id, true).await?)
}

/// The certificate in one of its forms.
pub(crate) async fn certified(app: &App, who: &Principal, id: &str, pdf: bool) -> Result<Response, Failure> {
    app.may_read(who, "requests")?;
    let (engine, request) = (Arc::clone(&app.engine), id.to_owned());
    let made = tokio::task::spawn_blocking(move || ::assurance::certificate(&engine, &request)).await;
    let made = made.map_err(|panicked| Failure::internal("make the certificate", &panicked))?;
    let certificate = made.map_err(assurance_failure)?;
    if pdf {
        let bytes = ::assurance::certificate_pdf(&certificate);
        return Ok(attached("application/pdf", &format!("certificate-{id}.pdf"), bytes));
    }
    let bytes = serde_json::to_vec_pretty(&certificate);
    let bytes = bytes.map_err(|error| Failure::internal("write the certificate", &error))?;
    Ok(attached("application/json", &format!("certificate-{id}.json"), bytes))
}

fn attached(kind: &'static str, name: &str, bytes: Vec<u8>) -> Response {
    let name = format!("attachment; filename=\"{name}\"");
    ([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, name)], bytes).into_response()
}

fn now(app: &App, id: &str) -> Result<Answer<Value>, ApiError> {
    Ok(Answer(value(&app.engine.request(id)?, clock())))
}
