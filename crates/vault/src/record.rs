//! Sealed payloads: the bytes of one record's personal data, given its two keys. Pure but for a
//! thread-local compressor; where the keys come from is the key ring's affair.
//!
//! ```text
//! lp(x)   = u32 LE length in bytes ‖ x
//! context = "cf/rec/v1" ‖ lp(log_id) ‖ lp(class)
//! r       = 24 random bytes, new for every record, kept in the core part of the record
//! PRK     = HKDF-SHA-256-Extract(salt = r, ikm = subject_key(32) ‖ day_key(32))       RFC 5869
//! enc(32) ‖ nonce(12) ‖ sk(32) = HKDF-Expand(PRK, info = context, 76 bytes)
//!
//! plain   = for each field, ids strictly ascending: u16 LE id ‖ u32 LE length ‖ value
//! ct      = AES-256-GCM(key = enc, nonce, plaintext = zstd(plain), aad = context ‖ r), tag appended
//! ct_sha256 = SHA-256(ct)
//! c_root  = commitment to the fields, keyed by sk: see the module `commit`
//! ```
//!
//! `zstd(plain)` is one frame that states its content size, at most 64 MiB. `r`, `ct_sha256` and
//! `c_root` are public and permanent; `ct` and the subject reference are the erasable part. The
//! class, the log and `r` are bound by `context` and `aad`; subject and day are bound by their keys.
//! Every record has its own key and nonce from 192 random bits, so no nonce can repeat under a key.
//! The length of `ct` tells the compressed size of the fields.

use std::cell::RefCell;

use hkdf::HkdfExtract;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe;

use crate::commit::{commitment, commitment_root, salt};
use crate::error::VaultError;
use crate::wrap::{SecretKey, decrypt_in_place, encrypt_in_place, push_prefixed, scrub_stack};

/// Largest encoded payload, in bytes, before compression.
pub const MAX_PLAIN_BYTES: usize = 64 << 20;
/// Most fields in a payload: their number is a `u16` in the commitment.
const MAX_FIELDS: usize = 65_535;
const LABEL: &[u8] = b"cf/rec/v1";
const FIELD_HEADER_BYTES: usize = 6;
const TAG_BYTES: usize = 16;
/// Fast and about three times smaller on text; payloads are on the request path.
const ZSTD_LEVEL: i32 = 1;
/// Fewer bytes than this, 4 KiB and what goes with them, are stored as they are: to compress them takes longer than all
/// else that sealing does.
const SMALL_BYTES: usize = 4608;

/// A sealed payload, as [`crate::Vault::seal`] makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Salt of the record key; public, part of the ledger's leaf.
    pub r: [u8; 24],
    /// Ciphertext with its tag; erasable.
    pub ct: Vec<u8>,
    /// SHA-256 of `ct`; public, part of the leaf.
    pub ct_sha256: [u8; 32],
    /// Commitment to the fields; public, part of the leaf.
    pub c_root: [u8; 32],
    /// The commitments under `c_root`, one per field; can be recomputed by opening.
    pub commitments: Vec<[u8; 32]>,
}

impl Sealed {
    /// The parts needed to open it.
    #[must_use]
    pub fn as_ref(&self) -> SealedRef<'_> {
        SealedRef { r: &self.r, ct: &self.ct, c_root: &self.c_root }
    }
}

/// What is needed, besides keys, to open a sealed payload.
#[derive(Clone, Copy, Debug)]
pub struct SealedRef<'a> {
    /// Salt of the record key, from the core part.
    pub r: &'a [u8; 24],
    /// Ciphertext, from the payload part.
    pub ct: &'a [u8],
    /// Commitment to the fields, from the core part.
    pub c_root: &'a [u8; 32],
}

/// An opened payload with all that a disclosure needs.
pub(crate) struct Opened {
    pub(crate) fields: Vec<(u16, Vec<u8>)>,
    pub(crate) commitments: Vec<[u8; 32]>,
    pub(crate) keys: RecordKeys,
}

/// The keys of one record.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct RecordKeys {
    enc: [u8; 32],
    nonce: [u8; 12],
    sk: [u8; 32],
}

impl RecordKeys {
    pub(crate) fn derive(context: &[u8], r: &[u8; 24], subject_key: &SecretKey, day_key: &SecretKey) -> RecordKeys {
        let keys = Self::derived(context, r, subject_key, day_key);
        scrub_stack();
        keys
    }

    #[inline(never)]
    fn derived(context: &[u8], r: &[u8; 24], subject_key: &SecretKey, day_key: &SecretKey) -> RecordKeys {
        let mut extract = HkdfExtract::<Sha256>::new(Some(r));
        extract.input_ikm(subject_key.expose());
        extract.input_ikm(day_key.expose());
        let (_, expander) = extract.finalize();
        let mut okm = Zeroizing::new([0; 76]);
        expander.expand(context, &mut *okm).expect("76 bytes are less than 255 blocks");

        let mut keys = RecordKeys { enc: [0; 32], nonce: [0; 12], sk: [0; 32] };
        keys.enc.copy_from_slice(&okm[..32]);
        keys.nonce.copy_from_slice(&okm[32..44]);
        keys.sk.copy_from_slice(&okm[44..]);
        keys
    }

    /// The salt that proves a field's value to an auditor.
    pub(crate) fn salt(&self, field: u16) -> [u8; 32] {
        salt(&self.sk, field)
    }

    fn commitments<V: AsRef<[u8]>>(&self, fields: &[(u16, V)]) -> Vec<[u8; 32]> {
        fields.iter().map(|(id, value)| commitment(&self.salt(*id), *id, value.as_ref())).collect()
    }
}

/// `context`: the log and class that a record's keys and ciphertext are bound to.
pub(crate) fn context(log_id: &str, class: &str) -> Vec<u8> {
    let mut context = Vec::with_capacity(96);
    context.extend_from_slice(LABEL);
    push_prefixed(&mut context, log_id);
    push_prefixed(&mut context, class);
    context
}

/// Encrypts and commits to `fields` with keys derived for this `r` and context.
pub(crate) fn seal(
    keys: &RecordKeys,
    context: &[u8],
    r: [u8; 24],
    fields: &[(u16, &[u8])],
) -> Result<Sealed, VaultError> {
    let plain = encode_fields(fields)?;
    let mut ct = compress(&plain)?;
    encrypt_in_place(&keys.enc, &keys.nonce, &[context, &r].concat(), &mut ct);
    let ct_sha256 = Sha256::digest(&ct).into();
    let commitments = keys.commitments(fields);
    let c_root = commitment_root(&commitments).ok_or(VaultError::TooManyFields)?;
    Ok(Sealed { r, ct, ct_sha256, c_root, commitments })
}

/// Decrypts, and checks that the content is what `c_root` commits to.
pub(crate) fn open(keys: RecordKeys, context: &[u8], sealed: &SealedRef<'_>) -> Result<Opened, VaultError> {
    let mut packed = sealed.ct.to_vec();
    decrypt_in_place(&keys.enc, &keys.nonce, &[context, sealed.r].concat(), &mut packed)
        .ok_or(VaultError::Ciphertext)?;
    let fields = parse_fields(&decompress(&packed)?)?;
    let commitments = keys.commitments(&fields);
    if commitment_root(&commitments).as_ref() != Some(sealed.c_root) {
        return Err(VaultError::CommitmentMismatch);
    }
    Ok(Opened { fields, commitments, keys })
}

fn encode_fields(fields: &[(u16, &[u8])]) -> Result<Vec<u8>, VaultError> {
    if fields.len() > MAX_FIELDS {
        return Err(VaultError::TooManyFields);
    }
    for pair in fields.windows(2) {
        if let [(previous, _), (next, _)] = *pair
            && next <= previous
        {
            return Err(VaultError::FieldOrder { previous, next });
        }
    }
    let bytes = fields
        .iter()
        .fold(0usize, |sum, (_, value)| sum.saturating_add(FIELD_HEADER_BYTES).saturating_add(value.len()));
    if bytes > MAX_PLAIN_BYTES {
        return Err(VaultError::TooLarge { bytes, limit: MAX_PLAIN_BYTES });
    }
    let mut plain = Vec::with_capacity(bytes);
    for (id, value) in fields {
        let len = u32::try_from(value.len()).expect("checked against the limit of 64 MiB");
        plain.extend_from_slice(&id.to_le_bytes());
        plain.extend_from_slice(&len.to_le_bytes());
        plain.extend_from_slice(value);
    }
    Ok(plain)
}

/// Reads the fields of a decrypted and decompressed payload. Takes any bytes; memory is bounded by
/// their number.
///
/// # Errors
/// [`VaultError::Malformed`] or [`VaultError::FieldOrder`] when they are not what sealing writes.
pub fn parse_fields(mut plain: &[u8]) -> Result<Vec<(u16, Vec<u8>)>, VaultError> {
    let mut fields: Vec<(u16, Vec<u8>)> = Vec::new();
    while !plain.is_empty() {
        let ([i0, i1, l0, l1, l2, l3], rest) = plain
            .split_first_chunk::<FIELD_HEADER_BYTES>()
            .ok_or(VaultError::Malformed("a field header is cut short"))?;
        let id = u16::from_le_bytes([*i0, *i1]);
        let (value, rest) = usize::try_from(u32::from_le_bytes([*l0, *l1, *l2, *l3]))
            .ok()
            .and_then(|len| rest.split_at_checked(len))
            .ok_or(VaultError::Malformed("a field is longer than the payload"))?;
        if let Some((previous, _)) = fields.last()
            && id <= *previous
        {
            return Err(VaultError::FieldOrder { previous: *previous, next: id });
        }
        fields.push((id, value.to_vec()));
        plain = rest;
    }
    Ok(fields)
}

thread_local! {
    // Setting up a compressor costs several times what compressing a small payload does.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// One zstd frame, in a buffer with room for the tag.
fn compress(plain: &[u8]) -> Result<Vec<u8>, VaultError> {
    if plain.len() < SMALL_BYTES {
        return Ok(stored_frame(plain));
    }
    let mut out = Vec::with_capacity(zstd_safe::compress_bound(plain.len()) + TAG_BYTES);
    COMPRESSOR.with_borrow_mut(|slot| {
        let compressor = match slot {
            Some(compressor) => compressor,
            None => slot.insert(Compressor::new(ZSTD_LEVEL).map_err(VaultError::Compress)?),
        };
        compressor.compress_to_buffer(plain, &mut out).map_err(VaultError::Compress)
    })?;
    Ok(out)
}

/// A zstd frame of one raw block (RFC 8878 sections 3.1.1.1 and 3.1.1.2.2), with room for the tag.
fn stored_frame(plain: &[u8]) -> Vec<u8> {
    let len = u16::try_from(plain.len()).expect("fewer than `SMALL_BYTES`");
    let mut out = Vec::with_capacity(plain.len() + 10 + TAG_BYTES);
    out.extend_from_slice(&zstd_safe::MAGICNUMBER.to_le_bytes());
    // A single segment, so that the content size stands in for the window; it has two bytes from 256 on.
    match u8::try_from(len) {
        Ok(len) => out.extend_from_slice(&[0x20, len]),
        Err(_) => {
            out.push(0x60);
            out.extend_from_slice(&(len - 256).to_le_bytes());
        }
    }
    let last_raw_block = (u32::from(len) << 3) | 1;
    out.extend_from_slice(&last_raw_block.to_le_bytes()[..3]);
    out.extend_from_slice(plain);
    out
}

/// Undoes [`compress`]; the stated content size bounds the memory.
fn decompress(packed: &[u8]) -> Result<Vec<u8>, VaultError> {
    let bytes = zstd_safe::get_frame_content_size(packed)
        .ok()
        .flatten()
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or(VaultError::Malformed("the zstd frame states no content size"))?;
    if bytes > MAX_PLAIN_BYTES {
        return Err(VaultError::TooLarge { bytes, limit: MAX_PLAIN_BYTES });
    }
    DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => slot.insert(Decompressor::new().map_err(VaultError::Compress)?),
        };
        decompressor.decompress(packed, bytes).map_err(|_| VaultError::Malformed("the zstd frame does not decompress"))
    })
}

#[cfg(test)]
mod tests;
