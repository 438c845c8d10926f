//! Rows of a segment's Parquet file as records, so that each can be hashed again from its columns.
//!
//! The file comes from anybody. Its size in memory is bounded before it is decoded, and a panic inside the Parquet
//! decoder is an error like any other: a damaged file gives an answer, not the end of the process.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::{Array, BinaryArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use bytes::Bytes;
use domain::Record;
use domain::record::{Field, Kind, Value};
use merkle::{Hash, leaf_hash};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};

/// Most bytes that the columns of one file may take before they are encoded: a segment has 65,536 records at most.
const MAX_BYTES: i64 = 1 << 30;

/// Rows decoded at a time.
const BATCH_ROWS: usize = 4096;

/// One row.
pub(crate) struct Row<R> {
    /// The record in its columns.
    pub core: R,
    /// The leaf of that record.
    pub leaf: Hash,
    /// Whether the column `leaf` says the same.
    pub leaf_fits: bool,
}

/// The rows of a core file, in order; what is wrong with it otherwise. At most `most` rows are read.
pub(crate) fn rows<R: Record>(file: Bytes, most: u64) -> Result<Vec<Row<R>>, String> {
    let read = AssertUnwindSafe(|| decode(file, most));
    catch_unwind(read).unwrap_or_else(|_| Err("its structure contradicts itself".to_owned()))
}

fn decode<R: Record>(file: Bytes, most: u64) -> Result<Vec<Row<R>>, String> {
    let metadata = ArrowReaderMetadata::load(&file, Default::default()).map_err(|error| error.to_string())?;
    let groups = metadata.metadata().row_groups();
    let sum = |of: fn(&_) -> i64| groups.iter().fold(0_i64, |sum, group| sum.saturating_add(of(group).max(0)));
    let (found, bytes) = (sum(|group| group.num_rows()), sum(|group| group.total_byte_size()));
    if found.unsigned_abs() > most {
        return Err(format!("it has {found} rows, the most that are read here are {most}"));
    }
    if bytes > MAX_BYTES {
        return Err(format!("its columns take {bytes} bytes, more than a segment can have"));
    }
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata).with_batch_size(BATCH_ROWS);
    let mut rows = Vec::new();
    for batch in reader.build().map_err(|error| error.to_string())? {
        let batch = batch.map_err(|error| error.to_string())?;
        read_batch(&batch, &mut rows)?;
    }
    Ok(rows)
}

fn read_batch<R: Record>(batch: &RecordBatch, rows: &mut Vec<Row<R>>) -> Result<(), String> {
    let mut cores = vec![R::default(); batch.num_rows()];
    for field in R::FIELDS {
        let column = batch.column_by_name(field.name).ok_or_else(|| format!("column `{}` is missing", field.name))?;
        for (row, core) in cores.iter_mut().enumerate() {
            fill(field, column, row, core).map_err(|what| format!("column `{}` {what} in row {row}", field.name))?;
        }
    }
    let leaves = batch.column_by_name("leaf").and_then(|column| column.as_any().downcast_ref::<BinaryArray>());
    let leaves = leaves.ok_or("column `leaf` is missing or does not hold bytes")?;
    rows.extend(cores.into_iter().zip(leaves).map(|(core, said)| {
        let leaf = leaf_hash(&core.encode());
        Row { leaf_fits: said == Some(&leaf[..]), leaf, core }
    }));
    Ok(())
}

fn fill<R: Record>(field: &Field, column: &dyn Array, row: usize, core: &mut R) -> Result<(), &'static str> {
    if column.is_null(row) {
        return if field.optional { Ok(()) } else { Err("has no value") };
    }
    let any = column.as_any();
    let value = match field.kind {
        Kind::Text => any.downcast_ref::<StringArray>().map(|array| Value::Text(array.value(row))),
        Kind::Bytes => any.downcast_ref::<BinaryArray>().map(|array| Value::Bytes(array.value(row))),
        Kind::Int => any.downcast_ref::<Int64Array>().map(|array| Value::Int(array.value(row))),
        Kind::Time => any.downcast_ref::<TimestampMicrosecondArray>().map(|array| Value::Int(array.value(row))),
    };
    let put = value.zip(core.slot(field.id)).is_some_and(|(value, slot)| slot.put(value));
    if put { Ok(()) } else { Err("does not hold what it should") }
}
