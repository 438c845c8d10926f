//! SQL over the rows of one version of a data set, which lies encrypted: rows are decrypted as a query reads them, memory
//! is bounded, and nothing is spilled, so that no row lies in clear on a disk.

mod anew;
mod arrow_file;
mod csv;
mod frame;
mod jsonl;
mod kind;
mod pages;
mod parquet_file;
mod read;
mod repeated;
mod subjects;
mod text;

use std::io;
use std::sync::Arc;

pub use frame::{Frame, Rows};
pub use read::{Group, MAX_COLUMNS, Survey};
pub use repeated::{REPEATED_ROWS, hashes};
pub use subjects::{Subjects, Theirs};

use crate::QueryError;

/// The authenticated plaintext of a version, any part of it.
pub trait RangeRead: Send + Sync {
    /// How many bytes there are.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `buf` with what is at `offset`.
    ///
    /// # Errors
    /// When it ends before that, or is not as it was stored.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;
}

impl RangeRead for Vec<u8> {
    fn len(&self) -> u64 {
        self.as_slice().len() as u64
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(offset).ok().and_then(|at| self.get(at..)?.get(..buf.len()));
        buf.copy_from_slice(from.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// For fuzzing: how many rows text has when it is surveyed, and how many are read of it.
///
/// # Errors
/// [`RowsError`] when it is not as its form says.
pub fn probe(form: domain::data::Form, bytes: Vec<u8>) -> Result<(u64, u64), RowsError> {
    let version = read::Version::open(form, Arc::new(bytes))?;
    let survey = version.survey()?;
    let all: Vec<usize> = (0..survey.columns.len()).collect();
    let mut rows = 0;
    for batch in version.batches(&all, 0, 1)? {
        rows += batch?.num_rows() as u64;
    }
    Ok((survey.rows, rows))
}

/// Why rows cannot be read or asked. No text repeats a value.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// They are not written as their form says; names a line, or a row group, and what is wrong there.
    #[error("{0}")]
    Malformed(String),
    /// The version cannot be read.
    #[error("the version cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The question cannot be understood, or takes more time or memory than it may.
    #[error(transparent)]
    Query(#[from] QueryError),
}

#[cfg(test)]
mod tests;
