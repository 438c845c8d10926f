//! The doors: which paths lead into the pipeline, and the few questions that are answered without an inference.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{MethodRouter, any, get};
use domain::models::Tensor;
use engine::Engine;
use serde_json::{Value, json};

use crate::Gateway;
use crate::detached::Detached;
use crate::dialect::openai::Operation;
use crate::pipeline::{Door, secret, serve};
use crate::problem::{Problem, Shape};
use crate::snapshot::{Answerer, Route, Scope, Service};

/// The inference doors: everything below `/v1` and `/v2`. What is not governed there is refused and recorded.
pub fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/v1/chat/completions", operation(Operation::ChatCompletions))
        .route("/v1/completions", operation(Operation::Completions))
        .route("/v1/embeddings", operation(Operation::Embeddings))
        .route("/v1/responses", operation(Operation::Responses))
        .route("/v1/models", get(models).fallback(not_governed))
        .route("/v1/models/{*model}", get(model).fallback(not_governed))
        .route("/v1", any(not_governed))
        .route("/v1/", any(not_governed))
        .route("/v1/{*rest}", any(not_governed))
        .route("/v2", get(server).fallback(no_operation))
        .route("/v2/", get(server).fallback(no_operation))
        .route("/v2/health/live", get(live).fallback(no_operation))
        .route("/v2/health/ready", get(ready).fallback(no_operation))
        .route("/v2/models/{model}", get(metadata).fallback(no_operation))
        .route("/v2/models/{model}/ready", get(model_ready).fallback(no_operation))
        .route("/v2/models/{model}/infer", any(infer))
        .route("/v2/models/{model}/versions/{version}", get(metadata).fallback(no_operation))
        .route("/v2/models/{model}/versions/{version}/ready", get(model_ready).fallback(no_operation))
        .route("/v2/models/{model}/versions/{version}/infer", any(infer))
        .route("/v2/{*rest}", any(no_operation))
        .with_state(gateway)
}

/// One inference: a client that hangs up does not stop what must be recorded.
async fn pass(gateway: Arc<Gateway>, door: Door, request: Request) -> Response {
    Detached::new(|departed| serve(gateway, door, request, departed)).await
}

fn operation(operation: Operation) -> MethodRouter<Arc<Gateway>> {
    any(move |State(gateway): State<Arc<Gateway>>, request: Request| {
        let door = if request.method() == Method::POST { Door::OpenAi(operation) } else { Door::OpenAiOther };
        pass(gateway, door, request)
    })
}

async fn not_governed(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    pass(gateway, Door::OpenAiOther, request).await
}

async fn no_operation(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    pass(gateway, Door::OipOther, request).await
}

/// The model and version in a path of the Open Inference Protocol.
#[derive(serde::Deserialize)]
struct Names {
    model: String,
    version: Option<String>,
}

/// Names that cannot be read are refused in the pipeline, so that they are on record too.
async fn infer(
    State(gateway): State<Arc<Gateway>>,
    names: Result<Path<Names>, PathRejection>,
    request: Request,
) -> Response {
    let door = match names {
        Ok(Path(names)) if request.method() == Method::POST => {
            Door::Infer { model: names.model, version: names.version }
        }
        _ => Door::OipOther,
    };
    pass(gateway, door, request).await
}

/// The service whose key a request shows, for questions that are no inferences and hence not recorded.
async fn service(gateway: &Gateway, headers: &HeaderMap) -> Result<Arc<Service>, Problem> {
    let snapshot = gateway.snapshots.current(&gateway.engine).await?;
    match &snapshot.access(secret(headers)?, Engine::now_ms())?.scope {
        Scope::Service(service) => Ok(service.clone()),
        Scope::Retired(service) => Err(Problem::ServiceRetired(service.clone())),
        Scope::Management => Err(Problem::KeyScope),
    }
}

fn reply(shape: Shape, answer: Result<Value, Problem>) -> Response {
    match answer {
        Ok(value) => Json(value).into_response(),
        Err(problem) => problem.response(shape),
    }
}

async fn models(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Response {
    let list = |service: Arc<Service>| {
        let data: Vec<Value> = service.routes.iter().map(|route| openai_model(route)).collect();
        json!({"object": "list", "data": data})
    };
    reply(Shape::OpenAi, service(&gateway, &headers).await.map(list))
}

async fn model(State(gateway): State<Arc<Gateway>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let find = |service: Arc<Service>| match service.route(&name) {
        Some(route) => Ok(openai_model(route)),
        None => Err(Problem::ModelUnknown(name)),
    };
    reply(Shape::OpenAi, service(&gateway, &headers).await.and_then(find))
}

/// A route as OpenAI clients see a model.
fn openai_model(route: &Route) -> Value {
    let owner = match &route.target {
        Answerer::Provider(provider, _) => provider.name.as_str(),
        Answerer::Model(_) => "counterfoil",
    };
    json!({"id": route.name, "object": "model", "created": route.since / 1000, "owned_by": owner})
}

async fn server() -> Json<Value> {
    Json(json!({"name": "counterfoil", "version": env!("CARGO_PKG_VERSION"), "extensions": []}))
}

async fn live() -> Json<Value> {
    Json(json!({"live": true}))
}

async fn ready(State(gateway): State<Arc<Gateway>>) -> Response {
    let snapshot = gateway.snapshots.current(&gateway.engine).await;
    reply(Shape::Oip, snapshot.map(|_| json!({"ready": true})))
}

async fn metadata(State(gateway): State<Arc<Gateway>>, Path(names): Path<Names>, headers: HeaderMap) -> Response {
    let describe = |service: Arc<Service>| {
        let route = tensor_route(&service, &names)?;
        let Answerer::Model(loaded) = &route.target else { return Err(Problem::ModelTakesText(names.model.clone())) };
        let facts = &loaded.registered.facts;
        Ok(json!({"name": route.name, "versions": [route.version], "platform": "onnx_onnxv1",
            "inputs": tensors(&facts.inputs), "outputs": tensors(&facts.outputs)}))
    };
    reply(Shape::Oip, service(&gateway, &headers).await.and_then(describe))
}

async fn model_ready(State(gateway): State<Arc<Gateway>>, Path(names): Path<Names>, headers: HeaderMap) -> Response {
    let check = |service: Arc<Service>| {
        let route = tensor_route(&service, &names)?;
        match &route.target {
            Answerer::Provider(..) => Err(Problem::ModelTakesText(names.model.clone())),
            Answerer::Model(loaded) => match &loaded.model {
                Ok(_) => Ok(json!({"name": route.name, "ready": true})),
                Err(why) => Err(Problem::ModelUnavailable { model: names.model.clone(), why: why.clone() }),
            },
        }
    };
    reply(Shape::Oip, service(&gateway, &headers).await.and_then(check))
}

/// The route with a name, if it serves the version asked for.
fn tensor_route(service: &Service, names: &Names) -> Result<Arc<Route>, Problem> {
    let route = service.route(&names.model).ok_or_else(|| Problem::ModelUnknown(names.model.clone()))?;
    route.serves(names.version.as_deref())?;
    Ok(route.clone())
}

fn tensors(tensors: &[Tensor]) -> Vec<Value> {
    let describe = |tensor: &Tensor| json!({"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape});
    tensors.iter().map(describe).collect()
}
