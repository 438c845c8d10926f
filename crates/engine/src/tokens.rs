//! Tokens of values, and back. Both are accesses: who, which scope, how many and why is recorded, and no event tells of it.
//! Keys and ciphers are worked with off the threads that serve requests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::keys::tokens::{KnownScope, TokenKind, TokenMethod, TokenScope, may_reveal, scope_is_free};
use domain::{Refusal, RefusalCode};
use vault::tokens::{Format, Owner, TokenCount, TokenError, TokenInfo, ff1};
use vault::{SubjectRef, VaultError};

use crate::{Engine, ExecuteError, Principal};

/// Most values at once.
pub const MAX_TOKENS: usize = 1_000;

/// Values that are to have tokens.
#[derive(Clone, Debug, Default)]
pub struct Untokenized {
    /// The values.
    pub values: Vec<String>,
    /// Whose each is, where the scope tells subjects apart.
    pub subjects: Option<Subjects>,
    /// What else a format-preserving token is bound to.
    pub column: String,
}

/// The people whom values concern, as their service knows them: what applications send with inference calls.
#[derive(Clone, Debug)]
pub struct Subjects {
    /// The service within which the identifiers are unique.
    pub service: String,
    /// One for each value.
    pub ids: Vec<String>,
}

/// A token of somebody, and what it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldToken {
    /// The scope of tokens.
    pub scope: String,
    /// The token.
    pub token: String,
    /// The value; `None` when its key was destroyed meanwhile.
    pub value: Option<String>,
}

/// For how many values in an hour somebody may have tokens made in a scope, when nothing else is set.
const AN_HOUR: u64 = 1_000_000;

const HOUR: Duration = Duration::from_secs(3600);

/// How many values had tokens made in the hour, by whom and scope.
pub(crate) struct Pace {
    most: AtomicU64,
    made: Mutex<BTreeMap<(String, String), (Instant, u64)>>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { most: AtomicU64::new(AN_HOUR), made: Mutex::default() }
    }
}

impl Pace {
    /// Counts values in, or says how long to wait.
    fn take(&self, actor: &str, scope: &str, count: u64, now: Instant) -> Result<(), Duration> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.retain(|_, (since, _)| now.duration_since(*since) < HOUR);
        let (since, so_far) = made.entry((actor.to_owned(), scope.to_owned())).or_insert((now, 0));
        let wanted = so_far.saturating_add(count);
        if wanted > self.most.load(Ordering::Relaxed) {
            return Err(HOUR.saturating_sub(now.duration_since(*since)));
        }
        *so_far = wanted;
        Ok(())
    }
}

impl Engine {
    /// The tokens of values in a scope, in their order.
    ///
    /// # Errors
    /// A refusal when they may not, the scope is not there or retired, or a value is not of its kind: then there is no token
    /// for any of them. [`ExecuteError::Unavailable`] when the vault fails.
    pub async fn tokenize(
        self: &Arc<Self>,
        who: &Principal,
        scope: &str,
        wanted: Untokenized,
    ) -> Result<Vec<String>, ExecuteError> {
        let known = self.may_token(who, "token.make", scope, wanted.values.len())?;
        self.is_within_pace(who, scope, wanted.values.len())?;
        if known.retired {
            let message =
                format!("scope `{scope}` is retired and gets no more tokens: declare it again, or use another");
            return Err(Refusal::new(RefusalCode::Conflict, message).into());
        }
        if wanted.subjects.as_ref().is_some_and(|subjects| subjects.service.is_empty()) {
            return Err(invalid("name the service that knows these subjects by their identifiers".to_owned()));
        }
        match (&wanted.subjects, known.spec.per_subject) {
            (Some(subjects), true) if subjects.ids.len() == wanted.values.len() => {}
            (None, false) => {}
            (Some(_), false) => {
                return Err(invalid(format!(
                    "scope `{scope}` does not tell subjects apart: leave them out, or use one that was declared per subject"
                )));
            }
            (_, true) => {
                return Err(invalid(format!(
                    "name the subject of each value: each token of scope `{scope}` is somebody's"
                )));
            }
        }
        if let Some(Subjects { service, .. }) = &wanted.subjects {
            scope_is_free(service)?;
            if !self.read(|state| state.services.contains_key(service)) {
                let message = format!("there is no service `{service}`: name the one that knows these subjects");
                return Err(Refusal::new(RefusalCode::NotFound, message).into());
            }
        }
        let scope = scope.to_owned();
        self.blocking(move |engine| engine.tokenize_now(&scope, &known.spec, wanted)).await?
    }

    fn tokenize_now(&self, scope: &str, spec: &TokenScope, wanted: Untokenized) -> Result<Vec<String>, ExecuteError> {
        let (vault, format) = (self.vault(), format_of(spec.kind));
        let Untokenized { values, subjects, column } = wanted;
        let made = match spec.method {
            TokenMethod::Ff1 => vault.format_preserving(ff1::Way::Encrypt, format, scope, &column, &values, now()),
            TokenMethod::Vaulted => {
                let owners = match &subjects {
                    Some(Subjects { service, ids }) => ids
                        .iter()
                        .map(|id| vault.subject(service, id, now()).map(Owner::Subject))
                        .collect::<Result<Vec<Owner>, VaultError>>()
                        .map_err(|error| failed(error.into()))?,
                    None => vec![Owner::Scope; values.len()],
                };
                let owned: Vec<(String, Owner)> = values.into_iter().zip(owners).collect();
                vault.tokenize(&spec.class, format, scope, &owned, now())
            }
        };
        made.map_err(failed)
    }

    /// Tokens in the place of a column's values, in a view that says so: whoever reads it needs no permission of their own.
    /// `whose` names the subject of each value by the version's scope of identifiers, where the scope of tokens tells
    /// subjects apart. Blocks.
    ///
    /// # Errors
    /// A refusal when the scope is not there or retired, or a value is not of its kind.
    pub fn tokens_in_view(
        &self,
        scope: &str,
        values: Vec<String>,
        whose: Option<(&str, Vec<String>)>,
    ) -> Result<Vec<String>, ExecuteError> {
        let known = self.read(|state| state.token_scope(scope).cloned())?;
        if known.retired {
            let message = format!("scope `{scope}` is retired and gets no more tokens: declare the view with another");
            return Err(Refusal::new(RefusalCode::Conflict, message).into());
        }
        let (spec, vault) = (known.spec, self.vault());
        let format = format_of(spec.kind);
        if spec.method == TokenMethod::Ff1 {
            let made = vault.format_preserving(ff1::Way::Encrypt, format, scope, "", &values, now());
            return made.map_err(failed);
        }
        let owners = match (spec.per_subject, whose) {
            (false, _) => vec![Owner::Scope; values.len()],
            (true, Some((kind, ids))) if ids.len() == values.len() => ids
                .iter()
                .map(|id| {
                    // Everybody in it was noted when it came in: who is not known was forgotten since, or is written otherwise.
                    let known = vault.known_subject(kind, id, now()).map_err(|error| failed(error.into()))?;
                    known.map(Owner::Subject).ok_or_else(|| {
                        let message = "somebody in the rows is not known any more: they were forgotten meanwhile, or \
                                       the column of subjects reads otherwise than it was stored. Read the view anew";
                        Refusal::new(RefusalCode::Conflict, message).into()
                    })
                })
                .collect::<Result<Vec<Owner>, ExecuteError>>()?,
            (true, _) => {
                return Err(invalid(format!(
                    "each token of scope `{scope}` is somebody's, and the version does not say whom its rows are about: \
                     store it with a column of subjects, or declare the view with another scope"
                )));
            }
        };
        let owned: Vec<(String, Owner)> = values.into_iter().zip(owners).collect();
        vault.tokenize(&spec.class, format, scope, &owned, now()).map_err(failed)
    }

    /// What tokens of a scope stand for, in their order; `None` for those whose subject was erased. It needs one of the
    /// purposes that the scope was declared with, named by the request that `who` came with.
    ///
    /// # Errors
    /// A refusal when they may not, the purpose is none of the scope's, or one is no token of the scope: then none is turned
    /// back. [`ExecuteError::Unavailable`] when the vault fails.
    pub async fn detokenize(
        self: &Arc<Self>,
        who: &Principal,
        scope: &str,
        tokens: Vec<String>,
        column: String,
    ) -> Result<Vec<Option<String>>, ExecuteError> {
        let known = self.may_token(who, "token.reveal", scope, tokens.len())?;
        let purpose = who.attempt.as_ref().and_then(|attempt| attempt.why());
        may_reveal(scope, &known.spec, purpose)?;
        let (scope, spec) = (scope.to_owned(), known.spec);
        let revealed = self.blocking(move |engine| {
            let (vault, format) = (engine.vault(), format_of(spec.kind));
            match spec.method {
                TokenMethod::Vaulted => vault.detokenize(&spec.class, &scope, &tokens),
                TokenMethod::Ff1 => vault
                    .format_preserving(ff1::Way::Decrypt, format, &scope, &column, &tokens, now())
                    .map(|values| values.into_iter().map(Some).collect()),
            }
        });
        revealed.await?.map_err(failed)
    }

    /// Permission first, so that a denial is on record whatever else is wrong.
    fn may_token(&self, who: &Principal, action: &str, scope: &str, count: usize) -> Result<KnownScope, ExecuteError> {
        who.attempt.iter().for_each(|attempt| attempt.counts(count));
        self.authorize(who, action, &format!("tokens/{scope}"))?;
        let known = self.read(|state| state.token_scope(scope).cloned())?;
        if !(1..=MAX_TOKENS).contains(&count) {
            return Err(invalid(format!("give 1 to {MAX_TOKENS} at once, not {count}")));
        }
        Ok(known)
    }

    /// Refuses more values in an hour than somebody may have tokens made for in a scope: whoever has a token and may make others
    /// finds out what it stands for by trying all that there is, where there are few.
    fn is_within_pace(&self, who: &Principal, scope: &str, count: usize) -> Result<(), ExecuteError> {
        let most = self.token_pace.most.load(Ordering::Relaxed);
        let taken = self.token_pace.take(&who.actor, scope, count as u64, Instant::now());
        let Err(wait) = taken else { return Ok(()) };
        let minutes = wait.as_secs().div_ceil(60);
        let message = format!(
            "more than {most} values in an hour would have tokens made in scope `{scope}` for `{}`, which is the most \
             (`limits.tokens_an_hour`): go on in {minutes} minutes",
            who.actor
        );
        let policies = vec!["token-pace".to_owned()];
        let refused = Err(Refusal { policies, ..Refusal::new(RefusalCode::Forbidden, message) });
        self.note_decision(who, "token.make", &format!("tokens/{scope}"), &refused, |_| false);
        Ok(refused.map(drop)?)
    }

    /// Sets for how many values in an hour somebody may have tokens made in a scope.
    pub fn pace_tokens(&self, an_hour: u64) {
        self.token_pace.most.store(an_hour, Ordering::Relaxed);
    }

    /// The live vaulted tokens of a subject, over all scopes. Format-preserving tokens are nobody's.
    ///
    /// # Errors
    /// [`ExecuteError::Unavailable`] when the vault fails.
    pub fn tokens_of(&self, subject: &SubjectRef) -> Result<Vec<TokenInfo>, ExecuteError> {
        self.vault().tokens_of(subject).map_err(|error| failed(error.into()))
    }

    /// The same with what each stands for, whatever the purposes of its scope: for an answer to the subject. Who may see it
    /// is for the caller to ask. Blocks.
    pub(crate) fn values_of(&self, subject: &SubjectRef) -> Result<Vec<HeldToken>, ExecuteError> {
        let mut by_scope: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for token in self.tokens_of(subject)? {
            by_scope.entry(token.scope).or_default().push(token.token);
        }
        let mut held = Vec::new();
        for (scope, tokens) in by_scope {
            let class = self.read(|state| state.token_scope(&scope).map(|known| known.spec.class.clone()))?;
            for some in tokens.chunks(MAX_TOKENS) {
                let values = self.vault().detokenize(&class, &scope, some).map_err(failed)?;
                let pairs = some.iter().cloned().zip(values);
                held.extend(pairs.map(|(token, value)| HeldToken { scope: scope.clone(), token, value }));
            }
        }
        Ok(held)
    }

    /// How many vaulted tokens each scope has, by its name.
    ///
    /// # Errors
    /// [`ExecuteError::Unavailable`] when the vault fails.
    pub async fn token_counts(self: &Arc<Self>) -> Result<Vec<(String, KnownScope, TokenCount)>, ExecuteError> {
        let counted = self.blocking(|engine| {
            let scopes = engine.read(|state| state.token_scopes.clone());
            let count = |(name, known): (String, KnownScope)| {
                let count = engine.vault().count_tokens(&name)?;
                Ok((name, known, count))
            };
            scopes.into_iter().map(count).collect::<Result<Vec<_>, VaultError>>()
        });
        counted.await?.map_err(|error| failed(error.into()))
    }
}

fn format_of(kind: TokenKind) -> Format {
    match kind {
        TokenKind::Text => Format::Text,
        TokenKind::Card => Format::Card,
        TokenKind::Phone => Format::Phone,
        TokenKind::Tfn => Format::Tfn,
        TokenKind::Medicare => Format::Medicare,
    }
}

fn failed(error: TokenError) -> ExecuteError {
    let code = match &error {
        TokenError::Value { .. } | TokenError::Vault(VaultError::Name { .. }) => RefusalCode::Invalid,
        TokenError::Unknown(_) => RefusalCode::NotFound,
        // A scope without a key never had a token that this key made.
        TokenError::Vault(VaultError::UnknownKey(_)) => {
            let message = "nothing was tokenised in this scope yet, so none of these is a token of it";
            return Refusal::new(RefusalCode::NotFound, message).into();
        }
        TokenError::SubjectErased(_) => RefusalCode::Conflict,
        TokenError::Vault(_) => return ExecuteError::Unavailable(format!("the vault: {error}")),
    };
    Refusal::new(code, error.to_string()).into()
}

fn invalid(message: String) -> ExecuteError {
    Refusal::new(RefusalCode::Invalid, message).into()
}

fn now() -> u64 {
    u64::try_from(Engine::now_ms()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_pace_when_somebody_tries_one_after_the_other_then_they_wait_and_others_do_not() {
        let (pace, start) = (Pace::default(), Instant::now());
        pace.most.store(1_000, Ordering::Relaxed);
        assert_eq!(pace.take("a_1", "phones", 600, start), Ok(()));
        let later = start + Duration::from_secs(600);
        assert_eq!(pace.take("a_1", "phones", 600, later), Err(Duration::from_secs(3_000)));
        assert_eq!(pace.take("a_1", "phones", 400, later), Ok(()), "what fits is made");
        for (actor, scope) in [("a_2", "phones"), ("a_1", "cards")] {
            assert_eq!(pace.take(actor, scope, 1_000, later), Ok(()));
        }
        assert_eq!(pace.take("a_1", "phones", 1_000, start + HOUR), Ok(()), "another hour");
    }
}
