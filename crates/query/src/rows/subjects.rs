//! Whom rows of Parquet and Arrow are about, and such a version written anew without the rows of somebody.
//!
//! Nothing of rows that go stays: values are copied row by row, never buffers, and a dictionary loses the values that no
//! row has any more. Types of which that cannot be said are refused when a version comes in.

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, UInt32Array, UInt64Array};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::record_batch::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use domain::data::Form;

use super::anew::Anew;
use super::kind::word_of;
use super::read::{Batches, Version, malformed};
use super::{RangeRead, RowsError};

/// The longest identifier, in bytes.
const MAX_IDENTIFIER_BYTES: usize = 1024;

/// Rows of a version that are written and read back before it is stored, to see that they can be.
const TRIED_ROWS: usize = 1024;

/// Whether an identifier is that of whoever is meant.
pub type Theirs<'a> = &'a mut dyn FnMut(&str) -> io::Result<bool>;

/// A version of Parquet or Arrow of which a column says whom each row is about.
pub struct Subjects {
    version: Version,
    form: Form,
    at: usize,
}

impl std::fmt::Debug for Subjects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subjects").field("form", &self.form).field("at", &self.at).finish_non_exhaustive()
    }
}

impl Subjects {
    /// Opens a version.
    ///
    /// # Errors
    /// [`RowsError`] when it is not as its form says, as far as that shows at once, or the column cannot name anybody.
    pub fn open(form: Form, bytes: Arc<dyn RangeRead>, column: &str) -> Result<Self, RowsError> {
        if form.is_text() {
            return malformed(format!("rows of form {} are lines, and are read as such", form.as_str()));
        }
        let version = caught(|| Version::open(form, bytes))?;
        let schema = Arc::clone(version.schema());
        let Some((at, field)) = schema.fields().find(column) else {
            return malformed(format!(
                "there is no column `{column}` to say whom rows are about; one inside another cannot"
            ));
        };
        match names_somebody(field.data_type()) {
            true => Ok(Self { version, form, at }),
            false => malformed(format!(
                "column `{column}` is of type {} and cannot say whom rows are about: text and whole numbers can",
                word_of(field.data_type())
            )),
        }
    }

    /// Whether rows can be taken out of it: its first ones are written anew and read back.
    ///
    /// # Errors
    /// [`RowsError::Malformed`] that says which column stands in the way.
    pub fn can_be_written_anew(&self) -> Result<(), RowsError> {
        for field in self.version.schema().fields() {
            if !rows_can_leave(field.data_type(), true) {
                return malformed(format!(
                    "column `{}` is of a type that rows cannot be taken out of: write it without lists by view, unions, \
                     run-end encoding, and dictionaries or views inside other types, to say whom rows are about",
                    field.name()
                ));
            }
        }
        caught(|| {
            if let Version::Parquet(file) = &self.version {
                file.is_bounded()?;
                file.can_be_written_alike()?;
            }
            let Some(first) = self.batches()?.next() else { return Ok(()) };
            let first = first?;
            let first = first.slice(0, first.num_rows().min(TRIED_ROWS));
            let mut written = Vec::new();
            let mut anew = Anew::begin(&self.version, &mut written)?;
            anew.write(&copied(&first, &all_of(&first), &[])?)?;
            anew.finish()?;
            let bytes: Arc<dyn RangeRead> = Arc::new(written);
            let again = Version::open(self.form, bytes)?;
            let (all, mut read) = ((0..first.num_columns()).collect::<Vec<_>>(), 0);
            for batch in again.batches(&all, 0, 1)? {
                let batch = batch?;
                let expected = first.slice(read, batch.num_rows().min(first.num_rows() - read));
                let differs = expected.columns().iter().zip(batch.columns()).position(|(one, other)| one != other);
                if let Some(at) = differs {
                    return malformed(format!(
                        "column `{}` cannot be written anew as it is, so nobody's rows could be taken out: write it in a \
                         plainer type to say whom rows are about",
                        first.schema_ref().field(at).name()
                    ));
                }
                read += batch.num_rows();
            }
            match read == first.num_rows() {
                true => Ok(()),
                false => malformed("its rows cannot be written anew as they are, so nobody's could be taken out"),
            }
        })
    }

    /// Gives all identifiers, in the order of the rows; a row whose column is null is about nobody.
    ///
    /// # Errors
    /// [`RowsError`] when it cannot be read, or what `each` says.
    pub fn identifiers(&self, each: &mut dyn FnMut(Vec<String>) -> io::Result<()>) -> Result<(), RowsError> {
        caught(|| {
            for batch in self.version.batches(&[self.at], 0, 1)? {
                let named = self.named(batch?.column(0))?;
                each(named.into_iter().flatten().collect())?;
            }
            Ok(())
        })
    }

    /// Reads all of it: how many rows there are.
    ///
    /// # Errors
    /// [`RowsError`] when it cannot be read.
    pub fn rows(&self) -> Result<u64, RowsError> {
        caught(|| Ok(self.version.survey()?.rows))
    }

    /// Writes it anew without the rows that are `theirs`; returns how many those were, and how many are left.
    ///
    /// # Errors
    /// [`RowsError`] when it cannot be read or written, or what `theirs` says.
    pub fn without(&self, theirs: Theirs<'_>, to: &mut dyn Write) -> Result<(u64, u64), RowsError> {
        caught(|| {
            let dictionaries = self.dictionaries_without(theirs)?;
            let mut anew = Anew::begin(&self.version, to)?;
            let (mut removed, mut left) = (0, 0);
            for batch in self.batches()? {
                let batch = batch?;
                let kept = self.told_apart(&batch, theirs, false)?;
                removed += (batch.num_rows() - kept.len()) as u64;
                left += kept.len() as u64;
                anew.write(&copied(&batch, &kept, &dictionaries)?)?;
            }
            anew.finish()?;
            Ok((removed, left))
        })
    }

    /// Gives the rows that are `theirs`, each as a JSON object.
    ///
    /// # Errors
    /// [`RowsError`] when it cannot be read, or what `theirs` or `each` says.
    pub fn rows_of(&self, theirs: Theirs<'_>, each: &mut dyn FnMut(String) -> io::Result<()>) -> Result<(), RowsError> {
        caught(|| {
            for batch in self.batches()? {
                let batch = batch?;
                let found = self.told_apart(&batch, theirs, true)?;
                for row in found.values().iter() {
                    each(as_json(&batch, *row as usize)?)?;
                }
            }
            Ok(())
        })
    }

    fn batches(&self) -> Result<Batches, RowsError> {
        let all: Vec<usize> = (0..self.version.schema().fields().len()).collect();
        self.version.batches(&all, 0, 1)
    }

    /// The rows of a batch that are `theirs`, or those that are not.
    fn told_apart(&self, batch: &RecordBatch, theirs: Theirs<'_>, wanted: bool) -> Result<UInt32Array, RowsError> {
        let mut rows = Vec::with_capacity(batch.num_rows());
        for (row, named) in (0_u32..).zip(self.named(batch.column(self.at))?) {
            let is = named.map_or(Ok(false), |named| theirs(&named))?;
            if is == wanted {
                rows.push(row);
            }
        }
        Ok(rows.into())
    }

    fn named(&self, column: &ArrayRef) -> Result<Vec<Option<String>>, RowsError> {
        let options = FormatOptions::default();
        let text = ArrayFormatter::try_new(column.as_ref(), &options).or_else(|_| malformed("a column has no text"))?;
        let nulls = column.logical_nulls();
        let mut named = Vec::with_capacity(column.len());
        for row in 0..column.len() {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                named.push(None);
                continue;
            }
            let identifier = text.value(row).to_string();
            if identifier.len() > MAX_IDENTIFIER_BYTES {
                return malformed(format!(
                    "column `{}` names somebody by more than {MAX_IDENTIFIER_BYTES} bytes: is it the right one?",
                    self.version.schema().field(self.at).name()
                ));
            }
            named.push(Some(identifier));
        }
        Ok(named)
    }

    /// The dictionaries of a file, which all its batches share, without the values that no row has which stays; by column.
    fn dictionaries_without(&self, theirs: Theirs<'_>) -> Result<Vec<Option<ArrayRef>>, RowsError> {
        let fields = self.version.schema().fields();
        let packed = |kind: &DataType| matches!(kind, DataType::Dictionary(..));
        if !fields.iter().any(|field| packed(field.data_type())) {
            return Ok(vec![]);
        }
        let mut used: Vec<Option<(ArrayRef, Vec<bool>)>> = vec![None; fields.len()];
        for batch in self.batches()? {
            let batch = batch?;
            let kept = self.told_apart(&batch, theirs, false)?;
            for (column, used) in batch.columns().iter().zip(&mut used) {
                let Some(packed) = column.as_any_dictionary_opt().filter(|packed| !packed.values().is_empty()) else {
                    continue;
                };
                let (values, used) =
                    used.get_or_insert_with(|| (Arc::clone(packed.values()), vec![false; packed.values().len()]));
                if values.len() != packed.values().len() {
                    return malformed("a dictionary is not the same in all record batches");
                }
                let keys = packed.normalized_keys();
                for row in kept.values().iter().map(|row| *row as usize).filter(|row| packed.keys().is_valid(*row)) {
                    used[keys[row]] = true;
                }
            }
        }
        let left = |(values, used): (ArrayRef, Vec<bool>)| {
            let left: UInt64Array = (0_u64..).zip(used).map(|(at, used)| used.then_some(at)).collect();
            take(&values, &left, None).or_else(|_| malformed("a dictionary cannot be written anew"))
        };
        used.into_iter().map(|of| of.map(left).transpose()).collect()
    }
}

/// The first of what breaks: a reader that breaks on what it reads has not read it.
fn caught<T>(work: impl FnOnce() -> Result<T, RowsError>) -> Result<T, RowsError> {
    let broken = |_| malformed("the file cannot be read or written anew: it is not as its form says");
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(broken)
}

fn names_somebody(kind: &DataType) -> bool {
    match kind {
        DataType::Dictionary(_, values) => names_somebody(values),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        other => other.is_integer(),
    }
}

/// Whether copying rows leaves nothing of the others behind.
fn rows_can_leave(kind: &DataType, outermost: bool) -> bool {
    match kind {
        DataType::Dictionary(_, values) => outermost && rows_can_leave(values, false),
        DataType::Utf8View | DataType::BinaryView => outermost,
        DataType::List(of) | DataType::LargeList(of) | DataType::FixedSizeList(of, _) | DataType::Map(of, _) => {
            rows_can_leave(of.data_type(), false)
        }
        DataType::Struct(fields) => fields.iter().all(|field| rows_can_leave(field.data_type(), false)),
        DataType::ListView(_) | DataType::LargeListView(_) | DataType::Union(..) | DataType::RunEndEncoded(..) => false,
        _ => true,
    }
}

fn all_of(batch: &RecordBatch) -> UInt32Array {
    (0..u32::try_from(batch.num_rows()).unwrap_or(u32::MAX)).collect::<Vec<_>>().into()
}

/// Copies rows, with other values in the dictionaries where there are any.
fn copied(
    batch: &RecordBatch,
    rows: &UInt32Array,
    dictionaries: &[Option<ArrayRef>],
) -> Result<RecordBatch, RowsError> {
    let copy = |(at, column): (usize, &ArrayRef)| {
        let copy = take(column, rows, None)?;
        let values = dictionaries.get(at).and_then(Option::as_ref);
        Ok::<_, datafusion::arrow::error::ArrowError>(match copy.as_any_dictionary_opt().zip(values) {
            Some((packed, values)) => packed.with_values(Arc::clone(values)),
            None => copy,
        })
    };
    let columns = batch.columns().iter().enumerate().map(copy).collect::<Result<Vec<_>, _>>();
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    let made = columns.and_then(|columns| RecordBatch::try_new_with_options(batch.schema(), columns, &options));
    made.or_else(|_| malformed("rows cannot be copied: they are not as the file's metadata says"))
}

/// A row as a JSON object; what is neither text, number nor boolean is as text.
fn as_json(batch: &RecordBatch, row: usize) -> Result<String, RowsError> {
    let options = FormatOptions::default();
    let mut object = serde_json::Map::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let text = ArrayFormatter::try_new(column.as_ref(), &options).or_else(|_| malformed("a column has no text"))?;
        let null = column.logical_nulls().is_some_and(|nulls| nulls.is_null(row));
        let written = if null { String::new() } else { text.value(row).to_string() };
        let value = match column.data_type() {
            _ if null => serde_json::Value::Null,
            DataType::Boolean => column.as_boolean().value(row).into(),
            // What is no number in JSON, such as `NaN`, is text.
            kind if kind.is_integer() || kind.is_floating() => {
                serde_json::from_str(&written).unwrap_or_else(|_| written.into())
            }
            _ => written.into(),
        };
        object.insert(field.name().clone(), value);
    }
    serde_json::to_string(&object).map_err(|error| RowsError::Io(error.into()))
}

#[cfg(test)]
mod tests;
