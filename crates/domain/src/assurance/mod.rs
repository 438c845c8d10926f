//! Controls in scope, the runs that tested them, and the evidence that was handed out.

use serde::{Deserialize, Serialize};

/// A control in scope with the logic that was approved for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopedControl {
    /// Identifier in the catalogue, such as `AI-IN-01`.
    pub control: String,
    /// SHA-256 over its violations query and its population query, hexadecimal (`docs/format.md`, "Control logic").
    pub logic_sha256: String,
    /// How often it must run: `continuous`, `hourly`, `daily` or `weekly`.
    pub frequency: String,
}

/// The controls in scope from here on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlsScoped {
    /// All of them, sorted by identifier.
    pub controls: Vec<ScopedControl>,
}

/// What a run found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The population was not empty and nothing violated.
    Pass,
    /// Something violated.
    Fail,
    /// There was nothing to test, or a table that the test needs is not filled by this build.
    NotTested,
}

/// A test of one control over one ledger state. The same query at the same size gives the same rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControlRan {
    /// UUIDv7 of the run.
    pub run: String,
    /// Pseudonym of whoever asked for it. The event's actor is Counterfoil itself, which computed it.
    pub requested_by: String,
    /// Which control.
    pub control: String,
    /// When the schedule wanted it, in milliseconds since the epoch; equal to the run's time when it ran on demand.
    pub due_at: i64,
    /// Digest of the logic that ran.
    pub logic_sha256: String,
    /// `$start`, `$end` and `$now`, in milliseconds since the epoch.
    pub params: RunParams,
    /// The ledger size it was computed at.
    pub at_size: u64,
    /// The ledger's root at that size, hexadecimal.
    pub at_root: String,
    /// Items in the population.
    pub population: u64,
    /// RFC 6962 root over the population's items, sorted by bytes, hexadecimal.
    pub population_root: String,
    /// Rows that the test returned.
    pub violations: u64,
    /// RFC 6962 root over the violations as compact JSON rows, sorted by bytes, hexadecimal.
    pub violations_root: String,
    /// What that means.
    pub outcome: Outcome,
    /// Why it was not tested, when it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Name and version of the SQL engine.
    pub engine: String,
}

impl ControlRan {
    /// Whether this result stands over `other`: it is of the later state, or of the same state and a later window. A run
    /// over an old state, whenever it is done, says nothing about now.
    #[must_use]
    pub fn stands_over(&self, other: &Self) -> bool {
        (self.at_size, self.params.end) >= (other.at_size, other.params.end)
    }
}

/// Parameters of a control run, in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunParams {
    /// Start of the observation window, inclusive.
    pub start: i64,
    /// End of the observation window, exclusive.
    pub end: i64,
    /// The instant of evaluation.
    pub now: i64,
}

/// An evidence package that left the system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceExported {
    /// UUIDv7 of the package.
    pub package: String,
    /// Pseudonym of whoever asked for it and received it.
    pub requested_by: String,
    /// SHA-256 of the package's `manifest.json`, hexadecimal.
    pub manifest_sha256: String,
    /// Start of its window, in milliseconds since the epoch.
    pub from: i64,
    /// End of its window.
    pub to: i64,
    /// The ledger size it was made at.
    pub at_size: u64,
    /// Segments in it.
    pub segments: u64,
    /// Whether it carries sealed payloads.
    pub payloads: bool,
}
