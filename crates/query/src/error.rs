//! What can go wrong with a query, in words for whoever asked. The engine's own messages pass through one place here,
//! which gives them our style and keeps paths of the file system out of them.

use datafusion::error::DataFusionError;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// A size that the ledger has not reached.
    #[error("the ledger has {size} entries, size {asked} is not reached yet: ask for {size} or less")]
    NotReached {
        /// What was asked for.
        asked: u64,
        /// How many there are.
        size: u64,
    },
    /// A time that has not come, or that a package does not reach.
    #[error(
        "nothing is known of that time yet: the newest entry is of {newest}, at size {size}; ask for that or earlier"
    )]
    Future {
        /// Time of the newest entry.
        newest: String,
        /// How many entries there are.
        size: u64,
    },
    /// An entry that this build does not understand; nothing after it can be folded.
    #[error(
        "ledger entry {seq} cannot be folded: {reason}: use the version of the program that wrote it, or a newer one"
    )]
    Entry {
        /// Its number.
        seq: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The ledger cannot be read.
    #[error("the ledger cannot be read: {0}")]
    Source(String),
    /// A statement that is not a question.
    #[error("`{0}` is not allowed: this is read-only SQL, use SELECT, EXPLAIN, DESCRIBE or SHOW")]
    NotReadOnly(String),
    /// A name that is no table.
    #[error("there is no table `{0}`: `SELECT DISTINCT name FROM tables` lists them")]
    NoTable(String),
    /// The statement cannot be understood or computed.
    #[error("{0}")]
    Sql(String),
    /// More rows than an answer may have.
    #[error("the answer has more than {0} rows: add conditions or a LIMIT")]
    TooManyRows(usize),
    /// The answer, or what it takes to compute it, does not fit the memory set aside.
    #[error(
        "the query needs more memory than the {0} bytes set aside for queries: narrow its window or aggregate more"
    )]
    Memory(usize),
    /// It took too long.
    #[error("the query took longer than {0} s and was stopped: narrow its window")]
    Timeout(u64),
    /// A file of sealed records is missing or damaged.
    #[error(
        "a file of sealed records is missing or damaged: check the ledger's records and restore the file from a copy"
    )]
    Records(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A mistake of ours.
    #[error("internal error: {0}")]
    Internal(String),
}

impl QueryError {
    /// Says an engine's error in our words. `memory` is the size of the pool, for the message.
    pub(crate) fn from_engine(error: DataFusionError, memory: usize) -> Self {
        match error.find_root() {
            DataFusionError::ResourcesExhausted(_) => Self::Memory(memory),
            DataFusionError::ObjectStore(_) | DataFusionError::IoError(_) | DataFusionError::ParquetError(_) => {
                Self::Records(Box::new(error))
            }
            DataFusionError::External(inner) if inner.is::<Self>() => Self::Sql(inner.to_string()),
            root => Self::Sql(tidy(&root.strip_backtrace())),
        }
    }
}

/// One line, lower case at the start, no final period, names in backticks, no catalog names.
fn tidy(message: &str) -> String {
    let prefixes = [
        "Error during planning: ",
        "Schema error: ",
        "SQL error: ",
        "This feature is not implemented: ",
        "Execution error: ",
        "Optimizer rule failed: ",
        "Arrow error: ",
        "ParserError(\"",
    ];
    let mut text = message.lines().next().unwrap_or_default().trim();
    while let Some(rest) = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix)) {
        text = rest;
    }
    let text = text.trim_end_matches("\")").trim_end_matches('.').replace("counterfoil.ledger.", "").replace('\'', "`");
    let mut chars = text.chars();
    match chars.next() {
        // An acronym or an operator keeps its capitals.
        Some(first) if !chars.clone().next().is_some_and(char::is_uppercase) => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text,
    }
}
