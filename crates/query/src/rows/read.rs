//! A version as a source of rows: its bytes, its form and its columns, whatever the form.

use std::io::{self, Read};
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::arrow::record_batch::RecordBatch;
use domain::data::Form;

use super::arrow_file::ArrowFile;
use super::csv::Csv;
use super::jsonl::Jsonl;
use super::kind::{Kind, word_of};
use super::parquet_file::ParquetFile;
use super::{RangeRead, RowsError};

/// The most columns.
pub const MAX_COLUMNS: usize = 10_000;

/// The longest row of text, in bytes: it is in memory while it is read.
pub(super) const MAX_ROW_BYTES: usize = 16 << 20;

/// Rows that are read at once.
pub(super) const BATCH_ROWS: usize = 8192;

/// The longest name of a column, in characters.
const MAX_NAME_CHARS: usize = 128;

/// What a version is found to be when all of it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// Its rows.
    pub rows: u64,
    /// Its columns: name, and a word for the type.
    pub columns: Vec<(String, String)>,
    /// Its row groups, or as many rows of text as would be one.
    pub groups: Vec<Group>,
}

/// A part of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Where it begins.
    pub from: u64,
    /// Where it ends.
    pub to: u64,
}

/// Batches of rows, until the first error.
pub(super) type Batches = Box<dyn Iterator<Item = Result<RecordBatch, RowsError>>>;

/// A version that can be read any number of times.
pub(super) enum Version {
    Csv(Csv),
    Jsonl(Jsonl),
    Parquet(ParquetFile),
    Arrow(ArrowFile),
}

impl Version {
    /// Opens a version. Text is read once to its end, to know its columns; of the other forms, what they say of themselves.
    pub(super) fn open(form: Form, bytes: Arc<dyn RangeRead>) -> Result<Self, RowsError> {
        begins_as_it_should(form, &*bytes)?;
        match form {
            Form::Csv => Csv::open(bytes).map(Self::Csv),
            Form::Jsonl => Jsonl::open(bytes).map(Self::Jsonl),
            Form::Parquet => ParquetFile::open(bytes).map(Self::Parquet),
            Form::Arrow => ArrowFile::open(bytes).map(Self::Arrow),
        }
    }

    /// Opens a version of which the columns are known, each with a word for its type, from when all of it was read; text is
    /// not read for that again, and not to be surveyed.
    pub(super) fn known(
        form: Form,
        bytes: Arc<dyn RangeRead>,
        columns: &[(String, String)],
    ) -> Result<Self, RowsError> {
        let kinds = columns.iter().map(|(name, word)| Some((name.clone(), Kind::of_word(word)?)));
        match (form, kinds.collect::<Option<Vec<_>>>()) {
            (Form::Csv, Some(columns)) => Csv::known(bytes, &columns).map(Self::Csv),
            (Form::Jsonl, Some(columns)) => Ok(Self::Jsonl(Jsonl::known(bytes, &columns))),
            _ => Self::open(form, bytes),
        }
    }

    /// Reads what opening did not, and says what there is.
    pub(super) fn survey(&self) -> Result<Survey, RowsError> {
        let (rows, groups) = match self {
            Self::Csv(csv) => csv.survey(),
            Self::Jsonl(jsonl) => jsonl.survey(),
            Self::Parquet(file) => file.survey()?,
            Self::Arrow(file) => file.survey()?,
        };
        Ok(Survey { rows, columns: self.columns(), groups })
    }

    /// The types that a query sees.
    pub(super) fn schema(&self) -> &SchemaRef {
        match self {
            Self::Csv(csv) => csv.schema(),
            Self::Jsonl(jsonl) => jsonl.schema(),
            Self::Parquet(file) => file.schema(),
            Self::Arrow(file) => file.schema(),
        }
    }

    /// Names and words for the types.
    pub(super) fn columns(&self) -> Vec<(String, String)> {
        let words: Vec<&str> = match self {
            Self::Csv(csv) => csv.words(),
            Self::Jsonl(jsonl) => jsonl.words(),
            _ => self.schema().fields().iter().map(|field| word_of(field.data_type())).collect(),
        };
        let names = self.schema().fields().iter().map(|field| field.name().clone());
        names.zip(words.into_iter().map(str::to_owned)).collect()
    }

    /// How many parts can be read side by side, at most `most`.
    pub(super) fn parts(&self, most: usize) -> usize {
        let groups = match self {
            Self::Csv(_) | Self::Jsonl(_) => 1,
            Self::Parquet(file) => file.groups(),
            Self::Arrow(file) => file.groups(),
        };
        groups.clamp(1, most)
    }

    /// The columns `projection` of part `part` of `parts`, in that order.
    pub(super) fn batches(&self, projection: &[usize], part: usize, parts: usize) -> Result<Batches, RowsError> {
        match self {
            Self::Csv(csv) => csv.batches(projection),
            Self::Jsonl(jsonl) => jsonl.batches(projection),
            Self::Parquet(file) => file.batches(projection, (part..file.groups()).step_by(parts).collect()),
            Self::Arrow(file) => file.batches(projection, (part..file.groups()).step_by(parts).collect()),
        }
    }
}

pub(super) fn malformed<T>(why: impl Into<String>) -> Result<T, RowsError> {
    Err(RowsError::Malformed(why.into()))
}

/// Tells by the first bytes what cannot be of this form: compressed files, other encodings of text, other forms.
fn begins_as_it_should(form: Form, bytes: &dyn RangeRead) -> Result<(), RowsError> {
    let mut first = [0; 8];
    let length = first.len().min(usize::try_from(bytes.len()).unwrap_or(usize::MAX));
    bytes.read_at(0, &mut first[..length])?;
    let first = &first[..length];
    let begins = |with: &[u8]| first.starts_with(with);
    let word = form.as_str();
    let packed: [(&[u8], &str); 5] = [
        (b"\x1f\x8b", "gzip"),
        (b"PK\x03\x04", "zip"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
        (b"BZh", "bzip2"),
        (b"\xfd7zXZ", "xz"),
    ];
    if let Some((_, by)) = packed.iter().find(|(with, _)| begins(with)) {
        return malformed(format!("byte 0: this is compressed with {by}, not {word}: decompress it first"));
    }
    if form.is_text() && (begins(b"\xff\xfe") || begins(b"\xfe\xff")) {
        return malformed("line 1, byte 0: the text is UTF-16: write it as UTF-8");
    }
    let marks: [(&[u8], Form); 2] = [(b"PAR1", Form::Parquet), (b"ARROW1", Form::Arrow)];
    let is = marks.into_iter().find(|(with, _)| begins(with));
    match (is, form) {
        (Some((_, is)), _) if is != form => {
            malformed(format!("byte 0: this is a file of form {}, not {word}", is.as_str()))
        }
        (None, Form::Arrow) if begins(b"\xff\xff\xff\xff") => malformed(
            "byte 0: this is a stream of Arrow's interprocess format: write it as a file (Feather), which can be read at any place",
        ),
        (None, Form::Parquet) if begins(b"PARE") => {
            malformed("byte 0: this is a Parquet file that is encrypted itself: write it without, it is encrypted here")
        }
        (None, Form::Parquet) => malformed("byte 0: this is no Parquet file: it does not begin with `PAR1`"),
        (None, Form::Arrow) => malformed("byte 0: this is no file of Arrow: it does not begin with `ARROW1`"),
        _ => Ok(()),
    }
}

/// Whether names can be those of columns; `at` says where they are. They are written to the ledger, so that a first row of
/// values in the place of names must not pass.
pub(super) fn names_are_good<'a>(at: &str, names: impl Iterator<Item = &'a str>) -> Result<(), RowsError> {
    let mut seen = std::collections::HashSet::new();
    for (index, name) in names.enumerate() {
        let column = index + 1;
        if column > MAX_COLUMNS {
            return malformed(format!("{at}: there are more than {MAX_COLUMNS} columns"));
        }
        if name.trim().is_empty() {
            return malformed(format!("{at}: column {column} has no name"));
        }
        if name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
            return malformed(format!(
                "{at}: the name of column {column} has more than {MAX_NAME_CHARS} characters, or one that does not show"
            ));
        }
        if is_like_a_value(name) {
            return malformed(format!(
                "{at}: column {column} is named by what looks like a value: the first thing in it must be the columns' names"
            ));
        }
        if !seen.insert(name) {
            return malformed(format!("{at}: column {column} has the same name as one before it"));
        }
    }
    match seen.is_empty() {
        true => malformed(format!("{at}: there are no columns")),
        false => Ok(()),
    }
}

/// A year may name a column, a longer number is a value.
fn is_like_a_value(name: &str) -> bool {
    let name = name.trim();
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    let other = name.bytes().any(|b| !(b.is_ascii_digit() || b" +-().,/:".contains(&b)));
    (!other && digits > 4) || name.contains('@') || !matches!(super::kind::time(name), super::kind::Time::Other)
}

/// Reads bytes one after the other.
pub(super) struct Cursor {
    bytes: Arc<dyn RangeRead>,
    at: u64,
}

impl Cursor {
    pub(super) fn new(bytes: &Arc<dyn RangeRead>, at: u64) -> Self {
        Self { bytes: Arc::clone(bytes), at }
    }
}

impl Read for Cursor {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let rest = self.bytes.len().saturating_sub(self.at);
        let taken = to.len().min(usize::try_from(rest).unwrap_or(usize::MAX));
        self.bytes.read_at(self.at, &mut to[..taken])?;
        self.at += taken as u64;
        Ok(taken)
    }
}

/// What was meant by an error that came through a reader of others.
pub(super) fn recovered(error: io::Error) -> RowsError {
    match error.downcast::<RowsError>() {
        Ok(ours) => ours,
        // The version itself is known to be whole.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            RowsError::Malformed("the file ends too early".into())
        }
        Err(error) => error.into(),
    }
}
