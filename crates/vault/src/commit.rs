//! Commitments: how the ledger binds the plaintext of a sealed payload without revealing anything
//! about it, and how one field can be shown to an auditor without the others.
//!
//! ```text
//! s_i    = HMAC-SHA-256(sk, u16 LE field_id)                salt of field i; sk is from the record key
//! C_i    = HMAC-SHA-256(s_i, u16 LE field_id ‖ value_i)     commitment to field i
//! c_root = SHA-256("cf/c/v1" ‖ u16 LE k ‖ C_1 ‖ … ‖ C_k)    fields in ascending order of their ids
//! ```
//!
//! The salts are 256-bit secrets that die with the keys: after a destruction nobody can confirm a
//! guess of a value, be it one bit long. `c_root` also supplies the key commitment that AES-GCM
//! lacks: one ciphertext cannot be opened to two plaintexts. Everything here is pure, so that an
//! offline verifier can use it as it is.

use sha2::{Digest, Sha256};

use crate::wrap::hmac_sha256;

const LABEL: &[u8] = b"cf/c/v1";

/// `s_i`: the salt of one field, from the record's commitment key.
pub(crate) fn salt(sk: &[u8; 32], field: u16) -> [u8; 32] {
    hmac_sha256(sk, &[&field.to_le_bytes()])
}

/// `C_i`: the commitment to one field.
pub(crate) fn commitment(salt: &[u8; 32], field: u16, value: &[u8]) -> [u8; 32] {
    hmac_sha256(salt, &[&field.to_le_bytes(), value])
}

/// `c_root` over the commitments of a record, in field order; `None` for more than 65,535 of them.
#[must_use]
pub fn commitment_root(commitments: &[[u8; 32]]) -> Option<[u8; 32]> {
    let count = u16::try_from(commitments.len()).ok()?;
    let hasher = Sha256::new().chain_update(LABEL).chain_update(count.to_le_bytes());
    Some(hasher.chain_update(commitments.as_flattened()).finalize().into())
}

/// Whether `value` is what the record with this `c_root` holds in `field`.
///
/// `commitments` are all of the record's, in order, as they come with a disclosure; `salt` is the
/// disclosed field's. The answer needs no key and reveals nothing of the other fields.
#[must_use]
pub fn verify_commitment(
    c_root: &[u8; 32],
    commitments: &[[u8; 32]],
    field: u16,
    salt: &[u8; 32],
    value: &[u8],
) -> bool {
    commitment_root(commitments).as_ref() == Some(c_root) && commitments.contains(&commitment(salt, field, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(sk: &[u8; 32], fields: &[(u16, &[u8])]) -> (Vec<[u8; 32]>, [u8; 32]) {
        let commitments: Vec<_> = fields.iter().map(|(id, value)| commitment(&salt(sk, *id), *id, value)).collect();
        let root = commitment_root(&commitments).expect("few fields");
        (commitments, root)
    }

    #[test]
    fn a_disclosed_field_verifies_and_nothing_else_does() {
        let sk = [5; 32];
        let (commitments, root) = record(&sk, &[(1, b"yes"), (2, b"no")]);
        let salt_1 = salt(&sk, 1);
        assert!(verify_commitment(&root, &commitments, 1, &salt_1, b"yes"));
        assert!(!verify_commitment(&root, &commitments, 1, &salt_1, b"no"));
        assert!(!verify_commitment(&root, &commitments, 2, &salt_1, b"yes"));
        assert!(!verify_commitment(&root, &commitments, 1, &salt(&sk, 2), b"yes"));
        assert!(!verify_commitment(&root, &commitments[..1], 1, &salt_1, b"yes"));
        assert!(!verify_commitment(&[0; 32], &commitments, 1, &salt_1, b"yes"));
        let swapped = [commitments[1], commitments[0]];
        assert!(!verify_commitment(&root, &swapped, 1, &salt_1, b"yes"));
    }

    #[test]
    fn a_guess_cannot_be_checked_without_the_key() {
        // The same one-byte value under two keys: a table of guesses made without the key is useless.
        let (first, _) = record(&[5; 32], &[(1, b"1")]);
        let (second, _) = record(&[6; 32], &[(1, b"1")]);
        assert_ne!(first, second);
        // Nor do equal values in two fields of a record show that they are equal.
        let (pair, _) = record(&[5; 32], &[(1, b"1"), (2, b"1")]);
        assert_ne!(pair[0], pair[1]);
    }

    #[test]
    fn the_root_counts_its_commitments() {
        assert!(commitment_root(&[]).is_some());
        assert_ne!(commitment_root(&[]), commitment_root(&[[0; 32]]));
        assert_eq!(commitment_root(&vec![[0; 32]; 65_536]), None);
    }
}
