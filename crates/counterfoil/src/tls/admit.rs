//! Client certificates at every door: whoever shows one that a declared rule believes, and no key, comes in as the rule says.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use engine::{ClientCertificate, Engine, ExecuteError};
use http::{HeaderValue, header};

/// Lets certificates in at the doors of `router`.
pub fn with_certificates(router: Router, engine: &Arc<Engine>) -> Router {
    router.layer(middleware::from_fn_with_state(Arc::clone(engine), admit))
}

/// A request that shows a key, or a browser's cookies, is taken by those: a certificate adds nothing to them.
async fn admit(State(engine): State<Arc<Engine>>, mut request: Request, next: Next) -> Response {
    let headers = request.headers();
    let shows = |name: &str| headers.contains_key(name);
    let bare = !["authorization", "x-api-key", "api-key", "cookie"].into_iter().any(shows);
    let certificate = request.extensions().get::<Arc<ClientCertificate>>().filter(|_| bare).cloned();
    if let Some(certificate) = certificate {
        match engine.admit_certificate(&certificate).await {
            Ok(secret) => {
                if let Ok(mut bearer) = HeaderValue::from_str(&format!("Bearer {secret}")) {
                    bearer.set_sensitive(true);
                    request.headers_mut().insert(header::AUTHORIZATION, bearer);
                }
            }
            // The doors answer as they do to anybody without a key, and have it on record where calls are.
            Err(ExecuteError::Refused(refusal)) => tracing::debug!(%refusal, "a certificate was not let in"),
            Err(error) => tracing::warn!(%error, "a certificate could not be let in"),
        }
    }
    next.run(request).await
}
