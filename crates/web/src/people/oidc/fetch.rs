//! Asking the provider. The only connections that this makes are to hosts that the settings name, at addresses that they
//! permit, for a bounded time and a bounded number of bytes; redirects are not followed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::Outbound;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long a question may take in all.
const TIME: Duration = Duration::from_secs(10);

/// Asks the provider's hosts.
pub(crate) struct Fetch {
    outbound: Outbound,
    hosts: Vec<String>,
    tls: TlsConnector,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// The settings do not name the host.
    #[error("the settings do not name the host `{0}`: if the provider is to be asked there, add it to `oidc.hosts`")]
    Host(String),
    /// The settings do not permit its address.
    #[error(transparent)]
    Forbidden(#[from] engine::Forbidden),
    /// It is no address.
    #[error("`{0}` is not an address")]
    Address(String),
    /// It cannot be reached.
    #[error("`{0}` cannot be reached: {1}")]
    Unreachable(String, std::io::Error),
    /// It took too long.
    #[error("`{0}` did not answer within {seconds} s", seconds = TIME.as_secs())]
    Silent(String),
    /// What came is not HTTP, or is too large.
    #[error("`{0}` sent something that cannot be read: {1}")]
    Broken(String, String),
    /// It did not answer well.
    #[error("`{0}` answered {1}")]
    Status(String, StatusCode),
}

impl Fetch {
    /// Asks only these hosts.
    pub(crate) fn new(outbound: Outbound, hosts: Vec<String>, roots: RootCertStore) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let hosts = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Ok(Self { outbound, hosts, tls: TlsConnector::from(Arc::new(config)) })
    }

    /// A JSON document.
    pub(crate) async fn get(&self, address: &str) -> Result<Bytes, FetchError> {
        self.ask(Request::builder().method(Method::GET), address, Bytes::new()).await
    }

    /// What the answer to a form is.
    pub(crate) async fn post(
        &self,
        address: &str,
        form: String,
        authorization: Option<String>,
    ) -> Result<Bytes, FetchError> {
        let mut request = Request::builder().method(Method::POST);
        request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        self.ask(request, address, form.into()).await
    }

    async fn ask(&self, request: http::request::Builder, address: &str, body: Bytes) -> Result<Bytes, FetchError> {
        let uri: Uri = address.parse().map_err(|_| FetchError::Address(address.to_owned()))?;
        let host = uri.host().ok_or_else(|| FetchError::Address(address.to_owned()))?.to_ascii_lowercase();
        let asked = tokio::time::timeout(TIME, self.ask_host(request, &uri, &host, body));
        asked.await.map_err(|_| FetchError::Silent(host.clone()))?
    }

    async fn ask_host(
        &self,
        request: http::request::Builder,
        uri: &Uri,
        host: &str,
        body: Bytes,
    ) -> Result<Bytes, FetchError> {
        if !self.hosts.iter().any(|known| known == host) {
            return Err(FetchError::Host(host.to_owned()));
        }
        let broken = |why: String| FetchError::Broken(host.to_owned(), why);
        let secure = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let stream = self.connect(host, port).await?;
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let authority = uri.authority().map_or(host, http::uri::Authority::as_str);
        let request = request
            .uri(path)
            .header(header::HOST, authority)
            .header(header::ACCEPT, "application/json")
            .body(Full::new(body))
            .map_err(|e| broken(e.to_string()))?;
        if !secure {
            return exchange(TokioIo::new(stream), request, host).await;
        }
        let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(name).map_err(|e| broken(e.to_string()))?;
        let stream = self.tls.connect(name, stream).await;
        let stream = stream.map_err(|e| FetchError::Unreachable(host.to_owned(), e))?;
        exchange(TokioIo::new(stream), request, host).await
    }

    /// Connects to an address of the host that the settings permit: the one that was judged, whatever its name says later.
    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, FetchError> {
        self.outbound.allows_host(host)?;
        let unreachable = |e| FetchError::Unreachable(host.to_owned(), e);
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let found: Vec<SocketAddr> = tokio::net::lookup_host((name, port)).await.map_err(unreachable)?.collect();
        let mut last = unreachable(std::io::ErrorKind::NotFound.into());
        for address in found {
            if let Err(why) = self.outbound.allows_address(host, address.ip()) {
                last = why.into();
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = unreachable(error),
            }
        }
        Err(last)
    }
}

/// One question, one answer, over a connection that ends with it.
async fn exchange<S>(stream: TokioIo<S>, request: Request<Full<Bytes>>, host: &str) -> Result<Bytes, FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |why: String| FetchError::Broken(host.to_owned(), why);
    let (mut sender, connection) = http1::handshake(stream).await.map_err(|e| broken(e.to_string()))?;
    let driver = tokio::spawn(connection);
    let answered = async {
        let response = sender.send_request(request).await.map_err(|e| broken(e.to_string()))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), oidc::MAX_BYTES).collect().await;
        let body = body.map_err(|e| broken(e.to_string()))?.to_bytes();
        if status.is_success() { Ok(body) } else { Err(FetchError::Status(host.to_owned(), status)) }
    };
    let answer = answered.await;
    driver.abort();
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn fetch(hosts: &[&str]) -> Fetch {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        Fetch::new(Outbound::default(), hosts, RootCertStore::empty()).expect("a client")
    }

    #[tokio::test]
    async fn only_hosts_that_the_settings_name_are_asked_and_no_private_addresses() {
        let fetch = fetch(&["10.0.0.1", "169.254.169.254"]);
        assert!(matches!(fetch.get("http://127.0.0.1:9/x").await, Err(FetchError::Host(_))));
        assert!(matches!(fetch.get("https://evil.example/x").await, Err(FetchError::Host(_))));
        for address in ["https://10.0.0.1/x", "https://169.254.169.254/x"] {
            assert!(matches!(fetch.get(address).await, Err(FetchError::Forbidden(_))), "{address}");
        }
        assert!(matches!(fetch.get("nowhere").await, Err(FetchError::Host(_))));
        assert!(matches!(fetch.get("/nowhere").await, Err(FetchError::Address(_))));
    }

    #[tokio::test]
    async fn answers_are_bounded_and_redirects_not_followed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            for answer in [
                "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_owned(),
                "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_owned(),
                format!("HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n{}", "x".repeat(300_000)),
                "nonsense\r\n\r\n".to_owned(),
            ] {
                let (mut stream, _) = listener.accept().await.expect("a client");
                let mut asked = [0; 4096];
                let _ = stream.read(&mut asked).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        let (fetch, address) = (fetch(&["127.0.0.1"]), format!("http://127.0.0.1:{port}/x"));
        assert_eq!(fetch.get(&address).await.expect("an answer"), "{}");
        assert!(matches!(fetch.get(&address).await, Err(FetchError::Status(_, StatusCode::FOUND))));
        assert!(matches!(fetch.get(&address).await, Err(FetchError::Broken(..))), "too large");
        assert!(matches!(fetch.get(&address).await, Err(FetchError::Broken(..))), "not HTTP");
        assert!(matches!(fetch.get(&address).await, Err(FetchError::Unreachable(..) | FetchError::Broken(..))));
    }
}
