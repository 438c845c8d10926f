//! A listener without TLS that serves nothing and sends browsers to the one with it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use http::uri::Authority;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::connections::{Bounds, Connections};

/// Connections open at once: each is one short answer.
const CONNECTIONS: usize = 256;

/// Where browsers are sent.
#[derive(Clone, Debug)]
pub struct Target {
    /// The address that people use, when it is known.
    pub public_url: Option<String>,
    /// The port of the listener with TLS.
    pub port: u16,
}

impl Target {
    /// The same page by https; `None` when the request names no host.
    fn of(&self, host: Option<&str>, path: &str) -> Option<String> {
        if let Some(url) = &self.public_url {
            return Some(format!("{url}{path}"));
        }
        let authority: Authority = host?.parse().ok()?;
        // A name before `@` would be a user's, and the browser would go elsewhere.
        let host = Some(authority.host()).filter(|_| !authority.as_str().contains('@'))?;
        Some(if self.port == 443 {
            format!("https://{host}{path}")
        } else {
            format!("https://{host}:{}{path}", self.port)
        })
    }
}

/// Answers each request with the same page's address by https, until `stop` is true.
pub async fn serve(listener: TcpListener, target: Target, mut stop: watch::Receiver<bool>) {
    let router = Router::new().fallback(send_on).with_state(Arc::new(target));
    let connections = Connections::new(router, None, Bounds::new(CONNECTIONS));
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        match tokio::select! { next = next => next, _ = stop.wait_for(|stop| *stop) => break } {
            (Ok(place), Ok((stream, peer))) => connections.serve(stream, peer, place),
            (_, Err(error)) => {
                tracing::warn!(%error, "a connection to be redirected could not be taken");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            (Err(_), _) => break,
        }
    }
    connections.end().await;
}

async fn send_on(State(target): State<Arc<Target>>, request: Request) -> Response {
    let host = request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok());
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    match target.of(host, path) {
        Some(url) => Redirect::permanent(&url).into_response(),
        None => StatusCode::BAD_REQUEST.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_sent_to_the_same_page_and_host() {
        let target = Target { public_url: None, port: 8600 };
        assert_eq!(target.of(Some("a.example:80"), "/x?y"), Some("https://a.example:8600/x?y".into()));
        assert_eq!(Target { port: 443, ..target.clone() }.of(Some("[::1]"), "/"), Some("https://[::1]/".into()));
        for wrong in [None, Some(""), Some("a b"), Some("me@evil.example")] {
            assert_eq!(target.of(wrong, "/"), None, "{wrong:?}");
        }
        let known = Target { public_url: Some("https://pub.example".into()), port: 1 };
        assert_eq!(known.of(Some("evil.example"), "/a"), Some("https://pub.example/a".into()));
    }
}
