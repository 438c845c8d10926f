//! Services, their routes and deployments, and the records of what they answered.

pub(crate) mod guard;
mod inference;
pub(crate) mod register;

pub use guard::{Guard, GuardAction};
pub use inference::{InferenceCore, Status};
pub use register::ServiceRegistered;

use serde::{Deserialize, Serialize};

/// What is declared of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSpec {
    /// The team that answers for it. A team, not a person: this is in the ledger for good.
    pub owner: String,
    /// What it is for, as an identifier such as `credit-scoring`.
    pub purpose: String,
    /// `high`, `medium` or `low`.
    pub risk_tier: RiskTier,
    /// Classification of the payloads, which chooses their keys.
    pub classification: String,
    /// The environment that it is for, such as `prod` or `staging`; keys are for environments too.
    #[serde(default = "prod", skip_serializing_if = "is_prod")]
    pub environment: String,
    /// Where it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The country of those whom its requests concern, by two letters, such as `au`; a request may name another beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_country: Option<String>,
    /// Whether its answers may significantly affect a person.
    #[serde(default)]
    pub significant_effect: bool,
    /// Whether it handles personal information.
    #[serde(default)]
    pub uses_personal_info: bool,
    /// Whether each inference must pass guardrails.
    #[serde(default)]
    pub guardrails_required: bool,
    /// Whether each decision needs an explanation.
    #[serde(default)]
    pub explain_required: bool,
    /// How people oversee it, such as `human_review`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oversight: Option<String>,
    /// What happens when recording is impossible.
    #[serde(default)]
    pub when_unrecordable: WhenUnrecordable,
    /// What clients may ask for, by the name they put in `model`.
    #[serde(default)]
    pub routes: Vec<Route>,
}

fn prod() -> String {
    "prod".to_owned()
}

fn is_prod(environment: &str) -> bool {
    environment == "prod"
}

/// How much harm a service could do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskTier {
    /// Could harm people or the business seriously.
    High,
    /// In between.
    Medium,
    /// Could do little harm.
    Low,
}

impl RiskTier {
    /// Whether this is as much risk as `least`, or more.
    #[must_use]
    pub fn reaches(self, least: Self) -> bool {
        let rank = |tier| match tier {
            Self::Low => 0,
            Self::Medium => 1,
            Self::High => 2,
        };
        rank(self) >= rank(least)
    }

    /// The name used in files and views.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// What the gateway does when an inference cannot be recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenUnrecordable {
    /// Refuse the request: nothing is answered that is not on record.
    #[default]
    Refuse,
    /// Answer all the same, and count what was not recorded.
    Answer,
}

/// A name that clients use, and who answers to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The name that clients put in `model`, or in the path of the Open Inference Protocol.
    pub name: String,
    /// Who answers.
    pub target: Target,
    /// What is done with personal data and secrets that pass; `None` when nobody looks for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard: Option<Guard>,
}

/// Who answers a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Target {
    /// A model at an outside provider.
    Provider {
        /// The provider's name.
        provider: String,
        /// The name of the model there.
        model: String,
    },
    /// A registered model, served in process.
    Model {
        /// The model's name.
        model: String,
        /// Its version.
        version: String,
    },
}

impl Target {
    /// The model's identity and version as records and views name it.
    #[must_use]
    pub fn model_and_version(&self) -> (String, String) {
        match self {
            Self::Provider { provider, model } => (format!("{provider}/{model}"), "as-served".into()),
            Self::Model { model, version } => (model.clone(), version.clone()),
        }
    }
}

/// A service as declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceDeclared {
    /// Its name.
    pub service: String,
    /// What is declared of it.
    pub spec: ServiceSpec,
}

/// The end of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceRetired {
    /// Which service.
    pub service: String,
}

/// A model version that began to answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeploymentStarted {
    /// Identifier of the deployment.
    pub deployment: String,
    /// For which service.
    pub service: String,
    /// For which of its routes.
    pub route: String,
    /// Who answers.
    pub target: Target,
    /// SHA-256 of the artifact, when it is served in process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_sha256: Option<String>,
}

/// A deployment that stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeploymentEnded {
    /// Which deployment.
    pub deployment: String,
    /// Of which service.
    pub service: String,
}

/// A file of a segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentFile {
    /// Path below the records directory.
    pub path: String,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// Its length in bytes.
    pub len: u64,
}

/// A sealed segment: `n` records of one kind and node, committed to by one Merkle root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentSealed {
    /// The node that wrote it.
    pub node: String,
    /// The node's incarnation.
    pub incarnation: u64,
    /// Number of the segment in the incarnation, from 0.
    pub number: u64,
    /// `node_seq` of its first record.
    pub first: u64,
    /// How many records it holds.
    pub n: u64,
    /// RFC 6962 root over the records' leaves, hexadecimal.
    pub root: String,
    /// Root of the segment before, hexadecimal; absent for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<String>,
    /// Earliest `ts_end` in it, microseconds since the epoch.
    pub t0: i64,
    /// Latest `ts_end` in it, microseconds since the epoch.
    pub t1: i64,
    /// How many of its records ended in each hour: (start of the hour in milliseconds since the epoch, records).
    pub hours: Vec<(i64, u64)>,
    /// The core file.
    pub core: SegmentFile,
    /// The payload file; records of accesses have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<SegmentFile>,
}

/// How far a segment had come, so that a later change inside it shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentProgress {
    /// The node.
    pub node: String,
    /// Its incarnation.
    pub incarnation: u64,
    /// The segment's number.
    pub number: u64,
    /// Records in it so far.
    pub n: u64,
    /// RFC 6962 root over them, hexadecimal.
    pub root: String,
}

/// What a node counted in one hour. A later event for the same hour replaces an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayCounted {
    /// The node.
    pub node: String,
    /// Its incarnation.
    pub incarnation: u64,
    /// Start of the hour, milliseconds since the epoch.
    pub hour: i64,
    /// Inference requests that ended in that hour, counted where responses leave.
    pub requests: u64,
    /// Records made durable for them, counted where they are written.
    pub logged: u64,
}

/// The count of an hour that a node's process took with it when it ended without reporting it. What is said here is of
/// the start that came after, not of the gateway: records that were found can be counted again, requests cannot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayCountLost {
    /// The node.
    pub node: String,
    /// The incarnation that counted.
    pub incarnation: u64,
    /// Start of the hour, milliseconds since the epoch.
    pub hour: i64,
    /// Records of the incarnation that ended in that hour, counted among the sealed ones by the start that came after.
    pub records: u64,
}

/// A deployment as the state knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// How it started.
    pub started: DeploymentStarted,
    /// When, milliseconds since the epoch.
    pub at: i64,
}
