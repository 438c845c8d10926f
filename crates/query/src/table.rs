//! What a table is: its name, its columns with their meaning, and how rows of typed cells become an Arrow batch.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BinaryViewArray, BooleanArray, Int64Array, RecordBatch, StringViewArray, TimestampMicrosecondArray,
    new_null_array,
};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use merkle::Hash;

use crate::QueryError;
use crate::fold::{Leaf, Moment};

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// UTF-8 text.
    Text,
    /// A whole number, i64.
    Int,
    /// A floating-point number, f64.
    Float,
    /// True or false.
    Bool,
    /// An instant in UTC, in microseconds.
    Time,
    /// Bytes.
    Bytes,
}

impl Type {
    /// The type's name in SQL.
    #[must_use]
    pub fn sql(self) -> &'static str {
        match self {
            Self::Text => "VARCHAR",
            Self::Int => "BIGINT",
            Self::Float => "DOUBLE",
            Self::Bool => "BOOLEAN",
            Self::Time => "TIMESTAMP",
            Self::Bytes => "BYTEA",
        }
    }

    pub(crate) fn arrow(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8View,
            Self::Int => DataType::Int64,
            Self::Float => DataType::Float64,
            Self::Bool => DataType::Boolean,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Bytes => DataType::BinaryView,
        }
    }
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Type,
    /// What it means; empty for a table that is not filled yet.
    pub doc: &'static str,
}

macro_rules! column_of {
    ($($function:ident $kind:ident),*) => { $(
        pub(crate) const fn $function(name: &'static str, doc: &'static str) -> Column {
            Column { name, kind: Type::$kind, doc }
        }
    )* };
}
column_of!(text Text, int Int, float Float, boolean Bool, time Time);

/// Whether this build fills a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// Its rows follow from the ledger.
    Yes,
    /// It has no rows in this build, whatever happened: a control that reads it cannot be tested.
    NotYet {
        /// What has to be built first.
        area: &'static str,
    },
}

/// A table that can be named in SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableInfo {
    /// Its name.
    pub name: &'static str,
    /// The room of the house that it belongs to.
    pub room: &'static str,
    /// What its rows are.
    pub doc: &'static str,
    /// Its columns in order, `seq` and `leaf_hash` last.
    pub columns: Vec<Column>,
    /// Whether it has rows.
    pub filled: Filled,
}

/// The entry that made a row what it is, for every table.
const SEQ: Column = int("seq", "Number of the newest ledger entry that the row follows from");
const LEAF_HASH: Column = text("leaf_hash", "Hash of that entry as a leaf of the log, hexadecimal");

impl TableInfo {
    pub(crate) fn filled(
        room: &'static str,
        name: &'static str,
        doc: &'static str,
        columns: impl IntoIterator<Item = Column>,
    ) -> Self {
        let columns = columns.into_iter().chain([SEQ, LEAF_HASH]).collect();
        Self { name, room, doc, columns, filled: Filled::Yes }
    }

    /// A table without rows, from words `name` or `name:int|float|bool|time`.
    pub(crate) fn planned(room: &'static str, plan: &Planned) -> Self {
        let column = |word: &'static str| match word.split_once(':') {
            Some((name, "int")) => int(name, ""),
            Some((name, "float")) => float(name, ""),
            Some((name, "bool")) => boolean(name, ""),
            Some((name, _)) => time(name, ""),
            None => text(word, ""),
        };
        let columns = plan.columns.split_whitespace().map(column);
        Self { filled: Filled::NotYet { area: plan.area }, ..Self::filled(room, plan.name, plan.doc, columns) }
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        let field = |column: &Column| Field::new(column.name, column.kind.arrow(), true);
        Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }
}

/// A table whose area is not built: its shape is promised, its rows are not there.
pub(crate) struct Planned {
    pub name: &'static str,
    pub doc: &'static str,
    pub area: &'static str,
    pub columns: &'static str,
}

/// A table whose rows are kept while entries are folded.
pub(crate) trait Table: Clone + Default {
    /// Its room, name, meaning and own columns.
    const ROOM: &'static str;
    const NAME: &'static str;
    const DOC: &'static str;
    const COLUMNS: &'static [Column];

    /// Takes one more entry in.
    fn apply(&mut self, leaf: &Leaf<'_>);

    /// Writes the rows as they are at `moment`, one cell a column in the order of `COLUMNS`.
    fn rows(&self, moment: &Moment, out: &mut Rows);
}

/// Which entry a row follows from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub seq: u64,
    pub leaf: Hash,
}

/// A value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Text(String),
    Int(i64),
    Bool(bool),
    /// Microseconds since the epoch.
    Time(i64),
    Bytes(Vec<u8>),
}

/// An instant given in milliseconds since the epoch.
pub(crate) fn ms(millis: i64) -> Cell {
    Cell::Time(millis.saturating_mul(1000))
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Cell {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Rows in the making.
#[derive(Default)]
pub(crate) struct Rows(Vec<Vec<Cell>>);

impl Rows {
    /// Adds a row that follows from an entry.
    pub fn push<const N: usize>(&mut self, origin: Origin, cells: [Cell; N]) {
        let mut row = Vec::with_capacity(N + 2);
        row.extend(cells);
        row.extend([origin.seq.into(), merkle::hex(&origin.leaf).into()]);
        self.0.push(row);
    }

    /// Adds a row that no entry makes: what is the same in every ledger.
    pub fn push_constant<const N: usize>(&mut self, cells: [Cell; N]) {
        let mut row = Vec::from(cells);
        row.extend([Cell::Null, Cell::Null]);
        self.0.push(row);
    }

    /// Adds a row with every cell given, provenance too.
    pub fn push_whole(&mut self, row: Vec<Cell>) {
        self.0.push(row);
    }

    /// The rows as one batch of `schema`.
    pub fn into_batch(self, table: &str, schema: SchemaRef) -> Result<RecordBatch, QueryError> {
        let width = schema.fields().len();
        if self.0.iter().any(|row| row.len() != width) {
            return Err(QueryError::Internal(format!("a row of `{table}` does not have {width} cells")));
        }
        let arrays = schema.fields().iter().enumerate().map(|(i, field)| array(&self.0, i, field.data_type()));
        RecordBatch::try_new(Arc::clone(&schema), arrays.collect())
            .map_err(|error| QueryError::Internal(format!("rows of `{table}` do not fit its columns: {error}")))
    }
}

macro_rules! gather {
    ($rows:expr, $i:expr, $array:ident, $cell:ident) => {
        Arc::new(
            $rows
                .iter()
                .map(|row| match &row[$i] {
                    Cell::$cell(value) => Some(value.clone()),
                    _ => None,
                })
                .collect::<$array>(),
        )
    };
}

fn array(rows: &[Vec<Cell>], i: usize, kind: &DataType) -> ArrayRef {
    match kind {
        DataType::Int64 => gather!(rows, i, Int64Array, Int),
        DataType::Boolean => gather!(rows, i, BooleanArray, Bool),
        DataType::BinaryView => gather!(rows, i, BinaryViewArray, Bytes),
        DataType::Timestamp(_, zone) => {
            let values = rows.iter().map(|row| match row[i] {
                Cell::Time(value) => Some(value),
                _ => None,
            });
            Arc::new(values.collect::<TimestampMicrosecondArray>().with_timezone_opt(zone.clone()))
        }
        DataType::Utf8View => gather!(rows, i, StringViewArray, Text),
        // No folded table has a value of another type; the columns that could hold one are NULL.
        other => new_null_array(other, rows.len()),
    }
}
