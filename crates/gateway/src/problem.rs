//! What can go wrong with a request, and the one place where that becomes a response.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use domain::serving::Status;
use engine::Forbidden;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;

use crate::dialect::openai::{Operation, PeekError};

/// The response header with our identifier of the inference.
pub(crate) const INFERENCE: HeaderName = HeaderName::from_static("x-counterfoil-inference");

/// How a door words its errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `{"error": {"message", "type", "param", "code"}}`.
    OpenAi,
    /// `{"error": "..."}`.
    Oip,
}

/// Why a request was not answered as asked. The text is for the client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("no API key was sent: send the header `authorization: Bearer KEY`")]
    KeyMissing,
    #[error("the API key is not known here, has expired or was revoked: ask for a new one")]
    KeyInvalid,
    #[error("this key opens the management API, not inference: use a key of a service")]
    KeyScope,
    #[error(
        "service `{0}` is declared for an environment or a purpose that this key was not made for: ask for a new key"
    )]
    KeyOutside(String),
    #[error("services {services} both have a model `{model}`: name one in the header `x-counterfoil-service`")]
    ServiceUnclear { model: String, services: String },
    #[error("service `{0}` is not offered any more: ask its owner for another")]
    ServiceRetired(String),
    #[error("{0}")]
    Forbidden(String),
    #[error(
        "rule `{rule}` does not permit data of class `{class}` {}, where model `{model}` answers: ask for a transfer to be \
         authorised, or use another model",
        .region.as_ref().map_or_else(|| "in a region that is not known".to_owned(), |region| format!("in `{region}`"))
    )]
    Residency { model: String, rule: String, class: String, region: Option<String> },
    #[error(
        "`{0}` is not governed by this gateway, so it is refused: use chat completions, responses, embeddings or completions"
    )]
    NotGoverned(String),
    #[error("`{0}` is not an operation of the Open Inference Protocol: POST to /v2/models/NAME/infer")]
    NoOperation(String),
    #[error("the request body is larger than {0} bytes: send less")]
    BodyTooLarge(usize),
    #[error("the request body did not arrive whole")]
    BodyBroken,
    #[error("the request body did not arrive within {} seconds", .0.as_secs())]
    BodyLate(Duration),
    #[error("the request body has content-encoding `{0}`: send it uncompressed")]
    BodyEncoded(String),
    #[error(transparent)]
    Request(#[from] PeekError),
    #[error("{0}")]
    Input(String),
    #[error("the request holds what this route does not let through ({0}): take it out, or ask the service's owner")]
    PersonalDataBlocked(String),
    #[error("the answer holds what this route does not let through ({0}), so it is not given")]
    AnswerBlocked(String),
    #[error("the inputs break contract {0}: see what the contract asks of them")]
    Contract(String),
    #[error("`{0}` is not a model of this service: see GET /v1/models")]
    ModelUnknown(String),
    #[error("model `{model}` has no version `{version}` here: version `{serves}` answers")]
    VersionUnknown { model: String, version: String, serves: String },
    #[error("`{0}` takes tensors, not text: call it with the Open Inference Protocol at /v2/models/{0}/infer")]
    ModelTakesTensors(String),
    #[error("`{0}` is a model of an outside provider: call it with the OpenAI API below /v1")]
    ModelTakesText(String),
    #[error("model `{model}` cannot be loaded: {why}")]
    ModelUnavailable { model: String, why: String },
    #[error("model `{model}` gave no answer: {why}")]
    ModelFailed { model: String, why: String },
    #[error("too many requests are being served at once: try again shortly")]
    Overloaded,
    #[error("the inference cannot be recorded, so it is refused: {0}")]
    Unrecordable(&'static str),
    #[error(
        "the gateway has no credential for provider `{provider}`: set `{variable}` in its environment and restart it"
    )]
    CredentialMissing { provider: String, variable: String },
    #[error("provider `{provider}` may not be called: {why}")]
    ProviderForbidden { provider: String, why: Forbidden },
    #[error("provider `{0}` could not be reached")]
    ProviderUnreachable(String),
    #[error("provider `{provider}` sent nothing for {} ms", .silence.as_millis())]
    ProviderSilent { provider: String, silence: Duration },
    #[error("provider `{0}` broke off its answer")]
    ProviderBroke(String),
    #[error("provider `{0}` ended its answer before it was complete: ask again")]
    ProviderEndedEarly(String),
    #[error("provider `{provider}` sent an answer that cannot be passed on: {why}")]
    ProviderGarbage { provider: String, why: &'static str },
    #[error("the answer is larger than {0} bytes, which is more than can be recorded: it was stopped")]
    AnswerTooLarge(usize),
    #[error("the answer took longer than {} seconds: it was stopped", .0.as_secs())]
    AnswerTooLong(Duration),
    #[error("the gateway failed; the reason is in its log")]
    Internal,
}

/// What a problem means on the wire and in the record.
struct Facts {
    http: StatusCode,
    /// Our stable code, in the error and in the record.
    code: &'static str,
    status: Status,
    retry_after: Option<u32>,
}

impl Problem {
    fn facts(&self) -> Facts {
        use StatusCode as S;
        let refused = |http, code| Facts { http, code, status: Status::Refused, retry_after: None };
        let failed = |http, code| Facts { http, code, status: Status::Error, retry_after: None };
        match self {
            Self::KeyMissing => refused(S::UNAUTHORIZED, "missing_api_key"),
            Self::KeyInvalid => refused(S::UNAUTHORIZED, "invalid_api_key"),
            Self::KeyScope | Self::KeyOutside(_) => refused(S::FORBIDDEN, "key_scope"),
            Self::ServiceUnclear { .. } => refused(S::BAD_REQUEST, "service_unclear"),
            Self::ServiceRetired(_) => refused(S::FORBIDDEN, "service_retired"),
            Self::Forbidden(_) => refused(S::FORBIDDEN, "forbidden"),
            Self::Residency { .. } => refused(S::FORBIDDEN, "residency"),
            Self::NotGoverned(_) => refused(S::NOT_FOUND, "not_governed"),
            Self::NoOperation(_) => refused(S::NOT_FOUND, "unknown_operation"),
            Self::BodyTooLarge(_) => refused(S::PAYLOAD_TOO_LARGE, "request_too_large"),
            Self::BodyBroken => Facts { status: Status::Cancelled, ..refused(S::BAD_REQUEST, "request_incomplete") },
            Self::BodyLate(_) => refused(S::REQUEST_TIMEOUT, "request_timeout"),
            Self::BodyEncoded(_) => refused(S::UNSUPPORTED_MEDIA_TYPE, "request_encoded"),
            Self::Request(_) | Self::Input(_) => refused(S::BAD_REQUEST, "invalid_request"),
            Self::PersonalDataBlocked(_) => refused(S::BAD_REQUEST, "personal_data_blocked"),
            Self::AnswerBlocked(_) => refused(S::BAD_GATEWAY, "answer_blocked"),
            Self::Contract(_) => refused(S::UNPROCESSABLE_ENTITY, "contract_broken"),
            Self::ModelUnknown(_) | Self::VersionUnknown { .. } => refused(S::NOT_FOUND, "model_not_found"),
            Self::ModelTakesTensors(_) | Self::ModelTakesText(_) => refused(S::BAD_REQUEST, "wrong_protocol"),
            Self::ModelUnavailable { .. } => failed(S::SERVICE_UNAVAILABLE, "model_unavailable"),
            Self::ModelFailed { .. } => failed(S::BAD_REQUEST, "model_failed"),
            Self::Overloaded => Facts { retry_after: Some(1), ..refused(S::SERVICE_UNAVAILABLE, "overloaded") },
            Self::Unrecordable(_) => {
                Facts { retry_after: Some(10), ..refused(S::SERVICE_UNAVAILABLE, "recording_unavailable") }
            }
            Self::CredentialMissing { .. } => failed(S::SERVICE_UNAVAILABLE, "provider_credential_missing"),
            Self::ProviderForbidden { .. } => refused(S::SERVICE_UNAVAILABLE, "provider_forbidden"),
            Self::ProviderUnreachable(_) => failed(S::BAD_GATEWAY, "provider_unreachable"),
            Self::ProviderSilent { .. } => failed(S::GATEWAY_TIMEOUT, "provider_timeout"),
            Self::ProviderBroke(_) => failed(S::BAD_GATEWAY, "provider_broke_off"),
            Self::ProviderEndedEarly(_) => failed(S::BAD_GATEWAY, "provider_ended_early"),
            Self::ProviderGarbage { .. } => failed(S::BAD_GATEWAY, "provider_invalid_answer"),
            Self::AnswerTooLarge(_) => failed(S::BAD_GATEWAY, "answer_too_large"),
            Self::AnswerTooLong(_) => failed(S::GATEWAY_TIMEOUT, "answer_too_long"),
            Self::Internal => failed(S::INTERNAL_SERVER_ERROR, "internal_error"),
        }
    }

    /// The HTTP status.
    pub(crate) fn http(&self) -> StatusCode {
        self.facts().http
    }

    /// Our stable code.
    pub(crate) fn code(&self) -> &'static str {
        self.facts().code
    }

    /// How the record says the inference ended.
    pub(crate) fn status(&self) -> Status {
        self.facts().status
    }

    fn param(&self) -> Option<&'static str> {
        match self {
            Self::Request(error) => error.param(),
            Self::ModelUnknown(_) | Self::ModelTakesTensors(_) | Self::ModelTakesText(_) => Some("model"),
            _ => None,
        }
    }

    /// The error as the door words it.
    pub(crate) fn body(&self, shape: Shape) -> Vec<u8> {
        let error = match shape {
            Shape::Oip => json!({"error": self.to_string()}),
            Shape::OpenAi => json!({"error": self.openai()}),
        };
        error.to_string().into_bytes()
    }

    fn openai(&self) -> serde_json::Value {
        let facts = self.facts();
        let kind = match facts.http.as_u16() {
            403 => "permission_error",
            400..500 => "invalid_request_error",
            _ => "server_error",
        };
        json!({"message": self.to_string(), "type": kind, "param": self.param(), "code": facts.code})
    }

    /// The error as the last event of a stream, as OpenAI's own clients expect it.
    pub(crate) fn event(&self, operation: Operation) -> Vec<u8> {
        let error = self.openai();
        match operation {
            Operation::Responses => {
                let event = json!({"type": "error", "code": error["code"], "message": error["message"],
                    "param": null, "error": error});
                format!("event: error\ndata: {event}\n\n").into_bytes()
            }
            _ => format!("data: {}\n\n", json!({"error": error})).into_bytes(),
        }
    }

    /// The response. Every error of the gateway becomes one here.
    pub(crate) fn response(&self, shape: Shape) -> Response {
        let facts = self.facts();
        let mut response = Response::new(Body::from(self.body(shape)));
        *response.status_mut() = facts.http;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = facts.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if facts.http == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_shape_of_their_door() {
        let problem = Problem::ModelUnknown("gpt-0".into());
        let openai: serde_json::Value = serde_json::from_slice(&problem.body(Shape::OpenAi)).expect("JSON");
        assert_eq!(
            openai,
            json!({"error": {"message": "`gpt-0` is not a model of this service: see GET /v1/models",
                "type": "invalid_request_error", "param": "model", "code": "model_not_found"}})
        );
        let oip: serde_json::Value = serde_json::from_slice(&problem.body(Shape::Oip)).expect("JSON");
        assert_eq!(oip, json!({"error": "`gpt-0` is not a model of this service: see GET /v1/models"}));
    }

    #[test]
    fn refusals_for_want_of_a_record_say_when_to_come_back() {
        let response = Problem::Unrecordable("the disk is full").response(Shape::OpenAi);
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "10");
    }

    #[test]
    fn streams_end_with_an_error_event() {
        let event = String::from_utf8(Problem::Internal.event(Operation::ChatCompletions)).expect("text");
        assert!(event.starts_with(r#"data: {"error":{"#) && event.ends_with("}\n\n"), "{event}");
        let event = String::from_utf8(Problem::Internal.event(Operation::Responses)).expect("text");
        assert!(event.starts_with("event: error\ndata: {"), "{event}");
    }
}
