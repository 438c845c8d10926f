//! What can be said of a checkpoint that a heartbeat kept: whose signature it bears, and whether the log still has it.

use domain::infrastructure::LedgerHeartbeat;
use merkle::{Checkpoint, Hash, Note, VerifierKey};

use crate::Source;

/// A kept checkpoint, checked against the log's key and against the entries themselves.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// When it was signed, milliseconds since the epoch.
    pub signed_at: i64,
    /// Its tree size and root, when the note could be read at all.
    pub tree: Option<(u64, Hash)>,
    /// The log's signature verifies.
    pub signature_ok: bool,
    /// Its root is the root of that many entries, recomputed, and they came before the heartbeat.
    pub consistency_ok: bool,
    /// Cosignatures by others than the log, as they stand.
    pub witnesses: u64,
}

/// Bytes of a cosignature after the key's identifier: a timestamp, and an Ed25519 or an ML-DSA-44 signature (C2SP
/// tlog-cosignature, sections "cosignature/v1" and "ML-DSA-44").
const COSIGNATURE_LENGTHS: [usize; 2] = [8 + 64, 8 + 2420];

/// Checks the checkpoint in a heartbeat that is entry `seq`.
pub(crate) fn check(
    beat: &LedgerHeartbeat,
    seq: u64,
    log: Option<&VerifierKey>,
    source: &dyn Source,
) -> Result<Kept, String> {
    let note = Note::parse(&beat.checkpoint).ok();
    let tree = note.as_ref().and_then(|note| Checkpoint::parse(&note.text).ok()).map(|c| (c.size, c.root));
    let consistency_ok = match tree {
        Some((size, root)) if size <= seq => source.root_at(size)? == root,
        _ => false,
    };
    let signature_ok = log.is_some_and(|log| Checkpoint::open(&beat.checkpoint, log).is_ok());
    let log_name = log.map(VerifierKey::name);
    let mut witnesses: Vec<&str> = note
        .iter()
        .flat_map(|note| &note.signatures)
        .filter(|s| Some(s.name.as_str()) != log_name && COSIGNATURE_LENGTHS.contains(&s.signature.len()))
        .map(|signature| signature.name.as_str())
        .collect();
    witnesses.sort_unstable();
    witnesses.dedup();
    let witnesses = witnesses.len() as u64;
    Ok(Kept { signed_at: beat.signed_at, tree, signature_ok, consistency_ok, witnesses })
}
