//! Data sets: which there are, and their versions, which come in and go out as streams.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Json as Answer;
use axum::body::{Body, BodyDataStream};
use axum::extract::{Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::{Buf, Bytes};
use domain::data::{Dataset, DestroyVersion, Form, SubjectColumn};
use engine::{About, Principal, Reading};
use futures_util::StreamExt;
use http::{HeaderMap, header};
use ingest::{Outcome, Wish};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::Json;
use crate::App;
use crate::auth::Caller;
use crate::failure::{ApiError, Failure};

/// How long whoever sends or reads may pause.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much of a refused upload is read on, and for how long: whoever still sends would not hear why it was refused.
const DRAINED_BYTES: usize = 8 << 20;
const DRAINED_TIME: Duration = Duration::from_secs(10);

/// Pieces that are under way between the network and the disk.
const PIECES: usize = 8;

/// A data set as it is shown.
pub(crate) fn shown(name: &str, dataset: &Dataset) -> Value {
    let versions: Vec<Value> = dataset
        .versions
        .iter()
        .map(|(version, known)| {
            json!({
                "version": version, "stored": known.stored, "subjects": known.subjects, "content": known.content,
                "at": known.at, "by": known.by,
            })
        })
        .collect();
    json!({ "dataset": name, "spec": dataset.spec, "retired_at": dataset.retired_at, "versions": versions })
}

/// `GET /datasets`
pub(crate) async fn list(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    let (datasets, _) = crate::data::readable(&app, &who)?;
    let datasets: Vec<Value> = datasets.iter().map(|(name, dataset)| shown(name, dataset)).collect();
    Ok(Answer(json!({ "datasets": datasets })))
}

/// `GET /objects/aside`: what an older copy of the ledger that was gone on with does not name.
pub(crate) async fn aside(State(app): State<Arc<App>>, Caller(who): Caller) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, "retention")?;
    let engine = Arc::clone(&app.engine);
    let found = tokio::task::spawn_blocking(move || engine.objects_aside()).await;
    let found = found.map_err(|e| Failure::internal("list what lies aside", &e))??;
    let objects: Vec<Value> = found
        .iter()
        .map(|one| {
            json!({ "object": one.object, "class": one.class, "bytes": one.bytes, "since": one.since, "until": one.until })
        })
        .collect();
    Ok(Answer(json!({ "objects": objects })))
}

/// `GET /datasets/{id}`
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, &format!("dataset/{id}"))?;
    let found = app.engine.read(|state| state.datasets.get(&id).map(|dataset| shown(&id, dataset)));
    Ok(Answer(found.ok_or_else(|| Failure::not_found("data set", &id))?))
}

/// How rows are written, and where they say whom they are about, or that they are about nobody.
#[derive(Deserialize)]
pub(crate) struct Rows {
    pub(crate) form: Option<Form>,
    pub(crate) column: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) subjects: Option<String>,
}

impl Rows {
    pub(crate) fn about(self) -> Result<About, Failure> {
        match (self.form, self.column, self.scope, self.subjects.as_deref()) {
            (_, None, None, None) => Ok(About::Unsaid),
            (_, None, None, Some("none")) => Ok(About::Nobody),
            (Some(form), Some(column), Some(scope), None) => Ok(About::Named(SubjectColumn { form, column, scope })),
            _ => Err(Failure::invalid(
                "to say whom rows are about, give `form`, `column` and `scope` together, or `subjects=none` without `column` and `scope`",
            )),
        }
    }
}

/// `PUT /datasets/{id}/versions/{version}`: the bytes, as long as they are.
pub(crate) async fn put(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path((id, version)): Path<(String, String)>,
    Query(rows): Query<Rows>,
    request: Request,
) -> Result<Answer<Value>, ApiError> {
    let form = rows.form;
    let wish = Wish { dataset: id.clone(), version: version.clone(), form, about: rows.about()? };
    let body = request.into_body().into_data_stream();
    let (version, size, known) = match brought_in(&app, &who, wish, body, |pieces| pieces).await? {
        Outcome::Stored { done, .. } => (version, done.size, false),
        Outcome::Known { version } => (version, app.head()?.0, true),
    };
    let check = if known { None } else { super::contracts::on_arrival(&app, &who, &id, &version).await };
    let kept = app.engine.read(|state| state.dataset_version(&id, &version).cloned());
    let (stored, content) = kept.map_or((None, None), |kept| (Some(kept.stored), kept.content));
    let answer = json!({
        "dataset": id, "version": version, "known": known, "stored": stored, "content": content, "size": size,
        "check": check,
    });
    Ok(Answer(answer))
}

/// Stores what a body brings, of which `only` takes the file.
pub(crate) async fn brought_in<R: io::Read + Send + 'static>(
    app: &App,
    who: &Principal,
    wish: Wish,
    body: BodyDataStream,
    only: impl FnOnce(Pieces) -> R,
) -> Result<Outcome, Failure> {
    let (to_disk, pieces) = channel(PIECES);
    let mut sending = tokio::spawn(take_in(body, to_disk));
    let done = ingest::ingest(&app.engine, who, wish, only(Pieces::of(pieces))).await;
    if tokio::time::timeout(DRAINED_TIME, &mut sending).await.is_err() {
        sending.abort();
    }
    Ok(done?)
}

/// Hands on what comes in, until it ends, breaks off or pauses too long, or nobody takes it any more.
async fn take_in(mut body: BodyDataStream, to_disk: Sender<io::Result<Option<Bytes>>>) {
    loop {
        let piece = match tokio::time::timeout(PATIENCE, body.next()).await {
            Ok(Some(Ok(piece))) => Ok(Some(piece)),
            Ok(None) => Ok(None),
            Ok(Some(Err(_))) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the upload broke off")),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the upload paused for more than a minute")),
        };
        let last = !matches!(piece, Ok(Some(_)));
        if to_disk.send(piece).await.is_err() {
            break;
        }
        if last {
            return;
        }
    }
    let mut drained = 0;
    while drained < DRAINED_BYTES {
        let Some(Ok(piece)) = body.next().await else { return };
        drained += piece.len();
    }
}

/// What comes in, to be read by a thread that waits. Without its end being told it broke off.
pub(crate) struct Pieces {
    pieces: Receiver<io::Result<Option<Bytes>>>,
    piece: Bytes,
    ended: bool,
}

impl Pieces {
    fn of(pieces: Receiver<io::Result<Option<Bytes>>>) -> Self {
        Self { pieces, piece: Bytes::new(), ended: false }
    }
}

impl io::Read for Pieces {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Ok(Some(piece))) => self.piece = piece,
                Some(Ok(None)) => self.ended = true,
                Some(Err(error)) => return Err(error),
                None => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the upload broke off")),
            }
        }
        let taken = self.piece.len().min(to.len());
        self.piece.copy_to_slice(&mut to[..taken]);
        Ok(taken)
    }
}

/// The header that names the run that a version is read for.
const RUN: &str = "x-counterfoil-run";

/// The same as a parameter.
#[derive(Deserialize)]
pub(crate) struct ForRun {
    run: Option<String>,
}

/// The run that something is read for, as a header or the address says.
pub(super) fn run_of(headers: &HeaderMap, asked: Option<&str>) -> Option<String> {
    let named = headers.get(RUN).map(|value| value.to_str().unwrap_or("?").to_owned());
    named.or_else(|| asked.map(str::to_owned))
}

/// `GET /datasets/{id}/versions/{version}`: the bytes, decrypted as they are sent.
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path((id, version)): Path<(String, String)>,
    Query(asked): Query<ForRun>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let reading = app.engine.read_version(&who, &id, &version).await?;
    if let Some(run) = run_of(&headers, asked.run.as_deref()) {
        app.engine.report_read(&who, (&id, &version), &run).await?;
    }
    let name = format!("attachment; filename=\"{id}-{version}\"");
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, reading.bytes.to_string()),
        (header::CONTENT_DISPOSITION, name),
    ];
    let (to_network, pieces) = channel(PIECES);
    let handle = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || give_out(reading, &to_network, &handle));
    let pieces = futures_util::stream::unfold(pieces, |mut pieces: Receiver<io::Result<Bytes>>| async move {
        let piece = pieces.recv().await?;
        Some((piece, pieces))
    });
    Ok((headers, Body::from_stream(pieces)).into_response())
}

/// Decrypts until the end, or until whoever reads has paused too long or went away. What does not open breaks the answer
/// off: it has fewer bytes then than it said, and [`verify`] says why.
fn give_out(mut reading: Reading, to_network: &Sender<io::Result<Bytes>>, handle: &tokio::runtime::Handle) {
    loop {
        let piece = match reading.next_piece() {
            Ok(Some(piece)) => Ok(Bytes::copy_from_slice(piece)),
            Ok(None) => return,
            Err(error) => {
                tracing::error!(cause = %error, kind = error.name(), "a version of a data set does not open whole");
                Err(io::Error::from(error))
            }
        };
        let failed = piece.is_err();
        let sent = handle.block_on(async { tokio::time::timeout(PATIENCE, to_network.send(piece)).await });
        if failed || !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
}

/// `GET /datasets/{id}/versions/{version}/verify`: whether all of it opens, and else what is wrong with which object.
pub(crate) async fn verify(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path((id, version)): Path<(String, String)>,
) -> Result<Answer<Value>, ApiError> {
    app.may_read(&who, &format!("dataset/{id}"))?;
    let (bytes, object) = app.engine.verify_version(&who, &id, &version).await?;
    Ok(Answer(json!({ "dataset": id, "version": version, "object": object, "bytes": bytes })))
}

/// Why a version is destroyed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Why {
    reference: String,
}

/// `POST /datasets/{id}/versions/{version}/destroy`
pub(crate) async fn destroy(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path((id, version)): Path<(String, String)>,
    Json(why): Json<Why>,
) -> Result<Answer<Value>, ApiError> {
    let wish = DestroyVersion { dataset: id, version, reference: why.reference };
    let done = app.engine.destroy_version(&who, wish).await?;
    Ok(Answer(json!({ "events": done.events, "size": done.size })))
}
