//! Parquet. What the file says of itself is held against what is there before anything is unpacked.

use std::io::BufReader;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::parquet::arrow::ProjectionMask;
use datafusion::parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use datafusion::parquet::basic::Type as Physical;
use datafusion::parquet::errors::{ParquetError, Result as ParquetResult};
use datafusion::parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use datafusion::parquet::file::reader::{ChunkReader, Length};

use super::anew::Footer;
use super::arrow_file::{in_order, times_are_possible};
use super::read::{BATCH_ROWS, Batches, Cursor, Group, MAX_COLUMNS, malformed, names_are_good, recovered};
use super::{RangeRead, RowsError, pages};

/// The longest footer.
pub(super) const MAX_FOOTER_BYTES: u64 = 64 << 20;

/// Rows that a byte may stand for: columns of one value are written very short.
const MAX_ROWS_A_BYTE: u64 = 8192;

/// A version of this form.
pub(super) struct ParquetFile {
    chunks: Chunks,
    metadata: ArrowReaderMetadata,
    groups: Vec<Group>,
}

/// The bytes, as the reader of Parquet asks for them.
#[derive(Clone)]
struct Chunks(Arc<dyn RangeRead>);

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl ChunkReader for Chunks {
    type T = BufReader<Cursor>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        Ok(BufReader::with_capacity(4096, Cursor::new(&self.0, start)))
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<bytes::Bytes> {
        let end = start.checked_add(length as u64).filter(|end| *end <= self.0.len());
        if end.is_none() {
            return Err(ParquetError::EOF("a range behind the end".into()));
        }
        let mut piece = vec![0; length];
        self.0.read_at(start, &mut piece)?;
        Ok(piece.into())
    }
}

impl ParquetFile {
    pub(super) fn open(bytes: Arc<dyn RangeRead>) -> Result<Self, RowsError> {
        footer_is_there(&*bytes)?;
        let chunks = Chunks(bytes);
        // Types as the format has them: hints for one reader need not fit them.
        let options = || ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let plain = ArrowReaderMetadata::load(&chunks, options()).map_err(|error| refused("footer", error))?;
        let names = plain.schema().fields().iter().map(|field| field.name().as_str());
        names_are_good("footer", names)?;
        if plain.parquet_schema().num_columns() > MAX_COLUMNS {
            return malformed(format!("footer: there are more than {MAX_COLUMNS} columns"));
        }
        let groups = groups(&plain, chunks.0.len())?;
        // Text is looked at where it was unpacked, so that a long text that comes often is in memory once.
        let fields: Vec<Field> = plain.schema().fields().iter().map(|field| in_place(field)).collect();
        let metadata = Arc::clone(plain.metadata());
        let metadata = ArrowReaderMetadata::try_new(metadata, options().with_schema(Arc::new(Schema::new(fields))));
        Ok(Self { chunks, metadata: metadata.map_err(|error| refused("footer", error))?, groups })
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        self.metadata.schema()
    }

    pub(super) fn groups(&self) -> usize {
        self.groups.len()
    }

    pub(super) fn metadata(&self) -> &ParquetMetaData {
        self.metadata.metadata()
    }

    fn group_metadata(&self, group: usize) -> &RowGroupMetaData {
        self.metadata().row_group(group)
    }

    /// Looks at the headers of all pages, before any reader believes them.
    pub(super) fn is_bounded(&self) -> Result<(), RowsError> {
        (0..self.groups()).try_for_each(|group| self.group_is_bounded(group))
    }

    fn group_is_bounded(&self, group: usize) -> Result<(), RowsError> {
        for (at, column) in self.group_metadata(group).columns().iter().enumerate() {
            let (from, length) = column.byte_range();
            let place = format!("row group {group}, column {}", at + 1);
            pages::are_bounded(&*self.chunks.0, from, from + length, &place)?;
        }
        Ok(())
    }

    /// Whether all columns are of types that are written here as they are read, and few enough for what they have.
    pub(super) fn can_be_written_alike(&self) -> Result<(), RowsError> {
        let chunks = self.metadata().row_groups().iter().flat_map(|group| group.columns());
        let bytes = chunks.map(|chunk| u64::try_from(chunk.uncompressed_size()).unwrap_or(0));
        let bytes = bytes.fold(0, u64::saturating_add);
        let columns = self.metadata.parquet_schema().columns();
        if !Footer::without_groups(self.metadata()).has_room_for(bytes) {
            return malformed(format!(
                "its {} columns have {bytes} bytes: written anew its footer would have more than {MAX_FOOTER_BYTES}, and \
                 nobody's rows could be taken out: store it as several versions, or with fewer columns, to say whom \
                 rows are about",
                columns.len()
            ));
        }
        match columns.iter().find(|column| column.physical_type() == Physical::INT96) {
            None => Ok(()),
            Some(column) => malformed(format!(
                "column `{}` has times as INT96, which are not written any more: write them as INT64, to say whom rows are \
                 about",
                column.name()
            )),
        }
    }

    /// Reads all, group by group.
    pub(super) fn survey(&self) -> Result<(u64, Vec<Group>), RowsError> {
        let all: Vec<usize> = (0..self.schema().fields().len()).collect();
        let mut total = 0_u64;
        for group in 0..self.groups() {
            let place = format!("row group {group}");
            self.group_is_bounded(group)?;
            let mut rows = 0_u64;
            for batch in self.batches(&all, vec![group])? {
                let batch = batch?;
                times_are_possible(&batch, &place)?;
                rows += batch.num_rows() as u64;
            }
            let said = self.group_metadata(group).num_rows();
            if u64::try_from(said) != Ok(rows) {
                return malformed(format!("{place}: its metadata says that it has {said} rows, and it has {rows}"));
            }
            total += rows;
        }
        Ok((total, self.groups.clone()))
    }

    pub(super) fn batches(&self, projection: &[usize], groups: Vec<usize>) -> Result<Batches, RowsError> {
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), projection.iter().copied());
        let place = match groups.as_slice() {
            [one] => format!("row group {one}"),
            _ => "a row group".to_owned(),
        };
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.chunks.clone(), self.metadata.clone());
        let builder = builder.with_projection(mask).with_row_groups(groups).with_batch_size(BATCH_ROWS);
        let reader = builder.build().map_err(|error| refused(&place, error))?;
        let projection = projection.to_vec();
        Ok(Box::new(reader.map(move |batch| {
            // The reader's own text may repeat a value.
            let batch = batch.or_else(|_| malformed(format!("{place}: its pages are not as its metadata says")))?;
            in_order(&batch, &projection)
        })))
    }
}

fn footer_is_there(bytes: &dyn RangeRead) -> Result<(), RowsError> {
    let Some(at) = bytes.len().checked_sub(8).filter(|at| *at >= 4) else {
        return malformed("footer: the file ends before there could be one");
    };
    let mut end = [0; 8];
    bytes.read_at(at, &mut end)?;
    let [a, b, c, d, magic @ ..] = end;
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    if magic != *b"PAR1" {
        return malformed("footer: the file does not end with `PAR1`: was it cut off?");
    }
    if length > at - 4 {
        return malformed(format!(
            "footer: it claims to be {length} bytes long, and the file has {} before it",
            at - 4
        ));
    }
    if length > MAX_FOOTER_BYTES {
        return malformed(format!("footer: it claims to be {length} bytes long, and {MAX_FOOTER_BYTES} is the most"));
    }
    let mut footer = vec![0; usize::try_from(length).unwrap_or_default()];
    bytes.read_at(at - length, &mut footer)?;
    match pages::footer_is_bounded(&footer) {
        true => Ok(()),
        false => malformed("footer: it is not as the format says, or claims more than there is"),
    }
}

/// The row groups, if what is said of them can be.
fn groups(metadata: &ArrowReaderMetadata, length: u64) -> Result<Vec<Group>, RowsError> {
    let metadata = metadata.metadata();
    let mut groups = Vec::with_capacity(metadata.num_row_groups());
    let mut rows = 0_i64;
    for (at, group) in metadata.row_groups().iter().enumerate() {
        let place = format!("row group {at}");
        rows = match rows.checked_add(group.num_rows()) {
            Some(sum) if group.num_rows() >= 0 => sum,
            _ => return malformed(format!("{place}: its metadata says that it has {} rows", group.num_rows())),
        };
        let (mut from, mut to) = (u64::MAX, 0);
        for column in group.columns() {
            let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            let start = u64::try_from(start).ok().filter(|start| *start >= 4);
            let size = u64::try_from(column.compressed_size()).ok();
            let end = start.zip(size).and_then(|(start, size)| start.checked_add(size)).filter(|end| *end <= length);
            let (Some(start), Some(end)) = (start, end) else {
                return malformed(format!("{place}: its metadata puts a column where the file has nothing"));
            };
            (from, to) = (from.min(start), to.max(end));
        }
        groups.push(Group { from: from.min(to), to });
    }
    let said = metadata.file_metadata().num_rows();
    if said != rows {
        return malformed(format!("footer: it says that there are {said} rows, and its row groups have {rows}"));
    }
    match u64::try_from(rows).unwrap_or(u64::MAX) / MAX_ROWS_A_BYTE > length {
        true => malformed(format!("footer: it says that there are {rows} rows in {length} bytes")),
        false => Ok(groups),
    }
}

fn in_place(field: &Field) -> Field {
    let kind = match field.data_type() {
        DataType::Utf8 => DataType::Utf8View,
        DataType::Binary => DataType::BinaryView,
        other => other.clone(),
    };
    field.clone().with_data_type(kind)
}

/// What is wrong, without the reader's own text, which may repeat what is in the file.
fn refused(place: &str, error: ParquetError) -> RowsError {
    match error {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(error) => recovered(*error),
            Err(_) => RowsError::Malformed(format!("{place}: it cannot be read")),
        },
        ParquetError::NYI(_) => RowsError::Malformed(format!("{place}: it uses what is not read here")),
        ParquetError::EOF(_) => RowsError::Malformed(format!("{place}: it ends too early")),
        _ => RowsError::Malformed(format!("{place}: it is not as the format says")),
    }
}
