//! Reading the rows of an answer: JSON objects, where a timestamp is RFC 3339 text and bytes are hexadecimal.

use http::StatusCode;
use query::QueryError;
use serde_json::{Map, Value};

use crate::failure::Failure;
use crate::ui::{Instant, parse_instant};

/// A row of an answer, by column.
pub(crate) type Row = Map<String, Value>;

/// Text of a column; empty when there is none.
pub(crate) fn text(row: &Row, column: &str) -> String {
    maybe(row, column).unwrap_or_default()
}

/// Text of a column; numbers and truth values are written out.
pub(crate) fn maybe(row: &Row, column: &str) -> Option<String> {
    row.get(column).and_then(shown)
}

/// A value as a table shows it.
pub(crate) fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// A count; 0 when there is none or it is negative.
pub(crate) fn count(row: &Row, column: &str) -> u64 {
    match row.get(column) {
        Some(Value::Number(number)) => number.as_u64().or_else(|| number.as_f64().map(|f| f as u64)).unwrap_or(0),
        _ => 0,
    }
}

/// A number that may be missing.
pub(crate) fn number(row: &Row, column: &str) -> Option<f64> {
    row.get(column).and_then(Value::as_f64)
}

/// A moment.
pub(crate) fn instant(row: &Row, column: &str) -> Option<Instant> {
    parse_instant(row.get(column)?.as_str()?).map(Instant)
}

/// Why a query gave no answer, as an answer.
pub(crate) fn failure(error: QueryError) -> Failure {
    match error {
        QueryError::Internal(_) | QueryError::Source(_) | QueryError::Records(_) | QueryError::Entry { .. } => {
            Failure::internal("answer the query", &error)
        }
        asked => Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "query", asked.to_string()),
    }
}
