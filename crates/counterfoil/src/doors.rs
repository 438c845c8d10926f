//! What the doors need of the settings, with the secrets and certificates that they name.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::Notifier;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use store::secret_file;
use web::{OidcSettings, Settings, WorkloadSettings};

use crate::config::{Config, Oidc};
use crate::output::Failure;

/// The settings of the doors.
///
/// # Errors
/// When a file that the settings name cannot be used.
pub fn settings(config: &Config, public_url: String, notifier: Option<Arc<Notifier>>) -> Result<Settings, Failure> {
    let named = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let oidc = named(&config.oidc.issuer).map(|_| provider(&config.oidc)).transpose()?;
    Ok(Settings {
        public_url,
        address_header: named(&config.signin.address_header).map(|name| name.to_ascii_lowercase()),
        login_time: Duration::from_secs(config.signin.login_hours.saturating_mul(3600)),
        oidc,
        workload: WorkloadSettings {
            hosts: config.workload.hosts.clone(),
            authorities: authorities("workload.ca_file", &config.workload.ca_file)?,
        },
        notifier,
    })
}

fn provider(oidc: &Oidc) -> Result<OidcSettings, Failure> {
    let (file, env) = (
        ("client_secret_file", oidc.client_secret_file.as_str()),
        ("client_secret_env", oidc.client_secret_env.as_str()),
    );
    let client_secret = secret(file, env).map_err(|(key, why)| Failure::usage(format!("`oidc.{key}`: {why}")))?;
    Ok(OidcSettings {
        issuer: oidc.issuer.clone(),
        client_id: oidc.client_id.clone(),
        client_secret,
        label: oidc.label.clone(),
        scopes: oidc.scopes.clone(),
        groups_claim: oidc.groups_claim.clone(),
        clock_skew: Duration::from_secs(oidc.clock_skew_seconds),
        email_domains: oidc.email_domains.clone(),
        register: oidc.register,
        hosts: oidc.hosts.clone(),
        authorities: authorities("oidc.ca_file", &oidc.ca_file)?,
    })
}

/// A secret that a file or an environment variable holds, each given with the key of its setting; `None` when neither is
/// named.
///
/// # Errors
/// The key of the setting that is wrong, and why.
pub fn secret(
    (file_key, file): (&'static str, &str),
    (env_key, env): (&'static str, &str),
) -> Result<Option<String>, (&'static str, String)> {
    if !file.is_empty() {
        let bytes = secret_file::read(Path::new(file)).map_err(|e| (file_key, e.to_string()))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| (file_key, "it is not text".to_owned()))?;
        return Ok(Some(text.trim_end().to_owned()));
    }
    if !env.is_empty() {
        let unset = |_| (env_key, format!("the environment variable `{env}` is not set"));
        return std::env::var(env).map(Some).map_err(unset);
    }
    Ok(None)
}

fn authorities(setting: &str, file: &str) -> Result<Vec<Vec<u8>>, Failure> {
    if file.is_empty() {
        return Ok(vec![]);
    }
    let unusable = |why: String| Failure::usage(format!("`{setting}`: {file}: {why}"));
    let certificates = CertificateDer::pem_file_iter(file).map_err(|e| unusable(e.to_string()))?;
    let certificates: Result<Vec<_>, _> = certificates.map(|one| one.map(|one| one.to_vec())).collect();
    let certificates = certificates.map_err(|e| unusable(e.to_string()))?;
    match certificates.is_empty() {
        true => Err(unusable("there is no certificate in it".into())),
        false => Ok(certificates),
    }
}
