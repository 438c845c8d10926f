//! Scopes of tokens: how their tokens are made, what erasure does to them, how many there are, and turning one back.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::State;
use domain::keys::tokens::{KnownScope, TokenMethod};
use domain::people::Purpose;
use engine::Principal;
use serde::Deserialize;

use crate::app::App;
use crate::auth::Visitor;
use crate::failure::PageError;
use crate::record::named_purpose;
use crate::ui::{Cell, Column, Empty, Mark, Page, Query, Section, Shell, Table, Tone, page};

const ALL: &str = "SELECT scope_id, method, kind, classification, per_subject, purposes, declared_by, declared_at, retired_at\n\
                   FROM token_scopes\nORDER BY scope_id";

/// What erasing a subject does to a scope's tokens.
fn erasure(known: &KnownScope) -> &'static str {
    match (known.spec.method, known.spec.per_subject) {
        (TokenMethod::Vaulted, true) => "ends the subject's tokens",
        (TokenMethod::Vaulted, false) => "none: its values are nobody's in particular",
        (TokenMethod::Ff1, _) => "none: whoever has the scope's key can turn every token back",
    }
}

/// The page.
#[derive(Template)]
#[template(path = "keys/tokens.html")]
pub(crate) struct TokensPage {
    shell: Shell,
    table: Table,
    /// Scopes whose tokens can be turned back.
    scopes: Vec<String>,
    purposes: Vec<&'static str>,
    revealed: Option<Revealed>,
}

/// A token that was turned back.
pub(crate) struct Revealed {
    scope: String,
    purpose: &'static str,
    /// Nothing when its subject was erased.
    value: Option<String>,
}

/// A scope and how many tokens of it are live and erased.
type Counted = (String, KnownScope, u64, u64);

impl TokensPage {
    fn new(shell: Shell, counted: &[Counted], revealed: Option<Revealed>, size: u64) -> Self {
        let columns = [
            Column::text("scope"),
            Column::text("method"),
            Column::text("values"),
            Column::text("class"),
            Column::text("erasing a subject"),
            Column::text("turned back for"),
            Column::number("tokens"),
            Column::number("erased"),
            Column::text("state"),
        ];
        let empty = Empty::new("No scope of tokens is declared", "Declare one:")
            .command("counterfoil tokens scope declare crm --class personal --per-subject --reveal-for support");
        let mut table = Table::new("Scopes of tokens", columns.into(), empty);
        table.rows = counted.iter().map(row).collect();
        table.query = Some(Query { sql: ALL.to_owned(), size });
        let open = counted.iter().filter(|(_, known, ..)| !known.spec.purposes.is_empty());
        Self {
            shell,
            scopes: open.map(|(scope, ..)| scope.clone()).collect(),
            table,
            purposes: Purpose::ALL.iter().map(|(purpose, _)| purpose.as_str()).collect(),
            revealed,
        }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        use domain::keys::tokens::{TokenKind, TokenScope};
        let known = |method, kind, per_subject, retired| KnownScope {
            spec: TokenScope {
                method,
                kind,
                class: "personal".into(),
                purposes: vec![Purpose::SubjectRequest, Purpose::Support],
                per_subject,
            },
            retired,
        };
        let counted = [
            ("cards".to_owned(), known(TokenMethod::Ff1, TokenKind::Card, false, false), 0, 0),
            ("crm".to_owned(), known(TokenMethod::Vaulted, TokenKind::Text, true, false), 18_204, 31),
            ("old".to_owned(), known(TokenMethod::Vaulted, TokenKind::Phone, false, true), 7, 0),
        ];
        let revealed = Revealed { scope: "crm".into(), purpose: "support", value: Some("anna@example.org <b>".into()) };
        let shell = || Shell::sample(Section::Tokens);
        [Self::new(shell(), &counted, Some(revealed), 18_204), Self::new(shell(), &[], None, 0)]
    }
}

fn row((scope, known, live, erased): &Counted) -> Vec<Cell> {
    let spec = &known.spec;
    let purposes: Vec<&str> = spec.purposes.iter().map(|purpose| purpose.as_str()).collect();
    let counts = match spec.method {
        TokenMethod::Vaulted => [Cell::count(*live), Cell::count(*erased)],
        // Nothing is stored of them that could be counted.
        TokenMethod::Ff1 => [Cell::None, Cell::None],
    };
    let [live, erased] = counts;
    vec![
        Cell::Code(scope.clone()),
        Cell::Text(spec.method.as_str().into()),
        Cell::Text(spec.kind.as_str().into()),
        Cell::Text(spec.class.clone()),
        Cell::Wide(erasure(known).into()),
        Cell::Wide(if purposes.is_empty() { "nothing".into() } else { purposes.join(", ") }),
        live,
        erased,
        Cell::Mark(if known.retired { Mark::new("retired", Tone::Open) } else { Mark::new("in use", Tone::Good) }),
    ]
}

/// `GET /tokens`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Page {
    app.may_read(&who, "tokens")?;
    shown(&app, &who, None).await
}

async fn shown(app: &App, who: &Principal, revealed: Option<Revealed>) -> Page {
    let shell = Shell::new(app, who, Section::Tokens).await?;
    let counted: Vec<Counted> = app
        .engine
        .token_counts()
        .await?
        .into_iter()
        .map(|(scope, known, count)| (scope, known, count.live, count.erased))
        .collect();
    let size = shell.size;
    page(&TokensPage::new(shell, &counted, revealed, size))
}

/// A token that a form sends.
#[derive(Deserialize)]
pub(crate) struct Reveal {
    scope: String,
    token: String,
    purpose: String,
}

/// `POST /tokens/reveal`: the page with the value on it. It is in no address, and no cache keeps the answer to a form.
pub(crate) async fn reveal(State(app): State<Arc<App>>, Visitor(who): Visitor, Form(form): Form<Reveal>) -> Page {
    let purpose = named_purpose(&form.purpose).map_err(PageError)?;
    who.attempt.iter().for_each(|attempt| attempt.purpose(purpose));
    let tokens = vec![form.token.trim().to_owned()];
    let values = app.engine.detokenize(&who, &form.scope, tokens, String::new()).await?;
    let value = values.into_iter().next().flatten();
    shown(&app, &who, Some(Revealed { scope: form.scope, purpose: purpose.as_str(), value })).await
}
