//! Rows written as the file that they come from has them: the same columns and types, the same packing, and the same metadata
//! of the whole. What was said of other rows, such as the least and greatest values, follows from those that are written.

use std::io::Write;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray};
use datafusion::arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_writer::ArrowWriterOptions;
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::parquet::file::properties::WriterProperties;

use super::RowsError;
use super::arrow_file::MAX_BATCH_BYTES;
use super::read::{Version, malformed};

/// The size at which a row group of Parquet is written, as it will be and as it is in memory until then.
const GROUP_BYTES: usize = 16 << 20;
const GROUP_MEMORY_BYTES: usize = 64 << 20;

/// Values of a column that are written before the size of its page is looked at: a few long ones must not become one page.
const PAGE_VALUES: usize = 128;

/// What rows are written to.
pub(super) struct Anew<'a>(Writer<'a>);

enum Writer<'a> {
    /// The writer keeps what it wrote until that is taken.
    Parquet(Box<ArrowWriter<Vec<u8>>>, &'a mut dyn Write),
    Arrow(Box<FileWriter<&'a mut dyn Write>>),
}

impl<'a> Anew<'a> {
    pub(super) fn begin(version: &Version, to: &'a mut dyn Write) -> Result<Self, RowsError> {
        match version {
            Version::Parquet(file) => {
                let options = like(file.metadata());
                let writer = ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(file.schema()), options);
                let writer = writer.or_else(|_| unwritable())?;
                Ok(Self(Writer::Parquet(Box::new(writer), to)))
            }
            Version::Arrow(file) => {
                let options = IpcWriteOptions::default().try_with_compression(file.compression()?);
                let writer = options.and_then(|options| FileWriter::try_new_with_options(to, file.schema(), options));
                Ok(Self(Writer::Arrow(Box::new(writer.or_else(|_| unwritable())?))))
            }
            Version::Csv(_) | Version::Jsonl(_) => malformed("rows of text are written as lines"),
        }
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), RowsError> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        match &mut self.0 {
            Writer::Parquet(writer, to) => {
                writer.write(batch).or_else(|_| unwritable())?;
                if writer.in_progress_size() > GROUP_BYTES || writer.memory_size() > GROUP_MEMORY_BYTES {
                    writer.flush().or_else(|_| unwritable())?;
                    to.write_all(&std::mem::take(writer.inner_mut()))?;
                }
                Ok(())
            }
            Writer::Arrow(writer) => bounded(writer, batch),
        }
    }

    pub(super) fn finish(self) -> Result<(), RowsError> {
        match self.0 {
            Writer::Parquet(writer, to) => {
                let rest = writer.into_inner().or_else(|_| unwritable())?;
                Ok(to.write_all(&rest)?)
            }
            Writer::Arrow(mut writer) => writer.finish().or_else(failed),
        }
    }
}

/// How a file is written so that it has the schema, the packing and the metadata of another.
fn like(metadata: &ParquetMetaData) -> ArrowWriterOptions {
    let whole = metadata.file_metadata();
    let mut properties = WriterProperties::builder()
        .set_write_batch_size(PAGE_VALUES)
        .set_key_value_metadata(whole.key_value_metadata().cloned());
    for column in metadata.row_groups().first().into_iter().flat_map(|group| group.columns()) {
        properties = properties.set_column_compression(column.column_path().clone(), column.compression());
    }
    // The hints for one reader are in the metadata as they were, so none are added.
    let options = ArrowWriterOptions::new().with_properties(properties.build()).with_skip_arrow_metadata(true);
    options.with_parquet_schema(whole.schema_descr().clone())
}

/// Writes a batch, in pieces as long as one may be: views may lead to one long value from many rows.
fn bounded(writer: &mut FileWriter<&mut dyn Write>, batch: &RecordBatch) -> Result<(), RowsError> {
    let long: usize = batch.columns().iter().map(viewed_bytes).sum();
    if long as u64 > MAX_BATCH_BYTES / 2 && batch.num_rows() > 1 {
        let half = batch.num_rows() / 2;
        bounded(writer, &batch.slice(0, half))?;
        return bounded(writer, &batch.slice(half, batch.num_rows() - half));
    }
    // Views lead to whole buffers, in which values of others lie.
    let columns: Vec<ArrayRef> = batch.columns().iter().map(compact).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let batch = RecordBatch::try_new_with_options(batch.schema(), columns, &options).or_else(|_| unwritable())?;
    writer.write(&batch).or_else(failed)
}

fn viewed_bytes(column: &ArrayRef) -> usize {
    let text = column.as_string_view_opt().map(|text| text.total_buffer_bytes_used());
    text.or_else(|| column.as_binary_view_opt().map(|bytes| bytes.total_buffer_bytes_used())).unwrap_or(0)
}

fn compact(column: &ArrayRef) -> ArrayRef {
    if let Some(text) = column.as_string_view_opt() {
        return Arc::new(text.gc());
    }
    match column.as_binary_view_opt() {
        Some(bytes) => Arc::new(bytes.gc()),
        None => Arc::clone(column),
    }
}

/// What writes may fail for where the rows go: that is another thing than what they are.
fn failed<T>(error: datafusion::arrow::error::ArrowError) -> Result<T, RowsError> {
    match error {
        datafusion::arrow::error::ArrowError::IoError(_, error) => Err(error.into()),
        _ => unwritable(),
    }
}

fn unwritable<T>() -> Result<T, RowsError> {
    malformed("its columns cannot be written anew as they are, so nobody's rows could be taken out")
}
