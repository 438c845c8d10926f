//! Reading a request's body in bounded memory and time.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use crate::limits::Limits;
use crate::problem::Problem;

/// How many times the limit is read and thrown away, so that a client that sends too much sees the refusal instead of
/// a connection that breaks while it is sending.
const LINGER: usize = 4;

/// What was read.
pub(crate) struct Read {
    /// The first bytes, as many as may be kept.
    pub(crate) kept: Bytes,
    /// How many bytes arrived.
    pub(crate) arrived: usize,
    /// Why the body cannot be used, if it cannot.
    pub(crate) problem: Option<Problem>,
}

/// How much of a body is taken, and how long that may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes that are kept.
    keep: usize,
    /// Bytes that are read, even if not all are kept.
    read: usize,
    time: Duration,
}

impl Bounds {
    /// For whoever showed a good key.
    pub(crate) fn known(limits: &Limits) -> Self {
        let read = limits.request_bytes.saturating_mul(LINGER);
        Self { keep: limits.request_bytes, read, time: limits.request_time }
    }

    /// For strangers, who are refused whatever they send: enough that most of them see the refusal.
    pub(crate) fn stranger(limits: &Limits) -> Self {
        let read = limits.stranger_read_bytes.min(limits.request_bytes);
        Self { keep: limits.stranger_bytes, read, time: limits.stranger_time }
    }
}

/// Reads a body within bounds.
pub(crate) async fn read(mut body: Body, headers: &HeaderMap, bounds: Bounds, limits: &Limits) -> Read {
    let deadline = Instant::now() + bounds.time;
    let mut kept = BytesMut::new();
    let mut arrived = 0;
    let mut problem = encoding(headers);
    while arrived <= bounds.read {
        let frame = match timeout_at(deadline, body.frame()).await {
            Err(_) => {
                problem = problem.or(Some(Problem::BodyLate(bounds.time)));
                break;
            }
            Ok(None) => break,
            Ok(Some(Err(_))) => {
                problem = Some(Problem::BodyBroken);
                break;
            }
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(piece) = frame.into_data() else { continue };
        arrived += piece.len();
        let room = bounds.keep.saturating_sub(kept.len()).min(piece.len());
        kept.extend_from_slice(&piece[..room]);
        if arrived > limits.request_bytes {
            problem = Some(Problem::BodyTooLarge(limits.request_bytes));
            // What cannot be used need not be kept.
            kept.truncate(limits.stranger_bytes);
        }
    }
    Read { kept: kept.freeze(), arrived, problem }
}

fn encoding(headers: &HeaderMap) -> Option<Problem> {
    let encoding = headers.get(header::CONTENT_ENCODING).filter(|encoding| *encoding != "identity")?;
    Some(Problem::BodyEncoded(String::from_utf8_lossy(encoding.as_bytes()).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { request_bytes: 8, stranger_bytes: 2, stranger_read_bytes: 5, ..Limits::default() }
    }

    async fn check(body: &'static str, bounds: Bounds) -> (String, usize, Option<&'static str>) {
        let read = read(Body::from(body), &HeaderMap::new(), bounds, &limits()).await;
        let kept = String::from_utf8(read.kept.to_vec()).expect("text");
        (kept, read.arrived, read.problem.map(|problem| problem.code()))
    }

    #[tokio::test]
    async fn bodies_are_kept_up_to_their_limit() {
        let (known, stranger) = (Bounds::known(&limits()), Bounds::stranger(&limits()));
        assert_eq!(check("12345678", known).await, ("12345678".into(), 8, None));
        assert_eq!(check("12345678", stranger).await, ("12".into(), 8, None));
        assert_eq!(check("123456789", known).await, ("12".into(), 9, Some("request_too_large")));
    }

    #[tokio::test]
    async fn bodies_are_read_up_to_their_limit() {
        let pieces = || futures_util::stream::iter((0..100).map(|_| Ok::<_, std::io::Error>("1234")));
        for (bounds, arrived) in [(Bounds::known(&limits()), 36), (Bounds::stranger(&limits()), 8)] {
            let read = read(Body::from_stream(pieces()), &HeaderMap::new(), bounds, &limits()).await;
            assert_eq!(read.arrived, arrived);
        }
    }

    #[tokio::test]
    async fn compressed_bodies_are_refused() {
        let headers = HeaderMap::from_iter([(header::CONTENT_ENCODING, http::HeaderValue::from_static("gzip"))]);
        let read = read(Body::from("x"), &headers, Bounds::known(&limits()), &limits()).await;
        assert_eq!(read.problem.map(|problem| problem.code()), Some("request_encoded"));
    }
}
