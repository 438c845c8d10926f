//! What stands in a root key file. Reading and writing it is pure; see [`super::FileCustodian`] for the file.
//!
//! One key without a passphrase is one line, made to be copied to paper or into a password manager:
//!
//! ```text
//! counterfoil-root-key-1 <64 hexadecimal digits> <16 digits of its fingerprint>
//! ```
//!
//! Several versions, while a ratchet is under way, oldest first; or keys under a passphrase:
//!
//! ```text
//! counterfoil-root-key-2 plain                                counterfoil-root-key-2 argon2id <KiB> <passes> <lanes> <salt>
//! key <64 hexadecimal digits> <fingerprint>                   sealed <nonce and AES-256-GCM of the lines on the left, each "key …">
//! key <64 hexadecimal digits> <fingerprint>                   end <SHA-256 of all before this line>
//! end <SHA-256 of all before this line>
//! ```
//!
//! Salt, sealed bytes and digest are in Base64. The key that seals is Argon2id (version 1.3) of the passphrase; the first
//! line is authenticated with it.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};
use vault::SecretKey;
use zeroize::Zeroizing;

const ONE: &str = "counterfoil-root-key-1";
const SEVERAL: &str = "counterfoil-root-key-2";
/// Length of a file with one key and no passphrase.
const ONE_BYTES: usize = ONE.len() + 1 + 64 + 1 + 16 + 1;
/// Most versions in a file: a ratchet needs two.
pub(super) const MOST_VERSIONS: usize = 16;
const SALT_BYTES: usize = 16;

/// What a new passphrase costs whoever guesses: the second choice of RFC 9106, for machines that have other work too.
const COST: Cost = Cost { kib: 64 << 10, passes: 3, lanes: 4 };
/// The most that a file may ask for; a changed file must not stop the machine.
const MOST_COST: Cost = Cost { kib: 1 << 20, passes: 64, lanes: 64 };

/// Parameters of Argon2id.
struct Cost {
    kib: u32,
    passes: u32,
    lanes: u32,
}

/// Why a root key file cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Cut short, changed, or something else altogether.
    Damaged(&'static str),
    /// It is under a passphrase, and none was given.
    Sealed,
    /// The passphrase is another one.
    Passphrase,
    /// A passphrase was given, and it is under none.
    NotSealed,
}

/// The versions of the root key, oldest first; there is at least one.
///
/// # Errors
/// [`Unreadable`].
pub fn read(bytes: &[u8], passphrase: Option<&str>) -> Result<Vec<SecretKey>, Unreadable> {
    let several = bytes.starts_with(SEVERAL.as_bytes());
    if !several && bytes.len() < ONE_BYTES {
        return Err(Unreadable::Damaged("it is cut short"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Unreadable::Damaged("it is not text"))?;
    if several {
        return read_several(text, passphrase);
    }
    let mut parts = text.strip_suffix('\n').unwrap_or(text).split(' ');
    if parts.next() != Some(ONE) {
        return Err(Unreadable::Damaged("it does not begin like a root key file"));
    }
    let root = key(&mut parts)?;
    if parts.next().is_some() || bytes.len() > ONE_BYTES {
        return Err(Unreadable::Damaged("there is more in it than a key"));
    }
    match passphrase {
        None => Ok(vec![root]),
        Some(_) => Err(Unreadable::NotSealed),
    }
}

/// A key and its fingerprint.
fn key<'a>(parts: &mut impl Iterator<Item = &'a str>) -> Result<SecretKey, Unreadable> {
    let key = parts.next().and_then(SecretKey::from_hex);
    let key = key.ok_or(Unreadable::Damaged("a key is not 64 hexadecimal digits"))?;
    match parts.next() == Some(&key.fingerprint()) {
        true => Ok(key),
        false => Err(Unreadable::Damaged("key and fingerprint do not match")),
    }
}

fn read_several(text: &str, passphrase: Option<&str>) -> Result<Vec<SecretKey>, Unreadable> {
    let short = || Unreadable::Damaged("it is cut short");
    let lines = text.strip_suffix('\n').ok_or_else(short)?;
    let (before, digest) = lines.rsplit_once("\nend ").ok_or_else(short)?;
    let covered = text.get(..before.len() + 1).ok_or_else(short)?;
    if digest != checksum(covered) {
        return Err(Unreadable::Damaged("its checksum does not match"));
    }
    let (head, body) = before.split_once('\n').ok_or_else(short)?;
    let how: Vec<&str> = head.split(' ').collect();
    match how[..] {
        [SEVERAL, "plain"] if passphrase.is_some() => Err(Unreadable::NotSealed),
        [SEVERAL, "plain"] => keys(body),
        [SEVERAL, "argon2id", kib, passes, lanes, salt] => {
            let strange = || Unreadable::Damaged("the parameters of its passphrase make no sense");
            let number = |text: &str, most: u32| text.parse::<u32>().ok().filter(|n| *n <= most).ok_or_else(strange);
            let cost = Cost {
                kib: number(kib, MOST_COST.kib)?,
                passes: number(passes, MOST_COST.passes)?,
                lanes: number(lanes, MOST_COST.lanes)?,
            };
            let salt = BASE64_STANDARD.decode(salt).ok().filter(|salt| salt.len() == SALT_BYTES).ok_or_else(strange)?;
            let sealed = body.strip_prefix("sealed ").and_then(|sealed| BASE64_STANDARD.decode(sealed).ok());
            let sealed = sealed.ok_or(Unreadable::Damaged("its sealed part is not Base64"))?;
            let passphrase = passphrase.ok_or(Unreadable::Sealed)?;
            let sealing = derive(&cost, &salt, passphrase).ok_or_else(strange)?;
            let opened = sealing.unwrap(&sealed, head.as_bytes()).ok_or(Unreadable::Passphrase)?;
            let opened =
                std::str::from_utf8(&opened).map_err(|_| Unreadable::Damaged("what was sealed is not text"))?;
            keys(opened)
        }
        _ => Err(Unreadable::Damaged("its first line is not one of a root key file")),
    }
}

/// Lines of keys.
fn keys(body: &str) -> Result<Vec<SecretKey>, Unreadable> {
    let mut found = Vec::with_capacity(2);
    for line in body.split('\n') {
        let mut parts = line.split(' ');
        if parts.next() != Some("key") {
            return Err(Unreadable::Damaged("a line is not one of a key"));
        }
        found.push(key(&mut parts)?);
        if parts.next().is_some() || found.len() > MOST_VERSIONS {
            return Err(Unreadable::Damaged("there is more in it than keys"));
        }
    }
    Ok(found)
}

/// What stands in the file for these versions, oldest first.
///
/// # Errors
/// When the operating system gives no random bytes, or not the memory that a passphrase takes.
pub fn write(versions: &[SecretKey], passphrase: Option<&str>) -> Result<Zeroizing<String>, &'static str> {
    // Each capacity avoids stray copies as a text grows.
    let mut text = Zeroizing::new(String::with_capacity(crate::secret_file::MAX_BYTES));
    if let ([root], None) = (versions, passphrase) {
        for part in [ONE, " ", root.to_hex().as_str(), " ", &root.fingerprint(), "\n"] {
            text.push_str(part);
        }
        return Ok(text);
    }
    let mut keys = Zeroizing::new(String::with_capacity(versions.len() * 90));
    for (index, version) in versions.iter().enumerate() {
        let line_feed = if index == 0 { "" } else { "\n" };
        for part in [line_feed, "key ", version.to_hex().as_str(), " ", &version.fingerprint()] {
            keys.push_str(part);
        }
    }
    match passphrase {
        None => {
            for part in [SEVERAL, " plain\n", keys.as_str(), "\n"] {
                text.push_str(part);
            }
        }
        Some(passphrase) => {
            let mut salt = [0; SALT_BYTES];
            getrandom::fill(&mut salt).map_err(|_| "the system gave no random bytes")?;
            let Cost { kib, passes, lanes } = COST;
            let head = format!("{SEVERAL} argon2id {kib} {passes} {lanes} {}", BASE64_STANDARD.encode(salt));
            let sealing = derive(&COST, &salt, passphrase).ok_or("there is not enough memory for a passphrase")?;
            let sealed =
                sealing.wrap(keys.as_bytes(), head.as_bytes()).map_err(|_| "the system gave no random bytes")?;
            for part in [head.as_str(), "\nsealed ", &BASE64_STANDARD.encode(sealed), "\n"] {
                text.push_str(part);
            }
        }
    }
    let digest = checksum(&text);
    for part in ["end ", &digest, "\n"] {
        text.push_str(part);
    }
    Ok(text)
}

fn derive(cost: &Cost, salt: &[u8], passphrase: &str) -> Option<SecretKey> {
    let params = Params::new(cost.kib, cost.passes, cost.lanes, Some(32)).ok()?;
    let mut key = Zeroizing::new([0_u8; 32]);
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password_into(passphrase.as_bytes(), salt, &mut *key).ok()?;
    Some(SecretKey::from_bytes(&key))
}

fn checksum(text: &str) -> String {
    BASE64_STANDARD.encode(Sha256::digest(text.as_bytes()))
}
