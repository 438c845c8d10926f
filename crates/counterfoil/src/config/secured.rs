//! How connections are secured: which settings go together, and what must not be reached without TLS.

use std::path::Path;

use prometheus_client::metrics::gauge::Gauge;

use super::{Config, Wrong};
use crate::tls::{Tls, Unusable, acme};

impl Config {
    /// What is wrong with how connections are secured. Files are read, so that the answer is what a server would say.
    pub(super) fn check_tls(&self) -> Result<(), Wrong> {
        let wrong = |section, key, why: &str| Err((section, key, why.to_owned()));
        let tls = &self.tls;
        let files = !tls.certificate.is_empty();
        if files == tls.key.is_empty() {
            let key = if files { "key" } else { "certificate" };
            return wrong("tls", key, "a certificate and its key go together: name both files");
        }
        if !self.witnesses.ca.is_empty()
            && let Err(why) = crate::tls::roots(Path::new(&self.witnesses.ca))
        {
            return wrong("witnesses", "ca", &why);
        }
        if files && self.asks_for_certificates() {
            let why = "the certificate comes from `tls.certificate` already: have one of the two";
            return wrong("acme", "directory", why);
        }
        acme::check(&self.acme).map_err(|Unusable(key, why)| ("acme", key, why))?;
        if !self.is_secured() {
            for (key, value) in [("client_ca", &tls.client_ca), ("redirect_from", &tls.redirect_from)] {
                if !value.is_empty() {
                    return wrong(
                        "tls",
                        key,
                        "there is no TLS without a certificate: name its files, or an authority in `acme.directory`",
                    );
                }
            }
        }
        if !tls.redirect_from.is_empty() && tls.redirect_from.parse::<std::net::SocketAddr>().is_err() {
            let why = format!("`{}` is not an address and port such as `0.0.0.0:80`", tls.redirect_from);
            return wrong("tls", "redirect_from", &why);
        }
        if let Err(Unusable(key, why)) = Tls::new(self, &Gauge::default()) {
            return wrong("tls", key, &why);
        }
        self.check_exposure()
    }

    /// Whether what is said to this server could be read on its way. Called again when the address is given otherwise.
    ///
    /// # Errors
    /// When the address is not a loopback one and nothing speaks TLS for it.
    pub fn check_exposure(&self) -> Result<(), Wrong> {
        let listen = &self.server.listen;
        let loopback = listen.parse::<std::net::SocketAddr>().is_ok_and(|address| address.ip().is_loopback())
            || listen.starts_with("localhost:");
        if loopback || self.is_secured() || self.server.behind_proxy {
            return Ok(());
        }
        let why = format!(
            "`{listen}` can be reached by others, and keys would travel readable: set `tls.certificate` and `tls.key`, or `acme.directory`, or `server.behind_proxy = true` when a proxy speaks TLS for this server"
        );
        Err(("server", "listen", why))
    }

    /// Whether the listener speaks TLS.
    pub fn is_secured(&self) -> bool {
        !self.tls.certificate.is_empty() || self.asks_for_certificates()
    }

    /// Whether an authority is asked for certificates.
    pub fn asks_for_certificates(&self) -> bool {
        !self.acme.directory.is_empty()
    }
}
