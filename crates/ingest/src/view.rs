//! A purpose-bound view: what of a version goes out, as SQL over its rows, and how well people can be told apart in it.
//!
//! Two passes: the first counts how many rows share each combination of the columns that tell people apart, as they go out,
//! and refuses before the first byte; the second sends. A version never changes, so both see the same rows.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use domain::data::{ColumnRule, DatePart, ViewSpec};
use domain::{Refusal, RefusalCode};
use engine::{Engine, ExecuteError, View};
use query::rows::{Frame, Rows, RowsError};

use crate::encode::EncodeError;
use crate::numbers::quoted;

/// Why a view cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// It was refused, or the vault or the ledger cannot be reached.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// The rows cannot be read.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// They cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Something that should not happen.
    #[error("the view's rows are not as its query says: {0}")]
    Unexpected(String),
}

impl From<Refusal> for ViewError {
    fn from(refusal: Refusal) -> Self {
        Self::Execute(refusal.into())
    }
}

impl From<arrow::error::ArrowError> for ViewError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::Unexpected(error.to_string())
    }
}

/// How well people can be told apart in a view of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Reached {
    /// How many rows share each combination at least, of what goes out; absent when no columns are named for it, or no row
    /// goes out.
    pub k: Option<u64>,
    /// Rows of the version.
    pub rows: u64,
    /// Rows that share theirs with too few.
    pub rows_below: u64,
    /// Rows that are left out for that: all of those, or none.
    pub suppressed: u64,
}

/// A view that is being read.
pub struct Opened {
    /// How well people can be told apart in it.
    pub reached: Reached,
    /// Its columns.
    pub schema: SchemaRef,
    engine: Arc<Engine>,
    view: View,
    tokens: Vec<(usize, String)>,
    rows: Rows,
    /// It lives as long as its rows are read.
    _frame: Frame,
    ahead: Option<RecordBatch>,
}

/// The rows of a version, in their order.
///
/// # Errors
/// A refusal when there is no such version or it has no rows; otherwise what cannot be read.
pub async fn frame(engine: &Arc<Engine>, dataset: &str, version: &str) -> Result<Frame, ViewError> {
    let form = engine.read(|state| state.dataset_version(dataset, version).and_then(crate::form_of));
    let Some(form) = form else {
        let message =
            format!("version `{version}` of data set `{dataset}` has no rows that are known of: a view needs some");
        return Err(Refusal::new(RefusalCode::Conflict, message).into());
    };
    Ok(Frame::open(form, crate::stored(engine, dataset, version).await?).await?.in_order())
}

/// How well people can be told apart in a view of a version. Reads it and makes nothing, no tokens either.
///
/// # Errors
/// As [`open`], but for what shows only in rows that go out.
pub async fn reached(view: &View, frame: &Frame) -> Result<Reached, ViewError> {
    reach(&view.spec, (&view.dataset, &view.version), &query_of(view, frame)?, frame).await
}

fn query_of(view: &View, frame: &Frame) -> Result<Query, Refusal> {
    let subject = view.subjects.as_ref().map(|subjects| subjects.column.as_str());
    Query::of(&view.spec, &frame.columns(), subject)
}

/// Opens a view over a version's rows. Its first rows are ready on return, so that most of what can go wrong with its
/// columns does so before anything is sent.
///
/// # Errors
/// A refusal when the version has no such column, a rule does not fit a column's type, or too few rows share theirs;
/// otherwise what cannot be read.
pub async fn open(engine: &Arc<Engine>, view: View, frame: Frame) -> Result<Opened, ViewError> {
    let query = query_of(&view, &frame)?;
    let reached = reach(&view.spec, (&view.dataset, &view.version), &query, &frame).await?;
    let rows = frame.select(&query.rows(reached.suppressed > 0)).await?;
    let tokens: Vec<(usize, String)> = query.tokens.clone();
    let mut opened = Opened {
        reached,
        schema: Arc::new(Schema::empty()),
        engine: Arc::clone(engine),
        view,
        tokens,
        rows,
        _frame: frame,
        ahead: None,
    };
    let first = opened.read().await?;
    opened.schema = match &first {
        Some(batch) => batch.schema(),
        // No row: the columns are there all the same.
        None => {
            let columns = opened.view.spec.columns.iter().filter(|one| one.rule != ColumnRule::Drop);
            let fields = columns.map(|one| Field::new(&one.column, DataType::Utf8, true));
            Arc::new(Schema::new(fields.collect::<Vec<_>>()))
        }
    };
    opened.ahead = first;
    Ok(opened)
}

impl Opened {
    /// The next rows; `None` at the end.
    ///
    /// # Errors
    /// What cannot be read, or cannot have a token.
    pub async fn next(&mut self) -> Result<Option<RecordBatch>, ViewError> {
        match self.ahead.take() {
            Some(batch) => Ok(Some(batch)),
            None => self.read().await,
        }
    }

    /// Which view of which version it is.
    #[must_use]
    pub fn view(&self) -> &View {
        &self.view
    }

    async fn read(&mut self) -> Result<Option<RecordBatch>, ViewError> {
        let Some(batch) = self.rows.next().await? else { return Ok(None) };
        // Somebody may be forgotten meanwhile, and their rows go no further than that.
        let View { dataset, version, object, .. } = &self.view;
        let is_there = self
            .engine
            .read(|state| state.dataset_version(dataset, version).is_some_and(|known| known.stored.object == *object));
        if !is_there {
            let message = format!(
                "version `{version}` of data set `{dataset}` was written anew or ended while its view was read: read it anew"
            );
            return Err(Refusal::new(RefusalCode::Conflict, message).into());
        }
        let out = self.view.spec.columns.iter().filter(|one| one.rule != ColumnRule::Drop).count();
        let mut columns: Vec<ArrayRef> = batch.columns().to_vec();
        let subjects = columns.get(out).map(texts).transpose()?;
        columns.truncate(out);
        for (at, scope) in &self.tokens {
            let Some(column) = columns.get(*at) else {
                return Err(ViewError::Unexpected("a column is missing".to_owned()));
            };
            let values = texts(column)?;
            let tokens = tokenised(&self.engine, &self.view, scope, values, subjects.clone()).await?;
            if let Some(column) = columns.get_mut(*at) {
                *column = Arc::new(StringArray::from(tokens));
            }
        }
        let names = self.view.spec.columns.iter().filter(|one| one.rule != ColumnRule::Drop);
        let fields = names.zip(&columns).map(|(one, column)| Field::new(&one.column, column.data_type().clone(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(Some(RecordBatch::try_new(schema, columns)?))
    }
}

/// Tokens in the place of values. What is empty stays so, and what is somebody's needs to be somebody's.
async fn tokenised(
    engine: &Arc<Engine>,
    view: &View,
    scope: &str,
    values: Vec<Option<String>>,
    subjects: Option<Vec<Option<String>>>,
) -> Result<Vec<Option<String>>, ViewError> {
    let per_subject = engine.read(|state| state.token_scope(scope).is_ok_and(|known| known.spec.per_subject));
    let kind = view.subjects.as_ref().map(|subjects| subjects.scope.clone()).filter(|_| per_subject);
    let whose = subjects.filter(|_| kind.is_some());
    // The same value of the same person is asked for once.
    let mut asked: Vec<(String, String)> = Vec::new();
    let mut known: HashMap<(String, String), usize> = HashMap::new();
    let mut places: Vec<Option<usize>> = Vec::with_capacity(values.len());
    for (row, value) in values.into_iter().enumerate() {
        let owner = whose.as_ref().map(|all| all.get(row).cloned().flatten().unwrap_or_default());
        let nobody = owner.as_ref().is_some_and(|owner| owner.trim().is_empty());
        let Some(value) = value.filter(|value| !value.is_empty() && !nobody) else {
            places.push(None);
            continue;
        };
        let key = (value, owner.unwrap_or_default());
        let at = *known.entry(key.clone()).or_insert_with(|| {
            asked.push(key);
            asked.len() - 1
        });
        places.push(Some(at));
    }
    if asked.is_empty() {
        return Ok(places.iter().map(|_| None).collect());
    }
    let (engine, scope) = (Arc::clone(engine), scope.to_owned());
    let made = tokio::task::spawn_blocking(move || {
        let (values, owners): (Vec<String>, Vec<String>) = asked.into_iter().unzip();
        engine.tokens_in_view(&scope, values, kind.as_deref().map(|kind| (kind, owners)))
    });
    let made = made.await.map_err(|error| ViewError::Unexpected(error.to_string()))??;
    Ok(places.into_iter().map(|at| at.and_then(|at| made.get(at).cloned())).collect())
}

fn texts(column: &ArrayRef) -> Result<Vec<Option<String>>, ViewError> {
    let plain = cast(column, &DataType::Utf8)?;
    Ok(plain.as_string::<i32>().iter().map(|value| value.map(str::to_owned)).collect())
}

/// How well people can be told apart, if that is well enough.
async fn reach(spec: &ViewSpec, of: (&str, &str), query: &Query, frame: &Frame) -> Result<Reached, ViewError> {
    let mut answer = frame.select(&query.groups(spec.min_k)).await?;
    let batch = answer.next().await?.ok_or_else(|| ViewError::Unexpected("nothing was counted".to_owned()))?;
    let count = |at: usize| {
        let column = batch.columns().get(at).and_then(|column| column.as_primitive_opt::<Int64Type>());
        column
            .filter(|column| column.len() == 1 && !column.is_null(0))
            .and_then(|column| u64::try_from(column.value(0)).ok())
    };
    let (least, enough) = (count(0), count(1));
    let (rows, rows_below) = (count(2).unwrap_or(0), count(3).unwrap_or(0));
    if spec.quasi.is_empty() {
        return Ok(Reached { k: None, rows, rows_below: 0, suppressed: 0 });
    }
    let reached = Reached { k: if rows_below > 0 { enough } else { least }, rows, rows_below, suppressed: rows_below };
    if u128::from(rows_below) * 1_000 > u128::from(rows) * u128::from(spec.max_suppressed_permille) {
        let ((dataset, version), min_k) = (of, spec.min_k);
        let (least, permille) = (least.unwrap_or(0), spec.max_suppressed_permille);
        let message = format!(
            "the view of data set `{dataset}` reaches k = {least} on version `{version}`, not {min_k}: {rows_below} of {rows} rows \
             share `{}` with too few, and {permille} in a thousand may be left out. Generalise more, or drop a column",
            spec.quasi.join("`, `")
        );
        let policies = vec!["k-anonymity".to_owned()];
        return Err(Refusal { code: RefusalCode::Conflict, message, policies }.into());
    }
    Ok(reached)
}

/// A view as SQL.
struct Query {
    /// What goes out: expressions, and quoted names.
    out: Vec<(String, String)>,
    /// What is the same in rows that cannot be told apart.
    key: String,
    /// A name for that.
    joined: String,
    min_k: u32,
    tokens: Vec<(usize, String)>,
}

impl Query {
    fn of(spec: &ViewSpec, columns: &[(String, String)], subject: Option<&str>) -> Result<Self, Refusal> {
        let refuse = |why: String| Err(Refusal::new(RefusalCode::Conflict, why));
        let (mut out, mut tokens, mut keys) = (Vec::new(), Vec::new(), HashMap::new());
        for one in spec.columns.iter().filter(|one| one.rule != ColumnRule::Drop) {
            let name = &one.column;
            let Some((_, kind)) = columns.iter().find(|(known, _)| known == name) else {
                return refuse(format!(
                    "the version has no column `{name}`, which its view names: declare the view anew"
                ));
            };
            let Some(expression) = expression(&quoted(name), kind, &one.rule) else {
                let rule = one.rule.as_str();
                return refuse(format!("column `{name}` is {kind}, for which there is no rule `{rule}`"));
            };
            if let ColumnRule::Tokenise { scope } = &one.rule {
                tokens.push((out.len(), scope.clone()));
            }
            out.push((expression.clone(), quoted(name)));
            keys.insert(name.as_str(), expression);
        }
        // Names that no column has.
        let longest = columns.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let (whose, joined) = (quoted(&"_".repeat(longest + 1)), quoted(&"_".repeat(longest + 2)));
        if let Some(subject) = subject.filter(|_| !tokens.is_empty()) {
            out.push((format!("CAST({} AS VARCHAR)", quoted(subject)), whose));
        }
        let parts: Vec<String> =
            spec.quasi.iter().filter_map(|one| keys.get(one.as_str())).map(|of| key_of(of)).collect();
        let key = if parts.is_empty() { "''".to_owned() } else { parts.join(" || ") };
        Ok(Self { out, key, joined, min_k: spec.min_k, tokens })
    }

    /// The smallest group, the smallest that is large enough, all rows, and those in groups that are too small.
    fn groups(&self, min_k: u32) -> String {
        format!(
            "SELECT CAST(min(n) AS BIGINT), CAST(min(CASE WHEN n >= {min_k} THEN n END) AS BIGINT), CAST(sum(n) AS BIGINT), \
             CAST(sum(CASE WHEN n < {min_k} THEN n ELSE 0 END) AS BIGINT) \
             FROM (SELECT count(*) AS n FROM (SELECT {} AS k FROM rows) AS keyed GROUP BY k) AS counted",
            self.key
        )
    }

    /// What goes out. The groups that are large enough are held in memory, and rows pass by them.
    fn rows(&self, suppressing: bool) -> String {
        let of = |(expression, name): &(String, String)| format!("{expression} AS {name}");
        let all = self.out.iter().map(of).collect::<Vec<_>>().join(", ");
        if !suppressing {
            return format!("SELECT {all} FROM rows");
        }
        let names = self.out.iter().map(|(_, name)| format!("r.{name}")).collect::<Vec<_>>().join(", ");
        let (key, joined, min_k) = (&self.key, &self.joined, self.min_k);
        format!(
            "SELECT {names} FROM \
             (SELECT k FROM (SELECT {key} AS k FROM rows) AS keyed GROUP BY k HAVING count(*) >= {min_k}) AS kept \
             JOIN (SELECT {all}, {key} AS {joined} FROM rows) AS r ON kept.k = r.{joined}"
        )
    }
}

/// A part of a key: no two combinations of values have the same, since each part says how long it is.
fn key_of(expression: &str) -> String {
    let text = format!("CAST({expression} AS VARCHAR)");
    format!("COALESCE(CAST(character_length({text}) AS VARCHAR) || ':' || {text}, '-')")
}

/// What becomes of a column, if its rule fits its type.
fn expression(column: &str, kind: &str, rule: &ColumnRule) -> Option<String> {
    let (whole, number) = (kind == "integer", kind == "number");
    let dated = kind == "date" || kind == "timestamp";
    let sql = match rule {
        ColumnRule::Drop => return None,
        ColumnRule::Keep => column.to_owned(),
        ColumnRule::Tokenise { .. } => format!("CAST({column} AS VARCHAR)"),
        ColumnRule::Band { width } if whole => format!("{column} - ((({column} % {width}) + {width}) % {width})"),
        ColumnRule::Band { width } if number => {
            let cut = format!("TRY_CAST({column} / {width}.0 AS BIGINT)");
            format!("(CASE WHEN {cut} * {width}.0 > {column} THEN {cut} - 1 ELSE {cut} END) * {width}")
        }
        ColumnRule::DateTo { part } if dated => {
            let chars = if *part == DatePart::Month { 7 } else { 4 };
            format!("substr(CAST({column} AS VARCHAR), 1, {chars})")
        }
        ColumnRule::Prefix { chars } => format!("substr(CAST({column} AS VARCHAR), 1, {chars})"),
        ColumnRule::Top { at } if whole => format!("CASE WHEN {column} > ({at}) THEN ({at}) ELSE {column} END"),
        ColumnRule::Top { at } if number => {
            format!("CASE WHEN {column} > CAST({at} AS DOUBLE) THEN CAST({at} AS DOUBLE) ELSE {column} END")
        }
        ColumnRule::Band { .. } | ColumnRule::DateTo { .. } | ColumnRule::Top { .. } => return None,
    };
    Some(sql)
}

#[cfg(test)]
mod tests;
