//! Counterfoil's own keys: their form, and where they stand in text that should not hold them.
//!
//! A secret is `cfk_`, 43 characters that hold 256 random bits in base 62, and 6 characters that hold the CRC-32 of those
//! 43 (ISO 3309, as in zip) in base 62. The checksum tells a secret from text that merely looks like one, so a scanner
//! reports no false alarms and need not ask anybody.

/// What every secret begins with.
pub const PREFIX: &str = "cfk_";

/// A regular expression for scanners that cannot compute the checksum.
pub const PATTERN: &str = "cfk_[0-9A-Za-z]{49}";

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Characters of the random part: 62^43 is a little more than 2^256.
const RANDOM: usize = 43;

/// Characters of the checksum: 62^6 is more than 2^32.
const CHECK: usize = 6;

/// Length of a secret in bytes.
pub const LENGTH: usize = PREFIX.len() + RANDOM + CHECK;

/// The secret that holds these random bits.
#[must_use]
pub fn secret(random: &[u8; 32]) -> String {
    let mut number = *random;
    let mut digits = [0; RANDOM];
    for digit in digits.iter_mut().rev() {
        *digit = rest_of_division_by_62(&mut number);
    }
    let mut text = String::with_capacity(LENGTH);
    text.push_str(PREFIX);
    text.extend(digits.map(char::from));
    let check = checksum(text.as_bytes().get(PREFIX.len()..).unwrap_or_default());
    text.extend(check.map(char::from));
    text
}

/// Whether this is a secret of ours: the form is right and the checksum fits. Nothing says whether it opens anything.
#[must_use]
pub fn is_genuine(candidate: &[u8]) -> bool {
    let Some((random, check)) =
        candidate.strip_prefix(PREFIX.as_bytes()).and_then(|rest| rest.split_at_checked(RANDOM))
    else {
        return false;
    };
    check.len() == CHECK && random.iter().all(u8::is_ascii_alphanumeric) && checksum(random) == *check
}

/// Where secrets begin in `text`, in ascending order. Neighbours do not matter: in `\ncfk_…` of a JSON string the prefix
/// follows a letter.
pub fn find(text: &[u8]) -> impl Iterator<Item = usize> {
    let begins = text.windows(PREFIX.len()).enumerate().filter(|(_, bytes)| *bytes == PREFIX.as_bytes());
    begins.map(|(at, _)| at).filter(|at| text.get(*at..at + LENGTH).is_some_and(is_genuine))
}

/// A secret that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The line it stands in, from 1.
    pub line: u64,
    /// The byte of that line at which it begins, from 1.
    pub column: u64,
    /// The secret.
    pub secret: String,
}

/// Finds secrets in text that comes in pieces, holding no more than a piece and the length of a secret.
#[derive(Debug)]
pub struct Scanner {
    /// The end of what came before: too short to hold a secret.
    kept: Vec<u8>,
    /// Line and column of its first byte, from 1.
    line: u64,
    column: u64,
}

impl Default for Scanner {
    fn default() -> Self {
        Self { kept: Vec::new(), line: 1, column: 1 }
    }
}

impl Scanner {
    /// Takes the next piece, and returns the secrets that are complete with it.
    pub fn push(&mut self, piece: &[u8]) -> Vec<Finding> {
        self.kept.extend_from_slice(piece);
        let text = std::mem::take(&mut self.kept);
        let mut found = Vec::new();
        let mut passed = 0;
        for at in find(&text) {
            self.pass(text.get(passed..at).unwrap_or_default());
            passed = at;
            let secret = text.get(at..at + LENGTH).unwrap_or_default();
            let secret = String::from_utf8_lossy(secret).into_owned();
            found.push(Finding { line: self.line, column: self.column, secret });
        }
        let keep = text.len().saturating_sub(LENGTH - 1);
        self.pass(text.get(passed..keep).unwrap_or_default());
        self.kept = text.get(keep..).unwrap_or_default().to_vec();
        found
    }

    fn pass(&mut self, bytes: &[u8]) {
        for byte in bytes {
            (self.line, self.column) = if *byte == b'\n' {
                (self.line.saturating_add(1), 1)
            } else {
                (self.line, self.column.saturating_add(1))
            };
        }
    }
}

fn checksum(random: &[u8]) -> [u8; CHECK] {
    let mut number = crc32fast::hash(random);
    let mut digits = [0; CHECK];
    for digit in digits.iter_mut().rev() {
        *digit = digit_of(number % 62);
        number /= 62;
    }
    digits
}

/// Divides a number, most significant byte first, and returns the rest as a digit.
fn rest_of_division_by_62(number: &mut [u8; 32]) -> u8 {
    let mut rest = 0_u32;
    for byte in number {
        let part = (rest << 8) | u32::from(*byte);
        // The rest is below 62, so the quotient is below 256.
        *byte = u8::try_from(part / 62).unwrap_or(u8::MAX);
        rest = part % 62;
    }
    digit_of(rest)
}

fn digit_of(value: u32) -> u8 {
    usize::try_from(value).ok().and_then(|value| DIGITS.get(value)).copied().unwrap_or(b'0')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_bits_give_the_known_secret() {
        let zero = secret(&[0; 32]);
        // Computed by another program: `zlib.crc32` and long integers in Python.
        assert_eq!(zero, "cfk_00000000000000000000000000000000000000000002CZclj");
        assert_eq!(secret(&[0xff; 32]), "cfk_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp13sRzl1");
        assert!(is_genuine(zero.as_bytes()));
    }

    #[test]
    fn what_merely_looks_like_a_secret_is_not_one() {
        let good = secret(&[7; 32]);
        for wrong in [
            good.replace("cfk_", "cfl_"),
            good.chars().rev().collect(),
            format!("{good}0"),
            good.get(..LENGTH - 1).expect("shorter").to_owned(),
            good.replacen(|c: char| c.is_ascii_digit(), "-", 1),
            String::new(),
        ] {
            assert!(!is_genuine(wrong.as_bytes()), "{wrong}");
        }
        let mut swapped = good.into_bytes();
        let last = swapped.len() - 1;
        swapped[last] = if swapped[last] == b'0' { b'1' } else { b'0' };
        assert!(!is_genuine(&swapped));
    }

    #[test]
    fn a_secret_is_found_wherever_it_stands() {
        let (one, other) = (secret(&[1; 32]), secret(&[2; 32]));
        let text = format!("a: {one}\n{{\"k\": \"x\\n{other}\"}}\ncfk_cfk_{one}");
        let mut scanner = Scanner::default();
        let found = scanner.push(text.as_bytes());
        let places: Vec<(u64, u64)> = found.iter().map(|finding| (finding.line, finding.column)).collect();
        assert_eq!(places, [(1, 4), (2, 11), (3, 9)]);
        assert_eq!(found[1].secret, other);
    }

    proptest! {
        #[test]
        fn every_secret_is_genuine_and_matches_the_pattern(random: [u8; 32]) {
            let secret = secret(&random);
            prop_assert!(is_genuine(secret.as_bytes()) && secret.len() == LENGTH);
            prop_assert!(secret.get(4..).expect("longer").bytes().all(|b| b.is_ascii_alphanumeric()));
        }

        #[test]
        fn pieces_do_not_matter(random: [u8; 32], before in "[a-z\n_]{0,80}", cuts in prop::collection::vec(1..60_usize, 0..20)) {
            let one = secret(&random);
            let text = format!("{before}{one}{before}\n{one}{one}");
            let whole = Scanner::default().push(text.as_bytes());
            let (mut scanner, mut rest, mut pieces) = (Scanner::default(), text.as_bytes(), Vec::new());
            for cut in cuts {
                let (piece, left) = rest.split_at(cut.min(rest.len()));
                pieces.extend(scanner.push(piece));
                rest = left;
            }
            pieces.extend(scanner.push(rest));
            prop_assert_eq!(whole.len(), 3);
            prop_assert_eq!(pieces, whole);
        }
    }
}
