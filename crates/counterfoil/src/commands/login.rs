//! `counterfoil login` and `counterfoil logout`.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use clap::Args;
use http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::client::{Client, Connect};
use crate::logins::{self, Login as Kept};
use crate::output::{self, Failure};

/// How long somebody may take in the browser.
const PATIENCE: Duration = Duration::from_secs(600);

/// The largest head of a browser's request, in bytes.
const HEAD: usize = 16 << 10;

/// How to log in.
#[derive(Args)]
pub struct Login {
    /// For a machine without a browser: type a code at the server's pages, from anywhere
    #[arg(long)]
    device: bool,
    /// Only print the address to open, and leave opening it to you
    #[arg(long)]
    no_browser: bool,
}

/// Give the key of `counterfoil login` back
#[derive(Args)]
pub struct Logout {}

impl Login {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let url = connect.address()?;
        let client = connect.at(&url, String::new())?;
        let key = if self.device { by_code(&client).await? } else { self.by_browser(&client, &url).await? };
        let kept: Kept = serde_json::from_value(key).map_err(|e| Failure::io(format!("{url}: {e}")))?;
        let mut all = logins::read()?;
        let (actor, until) = (kept.actor.clone(), kept.expires_at);
        all.insert(logins::name(&url), kept);
        let path = logins::write(&all)?;
        match json {
            true => output::json(&json!({"url": url, "actor": actor, "expires_at": until})),
            false => output::line(format!(
                "logged in to {url} as {actor} until {}; the key is in {}",
                output::time(until),
                path.display()
            )),
        }
    }

    /// The browser on this machine brings the code to a listener that takes one answer.
    async fn by_browser(&self, client: &Client, url: &str) -> Result<Value, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let (verifier, state) = (secret()?, secret()?);
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        let address = format!("{url}/login/cli?port={port}&challenge={challenge}&state={state}");
        output::note(&format!("open this address in a browser on this machine: {address}"));
        if !self.no_browser {
            open(&address);
        }
        let answered = tokio::time::timeout(PATIENCE, answer(&listener, &state)).await;
        let code = answered.map_err(|_| Failure::refused("expired", "nobody answered within ten minutes"))??;
        client.json(Method::POST, "/api/v1/login/exchange", Some(&json!({"code": code, "verifier": verifier}))).await
    }
}

impl Logout {
    pub async fn run(&self, json: bool, connect: &Connect) -> Result<(), Failure> {
        let url = connect.address()?;
        let mut all = logins::read()?;
        let Some(login) = all.remove(&logins::name(&url)) else {
            return Err(Failure::refused("not_found", format!("there is no login for {url}")));
        };
        let ended = connect.at(&url, login.secret)?.json(Method::DELETE, "/api/v1/login", None).await;
        // A key that is void already needs no ending; with any other trouble it is kept, to be ended later.
        match ended {
            Err(failure) if failure.kind != "unauthenticated" => return Err(failure),
            _ => {}
        }
        logins::write(&all)?;
        match json {
            true => output::json(&json!({"url": url, "key": login.key, "revoked": true})),
            false => output::line(format!("logged out of {url}; key {} is void", login.key)),
        }
    }
}

/// Somebody types a code at the server's pages, and this asks until they have.
async fn by_code(client: &Client) -> Result<Value, Failure> {
    let begun = client.json(Method::POST, "/api/v1/login/device", None).await?;
    let text = |name: &str| begun[name].as_str().unwrap_or_default().to_owned();
    let (code, address) = (text("user_code"), text("verification_uri"));
    output::note(&format!("open {address} anywhere, sign in, and type the code {code}"));
    let mut pause = Duration::from_secs(begun["interval"].as_u64().unwrap_or(5).clamp(1, 60));
    let until = Instant::now() + Duration::from_secs(begun["expires_in"].as_u64().unwrap_or(600).min(3600));
    let shown = json!({"device_code": text("device_code")});
    while Instant::now() < until {
        tokio::time::sleep(pause).await;
        match client.json(Method::POST, "/api/v1/login/device/token", Some(&shown)).await {
            Err(failure) if failure.kind == "authorization_pending" => {}
            Err(failure) if failure.kind == "slow_down" => pause += Duration::from_secs(5),
            answer => return answer,
        }
    }
    Err(Failure::refused("expired", "nobody typed the code in time"))
}

fn secret() -> Result<String, Failure> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|e| Failure::io(format!("the system gave no randomness: {e}")))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

/// Opens an address with whatever opens addresses here. The address was printed, so it is no failure when nothing does.
fn open(address: &str) {
    let opener = std::env::var("BROWSER").unwrap_or_else(|_| match cfg!(target_os = "macos") {
        true => "open".to_owned(),
        false => "xdg-open".to_owned(),
    });
    let mut command = std::process::Command::new(opener);
    let quiet = || std::process::Stdio::null();
    let _ = command.arg(address).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn();
}

/// Waits for the browser that brings the code of our own sign-in; others are turned away.
async fn answer(listener: &TcpListener, state: &str) -> Result<String, Failure> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        let head = tokio::time::timeout(Duration::from_secs(5), head(&mut stream)).await.unwrap_or_default();
        let code = code(&head, state);
        let (status, said) = match code {
            Some(_) => ("200 OK", "The command line is let in. You can close this page."),
            None => ("404 Not Found", "Nothing is here."),
        };
        let page = format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nreferrer-policy: no-referrer\r\nconnection: close\r\n\r\n{said}",
            said.len()
        );
        // The code is what counts; whether the browser shows the page is not.
        let _ = stream.write_all(page.as_bytes()).await;
        let _ = stream.shutdown().await;
        if let Some(code) = code {
            return Ok(code);
        }
    }
}

/// The first line of a request.
async fn head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut piece = [0; 1024];
    while bytes.len() < HEAD && !bytes.windows(2).any(|pair| pair == b"\r\n") {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => break,
            Ok(read) => bytes.extend_from_slice(&piece[..read]),
        }
    }
    String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned()
}

/// The code in a request's first line, if it comes with our state.
fn code(line: &str, state: &str) -> Option<String> {
    let target = line.strip_prefix("GET ")?.split(' ').next()?;
    let query = target.strip_prefix("/?")?;
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let plain = |text: &&str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let code = value("code").filter(plain).filter(|code| (1..=200).contains(&code.len()))?;
    (value("state")? == state).then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_with_our_own_state_is_taken() {
        assert_eq!(code("GET /?code=cfc_1-a&state=s HTTP/1.1", "s").as_deref(), Some("cfc_1-a"));
        for line in [
            "GET /?code=cfc_1&state=t HTTP/1.1",
            "GET /?code=cfc_1 HTTP/1.1",
            "GET /?code=&state=s HTTP/1.1",
            "GET /?code=<b>&state=s HTTP/1.1",
            "POST /?code=cfc_1&state=s HTTP/1.1",
            "GET /favicon.ico HTTP/1.1",
            "",
        ] {
            assert_eq!(code(line, "s"), None, "{line}");
        }
    }
}
