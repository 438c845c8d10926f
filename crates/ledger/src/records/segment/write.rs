//! Writing the files of a segment in one pass, with bounded memory.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, Int64Array, StringArray};
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use domain::Record;
use domain::record::{Kind, Value, common};
use merkle::Hash;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::ColumnPath;
use sha2::{Digest, Sha256};

use super::{LEAF, PayloadRow, Place, SegmentError, batch_with_leaves, core_schema, payload_schema};
use crate::vfs::VfsFile;

/// Rows in one call of the Parquet writer.
const CHUNK_ROWS: usize = 1024;
/// Payload bytes in one call, and so about the size of a payload row group: what a reader of one payload decodes.
const CHUNK_BYTES: usize = 4 << 20;
const BUFFER_BYTES: usize = 1 << 20;

/// A record as it goes into the files.
pub(crate) struct Sealing<R> {
    pub core: R,
    pub leaf: Hash,
    pub subject_ref: [u8; 16],
    pub ct: Vec<u8>,
}

/// A finished file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    pub sha256: Hash,
    pub len: u64,
}

/// Writes core and payload file side by side; the latter for a kind that has payloads.
pub(crate) struct SegmentWriter<'a, R> {
    place: Place<'a>,
    core: ArrowWriter<BufWriter<Output>>,
    payload: Option<ArrowWriter<BufWriter<Output>>>,
    chunk: Vec<Sealing<R>>,
    chunk_bytes: usize,
}

impl<'a, R: Record> SegmentWriter<'a, R> {
    pub fn new(
        place: Place<'a>,
        core: Box<dyn VfsFile>,
        payload: Option<Box<dyn VfsFile>>,
    ) -> Result<Self, SegmentError> {
        let writer = |file, schema: SchemaRef, properties| {
            ArrowWriter::try_new(BufWriter::with_capacity(BUFFER_BYTES, Output::new(file)), schema, Some(properties))
        };
        Ok(Self {
            place,
            core: writer(core, core_schema::<R>(), core_properties::<R>()?)?,
            payload: payload.map(|file| writer(file, payload_schema(), payload_properties())).transpose()?,
            chunk: Vec::with_capacity(CHUNK_ROWS),
            chunk_bytes: 0,
        })
    }

    /// Adds the next record.
    pub fn push(&mut self, record: Sealing<R>) -> Result<(), SegmentError> {
        self.chunk_bytes += record.ct.len();
        self.chunk.push(record);
        if self.chunk.len() >= CHUNK_ROWS || self.chunk_bytes >= CHUNK_BYTES {
            self.write_chunk()?;
        }
        Ok(())
    }

    /// Writes what is left and makes the files durable; core first.
    pub fn finish(mut self) -> Result<(Finished, Option<Finished>), SegmentError> {
        self.write_chunk()?;
        Ok((close(self.core)?, self.payload.map(close).transpose()?))
    }

    fn write_chunk(&mut self) -> Result<(), SegmentError> {
        let chunk = std::mem::take(&mut self.chunk);
        if chunk.is_empty() {
            return Ok(());
        }
        if let Some(payload) = &mut self.payload {
            payload.write(&payload_batch(&chunk, self.place)?)?;
            // A row group for each chunk, so that neither we nor a reader of one payload hold more than a chunk.
            payload.flush()?;
        }
        let leaves: Vec<Hash> = chunk.iter().map(|record| record.leaf).collect();
        let cores: Vec<R> = chunk.into_iter().map(|record| record.core).collect();
        self.core.write(&batch_with_leaves(&cores, &leaves, Some(self.place))?)?;
        self.chunk_bytes = 0;
        Ok(())
    }
}

/// The columns that a payload row takes from its record are found by name: each is a field of the kind.
fn payload_batch<R: Record>(chunk: &[Sealing<R>], place: Place<'_>) -> Result<RecordBatch, SegmentError> {
    let field = |name: &str| R::FIELDS.iter().find(|field| field.name == name).map_or(0, |field| field.id);
    let text = |id: u16| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(chunk.iter().map(|record| match record.core.get(id) {
            Some(Value::Text(text)) => text,
            _ => "",
        })))
    };
    let int = |of: &dyn Fn(&R) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(chunk.iter().map(|record| of(&record.core))))
    };
    let segment = i64::try_from(place.segment).unwrap_or(i64::MAX);
    let columns: Vec<ArrayRef> = vec![
        text(common::NODE),
        int(&|core| core.place().0),
        int(&|core| core.place().1),
        text(common::ID),
        text(field("classification")),
        text(field("day")),
        Arc::new(BinaryArray::from_iter_values(chunk.iter().map(|record| &record.subject_ref))),
        Arc::new(BinaryArray::from_iter_values(chunk.iter().map(|record| &record.ct))),
        int(&|_| segment),
        Arc::new(StringArray::from_iter_values(chunk.iter().map(|_| place.day))),
    ];
    Ok(RecordBatch::try_new(payload_schema(), columns)?)
}

/// Writes payload rows that were read from a file of a segment into another, and makes it durable.
pub(crate) fn write_payloads(
    file: Box<dyn VfsFile>,
    rows: &[PayloadRow],
    (node, incarnation): (&str, i64),
    place: Place<'_>,
) -> Result<Finished, SegmentError> {
    let output = BufWriter::with_capacity(BUFFER_BYTES, Output::new(file));
    let mut writer = ArrowWriter::try_new(output, payload_schema(), Some(payload_properties()))?;
    let (mut from, mut bytes) = (0, 0);
    for (at, row) in rows.iter().enumerate() {
        bytes += row.ct.len();
        if at + 1 - from >= CHUNK_ROWS || bytes >= CHUNK_BYTES || at + 1 == rows.len() {
            writer.write(&kept_batch(&rows[from..=at], node, incarnation, place)?)?;
            writer.flush()?;
            (from, bytes) = (at + 1, 0);
        }
    }
    close(writer)
}

fn kept_batch(
    rows: &[PayloadRow],
    node: &str,
    incarnation: i64,
    place: Place<'_>,
) -> Result<RecordBatch, SegmentError> {
    let text =
        |of: &dyn Fn(&PayloadRow) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(rows.iter().map(of))) };
    let segment = i64::try_from(place.segment).unwrap_or(i64::MAX);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|_| node))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|_| incarnation))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.node_seq))),
        text(&|row| &row.inference_id),
        text(&|row| &row.classification),
        text(&|row| &row.day),
        Arc::new(BinaryArray::from_iter_values(rows.iter().map(|row| &row.subject_ref))),
        Arc::new(BinaryArray::from_iter_values(rows.iter().map(|row| &row.ct))),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|_| segment))),
        Arc::new(StringArray::from_iter_values(rows.iter().map(|_| place.day))),
    ];
    Ok(RecordBatch::try_new(payload_schema(), columns)?)
}

/// How core files are written.
///
/// # Errors
/// None in practice: [`SegmentError::Parquet`] when the level of compression is not one of the codec's.
pub fn core_properties<R: Record>() -> Result<WriterProperties, SegmentError> {
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by("counterfoil".into())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(1)?));
    // Values that are different in every row make a dictionary that only costs, and random bytes have no useful range.
    let random = R::FIELDS.iter().filter(|field| field.kind == Kind::Bytes).map(|field| field.name).chain([LEAF]);
    for name in random {
        properties = properties
            .set_column_dictionary_enabled(ColumnPath::from(name), false)
            .set_column_statistics_enabled(ColumnPath::from(name), EnabledStatistics::None);
    }
    let unique = [common::ID, common::NODE_SEQ, common::TS_START, common::TS_END];
    for field in R::FIELDS.iter().filter(|field| unique.contains(&field.id)) {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(field.name), false);
    }
    Ok(properties.build())
}

fn payload_properties() -> WriterProperties {
    WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by("counterfoil".into())
        // Ciphertext does not compress.
        .set_compression(Compression::UNCOMPRESSED)
        .set_column_dictionary_enabled(ColumnPath::from("ct"), false)
        .set_column_encoding(ColumnPath::from("ct"), Encoding::PLAIN)
        .set_column_statistics_enabled(ColumnPath::from("ct"), EnabledStatistics::None)
        .build()
}

fn close(writer: ArrowWriter<BufWriter<Output>>) -> Result<Finished, SegmentError> {
    let output = writer.into_inner()?.into_inner().map_err(|error| ParquetError::from(error.into_error()))?;
    Ok(output.finish().map_err(ParquetError::from)?)
}

/// A file of the ledger's file system as a stream, hashed as it is written.
struct Output {
    file: Box<dyn VfsFile>,
    at: u64,
    hash: Sha256,
}

impl Output {
    fn new(file: Box<dyn VfsFile>) -> Self {
        Self { file, at: 0, hash: Sha256::new() }
    }

    fn finish(self) -> io::Result<Finished> {
        self.file.sync_data()?;
        Ok(Finished { sha256: self.hash.finalize().into(), len: self.at })
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(bytes, self.at)?;
        self.hash.update(bytes);
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
