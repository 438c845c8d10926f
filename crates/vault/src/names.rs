//! How keys and subjects are named: a kind, a class and a unit, and from a name alone, its parent.

use std::fmt;

use crate::error::VaultError;

/// Class under which link keys live; user classes cannot start with an underscore.
pub(crate) const LINK_CLASS: &str = "_link";
/// Unit of the bucket key that wraps the day keys of a class.
const DAYS_UNIT: &str = "days";
const NAME_MAX_BYTES: usize = 64;
const LOG_ID_MAX_BYTES: usize = 255;

/// A random reference to a subject (the person or thing that personal data concerns).
///
/// It says nothing about the subject: only the blind index of the key store leads from an
/// identifier to it, and that row goes when the subject is erased.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubjectRef(pub [u8; 16]);

impl SubjectRef {
    /// Reads the 32 hexadecimal digits that [`fmt::Display`] writes (lower case only).
    #[must_use]
    pub fn from_hex(text: &str) -> Option<SubjectRef> {
        decode_hex::<16>(text).map(SubjectRef)
    }
}

impl fmt::Display for SubjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode_hex(&self.0))
    }
}

impl fmt::Debug for SubjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SubjectRef({self})")
    }
}

/// A random reference to an object: a file that is encrypted under a key of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub [u8; 16]);

impl ObjectId {
    /// Reads the 32 hexadecimal digits that [`fmt::Display`] writes (lower case only).
    #[must_use]
    pub fn from_hex(text: &str) -> Option<ObjectId> {
        decode_hex::<16>(text).map(ObjectId)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode_hex(&self.0))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectId({self})")
    }
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyKind {
    /// Wraps the bucket keys of a class; itself wrapped by the root key.
    Class,
    /// Wraps subject, link or day keys; replaced whenever one of them is destroyed.
    Bucket,
    /// The version of a bucket key before the present one, while a rotation moves its children over.
    Outgoing,
    /// Half of the record key: one per subject and class.
    Subject,
    /// Other half of the record key: one per class and day.
    Day,
    /// Makes the tags that link a subject's records within one day.
    Link,
    /// Makes the blind index of a scope; wrapped by the root key.
    Index,
    /// Encrypts one object; destroyed with it.
    Object,
    /// Turns numbers of a scope of tokens into others of the same form; wrapped by the root key.
    Format,
}

impl KeyKind {
    /// All kinds, from the root downwards.
    pub const ALL: [KeyKind; 9] = [
        KeyKind::Class,
        KeyKind::Bucket,
        KeyKind::Outgoing,
        KeyKind::Subject,
        KeyKind::Day,
        KeyKind::Link,
        KeyKind::Index,
        KeyKind::Object,
        KeyKind::Format,
    ];

    /// The word used in stores and wrapped keys; never changes.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            KeyKind::Class => "class",
            KeyKind::Bucket => "bucket",
            KeyKind::Outgoing => "outgoing",
            KeyKind::Subject => "subject",
            KeyKind::Day => "day",
            KeyKind::Link => "link",
            KeyKind::Index => "index",
            KeyKind::Object => "object",
            KeyKind::Format => "format",
        }
    }

    /// Reads what [`KeyKind::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<KeyKind> {
        KeyKind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The name of one key; unique in a key store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyName {
    /// What the key is for.
    pub kind: KeyKind,
    /// Data class; empty for index and format keys.
    pub class: String,
    /// Class: empty. Bucket and outgoing: two hexadecimal digits, or `days`. Subject and link: the subject
    /// reference in hexadecimal. Day: `yyyy-mm-dd`. Index: the scope, with `tokens/` before it for one of tokens, or `content/`
    /// before a unit of fingerprints.
    /// Object: its id in hexadecimal. Format: the scope of tokens.
    pub unit: String,
}

impl KeyName {
    fn new(kind: KeyKind, class: &str, unit: &str) -> KeyName {
        KeyName { kind, class: class.to_owned(), unit: unit.to_owned() }
    }

    /// The class key of `class`.
    #[must_use]
    pub fn class(class: &str) -> KeyName {
        KeyName::new(KeyKind::Class, class, "")
    }

    /// The key of `subject` in `class`.
    #[must_use]
    pub fn subject(class: &str, subject: &SubjectRef) -> KeyName {
        KeyName::new(KeyKind::Subject, class, &encode_hex(&subject.0))
    }

    /// The key of `day` (`yyyy-mm-dd`) in `class`.
    #[must_use]
    pub fn day(class: &str, day: &str) -> KeyName {
        KeyName::new(KeyKind::Day, class, day)
    }

    /// The link key of `subject`.
    #[must_use]
    pub fn link(subject: &SubjectRef) -> KeyName {
        KeyName::new(KeyKind::Link, LINK_CLASS, &encode_hex(&subject.0))
    }

    /// The key of the object `id` in `class`.
    #[must_use]
    pub fn object(class: &str, id: &ObjectId) -> KeyName {
        KeyName::new(KeyKind::Object, class, &encode_hex(&id.0))
    }

    /// The blind index key of `scope`.
    #[must_use]
    pub fn index(scope: &str) -> KeyName {
        KeyName::new(KeyKind::Index, "", scope)
    }

    /// Where the version before the present one of `bucket` lies while a rotation is under way.
    #[must_use]
    pub fn outgoing(bucket: &KeyName) -> KeyName {
        KeyName::new(KeyKind::Outgoing, &bucket.class, &bucket.unit)
    }

    /// The index key of a scope of tokens: no scope of identifiers can have this name.
    #[must_use]
    pub fn token_index(scope: &str) -> KeyName {
        KeyName::new(KeyKind::Index, "", &format!("tokens/{scope}"))
    }

    /// The key of the fingerprints of `unit`: no scope of identifiers can have this name.
    #[must_use]
    pub fn content_index(unit: &str) -> KeyName {
        KeyName::new(KeyKind::Index, "", &format!("content/{unit}"))
    }

    /// The format key of a scope of tokens.
    #[must_use]
    pub fn format(scope: &str) -> KeyName {
        KeyName::new(KeyKind::Format, "", scope)
    }

    /// The key that wraps this one; `None` means the root key.
    #[must_use]
    pub fn parent(&self) -> Option<KeyName> {
        match self.kind {
            KeyKind::Class | KeyKind::Index | KeyKind::Format => None,
            KeyKind::Bucket | KeyKind::Outgoing => Some(KeyName::class(&self.class)),
            KeyKind::Day => Some(KeyName::new(KeyKind::Bucket, &self.class, DAYS_UNIT)),
            KeyKind::Subject | KeyKind::Link | KeyKind::Object => {
                let bucket = self.unit.get(..2).unwrap_or_default();
                Some(KeyName::new(KeyKind::Bucket, &self.class, bucket))
            }
        }
    }

    /// The subject that a subject key or link key belongs to.
    #[must_use]
    pub fn owner(&self) -> Option<SubjectRef> {
        match self.kind {
            KeyKind::Subject | KeyKind::Link => SubjectRef::from_hex(&self.unit),
            KeyKind::Class
            | KeyKind::Bucket
            | KeyKind::Outgoing
            | KeyKind::Day
            | KeyKind::Index
            | KeyKind::Object
            | KeyKind::Format => None,
        }
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        for part in [&self.class, &self.unit] {
            if !part.is_empty() {
                write!(f, "/{part}")?;
            }
        }
        Ok(())
    }
}

/// Accepts `[a-z0-9][a-z0-9._-]{0,63}`; used for classes and scopes.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), VaultError> {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let starts_plain = name.bytes().next().is_some_and(is_plain);
    let all_allowed = name.bytes().all(|b| is_plain(b) || matches!(b, b'.' | b'_' | b'-'));
    if starts_plain && all_allowed && name.len() <= NAME_MAX_BYTES {
        return Ok(());
    }
    let why = "use 1 to 64 of a-z, 0-9, `.`, `_`, `-`, starting with a letter or digit";
    Err(refused(what, name, why))
}

/// Accepts 1 to 255 bytes of text without control characters.
pub(crate) fn check_log_id(log_id: &str) -> Result<(), VaultError> {
    let sized = (1..=LOG_ID_MAX_BYTES).contains(&log_id.len());
    if sized && !log_id.chars().any(char::is_control) {
        return Ok(());
    }
    Err(refused("log id", log_id, "use 1 to 255 bytes without control characters"))
}

/// Accepts a class that can be rotated: a user's, or the one of link keys.
pub(crate) fn check_class_or_link(class: &str) -> Result<(), VaultError> {
    if class == LINK_CLASS { Ok(()) } else { check_name("class", class) }
}

/// Accepts `yyyy-mm-dd` with a month of 01 to 12 and a day of 01 to 31. Whether a month has that
/// many days does not matter here: the text only names a key.
pub(crate) fn check_day(day: &str) -> Result<(), VaultError> {
    let well_formed = match day.as_bytes() {
        [y @ .., b'-', m1, m2, b'-', d1, d2] if y.len() == 4 => {
            let digits = y.iter().chain([m1, m2, d1, d2]).all(u8::is_ascii_digit);
            let month = two_digits(*m1, *m2);
            let day_of_month = two_digits(*d1, *d2);
            digits && (1..=12).contains(&month) && (1..=31).contains(&day_of_month)
        }
        _ => false,
    };
    if well_formed {
        return Ok(());
    }
    Err(refused("day", day, "use a date as yyyy-mm-dd"))
}

fn two_digits(tens: u8, ones: u8) -> u32 {
    u32::from(tens.wrapping_sub(b'0')) * 10 + u32::from(ones.wrapping_sub(b'0'))
}

fn refused(what: &'static str, given: &str, why: &'static str) -> VaultError {
    VaultError::Name { what, given: given.chars().take(80).collect(), why }
}

/// Lower-case hexadecimal.
pub(crate) fn encode_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

/// Reads exactly `N` bytes of lower-case hexadecimal.
pub(crate) fn decode_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_know_their_parents_and_owners() {
        let subject = SubjectRef([0x3f; 16]);
        let key = KeyName::subject("pii", &subject);
        let bucket = key.parent().expect("subject keys have a bucket");
        assert_eq!(bucket.to_string(), "bucket/pii/3f");
        assert_eq!(bucket.parent(), Some(KeyName::class("pii")));
        assert_eq!(KeyName::class("pii").parent(), None);
        assert_eq!(KeyName::index("user").parent(), None);
        let days = KeyName::day("pii", "2026-11-22").parent().expect("days have a bucket");
        assert_eq!(days.to_string(), "bucket/pii/days");
        assert_eq!(KeyName::link(&subject).owner(), Some(subject));
        let object = KeyName::object("pii", &ObjectId([0x3f; 16]));
        assert_eq!(object.parent(), Some(bucket));
        assert_eq!(object.owner(), None, "an object outlives the subjects in it");
        assert_eq!(KeyName::day("pii", "2026-11-22").owner(), None);
    }

    #[test]
    fn hexadecimal_round_trips_and_refuses_the_rest() {
        let subject = SubjectRef(std::array::from_fn(|i| (i * 17) as u8));
        assert_eq!(SubjectRef::from_hex(&subject.to_string()), Some(subject));
        for bad in ["", "00", &"0".repeat(31), &"0".repeat(33), &"F".repeat(32), &"é".repeat(16)] {
            assert_eq!(SubjectRef::from_hex(bad), None, "{bad}");
        }
    }

    #[test]
    fn kinds_round_trip() {
        for kind in KeyKind::ALL {
            assert_eq!(KeyKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(KeyKind::parse("root"), None);
    }

    #[test]
    fn names_and_days_are_checked() {
        for good in ["pii", "tenant-1.user_id", "0"] {
            assert!(check_name("class", good).is_ok(), "{good}");
        }
        for bad in ["", "_link", "Pii", "a b", "é", &"a".repeat(65)] {
            assert!(check_name("class", bad).is_err(), "{bad}");
        }
        for good in ["2026-11-22", "0000-01-01", "9999-12-31"] {
            assert!(check_day(good).is_ok(), "{good}");
        }
        for bad in ["", "2026-11-2", "2026-13-01", "2026-00-10", "2026-10-32", "2026/11/22", "days", "+026-11-22"] {
            assert!(check_day(bad).is_err(), "{bad}");
        }
    }
}
