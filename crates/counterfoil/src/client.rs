//! How commands reach the product: over HTTP when a server runs, else by opening the data directory themselves.
//!
//! Both ways go through the same router, so that a command cannot do what the API could not.

use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use clap::builder::PossibleValue;
use domain::people::Purpose;
use futures_util::StreamExt;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tower::ServiceExt;

use crate::commands::content::Pieces;
use crate::config::{self, Config};
use crate::logins;
use crate::output::Failure;
use crate::server;
use crate::tls::trust::Trust;

/// The largest answer that a command reads, in bytes.
const MAX_ANSWER: usize = 4 << 30;

/// Where the product is and how to be let in.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Connect {
    /// Address of a running server, such as http://127.0.0.1:8600
    #[arg(long, global = true, env = "COUNTERFOIL_URL")]
    url: Option<String>,
    /// Key for the management API; by default the operator's, from the data directory
    #[arg(long, global = true, env = "COUNTERFOIL_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Data directory, when no address is given
    #[arg(long, global = true, env = "COUNTERFOIL_SERVER_DATA")]
    data: Option<PathBuf>,
    /// PEM file with authorities to believe when the server speaks TLS, beside the public ones
    #[arg(long, global = true, env = "COUNTERFOIL_CA_FILE", value_name = "FILE")]
    ca_file: Option<String>,
    /// File with settings; see `counterfoil config sample`
    #[arg(long, short, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Why you ask, for the record of the access
    #[arg(long, global = true, env = "COUNTERFOIL_PURPOSE", value_parser = purposes())]
    purpose: Option<String>,
}

/// The declared vocabulary.
fn purposes() -> clap::builder::PossibleValuesParser {
    let value = |(purpose, meaning): &(Purpose, &'static str)| PossibleValue::new(purpose.as_str()).help(*meaning);
    Purpose::ALL.iter().map(value).collect::<Vec<_>>().into()
}

impl Connect {
    /// The data directory that was given, if one was.
    pub fn data(&self) -> Option<PathBuf> {
        self.data.clone()
    }

    /// The settings in force: the file, then the environment, then the data directory that was given.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn config(&self) -> Result<Config, Failure> {
        self.settled(Config::load(self.config.as_deref(), &config::environment()))
    }

    /// The same for a server, which needs more of them.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn config_to_serve(&self) -> Result<Config, Failure> {
        self.settled(Config::load_to_serve(self.config.as_deref(), &config::environment()))
    }

    fn settled(&self, config: Result<Config, config::ConfigError>) -> Result<Config, Failure> {
        let mut config = config.map_err(|e| Failure::usage(e.to_string()))?;
        if let Some(data) = &self.data {
            config.server.data.clone_from(data);
        }
        Ok(config)
    }

    /// A way in to a server at a known address.
    pub fn to(url: &str, token: &str) -> Self {
        Self { url: Some(url.to_owned()), token: Some(token.to_owned()), ..Self::default() }
    }

    /// Opens a way in, asks by it, and closes it again whatever came of it.
    ///
    /// # Errors
    /// As [`Connect::open`], and what `ask` returns.
    pub async fn asked<T>(&self, ask: impl AsyncFnOnce(&Client) -> Result<T, Failure>) -> Result<T, Failure> {
        let client = self.open().await?;
        let answer = ask(&client).await;
        client.close().await?;
        answer
    }

    /// Finds the product.
    ///
    /// # Errors
    /// When neither a server nor a data directory is there.
    pub async fn open(&self) -> Result<Client, Failure> {
        if let (Some(url), Some(token)) = (&self.url, &self.token) {
            return self.remote(url, token.clone(), &self.trust(None));
        }
        let config = self.config()?;
        let dir = config.server.data.clone();
        if let Some(url) = &self.url {
            let hint = "run `counterfoil login` with this --url, or give --token or COUNTERFOIL_TOKEN";
            return self.remote(url, self.token_for(url, &dir, hint)?, &self.trust(None));
        }
        if let Some(running) = server::Running::read(&dir) {
            return self.running(&running, &dir);
        }
        if !dir.join("ledger").is_dir() {
            let message = format!(
                "no server runs on `{}` and it holds no data: start one with `counterfoil serve --data {0}`, or give --data or --url",
                dir.display()
            );
            return Err(Failure::unreachable(message));
        }
        // Whoever holds the directory may be a server that has only begun to start: then it is asked once it listens.
        let visit = tokio::select! {
            visit = server::Visit::open(&config) => visit?,
            running = server::Running::appears(&dir) => return self.running(&running, &dir),
        };
        let token = self.token_or(&dir, "the data directory has no operator.token")?;
        let purpose = self.purpose.clone();
        Ok(Client { token, purpose, way: Way::Local { router: visit.router(), visit } })
    }

    /// A way in to the server at an address, with a key or, when that is empty, without.
    ///
    /// # Errors
    /// When those to be believed cannot be read.
    pub fn at(&self, url: &str, token: String) -> Result<Client, Failure> {
        let dir = self.config()?.server.data;
        let told = server::Running::read(&dir).filter(|running| running.url == url);
        self.remote(url, token, &self.trust(told.and_then(|running| running.certificate_sha256)))
    }

    /// What lies at an address that is not the product's: nothing of it is sent there.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn fetch(&self, url: &str) -> Result<Body, Failure> {
        let uri: http::Uri = url.parse().map_err(|e| Failure::usage(format!("`{url}` is not an address: {e}")))?;
        let origin =
            format!("{}://{}", uri.scheme_str().unwrap_or_default(), uri.authority().map_or("", |a| a.as_str()));
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let stranger = Client::remote(&origin, String::new(), None, &self.trust(None))?;
        let (_, body) = stranger.request(Method::GET, path, "application/octet-stream", Body::empty()).await?;
        Ok(body)
    }

    fn remote(&self, url: &str, token: String, trust: &Trust) -> Result<Client, Failure> {
        Client::remote(url, token, self.purpose.clone(), trust)
    }

    /// A way in to the server that runs on a data directory.
    fn running(&self, running: &server::Running, dir: &Path) -> Result<Client, Failure> {
        let token = self.token_for(&running.url, dir, "the server's data directory has no token")?;
        self.remote(&running.url, token, &self.trust(running.certificate_sha256.clone()))
    }

    /// Whom to believe: the one certificate that a server on this machine told, or the authorities.
    fn trust(&self, told: Option<String>) -> Trust {
        match (&self.ca_file, told) {
            (Some(file), _) => Trust::File(file.clone()),
            (None, Some(sha256)) => Trust::Only(sha256),
            (None, None) => Trust::Public,
        }
    }

    /// The address of the server: the one that was given, or of the one that runs on the data directory.
    ///
    /// # Errors
    /// When there is none.
    pub fn address(&self) -> Result<String, Failure> {
        if let Some(url) = &self.url {
            return Ok(url.trim_end_matches('/').to_owned());
        }
        let dir = self.config()?.server.data;
        let running = server::Running::read(&dir).map(|running| running.url);
        running.ok_or_else(|| Failure::unreachable(format!("no server runs on `{}`: give --url", dir.display())))
    }

    /// The key for a server: the one that was given, else the one that `counterfoil login` got, else the operator's.
    fn token_for(&self, url: &str, dir: &Path, hint: &str) -> Result<String, Failure> {
        match (&self.token, logins::find(url)?) {
            (None, Some(login)) => Ok(login.secret),
            _ => self.token_or(dir, hint),
        }
    }

    /// The key for the management API of a data directory.
    ///
    /// # Errors
    /// When none was given and the directory has none.
    pub fn token(&self, dir: &Path) -> Result<String, Failure> {
        self.token_or(dir, "the data directory has no operator.token")
    }

    fn token_or(&self, dir: &Path, hint: &str) -> Result<String, Failure> {
        match &self.token {
            Some(token) => Ok(token.clone()),
            None => std::fs::read_to_string(dir.join("operator.token"))
                .map(|token| token.trim().to_owned())
                .map_err(|e| Failure::usage(format!("{}: {e}: {hint}", dir.join("operator.token").display()))),
        }
    }
}

/// An open way in.
pub struct Client {
    token: String,
    purpose: Option<String>,
    way: Way,
}

enum Way {
    Remote { base: String, http: HttpClient<HttpsConnector<HttpConnector>, Body> },
    Local { router: Router, visit: server::Visit },
}

/// A whole answer.
pub struct Answer {
    /// Its body.
    pub body: Bytes,
    /// What it lacks, as the server says, because a rule of retention ended it since the time that was asked about.
    pub gone: Option<String>,
}

impl Client {
    /// A way in to a server, with a key or, when that is empty, without; `purpose` is why one asks.
    ///
    /// # Errors
    /// When those to be believed cannot be read.
    fn remote(url: &str, token: String, purpose: Option<String>, trust: &Trust) -> Result<Self, Failure> {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(Duration::from_secs(5)));
        let connector = trust.connector(connector).map_err(Failure::usage)?;
        let http = HttpClient::builder(TokioExecutor::new()).build(connector);
        Ok(Self { token, purpose, way: Way::Remote { base: url.trim_end_matches('/').to_owned(), http } })
    }

    /// Sends a request with a JSON body, or none, and reads a JSON answer.
    ///
    /// # Errors
    /// The server's refusal, or that it cannot be reached.
    pub async fn json(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let bytes = body.map(|value| value.to_string().into_bytes()).unwrap_or_default();
        let answer = self.send(method, path, "application/json", bytes).await?;
        if answer.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer.body).map_err(|e| Failure::io(format!("{path}: the answer is not JSON: {e}")))
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// The server's refusal, or that it cannot be reached.
    pub async fn send(&self, method: Method, path: &str, kind: &str, body: Vec<u8>) -> Result<Answer, Failure> {
        let (parts, body) = self.request(method, path, kind, Body::from(body)).await?;
        let gone = parts.headers.get("x-counterfoil-gone").and_then(|gone| gone.to_str().ok()).map(str::to_owned);
        Ok(Answer { body: whole(path, body).await?, gone })
    }

    /// Sends bytes as they come, in constant memory, and reads the whole answer.
    ///
    /// # Errors
    /// That they break off, the server's refusal, or that it cannot be reached.
    pub async fn upload(&self, path: &str, pieces: Pieces) -> Result<Answer, Failure> {
        let (_, body) = self.request(Method::PUT, path, "application/octet-stream", Body::from_stream(pieces)).await?;
        Ok(Answer { body: whole(path, body).await?, gone: None })
    }

    /// Reads an answer into a file as it comes, in constant memory; returns how many bytes there were.
    ///
    /// # Errors
    /// The server's refusal, that it cannot be reached, that the answer broke off, or that the file cannot be written.
    pub async fn download(&self, path: &str, to: &mut std::fs::File) -> Result<u64, Failure> {
        let (_, body) = self.request(Method::GET, path, "application/json", Body::empty()).await?;
        let mut pieces = body.into_data_stream();
        let mut bytes = 0;
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|e| broken_off(path, &chain(&e)))?;
            std::io::Write::write_all(to, &piece)?;
            bytes += piece.len() as u64;
        }
        Ok(bytes)
    }

    /// Sends a request; gives an answer that is no refusal.
    async fn request(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Body,
    ) -> Result<(http::response::Parts, Body), Failure> {
        let base = match &self.way {
            Way::Remote { base, .. } => base.as_str(),
            Way::Local { .. } => "",
        };
        let request = Request::builder().method(method).uri(format!("{base}{path}")).header("content-type", kind);
        let request = match self.token.as_str() {
            "" => request,
            token => request.header("authorization", format!("Bearer {token}")),
        };
        let request = self.purpose.iter().fold(request, |request, why| request.header("x-counterfoil-purpose", why));
        let request =
            request.body(body).map_err(|e| Failure::usage(format!("`{base}{path}` is not an address: {e}")))?;
        let (parts, body) = match &self.way {
            Way::Remote { http, .. } => {
                let response = http.request(request).await;
                let failed = |error: hyper_util::client::legacy::Error| match unread(&error) {
                    Some(why) => Failure::io(why),
                    None => Failure::unreachable(format!("{base} cannot be reached: {}", chain(&error))),
                };
                let (parts, body) = response.map_err(failed)?.into_parts();
                (parts, Body::new(body))
            }
            Way::Local { router, .. } => match router.clone().oneshot(request).await {
                Ok(response) => response.into_parts(),
                Err(never) => match never {},
            },
        };
        match parts.status.is_success() {
            true => Ok((parts, body)),
            false => Err(refusal(parts.status, path, &whole(path, body).await?)),
        }
    }

    /// Ends well: what was opened here is closed so that nothing is left to recover.
    ///
    /// # Errors
    /// When it cannot be closed well.
    pub async fn close(self) -> Result<(), Failure> {
        match self.way {
            Way::Remote { .. } => Ok(()),
            Way::Local { router, visit } => {
                drop(router);
                visit.close().await
            }
        }
    }
}

/// All of a body.
async fn whole(path: &str, body: Body) -> Result<Bytes, Failure> {
    let body = Limited::new(body, MAX_ANSWER).collect().await;
    Ok(body.map_err(|e| broken_off(path, &e.to_string()))?.to_bytes())
}

/// The kind of a failure whose answer began well and has no end.
pub const BROKEN_OFF: &str = "broken_off";

fn broken_off(path: &str, why: &str) -> Failure {
    Failure::new(5, BROKEN_OFF, format!("{path}: the answer broke off: {why}"))
}

/// Why what was to be sent could not be read, when that is what ended a request.
fn unread(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut source = error.source();
    while let Some(error) = source {
        // Bodies alone fail so, and never connections.
        if error.is::<axum::Error>() {
            return Some(chain(error));
        }
        source = error.source();
    }
    None
}

/// An error with what caused it, on one line: with TLS, the reason is at the end. Some errors say their cause themselves;
/// it is not said twice.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
        source = error.source();
    }
    text.replace(['\r', '\n'], " ")
}

fn refusal(status: StatusCode, path: &str, body: &[u8]) -> Failure {
    let value: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let field = |name: &str| value["error"][name].as_str().map(str::to_owned);
    let message = field("message").unwrap_or_else(|| format!("{path} answered {status}"));
    let policies = value["error"]["policies"].as_array().into_iter().flatten();
    let policies = policies.filter_map(|name| name.as_str().map(str::to_owned)).collect();
    let code = field("code").unwrap_or_else(|| status.as_u16().to_string());
    match code.as_str() {
        "rolled_back" => Failure::new(3, code, message),
        _ => Failure { policies, ..Failure::refused(code, message) },
    }
}

#[cfg(test)]
mod tests {
    use super::chain;

    #[derive(Debug, thiserror::Error)]
    #[error("refused: {0}")]
    struct SaysAll(#[source] std::io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("no connection")]
    struct SaysLittle(#[source] SaysAll);

    #[test]
    fn given_errors_that_say_their_causes_or_do_not_when_told_then_each_is_said_once_and_all_on_one_line() {
        let error = SaysLittle(SaysAll(std::io::Error::other("first\r\nsecond")));
        assert_eq!(chain(&error), "no connection: refused: first  second");
    }
}
