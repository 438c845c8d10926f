//! Reading segment files back, also those handed over by somebody who may have changed them.
//!
//! Rows and bytes are bounded, every claim is checked against the row's own hash, and a panic inside the Parquet
//! decoder becomes an error: a damaged file gives an answer, not the end of the process.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use arrow::array::{Array, BinaryArray, Int64Array, StringArray};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use domain::Record;
use merkle::leaf_hash;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder, RowSelection, RowSelector};
use parquet::errors::ParquetError;
use parquet::file::reader::ChunkReader;

use super::{LEAF, SegmentError, canonical, from_batch};

/// Most rows of a segment file; the log rolls far below it.
const MAX_ROWS: u64 = 1 << 20;
/// Most bytes that the rows of one file may take in memory.
const MAX_BYTES: u64 = 2 << 30;
/// Rows decoded at a time.
const BATCH_ROWS: usize = 1024;

/// One sealed payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadRow {
    /// Number of the record in its incarnation.
    pub node_seq: i64,
    /// Which inference.
    pub inference_id: String,
    /// Classification, which names one of its keys.
    pub classification: String,
    /// Day of its period key, `yyyy-mm-dd`.
    pub day: String,
    /// Which subject key it is sealed under, 16 bytes.
    pub subject_ref: [u8; 16],
    /// The ciphertext; the record's `ct_sha256` is its SHA-256.
    pub ct: Vec<u8>,
}

/// Whose payload a row is, and which keys it is sealed under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadOwner {
    /// Classification, which names one of its keys.
    pub classification: String,
    /// Day of its period key, `yyyy-mm-dd`.
    pub day: String,
    /// Which subject key it is sealed under, 16 bytes.
    pub subject_ref: [u8; 16],
}

/// The records of a core file in order. Each row is compared with its `leaf` column; whether the leaves are the ones
/// that were sealed, only their root in the ledger tells.
///
/// # Errors
/// What is wrong with the file.
pub fn read_core<R: Record>(path: &Path) -> Result<Vec<R>, SegmentError> {
    let file = open(path)?;
    guarded(|| cores(file))
}

/// As [`read_core`], from bytes in memory.
///
/// # Errors
/// What is wrong with the bytes.
pub fn read_core_bytes<R: Record>(bytes: Vec<u8>) -> Result<Vec<R>, SegmentError> {
    guarded(|| cores(Bytes::from(bytes)))
}

/// The payloads of the records whose `node_seq` is wanted. Ciphertexts of other records are not read.
///
/// # Errors
/// What is wrong with the file.
pub fn read_payloads(path: &Path, want: impl Fn(i64) -> bool) -> Result<Vec<PayloadRow>, SegmentError> {
    guarded(|| payloads(|| open(path), &want))
}

/// Whose payloads a file holds, row by row: all but the ciphertexts, which are not read.
///
/// # Errors
/// What is wrong with the file.
pub fn read_owners(path: &Path) -> Result<Vec<PayloadOwner>, SegmentError> {
    guarded(|| owners(open(path)?))
}

/// As [`read_payloads`], from bytes in memory.
///
/// # Errors
/// What is wrong with the bytes.
pub fn read_payloads_bytes(bytes: Vec<u8>, want: impl Fn(i64) -> bool) -> Result<Vec<PayloadRow>, SegmentError> {
    let bytes = Bytes::from(bytes);
    guarded(|| payloads(|| Ok(bytes.clone()), &want))
}

fn open(path: &Path) -> Result<File, SegmentError> {
    let io = |source: io::Error| SegmentError::Io { path: path.display().to_string(), source };
    let file = File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.is_file() { Ok(file) } else { Err(io(io::ErrorKind::InvalidInput.into())) }
}

/// The Parquet decoder asserts in places what it has not checked before.
fn guarded<T>(read: impl FnOnce() -> Result<T, SegmentError>) -> Result<T, SegmentError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| {
        let what = "its structure contradicts itself".to_owned();
        Err(SegmentError::Parquet(ParquetError::General(what)))
    })
}

fn cores<R: Record>(file: impl ChunkReader + 'static) -> Result<Vec<R>, SegmentError> {
    let metadata = ArrowReaderMetadata::load(&file, Default::default())?;
    check_rows(&metadata)?;
    let names = R::FIELDS.iter().map(|field| field.name).chain([LEAF]);
    let mask = ProjectionMask::columns(metadata.parquet_schema(), names);
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
        .with_projection(mask)
        .with_batch_size(BATCH_ROWS)
        .build()?;
    let mut budget = Budget::default();
    let mut cores: Vec<R> = Vec::new();
    for batch in reader {
        let batch = batch?;
        budget.take(&batch)?;
        let read: Vec<R> = from_batch(&batch)?;
        check_leaves(&batch, &read, cores.len())?;
        cores.extend(read);
    }
    Ok(cores)
}

fn check_leaves<R: Record>(batch: &RecordBatch, cores: &[R], before: usize) -> Result<(), SegmentError> {
    let column = canonical(batch, LEAF, &DataType::Binary)?;
    let column = as_binary(&column, LEAF)?;
    let wrong = cores.iter().zip(column).position(|(core, leaf)| leaf != Some(&leaf_hash(&core.encode())[..]));
    match wrong {
        Some(row) => Err(SegmentError::Leaf { row: before + row }),
        None => Ok(()),
    }
}

fn payloads<R: ChunkReader + 'static>(
    open: impl Fn() -> Result<R, SegmentError>,
    want: &dyn Fn(i64) -> bool,
) -> Result<Vec<PayloadRow>, SegmentError> {
    let file = open()?;
    let metadata = ArrowReaderMetadata::load(&file, Default::default())?;
    check_rows(&metadata)?;
    let mut budget = Budget::default();
    let numbers = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone())
        .with_projection(ProjectionMask::columns(metadata.parquet_schema(), ["node_seq"]))
        .with_batch_size(BATCH_ROWS)
        .build()?;
    let mut selectors = Vec::new();
    for batch in numbers {
        let batch = batch?;
        budget.take(&batch)?;
        let column = canonical(&batch, "node_seq", &DataType::Int64)?;
        let wanted = as_int(&column, "node_seq")?.iter().map(|number| number.is_some_and(want));
        selectors.extend(wanted.map(|wanted| RowSelector { row_count: 1, skip: !wanted }));
    }
    let mut rows = Vec::new();
    if selectors.iter().all(|selector| selector.skip) {
        return Ok(rows);
    }
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(open()?, metadata)
        .with_row_selection(RowSelection::from(selectors))
        .with_batch_size(64)
        .build()?;
    for batch in reader {
        let batch = batch?;
        budget.take(&batch)?;
        payload_rows(&batch, &mut rows)?;
    }
    Ok(rows)
}

fn payload_rows(batch: &RecordBatch, rows: &mut Vec<PayloadRow>) -> Result<(), SegmentError> {
    let column = |name: &str, data_type: DataType| {
        let array = canonical(batch, name, &data_type)?;
        match array.null_count() {
            0 => Ok(array),
            _ => Err(bad(name, "has no value in some row, but must have one in each")),
        }
    };
    let (seq, id) = (column("node_seq", DataType::Int64)?, column("inference_id", DataType::Utf8)?);
    let (class, day) = (column("classification", DataType::Utf8)?, column("day", DataType::Utf8)?);
    let (subject, ct) = (column("subject_ref", DataType::Binary)?, column("ct", DataType::Binary)?);
    let seq = as_int(&seq, "node_seq")?;
    let (id, class, day) = (as_text(&id, "inference_id")?, as_text(&class, "classification")?, as_text(&day, "day")?);
    let (subject, ct) = (as_binary(&subject, "subject_ref")?, as_binary(&ct, "ct")?);
    for row in 0..batch.num_rows() {
        rows.push(PayloadRow {
            node_seq: seq.value(row),
            inference_id: id.value(row).into(),
            classification: class.value(row).into(),
            day: day.value(row).into(),
            subject_ref: subject.value(row).try_into().map_err(|_| bad("subject_ref", "is not 16 bytes long"))?,
            ct: ct.value(row).into(),
        });
    }
    Ok(())
}

fn owners(file: File) -> Result<Vec<PayloadOwner>, SegmentError> {
    let metadata = ArrowReaderMetadata::load(&file, Default::default())?;
    check_rows(&metadata)?;
    let mask = ProjectionMask::columns(metadata.parquet_schema(), ["classification", "day", "subject_ref"]);
    let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata)
        .with_projection(mask)
        .with_batch_size(BATCH_ROWS)
        .build()?;
    let mut budget = Budget::default();
    let mut owners = Vec::new();
    for batch in reader {
        let batch = batch?;
        budget.take(&batch)?;
        let class = canonical(&batch, "classification", &DataType::Utf8)?;
        let (day, subject) =
            (canonical(&batch, "day", &DataType::Utf8)?, canonical(&batch, "subject_ref", &DataType::Binary)?);
        let (class, day) = (as_text(&class, "classification")?, as_text(&day, "day")?);
        let subject = as_binary(&subject, "subject_ref")?;
        for row in 0..batch.num_rows() {
            owners.push(PayloadOwner {
                classification: class.value(row).into(),
                day: day.value(row).into(),
                subject_ref: subject.value(row).try_into().map_err(|_| bad("subject_ref", "is not 16 bytes long"))?,
            });
        }
    }
    Ok(owners)
}

fn check_rows(metadata: &ArrowReaderMetadata) -> Result<(), SegmentError> {
    let rows = metadata.metadata().row_groups().iter().map(|group| u64::try_from(group.num_rows()).unwrap_or(u64::MAX));
    let rows = rows.fold(0_u64, u64::saturating_add);
    if rows > MAX_ROWS { Err(SegmentError::TooLarge { limit: MAX_ROWS, unit: "rows" }) } else { Ok(()) }
}

/// How much of the allowed memory the rows read so far have used.
#[derive(Default)]
struct Budget(u64);

impl Budget {
    fn take(&mut self, batch: &RecordBatch) -> Result<(), SegmentError> {
        self.0 = self.0.saturating_add(batch.get_array_memory_size() as u64);
        if self.0 > MAX_BYTES { Err(SegmentError::TooLarge { limit: MAX_BYTES, unit: "bytes" }) } else { Ok(()) }
    }
}

fn bad(column: &str, what: &str) -> SegmentError {
    SegmentError::Column { column: column.into(), what: what.into() }
}

fn as_int<'a>(array: &'a dyn Array, name: &str) -> Result<&'a Int64Array, SegmentError> {
    array.as_any().downcast_ref().ok_or_else(|| bad(name, "does not hold numbers"))
}

fn as_text<'a>(array: &'a dyn Array, name: &str) -> Result<&'a StringArray, SegmentError> {
    array.as_any().downcast_ref().ok_or_else(|| bad(name, "does not hold text"))
}

fn as_binary<'a>(array: &'a dyn Array, name: &str) -> Result<&'a BinaryArray, SegmentError> {
    array.as_any().downcast_ref().ok_or_else(|| bad(name, "does not hold bytes"))
}
