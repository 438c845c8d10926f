//! Classification: detectors over a bounded sample of a version, by column, or over the file as a text when it has none.
//!
//! The sample is the same each time: the first rows, then every so-manieth one, up to so many rows and bytes. How much was
//! looked at is on record with what was found; what was found is only counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{cast, take};
use arrow::datatypes::DataType;
use domain::data::fields::{MAX_BYTES, MAX_FIELDS, field_is_valid};
use domain::data::{DataClass, FoundKind, ScannedColumn};
use query::rows::{Frame, RangeRead, RowsError};
use scan::detect::{Class, Detectors, Finding, Kind, MASKED};

/// Rows from the beginning that are all looked at.
pub const FIRST_ROWS: u64 = 10_000;

/// Of those after them, every so-manieth is.
pub const EVERY: u64 = 100;

/// The most rows that are looked at.
pub const MAX_ROWS: u64 = 20_000;

/// The most bytes of text that are looked at.
pub const MAX_TEXT: u64 = 64 << 20;

/// Of a file without rows: so many bytes from the beginning are all looked at, then a piece at the beginning of each stretch.
const FIRST_BYTES: u64 = 8 << 20;
const PIECE: u64 = 1 << 20;
const STRETCH: u64 = 64 << 20;

/// How sure a detector must be of a value for it to count.
pub(crate) const SURE_PERMILLE: u16 = 600;

/// What detectors found in a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classified {
    /// Rows that were looked at.
    pub rows: u64,
    /// Bytes of text that were.
    pub bytes: u64,
    /// Whether that was all there is.
    pub whole: bool,
    /// By column, in their order.
    pub columns: Vec<ScannedColumn>,
    /// Columns beyond those, of which nothing is on record.
    pub left_out: u64,
}

/// Looks at a sample of the rows of a version.
///
/// # Errors
/// When the rows cannot be read.
pub async fn classify(frame: &Frame, detectors: &Arc<Detectors>) -> Result<Classified, RowsError> {
    let all = frame.columns();
    // A name that the ledger does not take cannot be on record, nor one that looks like data about a person: a version that
    // was stored without a look at its rows may have such.
    let named = all.iter().filter(|(name, _)| field_is_valid(name).is_ok() && !is_about_somebody(name));
    let columns: Vec<(String, String)> = named.take(MAX_FIELDS).cloned().collect();
    let read: Vec<usize> =
        (0..columns.len()).filter(|at| columns.get(*at).is_some_and(|(_, kind)| has_text(kind))).collect();
    let names =
        read.iter().filter_map(|at| columns.get(*at)).map(|(name, _)| format!("\"{}\"", name.replace('"', "\"\"")));
    let names: Vec<String> = names.collect();
    let list = if names.is_empty() { "1".to_owned() } else { names.join(", ") };
    let mut rows = frame.select(&format!("SELECT {list} FROM rows")).await?;
    let mut sample = Sample { cells: vec![Vec::new(); read.len()], ..Sample::default() };
    while !sample.full {
        let Some(batch) = rows.next().await? else { break };
        sample.take(&batch, names.is_empty())?;
    }
    drop(rows);
    let (looked, bytes, whole) = (sample.looked, sample.bytes, !sample.full && sample.looked == sample.passed);
    let left_out = (all.len() - columns.len()) as u64;
    let detectors = Arc::clone(detectors);
    let found = tokio::task::spawn_blocking(move || found_in(&detectors, &columns, &read, &sample.cells));
    let mut columns = found.await.map_err(|error| RowsError::Io(std::io::Error::other(error)))?;
    let over = shorten(&mut columns);
    Ok(Classified { rows: looked, bytes, whole, columns, left_out: left_out + over })
}

/// Whether the name of a column looks like data about a person.
pub(crate) fn is_about_somebody(name: &str) -> bool {
    !scan::personal::find(name, &scan::personal::Kind::ALL).is_empty()
}

/// Refuses a text that goes into the ledger as it is, such as a contract's, when a line of it has what looks like data about
/// a person, or a secret.
///
/// # Errors
/// The line and what it looks like, and never what stands there.
pub fn says_nothing_of_anybody(text: &str) -> Result<(), String> {
    let detectors = Detectors::standard();
    for (at, line) in text.lines().enumerate() {
        let mut found = detectors.find(line).into_iter();
        if let Some(one) = found.find(|one| one.score_permille >= MASKED && one.kind.class() != Class::Internal) {
            return Err(format!(
                "line {} has what looks like data about a person or a secret (`{}`), and the whole text is written to the \
                 ledger: say it without, by a pattern or a list that lies in a data set of its own",
                at + 1,
                one.kind.as_str()
            ));
        }
    }
    Ok(())
}

/// Whether values of this type are looked at; of others, the column's name is.
fn has_text(kind: &str) -> bool {
    matches!(kind, "text" | "json" | "integer")
}

/// Cells as they are gathered.
#[derive(Default)]
struct Sample {
    /// By column that is read.
    cells: Vec<Vec<String>>,
    passed: u64,
    looked: u64,
    bytes: u64,
    full: bool,
}

impl Sample {
    fn take(&mut self, batch: &RecordBatch, only_counted: bool) -> Result<(), RowsError> {
        let mut wanted = Vec::new();
        for row in 0..batch.num_rows() {
            let is_due = self.passed < FIRST_ROWS || (self.passed - FIRST_ROWS).is_multiple_of(EVERY);
            if is_due && self.looked >= MAX_ROWS {
                self.full = true;
                break;
            }
            if is_due {
                wanted.push(u32::try_from(row).unwrap_or(u32::MAX));
                self.looked += 1;
            }
            self.passed += 1;
        }
        if wanted.is_empty() || only_counted {
            return Ok(());
        }
        let wanted = UInt32Array::from(wanted);
        for (cells, column) in self.cells.iter_mut().zip(batch.columns()) {
            for text in texts(column, &wanted)? {
                self.bytes += text.len() as u64;
                cells.push(text);
            }
        }
        self.full |= self.bytes >= MAX_TEXT;
        Ok(())
    }
}

fn texts(column: &ArrayRef, wanted: &UInt32Array) -> Result<Vec<String>, RowsError> {
    let failed = |error: arrow::error::ArrowError| RowsError::Io(std::io::Error::other(error));
    let some = take(column.as_ref(), wanted, None).map_err(failed)?;
    let plain = cast(&some, &DataType::Utf8).map_err(failed)?;
    let filled = plain.as_string::<i32>().iter().flatten().filter(|text| !text.trim().is_empty());
    Ok(filled.map(str::to_owned).collect())
}

fn found_in(
    detectors: &Detectors,
    columns: &[(String, String)],
    read: &[usize],
    cells: &[Vec<String>],
) -> Vec<ScannedColumn> {
    let nothing = Vec::new();
    let each = columns.iter().enumerate().map(|(at, (name, _))| {
        let cells = read.iter().position(|one| *one == at).and_then(|place| cells.get(place)).unwrap_or(&nothing);
        let mut found = Tally::default();
        for cell in cells {
            found.count(&detectors.find_in(name, cell));
        }
        if let Some((kind, score)) = detectors.column(name, cells.iter().map(String::as_str)) {
            found.named(kind, score, cells.len() as u64);
        }
        ScannedColumn { column: Some(name.clone()), cells: cells.len() as u64, found: found.finish(detectors) }
    });
    each.collect()
}

/// What was found so far: cells and the surest of them, by kind.
#[derive(Default)]
struct Tally(BTreeMap<Kind, (u64, u16)>);

impl Tally {
    /// A cell that has a kind several times has it once.
    fn count(&mut self, cell: &[Finding]) {
        let mut seen: Vec<Kind> = Vec::new();
        for one in cell {
            if one.score_permille < SURE_PERMILLE {
                continue;
            }
            let entry = self.0.entry(one.kind).or_default();
            entry.1 = entry.1.max(one.score_permille);
            if !seen.contains(&one.kind) {
                seen.push(one.kind);
                entry.0 += 1;
            }
        }
    }

    /// What the name of a column and its values together say.
    fn named(&mut self, kind: Kind, score: u16, cells: u64) {
        if score < SURE_PERMILLE {
            return;
        }
        let entry = self.0.entry(kind).or_insert((cells, 0));
        entry.1 = entry.1.max(score);
    }

    fn finish(self, detectors: &Detectors) -> Vec<FoundKind> {
        let each = self.0.into_iter().map(|(kind, (cells, score_permille))| FoundKind {
            kind: detectors.name(kind).to_owned(),
            cells,
            score_permille,
            class: class_of(detectors.class(kind)),
            secret: kind == Kind::Secret,
        });
        let mut all: Vec<FoundKind> = each.collect();
        all.sort_unstable_by(|one, other| one.kind.cmp(&other.kind));
        all
    }
}

pub(crate) fn class_of(class: Class) -> DataClass {
    match class {
        Class::Internal => DataClass::Internal,
        Class::Confidential => DataClass::Confidential,
        Class::Personal => DataClass::Personal,
        Class::Sensitive => DataClass::Sensitive,
    }
}

/// Leaves out columns until the rest fits an entry, those first in which nothing was found; returns how many.
fn shorten(columns: &mut Vec<ScannedColumn>) -> u64 {
    let long = |one: &ScannedColumn| serde_json::to_vec(one).map_or(0, |bytes| bytes.len() + 1);
    let (mut room, before) = (MAX_BYTES - 1_000, columns.len());
    for found in [true, false] {
        columns.retain(|one| {
            if one.found.is_empty() == found {
                return true;
            }
            let fits = room.checked_sub(long(one));
            room = fits.unwrap_or(room);
            fits.is_some()
        });
    }
    (before - columns.len()) as u64
}

/// Looks at a sample of a file without rows, as a text.
///
/// # Errors
/// When it cannot be read.
pub fn classify_text(bytes: &Arc<dyn RangeRead>, detectors: &Detectors) -> Result<Classified, RowsError> {
    let (mut found, mut looked, mut at, mut whole) = (Tally::default(), 0, 0, true);
    let mut piece = Vec::new();
    while at < bytes.len() && looked < MAX_TEXT {
        let long = PIECE.min(bytes.len() - at);
        piece.resize(usize::try_from(long).unwrap_or(usize::MAX), 0);
        bytes.read_at(at, &mut piece)?;
        found.count_all(detectors, &String::from_utf8_lossy(&piece));
        looked += long;
        let next = if at + long < FIRST_BYTES { at + long } else { (at / STRETCH + 1) * STRETCH };
        whole &= next <= at + long || at + long >= bytes.len();
        at = next;
    }
    let whole = whole && at >= bytes.len();
    let column = ScannedColumn { column: None, cells: 1, found: found.finish(detectors) };
    Ok(Classified { rows: 0, bytes: looked, whole, columns: vec![column], left_out: 0 })
}

impl Tally {
    /// How often each kind stands in a text.
    fn count_all(&mut self, detectors: &Detectors, text: &str) {
        for one in detectors.find(text).into_iter().filter(|one| one.score_permille >= SURE_PERMILLE) {
            let entry = self.0.entry(one.kind).or_default();
            *entry = (entry.0 + 1, entry.1.max(one.score_permille));
        }
    }
}

#[cfg(test)]
mod tests;
