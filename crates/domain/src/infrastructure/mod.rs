//! The installation itself: whose ledger it is, its nodes, its policies, its signs of life, and what it refused.

pub mod archive;
pub mod endpoints;
pub mod objects;
pub mod stops;

use serde::{Deserialize, Serialize};

pub use archive::{ArchiveLocked, ArchiveProbed, LockMode, LockedObject, ProbeOutcome};
pub use endpoints::{ClientAuth, Endpoint, EndpointsProbed, Found, TlsVersion, Zone};
pub use objects::{ObjectsProbed, PlaceOutcome, Versioning};
pub use stops::LedgerResumed;

/// Whose ledger this is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrgCreated {
    /// Name of the organisation.
    pub name: String,
    /// Origin of the log, the first line of each checkpoint.
    pub origin: String,
    /// The log's verifier key, as a C2SP signed-note vkey.
    pub log_vkey: String,
    /// How long records must be kept, in days.
    pub retention_days: u32,
}

/// Policies as they came into force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoliciesInstalled {
    /// SHA-256 of `text`, hexadecimal.
    pub sha256: String,
    /// Cedar source.
    pub text: String,
}

/// A node's start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeJoined {
    /// The node's name.
    pub node: String,
    /// 1 for its first start, then one more each time; `node_seq` of its records begins again at 0.
    pub incarnation: u64,
    /// Version of the program.
    pub program: String,
}

/// A node's end, after everything was sealed and counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeStopped {
    /// The node's name.
    pub node: String,
    /// The incarnation that ended.
    pub incarnation: u64,
}

/// What a node found when it started after a stop that was not clean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeRecovered {
    /// The node's name.
    pub node: String,
    /// The incarnation that was recovered.
    pub incarnation: u64,
    /// Records found that were durable but not sealed.
    pub unsealed: u64,
    /// Inferences that had begun and not ended; each now has a record with status `interrupted`.
    pub interrupted: u64,
    /// Bytes of a torn batch that was cut off; nothing in it had been acknowledged.
    pub truncated_bytes: u64,
}

/// A certificate that an authority gave to a node, which shows it from here on. Its names are told by a digest: they say
/// where an installation is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateInstalled {
    /// The node's name.
    pub node: String,
    /// SHA-256 of the certificate (DER), hexadecimal.
    pub sha256: String,
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// SHA-256 of its issuer's name (DER), hexadecimal.
    pub issuer_sha256: String,
    /// SHA-256 of the names that it is for, sorted, each with a line feed after it; hexadecimal.
    pub names_sha256: String,
    /// From when it is valid, in milliseconds since the epoch.
    pub not_before: i64,
    /// Until when it is valid, in milliseconds since the epoch.
    pub not_after: i64,
}

/// A sign of life that also keeps the newest checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerHeartbeat {
    /// The newest published checkpoint, a signed note, with the witnesses' cosignatures.
    pub checkpoint: String,
    /// When that checkpoint was signed, in milliseconds since the epoch.
    pub signed_at: i64,
}

/// An older copy of the ledger, restored and gone on with on purpose. What the entries said that are given up is not in
/// this ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackAccepted {
    /// The newest checkpoint that was remembered of the history that is given up: a note that the log signed.
    pub remembered: String,
    /// How many entries that history had, at least.
    pub from_size: u64,
    /// How many entries are gone on from; equal to this event's sequence number.
    pub to_size: u64,
    /// Where the reason is written down, such as a ticket's number. Never a name.
    pub reference: String,
}

/// A digest of the state that all events before this one fold to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateDigest {
    /// How many events the state is a fold of; equal to this event's sequence number.
    pub size: u64,
    /// SHA-256 of the state as compact JSON with sorted keys, hexadecimal.
    pub sha256: String,
    /// [`crate::State::FOLD`] of the program that took it. Left out by programs from before there were revisions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<u32>,
}

/// A refusal. What was asked is named, but not repeated: it may hold what must not be in the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandRefused {
    /// The command's name.
    pub command: String,
    /// What it would have changed, as `kind/name`.
    pub resource: String,
    /// A stable code.
    pub code: crate::RefusalCode,
    /// Policies that forbade it; empty when no policy allowed it, or when the rules refused it.
    pub policies: Vec<String>,
}

/// A node as the state knows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its current incarnation.
    pub incarnation: u64,
    /// The newest sealed segment of this incarnation.
    pub last_segment: Option<SegmentRef>,
    /// Records sealed in this incarnation; the `node_seq` at which the next segment begins.
    pub sealed_records: u64,
    /// The newest sealed segment of accesses of this incarnation.
    pub last_accesses: Option<SegmentRef>,
    /// Accesses sealed in this incarnation.
    pub sealed_accesses: u64,
}

/// A segment by number and root.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SegmentRef {
    /// Its number in the incarnation, from 0.
    pub number: u64,
    /// Its Merkle root, hexadecimal.
    pub root: String,
}
