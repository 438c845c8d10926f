//! A checkpoint that the auditor kept, whatever it is held against: the package or proof may be newer than it, or older.
//!
//! An older one is no rollback: it was made before. That it is the beginning of the history that was seen later, only a
//! consistency proof can show. It comes in the form in which a log shows a checkpoint to a witness (C2SP tlog-witness,
//! `add-checkpoint`), which `counterfoil ledger checkpoint --since SIZE` prints.

use merkle::{AddCheckpoint, Checkpoint, Hash, Note, VerifierKey, verify_consistency};

use crate::Options;
use crate::report::{
    Claim::{Freshness, Integrity},
    Findings,
};

/// What findings call it.
pub(crate) const PLACE: &str = "your checkpoint";

/// The checkpoint that was kept.
pub(crate) struct Seen {
    pub checkpoint: Checkpoint,
    /// With its signatures, cosignatures among them.
    pub note: Note,
    /// The proof that came with it, and the size that it leads from.
    proof: Option<(u64, Vec<Hash>)>,
}

impl Seen {
    /// The note that the auditor gave, by itself or at the end of a request to a witness.
    pub fn note_of(text: &str) -> &str {
        match text.starts_with("old ") {
            true => text.split_once("\n\n").map_or(text, |(_, note)| note),
            false => text,
        }
    }

    /// Reads what the auditor gave, if anything: a signed note, or a request that ends in one.
    pub fn read(options: &Options, key: &VerifierKey, findings: &mut Findings) -> Option<Self> {
        let text = options.seen.as_deref()?;
        let asked = text.starts_with("old ").then(|| AddCheckpoint::parse(text)).transpose();
        let opened = asked.map_err(|error| error.to_string()).and_then(|asked| {
            let note = asked.as_ref().map_or(text, |asked| asked.checkpoint.as_str());
            let (checkpoint, note) = Checkpoint::open(note, key).map_err(|error| error.to_string())?;
            Ok(Self { checkpoint, note, proof: asked.map(|asked| (asked.old, asked.proof)) })
        });
        opened.map_err(|error| findings.fail(Integrity, "seen.signature", PLACE, error)).ok()
    }

    /// Holds it against an older tree, by the proof that came with it. `what` has that tree's `size` entries.
    pub fn check_later(&self, what: &str, size: u64, root: &Hash, findings: &mut Findings) {
        let newer = self.checkpoint.size;
        findings.summary(Freshness, format!("{} entries came after it, by your checkpoint", newer - size));
        let unproven = match &self.proof {
            Some((old, proof)) if *old == size => {
                return match verify_consistency(size, root, newer, &self.checkpoint.root, proof) {
                    Ok(()) => {
                        let message = format!("the {size} entries of the {what} are the first of the {newer} you saw");
                        findings.note(Integrity, "seen.begins", PLACE, message);
                    }
                    Err(error) => {
                        let message = format!(
                            "its proof does not lead from the {size} entries of the {what} to it ({error}): the proof is \
                             wrong, or the log signed two histories"
                        );
                        findings.fail(Integrity, "seen.proof", PLACE, message);
                    }
                };
            }
            Some((old, _)) => format!("its proof leads from {old} entries"),
            None => "it came without a proof".to_owned(),
        };
        let message = format!(
            "it has {newer} entries, the {what} is older and has {size}. Whether these are the first of those only a proof \
             shows, and {unproven}: give what `counterfoil ledger checkpoint --since {size}` prints"
        );
        findings.unknown(Integrity, "seen.newer", PLACE, message);
    }
}
