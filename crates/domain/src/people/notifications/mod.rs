//! Telling people what waits for them: which notifications there are, and what became of each.
//!
//! What is to be told follows from the state ([`due`]); what was told, or finally could not be, is an event, so that a
//! restart tells nothing twice that the ledger knows of. An entry names people by their pseudonyms, never by an address.
//! `docs/decisions/0017-notifications-follow-from-the-state.md` says why.

mod plan;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use plan::{NEWS_MS, Notice, due};

use crate::decide::identifier_is_valid;
use crate::{Event, Refusal, RefusalCode, State};

/// For how many days it is remembered what was told: longer than a request or a review stands. What waits longer still
/// is told again.
pub const REMEMBER_DAYS: i64 = 128;

pub(crate) const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Most tries that are counted: what was sent more often says this many.
pub const MAX_ATTEMPTS: u64 = 1000;

/// What a notification is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationKind {
    /// An approval waits for votes.
    ApprovalRequested,
    /// Enough approved, or somebody declined.
    ApprovalDecided,
    /// A request, or an approval that nobody used yet, ends soon.
    ApprovalExpiring,
    /// A role waits to be approved.
    GrantRequested,
    /// Somebody broke the glass.
    EmergencyDeclared,
    /// An emergency is over, and somebody else has to look at it.
    EmergencyReviewDue,
    /// A review waits for its reviewers.
    ReviewOpened,
    /// A review is due soon.
    ReviewDueSoon,
    /// A review is late.
    ReviewOverdue,
    /// The custodian of the root key cannot be reached.
    CustodianAway,
    /// Something in a data set contradicts what is declared of it.
    FindingOpened,
    /// That is late to be settled.
    FindingOverdue,
    /// Somebody tried whether messages arrive.
    Test,
}

impl NotificationKind {
    /// The word used in the ledger, in tables and in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ApprovalRequested => "approval_requested",
            Self::ApprovalDecided => "approval_decided",
            Self::ApprovalExpiring => "approval_expiring",
            Self::GrantRequested => "grant_requested",
            Self::EmergencyDeclared => "emergency_declared",
            Self::EmergencyReviewDue => "emergency_review_due",
            Self::ReviewOpened => "review_opened",
            Self::ReviewDueSoon => "review_due_soon",
            Self::ReviewOverdue => "review_overdue",
            Self::CustodianAway => "custodian_away",
            Self::FindingOpened => "finding_opened",
            Self::FindingOverdue => "finding_overdue",
            Self::Test => "test",
        }
    }
}

/// A way to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A program is told, once for all whom it concerns.
    Webhook,
    /// Each person gets a mail.
    Email,
}

impl Channel {
    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Email => "email",
        }
    }
}

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// The receiver took it.
    Delivered,
    /// It could not be delivered, and is not tried again.
    Failed,
    /// There is no address to send it to.
    Skipped,
}

impl Delivery {
    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// A notification was delivered, or never will be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotificationSettled {
    /// Public identifier, `n_` and hexadecimal digits: the same for each try.
    pub notification: String,
    /// What it is of.
    pub kind: NotificationKind,
    /// The thing it is about, as `kind/name`.
    pub about: String,
    /// How it was sent.
    pub channel: Channel,
    /// For whom; nobody by name when a program was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What became of it.
    pub delivery: Delivery,
    /// How often it was sent.
    pub attempts: u64,
    /// Why it was not delivered, in a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Notice {
    /// The identifier of this notice by one channel, for one person if it is for one. It follows from what is told, so
    /// it is the same after a restart, and a receiver can tell that it has it already.
    #[must_use]
    pub fn id(&self, channel: Channel, to: Option<&str>) -> String {
        let mut hash = Sha256::new();
        for part in [self.kind.as_str(), &self.about, &self.instance, channel.as_str(), to.unwrap_or_default()] {
            hash.update(part);
            hash.update([0]);
        }
        let digest = merkle::hex(&hash.finalize());
        format!("n_{}", digest.get(..32).unwrap_or(&digest))
    }
}

impl State {
    /// Whether it is known what became of a notification.
    #[must_use]
    pub fn is_settled(&self, notification: &str) -> bool {
        self.notified.values().any(|day| day.contains(notification))
    }

    /// Takes in what became of a notification, and forgets those of long ago.
    pub(crate) fn settle_notification(&mut self, body: &NotificationSettled, ts: i64) {
        let day = ts.div_euclid(DAY_MS);
        self.notified.retain(|known, _| known.saturating_add(REMEMBER_DAYS) >= day);
        self.notified.entry(day).or_default().insert(body.notification.clone());
    }
}

pub(crate) fn settle(state: &State, body: &NotificationSettled) -> Result<Vec<Event>, Refusal> {
    let invalid = |why: &str| Err(Refusal::new(RefusalCode::Invalid, why));
    identifier_is_valid("notification", &body.notification)?;
    if let Some(to) = &body.to {
        identifier_is_valid("person", to)?;
    }
    let word = |reason: &String| {
        (1..=40).contains(&reason.len())
            && reason.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    if body.reason.is_some() == (body.delivery == Delivery::Delivered) || !body.reason.iter().all(word) {
        return invalid("what was not delivered has a reason, which is a word, and what was delivered has none");
    }
    if body.attempts > MAX_ATTEMPTS || !about_is_valid(&body.about) {
        return invalid("a notification is about a thing that is named `kind/name`, and was tried a number of times");
    }
    // Whoever sent it may not know that this was written down already.
    Ok(if state.is_settled(&body.notification) { vec![] } else { vec![Event::NotificationSettled(body.clone())] })
}

fn about_is_valid(about: &str) -> bool {
    let parts = about.split_once('/');
    parts.is_some_and(|(kind, name)| {
        !kind.is_empty()
            && kind.bytes().all(|b| b.is_ascii_lowercase())
            && identifier_is_valid("thing", name).is_ok()
            && about.len() <= 64
    })
}
