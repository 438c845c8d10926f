//! Calling a provider, with time limits, and reading its answers in bounded memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use engine::Engine;
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::time::{Instant, timeout_at};

use crate::dialect::openai::Operation;
use crate::permission::Permitted;
use crate::pool::{Answer, CallError, Pool};
use crate::problem::Problem;
use crate::providers::openai::{Provider, answer_headers};
use crate::providers::resolver::{self, Resolver};

/// How long a connection may take to be made.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// Calls providers.
pub(crate) struct Upstream {
    pool: Arc<Pool>,
}

/// A provider's answer, up to and including its first bytes.
pub(crate) struct Begun {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The first bytes; `None` when the answer has none.
    pub(crate) first: Option<Bytes>,
    pub(crate) rest: Answer,
}

impl Upstream {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Resolver::new(engine));
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(CONNECT_TIME));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Self { pool: Pool::new(connector) }
    }

    /// Sends a permitted request and waits for the first bytes of the answer: a provider that says 200 and then
    /// nothing has not answered.
    pub(crate) async fn call(
        &self,
        _permitted: &Permitted,
        provider: &Provider,
        operation: Operation,
        client: &HeaderMap,
        body: Bytes,
    ) -> Result<Begun, Problem> {
        let request = provider.request(operation, client, body)?;
        let silence = Duration::from_millis(provider.spec.first_byte_timeout_ms);
        let until = Instant::now() + silence;
        let silent = || Problem::ProviderSilent { provider: provider.name.clone(), silence };
        let response = timeout_at(until, self.pool.send(request)).await.map_err(|_| silent())?;
        let response = response.map_err(|error| {
            tracing::warn!(
                provider = provider.name,
                error = &error as &(dyn std::error::Error + 'static),
                "provider call failed"
            );
            if let Some(why) = resolver::refusal(&error) {
                return Problem::ProviderForbidden { provider: provider.name.clone(), why };
            }
            match error {
                CallError::Address | CallError::Connect(_) => Problem::ProviderUnreachable(provider.name.clone()),
                CallError::Broke(_) => Problem::ProviderBroke(provider.name.clone()),
            }
        })?;
        let (head, mut rest) = response.into_parts();
        let garbage = |why| Problem::ProviderGarbage { provider: provider.name.clone(), why };
        if !(head.status.is_success() || head.status.is_client_error() || head.status.is_server_error()) {
            return Err(garbage("its status is neither success nor an error"));
        }
        if head.headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(garbage("it is compressed although that was not asked for"));
        }
        let first = timeout_at(until, next(&mut rest)).await.map_err(|_| silent())?;
        let first = first.transpose().map_err(|_| Problem::ProviderBroke(provider.name.clone()))?;
        Ok(Begun { status: head.status, headers: answer_headers(&head.headers), first, rest })
    }
}

impl Begun {
    /// Whether the answer is a stream of events.
    pub(crate) fn is_stream(&self) -> bool {
        let kind = self.headers.get(header::CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
        let stream = b"text/event-stream";
        self.status.is_success() && kind.get(..stream.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(stream))
    }

    /// Reads the rest of an answer that is not a stream into `out`, which keeps what came when something goes wrong.
    pub(crate) async fn read(
        mut self,
        provider: &Provider,
        limit: usize,
        time: Duration,
        out: &mut BytesMut,
    ) -> Result<(), Problem> {
        let idle = Duration::from_millis(provider.spec.idle_timeout_ms);
        let deadline = Instant::now() + time;
        let mut piece = self.first.take();
        while let Some(bytes) = piece {
            if out.len() + bytes.len() > limit {
                return Err(Problem::AnswerTooLarge(limit));
            }
            out.extend_from_slice(&bytes);
            let until = deadline.min(Instant::now() + idle);
            let next = timeout_at(until, next(&mut self.rest)).await.map_err(|_| match Instant::now() >= deadline {
                true => Problem::AnswerTooLong(time),
                false => Problem::ProviderSilent { provider: provider.name.clone(), silence: idle },
            })?;
            piece = next.transpose().map_err(|_| Problem::ProviderBroke(provider.name.clone()))?;
        }
        Ok(())
    }
}

/// The next bytes of a body; trailers are passed over.
async fn next(body: &mut Answer) -> Option<Result<Bytes, hyper::Error>> {
    loop {
        match body.frame().await? {
            Err(error) => return Some(Err(error)),
            Ok(frame) => match frame.into_data() {
                Ok(bytes) if bytes.is_empty() => {}
                Ok(bytes) => return Some(Ok(bytes)),
                Err(_) => {}
            },
        }
    }
}
