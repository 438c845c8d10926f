//! A sealed segment as two tables: cores, which proofs are made of and which are kept, and payloads, which can go.
//!
//! The columns of the core table are the fields of its kind of record, so a record's leaf can be computed again from
//! its row in any language; nothing that is proven depends on how a file is encoded. [`read`] takes files from anybody.

pub mod read;
pub(super) mod write;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field as Column, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use domain::Record;
use domain::record::{Field, Kind, Value};
use merkle::{Hash, leaf_hash};
use parquet::errors::ParquetError;

pub use read::{PayloadOwner, PayloadRow, read_core, read_core_bytes, read_owners, read_payloads, read_payloads_bytes};
pub use write::core_properties;

/// Column of both tables: number of the segment in the incarnation.
pub const SEGMENT: &str = "segment";
/// Column of both tables, and the partition they are stored by: UTC day of the segment's last record, `yyyy-mm-dd`.
pub const SEGMENT_DAY: &str = "segment_day";
/// Column of the core table: the record's leaf, `SHA-256(0x00 || tlv)`.
pub const LEAF: &str = "leaf";

/// Why a file or a batch of rows is not a segment's.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The file could not be opened or read.
    #[error("could not read the segment file `{path}`")]
    Io {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The bytes are not a Parquet file, or a damaged one.
    #[error("the segment file is not valid parquet: {0}; compare its SHA-256 with the one in the ledger")]
    Parquet(#[from] ParquetError),
    /// Rows could not be made or read.
    #[error("the segment's columns cannot be used: {0}")]
    Arrow(#[from] ArrowError),
    /// A column is missing, or of a type that cannot hold its field.
    #[error("column `{column}` {what}")]
    Column {
        /// Its name.
        column: String,
        /// What is wrong with it.
        what: String,
    },
    /// The `leaf` column does not hold the hash of the row it is in: the row or the leaf was changed.
    #[error("row {row} does not hash to its `leaf` column: the row was changed after it was sealed")]
    Leaf {
        /// The row, from 0.
        row: usize,
    },
    /// More rows or bytes than any segment has.
    #[error("the segment file holds more than {limit} {unit}, more than a segment can have")]
    TooLarge {
        /// The most there can be.
        limit: u64,
        /// Of what.
        unit: &'static str,
    },
}

/// Which sealed segment rows belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// Number of the segment in the incarnation.
    pub segment: u64,
    /// The day it is stored under, `yyyy-mm-dd`.
    pub day: &'a str,
}

/// The day that a file of a segment is stored under, by its path.
#[must_use]
pub fn day_of(path: &str) -> Option<&str> {
    path.split('/').find_map(|part| part.strip_prefix(SEGMENT_DAY)?.strip_prefix('='))
}

/// The columns of the core table: one for each of the kind's fields, then [`LEAF`], [`SEGMENT`] and [`SEGMENT_DAY`].
#[must_use]
pub fn core_schema<R: Record>() -> SchemaRef {
    let mut columns: Vec<Column> =
        R::FIELDS.iter().map(|field| Column::new(field.name, data_type(field.kind), field.optional)).collect();
    columns.push(Column::new(LEAF, DataType::Binary, false));
    // Rows that are not sealed yet have neither.
    columns.push(Column::new(SEGMENT, DataType::Int64, true));
    columns.push(Column::new(SEGMENT_DAY, DataType::Utf8, true));
    Arc::new(Schema::new(columns))
}

/// The columns of the payload table.
#[must_use]
pub fn payload_schema() -> SchemaRef {
    let column = |name: &str, data_type| Column::new(name, data_type, false);
    Arc::new(Schema::new(vec![
        column("node", DataType::Utf8),
        column("incarnation", DataType::Int64),
        column("node_seq", DataType::Int64),
        column("inference_id", DataType::Utf8),
        column("classification", DataType::Utf8),
        column("day", DataType::Utf8),
        column("subject_ref", DataType::Binary),
        column("ct", DataType::Binary),
        column(SEGMENT, DataType::Int64),
        column(SEGMENT_DAY, DataType::Utf8),
    ]))
}

/// The leaves of records, in order (RFC 6962 section 2.1 over the byte form of each).
#[must_use]
pub fn leaves<R: Record>(cores: &[R]) -> Vec<Hash> {
    cores.iter().map(|core| leaf_hash(&core.encode())).collect()
}

/// Records as rows of [`core_schema`]; `place` is absent for records that are not sealed yet.
///
/// # Errors
/// [`SegmentError::Arrow`] when the rows cannot be put together.
pub fn to_batch<R: Record>(cores: &[R], place: Option<Place<'_>>) -> Result<RecordBatch, SegmentError> {
    batch_with_leaves(cores, &leaves(cores), place)
}

/// As [`to_batch`], with the leaves already known.
pub(super) fn batch_with_leaves<R: Record>(
    cores: &[R],
    leaves: &[Hash],
    place: Option<Place<'_>>,
) -> Result<RecordBatch, SegmentError> {
    let mut columns: Vec<ArrayRef> = R::FIELDS.iter().map(|field| column(field, cores)).collect();
    columns.push(Arc::new(BinaryArray::from_iter_values(leaves)));
    let rows = cores.len();
    let segment = place.map(|place| i64::try_from(place.segment).unwrap_or(i64::MAX));
    columns.push(Arc::new(Int64Array::from(vec![segment; rows])));
    columns.push(Arc::new(StringArray::from(vec![place.map(|place| place.day); rows])));
    Ok(RecordBatch::try_new(core_schema::<R>(), columns)?)
}

/// The records in rows that have a column for each field, in any order and among others.
///
/// # Errors
/// [`SegmentError::Column`] when a column is missing, of another type, or null where a value must be.
pub fn from_batch<R: Record>(batch: &RecordBatch) -> Result<Vec<R>, SegmentError> {
    let mut cores = vec![R::default(); batch.num_rows()];
    for field in R::FIELDS {
        fill(field, &canonical(batch, field.name, &data_type(field.kind))?, &mut cores)?;
    }
    Ok(cores)
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Text => DataType::Utf8,
        Kind::Int => DataType::Int64,
        // Microseconds in UTC is the one form of time that every engine we know reads without loss.
        Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Kind::Bytes => DataType::Binary,
    }
}

fn column<R: Record>(field: &Field, cores: &[R]) -> ArrayRef {
    let values = cores.iter().map(|core| core.get(field.id));
    let int = |value: Option<Value<'_>>| match value {
        Some(Value::Int(int)) => Some(int),
        _ => None,
    };
    match field.kind {
        Kind::Text => Arc::new(StringArray::from_iter(values.map(|value| match value {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }))),
        Kind::Bytes => Arc::new(BinaryArray::from_iter(values.map(|value| match value {
            Some(Value::Bytes(bytes)) => Some(bytes),
            _ => None,
        }))),
        Kind::Int => Arc::new(Int64Array::from_iter(values.map(int))),
        Kind::Time => Arc::new(TimestampMicrosecondArray::from_iter(values.map(int)).with_timezone("UTC")),
    }
}

/// The column `name` as an array of `wanted`. Other spellings of the same type, as engines produce them, are cast;
/// anything that could change a value is refused.
fn canonical(batch: &RecordBatch, name: &str, wanted: &DataType) -> Result<ArrayRef, SegmentError> {
    let bad = |what: String| SegmentError::Column { column: name.into(), what };
    let array = batch.column_by_name(name).ok_or_else(|| bad("is missing".into()))?;
    let same = match (wanted, array.data_type()) {
        (wanted, found) if wanted == found => return Ok(array.clone()),
        (DataType::Utf8, DataType::LargeUtf8 | DataType::Utf8View) => true,
        (DataType::Binary, DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_)) => true,
        (DataType::Timestamp(unit, _), DataType::Timestamp(found, Some(_))) => unit == found,
        (wanted, DataType::Dictionary(_, values)) => **values == *wanted,
        _ => false,
    };
    if !same {
        return Err(bad(format!("is of type {}, not {wanted}", array.data_type())));
    }
    Ok(arrow::compute::cast(array, wanted)?)
}

fn fill<R: Record>(field: &Field, array: &dyn Array, cores: &mut [R]) -> Result<(), SegmentError> {
    let bad = |what: &str| SegmentError::Column { column: field.name.into(), what: what.into() };
    let any = array.as_any();
    for (row, core) in cores.iter_mut().enumerate() {
        if array.is_null(row) {
            if field.optional {
                continue;
            }
            return Err(bad("has no value in some row, but must have one in each"));
        }
        let value = match field.kind {
            Kind::Text => any.downcast_ref::<StringArray>().map(|array| Value::Text(array.value(row))),
            Kind::Bytes => any.downcast_ref::<BinaryArray>().map(|array| Value::Bytes(array.value(row))),
            Kind::Int => any.downcast_ref::<Int64Array>().map(|array| Value::Int(array.value(row))),
            Kind::Time => any.downcast_ref::<TimestampMicrosecondArray>().map(|array| Value::Int(array.value(row))),
        };
        let put = value.zip(core.slot(field.id)).is_some_and(|(value, slot)| slot.put(value));
        if !put {
            return Err(bad("does not hold what the field holds"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
