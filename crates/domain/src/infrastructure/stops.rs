//! A ledger that was stopped, because witnesses remembered another history of it, and goes on.

use serde::{Deserialize, Serialize};

use crate::decide::{digest_is_valid, refuse};
use crate::{Event, Refusal, RefusalCode};

/// Most witnesses that one report lists: it must fit in an entry.
const MAX_WITNESSES: usize = 256;

/// The ledger was stopped, because witnesses remembered another history of it, and goes on. Witnesses are told by the SHA-256
/// of the address that checkpoints are posted to, hexadecimal, sorted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerResumed {
    /// Those that told so and cosign this ledger now.
    pub cosigning: Vec<String>,
    /// Those that told so and that the settings do not name any more.
    pub unnamed: Vec<String>,
}

/// Each time is an event.
pub(crate) fn resumed(body: &LedgerResumed) -> Result<Vec<Event>, Refusal> {
    let told = || body.cosigning.iter().chain(&body.unnamed);
    if !(1..=MAX_WITNESSES).contains(&told().count()) {
        let message = format!("a ledger was stopped by 1 to {MAX_WITNESSES} witnesses");
        return Err(refuse(RefusalCode::Invalid, message));
    }
    told().try_for_each(|digest| digest_is_valid("witness's address", digest))?;
    let in_order = |digests: &[String]| digests.is_sorted_by(|a, b| a < b);
    if !in_order(&body.cosigning) || !in_order(&body.unnamed) {
        return Err(refuse(RefusalCode::Invalid, "the digests of witnesses are sorted, each once"));
    }
    Ok(vec![Event::LedgerResumed(body.clone())])
}
