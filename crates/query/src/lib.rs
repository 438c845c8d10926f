//! SQL over the ledger at any past size. Every table is a fold of ledger entries, of the segments of records that those
//! entries seal, and of nothing else; so the same query at the same size gives the same rows, here or on an auditor's
//! machine. This is the only crate that names the SQL engine.
//!
//! ```text
//! Source (entries, roots, record files)
//!    |  fold entries 0..n                     src/fold.rs, src/tables/<room>/<table>.rs
//! Fold at size n  ----------------------+
//!    |  rows of a table, when asked     |  files of the sealed segments
//! Session (read-only SQL, bounded)  <---+     src/session.rs, src/segments.rs
//!    |
//! Answer (text, CSV, JSON, Parquet)           src/answer.rs
//! ```
//!
//! Beside it, and apart from the ledger: SQL over the rows of one version of a data set, in `rows/`.
//!
//! A new table is one file in `tables/<room>/` and one line in `tables/mod.rs`.

mod answer;
mod checkpoint;
mod database;
mod error;
mod fold;
mod holders;
pub mod rows;
mod sample;
mod schedule;
mod schema;
mod segments;
mod session;
mod source;
mod statement;
mod table;
mod tables;

pub use answer::Answer;
pub use database::{At, Database, Limits};
pub use error::QueryError;
pub use holders::{role_holders, unacknowledged};
pub use sample::sample;
pub use schedule::due_times;
pub use session::{Params, Session};
pub use source::{EachEntry, Source, Tail};
pub use statement::needed_tables;
pub use table::{Column, Filled, TableInfo, Type};
pub use tables::tables;

/// Name and version of the SQL engine, as control runs record it.
#[must_use]
pub fn engine() -> String {
    format!("datafusion {}", datafusion::DATAFUSION_VERSION)
}

#[cfg(test)]
mod tests;
