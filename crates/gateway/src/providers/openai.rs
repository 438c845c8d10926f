//! The OpenAI API and everything that speaks it: base address, credential, header policy.

use bytes::Bytes;
use domain::vendors::ProviderSpec;
use engine::{Forbidden, Outbound};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Uri};
use http_body_util::Full;

use crate::dialect::openai::Operation;
use crate::problem::Problem;

/// A provider, ready to be called.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) name: String,
    pub(crate) spec: ProviderSpec,
    /// Whether the server's settings let it be called.
    allowed: Result<(), Forbidden>,
    /// The `authorization` header; `Ok(None)` when none is declared, `Err` with the variable that is not set.
    authorization: Result<Option<HeaderValue>, String>,
}

/// Headers of one connection, which no proxy passes on (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHENTICATE,
];

/// Request headers that are the gateway's own affair: credentials, whose account is billed, who the client is, and
/// what hyper writes itself. `accept-encoding` goes because compressed answers could be neither read nor recorded.
const NOT_FORWARDED: [HeaderName; 16] = [
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("openai-organization"),
    HeaderName::from_static("openai-project"),
    header::HOST,
    header::CONTENT_LENGTH,
    header::ACCEPT_ENCODING,
    header::EXPECT,
    header::FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
];

/// Response headers that concern the provider's own connection or site. What browsers are told of ours, we tell them.
const NOT_RETURNED: [HeaderName; 11] = [
    header::CONTENT_LENGTH,
    header::SET_COOKIE,
    header::ALT_SVC,
    header::STRICT_TRANSPORT_SECURITY,
    header::WWW_AUTHENTICATE,
    header::CONTENT_SECURITY_POLICY,
    header::X_CONTENT_TYPE_OPTIONS,
    header::X_FRAME_OPTIONS,
    header::REFERRER_POLICY,
    HeaderName::from_static("cross-origin-opener-policy"),
    HeaderName::from_static("cross-origin-resource-policy"),
];

impl Provider {
    /// Takes the credential out of the environment, if it is one for providers.
    pub(crate) fn new(name: &str, spec: &ProviderSpec, outbound: &Outbound) -> Self {
        // It may have been declared under other settings; and the host is judged as it will be connected to.
        let host = spec.base_url.parse::<Uri>().ok().and_then(|uri| uri.host().map(|host| outbound.allows_host(host)));
        let allowed = outbound.allows(spec).and(host.unwrap_or(Ok(())));
        let authorization = match &spec.api_key_env {
            None => Ok(None),
            Some(_) if allowed.is_err() => Ok(None),
            Some(variable) => bearer(variable).map(Some).ok_or_else(|| variable.clone()),
        };
        Self { name: name.to_owned(), spec: spec.clone(), allowed, authorization }
    }

    /// The request for the provider.
    ///
    /// # Errors
    /// When it may not be called, its credential is missing or its address is unusable.
    pub(crate) fn request(
        &self,
        operation: Operation,
        client: &HeaderMap,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, Problem> {
        if let Err(why) = &self.allowed {
            return Err(Problem::ProviderForbidden { provider: self.name.clone(), why: why.clone() });
        }
        let credential = self.authorization.as_ref().map_err(|variable| Problem::CredentialMissing {
            provider: self.name.clone(),
            variable: variable.clone(),
        })?;
        let address = format!("{}{}", self.spec.base_url.trim_end_matches('/'), operation.path());
        let uri: Uri = address.parse().map_err(|_| Problem::ProviderUnreachable(self.name.clone()))?;
        let mut headers = passed_on(client, &NOT_FORWARDED);
        if let Some(credential) = credential {
            headers.insert(header::AUTHORIZATION, credential.clone());
        }
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// The headers of a provider's answer that go to the client.
pub(crate) fn answer_headers(provider: &HeaderMap) -> HeaderMap {
    passed_on(provider, &NOT_RETURNED)
}

fn passed_on(headers: &HeaderMap, withheld: &[HeaderName]) -> HeaderMap {
    let named_hop = |name: &HeaderName| {
        let lists = headers.get_all(header::CONNECTION);
        lists
            .iter()
            .filter_map(|list| list.to_str().ok())
            .flat_map(|list| list.split(','))
            .any(|hop| name == hop.trim())
    };
    let mut out = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let ours = name.as_str().starts_with("x-counterfoil-");
        if !ours && !HOP_BY_HOP.contains(name) && !withheld.contains(name) && !named_hop(name) {
            out.append(name, value.clone());
        }
    }
    out
}

fn bearer(variable: &str) -> Option<HeaderValue> {
    let secret = std::env::var(variable).ok().filter(|secret| !secret.is_empty())?;
    let mut value = HeaderValue::from_str(&format!("Bearer {secret}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(base_url: &str, api_key_env: Option<&str>) -> Provider {
        let spec = serde_json::json!({"kind": "openai", "base_url": base_url, "api_key_env": api_key_env});
        Provider::new("p", &serde_json::from_value(spec).expect("a provider"), &Outbound::default())
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn credentials_and_hops_stay_here_and_the_rest_goes_on() {
        let client = headers(&[
            ("authorization", "Bearer ours"),
            ("x-api-key", "ours"),
            ("cookie", "a=b"),
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("x-counterfoil-subject", "anna"),
            ("accept-encoding", "gzip"),
            ("content-type", "application/json"),
            ("x-stainless-lang", "python"),
        ]);
        let request = provider("http://host/v1/", None).request(Operation::Embeddings, &client, Bytes::new());
        let request = request.expect("a request");
        assert_eq!(request.uri(), "http://host/v1/embeddings");
        let want = headers(&[("content-type", "application/json"), ("x-stainless-lang", "python")]);
        assert_eq!(*request.headers(), want);
    }

    #[test]
    fn what_clients_need_of_an_answer_comes_back() {
        let kept = [
            ("retry-after", "2"),
            ("retry-after-ms", "2000"),
            ("x-should-retry", "true"),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-request-id", "req_1"),
            ("content-type", "application/json"),
        ];
        let lost = [
            ("set-cookie", "a=b"),
            ("transfer-encoding", "chunked"),
            ("x-counterfoil-inference", "theirs"),
            ("content-security-policy", "default-src *"),
            ("cross-origin-resource-policy", "cross-origin"),
        ];
        let sent = headers(&[&kept[..], &lost[..]].concat());
        assert_eq!(answer_headers(&sent), headers(&kept));
    }

    #[test]
    fn a_missing_credential_is_named() {
        let provider = provider("http://host/v1", Some("COUNTERFOIL_PROVIDER_NO_SUCH_VARIABLE"));
        let error = provider.request(Operation::Responses, &HeaderMap::new(), Bytes::new()).expect_err("no credential");
        assert!(error.to_string().contains("set `COUNTERFOIL_PROVIDER_NO_SUCH_VARIABLE`"), "{error}");
    }

    #[test]
    fn what_the_settings_forbid_is_not_called() {
        // `PATH` is set wherever tests run, and is no credential.
        for (base_url, variable) in [("http://host/v1", Some("PATH")), ("http://169.254.169.254/v1", None)] {
            let provider = provider(base_url, variable);
            let error = provider.request(Operation::Responses, &HeaderMap::new(), Bytes::new()).expect_err("forbidden");
            assert_eq!(error.code(), "provider_forbidden");
            assert!(!format!("{provider:?}").contains("Bearer"), "nothing was read");
        }
    }
}
