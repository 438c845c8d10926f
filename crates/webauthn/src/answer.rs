//! A browser's answers: that a passkey was made (section 7.1), or that somebody showed one (section 7.2).

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::cbor::{Item, Reader};
use crate::data::Data;
use crate::options::decode;
use crate::{Flaw, MAX_ANSWER_BYTES, MAX_CREDENTIAL_BYTES, PublicKey, Site, client};

/// An answer's JSON. What else browsers send, tells nothing more.
#[derive(Deserialize)]
struct Answer<R> {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    response: R,
}

#[derive(Deserialize)]
struct MadeResponse {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    #[serde(rename = "attestationObject")]
    attestation: String,
}

#[derive(Deserialize)]
struct ShownResponse {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    #[serde(rename = "authenticatorData")]
    data: String,
    signature: String,
    #[serde(rename = "userHandle")]
    handle: String,
}

impl<'a, R: Deserialize<'a>> Answer<R> {
    /// The credential identifier and the response.
    fn parse(json: &'a [u8]) -> Option<(Vec<u8>, R)> {
        if json.len() > MAX_ANSWER_BYTES {
            return None;
        }
        let answer: Self = serde_json::from_slice(json).ok()?;
        let id = decode(&answer.id).filter(|id| (1..=MAX_CREDENTIAL_BYTES).contains(&id.len()))?;
        (answer.kind == "public-key").then_some((id, answer.response))
    }
}

/// A passkey as it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its credential identifier.
    pub credential: Vec<u8>,
    /// Its public key.
    pub key: PublicKey,
    /// How many signatures the authenticator has counted; 0 when it does not count.
    pub sign_count: u32,
    /// Whether its owner's devices may share it.
    pub synced: bool,
}

/// The answer that a passkey was made.
pub struct Creation {
    credential: Vec<u8>,
    client_data: Vec<u8>,
    /// The authenticator's data, out of the attestation object.
    data: Vec<u8>,
}

impl Creation {
    /// Reads what a browser sends.
    ///
    /// # Errors
    /// [`Flaw::Form`].
    pub fn parse(json: &[u8]) -> Result<Self, Flaw> {
        Self::read(json).ok_or(Flaw::Form)
    }

    fn read(json: &[u8]) -> Option<Self> {
        let (credential, response) = Answer::<MadeResponse>::parse(json)?;
        let attestation = decode(&response.attestation)?;
        let mut reader = Reader::new(&attestation);
        let object = reader.item().filter(|_| reader.rest().is_empty())?;
        let data = object.get(&Item::Text("authData"))?.bytes()?.to_vec();
        Some(Self { credential, client_data: decode(&response.client_data)?, data })
    }

    /// The passkey, if it was made as asked: by the challenge, at the site, by a user who was verified.
    ///
    /// # Errors
    /// The first [`Flaw`] that is found.
    pub fn verify(&self, site: &Site, challenge: &[u8]) -> Result<Made, Flaw> {
        client::check(&self.client_data, "webauthn.create", site, challenge)?;
        let data = Data::parse(&self.data).ok_or(Flaw::Form)?;
        data.check(site)?;
        let (synced, sign_count) = (data.synced(), data.sign_count);
        let attested = data.attested.filter(|made| made.credential == self.credential).ok_or(Flaw::Form)?;
        Ok(Made { credential: self.credential.clone(), key: attested.key, sign_count, synced })
    }
}

/// The answer that somebody showed a passkey.
pub struct Assertion {
    /// Which passkey it claims to be.
    pub credential: Vec<u8>,
    /// The handle by which the authenticator files it under its owner.
    pub handle: Vec<u8>,
    client_data: Vec<u8>,
    data: Vec<u8>,
    signature: Vec<u8>,
}

impl Assertion {
    /// Reads what a browser sends.
    ///
    /// # Errors
    /// [`Flaw::Form`].
    pub fn parse(json: &[u8]) -> Result<Self, Flaw> {
        Self::read(json).ok_or(Flaw::Form)
    }

    fn read(json: &[u8]) -> Option<Self> {
        let (credential, response) = Answer::<ShownResponse>::parse(json)?;
        Some(Self {
            credential,
            handle: decode(&response.handle)?,
            client_data: decode(&response.client_data)?,
            data: decode(&response.data)?,
            signature: decode(&response.signature)?,
        })
    }

    /// How many signatures the authenticator has counted, if the passkey with this key answered the challenge, at the site,
    /// for a user who was verified. `synced` is what was known of it when it was made, and never changes.
    ///
    /// # Errors
    /// The first [`Flaw`] that is found.
    pub fn verify(&self, site: &Site, challenge: &[u8], key: &PublicKey, synced: bool) -> Result<u32, Flaw> {
        client::check(&self.client_data, "webauthn.get", site, challenge)?;
        let data = Data::parse(&self.data).ok_or(Flaw::Form)?;
        data.check(site)?;
        if data.attested.is_some() || data.synced() != synced {
            return Err(Flaw::Form);
        }
        let signed = [&self.data[..], &Sha256::digest(&self.client_data)[..]].concat();
        match key.verifies(&signed, &self.signature) {
            true => Ok(data.sign_count),
            false => Err(Flaw::Signature),
        }
    }
}
