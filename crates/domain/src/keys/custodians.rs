//! Custodians of the root key: which one a server uses, and whether it can be reached.

use serde::{Deserialize, Serialize};

use crate::decide::refuse;
use crate::{Event, Refusal, RefusalCode, State};

/// Most characters of a key's public name.
const MAX_KEY_ID: usize = 256;

/// What holds a root key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CustodianKind {
    /// A file in the data directory.
    File,
    /// OpenBao or HashiCorp Vault.
    Transit,
    /// A device that speaks PKCS#11.
    Pkcs11,
    /// The memory of the process, for tests.
    Memory,
}

impl CustodianKind {
    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Transit => "transit",
            Self::Pkcs11 => "pkcs11",
            Self::Memory => "memory",
        }
    }

    /// The kind that a word stands for.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::File, Self::Transit, Self::Pkcs11, Self::Memory].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A server found its custodian, lost it, or found it again. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustodianReported {
    /// What holds the root key.
    pub kind: CustodianKind,
    /// Public name of the root key, such as `transit:transit/counterfoil`.
    pub key_id: String,
    /// Whether it could be asked.
    pub reachable: bool,
    /// Since when that has been so, in milliseconds since the epoch.
    pub since: i64,
}

/// A report that says what is known already is none.
pub(crate) fn reported(state: &State, body: &CustodianReported) -> Result<Vec<Event>, Refusal> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:# ".contains(c);
    let of_kind =
        body.key_id.split_once(':').is_some_and(|(kind, name)| kind == body.kind.as_str() && !name.is_empty());
    if !of_kind || body.key_id.len() > MAX_KEY_ID || !body.key_id.chars().all(plain) {
        let kind = body.kind.as_str();
        let message =
            format!("the name of a root key in a custodian `{kind}` is `{kind}:` and letters, digits and `-_./:#`");
        return Err(refuse(RefusalCode::Invalid, message));
    }
    if body.since < 0 {
        return Err(refuse(RefusalCode::Invalid, "a custodian was not lost before 1970"));
    }
    let same = |known: &CustodianReported| {
        (known.kind, &known.key_id, known.reachable) == (body.kind, &body.key_id, body.reachable)
    };
    match state.custodian.as_ref().is_some_and(same) {
        true => Ok(vec![]),
        false => Ok(vec![Event::CustodianReported(body.clone())]),
    }
}
