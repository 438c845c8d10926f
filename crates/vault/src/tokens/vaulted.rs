//! Random tokens: `tok_<class>_` and 26 characters of base 32 that hold 128 random bits.
//!
//! ```text
//! secret = HMAC-SHA-256(subject key of the class, "cf/token/v1" ‖ lp(log_id) ‖ lp(class) ‖ lp(scope))
//! idx    = HMAC-SHA-256(index key of the scope, HMAC-SHA-256(secret, "idx" ‖ canonical value))
//! sealed = nonce(12) ‖ AES-256-GCM(HMAC-SHA-256(secret, "key"), nonce, value as written, aad = token)
//! ```
//!
//! The subject is a person whom the value concerns, or, where a scope does not tell persons apart, one that stands for the
//! scope. `idx` takes both keys: with the index key alone nobody can confirm a guess of a value, and when the subject is
//! erased nobody can at all, whatever was left of the row in a page of the store.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use zeroize::Zeroizing;

use super::normalise::{Format, Value};
use super::store::{KeptToken, PutToken, TokenCount, TokenInfo, TokenRow};
use super::{TokenError, bound};
use crate::error::VaultError;
use crate::names::{KeyName, SubjectRef, check_name};
use crate::vault::Vault;
use crate::wrap::{SecretKey, random_bytes};

const LABEL: &[u8] = b"cf/token/v1";

/// Scope of the blind index in which subjects that stand for scopes of tokens are known.
pub const SCOPES: &str = "token-scopes";

/// Base 32 without the letters that are taken for digits (Crockford's), in lower case.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Characters that hold 128 bits; the last holds three.
const CHARS: usize = 26;

/// Whose a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A subject's.
    Subject(SubjectRef),
    /// Nobody's in particular: the scope's.
    Scope,
}

/// Whether this has the form of a token, and of which class.
#[must_use]
pub fn is_token(text: &str) -> Option<&str> {
    let (class, random) = text.strip_prefix("tok_")?.rsplit_once('_')?;
    let value = |b: u8| ALPHABET.iter().position(|one| *one == b);
    let canonical = random.len() == CHARS
        && random.bytes().all(|b| value(b).is_some())
        && random.bytes().last().and_then(value).is_some_and(|last| last & 3 == 0);
    (canonical && check_name("class", class).is_ok()).then_some(class)
}

fn token(class: &str, random: &[u8; 16]) -> String {
    let mut text = format!("tok_{class}_");
    let number = u128::from_be_bytes(*random);
    for at in 0..CHARS {
        // From the top, five bits each; the last has three of them and two that are 0.
        let shift = 123_i32 - 5 * i32::try_from(at).unwrap_or_default();
        let five = if shift >= 0 { number >> shift } else { number << -shift };
        text.push(char::from(ALPHABET[usize::try_from(five & 31).unwrap_or_default()]));
    }
    text
}

/// What the tokens of one owner in one scope take.
struct Secret {
    subject: SubjectRef,
    secret: SecretKey,
    seal: SecretKey,
}

impl Secret {
    fn of(subject: SubjectRef, key: &SecretKey, context: &[u8]) -> Self {
        let secret = SecretKey::from_bytes(&Zeroizing::new(key.hmac(&[context])));
        let seal = SecretKey::from_bytes(&Zeroizing::new(secret.hmac(&[b"key"])));
        Self { subject, secret, seal }
    }

    fn idx(&self, scope: &SecretKey, value: &Value) -> [u8; 32] {
        scope.hmac(&[&self.secret.hmac(&[b"idx", value.canonical.as_bytes()])])
    }
}

impl Vault {
    /// The tokens of values in a scope, in their order; made where there are none yet, at `now_ms`. Values that are the
    /// same by their format have the same token as long as they have the same owner.
    ///
    /// # Errors
    /// [`TokenError`] for the first value that cannot have a token; then none was made.
    pub fn tokenize(
        &self,
        class: &str,
        format: Format,
        scope: &str,
        values: &[(String, Owner)],
        now_ms: u64,
    ) -> Result<Vec<String>, TokenError> {
        check_name("class", class)?;
        check_name("scope", scope)?;
        let read = values.iter().enumerate().map(|(at, (value, owner))| match format.read(value) {
            Ok(value) => Ok((value, *owner)),
            Err(why) => Err(TokenError::Value { at: at + 1, why }),
        });
        let read = read.collect::<Result<Vec<(Value, Owner)>, TokenError>>()?;
        let index = self.ring.obtain(&KeyName::token_index(scope), now_ms)?.key;
        let mut secrets: HashMap<Owner, Secret> = HashMap::new();
        let mut idx = Vec::with_capacity(read.len());
        for (at, (value, owner)) in read.iter().enumerate() {
            if !secrets.contains_key(owner) {
                let secret = self.secret(class, scope, *owner, now_ms).map_err(|error| match error.is_destroyed() {
                    true => TokenError::SubjectErased(at + 1),
                    false => error.into(),
                })?;
                secrets.insert(*owner, secret);
            }
            idx.push(secrets[owner].idx(&index, value));
        }
        let store = &self.ring.store;
        let found = store.find_tokens(scope, &idx).map_err(VaultError::KeyStore)?;
        let (mut tokens, mut rows, mut places) = (vec![String::new(); read.len()], Vec::new(), Vec::new());
        for (at, found) in found.into_iter().enumerate() {
            if let Some(found) = found {
                tokens[at] = found;
                continue;
            }
            let (value, owner) = &read[at];
            let (secret, token) = (&secrets[owner], token(class, &random_bytes()?));
            let sealed = secret.seal.wrap(value.written.as_bytes(), token.as_bytes())?;
            let (scope, subject) = (scope.to_owned(), secret.subject);
            rows.push(TokenRow { token, scope, idx: idx[at], subject, sealed, created_ms: now_ms });
            places.push(at);
        }
        if rows.is_empty() {
            return Ok(tokens);
        }
        let put = store.put_tokens(&rows).map_err(VaultError::KeyStore)?;
        for ((row, put), at) in rows.into_iter().zip(put).zip(places) {
            tokens[at] = match put {
                PutToken::Stored => row.token,
                PutToken::Exists(known) => known,
                PutToken::SubjectErased => return Err(TokenError::SubjectErased(at + 1)),
            };
        }
        Ok(tokens)
    }

    /// What tokens of a scope stand for, in their order, as it was written first; `None` for those whose subject was erased.
    ///
    /// # Errors
    /// [`TokenError`] for the first token that does not open; then nothing is returned.
    pub fn detokenize(&self, class: &str, scope: &str, tokens: &[String]) -> Result<Vec<Option<String>>, TokenError> {
        check_name("class", class)?;
        check_name("scope", scope)?;
        if let Some(at) = tokens.iter().position(|token| is_token(token).is_none()) {
            return Err(TokenError::Unknown(at + 1));
        }
        let kept = self.ring.store.get_tokens(tokens).map_err(VaultError::KeyStore)?;
        let mut secrets: HashMap<SubjectRef, Secret> = HashMap::new();
        let mut values = Vec::with_capacity(tokens.len());
        for (at, kept) in kept.into_iter().enumerate() {
            let row = match kept {
                Some(KeptToken::Live(row)) if row.scope == scope => row,
                Some(KeptToken::Erased { scope: of }) if of == scope => {
                    values.push(None);
                    continue;
                }
                _ => return Err(TokenError::Unknown(at + 1)),
            };
            let secret = match secrets.entry(row.subject) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    let key = match self.ring.existing(&KeyName::subject(class, &row.subject)) {
                        Ok(key) => key,
                        // Erased between the two looks into the store.
                        Err(error) if error.is_destroyed() => {
                            values.push(None);
                            continue;
                        }
                        Err(error) => return Err(error.into()),
                    };
                    unknown.insert(Secret::of(row.subject, &key.key, &self.token_context(class, scope)))
                }
            };
            let plain = secret.seal.unwrap(&row.sealed, row.token.as_bytes());
            let plain = plain.ok_or(VaultError::Ciphertext)?;
            let text = std::str::from_utf8(&plain).map_err(|_| VaultError::Malformed("a token's value is no text"))?;
            values.push(Some(text.to_owned()));
        }
        Ok(values)
    }

    /// The live tokens of a subject, over all scopes.
    ///
    /// # Errors
    /// From the key store.
    pub fn tokens_of(&self, subject: &SubjectRef) -> Result<Vec<TokenInfo>, VaultError> {
        self.ring.store.tokens_of(subject).map_err(VaultError::KeyStore)
    }

    /// How many tokens a scope has.
    ///
    /// # Errors
    /// From the key store.
    pub fn count_tokens(&self, scope: &str) -> Result<TokenCount, VaultError> {
        self.ring.store.count_tokens(scope).map_err(VaultError::KeyStore)
    }

    fn secret(&self, class: &str, scope: &str, owner: Owner, now_ms: u64) -> Result<Secret, VaultError> {
        let subject = match owner {
            Owner::Subject(subject) => subject,
            Owner::Scope => self.subject(SCOPES, scope, now_ms)?,
        };
        let key = self.ring.obtain(&KeyName::subject(class, &subject), now_ms)?.key;
        Ok(Secret::of(subject, &key, &self.token_context(class, scope)))
    }

    fn token_context(&self, class: &str, scope: &str) -> Vec<u8> {
        bound(LABEL, &[self.ring.log_id(), class, scope])
    }
}

#[cfg(test)]
mod tests;
