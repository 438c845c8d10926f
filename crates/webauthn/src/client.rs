//! What the browser says it was doing (section 5.8.1): which page asked for what.

use serde::Deserialize;

use crate::options::encode;
use crate::{Flaw, Site};

#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(rename = "crossOrigin", default)]
    cross_origin: bool,
    #[serde(rename = "topOrigin", default)]
    top_origin: Option<String>,
}

/// Whether the browser answered this challenge, to do this, at a page of the site that no other site framed.
pub(crate) fn check(json: &[u8], kind: &str, site: &Site, challenge: &[u8]) -> Result<(), Flaw> {
    let data: ClientData = serde_json::from_slice(json).map_err(|_| Flaw::Form)?;
    if data.kind != kind {
        return Err(Flaw::Form);
    }
    if data.challenge != encode(challenge) {
        return Err(Flaw::Challenge);
    }
    if data.origin != site.origin || data.cross_origin || data.top_origin.is_some() {
        return Err(Flaw::Origin);
    }
    Ok(())
}
