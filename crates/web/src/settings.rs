//! What the server's settings say about the doors.

use std::sync::Arc;
use std::time::Duration;

use engine::Notifier;

/// The settings.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The address that people use, without a slash at its end; sign-in links begin with it.
    pub public_url: String,
    /// The header in which a proxy in front of the server names the address of its client, if there is such a proxy.
    pub address_header: Option<String>,
    /// How long a key lives that a command line got by signing in.
    pub login_time: Duration,
    /// The OpenID Connect provider, if there is one.
    pub oidc: Option<OidcSettings>,
    /// Whose tokens of programs can be checked.
    pub workload: WorkloadSettings,
    /// Whoever tells people what waits for them, if there is a channel.
    pub notifier: Option<Arc<Notifier>>,
}

/// Whose tokens of programs can be checked. Rules of the ledger say which of them are believed.
#[derive(Clone, Debug, Default)]
pub struct WorkloadSettings {
    /// Hosts that may be asked for the keys of issuers.
    pub hosts: Vec<String>,
    /// Certificates of authorities to trust instead of the public ones, DER.
    pub authorities: Vec<Vec<u8>>,
}

/// The provider that people sign in with.
#[derive(Clone)]
pub struct OidcSettings {
    /// Its issuer, exactly as it writes it.
    pub issuer: String,
    /// What it knows Counterfoil as.
    pub client_id: String,
    /// The secret that goes with that; none for a public client.
    pub client_secret: Option<String>,
    /// What people call the provider.
    pub label: String,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// The claim that lists the groups of a person.
    pub groups_claim: String,
    /// How far the two clocks may be apart.
    pub clock_skew: Duration,
    /// Domains of verified e-mail addresses that may come in; all when empty.
    pub email_domains: Vec<String>,
    /// Whether somebody whom nobody registered is registered when they first come.
    pub register: bool,
    /// Hosts beside the issuer's that its discovery document may name.
    pub hosts: Vec<String>,
    /// Certificates of authorities to trust instead of the public ones, DER.
    pub authorities: Vec<Vec<u8>>,
}

/// Without the secret.
impl std::fmt::Debug for OidcSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OidcSettings")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}
