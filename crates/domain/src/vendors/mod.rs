//! Outside providers of models: who answers when we do not.

use serde::{Deserialize, Serialize};

/// The protocol a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// The OpenAI HTTP API, or anything that speaks it.
    Openai,
}

/// How an outside provider is reached and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderSpec {
    /// Its protocol.
    pub kind: ProviderKind,
    /// Base address, up to and including the version segment, as for an OpenAI client: `https://host/v1`.
    pub base_url: String,
    /// Name of the environment variable that holds its credential; the credential itself is never in the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_env: Option<String>,
    /// Where it processes data, as a region name of your choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Whether a service in scope depends on it.
    #[serde(default)]
    pub critical: bool,
    /// Milliseconds until the first byte of an answer must have come.
    #[serde(default = "default_first_byte_ms")]
    pub first_byte_timeout_ms: u64,
    /// Milliseconds of silence after which an answer counts as broken off.
    #[serde(default = "default_idle_ms")]
    pub idle_timeout_ms: u64,
}

fn default_first_byte_ms() -> u64 {
    120_000
}

fn default_idle_ms() -> u64 {
    60_000
}

/// A provider as declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderDeclared {
    /// Its name.
    pub provider: String,
    /// How it is reached.
    pub spec: ProviderSpec,
}

/// The end of a provider's use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderRetired {
    /// Which provider.
    pub provider: String,
}
