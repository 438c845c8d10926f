//! Portable proofs: that a ledger has an event, and that a sealed segment has a record. Both end in an unchanged C2SP
//! tlog-proof, so their lower half verifies with any tool for that. The syntax is specified in `docs/format.md`, section
//! "Proofs".

use std::fmt;
use std::str::FromStr;

use domain::people::AccessCore;
use domain::record::TlvError;
use domain::serving::{InferenceCore, SegmentSealed};
use domain::{Entry, EntryError, MAX_ENTRY_BYTES, Record};
use hmac::{Hmac, KeyInit, Mac};
use merkle::{
    Hash, ProofError, TlogProof, TlogProofError, b64, hash_from_b64, hex, leaf_hash, root_from_inclusion, unb64,
};
use sha2::{Digest, Sha256};

/// First line of a record proof.
pub const RECORD_PROOF: &str = "counterfoil/record-proof@v1";

/// First line of an event proof.
pub const EVENT_PROOF: &str = "counterfoil/event-proof@v1";

/// The longest proof that is read, in bytes: payload fields of up to 64 MiB may be disclosed in it, in base64.
pub const MAX_PROOF_BYTES: usize = 128 << 20;

/// A tree of 2^64 leaves is 64 levels high.
const MAX_HASHES: usize = 64;

/// Why a text is not a proof, or does not prove what it should.
#[derive(Debug, thiserror::Error)]
pub enum RecordProofError {
    /// Longer than [`MAX_PROOF_BYTES`].
    #[error("a proof of {bytes} bytes is longer than the {MAX_PROOF_BYTES} that are read")]
    TooLong {
        /// Length of the text.
        bytes: usize,
    },
    /// Another first line.
    #[error("not a proof of this kind: the first line should be `{expected}`")]
    NotAProof {
        /// The first line of this kind of proof.
        expected: &'static str,
    },
    /// A line that is missing, out of place or not spelled as it should be.
    #[error("expected {expected} in line {line}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What should be there.
        expected: &'static str,
    },
    /// No empty line before the lower half.
    #[error("the proof has no empty line followed by a tlog-proof: it was cut short")]
    NoLogProof,
    /// The lower half.
    #[error("its proof that the event is in the ledger: {0}")]
    Log(#[from] TlogProofError),
    /// The record's bytes.
    #[error("its record is not of the kind that it says: {0}")]
    Record(#[from] TlvError),
    /// The event's bytes.
    #[error("its event: {0}")]
    Event(#[from] EntryError),
    /// An event of another type.
    #[error("its event is a `{0}`, which seals no segment of this kind of record")]
    NotASeal(&'static str),
    /// The record is not in the segment.
    #[error("the record is not in the segment at index {index}: {source}")]
    Segment {
        /// Where it is said to be, from 0.
        index: u64,
        /// What does not fit.
        source: ProofError,
    },
    /// The record names another node, incarnation or number than its place in the segment.
    #[error("the record says it is number {node_seq} of node `{node}`, which is not its place in this segment")]
    Place {
        /// Its node.
        node: String,
        /// Its number there.
        node_seq: i64,
    },
    /// An event that completed no review.
    #[error("its event is a `{0}`, which completed no review")]
    NotAReview(&'static str),
    /// A list that the event does not commit to.
    #[error("the list is not the one that the ledger commits to: it was changed")]
    List,
    /// Commitments that the record does not commit to.
    #[error("the commitments are not those that the record commits to")]
    Commitments,
    /// A disclosed value that no commitment is for.
    #[error("the disclosed value of field {field} is not the one that the record commits to")]
    Disclosure {
        /// The payload field.
        field: u16,
    },
}

/// A payload field shown together with the salt of its commitment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disclosure {
    /// The field of the payload.
    pub field: u16,
    /// The salt of its commitment.
    pub salt: [u8; 32],
    /// Its value.
    pub value: Vec<u8>,
}

/// Proof that a record is in a sealed segment of the ledger; may disclose fields of its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordProof {
    /// The kind of record, by its number: [`Record::SCHEMA`].
    pub schema: u32,
    /// The record's core in its byte form, the preimage of its leaf.
    pub record: Vec<u8>,
    /// Index of the record in the segment, from 0.
    pub index: u64,
    /// Inclusion proof from the record's leaf to the segment's root.
    pub hashes: Vec<Hash>,
    /// The ledger entry that sealed the segment, byte for byte.
    pub event: Vec<u8>,
    /// Commitments to all fields of the payload, in order; empty when nothing is disclosed.
    pub commitments: Vec<Hash>,
    /// Disclosed fields, ascending.
    pub disclosures: Vec<Disclosure>,
    /// Proof that `event` is in the ledger.
    pub log: TlogProof,
}

/// A record of any kind.
#[derive(Clone, Debug, PartialEq)]
pub enum AnyRecord {
    /// An inference.
    Inference(Box<InferenceCore>),
    /// An access.
    Access(Box<AccessCore>),
}

impl AnyRecord {
    fn decode(schema: u32, bytes: &[u8]) -> Result<Self, TlvError> {
        match schema {
            AccessCore::SCHEMA => AccessCore::decode(bytes).map(|core| Self::Access(Box::new(core))),
            _ => InferenceCore::decode(bytes).map(|core| Self::Inference(Box::new(core))),
        }
    }

    /// Node, incarnation and number.
    fn place(&self) -> (&str, (i64, i64)) {
        match self {
            Self::Inference(core) => (core.node_name(), core.place()),
            Self::Access(core) => (core.node_name(), core.place()),
        }
    }

    /// The commitment to what is not in it.
    fn c_root(&self) -> &[u8] {
        match self {
            Self::Inference(core) => &core.c_root,
            Self::Access(core) => core.c_root.as_deref().unwrap_or_default(),
        }
    }
}

/// What a record proof shows, once the ledger's root is believed.
#[derive(Clone, Debug, PartialEq)]
pub struct ProvenRecord {
    /// The record.
    pub core: AnyRecord,
    /// The event that sealed its segment.
    pub sealed: SegmentSealed,
    /// That event's time, in milliseconds since the epoch.
    pub ts: i64,
}

impl RecordProof {
    /// Reads a proof. Nothing is verified yet.
    ///
    /// # Errors
    /// [`RecordProofError`] says which line is wrong.
    pub fn parse(text: &str) -> Result<Self, RecordProofError> {
        let (mut lines, log) = halves(text, RECORD_PROOF)?;
        let schema = lines.take(schema_line, "`schema 1` or `schema 2`")?;
        let record = lines.take(|line| unb64(line.strip_prefix("record ")?).ok(), "`record` and base64")?;
        let index = lines.take(|line| decimal(line.strip_prefix("index ")?), "`index` and a number")?;
        let mut hashes = Vec::new();
        while let Some(hash) =
            lines.peek().and_then(|line| hash_from_b64(line).ok()).filter(|_| hashes.len() < MAX_HASHES)
        {
            lines.next();
            hashes.push(hash);
        }
        let event = lines.take(event_line, "a hash in base64, or `event` and base64")?;
        let mut commitments = Vec::new();
        if lines.peek().is_some() {
            commitments = lines.take(commitments_line, "`commits` and base64 of 32 bytes for each field")?;
        }
        let mut disclosures: Vec<Disclosure> = Vec::new();
        while lines.peek().is_some() {
            let last = disclosures.last().map(|disclosure| disclosure.field);
            let ascends = |disclosure: &Disclosure| last.is_none_or(|last| last < disclosure.field);
            let expected = "`disclose` with an ascending field, salt and value";
            disclosures.push(lines.take(|line| disclosure_line(line).filter(ascends), expected)?);
        }
        Ok(Self { schema, record, index, hashes, event, commitments, disclosures, log: TlogProof::parse(log)? })
    }

    /// Checks everything but the ledger's half: the record is in the segment that `event` sealed, and what is disclosed
    /// is what the record commits to. It proves nothing until `log` is verified for `event`.
    ///
    /// # Errors
    /// [`RecordProofError`] says which link of the chain is broken.
    pub fn check(&self) -> Result<ProvenRecord, RecordProofError> {
        let core = AnyRecord::decode(self.schema, &self.record)?;
        let entry = Entry::decode(&self.event)?;
        let sealed = entry.event.sealed().filter(|(schema, _)| *schema == self.schema);
        let Some((_, sealed)) = sealed else {
            return Err(RecordProofError::NotASeal(entry.event.name()));
        };
        let index = self.index;
        let root = root_from_inclusion(&leaf_hash(&self.record), index, sealed.n, &self.hashes)
            .and_then(|root| if hex(&root) == sealed.root { Ok(()) } else { Err(ProofError::RootMismatch) });
        root.map_err(|source| RecordProofError::Segment { index, source })?;
        let number = sealed.first.checked_add(index).and_then(|number| i64::try_from(number).ok());
        let (node, (incarnation, node_seq)) = core.place();
        let place = (node, u64::try_from(incarnation).ok(), Some(node_seq));
        if place != (sealed.node.as_str(), Some(sealed.incarnation), number) {
            return Err(RecordProofError::Place { node: node.to_owned(), node_seq });
        }
        self.check_disclosures(&core)?;
        Ok(ProvenRecord { core, sealed: sealed.clone(), ts: entry.ts })
    }

    fn check_disclosures(&self, core: &AnyRecord) -> Result<(), RecordProofError> {
        if self.commitments.is_empty() && self.disclosures.is_empty() {
            return Ok(());
        }
        if commitment_root(&self.commitments).is_none_or(|root| &root[..] != core.c_root()) {
            return Err(RecordProofError::Commitments);
        }
        let shown = |d: &&Disclosure| !self.commitments.contains(&commitment(d));
        match self.disclosures.iter().find(shown) {
            Some(Disclosure { field, .. }) => Err(RecordProofError::Disclosure { field: *field }),
            None => Ok(()),
        }
    }
}

impl fmt::Display for RecordProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { schema, index, .. } = self;
        writeln!(f, "{RECORD_PROOF}\nschema {schema}\nrecord {}\nindex {index}", b64(&self.record))?;
        for hash in &self.hashes {
            writeln!(f, "{}", b64(hash))?;
        }
        writeln!(f, "event {}", b64(&self.event))?;
        if !self.commitments.is_empty() {
            writeln!(f, "commits {}", b64(self.commitments.as_flattened()))?;
        }
        for Disclosure { field, salt, value } in &self.disclosures {
            writeln!(f, "disclose {field} {} {}", b64(salt), b64(value))?;
        }
        write!(f, "\n{}", self.log)
    }
}

impl FromStr for RecordProof {
    type Err = RecordProofError;

    fn from_str(text: &str) -> Result<Self, RecordProofError> {
        Self::parse(text)
    }
}

/// Proof that an entry is in the ledger, with the entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventProof {
    /// The entry, byte for byte.
    pub entry: Vec<u8>,
    /// Proof that it is in the ledger.
    pub log: TlogProof,
}

impl EventProof {
    /// Reads a proof. Nothing is verified yet.
    ///
    /// # Errors
    /// [`RecordProofError`] says which line is wrong.
    pub fn parse(text: &str) -> Result<Self, RecordProofError> {
        let (mut lines, log) = halves(text, EVENT_PROOF)?;
        let entry = lines.take(|line| entry_bytes(line.strip_prefix("entry ")?), "`entry` and base64")?;
        lines.end()?;
        Ok(Self { entry, log: TlogProof::parse(log)? })
    }
}

impl fmt::Display for EventProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{EVENT_PROOF}\nentry {}\n\n{}", b64(&self.entry), self.log)
    }
}

impl FromStr for EventProof {
    type Err = RecordProofError;

    fn from_str(text: &str) -> Result<Self, RecordProofError> {
        Self::parse(text)
    }
}

/// Lines of the upper half, counted for messages.
pub(crate) struct Lines<'t> {
    rest: std::iter::Peekable<std::str::Split<'t, char>>,
    at: usize,
}

impl<'t> Lines<'t> {
    fn peek(&mut self) -> Option<&'t str> {
        self.rest.peek().copied()
    }

    fn next(&mut self) -> Option<&'t str> {
        self.at += 1;
        self.rest.next()
    }

    /// Nothing may follow.
    pub(crate) fn end(&mut self) -> Result<(), RecordProofError> {
        let line = self.at;
        self.peek().map_or(Ok(()), |_| Err(RecordProofError::Line { line, expected: "an empty line" }))
    }

    pub(crate) fn take<T>(
        &mut self,
        read: impl FnOnce(&'t str) -> Option<T>,
        expected: &'static str,
    ) -> Result<T, RecordProofError> {
        let line = self.at;
        self.next().and_then(read).ok_or(RecordProofError::Line { line, expected })
    }
}

/// The upper half after its first line, and the lower half.
pub(crate) fn halves<'t>(text: &'t str, expected: &'static str) -> Result<(Lines<'t>, &'t str), RecordProofError> {
    if text.len() > MAX_PROOF_BYTES {
        return Err(RecordProofError::TooLong { bytes: text.len() });
    }
    let (upper, lower) = text.split_once("\n\n").ok_or(RecordProofError::NoLogProof)?;
    let mut lines = Lines { rest: upper.split('\n').peekable(), at: 1 };
    match lines.next() {
        Some(first) if first == expected => Ok((lines, lower)),
        _ => Err(RecordProofError::NotAProof { expected }),
    }
}

/// A number in its only spelling.
fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

/// The kinds of record that this version knows.
fn schema_line(line: &str) -> Option<u32> {
    match line {
        "schema 1" => Some(InferenceCore::SCHEMA),
        "schema 2" => Some(AccessCore::SCHEMA),
        _ => None,
    }
}

pub(crate) fn entry_bytes(text: &str) -> Option<Vec<u8>> {
    unb64(text).ok().filter(|bytes| bytes.len() <= MAX_ENTRY_BYTES)
}

fn event_line(line: &str) -> Option<Vec<u8>> {
    entry_bytes(line.strip_prefix("event ")?)
}

fn commitments_line(line: &str) -> Option<Vec<Hash>> {
    let bytes = unb64(line.strip_prefix("commits ")?).ok()?;
    let (hashes, rest) = bytes.as_chunks::<32>();
    (rest.is_empty() && !hashes.is_empty()).then(|| hashes.to_vec())
}

fn disclosure_line(line: &str) -> Option<Disclosure> {
    let mut parts = line.strip_prefix("disclose ")?.split(' ');
    let field = u16::try_from(decimal(parts.next()?)?).ok()?;
    let salt = unb64(parts.next()?).ok()?.try_into().ok()?;
    let value = unb64(parts.next()?).ok()?;
    parts.next().is_none().then_some(Disclosure { field, salt, value })
}

/// `c_root` over the commitments of a record (`docs/format.md`, "Commitments").
fn commitment_root(commitments: &[Hash]) -> Option<Hash> {
    let count = u16::try_from(commitments.len()).ok()?;
    let hash = Sha256::new().chain_update(b"cf/c/v1").chain_update(count.to_le_bytes());
    Some(hash.chain_update(commitments.as_flattened()).finalize().into())
}

/// The commitment that a disclosed field must be one of.
fn commitment(disclosure: &Disclosure) -> Hash {
    let mut mac = Hmac::<Sha256>::new_from_slice(&disclosure.salt).expect("HMAC takes keys of any length");
    mac.update(&disclosure.field.to_le_bytes());
    mac.update(&disclosure.value);
    mac.finalize().into_bytes().into()
}
