//! Format-preserving tokens for numbers, by FF1 of NIST SP 800-38G over the radix 10 with AES-256.
//!
//! Key: the format key of the scope. Tweak: `"cf/ff1/v1" ‖ lp(kind) ‖ lp(scope) ‖ lp(column)`, where `lp(x)` is
//! `u32 LE length in bytes ‖ x`. FF3 and FF3-1 are not offered: NIST withdrew them.
//!
//! What stands between digits stays where it is. What is encrypted, and what becomes of check digits:
//!
//! | kind | encrypted | not encrypted |
//! | --- | --- | --- |
//! | card | all digits but the last | the last is the Luhn digit of the token |
//! | phone | all digits | a `+` |
//! | tfn | the first eight, again and again until a number can begin so | the ninth is computed anew |
//! | medicare | the first eight, again and again until a number can begin so | the ninth is computed anew; issue and line stay |
//!
//! So a token passes whatever check its value passed. To encrypt again and again until the result is allowed (cycle
//! walking) is a permutation of what is allowed, and undone by decrypting in the same way. Tokens look like numbers and may
//! be somebody else's: never call or charge one.

use aes::Aes256;
use fpe::ff1::{FF1, FlexibleNumeralString};
use scan::digits;

use super::{BadValue, Format, TokenError, bound};
use crate::error::VaultError;
use crate::names::{KeyName, check_name};
use crate::vault::Vault;
use crate::wrap::SecretKey;

const LABEL: &[u8] = b"cf/ff1/v1";

/// Most bytes of a column's name.
const MAX_COLUMN_BYTES: usize = 255;

/// Rounds of cycle walking. Each round ends it with a probability of one half or more, so that a number that needs more
/// does not exist in practice.
const MAX_WALK: usize = 10_000;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From values to tokens.
    Encrypt,
    /// From tokens to values.
    Decrypt,
}

impl Vault {
    /// Turns numbers into tokens of a scope or back. `column` is what else a token is bound to: the same number has
    /// another token in another column. The scope's key is made at its first use, at `now_ms`.
    ///
    /// # Errors
    /// [`TokenError::Value`] for the first that is not of this kind, [`VaultError::Name`] for a bad scope or column; else
    /// from the key store or the custodian.
    pub fn format_preserving(
        &self,
        way: Way,
        format: Format,
        scope: &str,
        column: &str,
        numbers: &[String],
        now_ms: u64,
    ) -> Result<Vec<String>, TokenError> {
        check_name("scope", scope)?;
        if column.len() > MAX_COLUMN_BYTES {
            let given = format!("of {} bytes", column.len());
            return Err(VaultError::Name { what: "column", given, why: "use 255 bytes at most" }.into());
        }
        let name = KeyName::format(scope);
        let key = match way {
            Way::Encrypt => self.ring.obtain(&name, now_ms)?.key,
            Way::Decrypt => self.ring.existing(&name)?.key,
        };
        let cipher = Cipher::new(&key, format, scope, column);
        let turned = |(at, number): (usize, &String)| {
            cipher.turn(way, number.trim()).map_err(|why| TokenError::Value { at: at + 1, why })
        };
        numbers.iter().enumerate().map(turned).collect()
    }
}

/// FF1 for one kind of number in one scope and column.
struct Cipher {
    ff1: FF1<Aes256>,
    tweak: Vec<u8>,
    format: Format,
}

impl Cipher {
    fn new(key: &SecretKey, format: Format, scope: &str, column: &str) -> Self {
        let ff1 = FF1::new(key.expose(), 10).expect("ten is a radix");
        let kind = match format {
            Format::Text => "text",
            Format::Card => "card",
            Format::Phone => "phone",
            Format::Tfn => "tfn",
            Format::Medicare => "medicare",
        };
        Self { ff1, tweak: bound(LABEL, &[kind, scope, column]), format }
    }

    fn turn(&self, way: Way, number: &str) -> Result<String, BadValue> {
        if number.is_empty() {
            return Err(BadValue::Empty);
        }
        let digits = self.format.digits(number)?;
        let turned = match self.format {
            Format::Text => return Err(BadValue::Characters),
            Format::Phone => self.step(way, &digits)?,
            Format::Card => {
                let body = digits.split_last().map(|(_, body)| body).unwrap_or_default();
                let mut turned = self.step(way, body)?;
                turned.push(digits::luhn_check(&turned));
                turned
            }
            Format::Tfn => self.walk(way, &digits, digits::tfn_check)?,
            Format::Medicare => self.walk(way, &digits, digits::medicare_check)?,
        };
        let mut next = turned.iter();
        let mut replaced = String::with_capacity(number.len());
        for c in number.chars() {
            let digit = if c.is_ascii_digit() { next.next() } else { None };
            replaced.push(digit.map_or(c, |digit| char::from(b'0' + digit)));
        }
        Ok(replaced)
    }

    /// Turns the first eight digits until `check` has a digit for them; what stands behind that stays.
    fn walk(&self, way: Way, digits: &[u8], check: fn(&[u8]) -> Option<u8>) -> Result<Vec<u8>, BadValue> {
        let (body, rest) = digits.split_at_checked(8).ok_or(BadValue::Length)?;
        let mut turned = body.to_vec();
        for _ in 0..MAX_WALK {
            turned = self.step(way, &turned)?;
            if let Some(digit) = check(&turned) {
                turned.push(digit);
                turned.extend(rest.iter().skip(1));
                return Ok(turned);
            }
        }
        Err(BadValue::CheckDigit)
    }

    /// FF1 itself. It refuses fewer than a million values.
    fn step(&self, way: Way, digits: &[u8]) -> Result<Vec<u8>, BadValue> {
        let numerals = FlexibleNumeralString::from(digits.iter().copied().map(u16::from).collect::<Vec<u16>>());
        let turned = match way {
            Way::Encrypt => self.ff1.encrypt(&self.tweak, &numerals),
            Way::Decrypt => self.ff1.decrypt(&self.tweak, &numerals),
        };
        let turned: Vec<u16> = turned.map_err(|_| BadValue::SmallDomain)?.into();
        Ok(turned.into_iter().map(|digit| u8::try_from(digit).unwrap_or_default()).collect())
    }
}

#[cfg(test)]
mod tests {
    use aes::{Aes128, Aes192};
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "2b7e151628aed2a6abf7158809cf4f3cef4359d8d580aa4f7f036d6f04fc6a94";

    /// The nine samples of NIST: key bytes, tweak, plain and cipher text.
    #[test]
    fn given_the_samples_of_nist_when_encrypted_then_they_are_as_published() {
        let key: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&KEY[at * 2..at * 2 + 2], 16).expect("hex")).collect();
        let (digits, letters) = ("0123456789", "0123456789abcdefghi");
        let (none, numbers, words) = (&b""[..], &b"9876543210"[..], &b"7777pqrs777"[..]);
        for (bytes, radix, tweak, plain, cipher) in [
            (16, 10, none, digits, "2433477484"),
            (16, 10, numbers, digits, "6124200773"),
            (16, 36, words, letters, "a9tv40mll9kdu509eum"),
            (24, 10, none, digits, "2830668132"),
            (24, 10, numbers, digits, "2496655549"),
            (24, 36, words, letters, "xbj3kv35jrawxv32ysr"),
            (32, 10, none, digits, "6657667009"),
            (32, 10, numbers, digits, "1001623463"),
            (32, 36, words, letters, "xs8a0azh2avyalyzuwd"),
        ] {
            let numerals = |text: &str| -> Vec<u16> {
                text.chars().map(|c| u16::try_from(c.to_digit(36).expect("a numeral")).expect("small")).collect()
            };
            let (key, given) = (&key[..bytes], FlexibleNumeralString::from(numerals(plain)));
            let turned = match bytes {
                16 => FF1::<Aes128>::new(key, radix).expect("a radix").encrypt(tweak, &given),
                24 => FF1::<Aes192>::new(key, radix).expect("a radix").encrypt(tweak, &given),
                _ => FF1::<Aes256>::new(key, radix).expect("a radix").encrypt(tweak, &given),
            };
            assert_eq!(Vec::<u16>::from(turned.expect("long enough")), numerals(cipher), "{bytes} {radix}");
        }
    }

    fn cipher(format: Format, scope: &str, column: &str) -> Cipher {
        Cipher::new(&SecretKey::from_bytes(&[7; 32]), format, scope, column)
    }

    #[test]
    fn given_numbers_when_turned_then_their_form_stays_and_their_checks_pass() {
        for (format, number) in [
            (Format::Card, "4111-1111 1111 1111"),
            (Format::Phone, "+61 (412) 345-678"),
            (Format::Tfn, "123 456 782"),
            (Format::Medicare, "2123 45670 1/2"),
        ] {
            let one = cipher(format, "crm", "");
            let token = one.turn(Way::Encrypt, number).expect("a number");
            assert_ne!(token, number);
            let shape = |text: &str| text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect::<String>();
            assert_eq!(shape(&token), shape(number));
            assert!(format.read(&token).is_ok(), "{format:?}: the token passes the checks of its kind");
            assert_eq!(one.turn(Way::Decrypt, &token).as_deref(), Ok(number));
            assert_eq!(one.turn(Way::Encrypt, number).as_deref(), Ok(token.as_str()), "deterministic");
            for other in [cipher(format, "billing", ""), cipher(format, "crm", "home")] {
                assert_ne!(other.turn(Way::Encrypt, number).as_deref(), Ok(token.as_str()));
            }
        }
    }

    #[test]
    fn given_small_domains_and_wrong_check_digits_when_turned_then_they_are_refused() {
        let turn = |format, number| cipher(format, "crm", "").turn(Way::Encrypt, number);
        assert_eq!(turn(Format::Phone, "12345"), Err(BadValue::SmallDomain));
        assert_eq!(turn(Format::Card, "4111111111111112"), Err(BadValue::CheckDigit));
        assert_eq!(turn(Format::Tfn, "123456789"), Err(BadValue::CheckDigit));
        assert_eq!(turn(Format::Text, "123456"), Err(BadValue::Characters));
        assert_eq!(cipher(Format::Phone, "crm", "").step(Way::Encrypt, &[1; 5]), Err(BadValue::SmallDomain));
    }

    proptest! {
        #[test]
        fn given_any_number_of_a_kind_when_turned_there_and_back_then_it_is_itself(
            body in prop::collection::vec(0_u8..10, 11..19),
            phone in "\\+?[0-9][0-9 ().-]{8,20}[0-9]{6}",
            scope in "[a-z]{1,8}",
        ) {
            let text = |digits: &[u8]| digits.iter().map(|d| char::from(b'0' + d)).collect::<String>();
            let mut numbers = vec![];
            let mut card = body.clone();
            card.push(digits::luhn_check(&body));
            numbers.push((Format::Card, text(&card)));
            type Check = fn(&[u8]) -> Option<u8>;
            let checks: [(Format, Check); 2] =
                [(Format::Tfn, digits::tfn_check), (Format::Medicare, digits::medicare_check)];
            for (format, check) in checks {
                if let Some(check) = check(&body[..8]) {
                    let mut number = body[..8].to_vec();
                    number.push(check);
                    if format == Format::Medicare {
                        number.push(1);
                    }
                    numbers.push((format, text(&number)));
                }
            }
            if Format::Phone.read(&phone).is_ok() {
                numbers.push((Format::Phone, phone));
            }
            for (format, number) in numbers {
                let one = cipher(format, &scope, "");
                let token = one.turn(Way::Encrypt, &number).expect("a number");
                prop_assert_eq!(one.turn(Way::Decrypt, &token), Ok(number));
            }
        }
    }
}
