//! Requests to the authority whose directory the settings name, and to nobody else.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

use crate::config::Acme;
use crate::tls::trust::Trust;

/// How long an answer may take.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// The largest answer that is read, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// Asks one authority.
pub struct Asker {
    client: Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>,
    place: Option<(Scheme, Authority)>,
}

impl Asker {
    /// # Errors
    /// When those to be believed cannot be read.
    pub fn new(settings: &Acme) -> Result<Self, String> {
        let mut tcp = HttpConnector::new();
        tcp.set_connect_timeout(Some(ANSWER_TIME));
        let client = Client::builder(TokioExecutor::new()).build(Trust::from_file(&settings.ca).connector(tcp)?);
        let place = settings.directory.parse().ok().and_then(|uri| place(&uri));
        Ok(Self { client, place })
    }
}

fn place(uri: &Uri) -> Option<(Scheme, Authority)> {
    Some((uri.scheme()?.clone(), uri.authority()?.clone()))
}

impl HttpClient for Asker {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        // A directory names further addresses; the settings name one.
        if place(request.uri()) != self.place {
            let message = format!("the authority sends to `{}`, which the settings do not name", request.uri());
            return Box::pin(std::future::ready(Err(Error::Other(message.into()))));
        }
        let asked = self.client.request(request);
        Box::pin(async move {
            let answer = async {
                let (parts, body) = asked.await.map_err(Box::<dyn StdError + Send + Sync>::from)?.into_parts();
                let body = Limited::new(body, MAX_BYTES).collect().await?;
                Ok(BytesResponse::from(Response::from_parts(parts, Full::new(body.to_bytes()))))
            };
            match tokio::time::timeout(ANSWER_TIME, answer).await {
                Ok(answered) => answered.map_err(Error::Other),
                Err(_) => Err(Error::Other(format!("no answer within {} s", ANSWER_TIME.as_secs()).into())),
            }
        })
    }
}
