//! An answer, and the forms in which it leaves: aligned text, CSV, JSON and Parquet.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use datafusion::arrow::csv;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::json::writer::{JsonArray, WriterBuilder};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_writer::ArrowWriterOptions;
use datafusion::parquet::basic::Compression;
use datafusion::parquet::file::properties::WriterProperties;
use serde_json::{Map, Value};

use crate::QueryError;

/// Rows with named columns.
#[derive(Clone, Debug)]
pub struct Answer {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
}

impl Answer {
    pub(crate) fn new(schema: SchemaRef) -> Self {
        Self { schema, batches: Vec::new() }
    }

    /// The rows of batches that have the same columns; `None` when there are no batches.
    #[must_use]
    pub fn of(batches: Vec<RecordBatch>) -> Option<Self> {
        let schema = batches.first()?.schema();
        Some(Self { schema, batches })
    }

    pub(crate) fn with(&self, batches: Vec<RecordBatch>) -> Self {
        Self { schema: Arc::clone(&self.schema), batches }
    }

    pub(crate) fn into_batches(self) -> Vec<RecordBatch> {
        self.batches
    }

    pub(crate) fn memory(&self) -> usize {
        self.batches.iter().map(RecordBatch::get_array_memory_size).sum()
    }

    /// Names of the columns, in order.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        self.schema.fields().iter().map(|field| field.name().clone()).collect()
    }

    /// How many rows.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// The rows as JSON objects. Instants are text such as `2026-11-22T20:30:00` in UTC, bytes are hexadecimal, and
    /// what is NULL is `null`.
    ///
    /// # Errors
    /// [`QueryError::Internal`] when a value has no JSON form.
    pub fn rows(&self) -> Result<Vec<Map<String, Value>>, QueryError> {
        serde_json::from_slice(&self.to_json()?).map_err(|error| QueryError::Internal(error.to_string()))
    }

    /// The rows as cells of text, NULL as `None`, in the order of [`Self::columns`].
    ///
    /// # Errors
    /// [`QueryError::Internal`] when a value cannot be written.
    pub fn cells(&self) -> Result<Vec<Vec<Option<String>>>, QueryError> {
        let options = FormatOptions::default();
        let mut rows = Vec::with_capacity(self.row_count());
        for batch in &self.batches {
            let columns = batch.columns().iter();
            let formatters = columns.map(|column| ArrayFormatter::try_new(column, &options).map(|f| (column, f)));
            let formatters = formatters.collect::<Result<Vec<_>, _>>().map_err(unwritable)?;
            for row in 0..batch.num_rows() {
                let cell = |(column, formatter): &(&ArrayRef, ArrayFormatter<'_>)| {
                    column.is_valid(row).then(|| formatter.value(row).try_to_string()).transpose()
                };
                rows.push(formatters.iter().map(cell).collect::<Result<_, _>>().map_err(unwritable)?);
            }
        }
        Ok(rows)
    }

    /// Calls `each` with every cell of the column at `index`, as in [`Self::cells`] but without keeping any.
    ///
    /// # Errors
    /// [`QueryError::Internal`] when there is no such column or a value cannot be written.
    pub fn each_text(&self, index: usize, each: &mut dyn FnMut(Option<&str>)) -> Result<(), QueryError> {
        let options = FormatOptions::default();
        for batch in &self.batches {
            let column = batch.columns().get(index);
            let column = column.ok_or_else(|| QueryError::Internal(format!("an answer without column {index}")))?;
            match column.data_type() {
                DataType::Utf8View => column.as_string_view().iter().for_each(&mut *each),
                DataType::Utf8 => column.as_string::<i32>().iter().for_each(&mut *each),
                _ => {
                    let formatter = ArrayFormatter::try_new(column, &options).map_err(unwritable)?;
                    for row in 0..column.len() {
                        let text = column.is_valid(row).then(|| formatter.value(row).try_to_string());
                        each(text.transpose().map_err(unwritable)?.as_deref());
                    }
                }
            }
        }
        Ok(())
    }

    /// Aligned text with a line of column names, for people: a control character is shown as a space, and a cell of more
    /// than 120 characters is cut, which `…` at its end tells. The other forms are whole.
    ///
    /// # Errors
    /// As [`Self::cells`].
    pub fn to_table(&self) -> Result<String, QueryError> {
        let mut lines: Vec<Vec<String>> = vec![self.columns()];
        let clean = |cell: Option<String>| shortened(cell.unwrap_or_default().replace(char::is_control, " "));
        lines.extend(self.cells()?.into_iter().map(|row| row.into_iter().map(clean).collect()));
        let width = |i: usize| lines.iter().map(|line: &Vec<String>| line[i].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.schema.fields().len()).map(width).collect();
        lines.insert(1, widths.iter().map(|width| "-".repeat(*width)).collect());
        let mut out = String::new();
        for line in &lines {
            let cells: Vec<String> =
                line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<0$}", *width)).collect();
            out.push_str(cells.join("  ").trim_end());
            out.push('\n');
        }
        Ok(out)
    }

    /// CSV with a header, as RFC 4180; NULL is an empty field.
    ///
    /// # Errors
    /// [`QueryError::Internal`] when a value cannot be written.
    pub fn to_csv(&self) -> Result<Vec<u8>, QueryError> {
        let mut out = Vec::new();
        let mut writer = csv::WriterBuilder::new().with_header(true).build(&mut out);
        let header = RecordBatch::new_empty(Arc::clone(&self.schema));
        for batch in [&header].into_iter().chain(&self.batches) {
            writer.write(batch).map_err(unwritable)?;
        }
        drop(writer);
        Ok(out)
    }

    /// A JSON array of objects, as [`Self::rows`].
    ///
    /// # Errors
    /// [`QueryError::Internal`] when a value cannot be written.
    pub fn to_json(&self) -> Result<Vec<u8>, QueryError> {
        let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, JsonArray>(Vec::new());
        self.batches.iter().try_for_each(|batch| writer.write(batch)).map_err(unwritable)?;
        writer.finish().map_err(unwritable)?;
        let out = writer.into_inner();
        Ok(if out.is_empty() { b"[]".to_vec() } else { out })
    }

    /// A Parquet file, without hints for one reader, so that every reader sees plain text and instants.
    ///
    /// # Errors
    /// [`QueryError::Internal`] when a value cannot be written.
    pub fn to_parquet(&self) -> Result<Vec<u8>, QueryError> {
        let broken = |error: datafusion::parquet::errors::ParquetError| QueryError::Internal(error.to_string());
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let mut out = Vec::new();
        let mut writer =
            ArrowWriter::try_new_with_options(&mut out, Arc::clone(&self.schema), options).map_err(broken)?;
        self.batches.iter().try_for_each(|batch| writer.write(batch)).map_err(broken)?;
        writer.close().map_err(broken)?;
        Ok(out)
    }
}

fn unwritable(error: ArrowError) -> QueryError {
    QueryError::Internal(error.to_string())
}

/// As much of a cell as fits a line beside others.
fn shortened(cell: String) -> String {
    match cell.char_indices().nth(119) {
        Some((at, _)) if cell.chars().nth(120).is_some() => format!("{}…", &cell[..at]),
        _ => cell,
    }
}
