//! Small answers of a frame, value by value.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, UInt64Type};
use query::rows::{Frame, RowsError};

/// A column's name as SQL quotes it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A row of an answer.
pub(crate) struct Row {
    columns: Vec<ArrayRef>,
    at: usize,
}

impl Row {
    /// The only row of an answer; of none, all is missing.
    pub(crate) async fn of(frame: &Frame, sql: &str) -> Result<Row, RowsError> {
        let mut rows = frame.select(sql).await?;
        let mut first = None;
        while let Some(batch) = rows.next().await? {
            if batch.num_rows() > 0 && first.is_none() {
                first = Some(Row { columns: batch.columns().to_vec(), at: 0 });
            }
        }
        Ok(first.unwrap_or(Row { columns: vec![], at: 0 }))
    }

    /// Each row of an answer.
    pub(crate) async fn each(frame: &Frame, sql: &str, mut each: impl FnMut(&Row)) -> Result<(), RowsError> {
        let mut rows = frame.select(sql).await?;
        while let Some(batch) = rows.next().await? {
            let mut row = Row { columns: batch.columns().to_vec(), at: 0 };
            while row.at < batch.num_rows() {
                each(&row);
                row.at += 1;
            }
        }
        Ok(())
    }

    fn value(&self, column: usize, kind: &DataType) -> Option<ArrayRef> {
        let value = self.columns.get(column)?.slice(self.at, 1);
        cast(&value, kind).ok().filter(|value| value.is_valid(0))
    }

    /// A count; 0 when there is none.
    pub(crate) fn count(&self, column: usize) -> u64 {
        self.value(column, &DataType::UInt64).map_or(0, |value| value.as_primitive::<UInt64Type>().value(0))
    }

    /// A number.
    pub(crate) fn number(&self, column: usize) -> Option<f64> {
        let value = self.value(column, &DataType::Float64)?.as_primitive::<Float64Type>().value(0);
        Some(value).filter(|value| value.is_finite())
    }

    /// A text.
    pub(crate) fn text(&self, column: usize) -> Option<String> {
        Some(self.value(column, &DataType::Utf8)?.as_string::<i32>().value(0).to_owned())
    }
}
