//! Rows that are no lines: files of columns, Parquet and Arrow, which the engine cannot read itself. Whoever wires it brings
//! what can; without that such a version is not stored as being about anybody.

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::Arc;

use domain::data::{StoredObject, SubjectColumn};
use domain::{Refusal, RefusalCode};
use store::objects::Object;
use vault::ObjectPieces;

use super::rows::RowError;
use super::{Unwritten, holder};
use crate::{Engine, ExecuteError};

/// The plaintext of a version, any part of it, decrypted as it is read.
pub type VersionPieces = Arc<ObjectPieces<Box<dyn Object>>>;

/// Whether an identifier is that of whoever is meant.
pub type Theirs<'a> = &'a mut dyn FnMut(&str) -> io::Result<bool>;

/// What reads and writes files of columns. What a callback returns as an error ends it.
pub trait Columnar: std::fmt::Debug + Send + Sync {
    /// Whether rows can be taken out of a version that comes in; then the identifiers of whom they are about.
    ///
    /// # Errors
    /// [`RowError::Malformed`] says why they cannot.
    fn identifiers(
        &self,
        from: VersionPieces,
        column: &SubjectColumn,
        each: &mut dyn FnMut(Vec<String>) -> io::Result<()>,
    ) -> Result<(), RowError>;

    /// Writes a version without the rows that are `theirs`, and nothing of them; returns how many those were, and how many
    /// are left.
    ///
    /// # Errors
    /// When it cannot be read or written.
    fn without(
        &self,
        from: VersionPieces,
        column: &SubjectColumn,
        theirs: Theirs<'_>,
        to: &mut dyn Write,
    ) -> Result<(u64, u64), RowError>;

    /// Reads all of a version: how many rows there are.
    ///
    /// # Errors
    /// When it cannot be read.
    fn rows(&self, from: VersionPieces, column: &SubjectColumn) -> Result<u64, RowError>;

    /// Gives the rows that are `theirs`, each as a JSON object.
    ///
    /// # Errors
    /// When it cannot be read.
    fn rows_of(
        &self,
        from: VersionPieces,
        column: &SubjectColumn,
        theirs: Theirs<'_>,
        each: &mut dyn FnMut(String) -> io::Result<()>,
    ) -> Result<(), RowError>;
}

impl Engine {
    pub(super) fn columnar(&self) -> Result<&dyn Columnar, Unwritten> {
        let missing = || Unwritten::Rows(RowError::Malformed("no rows of Parquet or Arrow are read here".into()));
        self.options.columnar.as_deref().ok_or_else(missing)
    }

    /// Notes whom the rows of a version of columns are about, once all of it is written. It has no event yet.
    pub(super) fn note_columns(
        &self,
        (dataset, version): (&str, &str),
        column: &SubjectColumn,
        stored: &StoredObject,
    ) -> Result<(), ExecuteError> {
        let holder = holder(dataset, version);
        let noted = self.columnar().and_then(|columnar| {
            let pieces = Arc::new(self.stored_pieces(stored)?);
            let mut seen = HashSet::new();
            stashed(|failed| {
                columnar.identifiers(pieces, column, &mut |mut named| {
                    self.note_subjects(&holder, &column.scope, &mut named, &mut seen).map_err(&mut *failed)
                })
            })
        });
        if noted.is_err() {
            self.scrap_object(&stored.class, &stored.object)?;
        }
        Ok(noted?)
    }
}

/// The refusal of a version that says whom its rows are about, where nothing reads those: before any byte is taken.
pub(super) fn can_be_read(engine: &Engine, subjects: Option<&SubjectColumn>) -> Result<(), Refusal> {
    match subjects {
        Some(column) if !column.form.is_text() && engine.options.columnar.is_none() => {
            let message =
                format!("rows of form `{}` are not read here, so nobody's could be erased", column.form.as_str());
            Err(Refusal::new(RefusalCode::Invalid, message))
        }
        _ => Ok(()),
    }
}

/// Runs what calls back, and gives what failed in a callback as what it was.
pub(super) fn stashed<T>(
    run: impl FnOnce(&mut dyn FnMut(Unwritten) -> io::Error) -> Result<T, RowError>,
) -> Result<T, Unwritten> {
    let mut failed = None;
    let done = run(&mut |why| {
        failed = Some(why);
        io::Error::other("what was asked for failed")
    });
    match failed {
        Some(why) => Err(why),
        None => done.map_err(Unwritten::Rows),
    }
}
