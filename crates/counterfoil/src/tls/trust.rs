//! Whom the program's own clients believe: the public authorities, those in a file, or one certificate and no other.

use std::path::Path;
use std::sync::Arc;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion};
use sha2::{Digest, Sha256};

use super::roots;

/// Whom to believe.
#[derive(Clone, Debug, Default)]
pub enum Trust {
    /// The public authorities.
    #[default]
    Public,
    /// The public authorities, and those in this PEM file.
    File(String),
    /// The holder of the certificate with this SHA-256 (hexadecimal), whatever its name: the server said so in its data
    /// directory.
    Only(String),
}

impl Trust {
    /// From a setting: a file, or nothing.
    pub fn from_file(path: &str) -> Self {
        if path.is_empty() { Self::Public } else { Self::File(path.to_owned()) }
    }

    /// How a client talks to those that are believed.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn config(&self) -> Result<ClientConfig, String> {
        self.speaking(rustls::DEFAULT_VERSIONS)
    }

    /// The same for a client that speaks only these versions of TLS.
    ///
    /// # Errors
    /// As [`Self::config`].
    pub fn speaking(&self, versions: &[&'static SupportedProtocolVersion]) -> Result<ClientConfig, String> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions);
        let builder = builder.map_err(|e| e.to_string())?;
        let config = match self {
            Self::Only(sha256) => {
                let pinned = Pinned { sha256: sha256.clone(), provider };
                builder.dangerous().with_custom_certificate_verifier(Arc::new(pinned)).with_no_client_auth()
            }
            Self::Public | Self::File(_) => {
                let mut believed = match self {
                    Self::File(path) => roots(Path::new(path))?,
                    _ => rustls::RootCertStore::empty(),
                };
                believed.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
                builder.with_root_certificates(believed).with_no_client_auth()
            }
        };
        Ok(config)
    }

    /// A connector for http and https.
    ///
    /// # Errors
    /// As [`Self::config`].
    pub fn connector(&self, mut tcp: HttpConnector) -> Result<HttpsConnector<HttpConnector>, String> {
        tcp.enforce_http(false);
        let builder = HttpsConnectorBuilder::new().with_tls_config(self.config()?);
        Ok(builder.https_or_http().enable_http1().wrap_connector(tcp))
    }
}

/// Believes one certificate. Its holder still proves to have its key.
#[derive(Debug)]
struct Pinned {
    sha256: String,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match merkle::hex(&Sha256::digest(end_entity)) == self.sha256 {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(rustls::Error::InvalidCertificate(rustls::CertificateError::ApplicationVerificationFailure)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
