//! The door for log readers: checkpoint and tiles as C2SP tlog-tiles has them, so that any monitor can follow the log.
//!
//! Checkpoint and hash tiles need no key: they are hashes of entries that each hold 74 random bits, which tells nobody
//! anything. Bundles hold the entries themselves and need permission to read the ledger.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header;
use merkle::{TileKind, TilePath};

use crate::App;
use crate::auth::Caller;
use crate::failure::{ApiError, Failure};
use crate::reader;

/// `GET /log/checkpoint`: the newest signed note. It changes, so it may not be kept.
pub(crate) async fn checkpoint(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let missing = || Failure::not_found("checkpoint of log", app.engine.log().origin());
    let published = reader::published(app.engine.log()).ok_or_else(missing)?;
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    Ok((headers, published.note).into_response())
}

/// `GET /log/tile/{path}`: a tile or a bundle. What a path names never changes, a partial tile included.
pub(crate) async fn tile(
    State(app): State<Arc<App>>,
    Path(path): Path<String>,
    caller: Result<Caller, ApiError>,
) -> Result<Response, ApiError> {
    let path = format!("tile/{path}");
    let parsed: TilePath = path.parse().map_err(|e: merkle::TileError| Failure::invalid(e.to_string()))?;
    let shared = match parsed.kind {
        TileKind::Hashes { .. } => "public",
        TileKind::Entries => {
            app.may_read(&caller?.0, "ledger")?;
            "private"
        }
    };
    let found = reader::with_log(&app, "read the tile", move |log| log.tile(&parsed)).await?;
    let bytes = found.ok_or_else(|| Failure::not_found("tile", &path))?;
    let kept = format!("{shared}, max-age=31536000, immutable");
    Ok(([(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CACHE_CONTROL, kept)], bytes)
        .into_response())
}
