//! People and programs that act, how they sign in, and the keys that applications hold.
//!
//! Secrets never reach the ledger: a link, a session and a key are known by the SHA-256 of a random 256-bit secret,
//! which no dictionary can invert.

pub mod accesses;
pub mod accounts;
pub mod actors;
pub mod approvals;
pub mod custom;
pub mod directory;
pub mod documents;
pub mod doors;
pub mod emergencies;
pub mod founding;
pub mod grants;
pub mod groups;
pub mod identities;
pub mod keys;
pub mod notifications;
pub mod passkeys;
pub mod recovery;
pub mod reviews;
pub mod roles;
pub mod sessions;
pub mod training;
pub mod workloads;

use serde::{Deserialize, Serialize};

pub use accesses::{AccessCore, Purpose};
pub use accounts::{Account, AccountOwned, OwnerReason};
pub use actors::ActorLeft;
pub use approvals::{
    Approval, ApprovalCommented, ApprovalNamed, ApprovalRequested, ApprovalRule, ApprovalVoted, ApprovalsConfigured,
    Delegation, DelegationEnded, RequestApproval, Vote, VoteDelegated,
};
pub use custom::{RoleDefined, RoleRetired};
pub use directory::{ActorRemoved, ActorReturned, Presence, ProvisionPerson};
pub use documents::{Document, DocumentAcknowledged, DocumentKind, DocumentPublished};
pub use doors::{Door, SigninRefused};
pub use emergencies::{Emergency, EmergencyDeclared, EmergencyNamed, EmergencyReviewed, EmergencyUsed, Finding};
pub use founding::DutyStoodIn;
pub use grants::{EndReason, Grant, GrantEnded, GrantNamed, GrantRequested};
pub use groups::{
    GrantPreapproved, GrantWithheld, Group, GroupDescribed, GroupMapped, GroupMember, GroupNamed, MappedRole, Mapping,
    ProvisionGroup,
};
pub use identities::{Identity, IdentityLinked, IdentitySource, IdentityUnlinked, ProfileSet};
pub use keys::{
    InferenceScope, Key, KeyCreated, KeyLeaked, KeyRevoked, KeyRotated, KeyScope, KeyStatus, KeysLimited, KeysUsed,
};
pub use notifications::{Channel, Delivery, NotificationKind, NotificationSettled};
pub use passkeys::{Algorithm, Passkey, PasskeyRegistered, PasskeyRemoved, PasskeyUsed};
pub use recovery::{Recovery, RecoveryIssued, RecoveryUsed};
pub use sessions::{OpenSession, Proof, Session, SessionEnd, SessionEnded, SessionStarted};
pub use training::TrainingRecorded;
pub use workloads::{
    ExchangeKey, KeyExchanged, TokenRule, WorkloadDeclared, WorkloadProof, WorkloadRetired, WorkloadRule,
};

/// How long a sign-in link may wait to be used, in milliseconds.
pub const LINK_MS: i64 = 15 * 60 * 1000;

/// What kind of actor it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActorKind {
    /// A person, known by a pseudonym.
    Human,
    /// A program outside Counterfoil.
    Service,
    /// Counterfoil itself.
    System,
}

/// Somebody or something that may act.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActorRegistered {
    /// Pseudonym, `a_` and random characters.
    pub actor: String,
    /// What it is.
    pub kind: ActorKind,
    /// Roles that it begins with, everywhere and without end: Counterfoil's own and the first administrator's. All
    /// others are granted.
    pub roles: Vec<String>,
}

/// A one-time sign-in link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SigninLinkCreated {
    /// Whom it signs in.
    pub actor: String,
    /// SHA-256 of the link's secret, hexadecimal.
    pub link_sha256: String,
    /// Milliseconds since the epoch after which the link is void.
    pub expires_at: i64,
}

/// A session that a link opened. Sessions begin by [`SessionStarted`] now, which tells more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionOpened {
    /// Whose session it is.
    pub actor: String,
    /// The link that was used up.
    pub link_sha256: String,
    /// SHA-256 of the session cookie's secret, hexadecimal.
    pub session_sha256: String,
    /// Milliseconds since the epoch after which the session is void.
    pub expires_at: i64,
}

/// The end of a session, in ledgers whose sessions had no public identifier. Sessions end by [`SessionEnded`] now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionClosed {
    /// Whose session it was.
    pub actor: String,
    /// Which session.
    pub session_sha256: String,
}

/// An unused sign-in link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Whom it signs in.
    pub actor: String,
    /// Milliseconds since the epoch after which it is void.
    pub expires_at: i64,
}
