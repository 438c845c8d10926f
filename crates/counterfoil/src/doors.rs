//! What the doors need of the settings, with the secrets and certificates that they name.

use std::path::Path;
use std::time::Duration;

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
pub fn settings(config: &Config, public_url: String) -> Result<Settings, Failure> {
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
    })
}

fn provider(oidc: &Oidc) -> Result<OidcSettings, Failure> {
    Ok(OidcSettings {
        issuer: oidc.issuer.clone(),
        client_id: oidc.client_id.clone(),
        client_secret: secret(oidc)?,
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

fn secret(oidc: &Oidc) -> Result<Option<String>, Failure> {
    let unusable = |setting: &str, why: String| Failure::usage(format!("`oidc.{setting}`: {why}"));
    if !oidc.client_secret_file.is_empty() {
        let bytes = secret_file::read(Path::new(&oidc.client_secret_file));
        let bytes = bytes.map_err(|e| unusable("client_secret_file", e.to_string()))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| unusable("client_secret_file", "it is not text".into()))?;
        return Ok(Some(text.trim_end().to_owned()));
    }
    if !oidc.client_secret_env.is_empty() {
        let name = &oidc.client_secret_env;
        let unset = || unusable("client_secret_env", format!("the environment variable `{name}` is not set"));
        return std::env::var(name).map(Some).map_err(|_| unset());
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
