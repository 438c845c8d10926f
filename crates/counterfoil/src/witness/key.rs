//! The witness's signing key, a file that only its owner may read: `counterfoil-witness-1 <seed in hex> <name>`.

use std::path::Path;

use merkle::CosignerKey;
use store::secret_file;

use crate::output::Failure;

/// First word of a key file.
const MAGIC: &str = "counterfoil-witness-1";

/// Makes a key under `name` and writes it to a new file.
///
/// # Errors
/// When the name cannot name a key, or the file exists or cannot be written.
pub fn generate(name: &str, path: &Path) -> Result<CosignerKey, Failure> {
    let mut seed = [0u8; 32];
    getrandom::fill(&mut seed).map_err(|e| Failure::io(format!("no random numbers: {e}")))?;
    let key = CosignerKey::new(name, &seed).map_err(|e| Failure::usage(e.to_string()))?;
    let line = format!("{MAGIC} {} {name}\n", merkle::hex(&seed));
    secret_file::create(path, line.as_bytes()).map_err(|e| Failure::io(e.to_string()))?;
    Ok(key)
}

/// Reads a key file.
///
/// # Errors
/// When it is missing, damaged, or readable by others.
pub fn read(path: &Path) -> Result<CosignerKey, Failure> {
    let bytes = secret_file::read(path).map_err(|e| Failure::io(e.to_string()))?;
    parse(&bytes).ok_or_else(|| {
        let what = "is not a witness key; make one with `counterfoil witness keygen`, or restore it from its backup";
        Failure::io(format!("`{}` {what}", path.display()))
    })
}

fn parse(bytes: &[u8]) -> Option<CosignerKey> {
    let line = str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
    let (seed, name) = line.strip_prefix(MAGIC)?.strip_prefix(' ')?.split_once(' ')?;
    CosignerKey::new(name, &merkle::hash_from_hex(seed).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_new_key_when_read_back_then_it_is_the_same_and_it_is_never_overwritten() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("witness.key");
        let made = generate("witness.example/w1", &path).expect("made");
        let read = read(&path).expect("read back");
        assert_eq!(read.verifier_key(), made.verifier_key());
        assert!(made.verifier_key().to_string().starts_with("witness.example/w1+"));
        let again = generate("witness.example/w1", &path).expect_err("it exists");
        assert!(again.message.contains("exists already"), "{}", again.message);
        assert_eq!(generate("a b", &dir.path().join("other")).expect_err("a space").code, 64);
    }

    #[test]
    fn given_damaged_key_files_when_read_then_they_are_refused() {
        let whole = format!("{MAGIC} {} w\n", "07".repeat(32));
        assert!(parse(whole.as_bytes()).is_some());
        for end in 0..whole.len() {
            assert!(parse(&whole.as_bytes()[..end]).is_none(), "{end} bytes");
        }
        assert!(parse(whole.to_uppercase().as_bytes()).is_none());
        assert!(parse(&[0xff; 40]).is_none());
    }
}
