//! What is in the versions of a data set: how two of them differ.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, Query, State};
use engine::Principal;
use ingest::{Diff, DiffError, MIN_GROUP, Shown, Side};
use query::rows::RowsError;
use serde::Deserialize;

use crate::App;
use crate::auth::Caller;
use crate::failure::{ApiError, Failure};
use crate::rows;

/// Which two versions, and what tells rows apart.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Compared {
    pub(crate) from: String,
    pub(crate) to: String,
    /// Columns, with commas between them.
    pub(crate) key: Option<String>,
}

/// `GET /datasets/{id}/diff`
pub(crate) async fn diff(
    State(app): State<Arc<App>>,
    Caller(who): Caller,
    Path(id): Path<String>,
    Query(compared): Query<Compared>,
) -> Result<Answer<Diff>, ApiError> {
    Ok(Answer(compare(&app, &who, &id, &compared).await?))
}

/// Compares two versions that `who` may read. Whoever compares has read both.
pub(crate) async fn compare(app: &App, who: &Principal, id: &str, compared: &Compared) -> Result<Diff, Failure> {
    let from = side(app, who, id, &compared.from).await?;
    let to = side(app, who, id, &compared.to).await?;
    let versions = [&compared.from, &compared.to];
    let values_of =
        |column: &str| app.engine.read(|state| versions.iter().all(|version| state.shows_values(id, version, column)));
    // Where a view asks for larger groups than we do, a comparison is no way around it.
    let views = app.engine.read(|state| {
        let views = state.views.get(id).into_iter().flat_map(|views| views.values());
        views.map(|view| u64::from(view.spec.min_k)).max()
    });
    let shown = Shown { values_of: &values_of, min_group: views.unwrap_or(0).max(MIN_GROUP) };
    let key = compared.key.as_deref().unwrap_or_default().split(',').map(str::trim);
    let key: Vec<String> = key.filter(|name| !name.is_empty()).map(str::to_owned).collect();
    ingest::diff(from, to, &key, &shown).await.map_err(|error| match error {
        DiffError::Rows(RowsError::Query(error)) => rows::failure(error),
        DiffError::Rows(RowsError::Io(error)) => Failure::internal("read a version", &error),
        other => Failure::invalid(other.to_string()),
    })
}

async fn side(app: &App, who: &Principal, id: &str, version: &str) -> Result<Side, Failure> {
    let known = app.engine.readable_version(who, id, version).await?;
    let form = ingest::form_of(&known).ok_or_else(|| unread(id, version))?;
    let bytes = ingest::stored(&app.engine, id, version).await?;
    Ok(Side { version: version.to_owned(), form, bytes })
}

fn unread(id: &str, version: &str) -> Failure {
    let message =
        format!("version `{version}` of data set `{id}` was stored without its form, so nobody knows its rows");
    Failure::invalid(message).help("store it again with its form: `counterfoil data put --form csv`, or `?form=csv`")
}
