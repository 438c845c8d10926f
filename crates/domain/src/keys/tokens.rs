//! Scopes of tokens: where the same value has the same token, who may turn one back, and why. Tokenising and revealing are
//! accesses, which leave records; only what a scope is, is an event.

use serde::{Deserialize, Serialize};

use crate::decide::{name_is_valid, refuse};
use crate::people::Purpose;
use crate::{Event, Refusal, RefusalCode, State};

/// Scopes by which the vault knows what is its own; others begin with `tokens/`. An identifier that somebody gives in one
/// of them would be taken for that.
pub const RESERVED_SCOPES: [&str; 5] = ["identity", "lineage", "people", "request", "token-scopes"];

/// Whether people may be known by identifiers in a scope of the vault.
///
/// # Errors
/// [`RefusalCode::Invalid`], naming the scope.
pub fn scope_is_free(scope: &str) -> Result<(), Refusal> {
    if RESERVED_SCOPES.contains(&scope) || scope.starts_with("tokens/") {
        let message =
            format!("scope `{scope}` is used by the vault itself: name the kind of identifier, such as `email`");
        return Err(refuse(RefusalCode::Invalid, message));
    }
    Ok(())
}

/// How a token is made of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenMethod {
    /// A random token; the value is sealed in the vault.
    Vaulted,
    /// Another number of the same form, by FF1; nothing is stored.
    Ff1,
}

impl TokenMethod {
    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Vaulted => "vaulted",
            Self::Ff1 => "ff1",
        }
    }
}

/// What the values of a scope are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// Any text.
    Text,
    /// Numbers of payment cards.
    Card,
    /// Telephone numbers.
    Phone,
    /// Australian tax file numbers.
    Tfn,
    /// Australian Medicare numbers.
    Medicare,
}

impl TokenKind {
    /// The word used in the ledger and in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Card => "card",
            Self::Phone => "phone",
            Self::Tfn => "tfn",
            Self::Medicare => "medicare",
        }
    }
}

/// What a scope of tokens is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenScope {
    /// How its tokens are made.
    pub method: TokenMethod,
    /// What its values are.
    pub kind: TokenKind,
    /// The class of its values: whose key they are sealed under.
    pub class: String,
    /// For which purposes its tokens may be turned back, sorted by their names; none means never.
    pub purposes: Vec<Purpose>,
    /// Whether each value is a person's, who is named with it and whose erasure ends its token.
    pub per_subject: bool,
}

/// A scope was declared, or its purposes changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenScopeDeclared {
    /// Its name.
    pub scope: String,
    /// What it is.
    pub spec: TokenScope,
}

/// A scope gets no more tokens; those that there are can be turned back as before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenScopeRetired {
    /// Which scope.
    pub scope: String,
}

/// A scope as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownScope {
    /// What it is.
    pub spec: TokenScope,
    /// Whether it gets no more tokens.
    pub retired: bool,
}

impl State {
    /// A scope of tokens by name, retired or not.
    ///
    /// # Errors
    /// [`RefusalCode::NotFound`].
    pub fn token_scope(&self, scope: &str) -> Result<&KnownScope, Refusal> {
        self.token_scopes.get(scope).ok_or_else(|| {
            let message =
                "there is no such scope of tokens: `counterfoil tokens scope list` names those that there are";
            refuse(RefusalCode::NotFound, message)
        })
    }
}

pub(crate) fn declare(state: &State, body: &TokenScopeDeclared) -> Result<Vec<Event>, Refusal> {
    name_is_valid("scope of tokens", &body.scope)?;
    name_is_valid("class", &body.spec.class)?;
    let (scope, spec) = (&body.scope, &body.spec);
    let invalid = |why: &str| Err(refuse(RefusalCode::Invalid, format!("scope `{scope}`: {why}")));
    if !spec.purposes.is_sorted_by(|one, other| one.as_str() < other.as_str()) {
        return invalid("name its purposes sorted, each once");
    }
    if spec.method == TokenMethod::Ff1 && spec.kind == TokenKind::Text {
        return invalid("text has no form that could be preserved: use the method `vaulted`, or name a kind of number");
    }
    if spec.method == TokenMethod::Ff1 && spec.per_subject {
        return invalid(
            "tokens by `ff1` end with the key of their scope, for everybody at once, so they cannot be each subject's own: \
             use the method `vaulted`",
        );
    }
    let Some(known) = state.token_scopes.get(scope) else {
        return Ok(vec![Event::TokenScopeDeclared(body.clone())]);
    };
    let what = |spec: &TokenScope| (spec.method, spec.kind, spec.class.clone(), spec.per_subject);
    if what(&known.spec) != what(spec) {
        let message = format!(
            "scope `{scope}` is otherwise already, and tokens were made by that: only its purposes can change; give another \
             scope another name"
        );
        return Err(refuse(RefusalCode::Exists, message));
    }
    let same = known.spec == *spec && !known.retired;
    Ok(if same { vec![] } else { vec![Event::TokenScopeDeclared(body.clone())] })
}

pub(crate) fn retire(state: &State, body: &TokenScopeRetired) -> Result<Vec<Event>, Refusal> {
    let retired = state.token_scope(&body.scope)?.retired;
    Ok(if retired { vec![] } else { vec![Event::TokenScopeRetired(body.clone())] })
}

/// Who could be shown a value for a purpose that was not declared would make the declaration worth nothing.
///
/// # Errors
/// [`RefusalCode::Forbidden`], naming the rule `token-purpose`.
pub fn may_reveal(scope: &str, spec: &TokenScope, purpose: Option<Purpose>) -> Result<(), Refusal> {
    let declared: Vec<&str> = spec.purposes.iter().map(|purpose| purpose.as_str()).collect();
    let message = match purpose {
        Some(purpose) if spec.purposes.contains(&purpose) => return Ok(()),
        _ if declared.is_empty() => format!("tokens of scope `{scope}` are turned back for no purpose"),
        Some(purpose) => format!(
            "tokens of scope `{scope}` are not turned back for the purpose `{}`, but for {}",
            purpose.as_str(),
            declared.join(", ")
        ),
        None => format!("say for which purpose tokens of scope `{scope}` are turned back: {}", declared.join(", ")),
    };
    Err(Refusal { code: RefusalCode::Forbidden, message, policies: vec!["token-purpose".to_owned()] })
}
