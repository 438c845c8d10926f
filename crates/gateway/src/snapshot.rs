//! The routing snapshot: everything a request needs of the state, looked up once and then read without asking again.
//!
//! It holds as long as [`engine::Engine::governance`] stands still; a request that sees it move waits for the new one,
//! so that a revoked key is refused at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use domain::State;
use domain::data::residency::{Movement, Standing};
use domain::models::ModelRegistered;
use domain::people::{Key, KeyScope};
use domain::serving::{ServiceSpec, Target};
use engine::{Engine, Permit, Principal};
use sha2::{Digest, Sha256};

use crate::features::Features;
use crate::guard::Guard;
use crate::problem::Problem;
use crate::providers::openai::Provider;

/// A key, as requests show it.
pub(crate) struct Access {
    pub(crate) key: String,
    ends_at: i64,
    revoked: bool,
    pub(crate) scope: Scope,
    pub(crate) principal: Principal,
    /// The hour, counted from the epoch, in which its use was noted last.
    noted: AtomicI64,
}

/// What a key opens here.
pub(crate) enum Scope {
    Services(Vec<Opened>),
    /// The service it was made for is no longer offered.
    Retired(String),
    /// The service it was made for is now declared for another environment or purpose.
    Outside(String),
    /// The management API.
    Management,
}

/// A service that a key opens.
pub(crate) struct Opened {
    pub(crate) service: Arc<Service>,
    /// What the policies said of inference with this key: they cannot change while the snapshot holds.
    pub(crate) verdict: OnceLock<Result<Permit, domain::Refusal>>,
}

/// A service with its routes.
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) spec: ServiceSpec,
    /// In the order declared.
    pub(crate) routes: Vec<Arc<Route>>,
}

/// A route with whoever answers it.
pub(crate) struct Route {
    pub(crate) name: String,
    pub(crate) deployment: Option<String>,
    /// The model's identity and version, as records name them.
    pub(crate) model: String,
    pub(crate) version: String,
    /// When it began to answer, in milliseconds since the epoch.
    pub(crate) since: i64,
    /// Where it is processed, as declared.
    pub(crate) region: Option<String>,
    /// How the rules of residency stand to data of the service there.
    pub(crate) residency: Standing,
    pub(crate) target: Answerer,
    /// What is done with personal data that passes.
    pub(crate) guard: Option<Arc<Guard>>,
    /// What contracts say of the inputs of a model in this process.
    pub(crate) features: Arc<[Features]>,
}

/// Who answers.
pub(crate) enum Answerer {
    /// An outside provider, and the model's name there.
    Provider(Arc<Provider>, String),
    /// A model in this process.
    Model(Arc<Loaded>),
}

/// A registered model, or why it cannot be run.
pub(crate) struct Loaded {
    pub(crate) registered: ModelRegistered,
    pub(crate) model: Result<onnx::Model, String>,
}

const HOUR_MS: i64 = 60 * 60 * 1000;

/// What requests are routed by.
pub(crate) struct Snapshot {
    governance: u64,
    /// Ledger size of the state it was taken from.
    pub(crate) config_size: u64,
    keys: HashMap<[u8; 32], Arc<Access>>,
    /// By the artifact's SHA-256, to be taken over by the next snapshot.
    models: HashMap<String, Arc<Loaded>>,
}

impl Snapshot {
    /// Who shows this secret.
    pub(crate) fn access(&self, secret: &str, now_ms: i64) -> Result<&Arc<Access>, Problem> {
        let digest: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        let access = self.keys.get(&digest).ok_or(Problem::KeyInvalid)?;
        if access.revoked || now_ms >= access.ends_at { Err(Problem::KeyInvalid) } else { Ok(access) }
    }
}

impl Access {
    /// Notes that the key was used, once an hour.
    pub(crate) fn note_use(&self, engine: &Engine, now_ms: i64) {
        let hour = now_ms.div_euclid(HOUR_MS);
        // Looked at before it is written: threads share it, and nearly always there is nothing to write.
        if self.noted.load(Ordering::Relaxed) != hour && self.noted.swap(hour, Ordering::Relaxed) != hour {
            engine.note_use(&self.key, now_ms);
        }
    }

    /// The services that it opens.
    pub(crate) fn services(&self) -> Result<&[Opened], Problem> {
        match &self.scope {
            Scope::Services(services) => Ok(services),
            Scope::Retired(service) => Err(Problem::ServiceRetired(service.clone())),
            Scope::Outside(service) => Err(Problem::KeyOutside(service.clone())),
            Scope::Management => Err(Problem::KeyScope),
        }
    }
}

/// The service among these that has the route. `named` chooses when several have it.
pub(crate) fn with_route<'a>(
    services: &'a [Opened],
    route: &str,
    named: Option<&str>,
) -> Result<Option<(&'a Opened, &'a Arc<Route>)>, Problem> {
    let named = |opened: &&Opened| named.is_none_or(|name| opened.service.name == name);
    let mut found = services.iter().filter(named).filter_map(|opened| Some((opened, opened.service.route(route)?)));
    match (found.next(), found.next()) {
        (Some((one, _)), Some((other, _))) => Err(Problem::ServiceUnclear {
            model: route.to_owned(),
            services: format!("`{}` and `{}`", one.service.name, other.service.name),
        }),
        (only, _) => Ok(only),
    }
}

impl Service {
    /// The route that clients call `name`.
    pub(crate) fn route(&self, name: &str) -> Option<&Arc<Route>> {
        self.routes.iter().find(|route| route.name == name)
    }
}

impl Route {
    /// Whether this is the version that was asked for, if one was.
    pub(crate) fn serves(&self, version: Option<&str>) -> Result<(), Problem> {
        match version.filter(|version| *version != self.version) {
            None => Ok(()),
            Some(version) => Err(Problem::VersionUnknown {
                model: self.name.clone(),
                version: version.to_owned(),
                serves: self.version.clone(),
            }),
        }
    }
}

/// The newest snapshot.
pub(crate) struct Snapshots {
    newest: RwLock<Option<Arc<Snapshot>>>,
    /// Held by the one request that makes the next snapshot.
    making: tokio::sync::Mutex<()>,
}

impl Snapshots {
    pub(crate) fn new() -> Self {
        Self { newest: RwLock::new(None), making: tokio::sync::Mutex::new(()) }
    }

    /// The snapshot of the present state.
    pub(crate) async fn current(&self, engine: &Arc<Engine>) -> Result<Arc<Snapshot>, Problem> {
        if let Some(snapshot) = self.fresh(engine) {
            return Ok(snapshot);
        }
        let _turn = self.making.lock().await;
        if let Some(snapshot) = self.fresh(engine) {
            return Ok(snapshot);
        }
        let known = self.newest().map(|snapshot| snapshot.models.clone()).unwrap_or_default();
        let engine = engine.clone();
        // Models are read from disk and compiled here, which may take a while.
        let made = tokio::task::spawn_blocking(move || make(&engine, &known)).await;
        let made = Arc::new(made.map_err(|_| Problem::Internal)?);
        *self.newest.write().unwrap_or_else(PoisonError::into_inner) = Some(made.clone());
        Ok(made)
    }

    fn fresh(&self, engine: &Engine) -> Option<Arc<Snapshot>> {
        self.newest().filter(|snapshot| snapshot.governance == engine.governance())
    }

    fn newest(&self) -> Option<Arc<Snapshot>> {
        self.newest.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn make(engine: &Engine, known: &HashMap<String, Arc<Loaded>>) -> Snapshot {
    // Read before the state: if it moves in between, the snapshot is merely made once more.
    let governance = engine.governance();
    let state = engine.read(relevant);
    let models = models(engine, &state, known);
    let detectors = engine.detectors().detectors;
    let providers: HashMap<&str, Arc<Provider>> = state
        .providers
        .iter()
        .map(|(name, spec)| (name.as_str(), Arc::new(Provider::new(name, spec, engine.outbound()))))
        .collect();
    let mut services = HashMap::new();
    for (name, spec) in &state.services {
        let routes = spec.routes.iter().filter_map(|declared| {
            let target = match &declared.target {
                Target::Provider { provider, model } => {
                    Answerer::Provider(providers.get(provider.as_str())?.clone(), model.clone())
                }
                Target::Model { model, version } => {
                    let registered = state.models.get(model)?.get(version)?;
                    Answerer::Model(models.get(&registered.artifact_sha256)?.clone())
                }
            };
            let (region, residency) = placed(engine, &state, (name, spec), &declared.target);
            let deployment = state.deployments.get(name).and_then(|routes| routes.get(&declared.name));
            let (model, version) = declared.target.model_and_version();
            let features = match &declared.target {
                Target::Model { model, .. } => features(&state, model),
                Target::Provider { .. } => Arc::default(),
            };
            Some(Arc::new(Route {
                name: declared.name.clone(),
                deployment: deployment.map(|deployment| deployment.started.deployment.clone()),
                since: deployment.map_or(0, |deployment| deployment.at),
                model,
                version,
                region,
                residency,
                target,
                guard: declared.guard.clone().map(|rules| Arc::new(Guard::new(rules, detectors.clone()))),
                features,
            }))
        });
        let service = Service { name: name.clone(), spec: spec.clone(), routes: routes.collect() };
        services.insert(name.as_str(), Arc::new(service));
    }
    let keys = state.key_by_secret.iter().filter_map(|(digest, id)| {
        let access = access(state.keys.get(id)?, &state, &services);
        Some((digest_bytes(digest)?, Arc::new(access)))
    });
    Snapshot { governance, config_size: state.size, keys: keys.collect(), models }
}

/// Where a target of a service processes data, and how the rules stand to that: worked out here, so that calls only look.
fn placed(
    engine: &Engine,
    state: &State,
    (service, spec): (&str, &ServiceSpec),
    target: &Target,
) -> (Option<String>, Standing) {
    let here = state.residency.of_node(engine.node());
    let mut of = vec![format!("service/{service}")];
    let region = match target {
        Target::Provider { provider, .. } => {
            of.push(format!("provider/{provider}"));
            state.providers.get(provider).and_then(|provider| provider.region.clone())
        }
        // It runs in this process, wherever the service is said to be.
        Target::Model { .. } => here.map(str::to_owned),
    };
    let movement = Movement { class: &spec.classification, of: &of, from: here, to: region.as_deref() };
    let standing = state.residency.standing(&movement);
    (region, standing)
}

/// What contracts in force say of a model's inputs.
fn features(state: &State, model: &str) -> Arc<[Features]> {
    let live = state.contracts.values().filter(|known| known.retired_at.is_none());
    live.filter_map(|known| Features::of(&known.published, model)).collect()
}

/// The parts of the state that routing needs; the rest can be large.
fn relevant(state: &State) -> State {
    State {
        size: state.size,
        actors: state.actors.clone(),
        keys: state.keys.clone(),
        key_by_secret: state.key_by_secret.clone(),
        providers: state.providers.clone(),
        models: state.models.clone(),
        services: state.services.clone(),
        deployments: state.deployments.clone(),
        residency: state.residency.clone(),
        contracts: state.contracts.clone(),
        ..State::default()
    }
}

fn access(key: &Key, state: &State, services: &HashMap<&str, Arc<Service>>) -> Access {
    let id = key.created.key.clone();
    let (scope, principal) = match &key.created.scope {
        KeyScope::Service(_) | KeyScope::Inference(_) => {
            let services_named = key.created.scope.services().to_vec();
            let scope = opened(&key.created.scope, state, services);
            let (actor, key) = (id.clone(), Some(id.clone()));
            (scope, Principal { actor, key, services: services_named, ..Principal::default() })
        }
        KeyScope::Actor(actor) => {
            // Nothing can be inferred with it, so its roles do not matter here.
            let principal = Principal { actor: actor.clone(), key: Some(id.clone()), ..Principal::default() };
            (Scope::Management, principal)
        }
    };
    Access {
        key: id,
        ends_at: key.ends_at(),
        revoked: key.revoked_at.is_some(),
        scope,
        principal,
        noted: AtomicI64::new(i64::MIN),
    }
}

/// The services that a key opens as they are declared now; why it opens none, when it does not.
fn opened(scope: &KeyScope, state: &State, services: &HashMap<&str, Arc<Service>>) -> Scope {
    let named = || scope.services().iter();
    let opens = |name: &&String| state.services.get(*name).is_some_and(|spec| scope.opens(name, spec));
    let opened = named().filter(opens).filter_map(|name| services.get(name.as_str()));
    let opened: Vec<Opened> =
        opened.map(|service| Opened { service: service.clone(), verdict: OnceLock::new() }).collect();
    let offered = named().find(|name| services.contains_key(name.as_str()));
    match (opened.is_empty(), offered) {
        (false, _) => Scope::Services(opened),
        (true, Some(name)) => Scope::Outside(name.clone()),
        (true, None) => Scope::Retired(named().next().cloned().unwrap_or_default()),
    }
}

/// Every model that a route names, loaded.
fn models(engine: &Engine, state: &State, known: &HashMap<String, Arc<Loaded>>) -> HashMap<String, Arc<Loaded>> {
    let mut loaded = HashMap::new();
    for route in state.services.values().flat_map(|spec| &spec.routes) {
        let Target::Model { model, version } = &route.target else { continue };
        let Some(registered) = state.models.get(model).and_then(|versions| versions.get(version)) else { continue };
        let sha256 = &registered.artifact_sha256;
        // One artifact may be registered under two names, so what is taken over must be the same registration too.
        let same = known.get(sha256).filter(|loaded| loaded.registered == *registered && loaded.model.is_ok());
        let ready = same.cloned().unwrap_or_else(|| Arc::new(load(engine, registered)));
        loaded.insert(sha256.clone(), ready);
    }
    loaded
}

fn load(engine: &Engine, registered: &ModelRegistered) -> Loaded {
    let model = match engine.artifact(&registered.artifact_sha256) {
        Ok(Some(bytes)) => onnx::Model::parse(&bytes).map_err(|refusal| refusal.to_string()),
        Ok(None) => Err("its artifact is not in the object store".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(why) = &model {
        tracing::error!(model = registered.model, version = registered.version, why, "model cannot be loaded");
    }
    Loaded { registered: registered.clone(), model }
}

fn digest_bytes(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(bytes)
}
