//! Controls, what tests of them found, and the evidence that is handed out.
//!
//! A test is SQL over the ledger at one size; its result names the query, the parameters, the size and the root, so
//! that anybody with the same entries can run it again. Nothing here says "compliant": that is for the auditor.

mod catalogue;
mod certificate;
mod evidence;
mod items;
mod pdf;
mod person;
mod proof;
mod run;
mod source;

pub use catalogue::{Catalogue, Control, Criterion, catalogue, logic_sha256};
pub use certificate::{certificate, certificate_pdf};
pub use evidence::{ExportRequest, Package, export};
pub use items::Items;
pub use person::export_of_person;
pub use proof::{access_proof, event_proof, record_proof, review_list};
pub use run::{Finished, Report, RunRequest, run_controls, test};
pub use source::{database, package_database};

/// Why an assurance task could not be done.
#[derive(Debug, thiserror::Error)]
pub enum AssuranceError {
    /// A control that is not in the catalogue.
    #[error("control `{0}` is not in the catalogue: see `counterfoil controls list`")]
    NoControl(String),
    /// A control's query failed.
    #[error("control `{control}`: {source}")]
    Query {
        /// Which control.
        control: String,
        /// What went wrong.
        source: query::QueryError,
    },
    /// A control's query broke a rule of the catalogue.
    #[error("control `{control}`: {why}")]
    Logic {
        /// Which control.
        control: String,
        /// Which rule.
        why: String,
    },
    /// The database cannot be asked.
    #[error(transparent)]
    Database(#[from] query::QueryError),
    /// The result cannot be recorded.
    #[error(transparent)]
    Record(#[from] engine::ExecuteError),
    /// No such inference or event, or it is not provable yet.
    #[error("{0}")]
    NotFound(String),
    /// There may have been such a record, and the records of its time went by a rule of retention.
    #[error("{0}")]
    Gone(String),
    /// A window that makes no sense.
    #[error("the window makes no sense: it must begin before it ends, and end no later than now")]
    Window,
    /// The ledger or a file cannot be read or written.
    #[error("{0}")]
    Io(String),
}
