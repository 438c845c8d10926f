//! Purpose-bound views of data sets: what goes out for a purpose, read as a stream or through a link.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::Json as Answer;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use domain::Command;
use domain::data::{Form, ViewDeclared, ViewRetired, ViewSpec};
use domain::people::Purpose;
use engine::{Attempt, Principal};
use http::{HeaderMap, HeaderValue, header};
use ingest::encode::{Encoder, media_type};
use ingest::view::{Opened, ViewError};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, channel};

use super::Json;
use super::datasets::run_of;
use super::fields::rows_failure;
use crate::App;
use crate::auth::Caller;
use crate::failure::{ApiError, Failure};
use crate::record::named_purpose;

/// How long whoever reads may pause.
const PATIENCE: Duration = Duration::from_secs(60);

/// Pieces that are under way to the network.
const PIECES: usize = 4;

/// How long a link lives when nobody says, in seconds.
const LINK_SECONDS: u32 = 900;

/// `GET /datasets/{id}/views`
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, &format!("dataset/{id}"))?;
    let known = app.engine.read(|state| {
        let views = state.views.get(&id).into_iter().flatten();
        let views: Vec<Value> = views
            .map(|(purpose, view)| json!({ "purpose": purpose, "spec": view.spec, "by": view.by, "at": view.at }))
            .collect();
        state.datasets.contains_key(&id).then_some(views)
    });
    let views = known.ok_or_else(|| Failure::not_found("data set", &id))?;
    Ok(Answer(json!({ "dataset": id, "views": views })))
}

/// `PUT /datasets/{id}/views/{for}`
pub(crate) async fn declare(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path((id, purpose)): Path<(String, String)>,
    Json(spec): Json<ViewSpec>,
) -> Result<Answer<Value>, ApiError> {
    let purpose = named_purpose(&purpose)?;
    let command = Command::DeclareView(ViewDeclared { dataset: id, purpose, spec });
    let done = app.engine.execute(&who, command).await?;
    Ok(Answer(json!({ "events": done.events, "size": done.size })))
}

/// `DELETE /datasets/{id}/views/{for}`
pub(crate) async fn retire(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path((id, purpose)): Path<(String, String)>,
) -> Result<Answer<Value>, ApiError> {
    let command = Command::RetireView(ViewRetired { dataset: id, purpose: named_purpose(&purpose)? });
    let done = app.engine.execute(&who, command).await?;
    Ok(Answer(json!({ "events": done.events, "size": done.size })))
}

/// How a view is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct How {
    form: Option<Form>,
    /// Only how well people can be told apart in it, and no rows.
    #[serde(default)]
    report: bool,
    /// It is for the record of the access; the address says it too.
    #[serde(rename = "purpose")]
    _purpose: Option<String>,
    /// So is where it goes.
    #[serde(rename = "to_region")]
    _to_region: Option<String>,
    /// The run that it is read for; a header says it too.
    run: Option<String>,
}

impl How {
    /// The form that is asked for, by the address or else by the header `accept`.
    fn form(&self, headers: &HeaderMap) -> Form {
        let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let by_header = [
            ("application/vnd.apache.parquet", Form::Parquet),
            ("application/vnd.apache.arrow.stream", Form::Arrow),
            ("application/x-ndjson", Form::Jsonl),
        ];
        let by_header = by_header.into_iter().find(|(kind, _)| accepted.contains(kind)).map(|(_, form)| form);
        self.form.or(by_header).unwrap_or(Form::Csv)
    }
}

/// `GET /datasets/{id}/versions/{version}/view/{for}`: the rows, as they are read.
pub(crate) async fn read(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path((id, version, purpose)): Path<(String, String, String)>,
    Query(how): Query<How>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let purpose = named_purpose(&purpose)?;
    Ok(given(&app, &who, (&id, &version, purpose), &how, &headers).await?)
}

/// How long a link is to live.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lives {
    seconds: Option<u32>,
}

/// `POST /datasets/{id}/versions/{version}/view/{for}/links`
pub(crate) async fn link(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path((id, version, purpose)): Path<(String, String, String)>,
    Json(lives): Json<Lives>,
) -> Result<Answer<Value>, ApiError> {
    let purpose = named_purpose(&purpose)?;
    let lives_ms = i64::from(lives.seconds.unwrap_or(LINK_SECONDS)) * 1_000;
    let (secret, link) = app.engine.link_view(&who, (&id, &version, purpose), lives_ms)?;
    let path = format!("/api/v1/view-links/{secret}");
    let url = format!("{}{path}", app.settings.public_url.trim_end_matches('/'));
    Ok(Answer(json!({ "url": url, "path": path, "expires_at": link.expires_at, "by": link.by })))
}

/// `GET /view-links/{secret}`: as whoever made the link, with the roles that they hold now. The record of the access names
/// them.
pub(crate) async fn follow(
    State(app): State<Arc<App>>,
    Extension(attempt): Extension<Attempt>,
    Path(secret): Path<String>,
    Query(how): Query<How>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (maker, link) = app.engine.follow_view_link(&secret)?;
    attempt.by(&maker);
    let who = Principal { attempt: Some(attempt), ..maker };
    Ok(given(&app, &who, (&link.dataset, &link.version, link.purpose), &how, &headers).await?)
}

async fn given(
    app: &Arc<App>,
    who: &Principal,
    wish: (&str, &str, Purpose),
    how: &How,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let (dataset, version, purpose) = wish;
    let view = app.engine.view_for(who, dataset, version, purpose)?;
    if !how.report {
        app.engine.may_leave(who, dataset, version).await?;
    }
    let frame = ingest::view::frame(&app.engine, dataset, version).await.map_err(failure)?;
    if how.report {
        let reached = ingest::view::reached(&view, &frame).await.map_err(failure)?;
        let answer = json!({ "dataset": dataset, "version": version, "purpose": purpose, "reached": reached });
        return Ok(Answer(answer).into_response());
    }
    let opened = ingest::view::open(&app.engine, view, frame).await.map_err(failure)?;
    if let Some(run) = run_of(headers, how.run.as_deref()) {
        app.engine.report_read(who, (dataset, version), &run).await?;
    }
    let form = how.form(headers);
    let encoder = Encoder::new(form, &opened.schema).map_err(|error| failure(error.into()))?;
    let name = format!("attachment; filename=\"{dataset}-{version}-{}.{}\"", purpose.as_str(), form.as_str());
    let reached = opened.reached;
    let (to_network, pieces) = channel(PIECES);
    tokio::spawn(async move {
        if let Err(error) = send(opened, encoder, &to_network).await {
            tracing::error!(%error, "a view of a data set broke off");
            // Without its end being told, the answer is not taken for whole.
            let _ = to_network.send(Err(io::Error::other("the view broke off"))).await;
        }
    });
    let pieces = futures_util::stream::unfold(pieces, |mut pieces: Receiver<io::Result<Bytes>>| async move {
        let piece = pieces.recv().await?;
        Some((piece, pieces))
    });
    let mut response = Body::from_stream(pieces).into_response();
    let told = response.headers_mut();
    told.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(form)));
    // Names are of letters, digits and a few signs.
    told.extend(HeaderValue::from_str(&name).ok().map(|name| (header::CONTENT_DISPOSITION, name)));
    let numbers = [
        ("x-counterfoil-k", reached.k),
        ("x-counterfoil-rows", Some(reached.rows)),
        ("x-counterfoil-suppressed", Some(reached.suppressed)),
    ];
    for (name, number) in numbers {
        told.extend(number.map(|number| (http::HeaderName::from_static(name), HeaderValue::from(number))));
    }
    Ok(response)
}

/// Sends rows until the end, or until whoever reads has paused too long or went away.
async fn send(
    mut opened: Opened,
    mut encoder: Encoder,
    to_network: &tokio::sync::mpsc::Sender<io::Result<Bytes>>,
) -> Result<(), ViewError> {
    while let Some(batch) = opened.next().await? {
        if !hand_on(encoder.write(&batch)?, to_network).await {
            return Ok(());
        }
    }
    hand_on(encoder.finish()?, to_network).await;
    Ok(())
}

async fn hand_on(piece: Vec<u8>, to_network: &tokio::sync::mpsc::Sender<io::Result<Bytes>>) -> bool {
    if piece.is_empty() {
        return true;
    }
    let sent = tokio::time::timeout(PATIENCE, to_network.send(Ok(Bytes::from(piece)))).await;
    matches!(sent, Ok(Ok(())))
}

fn failure(error: ViewError) -> Failure {
    match error {
        ViewError::Execute(error) => error.into(),
        ViewError::Rows(error) => rows_failure(error),
        ViewError::Encode(_) | ViewError::Unexpected(_) => Failure::internal("give the view", &error),
    }
}
