//! Asking one endpoint: the oldest version of TLS that it agrees to speak, and what it says to a request without
//! credentials.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use domain::infrastructure::{ClientAuth, Found, TlsVersion, Zone};
use engine::Outbound;
use http::Uri;
use http::uri::Scheme;
use rustls::SupportedProtocolVersion;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::hello::{self, hello};
use crate::tls::trust::Trust;

/// How long each step may take: connecting, agreeing on how to talk, an answer.
const STEP_TIME: Duration = Duration::from_secs(10);

/// Most bytes of an answer that are looked at.
const HEAD_BYTES: usize = 16 << 10;

/// An endpoint to be asked.
pub struct Place {
    /// What it is called in the ledger.
    pub endpoint: String,
    /// Its address, with scheme.
    pub address: String,
    /// The path at which a list of models is asked for: every door for inference has it, and nobody is charged for it.
    pub models: String,
    /// The address that it is bound to when it is a listener of ours.
    pub own: Option<SocketAddr>,
    /// Who vouches for it when it speaks TLS.
    pub trust: Trust,
}

/// Finds out what an endpoint does.
///
/// # Errors
/// Why it was not reached as a caller would reach it: one whose certificate is not believed is not, for nobody is to call it.
pub async fn probe(place: &Place, outbound: &Outbound) -> Result<Found, String> {
    let uri: Uri = place.address.parse().map_err(|_| "its address makes no sense".to_owned())?;
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
        return Err("its address names no host".to_owned());
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let secured = *scheme == Scheme::HTTPS;
    let port = authority.port_u16().unwrap_or(if secured { 443 } else { 80 });
    let sockets = match place.own {
        Some(own) => vec![from_here(own)],
        None => look_up(host, port, outbound).await?,
    };
    let clear = connect(&sockets).await?;
    let peer = clear.peer_addr().map_err(|e| e.to_string())?;
    let zone = zone(place.own.map_or(peer.ip(), |own| own.ip()));
    let question = format!(
        "GET {} HTTP/1.1\r\nhost: {}\r\nuser-agent: counterfoil/{}\r\naccept: application/json\r\nconnection: close\r\n\r\n",
        place.models,
        authority.as_str().rsplit('@').next().unwrap_or_default(),
        env!("CARGO_PKG_VERSION")
    );
    if !secured {
        return Ok(Found { zone, tls_min: None, client_auth: said(clear, &question).await });
    }
    let name = ServerName::try_from(host.to_owned()).map_err(|e| e.to_string())?;
    // Whoever agrees to 1.2 need not be asked for 1.3.
    let (newest, client_auth) = match secure(&place.trust, &TLS12, &name, clear).await {
        Ok(stream) => (TlsVersion::V1_2, said(stream, &question).await),
        Err(_) => {
            let stream = secure(&place.trust, &TLS13, &name, connect(&[peer]).await?).await?;
            (TlsVersion::V1_3, said(stream, &question).await)
        }
    };
    let mut tls_min = newest;
    for old in [TlsVersion::V1_1, TlsVersion::V1_0] {
        if takes(peer, old, host).await {
            tls_min = old;
        }
    }
    Ok(Found { zone, tls_min: Some(tls_min), client_auth })
}

/// Where a listener of ours is reached from this machine.
fn from_here(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}

/// The addresses of a provider at which one may be, as for the gateway's calls.
async fn look_up(host: &str, port: u16, outbound: &Outbound) -> Result<Vec<SocketAddr>, String> {
    outbound.allows_host(host).map_err(|why| why.to_string())?;
    let found = timeout(STEP_TIME, tokio::net::lookup_host((host, port))).await;
    let found = found.map_err(|_| "its name was not found in time")?.map_err(|e| e.to_string())?;
    let allowed = found.map(|socket| outbound.allows_address(host, socket.ip()).map(|()| socket));
    let (allowed, forbidden): (Vec<_>, Vec<_>) = allowed.partition(Result::is_ok);
    match (allowed.is_empty(), forbidden.into_iter().find_map(Result::err)) {
        (true, Some(why)) => Err(why.to_string()),
        (true, None) => Err("its name has no address".to_owned()),
        (false, _) => Ok(allowed.into_iter().flatten().collect()),
    }
}

async fn connect(sockets: &[SocketAddr]) -> Result<TcpStream, String> {
    let connected = timeout(STEP_TIME, TcpStream::connect(sockets)).await;
    connected.map_err(|_| "no connection was made in time".to_owned())?.map_err(|e| e.to_string())
}

/// Speaks one version of TLS and no other.
async fn secure(
    trust: &Trust,
    version: &'static SupportedProtocolVersion,
    name: &ServerName<'static>,
    clear: TcpStream,
) -> Result<TlsStream<TcpStream>, String> {
    let connector = TlsConnector::from(Arc::new(trust.speaking(&[version])?));
    let secured = timeout(STEP_TIME, connector.connect(name.clone(), clear)).await;
    secured.map_err(|_| "no handshake was made in time".to_owned())?.map_err(|e| e.to_string())
}

/// Whether it agrees to speak a version that is too old.
async fn takes(peer: SocketAddr, version: TlsVersion, host: &str) -> bool {
    let ask = async {
        let mut random = [0; 32];
        getrandom::fill(&mut random).ok()?;
        let mut stream = TcpStream::connect(peer).await.ok()?;
        stream.write_all(&hello(version, host, &random)).await.ok()?;
        Some(hello::taken(&read(&mut stream, |answer| answer.len() >= hello::ENOUGH).await, version))
    };
    // Whoever says nothing, or hangs up, does not agree.
    timeout(STEP_TIME, ask).await.ok().flatten().unwrap_or(false)
}

/// What it says to a request without credentials; `None` when that tells nothing.
async fn said(mut stream: impl AsyncRead + AsyncWrite + Unpin, question: &str) -> Option<ClientAuth> {
    let ask = async {
        stream.write_all(question.as_bytes()).await.ok()?;
        stream.flush().await.ok()?;
        let whole = |answer: &[u8]| answer.windows(4).any(|end| end == b"\r\n\r\n");
        Some(read(&mut stream, whole).await)
    };
    let answer = timeout(STEP_TIME, ask).await.ok().flatten()?;
    judged(&String::from_utf8_lossy(&answer))
}

/// What comes until there is enough, or no more.
async fn read(stream: &mut (impl AsyncRead + Unpin), enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut answer = Vec::new();
    while answer.len() < HEAD_BYTES && !enough(&answer) {
        match stream.read_buf(&mut answer).await {
            Ok(read) if read > 0 => {}
            _ => break,
        }
    }
    answer
}

/// What the head of an answer means.
fn judged(head: &str) -> Option<ClientAuth> {
    let mut lines = head.lines();
    let status: u16 = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let header =
        |line: &str| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    let location = lines.filter_map(header).find(|(name, _)| name == "location").map(|(_, value)| value);
    match status {
        401 | 403 => Some(ClientAuth::Required),
        200..=299 => Some(ClientAuth::None),
        300..=399 if location.is_some_and(|to| to.starts_with("https://")) => Some(ClientAuth::Redirects),
        _ => None,
    }
}

/// Who can reach an address.
fn zone(ip: IpAddr) -> Zone {
    let ip = ip.to_canonical();
    let private = match ip {
        IpAddr::V4(ip) => {
            // 100.64.0.0/10 is shared by the customers of a provider (RFC 6598).
            ip.is_private() || ip.is_link_local() || matches!(ip.octets(), [100, 64..=127, ..])
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    };
    match ip {
        ip if ip.is_unspecified() => Zone::Any,
        ip if ip.is_loopback() => Zone::Loopback,
        _ if private => Zone::Private,
        _ => Zone::Public,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A server that says `answer` to whoever has sent something.
    async fn server(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let mut heard = [0; 4096];
                // A client that is gone needs no answer.
                let _ = connection.read(&mut heard).await;
                let _ = connection.write_all(answer).await;
            }
        });
        address
    }

    fn place(address: String, own: Option<SocketAddr>) -> Place {
        let (endpoint, models) = ("provider/x".to_owned(), "/v1/models".to_owned());
        Place { endpoint, address, models, own, trust: Trust::Public }
    }

    #[tokio::test]
    async fn given_an_endpoint_in_clear_when_probed_then_it_has_no_version_and_its_answer_tells_whom_it_asks() {
        for (answer, expected) in [
            (&b"HTTP/1.1 401 Unauthorized\r\n\r\n"[..], Some(ClientAuth::Required)),
            (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", Some(ClientAuth::None)),
            (b"HTTP/1.1 308 Permanent Redirect\r\nLocation: https://x.example/\r\n\r\n", Some(ClientAuth::Redirects)),
            (b"HTTP/1.1 302 Found\r\nlocation: http://x.example/\r\n\r\n", None),
            (b"HTTP/1.1 404 Not Found\r\n\r\n", None),
            (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", None),
            (b"", None),
        ] {
            let address = server(answer).await;
            let found = probe(&place(format!("http://{address}/v1"), None), &Outbound::default()).await;
            let expected = Found { zone: Zone::Loopback, tls_min: None, client_auth: expected };
            assert_eq!(found, Ok(expected), "{}", String::from_utf8_lossy(answer));
        }
    }

    #[tokio::test]
    async fn given_a_server_of_old_times_when_asked_for_an_old_version_then_it_is_said_to_take_it() {
        let old = server(&[22, 3, 2, 0, 80, 2, 0, 0, 76, 3, 2, 0, 0]).await;
        assert!(takes(old, TlsVersion::V1_1, "localhost").await);
        assert!(!takes(old, TlsVersion::V1_0, "localhost").await, "it answered with a newer one");
        let alert = server(&[21, 3, 1, 0, 2, 2, 70]).await;
        assert!(!takes(alert, TlsVersion::V1_1, "localhost").await);
    }

    #[tokio::test]
    async fn given_what_cannot_be_reached_as_a_caller_would_when_probed_then_nothing_is_claimed() {
        let outbound = Outbound::default();
        let in_clear = server(b"HTTP/1.1 200 OK\r\n\r\n").await;
        let no_tls = probe(&place(format!("https://{in_clear}/v1"), None), &outbound).await;
        assert!(no_tls.is_err(), "{no_tls:?}");
        for forbidden in ["http://169.254.169.254/v1", "http://10.0.0.8/v1", "https://metadata.google.internal/v1"] {
            let refused = probe(&place(forbidden.to_owned(), None), &outbound).await;
            assert!(refused.as_ref().is_err_and(|why| why.contains("provider")), "{forbidden}: {refused:?}");
        }
        assert!(probe(&place("nonsense".to_owned(), None), &outbound).await.is_err());
    }

    #[tokio::test]
    async fn given_a_listener_of_ours_on_every_address_when_probed_then_it_is_reached_here_and_said_to_be_open() {
        let here = server(b"HTTP/1.1 401 Unauthorized\r\n\r\n").await;
        let bound: SocketAddr = format!("0.0.0.0:{}", here.port()).parse().expect("an address");
        let found = probe(&place(format!("http://{bound}"), Some(bound)), &Outbound::default()).await;
        assert_eq!(found, Ok(Found { zone: Zone::Any, tls_min: None, client_auth: Some(ClientAuth::Required) }));
    }

    #[test]
    fn addresses_are_told_apart_by_who_can_reach_them() {
        for (address, expected) in [
            ("127.0.0.1", Zone::Loopback),
            ("::1", Zone::Loopback),
            ("::ffff:127.0.0.1", Zone::Loopback),
            ("0.0.0.0", Zone::Any),
            ("::", Zone::Any),
            ("10.1.2.3", Zone::Private),
            ("100.64.0.1", Zone::Private),
            ("169.254.1.1", Zone::Private),
            ("fd12::1", Zone::Private),
            ("fe80::1", Zone::Private),
            ("93.184.215.14", Zone::Public),
            ("2606:4700::1", Zone::Public),
        ] {
            assert_eq!(zone(address.parse().expect("an address")), expected, "{address}");
        }
    }
}
