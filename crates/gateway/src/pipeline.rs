//! The pipeline: every inference request passes these steps, in this order, whatever its door.
//!
//! admit, authenticate, read the body, understand it, route, authorise, put on record, answer, complete the record,
//! release the last byte. A step that refuses ends the pipeline; the record of the refusal is made all the same.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use domain::data::residency::country_is_valid;
use domain::serving::{Status, WhenUnrecordable};
use engine::Engine;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::Gateway;
use crate::body::{self, Bounds};
use crate::detached::Departed;
use crate::dialect::openai::{self, MAX_SUBJECT, Operation, Peek};
use crate::guard::{self, Places, StreamGuard};
use crate::passage::StreamBody;
use crate::permission::{Permitted, authorise};
use crate::predict;
use crate::problem::{INFERENCE, Problem, Shape};
use crate::providers::openai::Provider;
use crate::record::{Draft, Outcome};
use crate::snapshot::{Access, Answerer, Opened, Scope, Service, with_route};
use crate::stream::{Flow, Start};

/// Where a request came in.
#[derive(Clone, Debug)]
pub(crate) enum Door {
    /// A governed operation of the OpenAI API.
    OpenAi(Operation),
    /// Anything else below `/v1`.
    OpenAiOther,
    /// Inference by the Open Inference Protocol.
    Infer { model: String, version: Option<String> },
    /// Anything else below `/v2`.
    OipOther,
}

impl Door {
    /// The name in records.
    fn name(&self) -> &'static str {
        match self {
            Self::OpenAi(Operation::ChatCompletions) => "openai.chat.completions",
            Self::OpenAi(Operation::Completions) => "openai.completions",
            Self::OpenAi(Operation::Embeddings) => "openai.embeddings",
            Self::OpenAi(Operation::Responses) => "openai.responses",
            Self::OpenAiOther => "openai.other",
            Self::Infer { .. } => "oip.infer",
            Self::OipOther => "oip.other",
        }
    }

    fn shape(&self) -> Shape {
        match self {
            Self::OpenAi(_) | Self::OpenAiOther => Shape::OpenAi,
            Self::Infer { .. } | Self::OipOther => Shape::Oip,
        }
    }
}

/// The header in which clients may name whom a request concerns. It goes no further.
const SUBJECT: HeaderName = HeaderName::from_static("x-counterfoil-subject");

/// The header in which clients may name the country of whom a request concerns, by two letters. It goes no further.
const COUNTRY: HeaderName = HeaderName::from_static("x-counterfoil-subject-country");

/// The header in which clients name a service when their key opens several that have the model.
pub(crate) const SERVICE: HeaderName = HeaderName::from_static("x-counterfoil-service");

/// Set to `false` on an answer whose record failed, where the service allows that.
const RECORDED: HeaderName = HeaderName::from_static("x-counterfoil-recorded");

/// Says that tensors follow the JSON in binary form, an extension of the Open Inference Protocol.
const BINARY_TENSORS: HeaderName = HeaderName::from_static("inference-header-content-length");

/// An answer, before its record is complete.
enum Reply {
    Whole { status: StatusCode, headers: HeaderMap, body: Bytes },
    Stream { status: StatusCode, headers: HeaderMap, start: Box<Start> },
}

/// Serves one request, from its arrival to its durable record.
pub(crate) async fn serve(gateway: Arc<Gateway>, door: Door, request: Request, departed: Departed) -> Response {
    let permit = gateway.places.clone().try_acquire_owned().ok();
    let overloaded = permit.is_none();
    let mut draft = Draft::new(gateway.clone(), door.name(), permit);
    let id = HeaderValue::from_str(&draft.core.inference_id).ok();
    let reply = match overloaded {
        true => Err(Problem::Overloaded),
        false => answer(&gateway, &door, request, &mut draft).await,
    };
    let shape = door.shape();
    let (outcome, response) = match reply {
        Err(problem) => refused(&mut draft, problem, shape, &departed),
        Ok(Reply::Whole { status, headers, body }) => answered(&mut draft, status, headers, body, &departed),
        // A stream is released as it comes, but for its end.
        Ok(Reply::Stream { status, headers, start }) => {
            let body = Body::new(StreamBody::new(Flow::new(*start, draft)));
            return identified(respond(status, headers, body), id);
        }
    };
    identified(release(draft, outcome, response, shape).await, id)
}

fn identified(mut response: Response, id: Option<HeaderValue>) -> Response {
    if let Some(id) = id {
        response.headers_mut().insert(INFERENCE, id);
    }
    response
}

/// The steps up to an answer.
async fn answer(gateway: &Arc<Gateway>, door: &Door, request: Request, draft: &mut Draft) -> Result<Reply, Problem> {
    let (head, incoming) = request.into_parts();
    note_request(draft, &head);

    // Authenticate before the body is kept, so that strangers cannot fill memory or disk.
    let snapshot = gateway.snapshots.current(&gateway.engine).await?;
    draft.core.config_size = i64::try_from(snapshot.config_size).unwrap_or(i64::MAX);
    let now = Engine::now_ms();
    let access = secret(&head.headers).and_then(|secret| snapshot.access(secret, now));
    let opened = access.and_then(|access| {
        access.note_use(&gateway.engine, now);
        Ok((access, services_of(access, draft)?))
    });

    // The body is read even if it will be refused: clients that are still sending would not see the answer.
    let limits = &gateway.limits;
    let bounds = if opened.is_ok() { Bounds::known(limits) } else { Bounds::stranger(limits) };
    let read = body::read(incoming, &head.headers, bounds, limits).await;
    draft.core.request_bytes = i64::try_from(read.arrived).unwrap_or(i64::MAX);
    draft.request = read.kept;
    let (access, services) = opened?;
    if let Some(problem) = read.problem {
        return Err(problem);
    }

    // Understand and route.
    let body = draft.request.clone();
    let ask = understand(door, &head, &body, draft)?;
    let named = head.headers.get(SERVICE).and_then(|name| name.to_str().ok());
    let Some((opened, route)) = with_route(services, ask.model(), named)? else {
        return Err(Problem::ModelUnknown(shortened(ask.model())));
    };
    let route = route.clone();
    note_service(&opened.service, draft);
    draft.core.route = Some(route.name.clone());
    draft.core.model = Some(route.model.clone());
    draft.core.version = Some(route.version.clone());
    draft.core.deployment.clone_from(&route.deployment);
    draft.core.region.clone_from(&route.region);
    if let Answerer::Provider(provider, _) = &route.target {
        draft.core.provider = Some(provider.name.clone());
    }

    // Authorise: from here on, permission is a value.
    let said = country(&head.headers)?;
    said.iter().for_each(|country| draft.request_meta.put("subject_country", country));
    let own = opened.service.spec.subject_country.as_deref();
    let countries: Vec<&str> = own.into_iter().chain(said.as_deref()).collect();
    let permitted = match authorise(&gateway.engine, access, opened, route, &countries, now) {
        Ok(permitted) => permitted,
        Err((problem, policies)) => {
            draft.core.policies = Some(policies).filter(|policies| !policies.is_empty());
            return Err(problem);
        }
    };
    draft.core.policies = Some(permitted.policies().to_owned());

    // Answer, after the request is on record.
    match (ask, &permitted.route().target) {
        (Ask::Text(operation, peek), Answerer::Provider(provider, model)) => {
            let mut call = Call {
                operation,
                peek: &peek,
                client: &head.headers,
                body: peek.rewrite(&body, model),
                places: Places::default(),
            };
            if let Some(guard) = &permitted.route().guard {
                let (guard, body) = (guard.clone(), call.body.clone());
                let guarded = guard::apart(body.len(), move || guard::request(&guard, &body)).await?;
                draft.request_guarded(&guarded.tally);
                (call.body, call.places) = (guarded.body?, guarded.places);
            }
            draft.begin().await?;
            ask_provider(gateway, &permitted, provider, call, draft).await
        }
        (Ask::Tensors { version, .. }, Answerer::Model(loaded)) => {
            permitted.route().serves(version)?;
            draft.begin().await?;
            draft.call_begins();
            let answered = predict::run(&permitted, loaded.clone(), body).await;
            draft.call_ends();
            let (body, broken) = answered?;
            if !broken.is_empty() {
                // Sealed with the answer: which checks, and no value.
                let broken: Vec<String> = broken.iter().map(ToString::to_string).collect();
                draft.response_meta.put("contract", broken);
            }
            let (status, headers) = (StatusCode::OK, json_headers());
            Ok(Reply::Whole { status, headers, body })
        }
        (Ask::Text(_, peek), Answerer::Model(_)) => Err(Problem::ModelTakesTensors(peek.model)),
        (Ask::Tensors { model, .. }, Answerer::Provider(..)) => Err(Problem::ModelTakesText(model.to_owned())),
    }
}

/// What is asked of whom.
enum Ask<'a> {
    Text(Operation, Peek),
    Tensors { model: &'a str, version: Option<&'a str> },
}

impl Ask<'_> {
    fn model(&self) -> &str {
        match self {
            Self::Text(_, peek) => &peek.model,
            Self::Tensors { model, .. } => model,
        }
    }
}

fn understand<'a>(
    door: &'a Door,
    head: &http::request::Parts,
    body: &[u8],
    draft: &mut Draft,
) -> Result<Ask<'a>, Problem> {
    if matches!(door, Door::Infer { .. }) && head.headers.contains_key(BINARY_TENSORS) {
        let message =
            "binary tensors are not spoken here: send the inputs as JSON (`binary_data=False` in tritonclient)";
        return Err(Problem::Input(message.into()));
    }
    let header = head.headers.get(SUBJECT).map(|subject| subject.to_str().map(str::to_owned));
    let header = header.transpose().ok().filter(|subject| subject.as_ref().is_none_or(|s| s.len() <= MAX_SUBJECT));
    let header =
        header.ok_or_else(|| Problem::Input(format!("header `{SUBJECT}` must be ASCII text up to 1024 bytes")))?;
    let ask = match door {
        Door::OpenAi(operation) => Ask::Text(*operation, openai::peek_request(*operation, body)?),
        Door::Infer { model, version } => Ask::Tensors { model, version: version.as_deref() },
        Door::OpenAiOther => return Err(Problem::NotGoverned(request_line(head))),
        Door::OipOther => return Err(Problem::NoOperation(request_line(head))),
    };
    // The name that was asked for may be anything, so it is sealed; the core has only names that are declared.
    draft.request_meta.put("model", shortened(ask.model()));
    let in_body = match &ask {
        Ask::Text(_, peek) => {
            draft.core.stream = i64::from(peek.stream);
            peek.subject.clone()
        }
        Ask::Tensors { .. } => None,
    };
    draft.concerns(header.or(in_body));
    Ok(ask)
}

/// The country that a request names, in lower case.
fn country(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(COUNTRY) else { return Ok(None) };
    let country = value.to_str().unwrap_or_default().to_ascii_lowercase();
    match country_is_valid(&country) {
        Ok(()) => Ok(Some(country)),
        Err(refusal) => Err(Problem::Input(format!("header `{COUNTRY}`: {}", refusal.message))),
    }
}

/// What is known of a request before its body, for the sealed part of the record.
fn note_request(draft: &mut Draft, head: &http::request::Parts) {
    draft.request_meta.put("request", request_line(head));
    for (name, header) in [("user_agent", "user-agent"), ("client_request_id", "x-client-request-id")] {
        if let Some(value) = head.headers.get(header).and_then(|value| value.to_str().ok()) {
            draft.request_meta.put(name, shortened(value));
        }
    }
    if let Some(ConnectInfo(address)) = head.extensions.get::<ConnectInfo<std::net::SocketAddr>>() {
        draft.request_meta.put("remote_address", address);
    }
}

fn request_line(head: &http::request::Parts) -> String {
    shortened(&format!("{} {}", head.method, head.uri.path()))
}

/// As much of a client's own text as is worth keeping or repeating.
fn shortened(text: &str) -> String {
    let end = text.char_indices().nth(256).map_or(text.len(), |(end, _)| end);
    text[..end].to_owned()
}

/// The secret that a request shows, in any of the three headers that clients use.
pub(crate) fn secret(headers: &HeaderMap) -> Result<&str, Problem> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, secret) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(secret)
    });
    let plain = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let secret = bearer.or_else(|| plain("x-api-key")).or_else(|| plain("api-key"));
    secret.map(str::trim).filter(|secret| !secret.is_empty()).ok_or(Problem::KeyMissing)
}

/// The services that a key opens. What the record can know already is noted: the key, and the service if it is one.
fn services_of<'a>(access: &'a Access, draft: &mut Draft) -> Result<&'a [Opened], Problem> {
    draft.core.key = Some(access.key.clone());
    if let Scope::Retired(service) | Scope::Outside(service) = &access.scope {
        draft.core.service = Some(service.clone());
    }
    let services = access.services()?;
    if let [only] = services {
        note_service(&only.service, draft);
    }
    Ok(services)
}

fn note_service(service: &Service, draft: &mut Draft) {
    if draft.core.service.as_ref() == Some(&service.name) {
        return;
    }
    draft.core.service = Some(service.name.clone());
    draft.core.purpose = Some(service.spec.purpose.clone());
    draft.core.classification.clone_from(&service.spec.classification);
    draft.core.region.clone_from(&service.spec.region);
    draft.when_unrecordable = service.spec.when_unrecordable;
}

/// A call of a provider.
struct Call<'a> {
    operation: Operation,
    peek: &'a Peek,
    /// The client's headers.
    client: &'a HeaderMap,
    body: Bytes,
    /// What stands for what in the body.
    places: Places,
}

async fn ask_provider(
    gateway: &Arc<Gateway>,
    permitted: &Permitted,
    provider: &Provider,
    call: Call<'_>,
    draft: &mut Draft,
) -> Result<Reply, Problem> {
    let Call { operation, peek, client, body, places } = call;
    draft.call_begins();
    let limits = &gateway.limits;
    let guard = permitted.route().guard.as_ref();
    let begun = gateway.upstream.call(permitted, provider, operation, client, body).await?;
    draft.first_byte();
    draft.response_meta.put("status", begun.status.as_u16());
    if let Some(id) = begun.headers.get("x-request-id").and_then(|id| id.to_str().ok()) {
        draft.response_meta.put("request_id", id);
    }
    let (status, mut headers) = (begun.status, begun.headers.clone());
    if begun.is_stream() {
        draft.core.stream = 1;
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        let start = Box::new(Start {
            operation,
            provider: provider.name.clone(),
            upstream: begun.rest,
            usage_is_ours: peek.usage_is_ours(),
            http: status.as_u16(),
            idle: std::time::Duration::from_millis(provider.spec.idle_timeout_ms),
            deadline: tokio::time::Instant::now() + limits.answer_time,
            first: begun.first,
            guard: guard.map(|guard| StreamGuard::new(guard.clone(), operation, places)),
        });
        return Ok(Reply::Stream { status, headers, start });
    }
    draft.core.stream = 0;
    let mut body = BytesMut::new();
    let read = begun.read(provider, limits.response_bytes, limits.answer_time, &mut body).await;
    draft.call_ends();
    let body = body.freeze();
    // Kept even if it cannot be passed on: the record shows what the provider sent.
    draft.response = body.clone();
    read?;
    let body = match guard {
        None => body,
        Some(guard) => {
            let guard = guard.clone();
            let looked = guard::apart(body.len(), move || guard::answer(&guard, &places, &body)).await;
            // What could not be looked through is not kept either.
            let (body, tally) = looked.inspect_err(|_| draft.response = Bytes::new())?;
            tally.iter().for_each(|tally| draft.answer_guarded(tally));
            // What the client may not have is not kept either.
            draft.response = body.as_ref().cloned().unwrap_or_default();
            body?
        }
    };
    if status.is_success() {
        let why = "it is not a JSON object";
        let garbage = || Problem::ProviderGarbage { provider: provider.name.clone(), why };
        let tokens = openai::read_answer(&body).ok_or_else(garbage)?;
        draft.core.tokens_in = tokens.input;
        draft.core.tokens_out = tokens.output;
    }
    Ok(Reply::Whole { status, headers, body })
}

/// How an answer that is there as a whole ends.
fn answered(
    draft: &mut Draft,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    departed: &Departed,
) -> (Outcome, Response) {
    draft.response = body.clone();
    draft.core.response_bytes = i64::try_from(body.len()).unwrap_or(i64::MAX);
    let http = Some(status.as_u16());
    let outcome = match (departed.has(), status.is_success()) {
        (true, _) => Outcome { status: Status::Cancelled, http: None, code: Some("client_gone") },
        (_, true) => Outcome { status: Status::Ok, http, code: None },
        (_, false) => Outcome { status: Status::Error, http, code: Some("provider_error") },
    };
    (outcome, respond(status, headers, Body::from(body)))
}

/// How a request ends that was not answered as asked, and what says why.
fn refused(draft: &mut Draft, problem: Problem, shape: Shape, departed: &Departed) -> (Outcome, Response) {
    let body = problem.body(shape);
    draft.core.response_bytes = i64::try_from(body.len()).unwrap_or(i64::MAX);
    if draft.response.is_empty() {
        draft.response = body.into();
    }
    // What is refused cannot go out unrecorded: a client that hears why knows to come back.
    draft.when_unrecordable = WhenUnrecordable::Refuse;
    let http = Some(problem.http().as_u16()).filter(|_| !departed.has());
    (Outcome { status: problem.status(), http, code: Some(problem.code()) }, problem.response(shape))
}

/// Completes the record, then releases the response.
async fn release(draft: Box<Draft>, outcome: Outcome, mut response: Response, shape: Shape) -> Response {
    let lenient = draft.may_go_unrecorded();
    match draft.close(outcome).await {
        Ok(()) => response,
        Err(_) if lenient => {
            response.headers_mut().insert(RECORDED, HeaderValue::from_static("false"));
            response
        }
        Err(unrecordable) => unrecordable.response(shape),
    }
}

fn respond(status: StatusCode, headers: HeaderMap, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn json_headers() -> HeaderMap {
    HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))])
}
