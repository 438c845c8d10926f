//! Lists of access reviews: what was decided of each item in a completed campaign. The event that completed it holds the
//! list's digest, so the list is signed wherever the ledger is. The forms are specified in `docs/format.md`, section
//! "Reviews".

use std::fmt;
use std::str::FromStr;

use domain::people::reviews::ReviewCompleted;
use domain::{Entry, Event};
use merkle::{TlogProof, b64, hex, unb64};
use sha2::{Digest, Sha256};

use crate::history::History;
use crate::package::Package;
use crate::record_proof::{RecordProofError, entry_bytes, halves};
use crate::report::{Claim::Integrity, Findings};

/// First line of a list with its proof.
pub const REVIEW_LIST: &str = "counterfoil/review-list@v1";

/// Where packages have lists: `reviews/<review>/list.json`.
const FOLDER: &str = "reviews/";

/// The list of a review, with the proof that the ledger commits to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewListProof {
    /// The list, byte for byte: compact JSON.
    pub list: Vec<u8>,
    /// The entry that completed the review.
    pub entry: Vec<u8>,
    /// Proof that the entry is in the ledger.
    pub log: TlogProof,
}

impl ReviewListProof {
    /// Reads a list with its proof. Nothing is verified yet.
    ///
    /// # Errors
    /// [`RecordProofError`] says which line is wrong.
    pub fn parse(text: &str) -> Result<Self, RecordProofError> {
        let (mut lines, log) = halves(text, REVIEW_LIST)?;
        let list = lines.take(|line| unb64(line.strip_prefix("list ")?).ok(), "`list` and base64")?;
        let entry = lines.take(|line| entry_bytes(line.strip_prefix("entry ")?), "`entry` and base64")?;
        lines.end()?;
        Ok(Self { list, entry, log: TlogProof::parse(log)? })
    }

    /// Whether the entry commits to the list. It proves nothing until `log` is verified for `entry`.
    ///
    /// # Errors
    /// [`RecordProofError`] says what does not fit.
    pub fn check(&self) -> Result<(Entry, ReviewCompleted), RecordProofError> {
        let entry = Entry::decode(&self.entry)?;
        let Event::ReviewCompleted(completed) = &entry.event else {
            return Err(RecordProofError::NotAReview(entry.event.name()));
        };
        let completed = completed.clone();
        if !commits_to(&completed, &self.list) {
            return Err(RecordProofError::List);
        }
        Ok((entry, completed))
    }
}

impl fmt::Display for ReviewListProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{REVIEW_LIST}\nlist {}\nentry {}\n\n{}", b64(&self.list), b64(&self.entry), self.log)
    }
}

impl FromStr for ReviewListProof {
    type Err = RecordProofError;

    fn from_str(text: &str) -> Result<Self, RecordProofError> {
        Self::parse(text)
    }
}

fn commits_to(completed: &ReviewCompleted, list: &[u8]) -> bool {
    hex(&Sha256::digest(list)) == completed.list_sha256
}

/// Holds the lists in a package against the events that completed their reviews.
pub(crate) fn check(package: &Package, history: &History<'_>, findings: &mut Findings) {
    let mut lists = 0_u64;
    for path in package.paths() {
        let name = path.strip_prefix(FOLDER).and_then(|rest| rest.strip_suffix("/list.json"));
        let Some((name, list)) = name.zip(package.file(path)) else { continue };
        lists += 1;
        let completed = history.entries.iter().find_map(|(_, entry)| match &entry.event {
            Event::ReviewCompleted(body) if body.review == name => Some(body),
            _ => None,
        });
        if !completed.is_some_and(|completed| commits_to(completed, list)) {
            findings.fail(Integrity, "review.list", path, "it is not the list that the ledger commits to");
        }
    }
    if lists > 0 {
        findings.summary(Integrity, format!("{lists} lists of access reviews"));
    }
}
