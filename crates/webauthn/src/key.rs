//! Public keys: read from COSE (RFC 9053), kept in a form that every library takes, and used to check signatures.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};

use crate::cbor::Item;

/// Bytes of an RSA modulus: 2,048 to 8,192 bits.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// How a passkey signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519.
    Ed25519,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// ECDSA over P-384 with SHA-384.
    Es384,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
}

impl Algorithm {
    /// All that are taken, the best first.
    pub const ALL: [Self; 4] = [Self::Ed25519, Self::Es256, Self::Es384, Self::Rs256];

    /// Its number in COSE.
    #[must_use]
    pub fn cose(self) -> i64 {
        match self {
            Self::Ed25519 => -8,
            Self::Es256 => -7,
            Self::Es384 => -35,
            Self::Rs256 => -257,
        }
    }
}

/// The public key of a passkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// How its owner signs.
    pub algorithm: Algorithm,
    /// Of Ed25519 its 32 bytes; of ECDSA the point, uncompressed (SEC 1); of RSA the exponent in 4 bytes and the modulus,
    /// both big-endian.
    pub bytes: Vec<u8>,
}

impl PublicKey {
    /// Reads a COSE key of one of the algorithms that are taken.
    pub(crate) fn from_cose(key: &Item<'_>) -> Option<Self> {
        let int = |label: i64| key.get(&Item::Int(label))?.int();
        let bytes = |label: i64| key.get(&Item::Int(label))?.bytes();
        let coordinate = |label: i64, length: usize| bytes(label).filter(|bytes| bytes.len() == length);
        let point = |length: usize| Some([&[4_u8][..], coordinate(-2, length)?, coordinate(-3, length)?].concat());
        // Key type, algorithm, and the curve where there is one.
        let (algorithm, bytes) = match (int(1)?, int(3)?, int(-1)) {
            (1, -8, Some(6)) => (Algorithm::Ed25519, coordinate(-2, 32)?.to_vec()),
            (2, -7, Some(1)) => (Algorithm::Es256, point(32)?),
            (2, -35, Some(2)) => (Algorithm::Es384, point(48)?),
            (3, -257, None) => (Algorithm::Rs256, rsa(bytes(-1)?, bytes(-2)?)?),
            _ => return None,
        };
        Some(Self { algorithm, bytes })
    }

    /// Whether `signature` is this key's, of `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let by = |algorithm: &'static dyn VerificationAlgorithm| {
            UnparsedPublicKey::new(algorithm, &self.bytes).verify(message, signature).is_ok()
        };
        match self.algorithm {
            Algorithm::Ed25519 => by(&ED25519),
            Algorithm::Es256 => by(&ECDSA_P256_SHA256_ASN1),
            Algorithm::Es384 => by(&ECDSA_P384_SHA384_ASN1),
            Algorithm::Rs256 => self.rsa_verifies(message, signature),
        }
    }

    fn rsa_verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let Some((exponent, modulus)) = self.bytes.split_first_chunk::<4>() else { return false };
        let zeroes = exponent.iter().take_while(|byte| **byte == 0).count();
        let exponent = exponent.get(zeroes..).unwrap_or_default();
        let key = RsaPublicKeyComponents { n: modulus, e: exponent };
        key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
    }
}

/// Exponent and modulus in the one form that is kept. Numbers have no leading zeroes, so that no key has two forms.
fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<Vec<u8>> {
    let plain = |number: &[u8]| number.first().is_some_and(|byte| *byte != 0);
    if !plain(modulus) || !plain(exponent) || !MODULUS_BYTES.contains(&modulus.len()) {
        return None;
    }
    let padding = [0_u8; 4];
    let zeroes = padding.get(..4_usize.checked_sub(exponent.len())?)?;
    Some([zeroes, exponent, modulus].concat())
}
