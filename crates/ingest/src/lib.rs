//! How a version of a data set comes in, and what is in it. Its bytes are encrypted as they come; then, before the event that
//! makes it visible, all of it is read: what is not as its form says is refused with the line or the row group, and nothing
//! of it is left.
//!
//! ```text
//! take (engine)   bytes are encrypted; nobody sees them
//!   whose?        of Parquet and Arrow, once all of it is there: whom rows are about, if that was said
//!   known?        the same bytes are in the data set already: they are dropped, and the answer names that version
//! survey (query)  all is read: form, rows, columns, row groups
//! describe        fingerprints of bytes, columns and row groups
//! settle (engine) the events that store and describe it, in one
//! ```

pub mod check;
mod columnar;
mod describe;
mod diff;
mod numbers;
pub mod outside;
mod take;

use std::io;
use std::sync::Arc;

pub use columnar::Columnar;
pub use diff::{ColumnDiff, Diff, DiffError, MIN_GROUP, Moved, Quantiles, RowDiff, Shown, Side, diff};
pub use take::{Outcome, Wish, ingest};

use query::rows::RangeRead;
use vault::{ObjectPieces, ReadAt};

/// A version that lies encrypted, for a frame to read.
pub struct Pieces<R>(pub Arc<ObjectPieces<R>>);

impl<R: ReadAt> RangeRead for Pieces<R> {
    fn len(&self) -> u64 {
        self.0.bytes()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, buf)
    }
}

/// A stored version, for a frame to read. Who may read it is for the caller to ask.
///
/// # Errors
/// As [`engine::Engine::version_reader`].
pub async fn stored(
    engine: &Arc<engine::Engine>,
    dataset: &str,
    version: &str,
) -> Result<Arc<dyn RangeRead>, engine::ExecuteError> {
    Ok(Arc::new(Pieces(engine.version_reader(dataset, version).await?)))
}

// What is found in a version, and what of it goes out for a purpose.
pub mod classify;
pub mod encode;
pub mod rescan;
pub mod view;

/// How the rows of a version are written; `None` for bytes without rows.
#[must_use]
pub fn form_of(version: &domain::data::Version) -> Option<domain::data::Form> {
    let described = version.content.as_ref().map(|content| content.form);
    described.or_else(|| version.subjects.as_ref().map(|subjects| subjects.form))
}

#[cfg(test)]
mod tests;
