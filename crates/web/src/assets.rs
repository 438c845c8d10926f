//! Style sheet, scripts and icon, embedded in the program. An address holds the digest of its bytes, so that a browser
//! may keep them for ever and a new build is seen at once.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use sha2::{Digest, Sha256};

/// An embedded file.
pub(crate) struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
    digest: LazyLock<String>,
}

macro_rules! asset {
    ($name:literal, $kind:literal, $bytes:expr) => {
        Asset { name: $name, kind: $kind, bytes: $bytes, digest: LazyLock::new(|| digest($bytes)) }
    };
}

pub(crate) static STYLE: Asset = asset!(
    "style.css",
    "text/css; charset=utf-8",
    concat!(
        include_str!("../assets/style/0-tokens.css"),
        include_str!("../assets/style/1-base.css"),
        include_str!("../assets/style/2-components.css"),
        include_str!("../assets/style/3-pages.css"),
        include_str!("../assets/style/4-print.css"),
    )
    .as_bytes()
);
pub(crate) static SCRIPT: Asset =
    asset!("app.js", "text/javascript; charset=utf-8", include_bytes!("../assets/script/app.js"));
pub(crate) static VERIFY: Asset =
    asset!("verify.js", "text/javascript; charset=utf-8", include_bytes!("../assets/script/verify.js"));
pub(crate) static PASSKEY: Asset =
    asset!("passkey.js", "text/javascript; charset=utf-8", include_bytes!("../assets/script/passkey.js"));
pub(crate) static ICON: Asset = asset!("favicon.svg", "image/svg+xml", include_bytes!("../assets/favicon.svg"));

impl Asset {
    /// Where it is served.
    pub(crate) fn url(&self) -> String {
        format!("/assets/{}/{}", *self.digest, self.name)
    }
}

/// The first 16 hexadecimal digits of SHA-256: an address, not a proof.
fn digest(bytes: &[u8]) -> String {
    merkle::hex(&Sha256::digest(bytes)[..8])
}

/// `GET /assets/{digest}/{name}`
pub(crate) async fn serve(Path((digest, name)): Path<(String, String)>) -> Response {
    let all = [&STYLE, &SCRIPT, &VERIFY, &PASSKEY, &ICON];
    let known = all.into_iter().find(|asset| asset.name == name && *asset.digest == digest);
    match known {
        Some(asset) => {
            let kept = "public, max-age=31536000, immutable";
            ([(header::CONTENT_TYPE, asset.kind), (header::CACHE_CONTROL, kept)], asset.bytes).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
