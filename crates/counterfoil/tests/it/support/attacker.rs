//! Whoever has the files: what a copy of the key store and the root key file opens, and which guesses stored digests confirm.
//!
//! The formats are those that the vault documents; nothing here asks the vault.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use store::SqliteKeys;
use store::custodian::FileCustodian;
use vault::{Custodian, KeyKind, KeyName, KeyStore, SecretKey, Stored, SubjectRef, WrappedKey};

/// Bits of the filter of what files hold, as a power of two.
const FILTER_BITS: u32 = 29;

/// Digests are told apart by their beginning first.
const PREFIX: usize = 8;

/// A key store and a root key file, copied as they lay there.
pub struct Copied {
    keys: SqliteKeys,
    root: FileCustodian,
    origin: String,
}

impl Copied {
    /// Copies both out of a data directory into another.
    pub fn take(data: &Path, into: &Path, origin: &str) -> Self {
        std::fs::create_dir_all(into).expect("made");
        for part in ["keys.sqlite", "keys.sqlite-wal", "root.key"] {
            if data.join(part).exists() {
                std::fs::copy(data.join(part), into.join(part)).expect("copied");
            }
        }
        let keys = SqliteKeys::open(&into.join("keys.sqlite")).expect("a key store");
        let root = FileCustodian::open(&into.join("root.key")).expect("a root key");
        Self { keys, root, origin: origin.to_owned() }
    }

    fn live(&self, name: &KeyName) -> Option<WrappedKey> {
        match self.keys.get(name).expect("readable") {
            Some(Stored::Live(key)) => Some(key),
            Some(Stored::Destroyed { .. }) | None => None,
        }
    }

    fn opened(&self, key: &WrappedKey) -> Option<[u8; 32]> {
        let mut aad = b"cf/wrap/v1".to_vec();
        for part in [self.origin.as_str(), key.name.kind.as_str(), &key.name.class, &key.name.unit] {
            aad.extend_from_slice(&u32::try_from(part.len()).expect("short").to_le_bytes());
            aad.extend_from_slice(part.as_bytes());
        }
        aad.extend_from_slice(&key.version.to_le_bytes());
        let plain = match key.name.parent() {
            None => self.root.unwrap(&key.wrapped, &aad).ok()?,
            Some(parent) => {
                let parent = self.opened(&self.live(&parent)?)?;
                SecretKey::from_bytes(&parent).unwrap(&key.wrapped, &aad)?.to_vec()
            }
        };
        plain.try_into().ok()
    }

    /// The keys of a person, opened.
    pub fn keys_of(&self, subject: &str) -> Vec<[u8; 32]> {
        let subject = SubjectRef::from_hex(subject).expect("a reference");
        let keys = self.keys.keys_of(&subject).expect("readable");
        keys.iter().map(|key| self.opened(key).expect("it opens with the files at hand")).collect()
    }

    /// The keys of the indexes of names, by scope.
    pub fn indexes(&self) -> Vec<(String, [u8; 32])> {
        let names = self.keys.list().expect("readable").into_iter().filter(|key| key.kind == KeyKind::Index);
        let open = |key: vault::KeyInfo| {
            let stored = self.live(&KeyName::index(&key.id))?;
            Some((key.id, self.opened(&stored).expect("it opens with the files at hand")))
        };
        names.filter_map(open).collect()
    }
}

/// The files below directories.
pub fn files_below(dirs: &[&Path]) -> Vec<PathBuf> {
    let mut open: Vec<PathBuf> = dirs.iter().map(|dir| (*dir).to_owned()).collect();
    let mut files = Vec::new();
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("readable").path();
            if path.is_dir() { open.push(path) } else { files.push(path) }
        }
    }
    files
}

/// Files that hold one of these keys, as bytes or as hexadecimal digits.
pub fn keys_in(dirs: &[&Path], keys: &[[u8; 32]]) -> Vec<PathBuf> {
    let hex: Vec<String> = keys.iter().map(|key| merkle::hex(key)).collect();
    let has = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        let raw = keys.iter().any(|key| bytes.windows(32).any(|part| part == key));
        raw || hex.iter().any(|key| bytes.windows(64).any(|part| part == key.as_bytes()))
    };
    files_below(dirs).into_iter().filter(has).collect()
}

/// Calls `each` with the beginning of whatever could be a digest: at any place of any file, as bytes and as hexadecimal
/// digits, and with the 32 bytes there.
fn each_place(files: &[PathBuf], mut each: impl FnMut(u64, &dyn Fn() -> Option<[u8; 32]>)) {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let unhex = |text: &[u8]| -> Option<Vec<u8>> {
        text.as_chunks::<2>().0.iter().map(|[high, low]| Some((digit(*high)? << 4) | digit(*low)?)).collect()
    };
    for file in files {
        let bytes = std::fs::read(file).unwrap_or_default();
        let mut digits = 0;
        for at in 0..bytes.len() {
            if let Some(window) = bytes.get(at..at + PREFIX) {
                let prefix = u64::from_le_bytes(window.try_into().expect("eight bytes"));
                if prefix != 0 {
                    each(prefix, &|| bytes.get(at..at + 32)?.try_into().ok());
                }
            }
            digits = if digit(bytes[at]).is_some() { digits + 1 } else { 0 };
            if digits >= 2 * PREFIX {
                let from = at + 1 - 2 * PREFIX;
                let window = unhex(&bytes[from..=at]).expect("digits");
                let prefix = u64::from_le_bytes(window.try_into().expect("eight bytes"));
                each(prefix, &|| unhex(bytes.get(from..from + 64)?)?.try_into().ok());
            }
        }
    }
}

/// The digests that somebody could make of a guess: of it alone, as a leaf of a tree, and with each key that the files give.
fn digests(guess: &str, keys: &[Hmac<Sha256>], each: &mut dyn FnMut([u8; 32])) {
    let written = guess.strip_prefix("+61").unwrap_or_default();
    for form in [guess.to_owned(), format!("0{written}"), format!("61{written}")] {
        each(Sha256::digest(&form).into());
        each(Sha256::new().chain_update([0]).chain_update(&form).finalize().into());
        for key in keys {
            each(key.clone().chain_update(&form).finalize().into_bytes().into());
        }
    }
}

/// The guesses that a stored digest confirms.
pub fn confirmed(
    dirs: &[&Path],
    keys: &[(String, [u8; 32])],
    guesses: impl Fn(u32) -> String,
    count: u32,
) -> BTreeSet<String> {
    let files = files_below(dirs);
    // A prefix is a digest's or chance; the filter lets through what may be there, and then it is looked for exactly.
    let mut filter = vec![0_u64; 1 << (FILTER_BITS - 6)];
    let place = |prefix: u64| {
        let bit = prefix.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - FILTER_BITS);
        (usize::try_from(bit / 64).expect("within the filter"), 1_u64 << (bit % 64))
    };
    each_place(&files, |prefix, _| {
        let (word, bit) = place(prefix);
        filter[word] |= bit;
    });
    let macs: Vec<Hmac<Sha256>> =
        keys.iter().map(|(_, key)| Hmac::<Sha256>::new_from_slice(key).expect("any length")).collect();
    let mut suspects: HashMap<u64, Vec<([u8; 32], u32)>> = HashMap::new();
    for number in 0..count {
        digests(&guesses(number), &macs, &mut |digest| {
            let prefix = u64::from_le_bytes(*digest.first_chunk().expect("32 bytes begin with eight"));
            let (word, bit) = place(prefix);
            if filter[word] & bit != 0 {
                suspects.entry(prefix).or_default().push((digest, number));
            }
        });
    }
    let mut found = BTreeSet::new();
    each_place(&files, |prefix, whole| {
        let Some(suspected) = suspects.get(&prefix) else { return };
        let Some(whole) = whole() else { return };
        found.extend(suspected.iter().filter(|(digest, _)| *digest == whole).map(|(_, number)| guesses(*number)));
    });
    found
}
