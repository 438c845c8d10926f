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
use crate::pipeline::{Door, SERVICE, secret, serve};
use crate::problem::{Problem, Shape};
use crate::snapshot::{Access, Answerer, Route, with_route};

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

/// The key that a request shows, for questions that are no inferences and hence not recorded.
async fn shown(gateway: &Gateway, headers: &HeaderMap) -> Result<Arc<Access>, Problem> {
    let snapshot = gateway.snapshots.current(&gateway.engine).await?;
    let now = Engine::now_ms();
    let access = snapshot.access(secret(headers)?, now)?;
    access.note_use(&gateway.engine, now);
    access.services()?;
    Ok(access.clone())
}

/// The route of that name, in the one service of the key that has it.
async fn route(gateway: &Gateway, headers: &HeaderMap, name: &str) -> Result<Arc<Route>, Problem> {
    let access = shown(gateway, headers).await?;
    let named = headers.get(SERVICE).and_then(|name| name.to_str().ok());
    let found = with_route(access.services()?, name, named)?;
    found.map(|(_, route)| route.clone()).ok_or_else(|| Problem::ModelUnknown(name.to_owned()))
}

fn reply(shape: Shape, answer: Result<Value, Problem>) -> Response {
    match answer {
        Ok(value) => Json(value).into_response(),
        Err(problem) => problem.response(shape),
    }
}

async fn models(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Response {
    let list = |access: Arc<Access>| {
        let routes = access.services()?.iter().flat_map(|opened| &opened.service.routes);
        let data: Vec<Value> = routes.map(|route| openai_model(route)).collect();
        Ok(json!({"object": "list", "data": data}))
    };
    reply(Shape::OpenAi, shown(&gateway, &headers).await.and_then(list))
}

async fn model(State(gateway): State<Arc<Gateway>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    reply(Shape::OpenAi, route(&gateway, &headers, &name).await.map(|route| openai_model(&route)))
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
    let describe = |route: Arc<Route>| {
        let Answerer::Model(loaded) = &route.target else { return Err(Problem::ModelTakesText(names.model.clone())) };
        let facts = &loaded.registered.facts;
        Ok(json!({"name": route.name, "versions": [route.version], "platform": "onnx_onnxv1",
            "inputs": tensors(&facts.inputs), "outputs": tensors(&facts.outputs)}))
    };
    reply(Shape::Oip, tensor_route(&gateway, &headers, &names).await.and_then(describe))
}

async fn model_ready(State(gateway): State<Arc<Gateway>>, Path(names): Path<Names>, headers: HeaderMap) -> Response {
    let check = |route: Arc<Route>| match &route.target {
        Answerer::Provider(..) => Err(Problem::ModelTakesText(names.model.clone())),
        Answerer::Model(loaded) => match &loaded.model {
            Ok(_) => Ok(json!({"name": route.name, "ready": true})),
            Err(why) => Err(Problem::ModelUnavailable { model: names.model.clone(), why: why.clone() }),
        },
    };
    reply(Shape::Oip, tensor_route(&gateway, &headers, &names).await.and_then(check))
}

/// The route with a name, if it serves the version asked for.
async fn tensor_route(gateway: &Gateway, headers: &HeaderMap, names: &Names) -> Result<Arc<Route>, Problem> {
    let route = route(gateway, headers, &names.model).await?;
    route.serves(names.version.as_deref())?;
    Ok(route)
}

fn tensors(tensors: &[Tensor]) -> Vec<Value> {
    let describe = |tensor: &Tensor| json!({"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape});
    tensors.iter().map(describe).collect()
}
