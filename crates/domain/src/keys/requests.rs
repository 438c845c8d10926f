//! Requests of a person about what is held of them: access, correction, erasure, and an explanation or a review of a
//! decision that was made without people.
//!
//! The ledger knows a person by random references only. Which identifiers were given, and where to answer, lies sealed
//! under the person's own key, and goes with it. An erasure is looked for, assessed, approved by two people, and then
//! carried out by Counterfoil in steps whose order is fixed; each is an event.

mod rules;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::State;
use crate::keys::holds;

pub use rules::may_have_learned;
pub(crate) use rules::{assess, check_identity, close, execute, receive, searched, stepped};

/// Within how long a request is to be answered when nothing else is said, in milliseconds.
pub const DUE_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// The longest time that can be said instead.
pub const MAX_DUE_MS: i64 = 366 * 24 * 60 * 60 * 1000;

/// The most references that a request names.
pub const MAX_SUBJECTS: usize = 256;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $( $(#[$variant_doc:meta])* $variant:ident $word:literal, )* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $( $(#[$variant_doc])* #[serde(rename = $word)] $variant, )* }

        impl $name {
            /// All of them, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word used in the ledger and in tables.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word, )* }
            }

            /// The one of this word.
            #[must_use]
            pub fn find(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word)
            }
        }
    };
}

words! {
    /// What a person asks for.
    RequestKind {
        /// To see what is held.
        Access "access",
        /// To have it put right.
        Correction "correction",
        /// To have it forgotten.
        Erasure "erasure",
        /// To have a decision that was made without people explained.
        AdmExplanation "adm_explanation",
        /// To have such a decision reviewed by a person.
        AdmReview "adm_review",
    }
}

words! {
    /// How a request came in.
    Intake {
        /// Through somebody who works here.
        Staff "staff",
        /// By electronic mail.
        Email "email",
        /// By telephone.
        Phone "phone",
        /// By post.
        Post "post",
        /// Through a form on the web.
        Web "web",
        /// Through a program of ours.
        Api "api",
    }
}

words! {
    /// How it was checked that whoever asks is whom they say.
    IdentityMethod {
        /// They signed in to their account.
        Account "account",
        /// A document was shown.
        Document "document",
        /// They were reached at an address that was known before.
        Callback "callback",
        /// They knew what only they could.
        Questions "questions",
        /// In person.
        InPerson "in_person",
    }
}

words! {
    /// What that check found.
    IdentityResult {
        /// It is they.
        Confirmed "confirmed",
        /// It could not be confirmed.
        Failed "failed",
    }
}

words! {
    /// What is known of a model and the person's data.
    Assessment {
        /// It was trained on them.
        Trained "trained",
        /// It was not.
        NotTrained "not_trained",
        /// That cannot be found out any more.
        Unknown "unknown",
    }
}

words! {
    /// What is done about it.
    ModelAction {
        /// It is trained anew without them.
        Retrain "retrain",
        /// Their influence is removed by a method that the reference describes.
        Unlearn "unlearn",
        /// What it could say of them is held back.
        Filter "filter",
        /// It stays, for the reason that the reference names.
        Keep "keep",
    }
}

words! {
    /// The steps of an erasure, in the order in which they are done.
    ErasureStep {
        /// No legal hold speaks against it.
        HoldsChecked "holds_checked",
        /// Data sets have new versions without them. Before the keys go, for nobody knows afterwards which rows are theirs.
        DatasetsRewritten "datasets_rewritten",
        /// The person's keys are destroyed, and the rows by which identifiers led to them.
        KeysDestroyed "keys_destroyed",
        /// Tokens that stood for what they told lead nowhere.
        TokensGone "tokens_gone",
        /// What was sealed of them is removed from the files of inferences.
        PayloadRowsRemoved "payload_rows_removed",
        /// What was known of them as somebody who acts here, and what they wrote when they asked, is gone.
        ProfileGone "profile_gone",
        /// Nothing of theirs is kept in memory.
        CachesEmptied "caches_emptied",
        /// The root key is a new one, and the old one is gone.
        RootRatcheted "root_ratcheted",
        /// All of it is done.
        Completed "completed",
    }
}

words! {
    /// How a request ended.
    RequestOutcome {
        /// What was asked for was done.
        Done "done",
        /// It was not, for a reason.
        Refused "refused",
        /// Whoever asked took it back.
        Withdrawn "withdrawn",
    }
}

words! {
    /// Why a request was refused.
    RefusalReason {
        /// It could not be confirmed who asks.
        IdentityNotConfirmed "identity_not_confirmed",
        /// The law says that it must be kept.
        LegalObligation "legal_obligation",
        /// It is needed for a claim, or under a legal hold.
        LegalClaims "legal_claims",
        /// It would tell about others.
        RightsOfOthers "rights_of_others",
        /// It has no ground, or is one of too many.
        Unfounded "unfounded",
        /// Nothing is held.
        NothingHeld "nothing_held",
    }
}

/// A person asked for something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestReceived {
    /// Public identifier, `q_` and random characters.
    pub request: String,
    /// What they ask for.
    pub kind: RequestKind,
    /// References by which the vault knows them, sorted; what they told is sealed under the first.
    pub subjects: Vec<String>,
    /// The actor who they are, when they act here too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// How it came in.
    pub channel: Intake,
    /// When, in milliseconds since the epoch.
    pub received_at: i64,
    /// When it must be answered, in milliseconds since the epoch.
    pub due_at: i64,
    /// SHA-256 of the sealed text: the identifiers given, and where to answer.
    pub sealed_sha256: String,
}

/// Somebody checked who asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestIdentityChecked {
    /// Which request.
    pub request: String,
    /// How.
    pub method: IdentityMethod,
    /// What was found.
    pub result: IdentityResult,
    /// Where that is written down. Never a name.
    pub reference: String,
}

/// The wish to note what a search found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchRequest {
    /// Which request.
    pub request: String,
    /// How many things were found, by the place where.
    pub counts: BTreeMap<String, u64>,
    /// What a legal hold could be on: `service/NAME`, `class/NAME` and `dataset/NAME` with something of theirs.
    pub concerns: BTreeSet<String>,
    /// Their keys, by name.
    pub keys: BTreeSet<String>,
    /// Model versions that, as far as lineage tells, learned from versions of data sets with something of theirs, as
    /// `model/version`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub learned: BTreeSet<String>,
}

/// What is held of a person was looked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestSearched {
    /// For which request.
    pub request: String,
    /// How many things were found, by the place where.
    pub counts: BTreeMap<String, u64>,
    /// What a legal hold could be on.
    pub concerns: BTreeSet<String>,
    /// Their keys, by name.
    pub keys: BTreeSet<String>,
    /// Model versions to be assessed, as `model/version`: as many as an entry holds, those first that nobody has assessed.
    pub models: BTreeSet<String>,
    /// How many more nobody has assessed: the next search names them, when these are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Somebody said what an erasure means for a model version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestAssessed {
    /// For which request.
    pub request: String,
    /// The model.
    pub model: String,
    /// Its version.
    pub version: String,
    /// What is known.
    pub assessment: Assessment,
    /// What is done about it.
    pub action: ModelAction,
    /// Where the reason, or the method and its test, is written down. Never a name.
    pub reference: String,
}

/// The wish to carry an erasure out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecuteRequest {
    /// Which request.
    pub request: String,
    /// The actor who asks, when they act here too: as `request.received` says. They do not vote on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
}

/// An erasure began; it will be completed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestStarted {
    /// Which request.
    pub request: String,
}

/// A step of an erasure is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestStep {
    /// Of which request.
    pub request: String,
    /// Which one.
    pub step: ErasureStep,
    /// What it did, by kind of thing.
    pub counts: BTreeMap<String, u64>,
    /// Keys that are destroyed, by name.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub keys: BTreeSet<String>,
}

/// A request was answered, refused, or taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestClosed {
    /// Which request.
    pub request: String,
    /// How it ended.
    pub outcome: RequestOutcome,
    /// Why, when it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<RefusalReason>,
    /// Where the answer is written down. Never a name.
    pub reference: String,
    /// When whoever asked was told, in milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notified_at: Option<i64>,
}

/// A request as the state knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// What was asked.
    pub received: RequestReceived,
    /// What the newest check of who asks found.
    pub identity: Option<IdentityResult>,
    /// Who confirmed who asks, in any check: they do not hand out what is held.
    pub confirmed_by: BTreeSet<String>,
    /// What the newest search found.
    pub searched: Option<RequestSearched>,
    /// What is done about model versions, by `model/version`.
    pub assessed: BTreeMap<String, ModelAction>,
    /// When its erasure began, in milliseconds since the epoch.
    pub started_at: Option<i64>,
    /// Steps that are done, and when.
    pub steps: Vec<(ErasureStep, i64)>,
    /// How it ended, and when.
    pub closed: Option<(RequestOutcome, i64)>,
}

impl Request {
    pub(crate) fn new(received: &RequestReceived) -> Self {
        Self {
            received: received.clone(),
            identity: None,
            confirmed_by: BTreeSet::new(),
            searched: None,
            assessed: BTreeMap::new(),
            started_at: None,
            steps: Vec::new(),
            closed: None,
        }
    }

    /// Whether it was confirmed who asks.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.identity == Some(IdentityResult::Confirmed)
    }

    /// Model versions that nobody has assessed yet.
    pub fn unassessed(&self) -> impl Iterator<Item = &String> {
        let models = self.searched.iter().flat_map(|found| &found.models);
        models.filter(|model| !self.assessed.contains_key(*model))
    }

    /// The step that an erasure that began waits for; `None` when it has not begun, or all are done.
    #[must_use]
    pub fn next_step(&self) -> Option<ErasureStep> {
        self.started_at?;
        ErasureStep::ALL.get(self.steps.len()).copied()
    }

    /// What a legal hold could be on that keeps what an erasure would destroy.
    pub fn may_be_held_on(&self) -> impl Iterator<Item = String> {
        let subjects = self.received.subjects.iter().map(|subject| format!("subject/{subject}"));
        subjects.chain(self.searched.iter().flat_map(|found| found.concerns.iter().cloned()))
    }

    /// What of theirs is held, and the identifier of the hold on each.
    #[must_use]
    pub fn held(&self, state: &State) -> Vec<(String, String)> {
        let held = self.may_be_held_on().filter_map(|on| holds::blocking(state, &on).map(|hold| (on, hold)));
        held.collect()
    }

    /// Whether its erasure was completed.
    #[must_use]
    pub fn is_erased(&self) -> bool {
        self.steps.last().is_some_and(|(step, _)| *step == ErasureStep::Completed)
    }

    /// The word for how it stands.
    #[must_use]
    pub fn standing(&self) -> &'static str {
        match (&self.closed, self.started_at) {
            (Some((outcome, _)), _) => outcome.as_str(),
            (None, Some(_)) if self.is_erased() => "erased",
            (None, Some(_)) => "under_way",
            (None, None) if !self.is_confirmed() => "identity",
            (None, None) if self.searched.is_none() => "search",
            (None, None) if self.unassessed().next().is_some() => "assess",
            (None, None) if self.searched.as_ref().is_some_and(|found| found.left_out > 0) => "search",
            (None, None) => "answer",
        }
    }
}
