//! Certificates that an authority gives for the asking (ACME, RFC 8555), and gives anew in time.
//!
//! The authority sees who holds a name at the listener itself (`tls-alpn-01`, RFC 8737), so nothing else is opened. The
//! only address that is asked is the directory that the settings name. As long as a renewal fails, the certificate that
//! there is stays.

mod asker;
mod kept;
mod order;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use domain::Command;
use domain::infrastructure::CertificateInstalled;
use engine::Engine;
use http::Uri;
use instant_acme::ExternalAccountKey;
use prometheus_client::metrics::counter::Counter;
use store::secret_file;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::facts::Facts;
use super::{Certificates, Unusable, roots};
use crate::config::{Acme, Config};
use kept::Kept;

/// What an authority speaks that wants to see who holds a name.
pub const PROTOCOL: &[u8] = b"acme-tls/1";

/// How many names one certificate may have; authorities allow no more.
const MAX_DOMAINS: usize = 100;

/// How long one attempt may take.
const ATTEMPT_TIME: Duration = Duration::from_secs(600);

/// How long is waited after an attempt; doubled with each that fails. Let's Encrypt bears five failures an hour.
const FIRST_PAUSE: Duration = Duration::from_secs(120);

/// How long is waited between attempts at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// How often it is looked whether the certificate is due; the clock may be set, and the machine may sleep.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// What is wrong with the settings. Files are read.
///
/// # Errors
/// The first setting that cannot be used.
pub fn check(settings: &Acme) -> Result<(), Unusable> {
    let wrong = |key, why: &str| Err(Unusable(key, why.to_owned()));
    if settings.directory.is_empty() {
        return match settings.domains.is_empty() {
            true => Ok(()),
            false => {
                wrong("domains", "there is nobody to ask for their certificate: name an authority in `acme.directory`")
            }
        };
    }
    if !is_address(&settings.directory) {
        let why = format!("`{}` is not an address at https, nor on this machine", settings.directory);
        return wrong("directory", &why);
    }
    if !settings.terms_agreed {
        return wrong(
            "terms_agreed",
            "read the authority's terms of service, and say true here when you agree to them",
        );
    }
    if settings.domains.is_empty() || settings.domains.len() > MAX_DOMAINS {
        let why =
            format!("name 1 to {MAX_DOMAINS} names that the certificate is for, such as `counterfoil.example.com`");
        return wrong("domains", &why);
    }
    if let Some(domain) = settings.domains.iter().find(|domain| !is_domain(domain)) {
        let why = match domain.starts_with("*.") {
            true => "stands for many names, which this server cannot prove to hold: name each",
            false => "is not a name such as `counterfoil.example.com`",
        };
        return wrong("domains", &format!("`{domain}` {why}"));
    }
    let contact = &settings.contact;
    if !contact.is_empty() && (!contact.contains('@') || contact.contains([':', ' ', ',', '?'])) {
        return wrong("contact", &format!("`{contact}` is not an e-mail address"));
    }
    if !settings.ca.is_empty() {
        roots(Path::new(&settings.ca)).map_err(|why| Unusable("ca", why))?;
    }
    binding(settings).map(drop)
}

/// Whether an authority's directory may be there: at https, or on this machine.
fn is_address(directory: &str) -> bool {
    let Ok(uri) = directory.parse::<Uri>() else { return false };
    let local = matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match uri.scheme_str() {
        Some("https") => uri.host().is_some_and(|host| !host.is_empty()),
        Some("http") => local,
        _ => false,
    }
}

fn is_domain(name: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || c == b'-';
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(plain) && !label.starts_with('-') && !label.ends_with('-')
    };
    // A name that ends in a number is an address.
    let number = |label: &str| label.bytes().all(|c| c.is_ascii_digit());
    name.len() <= 253 && name.split('.').all(label) && !name.rsplit('.').next().is_some_and(number)
}

/// The key that binds the account to another one, when there is one.
fn binding(settings: &Acme) -> Result<Option<ExternalAccountKey>, Unusable> {
    let (kid, file) = (&settings.eab_kid, &settings.eab_key_file);
    let unusable = |why: String| Unusable("eab_key_file", why);
    match (kid.is_empty(), file.is_empty()) {
        (true, true) => return Ok(None),
        (true, false) => {
            return Err(Unusable("eab_kid", "a key has an identifier: give the one that goes with it".into()));
        }
        (false, true) => return Err(unusable("an identifier has a key: name the file that holds it".into())),
        (false, false) => {}
    }
    let text = secret_file::read(Path::new(file)).map_err(|e| unusable(e.to_string()))?;
    let unpadded = text.trim_ascii().split(|byte| *byte == b'=').next().unwrap_or_default();
    let key = BASE64_URL_SAFE_NO_PAD.decode(unpadded);
    match key.ok().filter(|key| !key.is_empty()) {
        Some(key) => Ok(Some(ExternalAccountKey::new(kid.clone(), &key))),
        None => Err(unusable(format!("`{file}` does not hold a key in base64url"))),
    }
}

/// The names that a certificate is to be for.
fn wanted(settings: &Acme) -> BTreeSet<String> {
    settings.domains.iter().map(|domain| domain.to_ascii_lowercase()).collect()
}

/// When a certificate is renewed: after two thirds of its life. In milliseconds since the epoch, as all that goes in.
fn due_at(not_before: i64, not_after: i64) -> i64 {
    let life = not_after.saturating_sub(not_before).max(0);
    not_after.saturating_sub(life / 3)
}

/// How long is waited after an attempt, when so many have failed one after the other.
fn pause(failed: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failed.saturating_sub(1));
    FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}

/// Sees to it that there is a certificate.
pub struct Keeper {
    settings: Acme,
    kept: Kept,
    engine: Arc<Engine>,
    certificates: Arc<Certificates>,
    /// Attempts that failed.
    failures: Counter,
    /// The certificate that is shown.
    shown: Option<Facts>,
}

impl Keeper {
    /// Shows the certificate that was kept, if there is one.
    pub fn new(config: &Config, engine: &Arc<Engine>, certificates: &Arc<Certificates>, failures: &Counter) -> Self {
        let kept = Kept::new(&config.server.data, &config.acme.directory);
        let shown = match kept.certificate() {
            Ok(None) => None,
            Ok(Some((key, facts))) => {
                certificates.show(key);
                Some(facts)
            }
            Err(why) => {
                tracing::error!(why, "the certificate that was kept cannot be used: another one is asked for");
                None
            }
        };
        let (engine, certificates) = (Arc::clone(engine), Arc::clone(certificates));
        Self { settings: config.acme.clone(), kept, engine, certificates, failures: failures.clone(), shown }
    }

    /// Has a certificate whenever one is due, until `stop` is true. `changed` is called when another one is shown.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>, changed: impl Fn()) {
        let work = async {
            if let Some(facts) = &self.shown {
                // Known to the ledger, unless the process died before it could be told.
                self.tell_ledger(facts).await;
            }
            // A certificate does not depend on it.
            if let Err(why) = order::tell_contact(&self.settings, &self.kept).await {
                tracing::warn!(why, "the authority was not told whom to write to: the next start tries again");
            }
            let mut failed = 0;
            loop {
                while let Some(wait) = self.early() {
                    sleep(wait.min(LOOK_EVERY)).await;
                }
                match self.renew(&changed).await {
                    Ok(()) if self.early().is_some() => failed = 0,
                    // An authority gives few certificates for the same names.
                    Ok(()) => {
                        failed += 1;
                        tracing::error!(
                            again_in_seconds = pause(failed).as_secs(),
                            "the certificate that was given is due already by the clock of this machine: set the clock"
                        );
                    }
                    Err(why) => {
                        failed += 1;
                        self.failures.inc();
                        let seconds = pause(failed).as_secs();
                        match self.shown {
                            Some(_) => tracing::error!(
                                why,
                                again_in_seconds = seconds,
                                "no new certificate: the old one is shown still"
                            ),
                            None => {
                                tracing::error!(why, again_in_seconds = seconds, "no certificate: nobody can connect")
                            }
                        }
                    }
                }
                sleep(pause(failed)).await;
            }
        };
        tokio::select! {
            () = work => {}
            // An error says that nobody can ask to stop any more, which is as good as asking.
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    /// How long the certificate that is shown is still good enough; `None` when another one is due.
    fn early(&self) -> Option<Duration> {
        let facts = self.shown.as_ref().filter(|facts| facts.names == wanted(&self.settings))?;
        let left = due_at(facts.not_before, facts.not_after).saturating_sub(chrono::Utc::now().timestamp_millis());
        u64::try_from(left).ok().filter(|left| *left > 0).map(Duration::from_millis)
    }

    async fn renew(&mut self, changed: &impl Fn()) -> Result<(), String> {
        tracing::info!(directory = self.settings.directory, "asking for a certificate");
        let asked = timeout(ATTEMPT_TIME, order::obtain(&self.settings, &self.kept, &self.certificates)).await;
        self.certificates.forget_answers();
        let pem = asked.map_err(|_| format!("it took longer than {} s", ATTEMPT_TIME.as_secs()))??;
        let (key, facts) = self.kept.keep_certificate(&pem, &wanted(&self.settings))?;
        self.certificates.show(key);
        changed();
        tracing::info!(
            sha256 = facts.sha256,
            not_after = told(facts.not_after),
            "a certificate was given and is shown from now on"
        );
        self.tell_ledger(&facts).await;
        self.shown = Some(facts);
        Ok(())
    }

    async fn tell_ledger(&self, facts: &Facts) {
        let installed = CertificateInstalled {
            node: self.engine.node().to_owned(),
            sha256: facts.sha256.clone(),
            serial: facts.serial.clone(),
            issuer_sha256: facts.issuer_sha256.clone(),
            names_sha256: facts.names_sha256(),
            not_before: facts.not_before,
            not_after: facts.not_after,
        };
        let done = self.engine.execute(self.engine.system(), Command::InstallCertificate(installed)).await;
        if let Err(error) = done {
            tracing::error!(%error, "the certificate is shown, and the ledger could not be told: the next start tries again");
        }
    }
}

/// A moment as people read it.
fn told(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms).map(|at| at.to_rfc3339()).unwrap_or_default()
}
