//! Rows of Parquet and Arrow for the engine, which reads lines only: whom they are about, and a version without somebody's.

use std::io::{self, Write};
use std::sync::Arc;

use domain::data::SubjectColumn;
use engine::{RowError, Theirs, VersionPieces};
use query::rows::{RowsError, Subjects};

use crate::Pieces;

/// What the engine is opened with.
#[derive(Clone, Copy, Debug)]
pub struct Columnar;

impl engine::Columnar for Columnar {
    fn identifiers(
        &self,
        from: VersionPieces,
        column: &SubjectColumn,
        each: &mut dyn FnMut(Vec<String>) -> io::Result<()>,
    ) -> Result<(), RowError> {
        let subjects = opened(from, column)?;
        subjects.can_be_written_anew().and_then(|()| subjects.identifiers(each)).map_err(told)
    }

    fn without(
        &self,
        from: VersionPieces,
        column: &SubjectColumn,
        theirs: Theirs<'_>,
        to: &mut dyn Write,
    ) -> Result<(u64, u64), RowError> {
        opened(from, column)?.without(theirs, to).map_err(told)
    }

    fn rows(&self, from: VersionPieces, column: &SubjectColumn) -> Result<u64, RowError> {
        opened(from, column)?.rows().map_err(told)
    }

    fn rows_of(
        &self,
        from: VersionPieces,
        column: &SubjectColumn,
        theirs: Theirs<'_>,
        each: &mut dyn FnMut(String) -> io::Result<()>,
    ) -> Result<(), RowError> {
        opened(from, column)?.rows_of(theirs, each).map_err(told)
    }
}

fn opened(from: VersionPieces, column: &SubjectColumn) -> Result<Subjects, RowError> {
    Subjects::open(column.form, Arc::new(Pieces(from)), &column.column).map_err(told)
}

fn told(error: RowsError) -> RowError {
    match error {
        RowsError::Malformed(why) => RowError::Malformed(why),
        RowsError::Io(error) => RowError::Io(error),
        RowsError::Query(error) => RowError::Io(io::Error::other(error)),
    }
}
