//! A small HTTP client for tests that look at what goes over the wire.

use std::net::TcpStream;
use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::runtime::Runtime;

/// Where clients and stand-ins run; the tests themselves are plain functions.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
});

static CLIENT: LazyLock<Client<HttpConnector, Full<Bytes>>> =
    LazyLock::new(|| Client::builder(TokioExecutor::new()).build_http());

/// A whole response.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Response {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Sends a request and waits for the whole answer; `None` when the connection fails or breaks off.
pub async fn try_send(method: Method, url: &str, headers: &[(&str, &str)], body: Bytes) -> Option<Response> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = CLIENT.request(request.body(Full::new(body)).expect("a request")).await.ok()?;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    Some(Response { status: parts.status.as_u16(), headers: parts.headers, body })
}

/// Sends a request and waits for the whole answer.
#[track_caller]
pub fn send(method: Method, url: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response {
    let response = RUNTIME.block_on(try_send(method, url, headers, body.into()));
    response.unwrap_or_else(|| panic!("{url} gave no whole answer"))
}

#[track_caller]
pub fn get(url: &str) -> Response {
    send(Method::GET, url, &[], "")
}

/// Opens a connection to a server, for clients that behave badly.
pub fn connect(url: &str) -> TcpStream {
    TcpStream::connect(url.trim_start_matches("http://")).expect("a connection")
}
