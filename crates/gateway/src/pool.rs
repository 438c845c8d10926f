//! Connections to providers, kept while they are idle.
//!
//! Whoever waits for an answer drives its connection itself. In hyper's own pool each connection has a task, so that every
//! call is a message to another task and back, and a third task waits for the connection to be free again; for calls as
//! short as most are that costs more than what is sent.

use std::collections::HashMap;
use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{HeaderValue, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tower::Service;

use crate::providers::resolver::Resolver;

/// How long an unused connection is kept.
const KEEP_TIME: Duration = Duration::from_secs(60);

/// Most unused connections to one provider.
const KEEP: usize = 512;

/// Makes connections.
pub(crate) type Connector = HttpsConnector<HttpConnector<Resolver>>;

type Call = Request<Full<Bytes>>;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The address names no host.
    #[error("the address names no host")]
    Address,
    /// No connection could be made.
    #[error("no connection could be made")]
    Connect(#[source] Box<dyn Error + Send + Sync>),
    /// The connection broke, or what came over it is not HTTP.
    #[error("the connection broke")]
    Broke(#[from] hyper::Error),
}

/// The connections of one thread.
pub(crate) struct Pool {
    connector: Connector,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    lines: HashMap<(Scheme, Authority), Vec<(Line, Instant)>>,
    /// Whether a task sees to it that they are not kept for too long.
    swept: bool,
}

/// A connection.
struct Line {
    sender: SendRequest<Full<Bytes>>,
    /// `None` when it has ended.
    connection: Option<Driver>,
}

type Driver = Pin<Box<Connection<MaybeHttpsStream<TokioIo<TcpStream>>, Full<Bytes>>>>;

impl Pool {
    pub(crate) fn new(connector: Connector) -> Arc<Self> {
        Arc::new(Self { connector, idle: Mutex::default() })
    }

    /// Sends a call to where its absolute address says, and waits for the head of the answer. A call that went into a
    /// connection that the other side had just closed, and was not sent, is sent over another.
    pub(crate) async fn send(self: &Arc<Self>, mut call: Call) -> Result<Response<Answer>, CallError> {
        let address = std::mem::take(call.uri_mut()).into_parts();
        let (Some(scheme), Some(authority)) = (address.scheme, address.authority) else {
            return Err(CallError::Address);
        };
        // What servers are asked has no host in its first line (RFC 9112, section 3.2.1).
        *call.uri_mut() = Uri::from(address.path_and_query.unwrap_or(PathAndQuery::from_static("/")));
        let host = HeaderValue::from_str(host(&scheme, &authority)).map_err(|_| CallError::Address)?;
        call.headers_mut().insert(header::HOST, host);
        let place = (scheme, authority);
        loop {
            let kept = self.take(&place);
            let used = kept.is_some();
            let mut line = match kept {
                Some(line) => line,
                None => self.connect(&place).await?,
            };
            match line.send(call).await {
                Ok(response) => {
                    let lent = Lent { line, pool: self.clone(), place };
                    return Ok(response.map(|body| Answer { body, lent: Some(lent) }));
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) if used => call = unsent,
                    _ => return Err(error.into_error().into()),
                },
            }
        }
    }

    async fn connect(&self, (scheme, authority): &(Scheme, Authority)) -> Result<Line, CallError> {
        let address = Uri::builder().scheme(scheme.clone()).authority(authority.clone()).path_and_query("/");
        let address = address.build().map_err(|_| CallError::Address)?;
        let mut connector = self.connector.clone();
        poll_fn(|cx| connector.poll_ready(cx)).await.map_err(CallError::Connect)?;
        let stream = connector.call(address).await.map_err(CallError::Connect)?;
        let (sender, connection) = http1::handshake(stream).await?;
        Ok(Line { sender, connection: Some(Box::pin(connection)) })
    }

    /// The connection that was used last, of those that are still good.
    fn take(&self, place: &(Scheme, Authority)) -> Option<Line> {
        let mut idle = self.lock();
        let lines = idle.lines.get_mut(place)?;
        while let Some((mut line, since)) = lines.pop() {
            if since.elapsed() < KEEP_TIME && line.is_free(&mut Context::from_waker(Waker::noop())) {
                return Some(line);
            }
        }
        None
    }

    fn put(self: &Arc<Self>, place: (Scheme, Authority), line: Line) {
        let mut idle = self.lock();
        let lines = idle.lines.entry(place).or_default();
        if lines.len() < KEEP {
            lines.push((line, Instant::now()));
        }
        if !std::mem::replace(&mut idle.swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self)));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends connections that nobody has used for long, until there are none.
async fn sweep(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(KEEP_TIME).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = pool.lock();
        idle.lines.retain(|_, lines| {
            lines.retain(|(_, since)| since.elapsed() < KEEP_TIME);
            !lines.is_empty()
        });
        if idle.lines.is_empty() {
            idle.swept = false;
            return;
        }
    }
}

/// The value of the header `host`: without the port where the scheme implies it.
fn host<'a>(scheme: &Scheme, authority: &'a Authority) -> &'a str {
    let implied = if *scheme == Scheme::HTTPS { 443 } else { 80 };
    // What comes before the last `@` are credentials.
    let whole = authority.as_str().rsplit('@').next().unwrap_or_default();
    if authority.port_u16() == Some(implied) { authority.host() } else { whole }
}

impl Line {
    /// Whether a call can be sent.
    fn is_free(&mut self, cx: &mut Context<'_>) -> bool {
        drive(&mut self.connection, cx);
        self.connection.is_some() && self.sender.is_ready()
    }

    async fn send(&mut self, call: Call) -> Result<Response<Incoming>, TrySendError<Call>> {
        let mut answer = std::pin::pin!(self.sender.try_send_request(call));
        poll_fn(|cx| {
            drive(&mut self.connection, cx);
            answer.as_mut().poll(cx)
        })
        .await
    }
}

/// Does what a connection has to do now. Why it ended, whoever waits for an answer is told.
fn drive(connection: &mut Option<Driver>, cx: &mut Context<'_>) {
    connection.take_if(|connection| connection.as_mut().poll(cx).is_ready());
}

/// The body of an answer, which drives the connection that it comes over. Dropped before its end, it closes that.
pub(crate) struct Answer {
    body: Incoming,
    lent: Option<Lent>,
}

struct Lent {
    line: Line,
    pool: Arc<Pool>,
    place: (Scheme, Authority),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        // Asked first, the body tells its connection that it is waited for.
        let next = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => {
                if let Some(lent) = &mut self.lent {
                    drive(&mut lent.line.connection, cx);
                }
                ready!(Pin::new(&mut self.body).poll_frame(cx))
            }
            Poll::Ready(next) => next,
        };
        let ended = self.body.is_end_stream() || next.is_none();
        if ended
            && let Some(Lent { mut line, pool, place }) = self.lent.take()
            && line.is_free(cx)
        {
            pool.put(place, line);
        }
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
