//! Rows as they go out: CSV, JSON lines, Parquet or Arrow, piece by piece, so that no answer is in memory as a whole.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use domain::data::Form;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

/// The size at which a row group of Parquet is written.
const GROUP_BYTES: usize = 8 << 20;

/// Why rows cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// As CSV.
    #[error("the rows cannot be written as CSV: {0}")]
    Csv(#[from] csv::Error),
    /// As JSON.
    #[error("the rows cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// As Arrow.
    #[error("the rows cannot be written as Arrow: {0}")]
    Arrow(#[from] ArrowError),
    /// As Parquet.
    #[error("the rows cannot be written as Parquet: {0}")]
    Parquet(#[from] ParquetError),
}

/// The media type of a form.
#[must_use]
pub fn media_type(form: Form) -> &'static str {
    match form {
        Form::Csv => "text/csv; charset=utf-8",
        Form::Jsonl => "application/x-ndjson",
        Form::Parquet => "application/vnd.apache.parquet",
        Form::Arrow => "application/vnd.apache.arrow.stream",
    }
}

/// Bytes that were written and not taken yet.
#[derive(Clone, Default)]
struct Pieces(Arc<Mutex<Vec<u8>>>);

impl Pieces {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Writer {
    Csv,
    Jsonl,
    Parquet(Box<ArrowWriter<Pieces>>),
    Arrow(Box<StreamWriter<Pieces>>),
}

/// Writes rows in one form.
pub struct Encoder {
    writer: Writer,
    out: Pieces,
}

impl Encoder {
    /// Begins; what is at the beginning of the form comes with the first piece.
    ///
    /// # Errors
    /// When the form has no place for a column's type.
    pub fn new(form: Form, schema: &SchemaRef) -> Result<Self, EncodeError> {
        let out = Pieces::default();
        let writer = match form {
            Form::Csv => {
                let mut csv = csv::Writer::from_writer(out.clone());
                csv.write_record(schema.fields().iter().map(|field| field.name()))?;
                csv.flush().map_err(csv::Error::from)?;
                Writer::Csv
            }
            Form::Jsonl => Writer::Jsonl,
            Form::Parquet => {
                let compression = Compression::ZSTD(ZstdLevel::try_new(3)?);
                let properties = WriterProperties::builder().set_compression(compression).build();
                Writer::Parquet(Box::new(ArrowWriter::try_new(out.clone(), Arc::clone(schema), Some(properties))?))
            }
            Form::Arrow => Writer::Arrow(Box::new(StreamWriter::try_new(out.clone(), schema)?)),
        };
        Ok(Self { writer, out })
    }

    /// Takes rows in; returns what can go out.
    ///
    /// # Errors
    /// When they cannot be written in the form.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, EncodeError> {
        match &mut self.writer {
            Writer::Csv => csv_rows(batch, self.out.clone())?,
            Writer::Jsonl => json_rows(batch, self.out.clone())?,
            Writer::Parquet(writer) => {
                writer.write(batch)?;
                if writer.in_progress_size() > GROUP_BYTES {
                    writer.flush()?;
                }
            }
            Writer::Arrow(writer) => writer.write(batch)?,
        }
        Ok(self.out.take())
    }

    /// Ends; returns what is left to go out.
    ///
    /// # Errors
    /// When it cannot be written in the form.
    pub fn finish(self) -> Result<Vec<u8>, EncodeError> {
        match self.writer {
            Writer::Csv | Writer::Jsonl => {}
            Writer::Parquet(writer) => drop(writer.close()?),
            Writer::Arrow(mut writer) => writer.finish()?,
        }
        Ok(self.out.take())
    }
}

fn csv_rows(batch: &RecordBatch, out: Pieces) -> Result<(), EncodeError> {
    let options = FormatOptions::default();
    let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
    let columns: Vec<ArrayFormatter<'_>> = columns.collect::<Result<_, _>>()?;
    let mut csv = csv::Writer::from_writer(out);
    for row in 0..batch.num_rows() {
        for column in &columns {
            csv.write_field(column.value(row).to_string())?;
        }
        csv.write_record(None::<&[u8]>)?;
    }
    csv.flush().map_err(csv::Error::from)?;
    Ok(())
}

fn json_rows(batch: &RecordBatch, mut out: Pieces) -> Result<(), EncodeError> {
    let options = FormatOptions::default();
    let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options));
    let columns: Vec<ArrayFormatter<'_>> = columns.collect::<Result<_, _>>()?;
    let schema = batch.schema();
    for row in 0..batch.num_rows() {
        let mut object = serde_json::Map::new();
        for ((field, column), text) in schema.fields().iter().zip(batch.columns()).zip(&columns) {
            object.insert(field.name().clone(), json_value(column, row, text));
        }
        serde_json::to_writer(&mut out, &object)?;
        out.write_all(b"\n").map_err(serde_json::Error::io)?;
    }
    Ok(())
}

fn json_value(column: &dyn Array, row: usize, text: &ArrayFormatter<'_>) -> serde_json::Value {
    if column.is_null(row) {
        return serde_json::Value::Null;
    }
    let written = text.value(row).to_string();
    match column.data_type() {
        DataType::Boolean => column.as_boolean().value(row).into(),
        // What is no number in JSON, such as `NaN`, is text.
        kind if kind.is_integer() || kind.is_floating() => serde_json::from_str(&written).unwrap_or(written.into()),
        _ => written.into(),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;

    fn batch() -> RecordBatch {
        let age: ArrayRef = Arc::new(Int64Array::from(vec![Some(30), None]));
        let note: ArrayRef = Arc::new(StringArray::from(vec![Some("a, \"b\"\nc"), Some("")]));
        RecordBatch::try_from_iter([("age", age), ("note", note)]).expect("a batch")
    }

    fn written(form: Form) -> Vec<u8> {
        let batch = batch();
        let mut encoder = Encoder::new(form, &batch.schema()).expect("begun");
        let mut all = encoder.write(&batch).expect("written");
        all.extend(encoder.write(&batch).expect("written"));
        all.extend(encoder.finish().expect("ended"));
        all
    }

    #[test]
    fn given_rows_when_written_then_each_form_reads_back_as_what_they_were() {
        let rows = "30,\"a, \"\"b\"\"\nc\"\n,\n";
        assert_eq!(String::from_utf8(written(Form::Csv)).expect("text"), format!("age,note\n{rows}{rows}"));
        let lines = "{\"age\":30,\"note\":\"a, \\\"b\\\"\\nc\"}\n{\"age\":null,\"note\":\"\"}\n";
        assert_eq!(String::from_utf8(written(Form::Jsonl)).expect("text"), format!("{lines}{lines}"));
        let arrow = arrow::ipc::reader::StreamReader::try_new(io::Cursor::new(written(Form::Arrow)), None);
        let batches: Vec<RecordBatch> = arrow.expect("a stream").map(|one| one.expect("a batch")).collect();
        assert_eq!(batches, [batch(), batch()]);
        let bytes = bytes::Bytes::from(written(Form::Parquet));
        let mut parquet = ParquetRecordBatchReaderBuilder::try_new(bytes).expect("Parquet").build().expect("a reader");
        assert_eq!(parquet.next().expect("rows").expect("a batch").num_rows(), 4);
    }

    #[test]
    fn given_no_rows_when_written_then_every_form_is_still_whole() {
        for form in [Form::Csv, Form::Jsonl, Form::Parquet, Form::Arrow] {
            let encoder = Encoder::new(form, &batch().schema()).expect("begun");
            assert_eq!(encoder.finish().expect("ended").is_empty(), form == Form::Jsonl);
        }
    }
}
