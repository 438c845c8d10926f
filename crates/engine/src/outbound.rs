//! Where providers may be, and which credentials may go there. Whoever may declare a provider names an address and an
//! environment variable of this server; without bounds that would open every secret of the server, and every address
//! that it can reach.
//!
//! What can be known is refused when a provider is declared. The gateway asks again when it connects, because names
//! may change their addresses, and for providers that were declared under other settings.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use domain::vendors::ProviderSpec;

/// The bounds, as the server's settings give them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// Environment variables that may hold credentials of providers; one `*` in each stands for anything.
    pub credential_env: Vec<String>,
    /// Hosts that may have private addresses; one `*` in each stands for anything.
    pub private_hosts: Vec<String>,
}

impl Default for Outbound {
    fn default() -> Self {
        Self { credential_env: vec!["COUNTERFOIL_PROVIDER_*".into(), "*_API_KEY".into()], private_hosts: Vec::new() }
    }
}

/// Why a provider may not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// Its credential is not one for providers.
    #[error(
        "`{0}` is not an environment variable for credentials of providers: use one that the setting `providers.credential_env` names"
    )]
    Credential(String),
    /// It is where no provider is.
    #[error(
        "`{0}` is an address of this machine's own network (link-local, metadata or reserved), where no provider may be: use another address"
    )]
    Local(String),
    /// It is in a private network.
    #[error(
        "`{0}` is a private address: if the provider is there, name the host in the setting `providers.private_hosts`"
    )]
    Private(String),
}

/// Names by which clouds tell machines their credentials.
const METADATA_NAMES: [&str; 5] =
    ["metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"];

enum Place {
    /// Anywhere, or this machine.
    Open,
    Private,
    /// Link-local, metadata services, and what is no host's address.
    Never,
}

impl Outbound {
    /// Whether a provider may be declared, as far as that can be known without asking the network.
    ///
    /// # Errors
    /// Why not.
    pub fn allows(&self, spec: &ProviderSpec) -> Result<(), Forbidden> {
        spec.api_key_env.as_deref().map_or(Ok(()), |variable| self.allows_credential(variable))?;
        self.allows_host(host(&spec.base_url))
    }

    /// Whether an environment variable may be read for a provider.
    ///
    /// # Errors
    /// [`Forbidden::Credential`].
    pub fn allows_credential(&self, variable: &str) -> Result<(), Forbidden> {
        match self.credential_env.iter().any(|pattern| matches(pattern, variable)) {
            true => Ok(()),
            false => Err(Forbidden::Credential(variable.to_owned())),
        }
    }

    /// Whether a host, as it stands in an address, may be connected to, as far as its text says.
    ///
    /// # Errors
    /// [`Forbidden::Local`] or [`Forbidden::Private`].
    pub fn allows_host(&self, host: &str) -> Result<(), Forbidden> {
        let name = plain(host);
        if METADATA_NAMES.contains(&name.as_str()) {
            return Err(Forbidden::Local(name));
        }
        name.parse().map_or(Ok(()), |ip| self.allows_address(host, ip))
    }

    /// Whether `ip`, which is an address of `host`, may be connected to.
    ///
    /// # Errors
    /// [`Forbidden::Local`] or [`Forbidden::Private`].
    pub fn allows_address(&self, host: &str, ip: IpAddr) -> Result<(), Forbidden> {
        let name = plain(host);
        let place = place(ip);
        let shown = || if name.parse() == Ok(ip) { name.clone() } else { format!("{name} ({ip})") };
        match place {
            Place::Open => Ok(()),
            Place::Never => Err(Forbidden::Local(shown())),
            Place::Private if self.private_hosts.iter().any(|pattern| matches(&plain(pattern), &name)) => Ok(()),
            Place::Private => Err(Forbidden::Private(shown())),
        }
    }
}

/// A host in lower case, without the brackets of an IPv6 address and the dot that may end a name.
fn plain(host: &str) -> String {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// The host in an `http(s)://host[:port][/path]`.
fn host(url: &str) -> &str {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest).split(['/', '\\']).next().unwrap_or_default();
    match authority.rfind(']') {
        Some(bracket) => &authority[..=bracket],
        None => authority.split(':').next().unwrap_or_default(),
    }
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, end)) => text.len() >= start.len() + end.len() && text.starts_with(start) && text.ends_with(end),
    }
}

fn place(ip: IpAddr) -> Place {
    match ip {
        IpAddr::V4(ip) => place_v4(ip),
        IpAddr::V6(ip) => place_v6(ip),
    }
}

fn place_v4(ip: Ipv4Addr) -> Place {
    // Azure and Alibaba tell their machines secrets at addresses that look like others.
    const METADATA: [Ipv4Addr; 2] = [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(100, 100, 100, 200)];
    let [a, b, c, _] = ip.octets();
    match (a, b, c) {
        _ if ip.is_loopback() => Place::Open,
        _ if ip.is_link_local() || METADATA.contains(&ip) => Place::Never,
        (0 | 224.., ..) | (192, 0, 0) => Place::Never,
        (100, 64..=127, _) | (198, 18 | 19, _) => Place::Private,
        _ if ip.is_private() => Place::Private,
        _ => Place::Open,
    }
}

fn place_v6(ip: Ipv6Addr) -> Place {
    // Amazon and Google.
    const METADATA: [Ipv6Addr; 2] =
        [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];
    let words = ip.segments();
    let v4 = |high: u16, low: u16| place_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match words {
        _ if ip.is_loopback() => Place::Open,
        _ if METADATA.contains(&ip) || ip.is_unspecified() => Place::Never,
        // An IPv4 address in another dress: mapped, compatible, NAT64, 6to4.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        // Teredo, and NAT64 of a network's own choice, may lead anywhere.
        [0x2001, 0, ..] | [0x64, 0xff9b, 1, ..] => Place::Never,
        // Link-local, site-local, multicast.
        [0xfe80..=0xffff, ..] => Place::Never,
        [0xfc00..=0xfdff, ..] => Place::Private,
        _ => Place::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbound() -> Outbound {
        Outbound { private_hosts: vec!["*.internal".into(), "10.0.0.7".into()], ..Outbound::default() }
    }

    fn spec(base_url: &str, api_key_env: Option<&str>) -> ProviderSpec {
        let spec = serde_json::json!({"kind": "openai", "base_url": base_url, "api_key_env": api_key_env});
        serde_json::from_value(spec).expect("a provider")
    }

    #[test]
    fn credentials_are_those_that_the_settings_name() {
        let allows = |variable| outbound().allows(&spec("https://api.example/v1", Some(variable))).is_ok();
        assert!(allows("OPENAI_API_KEY") && allows("COUNTERFOIL_PROVIDER_ACME"));
        for other in
            ["AWS_SECRET_ACCESS_KEY", "DATABASE_URL", "PATH", "XCOUNTERFOIL_PROVIDER_A", "OPENAI_API_KEY_2", ""]
        {
            assert!(!allows(other), "{other}");
        }
        let exact = Outbound { credential_env: vec!["ONE".into()], ..Outbound::default() };
        assert!(exact.allows_credential("ONE").is_ok() && exact.allows_credential("ONE_API_KEY").is_err());
    }

    #[test]
    fn addresses_are_public_or_this_machine() {
        for url in [
            "https://api.openai.com/v1",
            "http://127.0.0.1:9/v1",
            "http://[::1]:9/v1",
            "http://localhost/v1",
            "http://8.8.8.8",
            "http://[2606:4700::1]/v1",
            "http://10.0.0.7:8000/v1",
        ] {
            assert_eq!(outbound().allows(&spec(url, None)), Ok(()), "{url}");
        }
        for url in [
            "http://10.0.0.8/v1",
            "http://192.168.1.1",
            "http://172.16.0.1/v1",
            "http://100.64.0.1",
            "http://[fd12::1]/v1",
            "http://[::ffff:10.0.0.8]/v1",
            "http://[64:ff9b::a00:8]/v1",
        ] {
            assert!(matches!(outbound().allows(&spec(url, None)), Err(Forbidden::Private(_))), "{url}");
        }
    }

    #[test]
    fn no_provider_is_at_a_link_local_or_metadata_address() {
        let everything = Outbound { private_hosts: vec!["*".into()], ..Outbound::default() };
        for url in [
            "http://169.254.169.254/latest",
            "http://[fe80::1]/v1",
            "http://[::ffff:169.254.169.254]:80/v1",
            "http://[64:ff9b::a9fe:a9fe]/v1",
            "http://[2002:a9fe:a9fe::1]/v1",
            "http://[fd00:ec2::254]/v1",
            "http://168.63.129.16/v1",
            "http://100.100.100.200/v1",
            "http://0.0.0.0/v1",
            "http://[::]/v1",
            "http://METADATA.google.internal./v1",
            "http://255.255.255.255/v1",
        ] {
            assert!(matches!(everything.allows(&spec(url, None)), Err(Forbidden::Local(_))), "{url}");
        }
    }

    #[test]
    fn a_name_is_judged_by_the_address_it_has() {
        let judged = |host, ip: &str| outbound().allows_address(host, ip.parse().expect("an address"));
        assert_eq!(judged("api.example", "93.184.215.14"), Ok(()));
        assert_eq!(judged("vllm.internal", "10.1.2.3"), Ok(()));
        assert_eq!(judged("api.example", "10.1.2.3"), Err(Forbidden::Private("api.example (10.1.2.3)".into())));
        let local = Err(Forbidden::Local("vllm.internal (169.254.169.254)".into()));
        assert_eq!(judged("vllm.internal", "169.254.169.254"), local);
    }
}
