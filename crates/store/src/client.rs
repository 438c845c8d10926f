//! What drivers that speak HTTP have in common: a client that checks certificates, and errors with all their causes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Sends requests, in clear or over TLS as their address says.
pub(crate) type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client that believes the authorities in `ca_file`, or the public ones when that is empty, and waits for a connection
/// for `patience`.
pub(crate) fn http_client(ca_file: &Path, patience: Duration) -> Result<HttpClient, String> {
    let mut tcp = HttpConnector::new();
    tcp.set_connect_timeout(Some(patience));
    tcp.enforce_http(false);
    let builder = HttpsConnectorBuilder::new().with_tls_config(tls(ca_file)?);
    let connector = builder.https_or_http().enable_http1().wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

fn tls(ca_file: &Path) -> Result<rustls::ClientConfig, String> {
    let mut believed = rustls::RootCertStore::empty();
    if ca_file.as_os_str().is_empty() {
        believed.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    } else {
        let file = ca_file.display();
        let unusable = |why: String| format!("`{file}`: {why}");
        let certificates = CertificateDer::pem_file_iter(ca_file).map_err(|e| unusable(e.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|e| unusable(e.to_string()))?;
            believed.add(certificate).map_err(|e| unusable(e.to_string()))?;
        }
        if believed.is_empty() {
            return Err(unusable("there is no certificate in it".into()));
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(builder.map_err(|e| e.to_string())?.with_root_certificates(believed).with_no_client_auth())
}

/// An error and all its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}
