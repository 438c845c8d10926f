//! Reading a request's body in bounded memory and time.

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

/// Reads a body and keeps its first `keep` bytes.
pub(crate) async fn read(mut body: Body, headers: &HeaderMap, keep: usize, limits: &Limits) -> Read {
    let deadline = Instant::now() + limits.request_time;
    let mut kept = BytesMut::new();
    let mut arrived = 0;
    let mut problem = encoding(headers);
    loop {
        let frame = match timeout_at(deadline, body.frame()).await {
            Err(_) => {
                problem = problem.or(Some(Problem::BodyLate(limits.request_time)));
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
        let room = keep.saturating_sub(kept.len()).min(piece.len());
        kept.extend_from_slice(&piece[..room]);
        if arrived > limits.request_bytes {
            problem = Some(Problem::BodyTooLarge(limits.request_bytes));
            // What cannot be used need not be kept.
            kept.truncate(limits.stranger_bytes);
            if arrived > limits.request_bytes.saturating_mul(LINGER) {
                break;
            }
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

    async fn check(body: &'static str, keep: usize) -> (String, usize, Option<&'static str>) {
        let limits = Limits { request_bytes: 8, stranger_bytes: 2, ..Limits::default() };
        let read = read(Body::from(body), &HeaderMap::new(), keep, &limits).await;
        let kept = String::from_utf8(read.kept.to_vec()).expect("text");
        (kept, read.arrived, read.problem.map(|problem| problem.code()))
    }

    #[tokio::test]
    async fn bodies_are_kept_up_to_their_limit() {
        assert_eq!(check("12345678", 8).await, ("12345678".into(), 8, None));
        assert_eq!(check("12345678", 2).await, ("12".into(), 8, None));
        assert_eq!(check("123456789", 8).await, ("12".into(), 9, Some("request_too_large")));
    }

    #[tokio::test]
    async fn compressed_bodies_are_refused() {
        let headers = HeaderMap::from_iter([(header::CONTENT_ENCODING, http::HeaderValue::from_static("gzip"))]);
        let read = read(Body::from("x"), &headers, 8, &Limits::default()).await;
        assert_eq!(read.problem.map(|problem| problem.code()), Some("request_encoded"));
    }
}
