//! Tokens over a real data directory: who may make and turn them back, what is recorded of it, and what erasure ends.

use domain::keys::tokens::{TokenKind, TokenMethod, TokenScope, TokenScopeDeclared, TokenScopeRetired};
use domain::people::{AccessCore, Purpose};

use super::*;
use crate::{Answered, Attempt, Subjects, Untokenized};

const OK: Answered = Answered { status: 200, code: None, denied: false };

fn duty(role: &str) -> Principal {
    Principal { actor: format!("a_{role}"), roles: vec![(role.into(), "org".into())], ..Principal::default() }
}

/// Somebody who comes through a door, perhaps with a purpose.
fn through(who: &Principal, purpose: Option<Purpose>) -> (Principal, Attempt) {
    let attempt = Attempt::at("api", "POST /api/v1/tokens/{scope}/detokenize".into());
    attempt.by(who);
    purpose.into_iter().for_each(|purpose| attempt.purpose(purpose));
    (Principal { attempt: Some(attempt.clone()), ..who.clone() }, attempt)
}

async fn scope(engine: &Arc<Engine>, name: &str, method: TokenMethod, kind: TokenKind, per_subject: bool) {
    let purposes = vec![Purpose::Support];
    let spec = TokenScope { method, kind, class: "personal".into(), purposes, per_subject };
    let command = Command::DeclareTokenScope(TokenScopeDeclared { scope: name.into(), spec });
    engine.execute(&duty("privacy_officer"), command).await.expect("declared");
}

fn plain(values: &[&str]) -> Untokenized {
    Untokenized { values: values.iter().map(|value| (*value).to_owned()).collect(), ..Untokenized::default() }
}

fn of(values: &[&str], subject: &str) -> Untokenized {
    let ids = vec![subject.to_owned(); values.len()];
    Untokenized { subjects: Some(Subjects { service: "support".into(), ids }), ..plain(values) }
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, ExecuteError>) -> (RefusalCode, String) {
    match result {
        Err(ExecuteError::Refused(refusal)) => (refusal.code, refusal.message),
        other => panic!("{other:?}"),
    }
}

fn recorded(engine: &Engine) -> Vec<AccessCore> {
    engine.accesses().settle().expect("written");
    engine.accesses().tail()
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_scope_when_tokens_are_made_and_turned_back_then_only_by_duty_and_purpose_and_each_is_on_record() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    scope(&engine, "crm", TokenMethod::Vaulted, TokenKind::Text, false).await;
    let before = engine.log().size();
    let (steward, made) = through(&duty("data_steward"), None);
    let tokens = engine.tokenize(&steward, "crm", plain(&["Anna", "Ben", "Anna"])).await.expect("tokens");
    engine.record_access(&made, OK).await.expect("recorded");
    assert_eq!(tokens[0], tokens[2]);

    let officer = duty("privacy_officer");
    let denied = Answered { status: 403, code: Some("forbidden"), denied: true };
    for (who, purpose, word) in [
        (&duty("data_steward"), Some(Purpose::Support), "may not do `token.reveal`"),
        (&officer, None, "say for which purpose"),
        (&officer, Some(Purpose::Audit), "not turned back for the purpose"),
    ] {
        let (who, attempt) = through(who, purpose);
        let answer = engine.detokenize(&who, "crm", tokens.clone(), String::new()).await;
        let (code, message) = refused(answer);
        assert!(code == RefusalCode::Forbidden && message.contains(word), "{word}: {message}");
        engine.record_access(&attempt, denied).await.expect("recorded");
    }
    let (who, attempt) = through(&officer, Some(Purpose::Support));
    let values = engine.detokenize(&who, "crm", tokens, String::new()).await.expect("values");
    engine.record_access(&attempt, OK).await.expect("recorded");
    assert_eq!(values.into_iter().flatten().collect::<Vec<_>>(), ["Anna", "Ben", "Anna"]);

    assert_eq!(engine.log().size(), before, "no event tells of it");
    let found: Vec<_> = recorded(&engine)
        .into_iter()
        .map(|access| {
            let of = (access.object_kind, access.object_id.unwrap_or_default(), access.occurrences);
            assert_eq!((of.0.as_str(), of.1.as_str(), of.2), ("tokens", "crm", 3));
            (access.action, access.decision, access.purpose.unwrap_or_default(), access.policies.is_some())
        })
        .collect();
    let row = |action: &str, decision: &str, purpose: &str, policies| {
        (action.to_owned(), decision.to_owned(), purpose.to_owned(), policies)
    };
    let expected = [
        row("token.make", "allow", "", true),
        row("token.reveal", "deny", "support", false),
        row("token.reveal", "deny", "", true),
        row("token.reveal", "deny", "audit", true),
        row("token.reveal", "allow", "support", true),
    ];
    assert_eq!(found, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_scope_per_subject_when_the_subject_is_erased_then_its_tokens_stand_for_nothing_and_others_stay() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    scope(&engine, "crm", TokenMethod::Vaulted, TokenKind::Phone, true).await;
    let officer = duty("privacy_officer");
    let phones = ["0412 345 678", "+61 2 9999 0000"];
    let (code, message) = refused(engine.tokenize(&officer, "crm", of(&phones, "u-anna")).await);
    assert!(code == RefusalCode::NotFound && message.contains("no service `support`"), "{message}");
    let mut reserved = of(&phones, "u-anna");
    reserved.subjects = Some(Subjects { service: "identity".into(), ids: vec!["u-anna".into(); 2] });
    let (code, _) = refused(engine.tokenize(&officer, "crm", reserved).await);
    assert_eq!(code, RefusalCode::Invalid);
    engine.execute(&duty("deployer"), scopes::declare("support", "help", "prod")).await.expect("declared");
    let anna = engine.tokenize(&officer, "crm", of(&phones, "u-anna")).await.expect("tokens");
    let ben = engine.tokenize(&officer, "crm", of(&phones, "u-ben")).await.expect("tokens");
    assert!(anna.iter().all(|token| !ben.contains(token)), "the same value of another is another token");
    let subject = engine.vault().subject("support", "u-anna", 1).expect("known");
    assert_eq!(engine.tokens_of(&subject).expect("tokens").len(), 2);

    engine.vault().destroy_subject(&subject, 1).expect("destroyed");

    assert_eq!(engine.tokens_of(&subject).expect("none"), []);
    let (who, _) = through(&officer, Some(Purpose::Support));
    let values = engine.detokenize(&who, "crm", [anna, ben].concat(), String::new()).await.expect("values");
    assert_eq!(values, [None, None, Some(phones[0].to_owned()), Some(phones[1].to_owned())]);
    let counts = engine.token_counts().await.expect("counted");
    assert_eq!((counts[0].2.live, counts[0].2.erased), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_what_makes_no_sense_when_tokenised_then_it_is_refused_in_words_without_values() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    scope(&engine, "cards", TokenMethod::Ff1, TokenKind::Card, false).await;
    scope(&engine, "crm", TokenMethod::Vaulted, TokenKind::Text, true).await;
    let officer = duty("privacy_officer");
    let many = Untokenized { values: vec!["4111111111111111".to_owned(); 1_001], ..Untokenized::default() };
    for (scope, wanted, code, word) in [
        ("nothing", plain(&["x"]), RefusalCode::NotFound, "no such scope"),
        ("cards", plain(&[]), RefusalCode::Invalid, "give 1 to 1000"),
        ("cards", many, RefusalCode::Invalid, "give 1 to 1000"),
        ("cards", plain(&["4111111111111111", "4111111111111112"]), RefusalCode::Invalid, "value 2 has a check digit"),
        ("cards", of(&["4111111111111111"], "u-1"), RefusalCode::Invalid, "does not tell subjects apart"),
        ("crm", plain(&["Anna"]), RefusalCode::Invalid, "name the subject"),
    ] {
        let (found, message) = refused(engine.tokenize(&officer, scope, wanted).await);
        assert!(found == code && message.contains(word), "{word}: {message}");
        assert!(!message.contains("4111"), "{message}");
    }
    let card = "4111 1111 1111 1111";
    let token = engine.tokenize(&officer, "cards", plain(&[card])).await.expect("a token");
    let (who, _) = through(&officer, Some(Purpose::Support));
    let back = engine.detokenize(&who, "cards", token.clone(), String::new()).await.expect("back");
    assert_eq!(back, [Some(card.to_owned())]);
    let strange = vec![token[0].clone(), "tok_personal_00000000000000000000000000".to_owned()];
    let (code, message) = refused(engine.detokenize(&who, "crm", strange, String::new()).await);
    assert!(code == RefusalCode::NotFound && message.contains("token 1 is none of this scope"), "{message}");
    let retire = Command::RetireTokenScope(TokenScopeRetired { scope: "cards".into() });
    engine.execute(&officer, retire).await.expect("retired");
    let (code, _) = refused(engine.tokenize(&officer, "cards", plain(&[card])).await);
    assert_eq!(code, RefusalCode::Conflict);
    assert!(engine.detokenize(&who, "cards", token, String::new()).await.is_ok(), "what there is can be turned back");
}
