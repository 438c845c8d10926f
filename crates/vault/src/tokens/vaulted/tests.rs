use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::memory::{MemoryCustodian, MemoryKeys};

const NOW_MS: u64 = 1_795_000_000_000;
const ANNA: Owner = Owner::Subject(SubjectRef([0xa0; 16]));
const BEN: Owner = Owner::Subject(SubjectRef([0xb0; 16]));

fn world() -> (Arc<MemoryKeys>, Vault) {
    let keys = Arc::new(MemoryKeys::default());
    let custodian = MemoryCustodian::new(SecretKey::from_bytes(&[1; 32]));
    let vault = Vault::open("log.example/1", keys.clone(), Arc::new(custodian), NOW_MS).expect("opens");
    (keys, vault)
}

fn make(vault: &Vault, scope: &str, values: &[(&str, Owner)]) -> Result<Vec<String>, TokenError> {
    let values: Vec<(String, Owner)> = values.iter().map(|(value, owner)| ((*value).to_owned(), *owner)).collect();
    vault.tokenize("personal", Format::Text, scope, &values, NOW_MS)
}

fn open(vault: &Vault, scope: &str, token: &str) -> Result<Option<String>, TokenError> {
    vault.detokenize("personal", scope, &[token.to_owned()]).map(|values| values.into_iter().next().flatten())
}

#[test]
fn given_values_when_tokenised_then_tokens_are_the_same_within_a_scope_and_differ_between_scopes() {
    let (_, vault) = world();
    let values = [("Anna@example.org", Owner::Scope), (" anna@example.org", Owner::Scope), ("Ben", Owner::Scope)];
    let tokens = make(&vault, "crm", &values).expect("tokens");
    assert_eq!(tokens[0], tokens[1]);
    assert_ne!(tokens[0], tokens[2]);
    assert_eq!(make(&vault, "crm", &values[..1]).expect("tokens"), tokens[..1]);
    assert_ne!(make(&vault, "billing", &values[..1]).expect("tokens"), tokens[..1]);
    assert_eq!(
        open(&vault, "crm", &tokens[1]).expect("opens").as_deref(),
        Some("Anna@example.org"),
        "as it was written first"
    );
    assert_eq!(is_token(&tokens[0]), Some("personal"));
    // By owner: the same value of two people is two tokens.
    let [anna, ben] = [ANNA, BEN].map(|owner| make(&vault, "crm", &[("0412", owner)]).expect("tokens").concat());
    assert_ne!(anna, ben);
}

#[test]
fn given_an_erased_subject_when_asked_then_no_token_of_it_opens_and_no_guess_is_confirmed() {
    let (keys, vault) = world();
    let phones: Vec<String> = (0..200).map(|n| format!("04120{n:05}")).collect();
    let values: Vec<(&str, Owner)> = phones.iter().map(|phone| (phone.as_str(), ANNA)).collect();
    let tokens = make(&vault, "crm", &values).expect("tokens");
    let other = make(&vault, "crm", &[("0499999999", BEN)]).expect("tokens").concat();
    let Owner::Subject(anna) = ANNA else { panic!("a subject") };
    let kept = keys_of(&keys, &tokens);
    assert_eq!(vault.tokens_of(&anna).expect("tokens").len(), 200);

    vault.destroy_subject(&anna, NOW_MS).expect("destroyed");

    for token in &tokens {
        assert_eq!(open(&vault, "crm", token).expect("known"), None, "{token}");
    }
    assert_eq!(open(&vault, "crm", &other).expect("another's opens").as_deref(), Some("0499999999"));
    assert_eq!(vault.tokens_of(&anna).expect("none"), []);
    assert!(matches!(make(&vault, "crm", &values[..1]), Err(TokenError::SubjectErased(1))));
    // Whoever has every key that is left and a copy of the rows as they were confirms no guess: the same values, of anybody,
    // lead to none of them.
    let index = vault.ring.obtain(&KeyName::token_index("crm"), NOW_MS).expect("the key is there").key;
    for owner in [BEN, Owner::Scope] {
        let secret = vault.secret("personal", "crm", owner, NOW_MS).expect("a secret");
        for phone in &phones {
            let value = Format::Text.read(phone).expect("a value");
            assert!(!kept.contains(&secret.idx(&index, &value)), "{phone}");
            assert!(!kept.contains(&index.hmac(&[phone.as_bytes()])), "{phone}");
        }
    }
}

/// What leads to tokens.
fn keys_of(keys: &MemoryKeys, tokens: &[String]) -> Vec<[u8; 32]> {
    use crate::tokens::TokenStore;
    let kept = keys.get_tokens(tokens).expect("works");
    let live = kept.into_iter().map(|kept| match kept {
        Some(KeptToken::Live(row)) => row.idx,
        other => panic!("{other:?}"),
    });
    live.collect()
}

#[test]
fn given_what_is_no_token_of_the_scope_when_opened_then_it_is_unknown() {
    let (_, vault) = world();
    let token = make(&vault, "crm", &[("Anna", Owner::Scope)]).expect("tokens").concat();
    make(&vault, "billing", &[("Anna", Owner::Scope)]).expect("tokens");
    let missing = "tok_personal_00000000000000000000000000";
    for (scope, token) in [("billing", token.as_str()), ("crm", missing), ("crm", "Anna"), ("crm", "")] {
        assert!(matches!(open(&vault, scope, token), Err(TokenError::Unknown(1))), "{scope} {token}");
    }
    let both = [token, missing.to_owned()];
    assert!(matches!(vault.detokenize("personal", "crm", &both), Err(TokenError::Unknown(2))));
}

#[test]
fn given_bad_values_when_tokenised_then_the_first_is_named_by_its_place_and_none_is_kept() {
    let (_, vault) = world();
    let values = [("4111111111111111".to_owned(), Owner::Scope), ("4111111111111112".to_owned(), Owner::Scope)];
    let error = vault.tokenize("personal", Format::Card, "cards", &values, NOW_MS).expect_err("a wrong check digit");
    assert!(error.to_string().starts_with("value 2 has a check digit"), "{error}");
    assert!(!error.to_string().contains("4111"));
    assert_eq!(vault.count_tokens("cards").expect("count"), TokenCount::default());
}

proptest! {
    #[test]
    fn given_any_text_when_tokenised_then_it_comes_back(value in "\\PC{1,60}") {
        let (_, vault) = world();
        if let Ok(tokens) = make(&vault, "crm", &[(value.as_str(), Owner::Scope)]) {
            prop_assert_eq!(open(&vault, "crm", &tokens[0]).expect("opens"), Some(value.trim().to_owned()));
            prop_assert_eq!(is_token(&tokens[0]), Some("personal"));
        }
    }

    #[test]
    fn given_any_bits_when_written_as_a_token_then_it_is_one_and_no_other_is_it(random: [u8; 16], other: [u8; 16]) {
        let text = token("personal", &random);
        prop_assert_eq!(is_token(&text), Some("personal"));
        prop_assert_eq!(text == token("personal", &other), random == other);
    }
}
