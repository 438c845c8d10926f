//! What other tools write of data: their contracts and suites become contracts, and what their checks came to is told with
//! their names on it. All of it is text from elsewhere: bounded, and never believed to be more than a report.

mod odcs;
pub mod reports;
mod suites;
mod yaml;

use domain::data::Contract;

/// The longest file that becomes a contract, in bytes.
pub const MAX_CONTRACT_FILE_BYTES: usize = 1 << 20;

/// Whose file becomes a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A suite of Great Expectations, as JSON.
    GreatExpectations,
    /// A contract of the Open Data Contract Standard, as YAML or JSON.
    Odcs,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::GreatExpectations, Self::Odcs];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GreatExpectations => "great-expectations",
            Self::Odcs => "odcs",
        }
    }

    /// What a word names.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.as_str() == word)
    }
}

/// A contract that was made of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The contract, as TOML.
    pub text: String,
    /// What it does not say, or says in another way: the place and the reason.
    pub left_out: Vec<String>,
}

/// Makes a contract for a data set of a file; without `dataset` it is called as the file says. `object` names which schema of
/// the file is meant, when it has several.
///
/// # Errors
/// Why the file cannot be read, or no contract can be made of it.
pub fn contract_of(
    source: Source,
    text: &str,
    dataset: Option<&str>,
    object: Option<&str>,
) -> Result<Imported, String> {
    if text.len() > MAX_CONTRACT_FILE_BYTES {
        return Err(format!("a file has {MAX_CONTRACT_FILE_BYTES} bytes at most"));
    }
    match (source, object) {
        (Source::GreatExpectations, Some(_)) => Err("a suite is of one table, so none of it can be named".to_owned()),
        (Source::GreatExpectations, None) => suites::import(text, dataset),
        (Source::Odcs, _) => odcs::import(text, dataset, object),
    }
}

/// A contract that reads.
fn made(text: String, left_out: Vec<String>) -> Result<Imported, String> {
    match Contract::parse(&text) {
        Ok(_) => Ok(Imported { text, left_out }),
        Err(error) => Err(format!("no contract can be made of it: {}", error.why)),
    }
}
