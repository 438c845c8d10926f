//! Files of Arrow's interprocess format. Record batches are read one at a time, each bounded before it is.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use datafusion::arrow::buffer::{Buffer, MutableBuffer};
use datafusion::arrow::compute::{max, min};
use datafusion::arrow::datatypes::{
    ArrowNumericType, ArrowPrimitiveType, DataType, Date32Type, Date64Type, SchemaRef, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use datafusion::arrow::ipc::convert::fb_to_schema;
use datafusion::arrow::ipc::reader::{FileDecoder, read_footer_length};
use datafusion::arrow::ipc::{self, Block, CompressionType, MetadataVersion, root_as_footer, root_as_message};
use datafusion::arrow::record_batch::RecordBatch;

use super::read::{BATCH_ROWS, Batches, Group, malformed, names_are_good};
use super::{RangeRead, RowsError};

/// The longest footer.
const MAX_FOOTER_BYTES: usize = 64 << 20;

/// The largest record batch, and all dictionaries together, unpacked.
pub(super) const MAX_BATCH_BYTES: u64 = 256 << 20;

/// Seconds since the epoch at which the years 1 and 10000 begin.
const YEARS: std::ops::Range<i64> = -62_135_596_800..253_402_300_800;

/// A version of this form.
pub(super) struct ArrowFile {
    bytes: Arc<dyn RangeRead>,
    schema: SchemaRef,
    version: MetadataVersion,
    dictionaries: Vec<Block>,
    blocks: Vec<Block>,
}

impl ArrowFile {
    pub(super) fn open(bytes: Arc<dyn RangeRead>) -> Result<Self, RowsError> {
        let none = || RowsError::Malformed("footer: it is not as the format says: was the file cut off?".into());
        let at = bytes.len().checked_sub(10).filter(|at| *at >= 8).ok_or_else(none)?;
        let mut end = [0; 10];
        bytes.read_at(at, &mut end)?;
        let length = read_footer_length(end).map_err(|_| none())?;
        let start = at.checked_sub(length as u64).filter(|_| length <= MAX_FOOTER_BYTES);
        let start =
            start.ok_or_else(|| RowsError::Malformed(format!("footer: it claims to be {length} bytes long")))?;
        let mut footer = vec![0; length];
        bytes.read_at(start, &mut footer)?;
        let footer = root_as_footer(&footer).map_err(|_| none())?;
        let schema = footer.schema().ok_or_else(none)?;
        if !schema.endianness().equals_to_target_endianness() {
            return malformed("footer: its numbers begin with their last byte: write it in the other order");
        }
        let schema = fb_to_schema(schema);
        names_are_good("footer", schema.fields().iter().map(|field| field.name().as_str()))?;
        let blocks: Vec<Block> = footer.recordBatches().into_iter().flatten().copied().collect();
        let dictionaries: Vec<Block> = footer.dictionaries().into_iter().flatten().copied().collect();
        for (at, block) in blocks.iter().enumerate() {
            is_bounded(block, start, &format!("record batch {at}"))?;
        }
        for block in &dictionaries {
            is_bounded(block, start, "a dictionary")?;
        }
        let version = footer.version();
        Ok(Self { bytes, schema: Arc::new(schema), version, dictionaries, blocks })
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(super) fn groups(&self) -> usize {
        self.blocks.len()
    }

    /// How the first batch is packed, as far as that is known here: other ways are not read either.
    pub(super) fn compression(&self) -> Result<Option<CompressionType>, RowsError> {
        let Some(first) = self.blocks.first() else { return Ok(None) };
        let buffer = self.buffer(first)?;
        let (message, _) = message_of(&buffer, "record batch 0")?;
        let packed = message.header_as_record_batch().and_then(|batch| batch.compression());
        Ok(packed.map(|packed| packed.codec()))
    }

    /// Reads all, batch by batch.
    pub(super) fn survey(&self) -> Result<(u64, Vec<Group>), RowsError> {
        let decoder = self.decoder()?;
        let (mut rows, mut groups) = (0, Vec::with_capacity(self.blocks.len()));
        for (at, block) in self.blocks.iter().enumerate() {
            let place = format!("record batch {at}");
            let batch = self.read(&decoder, block, &place)?;
            times_are_possible(&batch, &place)?;
            rows += batch.num_rows() as u64;
            let (from, length) = place_of(block);
            groups.push(Group { from, to: from + length });
        }
        Ok((rows, groups))
    }

    /// What decodes batches, with the dictionaries that they refer to.
    fn decoder(&self) -> Result<FileDecoder, RowsError> {
        let mut decoder = FileDecoder::new(Arc::clone(&self.schema), self.version);
        let mut room = MAX_BATCH_BYTES;
        for block in &self.dictionaries {
            let buffer = self.buffer(block)?;
            let unpacked = unpacked_bytes(&buffer, "a dictionary")?;
            room = room.checked_sub(unpacked).ok_or_else(|| too_large("the dictionaries"))?;
            let read = decoder.read_dictionary(block, &buffer);
            read.or_else(|_| malformed("a dictionary: it is not as the format says"))?;
        }
        Ok(decoder)
    }

    fn read(&self, decoder: &FileDecoder, block: &Block, place: &str) -> Result<RecordBatch, RowsError> {
        let buffer = self.buffer(block)?;
        let unpacked = unpacked_bytes(&buffer, place)?;
        if unpacked > MAX_BATCH_BYTES {
            return Err(too_large(place));
        }
        let batch = match decoder.read_record_batch(block, &buffer) {
            Ok(Some(batch)) => batch,
            Ok(None) => return malformed(format!("{place}: there is none, where the footer says that there is one")),
            Err(_) => return malformed(format!("{place}: it is not as the format says")),
        };
        // A value takes a bit at least; only columns of nothing take less.
        match batch.num_rows() as u64 > 8 * (unpacked + buffer.len() as u64) {
            true => malformed(format!("{place}: it says that it has {} rows, without values", batch.num_rows())),
            false => Ok(batch),
        }
    }

    fn buffer(&self, block: &Block) -> Result<Buffer, RowsError> {
        let (from, length) = place_of(block);
        let mut buffer = MutableBuffer::from_len_zeroed(usize::try_from(length).unwrap_or_default());
        self.bytes.read_at(from, buffer.as_slice_mut())?;
        Ok(buffer.into())
    }

    pub(super) fn batches(&self, projection: &[usize], groups: Vec<usize>) -> Result<Batches, RowsError> {
        let file = Self {
            bytes: Arc::clone(&self.bytes),
            schema: Arc::clone(&self.schema),
            version: self.version,
            dictionaries: vec![],
            blocks: groups.iter().filter_map(|at| self.blocks.get(*at)).copied().collect(),
        };
        let (decoder, projection) = (self.decoder()?, projection.to_vec());
        let whole = (0..file.blocks.len()).map(move |at| {
            let batch = file.read(&decoder, &file.blocks[at], "a record batch")?;
            batch
                .project(&projection)
                .or_else(|_| malformed("a record batch: it has other columns than the footer says"))
        });
        Ok(Box::new(whole.flat_map(|batch| {
            let rows = batch.as_ref().map_or(1, RecordBatch::num_rows);
            let piece = move |from| match &batch {
                Ok(batch) => Ok(batch.slice(from, BATCH_ROWS.min(batch.num_rows() - from))),
                Err(error) => malformed(error.to_string()),
            };
            (0..rows).step_by(BATCH_ROWS).map(piece)
        })))
    }
}

fn too_large(place: &str) -> RowsError {
    RowsError::Malformed(format!("{place}: more than {MAX_BATCH_BYTES} bytes: write smaller record batches"))
}

/// Where a block is, once it is known to be bounded.
fn place_of(block: &Block) -> (u64, u64) {
    let length = u64::try_from(block.metaDataLength()).unwrap_or(0) + u64::try_from(block.bodyLength()).unwrap_or(0);
    (u64::try_from(block.offset()).unwrap_or(0), length)
}

fn is_bounded(block: &Block, end: u64, place: &str) -> Result<(), RowsError> {
    let negative = block.offset() < 8 || block.metaDataLength() < 8 || block.bodyLength() < 0;
    let (from, length) = place_of(block);
    if negative || from.checked_add(length).is_none_or(|to| to > end) {
        return malformed(format!("{place}: the footer puts it where the file has nothing"));
    }
    if length > MAX_BATCH_BYTES { Err(too_large(place)) } else { Ok(()) }
}

/// The message of a block, and what follows it.
fn message_of<'b>(buffer: &'b Buffer, place: &str) -> Result<(ipc::Message<'b>, &'b [u8]), RowsError> {
    let none = || RowsError::Malformed(format!("{place}: it is not as the format says"));
    let marked = buffer.get(..4).ok_or_else(none)? == [0xff; 4];
    let prefix = if marked { 8 } else { 4 };
    let length = buffer.get(prefix - 4..prefix).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()).ok_or_else(none)?;
    let length = usize::try_from(u32::from_le_bytes(length)).map_err(|_| none())?;
    let message = root_as_message(buffer.get(prefix..).ok_or_else(none)?).map_err(|_| none())?;
    Ok((message, buffer.get(prefix + length..).unwrap_or_default()))
}

/// How long the values of a block claim to be when they are unpacked.
fn unpacked_bytes(buffer: &Buffer, place: &str) -> Result<u64, RowsError> {
    let none = || RowsError::Malformed(format!("{place}: it is not as the format says"));
    let (message, body) = message_of(buffer, place)?;
    let batch = match message.header_as_dictionary_batch() {
        Some(dictionary) => dictionary.data(),
        None => message.header_as_record_batch(),
    };
    let batch: ipc::RecordBatch<'_> = batch.ok_or_else(none)?;
    let mut unpacked = 0_u64;
    for part in batch.buffers().into_iter().flatten() {
        let (from, length) = (usize::try_from(part.offset()), usize::try_from(part.length()));
        let (Ok(from), Ok(length)) = (from, length) else { return Err(none()) };
        let bytes = from.checked_add(length).and_then(|to| body.get(from..to)).ok_or_else(none)?;
        // Packed values begin with their length unpacked; -1 says that they are not packed after all.
        let claimed = bytes.first_chunk::<8>().map(|first| i64::from_le_bytes(*first));
        let claimed = claimed.filter(|claimed| batch.compression().is_some() && *claimed != -1);
        let claimed = u64::try_from(claimed.unwrap_or(0)).map_err(|_| none())?;
        unpacked = unpacked.saturating_add(claimed.max(length as u64));
    }
    Ok(unpacked)
}

/// The columns of a batch, which are those of `projection` in the order of the file, in the order of `projection`.
pub(super) fn in_order(batch: &RecordBatch, projection: &[usize]) -> Result<RecordBatch, RowsError> {
    let mut sorted = projection.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let places: Option<Vec<usize>> = projection.iter().map(|at| sorted.binary_search(at).ok()).collect();
    let ordered = places.and_then(|places| batch.project(&places).ok());
    ordered.ok_or_else(|| RowsError::Malformed("a row group: it has other columns than the footer says".into()))
}

/// Whether all points in time are in the years 1 to 9999, beyond which other programs read them as something else.
pub(super) fn times_are_possible(batch: &RecordBatch, place: &str) -> Result<(), RowsError> {
    for (at, column) in batch.columns().iter().enumerate() {
        let range = match column.data_type() {
            DataType::Timestamp(TimeUnit::Second, _) => seconds::<TimestampSecondType>(column, 1),
            DataType::Timestamp(TimeUnit::Millisecond, _) => seconds::<TimestampMillisecondType>(column, 1000),
            DataType::Timestamp(TimeUnit::Microsecond, _) => seconds::<TimestampMicrosecondType>(column, 1_000_000),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => seconds::<TimestampNanosecondType>(column, 1_000_000_000),
            DataType::Date64 => seconds::<Date64Type>(column, 1000),
            DataType::Date32 => days(column),
            _ => None,
        };
        if range.is_some_and(|(first, last)| !YEARS.contains(&first) || !YEARS.contains(&last)) {
            let name = batch.schema_ref().field(at).name();
            return malformed(format!("{place}: column `{name}` has a time out of range: years are 1 to 9999"));
        }
    }
    Ok(())
}

/// The first and the last second of a column of times that are counted in so many units a second.
fn seconds<T: ArrowNumericType + ArrowPrimitiveType<Native = i64>>(
    column: &ArrayRef,
    units: i64,
) -> Option<(i64, i64)> {
    let column: &PrimitiveArray<T> = column.as_primitive_opt()?;
    Some((min(column)?.div_euclid(units), max(column)?.div_euclid(units)))
}

fn days(column: &ArrayRef) -> Option<(i64, i64)> {
    let column: &PrimitiveArray<Date32Type> = column.as_primitive_opt()?;
    Some((i64::from(min(column)?) * 86_400, i64::from(max(column)?) * 86_400))
}
