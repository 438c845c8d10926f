//! Proofs that programs show: which are believed, what they open, and that a token is taken once.

use serde_json::json;

use super::keys::{Company, DAY, new_key, scope};
use crate::people::{
    AccountOwned, ActorLeft, ExchangeKey, KeyExchanged, KeyScope, OwnerReason, TokenRule, WorkloadDeclared,
    WorkloadProof, WorkloadRetired, WorkloadRule,
};
use crate::{Command, RefusalCode};

fn token(issuer: &str, claims: &[(&str, &str)]) -> WorkloadProof {
    let claims = claims.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    WorkloadProof::Token(TokenRule { issuer: issuer.into(), audience: "counterfoil".into(), claims })
}

fn deploy() -> WorkloadProof {
    token("https://token.example", &[("repository", "example/lending")])
}

fn bot() -> KeyScope {
    KeyScope::Actor("a_bot".into())
}

fn declare(proof: WorkloadProof, opens: KeyScope, ttl_seconds: u32) -> Command {
    let rule = WorkloadRule { proof, opens, ttl_seconds };
    Command::DeclareWorkload(WorkloadDeclared { workload: "deploy".into(), rule })
}

fn exchange(key: &str, opens: KeyScope, expires_at: i64, proof: &str, spent_until: Option<i64>) -> Command {
    let created = new_key(key, opens, expires_at);
    let (key, workload, proof_sha256) = (key.into(), "deploy".into(), proof.into());
    Command::ExchangeKey(ExchangeKey { created, exchanged: KeyExchanged { key, workload, proof_sha256, spent_until } })
}

#[test]
fn given_a_rule_when_declared_then_it_must_demand_something_and_open_for_a_program_that_somebody_answers_for() {
    let mut company = Company::new();
    let account = scope(&["credit"], &["prod"], &["credit-scoring"], Some("a_bot"));
    for (proof, opens, ttl, word) in [
        (token("https://token.example", &[]), bot(), 900, "1 to 16 claims"),
        (token("http://token.example", &[("a", "b")]), bot(), 900, "no issuer"),
        (token("https://a@token.example", &[("a", "b")]), bot(), 900, "no issuer"),
        (token("https://token.example", &[("a", "")]), bot(), 900, "claim `a`"),
        (WorkloadProof::Certificate(vec![]), bot(), 900, "1 to 16 names"),
        (WorkloadProof::Certificate(vec!["cn:a".into()]), bot(), 900, "`uri:…` or `dns:…`"),
        (deploy(), bot(), 59, "60 to 3600 seconds"),
        (deploy(), bot(), 3601, "60 to 3600 seconds"),
        (deploy(), KeyScope::Actor("a_1".into()), 900, "is a person"),
        (deploy(), KeyScope::Service("credit".into()), 900, "environments"),
        (deploy(), scope(&["credit"], &["prod"], &["credit-scoring"], None), 900, "service account"),
    ] {
        let refusal = company.refused("a_admin", declare(proof, opens, ttl));
        assert!(refusal.message.contains(word), "{word}: {}", refusal.message);
    }
    assert_eq!(company.done("a_admin", declare(deploy(), account.clone(), 900)), ["workload.declared"]);
    assert!(company.done("a_admin", declare(deploy(), account, 900)).is_empty());
}

#[test]
fn given_a_rule_when_a_proof_is_exchanged_then_the_key_is_what_the_rule_opens_and_a_token_is_taken_once() {
    let mut company = Company::new();
    company.done("a_admin", declare(deploy(), bot(), 900));
    let (soon, until) = (1_000 + 900_000, Some(1_000 + 300_000));
    let good = |key: &str, proof: &str| exchange(key, bot(), soon, proof, until);
    assert_eq!(company.refused("a_admin", good("k_1", "p1")).code, RefusalCode::Forbidden, "not by anybody");
    for wrong in [
        exchange("k_1", KeyScope::Actor("a_admin".into()), soon, "p1", until),
        exchange("k_1", bot(), soon + 1, "p1", until),
    ] {
        assert_eq!(company.refused("a_system", wrong).code, RefusalCode::Invalid);
    }
    for late in [None, Some(1_000)] {
        let refusal = company.refused("a_system", exchange("k_1", bot(), soon, "p1", late));
        assert_eq!(refusal.code, RefusalCode::Expired);
    }
    assert_eq!(company.done("a_system", good("k_1", "p1")), ["key.created", "key.exchanged"]);
    assert_eq!(company.refused("a_system", good("k_2", "p1")).policies, ["token-once"]);
    company.done("a_system", good("k_2", "p2"));
    assert_eq!(company.state.spent_tokens.len(), 2);
    company.given.now = 400_000;
    company.done("a_system", exchange("k_3", bot(), 500_000, "p3", Some(500_000)));
    assert_eq!(company.state.spent_tokens.len(), 1, "what would not be good any more need not be remembered");
}

#[test]
fn given_a_rule_that_changes_or_is_retired_then_the_keys_that_came_of_it_end() {
    let mut company = Company::new();
    company.done("a_admin", declare(deploy(), bot(), 900));
    let until = Some(1_000 + 300_000);
    company.done("a_system", exchange("k_1", bot(), 800_000, "p1", until));
    let stricter = token("https://token.example", &[("repository", "example/lending"), ("ref", "refs/heads/main")]);
    assert_eq!(company.done("a_admin", declare(stricter, bot(), 900)), ["workload.declared", "key.revoked"]);
    company.done("a_system", exchange("k_2", bot(), 800_000, "p2", until));
    let retire = || Command::RetireWorkload(WorkloadRetired { workload: "deploy".into() });
    assert_eq!(company.done("a_admin", retire()), ["workload.retired", "key.revoked"]);
    assert_eq!(company.refused("a_admin", retire()).code, RefusalCode::NotFound);
    assert_eq!(company.refused("a_system", exchange("k_3", bot(), 800_000, "p3", until)).code, RefusalCode::NotFound);
}

#[test]
fn given_a_certificate_when_shown_again_then_it_is_good_again_until_its_program_leaves() {
    let mut company = Company::new();
    let names = vec!["uri:spiffe://example/batch".to_owned()];
    company.done("a_admin", declare(WorkloadProof::Certificate(names.clone()), bot(), 900));
    for key in ["k_1", "k_2"] {
        company.done("a_system", exchange(key, bot(), 800_000, "c1", None));
    }
    assert_eq!(
        company.refused("a_system", exchange("k_3", bot(), 800_000, "c1", Some(DAY))).code,
        RefusalCode::Invalid
    );
    assert_eq!(company.state.certificate_rule(&names).map(|(name, _)| name), Some("deploy"));
    assert!(company.state.certificate_rule(&["dns:spiffe://example/batch".into()]).is_none());
    let owned = AccountOwned { actor: "a_bot".into(), owner: "a_1".into(), reason: OwnerReason::Named };
    assert_eq!(company.done("a_admin", Command::OwnAccount(owned)), ["account.owned"], "nobody was shown those keys");
    company.done("a_admin", Command::Leave(ActorLeft { actor: "a_bot".into() }));
    let late = company.refused("a_system", exchange("k_3", bot(), 800_000, "c1", None));
    assert_eq!(late.code, RefusalCode::Conflict);
}

#[test]
fn given_claims_when_held_against_a_rule_then_each_must_be_there_word_for_word() {
    let WorkloadProof::Token(rule) =
        token("https://token.example", &[("ref", "refs/heads/main"), ("repository", "a/b")])
    else {
        panic!("a token");
    };
    let fits = |claims: serde_json::Value| rule.fits(|name| claims.get(name).and_then(serde_json::Value::as_str));
    assert!(fits(json!({"ref": "refs/heads/main", "repository": "a/b", "more": 1})));
    for wrong in [
        json!({"ref": "refs/heads/main"}),
        json!({"ref": "refs/heads/main2", "repository": "a/b"}),
        json!({"ref": ["refs/heads/main"], "repository": "a/b"}),
        json!({"ref": "refs/heads/main", "repository": "A/B"}),
    ] {
        assert!(!fits(wrong.clone()), "{wrong}");
    }
}
