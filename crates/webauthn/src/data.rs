//! What the authenticator says (section 6.1): for which site, how its user was verified, how often it has signed, and its
//! key when that was just made.

use sha2::{Digest, Sha256};

use crate::cbor::{Item, Reader};
use crate::key::PublicKey;
use crate::{Flaw, MAX_CREDENTIAL_BYTES, Site};

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const ATTESTED: u8 = 1 << 6;
const EXTENDED: u8 = 1 << 7;

/// An authenticator's data.
pub(crate) struct Data<'a> {
    site_sha256: &'a [u8],
    flags: u8,
    /// How many signatures it has counted.
    pub sign_count: u32,
    /// The credential that was just made, if one was.
    pub attested: Option<Attested<'a>>,
}

/// A credential that was just made.
pub(crate) struct Attested<'a> {
    pub credential: &'a [u8],
    pub key: PublicKey,
}

impl<'a> Data<'a> {
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (site_sha256, rest) = bytes.split_at_checked(32)?;
        let (flags, rest) = rest.split_first()?;
        let (sign_count, mut rest) = rest.split_first_chunk::<4>()?;
        let has = |flag: u8| flags & flag != 0;
        if has(BACKED_UP) && !has(BACKUP_ELIGIBLE) {
            return None;
        }
        let mut attested = None;
        if has(ATTESTED) {
            let (made, after) = Attested::parse(rest)?;
            (attested, rest) = (Some(made), after);
        }
        if has(EXTENDED) {
            let mut reader = Reader::new(rest);
            if !matches!(reader.item()?, Item::Map(_)) {
                return None;
            }
            rest = reader.rest();
        }
        let sign_count = u32::from_be_bytes(*sign_count);
        rest.is_empty().then_some(Self { site_sha256, flags: *flags, sign_count, attested })
    }

    /// Whether it is for this site, and its user was there and verified.
    pub fn check(&self, site: &Site) -> Result<(), Flaw> {
        if self.site_sha256 != &Sha256::digest(site.id.as_bytes())[..] {
            return Err(Flaw::Site);
        }
        let verified = USER_PRESENT | USER_VERIFIED;
        if self.flags & verified != verified {
            return Err(Flaw::UserNotVerified);
        }
        Ok(())
    }

    /// Whether the credential may be copied to other devices.
    pub fn synced(&self) -> bool {
        self.flags & BACKUP_ELIGIBLE != 0
    }
}

impl<'a> Attested<'a> {
    /// The credential, and what comes after it.
    fn parse(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (_model, rest) = bytes.split_at_checked(16)?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        if !(1..=MAX_CREDENTIAL_BYTES).contains(&length) {
            return None;
        }
        let (credential, rest) = rest.split_at_checked(length)?;
        let mut reader = Reader::new(rest);
        let key = PublicKey::from_cose(&reader.item()?)?;
        Some((Self { credential, key }, reader.rest()))
    }
}
