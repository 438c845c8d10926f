//! Endpoints: where this installation is called and whom it calls, as probes found them.

use serde::{Deserialize, Serialize};

use crate::decide::{name_is_valid, refuse};
use crate::{Event, Refusal, RefusalCode, State};

/// Most endpoints in one report.
const MAX_ENDPOINTS: usize = 1000;

/// Most characters of an address.
const MAX_ADDRESS: usize = 2048;

/// What a node found when it probed all of its listeners and all providers in use. An endpoint of the node that is not
/// named any more is no longer there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointsProbed {
    /// The node that asked.
    pub node: String,
    /// Its incarnation.
    pub incarnation: u64,
    /// The endpoints, sorted by name, each once.
    pub endpoints: Vec<Endpoint>,
}

/// One endpoint, and what a probe found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// `listener/<node>`, `redirect/<node>` or `provider/<provider>`.
    pub endpoint: String,
    /// Where it was asked: scheme, host and port of a listener; the base address of a provider.
    pub address: String,
    /// What was found; nothing when it could not be reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Found>,
}

/// What a probe found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// Who can reach it, as far as its network address tells.
    pub zone: Zone,
    /// The oldest version of TLS that it agreed to speak; nothing when it speaks in clear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_min: Option<TlsVersion>,
    /// What it said to a request without credentials; nothing when the answer tells neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_auth: Option<ClientAuth>,
}

/// Where an address lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Zone {
    /// This machine alone.
    Loopback,
    /// A private or link-local network.
    Private,
    /// The public Internet.
    Public,
    /// A listener on every address of its machine.
    Any,
}

impl Zone {
    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::Public => "public",
            Self::Any => "any",
        }
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TlsVersion {
    /// 1.0, of 1999.
    #[serde(rename = "1.0")]
    V1_0,
    /// 1.1, of 2006.
    #[serde(rename = "1.1")]
    V1_1,
    /// 1.2, of 2008.
    #[serde(rename = "1.2")]
    V1_2,
    /// 1.3, of 2018.
    #[serde(rename = "1.3")]
    V1_3,
}

impl TlsVersion {
    /// The word used in the ledger and in tables; their order as text is that of the versions.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
            Self::V1_3 => "1.3",
        }
    }
}

/// What an endpoint does with a request without credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// It refuses it: 401 or 403.
    Required,
    /// It answers it.
    None,
    /// It serves nothing and sends whoever asks to an address with TLS.
    Redirects,
}

impl ClientAuth {
    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::None => "none",
            Self::Redirects => "redirects",
        }
    }
}

/// A node reports of its own listeners and of providers, and of nothing else.
pub(crate) fn probed(state: &State, body: &EndpointsProbed) -> Result<Vec<Event>, Refusal> {
    if state.nodes.get(&body.node).is_none_or(|node| node.incarnation != body.incarnation) {
        let message = format!("node `{}` is not in incarnation {}: it reports no more", body.node, body.incarnation);
        return Err(refuse(RefusalCode::Conflict, message));
    }
    let ascending = body.endpoints.is_sorted_by(|a, b| a.endpoint < b.endpoint);
    if !ascending || body.endpoints.len() > MAX_ENDPOINTS {
        let message = format!("a report names {MAX_ENDPOINTS} endpoints at most, ascending, each once");
        return Err(refuse(RefusalCode::Invalid, message));
    }
    for Endpoint { endpoint, address, .. } in &body.endpoints {
        match endpoint.split_once('/') {
            Some(("listener" | "redirect", node)) if *node == body.node => {}
            Some(("provider", provider)) => name_is_valid("provider", provider)?,
            _ => return Err(refuse(RefusalCode::Invalid, "an endpoint is a listener of the node, or a provider")),
        }
        if address.len() > MAX_ADDRESS {
            let message = format!("the address of endpoint `{endpoint}` has more than {MAX_ADDRESS} characters");
            return Err(refuse(RefusalCode::Invalid, message));
        }
    }
    Ok(vec![Event::EndpointsProbed(body.clone())])
}
