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
use super::parquet_file::MAX_FOOTER_BYTES;
use super::read::{Version, malformed};

/// The size at which a row group of Parquet is written, as long as there are few of them. In memory it may be some times
/// that.
const GROUP_BYTES: usize = 16 << 20;
const MEMORY_FACTOR: usize = 4;

/// Each time that the footer has grown by so much, groups are twice as large, up to 256 MiB.
const FOOTER_STEP_BYTES: u64 = 8 << 20;
const MOST_STEPS: u64 = 4;

/// What a footer says of a column in each group, at most, without its name: where it is, and what its least and greatest
/// values are.
const COLUMN_SAID_BYTES: usize = 320;

/// Columns that are written with dictionaries. Each has memory of its own before the first value, and of many that would be
/// all that a group may have.
const MAX_PACKED_COLUMNS: usize = 512;

/// Values of a column that are written before the size of its page is looked at: a few long ones must not become one page.
const PAGE_VALUES: usize = 128;

/// What rows are written to.
pub(super) struct Anew<'a>(Writer<'a>);

enum Writer<'a> {
    /// The writer keeps what it wrote until that is taken.
    Parquet(Box<ArrowWriter<Vec<u8>>>, Footer, &'a mut dyn Write),
    Arrow(Box<FileWriter<&'a mut dyn Write>>),
}

impl<'a> Anew<'a> {
    pub(super) fn begin(version: &Version, to: &'a mut dyn Write) -> Result<Self, RowsError> {
        match version {
            Version::Parquet(file) => {
                let options = like(file.metadata());
                let writer = ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(file.schema()), options);
                let writer = writer.or_else(|_| unwritable())?;
                Ok(Self(Writer::Parquet(Box::new(writer), Footer::without_groups(file.metadata()), to)))
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
            Writer::Parquet(writer, footer, to) => {
                writer.write(batch).or_else(|_| unwritable())?;
                let most = footer.group_bytes();
                if writer.in_progress_size() > most || writer.memory_size() > most * MEMORY_FACTOR {
                    footer.bytes += footer.group;
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
            Writer::Parquet(writer, _, to) => {
                let rest = writer.into_inner().or_else(|_| unwritable())?;
                Ok(to.write_all(&rest)?)
            }
            Writer::Arrow(mut writer) => writer.finish().or_else(failed),
        }
    }
}

/// How long a footer is about to be, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Footer {
    bytes: u64,
    /// What each group adds.
    group: u64,
}

impl Footer {
    /// The footer of a file that is written like another and has no rows yet.
    pub(super) fn without_groups(metadata: &ParquetMetaData) -> Self {
        let whole = metadata.file_metadata();
        let said = whole.key_value_metadata().into_iter().flatten();
        let said: usize = said.map(|one| 16 + one.key.len() + one.value.as_ref().map_or(0, String::len)).sum();
        let columns = whole.schema_descr().columns();
        let names: usize = columns.iter().map(|column| column.path().string().len()).sum();
        let group = names + columns.len() * COLUMN_SAID_BYTES;
        Self { bytes: (said + names) as u64, group: group as u64 }
    }

    /// The size at which the next group is written.
    fn group_bytes(&self) -> usize {
        GROUP_BYTES << (self.bytes / FOOTER_STEP_BYTES).min(MOST_STEPS)
    }

    /// Whether it stays as short as one may be with groups that have so many bytes together.
    pub(super) fn has_room_for(mut self, mut bytes: u64) -> bool {
        while bytes > 0 && self.bytes <= MAX_FOOTER_BYTES {
            bytes = bytes.saturating_sub(self.group_bytes() as u64);
            self.bytes += self.group.max(1);
        }
        self.bytes <= MAX_FOOTER_BYTES
    }
}

/// How a file is written so that it has the schema, the packing and the metadata of another.
fn like(metadata: &ParquetMetaData) -> ArrowWriterOptions {
    let whole = metadata.file_metadata();
    let mut properties = WriterProperties::builder()
        .set_write_batch_size(PAGE_VALUES)
        .set_dictionary_enabled(whole.schema_descr().num_columns() <= MAX_PACKED_COLUMNS)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_columns_and_bytes_when_groups_are_planned_then_what_would_have_too_long_a_footer_has_no_room() {
        let of = |columns: u64| Footer { bytes: 0, group: columns * COLUMN_SAID_BYTES as u64 };
        assert!(of(10).has_room_for(1 << 40), "the largest version");
        assert!(of(1_000).has_room_for(1 << 34));
        assert!(!of(10_000).has_room_for(1 << 36));
        assert!(!Footer { bytes: MAX_FOOTER_BYTES, ..of(10) }.has_room_for(1));
    }
}
