//! Scopes of tokens: what can be declared, what can change, and for which purposes tokens are turned back.

use super::keys::Company;
use crate::keys::tokens::{TokenKind, TokenMethod, TokenScope, TokenScopeDeclared, TokenScopeRetired, may_reveal};
use crate::people::Purpose;
use crate::{Command, Event, RefusalCode};

/// The golden events of scopes.
pub(super) fn golden() -> Vec<Event> {
    let numbers = TokenScope {
        method: TokenMethod::Ff1,
        kind: TokenKind::Card,
        class: String::from("sensitive"),
        purposes: vec![],
        per_subject: false,
    };
    let names = TokenScope {
        method: TokenMethod::Vaulted,
        kind: TokenKind::Text,
        class: String::from("personal"),
        purposes: vec![Purpose::SubjectRequest, Purpose::Support],
        per_subject: true,
    };
    vec![
        Event::TokenScopeDeclared(TokenScopeDeclared { scope: String::from("crm"), spec: names }),
        Event::TokenScopeDeclared(TokenScopeDeclared { scope: String::from("cards"), spec: numbers }),
        Event::TokenScopeRetired(TokenScopeRetired { scope: String::from("cards") }),
    ]
}

fn spec(method: TokenMethod, kind: TokenKind) -> TokenScope {
    TokenScope { method, kind, class: "personal".into(), purposes: vec![Purpose::Support], per_subject: false }
}

fn declare(spec: TokenScope) -> Command {
    Command::DeclareTokenScope(TokenScopeDeclared { scope: "crm".into(), spec })
}

fn retire() -> Command {
    Command::RetireTokenScope(TokenScopeRetired { scope: "crm".into() })
}

#[test]
fn given_scopes_that_promise_what_cannot_be_when_declared_then_they_are_refused() {
    let mut company = Company::new();
    let vaulted = || spec(TokenMethod::Vaulted, TokenKind::Text);
    for (wrong, word) in [
        (spec(TokenMethod::Ff1, TokenKind::Text), "no form"),
        (TokenScope { per_subject: true, ..spec(TokenMethod::Ff1, TokenKind::Card) }, "cannot be each subject's own"),
        (TokenScope { purposes: vec![Purpose::Support, Purpose::Audit], ..vaulted() }, "sorted"),
        (TokenScope { purposes: vec![Purpose::Support, Purpose::Support], ..vaulted() }, "sorted"),
        (TokenScope { class: "Personal".into(), ..vaulted() }, "not a name for a class"),
    ] {
        let refusal = company.refused("a_admin", declare(wrong));
        assert!(refusal.message.contains(word), "{word}: {}", refusal.message);
    }
}

#[test]
fn given_a_scope_when_declared_again_then_only_its_purposes_change_and_a_retired_one_comes_back() {
    let mut company = Company::new();
    let first = spec(TokenMethod::Vaulted, TokenKind::Card);
    assert_eq!(company.refused("a_admin", retire()).code, RefusalCode::NotFound);
    assert_eq!(company.done("a_admin", declare(first.clone())), ["token.scope.declared"]);
    assert!(company.done("a_admin", declare(first.clone())).is_empty());
    let wider = TokenScope { purposes: vec![Purpose::Incident, Purpose::Support], ..first.clone() };
    assert_eq!(company.done("a_admin", declare(wider.clone())), ["token.scope.declared"]);
    for other in [
        spec(TokenMethod::Ff1, TokenKind::Card),
        spec(TokenMethod::Vaulted, TokenKind::Text),
        TokenScope { per_subject: true, ..first.clone() },
        TokenScope { class: "sensitive".into(), ..first },
    ] {
        assert_eq!(company.refused("a_admin", declare(other)).code, RefusalCode::Exists);
    }
    assert_eq!(company.done("a_admin", retire()), ["token.scope.retired"]);
    assert!(company.done("a_admin", retire()).is_empty());
    assert_eq!(company.done("a_admin", declare(wider)), ["token.scope.declared"]);
}

#[test]
fn given_purposes_when_a_token_is_to_be_turned_back_then_one_of_them_must_be_named() {
    let scope = spec(TokenMethod::Vaulted, TokenKind::Text);
    assert!(may_reveal("crm", &scope, Some(Purpose::Support)).is_ok());
    for (purpose, word) in
        [(None, "say for which purpose"), (Some(Purpose::Audit), "not turned back for the purpose `audit`")]
    {
        let refusal = may_reveal("crm", &scope, purpose).expect_err("refused");
        assert_eq!(
            (refusal.code, refusal.policies.as_slice()),
            (RefusalCode::Forbidden, &["token-purpose".to_owned()][..])
        );
        assert!(refusal.message.contains(word), "{}", refusal.message);
    }
    let never = TokenScope { purposes: vec![], ..scope };
    assert!(may_reveal("crm", &never, Some(Purpose::Support)).is_err());
}
