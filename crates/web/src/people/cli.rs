//! The pages at which a person lets a command line in.

use std::sync::Arc;
use std::time::Instant;

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::response::Response;
use domain::people::Door;
use engine::random_secret;
use serde::Deserialize;

use super::gate::{Whom, too_many};
use super::login::plain;
use super::onward::OnwardPage;
use crate::App;
use crate::auth::Visitor;
use crate::failure::{Failure, PageError};
use crate::ui::{Link, Page, page};

/// The page that asks whether a command line may come in.
#[derive(Template)]
#[template(path = "people/cli.html")]
pub(crate) struct CliPage {
    actor: String,
    hours: u64,
    step: Step,
}

/// How far it is.
enum Step {
    /// A command line on this machine asks.
    Here { port: u16, challenge: String, state: String },
    /// A code is to be typed.
    Code { code: String },
    /// A device with this code asks.
    Device { code: String },
    /// Somebody said yes.
    Allowed,
    /// Somebody said no.
    Denied,
}

impl CliPage {
    fn new(app: &App, actor: &str, step: Step) -> Self {
        Self { actor: actor.to_owned(), hours: app.settings.login_time.as_secs() / 3600, step }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 5] {
        let code = || "WDJBMJHT".to_owned();
        [
            Step::Here { port: 50_123, challenge: "c".repeat(43), state: "s".into() },
            Step::Code { code: String::new() },
            Step::Device { code: code() },
            Step::Allowed,
            Step::Denied,
        ]
        .map(|step| Self { actor: "a_7f3k2m9q".into(), hours: 8, step })
    }
}

/// What a command line on the same machine asks for.
#[derive(Deserialize)]
pub(crate) struct Asked {
    /// Where it listens on this machine.
    port: u16,
    /// What its verifier is checked against (RFC 7636, `S256`).
    challenge: String,
    /// What it wants back, to know its own answer.
    state: String,
}

impl Asked {
    fn checked(self) -> Result<Self, Failure> {
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        let good = self.port >= 1024
            && self.challenge.len() == 43
            && plain(&self.challenge)
            && (1..=128).contains(&self.state.len())
            && plain(&self.state);
        let message = "this is not what `counterfoil login` asks for: run it again";
        if good { Ok(self) } else { Err(Failure::invalid(message)) }
    }
}

/// `GET /login/cli`
pub(crate) async fn ask(State(app): State<Arc<App>>, Visitor(who): Visitor, Query(asked): Query<Asked>) -> Page {
    let Asked { port, challenge, state } = asked.checked()?;
    // Now, and not after the click: a form does not survive the detour.
    app.engine.must_be_fresh(&who)?;
    page(&CliPage::new(&app, &who.actor, Step::Here { port, challenge, state }))
}

/// `POST /login/cli`: the answer goes to this machine itself and nowhere else.
pub(crate) async fn allow(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Form(asked): Form<Asked>,
) -> Result<Response, PageError> {
    let Asked { port, challenge, state } = asked.checked()?;
    app.engine.must_be_fresh(&who)?;
    let code = random_secret("cfc_")?;
    if !app.logins.allow(&code, &challenge, who, Instant::now()) {
        return Err(crowded().into());
    }
    let address = format!("http://127.0.0.1:{port}/?code={code}&state={state}");
    page(&OnwardPage { title: "The command line is let in", to: &address, place: "Continue" })
}

/// Too many wait.
pub(crate) fn crowded() -> Failure {
    let message = "too many command lines wait to be let in";
    let mut failure = Failure::new(http::StatusCode::SERVICE_UNAVAILABLE, "unavailable", message);
    failure.retry_after = Some(60);
    failure
}

/// A code that came with the address, or was typed.
#[derive(Deserialize)]
pub(crate) struct Typed {
    #[serde(default)]
    code: String,
    /// `allow` or `deny`; nothing while the code is typed.
    #[serde(default)]
    answer: String,
}

/// `GET /device`
pub(crate) async fn device(State(app): State<Arc<App>>, Visitor(who): Visitor, Query(typed): Query<Typed>) -> Page {
    app.engine.must_be_fresh(&who)?;
    page(&CliPage::new(&app, &who.actor, Step::Code { code: plain(&typed.code) }))
}

/// `POST /device`: shows what a code stands for, then takes the answer.
pub(crate) async fn say(State(app): State<Arc<App>>, Visitor(who): Visitor, Form(typed): Form<Typed>) -> Page {
    app.engine.must_be_fresh(&who)?;
    let (now, whom) = (Instant::now(), Whom::claims(&format!("device codes of {}", who.actor)));
    let wait = app.gate.wait(&whom, now);
    if !wait.is_zero() {
        app.engine.turned_away(Door::Login, "too_many");
        return Err(too_many(wait).into());
    }
    let known = match typed.answer.as_str() {
        "" => app.logins.waits(&typed.code, now),
        "allow" => app.logins.say(&typed.code, Some(who.clone()), now),
        _ => app.logins.say(&typed.code, None, now),
    };
    if !known {
        app.gate.failed(whom, now);
        app.engine.turned_away(Door::Login, "unknown");
        let message =
            "no command line waits with this code: it may have been mistyped, used, or older than ten minutes";
        return Err(Failure::new(http::StatusCode::NOT_FOUND, "not_found", message)
            .help("type it again, or run the command again")
            .into());
    }
    let step = match typed.answer.as_str() {
        "" => Step::Device { code: plain(&typed.code) },
        "allow" => Step::Allowed,
        _ => Step::Denied,
    };
    page(&CliPage::new(&app, &who.actor, step))
}

/// Where a person types a code.
pub(crate) fn device_address(app: &App, code: Option<&str>) -> String {
    let path = code.map_or(Link::to("/device"), |code| Link::to("/device").with("code", code));
    format!("{}{path}", app.settings.public_url)
}
