//! Where vaulted tokens are kept: the port, its rows, and its contract as tests for every driver.

use crate::error::BoxError;
use crate::names::SubjectRef;

/// A token with what it stands for, sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// The token.
    pub token: String,
    /// Its scope.
    pub scope: String,
    /// Leads from the value to the token; see [`super::vaulted`].
    pub idx: [u8; 32],
    /// Whose key the value is sealed under.
    pub subject: SubjectRef,
    /// The sealed value.
    pub sealed: Vec<u8>,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
}

/// What a store holds under a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptToken {
    /// It can be opened, if its subject's key is there.
    Live(TokenRow),
    /// Its subject was erased.
    Erased {
        /// The scope that it was of.
        scope: String,
    },
}

/// What became of a token that was to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutToken {
    /// It is kept and durable.
    Stored,
    /// There is one for this scope and `idx` already: this.
    Exists(String),
    /// The subject was erased and gets no tokens.
    SubjectErased,
}

/// A token, without what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// The token.
    pub token: String,
    /// Its scope.
    pub scope: String,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
}

/// How many tokens a scope has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenCount {
    /// Those that can be opened.
    pub live: u64,
    /// Those whose subject was erased.
    pub erased: u64,
}

/// Keeps vaulted tokens. A part of every [`crate::KeyStore`], because tokens of a subject go in the same step as its keys:
/// [`crate::KeyStore::destroy`] of a subject overwrites `idx`, subject and sealed value of each of its tokens. The token
/// and its scope stay, so that whoever comes with it is told that it was erased.
pub trait TokenStore: Send + Sync {
    /// Keeps tokens, all in one step, and says of each what became of it, in their order.
    ///
    /// # Errors
    /// The driver's own.
    fn put_tokens(&self, rows: &[TokenRow]) -> Result<Vec<PutToken>, BoxError>;

    /// The tokens that `idx` lead to in a scope, in their order.
    ///
    /// # Errors
    /// The driver's own.
    fn find_tokens(&self, scope: &str, idx: &[[u8; 32]]) -> Result<Vec<Option<String>>, BoxError>;

    /// What is kept under tokens, in their order.
    ///
    /// # Errors
    /// The driver's own.
    fn get_tokens(&self, tokens: &[String]) -> Result<Vec<Option<KeptToken>>, BoxError>;

    /// The live tokens of a subject, in no particular order.
    ///
    /// # Errors
    /// The driver's own.
    fn tokens_of(&self, subject: &SubjectRef) -> Result<Vec<TokenInfo>, BoxError>;

    /// How many tokens a scope has.
    ///
    /// # Errors
    /// The driver's own.
    fn count_tokens(&self, scope: &str) -> Result<TokenCount, BoxError>;
}

/// The contract of [`TokenStore`] as cases of [`crate::key_store_conformance`].
#[cfg(any(test, feature = "conformance"))]
pub mod conformance {
    use super::*;
    use crate::ports::{DestroyOutcome, Destruction, KeyStore, Target};

    const ANNA: SubjectRef = SubjectRef([1; 16]);
    const BEN: SubjectRef = SubjectRef([2; 16]);

    fn row(token: &str, scope: &str, idx: u8, subject: SubjectRef) -> TokenRow {
        let sealed = format!("sealed {token}").into_bytes();
        TokenRow { token: token.into(), scope: scope.into(), idx: [idx; 32], subject, sealed, created_ms: 1_000 }
    }

    /// One token for each value of a scope: the first stays, also within one batch.
    pub fn a_value_has_one_token_in_a_scope(store: &dyn KeyStore) {
        let rows = [row("t1", "crm", 1, ANNA), row("t2", "crm", 1, BEN), row("t3", "billing", 1, BEN)];
        let put = store.put_tokens(&rows).expect("store works");
        assert_eq!(put, [PutToken::Stored, PutToken::Exists("t1".into()), PutToken::Stored]);
        let again = store.put_tokens(&[row("t4", "crm", 1, BEN)]).expect("store works");
        assert_eq!(again, [PutToken::Exists("t1".into())]);
        let found = store.find_tokens("crm", &[[1; 32], [9; 32]]).expect("store works");
        assert_eq!(found, [Some("t1".to_owned()), None]);
        let kept = store.get_tokens(&["t3".into(), "t2".into(), "t1".into()]).expect("store works");
        let live = |row: &TokenRow| Some(KeptToken::Live(row.clone()));
        assert_eq!(kept, [live(&rows[2]), None, live(&rows[0])]);
        assert_eq!(store.count_tokens("crm").expect("store works"), TokenCount { live: 1, erased: 0 });
        assert_eq!(store.count_tokens("other").expect("store works"), TokenCount::default());
    }

    /// Tokens of an erased subject lead nowhere, from either side, and it gets no more.
    pub fn tokens_go_with_their_subject(store: &dyn KeyStore) {
        let rows = [row("t1", "crm", 1, ANNA), row("t2", "billing", 2, ANNA), row("t3", "crm", 3, BEN)];
        store.put_tokens(&rows).expect("store works");
        let mut of_anna = store.tokens_of(&ANNA).expect("store works");
        of_anna.sort_by(|one, other| one.token.cmp(&other.token));
        let info = |token: &str, scope: &str| TokenInfo { token: token.into(), scope: scope.into(), created_ms: 1_000 };
        assert_eq!(of_anna, [info("t1", "crm"), info("t2", "billing")]);

        let destruction = Destruction { target: Target::Subject(ANNA), rewraps: vec![], at_ms: 2_000 };
        assert_eq!(store.destroy(&destruction).expect("store works"), DestroyOutcome::Done);
        assert_eq!(store.find_tokens("crm", &[[1; 32], [3; 32]]).expect("store works"), [None, Some("t3".to_owned())]);
        let kept = store.get_tokens(&["t1".into(), "t2".into(), "t3".into()]).expect("store works");
        let erased = |scope: &str| Some(KeptToken::Erased { scope: scope.into() });
        assert_eq!(kept, [erased("crm"), erased("billing"), Some(KeptToken::Live(rows[2].clone()))]);
        assert_eq!(store.tokens_of(&ANNA).expect("store works"), []);
        assert_eq!(store.count_tokens("crm").expect("store works"), TokenCount { live: 1, erased: 1 });
        let refused = store.put_tokens(&[row("t5", "crm", 1, ANNA)]).expect("store works");
        assert_eq!(refused, [PutToken::SubjectErased]);
        let another = store.put_tokens(&[row("t6", "crm", 1, BEN)]).expect("store works");
        assert_eq!(another, [PutToken::Stored], "the value is free for others");
    }
}
