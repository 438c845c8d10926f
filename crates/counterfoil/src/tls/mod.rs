//! TLS of the listener: which certificate is shown, who may show one, and whom the program's own clients believe.
//!
//! TLS 1.2 and 1.3 with the suites that rustls takes for modern; there is no setting for older ones. The certificate
//! comes from files, which are read again when they change, or from an authority that is asked for it (`acme`).

pub mod acme;
pub mod admit;
mod certificates;
mod facts;
mod files;
pub mod redirect;
pub mod trust;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::ClientCertificate;
use prometheus_client::metrics::gauge::Gauge;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;

pub use certificates::Certificates;
pub use files::Files;

use crate::config::Config;

/// How long a client may take to agree on how to talk.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// The protocol that is spoken.
const HTTP: &[u8] = b"http/1.1";

/// How connections are secured.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    /// What is shown to clients.
    pub certificates: Arc<Certificates>,
}

/// A setting of TLS that cannot be used: its key, and why.
#[derive(Debug, PartialEq, Eq)]
pub struct Unusable(pub &'static str, pub String);

impl Tls {
    /// What the settings say; `None` when there is to be no TLS. When an authority is to be asked for the certificate, there
    /// is none to show yet. `expires` tells when the one that is shown does.
    ///
    /// # Errors
    /// The first setting that cannot be used.
    pub fn new(config: &Config, expires: &Gauge) -> Result<Option<Self>, Unusable> {
        if !config.is_secured() {
            return Ok(None);
        }
        let (settings, asks) = (&config.tls, config.asks_for_certificates());
        let certificates = Arc::new(Certificates::new(expires));
        if !asks {
            certificates.show(Files::new(settings).load()?);
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let unusable = |key, error: &dyn std::fmt::Display| Unusable(key, error.to_string());
        let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&versions);
        let builder = builder.map_err(|e| unusable("certificate", &e))?;
        let builder = match settings.client_ca.as_str() {
            "" => builder.with_no_client_auth(),
            path => {
                let roots = Arc::new(roots(Path::new(path)).map_err(|why| Unusable("client_ca", why))?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                let verifier = verifier.allow_unauthenticated().build();
                builder.with_client_cert_verifier(verifier.map_err(|e| unusable("client_ca", &e))?)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::clone(&certificates) as _);
        config.alpn_protocols = vec![HTTP.to_vec()];
        if asks {
            config.alpn_protocols.push(acme::PROTOCOL.to_vec());
        }
        Ok(Some(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificates }))
    }

    /// Takes a connection's handshake.
    ///
    /// # Errors
    /// When the two sides do not agree, or not in time.
    pub async fn accept<S>(&self, stream: S) -> std::io::Result<Secured<S>>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let stream = tokio::time::timeout(HANDSHAKE_TIME, self.acceptor.accept(stream)).await??;
        let (_, session) = stream.get_ref();
        if session.alpn_protocol() == Some(acme::PROTOCOL) {
            return Err(std::io::Error::other("an authority looked at the answer to its challenge"));
        }
        let shown = session.peer_certificates().and_then(|chain| chain.first());
        let client = shown.and_then(|certificate| read(certificate)).map(Arc::new);
        Ok(Secured { stream, client })
    }
}

/// A connection that is secured.
pub struct Secured<S> {
    /// What is said on it.
    pub stream: tokio_rustls::server::TlsStream<S>,
    /// The certificate that the client showed and that an authority of the settings vouches for.
    pub client: Option<Arc<ClientCertificate>>,
}

/// The names in a client's certificate. Its chain was verified in the handshake.
fn read(certificate: &rustls::pki_types::CertificateDer<'_>) -> Option<ClientCertificate> {
    let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
    let uris = parsed.valid_uri_names().map(|name| format!("uri:{name}"));
    let hosts = parsed.valid_dns_names().map(|name| format!("dns:{name}"));
    let sha256 = merkle::hex(&Sha256::digest(certificate));
    Some(ClientCertificate { names: uris.chain(hosts).collect(), sha256 })
}

/// The authorities in a PEM file.
///
/// # Errors
/// Why there are none.
pub fn roots(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in files::certificates(path)? {
        roots
            .add(certificate)
            .map_err(|e| format!("`{}` holds a certificate that is no authority: {e}", path.display()))?;
    }
    Ok(roots)
}
