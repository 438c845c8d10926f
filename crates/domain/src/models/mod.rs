//! Models that are served in process: which versions exist and what was checked when each was registered.

use serde::{Deserialize, Serialize};

/// A tensor of a model's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Open Inference Protocol datatype, such as `FP32`, `INT64` or `BYTES`.
    pub datatype: String,
    /// Dimensions; -1 is any.
    pub shape: Vec<i64>,
}

/// What a check of an artifact found out; a command to register a model is decided on these facts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelFacts {
    /// Bytes of the artifact.
    pub bytes: u64,
    /// Operators that its graph uses.
    pub operators: Vec<String>,
    /// Its inputs.
    pub inputs: Vec<Tensor>,
    /// Its outputs.
    pub outputs: Vec<Tensor>,
}

/// A model version that passed its check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRegistered {
    /// The model's name.
    pub model: String,
    /// Its version, never used twice.
    pub version: String,
    /// SHA-256 of the artifact, hexadecimal; the artifact lies in the object store under this name.
    pub artifact_sha256: String,
    /// What the check found.
    pub facts: ModelFacts,
    /// How it lies encrypted; absent for one that was kept in clear, before artifacts were encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enclosed: Option<Enclosed>,
    /// The versions of data sets that it learned from, each as `NAME@VERSION`, sorted, as whoever registered it says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trained_on: Vec<String>,
    /// The run that made it, as they say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

/// The encrypted object that an artifact lies in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enclosed {
    /// Identifier of the object, hexadecimal.
    pub object: String,
    /// Its data class.
    pub class: String,
    /// Name of its key in the vault.
    pub key: String,
}

/// An artifact that lies encrypted, for as long as it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptArtifact {
    /// SHA-256 of what is in it, hexadecimal: its name in the object store.
    pub sha256: String,
    /// Its data class.
    pub class: String,
    /// When a model version was registered with it last, in milliseconds since the epoch.
    pub at: i64,
}
