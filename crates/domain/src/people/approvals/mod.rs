//! Approvals: the one mechanism for what a second person must agree to.
//!
//! A request names a command and the digest of exactly what would be done. Others vote; the command carries the
//! approval off, once. If what is to be done, or what it would replace, changes meanwhile, the approval no longer fits.
//! Grants of roles have a life of their own ([`super::grants`]): `docs/decisions/0011-approvals.md` says why.

pub(crate) mod guard;
pub mod rules;
pub(crate) mod voting;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use rules::{ApprovalRule, ApprovalsConfigured};

use crate::Command;

/// The longest time that a request may stand, in milliseconds.
pub const STANDS_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// The longest time for which a vote may be handed on, in milliseconds.
pub const DELEGATION_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// The wish to have a command approved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestApproval {
    /// Public identifier, `p_` and random characters.
    pub approval: String,
    /// What is to be done, whole.
    pub command: Box<Command>,
    /// What speaks for it: digests, or numbers of ledger entries.
    pub evidence: Vec<String>,
    /// Milliseconds since the epoch at which the request, and the approval, end by themselves.
    pub expires_at: i64,
    /// Where the reason is written down, such as a ticket's number. Never a name.
    pub reference: String,
}

/// An approval was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalRequested {
    /// Public identifier.
    pub approval: String,
    /// Name of the command that is to be carried out.
    pub command: String,
    /// What it would change, as `kind/name`.
    pub resource: String,
    /// SHA-256 of the command as compact JSON, hexadecimal.
    pub digest: String,
    /// Version of the command's stream when it was asked: what would be replaced is what was looked at.
    pub base: u64,
    /// How many must approve.
    pub quorum: u64,
    /// The role whose holders vote.
    pub role: String,
    /// The model versions that would be deployed, as `model/version`.
    pub deploys: BTreeSet<String>,
    /// Who registered them; they do not vote.
    pub trained_by: BTreeSet<String>,
    /// Who would gain by it; they do not vote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beneficiary: Option<String>,
    /// What speaks for it.
    pub evidence: Vec<String>,
    /// When it ends by itself, in milliseconds since the epoch.
    pub expires_at: i64,
    /// Where the reason is written down.
    pub reference: String,
}

/// What somebody said of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Vote {
    /// It may be done.
    Approve,
    /// It may not. One such vote ends the request.
    Decline,
}

impl Vote {
    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Decline => "decline",
        }
    }
}

/// Somebody voted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalVoted {
    /// On which request.
    pub approval: String,
    /// What they said.
    pub vote: Vote,
    /// Whose vote it is, when it was handed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
}

/// A request is named.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalNamed {
    /// Which request.
    pub approval: String,
}

/// Somebody said something about a request. What they said lies sealed in the erasable store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApprovalCommented {
    /// About which request.
    pub approval: String,
    /// Public identifier, `c_` and random characters.
    pub comment: String,
    /// SHA-256 of the sealed text, hexadecimal.
    pub sealed_sha256: String,
}

/// Somebody handed their votes to somebody else for a time. The event's actor did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoteDelegated {
    /// Public identifier, `v_` and random characters.
    pub delegation: String,
    /// Who votes instead.
    pub to: String,
    /// The votes of which role.
    pub role: String,
    /// When it ends by itself, in milliseconds since the epoch.
    pub ends_at: i64,
}

/// A handing on of votes ended before its time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DelegationEnded {
    /// Which one.
    pub delegation: String,
}

/// A request as the state knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Approval {
    /// What was asked.
    pub requested: ApprovalRequested,
    /// Who asked.
    pub requested_by: String,
    /// The person behind them then: a program may be somebody else's tomorrow. A program that nobody answered for stands
    /// for itself, and for whoever answers for it since.
    pub asker: String,
    /// When, in milliseconds since the epoch.
    pub requested_at: i64,
    /// The votes, in the order in which they were cast.
    pub votes: Vec<Cast>,
    /// What was said about it.
    pub comments: Vec<Comment>,
    /// When it was taken back, if it was.
    pub withdrawn_at: Option<i64>,
    /// Who carried the command out with it, and when.
    pub consumed: Option<(String, i64)>,
}

/// A vote as it was cast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cast {
    /// By whom.
    pub by: String,
    /// What they said.
    pub vote: Vote,
    /// Whose vote it was, when it was handed on.
    pub on_behalf_of: Option<String>,
    /// When, in milliseconds since the epoch.
    pub at: i64,
}

/// That something was said; the words are elsewhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comment {
    /// Public identifier.
    pub comment: String,
    /// Who said it.
    pub by: String,
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// SHA-256 of the sealed text, hexadecimal.
    pub sealed_sha256: String,
}

/// Votes handed on, as the state knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delegation {
    /// Whose votes.
    pub from: String,
    /// What was handed on, to whom, until when.
    pub delegated: VoteDelegated,
    /// When it ended before its time.
    pub ended_at: Option<i64>,
}

impl Delegation {
    /// Whether it is in force at `now` (milliseconds since the epoch).
    #[must_use]
    pub fn holds(&self, now: i64) -> bool {
        self.ended_at.is_none() && now < self.delegated.ends_at
    }
}

/// How a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It waits for votes.
    Waiting,
    /// Enough approved; it waits to be used.
    Approved,
    /// Somebody said no.
    Declined,
    /// Whoever asked took it back.
    Withdrawn,
    /// It came to its end unused.
    Expired,
    /// Its command was carried out.
    Used,
}

impl Standing {
    /// The word used in tables and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
            Self::Used => "used",
        }
    }

    /// Whether it can still lead to anything.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Approved)
    }
}

impl Approval {
    /// How it stands at `now` (milliseconds since the epoch).
    #[must_use]
    pub fn standing(&self, now: i64) -> Standing {
        let declined = self.votes.iter().any(|cast| cast.vote == Vote::Decline);
        match () {
            () if self.consumed.is_some() => Standing::Used,
            () if self.withdrawn_at.is_some() => Standing::Withdrawn,
            () if declined => Standing::Declined,
            () if now >= self.requested.expires_at => Standing::Expired,
            () if self.approved_at().is_some() => Standing::Approved,
            () => Standing::Waiting,
        }
    }

    /// When enough had approved, in milliseconds since the epoch.
    #[must_use]
    pub fn approved_at(&self) -> Option<i64> {
        let last = usize::try_from(self.requested.quorum.saturating_sub(1)).unwrap_or(usize::MAX);
        self.yes().nth(last).map(|cast| cast.at)
    }

    /// The votes that approve.
    pub fn yes(&self) -> impl Iterator<Item = &Cast> {
        self.votes.iter().filter(|cast| cast.vote == Vote::Approve)
    }

    /// Whether somebody had a part in its votes: by their own hand, or because the vote was theirs.
    #[must_use]
    pub fn voted(&self, actor: &str) -> bool {
        self.votes.iter().any(|cast| cast.by == actor || cast.on_behalf_of.as_deref() == Some(actor))
    }
}
