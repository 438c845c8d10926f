//! Connections: accepted, served and ended within bounds, so that no client can hold the server by being slow.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tower::Service;

use crate::tls::{Secured, Tls};

/// Bounds of connections.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How many are served at once; more wait to be accepted.
    pub connections: usize,
    /// How long the head of a request may take to arrive, and how long a connection may wait for the next one.
    pub head_time: Duration,
    /// Largest head of a request in bytes.
    pub head_bytes: usize,
    /// How long a client may leave what it was sent unread.
    pub unread_time: Duration,
}

impl Bounds {
    /// The usual ones, with this many connections.
    pub fn new(connections: usize) -> Self {
        Self {
            connections,
            // Longer than load balancers keep an idle connection, which is 60 s: whoever closes first may lose a request.
            head_time: Duration::from_secs(75),
            head_bytes: 64 << 10,
            // More than the gateway's own limit for streams, whose records say why they were cut.
            unread_time: Duration::from_secs(90),
        }
    }
}

/// The connections of one thread.
pub struct Connections {
    http: http1::Builder,
    router: Router,
    tls: Option<Tls>,
    unread_time: Duration,
    open: GracefulShutdown,
}

impl Connections {
    /// None yet; those that come are served by `router`, secured by `tls` when there is one.
    pub fn new(router: Router, tls: Option<Tls>, bounds: Bounds) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(bounds.head_time).max_header_size(bounds.head_bytes);
        Self { http, router, tls, unread_time: bounds.unread_time, open: GracefulShutdown::new() }
    }

    /// Serves a connection on this thread, and lets its seat go when it ends.
    pub fn serve(&self, stream: TcpStream, peer: SocketAddr, seat: impl Send + 'static) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps its delay");
        }
        let router = self.router.clone();
        let stream = Patient { stream, limit: self.unread_time, waiting: None };
        let Some(tls) = self.tls.clone() else {
            let service = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(ConnectInfo(peer));
                router.clone().call(request)
            });
            let connection = self.open.watch(self.http.serve_connection(TokioIo::new(stream), service));
            tokio::spawn(async move {
                told(connection.await, peer);
                drop(seat);
            });
            return;
        };
        let (http, watcher) = (self.http.clone(), self.open.watcher());
        tokio::spawn(async move {
            match tls.accept(stream).await {
                Ok(Secured { stream, client }) => {
                    let service = service_fn(move |mut request: Request<Incoming>| {
                        request.extensions_mut().insert(ConnectInfo(peer));
                        if let Some(client) = &client {
                            request.extensions_mut().insert(Arc::clone(client));
                        }
                        router.clone().call(request)
                    });
                    told(watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await, peer);
                }
                Err(error) => tracing::debug!(%error, peer = %anonymous(peer), "a handshake failed"),
            }
            drop(seat);
        });
    }

    /// Ends the idle ones, and waits for the others.
    pub async fn end(self) {
        self.open.shutdown().await;
    }
}

fn told(ended: Result<(), hyper::Error>, peer: SocketAddr) {
    if let Err(error) = ended {
        tracing::debug!(%error, peer = %anonymous(peer), "a connection broke");
    }
}

/// Log messages name nobody: of an address, only whether it is this machine's own.
fn anonymous(peer: SocketAddr) -> &'static str {
    if peer.ip().is_loopback() { "loopback" } else { "remote" }
}

/// A connection that breaks when the other side leaves what it was sent unread for too long.
struct Patient {
    stream: TcpStream,
    limit: Duration,
    /// Runs while a write waits for the other side.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn bound<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let limit = self.limit;
        let timer = self.waiting.get_or_insert_with(|| Box::pin(sleep(limit)));
        timer.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, out)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.bound(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.bound(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.bound(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, Bytes};
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::Notify;
    use tokio::task::JoinHandle;
    use tokio::time::timeout;

    use super::*;
    use crate::workers::Workers;

    /// Long enough for anything that comes at all.
    const PATIENCE: Duration = Duration::from_secs(30);
    const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

    struct Rig {
        address: SocketAddr,
        stop: Arc<Notify>,
        serving: JoinHandle<()>,
    }

    async fn rig(bounds: Bounds) -> Rig {
        let endless = || async {
            Body::from_stream(futures_util::stream::repeat_with(|| {
                Ok::<_, io::Error>(Bytes::from(vec![b'x'; 1 << 16]))
            }))
        };
        let peer = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { format!("you are {peer}") };
        let router = Router::new().route("/", get(peer)).route("/endless", get(endless));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let mut workers = Workers::start(2, bounds, None, || router.clone(), || None).expect("threads");
        let serving =
            tokio::spawn(async move { workers.serve(listener, async move { stopped.notified().await }).await });
        Rig { address, stop, serving }
    }

    impl Rig {
        async fn send(&self, bytes: &[u8]) -> TcpStream {
            let mut connection = TcpStream::connect(self.address).await.expect("a connection");
            connection.write_all(bytes).await.expect("sent");
            connection
        }
    }

    /// What comes until the connection is closed.
    async fn rest(connection: &mut TcpStream) -> String {
        let mut answer = Vec::new();
        let read = timeout(PATIENCE, connection.read_to_end(&mut answer)).await;
        // A reset is an end as well.
        let _ = read.expect("the connection was ended");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// The first bytes that come.
    async fn some(connection: &mut TcpStream) -> String {
        let mut answer = vec![0; 4096];
        let read = timeout(PATIENCE, connection.read(&mut answer)).await;
        let length = read.expect("an answer in time").expect("an answer");
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }

    #[tokio::test]
    async fn handlers_know_who_is_there_and_connections_are_kept() {
        let rig = rig(Bounds::new(4)).await;
        let mut connection = rig.send(ASK).await;
        let peer = format!("you are {}", connection.local_addr().expect("an address"));
        assert!(some(&mut connection).await.ends_with(&peer));
        connection.write_all(ASK).await.expect("still open");
        assert!(some(&mut connection).await.ends_with(&peer));
    }

    #[tokio::test]
    async fn a_head_that_does_not_arrive_ends_its_connection() {
        let rig = rig(Bounds { head_time: Duration::from_millis(100), ..Bounds::new(4) }).await;
        for begun in [&b""[..], b"GET / HT", b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: "] {
            let mut connection = rig.send(begun).await;
            assert!(!rest(&mut connection).await.contains("200 OK"));
        }
        assert!(rest(&mut rig.send(ASK).await).await.contains("you are"), "an idle connection ends, too");
    }

    #[tokio::test]
    async fn a_head_that_is_too_large_is_refused() {
        let rig = rig(Bounds { head_bytes: 8 << 10, ..Bounds::new(4) }).await;
        let head = format!("GET / HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", "y".repeat(9 << 10));
        let answer = rest(&mut rig.send(head.as_bytes()).await).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }

    #[tokio::test]
    async fn more_connections_than_there_are_places_wait() {
        let rig = rig(Bounds::new(1)).await;
        let mut first = rig.send(ASK).await;
        assert!(some(&mut first).await.contains("you are"));
        let mut second = rig.send(ASK).await;
        let early = timeout(Duration::from_millis(300), second.readable()).await;
        assert!(early.is_err(), "the only place is taken");
        drop(first);
        assert!(some(&mut second).await.contains("you are"));
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_loses_its_connection_and_its_place() {
        let rig = rig(Bounds { unread_time: Duration::from_millis(200), ..Bounds::new(1) }).await;
        let stalled = rig.send(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(some(&mut rig.send(ASK).await).await.contains("you are"), "the place is free again");
        drop(stalled);
    }

    #[tokio::test]
    async fn stopping_takes_no_more_connections_and_ends_those_that_are_idle() {
        let rig = rig(Bounds::new(4)).await;
        let mut idle = rig.send(ASK).await;
        assert!(some(&mut idle).await.contains("you are"));
        rig.stop.notify_one();
        assert_eq!(rest(&mut idle).await, "");
        timeout(PATIENCE, rig.serving).await.expect("it ended").expect("well");
        assert!(TcpStream::connect(rig.address).await.is_err());
    }
}
