//! Comma-separated text with a header. An empty field is NULL.

use std::sync::Arc;

use csv::{Reader, ReaderBuilder, StringRecord};
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};

use super::kind::Kind;
use super::read::{BATCH_ROWS, Batches, Group, malformed, names_are_good, recovered};
use super::text::{BATCH_BYTES, Building, GROUP_ROWS, Guard, Seen};
use super::{RangeRead, RowsError};

/// A version of this form.
pub(super) struct Csv {
    bytes: Arc<dyn RangeRead>,
    schema: SchemaRef,
    kinds: Vec<Kind>,
    rows: u64,
    groups: Vec<Group>,
}

/// Rows one after the other, the header among them.
struct Records {
    reader: Reader<Guard>,
    /// Fields of the header, once it is read.
    fields: Option<usize>,
    record: StringRecord,
}

impl Records {
    fn new(bytes: &Arc<dyn RangeRead>, looks: bool) -> Self {
        let mut builder = ReaderBuilder::new();
        builder.has_headers(false).flexible(true).buffer_capacity(1 << 20);
        let reader = builder.from_reader(Guard::new(bytes, looks));
        Self { reader, fields: None, record: StringRecord::new() }
    }

    /// The next row, and its line.
    fn next(&mut self) -> Result<Option<(&StringRecord, u64)>, RowsError> {
        let more = self.reader.read_record(&mut self.record).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) => recovered(error),
            csv::ErrorKind::Utf8 { pos, .. } => {
                let line = pos.map_or(0, |pos| pos.line());
                RowsError::Malformed(format!("line {line}: no UTF-8: write the text as UTF-8"))
            }
            other => RowsError::Malformed(format!("no row of a CSV: {other:?}")),
        })?;
        if !more {
            return Ok(None);
        }
        self.reader.get_mut().row_ended();
        let line = self.record.position().map_or(0, csv::Position::line);
        let (fields, has) = (self.fields, self.record.len());
        match fields {
            None => self.fields = Some(has),
            Some(fields) if fields != has => {
                return malformed(format!("line {line}: {has} fields, where the header has {fields}"));
            }
            Some(_) => {}
        }
        Ok(Some((&self.record, line)))
    }
}

/// The names of the columns.
fn names(header: &StringRecord) -> Vec<&str> {
    header.iter().map(|name| name.trim_start_matches('\u{feff}').trim()).collect()
}

impl Csv {
    /// Reads all of it, to know its columns.
    pub(super) fn open(bytes: Arc<dyn RangeRead>) -> Result<Self, RowsError> {
        let mut records = Records::new(&bytes, true);
        let Some((header, _)) = records.next()? else { return malformed("line 1: there is no header") };
        let header = header.clone();
        let names = names(&header);
        names_are_good("line 1", names.iter().copied())?;
        let mut seen = vec![Seen::NOTHING; names.len()];
        let (mut rows, mut last, mut groups, mut from) = (0, 1, Vec::new(), 0);
        while let Some((record, line)) = records.next()? {
            last = line;
            if names.len() > 1 && *record == header {
                return malformed(format!("line {line}: the header again: are these several files in one?"));
            }
            for (field, seen) in record.iter().zip(&mut seen).filter(|(field, _)| !field.is_empty()) {
                see(seen, field, line);
            }
            rows += 1;
            if rows % GROUP_ROWS == 0 {
                let to = records.reader.position().byte();
                groups.push(Group { from, to });
                from = to;
            }
        }
        if !records.reader.get_ref().is_closed() {
            return malformed(format!("line {last}: a quote is opened here or before and never closed"));
        }
        if rows % GROUP_ROWS != 0 || rows == 0 {
            groups.push(Group { from, to: bytes.len() });
        }
        let kinds = names.iter().zip(&seen).map(|(name, seen)| seen.settle(name));
        let kinds: Vec<Kind> = kinds.collect::<Result<_, _>>()?;
        let schema = schema(names.into_iter(), &kinds);
        Ok(Self { bytes, schema, kinds, rows, groups })
    }

    /// The same of columns that are known. Rows and groups are not.
    pub(super) fn known(bytes: Arc<dyn RangeRead>, columns: &[(String, Kind)]) -> Result<Self, RowsError> {
        let mut records = Records::new(&bytes, false);
        let Some((header, _)) = records.next()? else { return malformed("line 1: there is no header") };
        if !names(header).into_iter().eq(columns.iter().map(|(name, _)| name)) {
            return malformed("line 1: the header has other names than are on record");
        }
        let kinds: Vec<Kind> = columns.iter().map(|(_, kind)| *kind).collect();
        let schema = schema(columns.iter().map(|(name, _)| name.as_str()), &kinds);
        Ok(Self { bytes, schema, kinds, rows: 0, groups: vec![] })
    }

    pub(super) fn survey(&self) -> (u64, Vec<Group>) {
        (self.rows, self.groups.clone())
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub(super) fn words(&self) -> Vec<&'static str> {
        self.kinds.iter().map(|kind| kind.word()).collect()
    }

    pub(super) fn batches(&self, projection: &[usize]) -> Result<Batches, RowsError> {
        let mut records = Records::new(&self.bytes, false);
        records.next()?;
        let schema =
            Arc::new(self.schema.project(projection).map_err(|error| RowsError::Malformed(error.to_string()))?);
        let kinds = projection.iter().map(|at| Building::new(self.kinds[*at])).collect();
        Ok(Box::new(Batching { records, schema, projection: projection.to_vec(), building: kinds, ended: false }))
    }
}

/// What a query sees of columns.
pub(super) fn schema<'a>(names: impl Iterator<Item = &'a str>, kinds: &[Kind]) -> SchemaRef {
    let fields = names.zip(kinds).map(|(name, kind)| Field::new(name, kind.data_type(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Takes a value into what is known of its column.
fn see(seen: &mut Seen, value: &str, line: u64) {
    if seen.kind == Kind::Text {
        return;
    }
    match Kind::of(value) {
        Ok(kind) => seen.kind = seen.kind.and(kind),
        Err(()) => seen.impossible = seen.impossible.or(Some(line)),
    }
}

struct Batching {
    records: Records,
    schema: SchemaRef,
    projection: Vec<usize>,
    building: Vec<Building>,
    ended: bool,
}

impl Batching {
    fn fill(&mut self) -> Result<Option<RecordBatch>, RowsError> {
        let (mut rows, mut bytes) = (0, 0);
        while rows < BATCH_ROWS && bytes < BATCH_BYTES {
            let Some((record, line)) = self.records.next()? else { break };
            for (at, building) in self.projection.iter().zip(&mut self.building) {
                let field = record.get(*at).unwrap_or_default();
                if !building.push(Some(field).filter(|field| !field.is_empty())) {
                    return malformed(format!("line {line}: column {} is of another type than before", at + 1));
                }
            }
            rows += 1;
            bytes += record.as_slice().len();
        }
        if rows == 0 {
            return Ok(None);
        }
        batch(&self.schema, &mut self.building, rows).map(Some)
    }
}

/// The rows that were built.
pub(super) fn batch(schema: &SchemaRef, building: &mut [Building], rows: usize) -> Result<RecordBatch, RowsError> {
    let columns = building.iter_mut().map(Building::finish).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let made = RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options);
    made.map_err(|error| RowsError::Malformed(error.to_string()))
}

impl Iterator for Batching {
    type Item = Result<RecordBatch, RowsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let made = self.fill().transpose();
        self.ended = !matches!(made, Some(Ok(_)));
        made
    }
}
