//! The one decision function: from a state, facts and a command to events, or to a refusal.
//!
//! Permission has been asked for before (the engine asks Cedar); these are the rules that hold for everybody. A
//! command that would change nothing gives no events.

use sha2::{Digest, Sha256};

use crate::serving::{DeploymentEnded, DeploymentStarted, ServiceDeclared, ServiceSpec, Target};
use crate::{
    Command, Event, Given, Refusal, RefusalCode, State, assurance, data, infrastructure, keys, models, people, serving,
};

/// Decides what a command means in `state`.
///
/// # Errors
/// A [`Refusal`] that says which rule it breaks.
pub fn decide(state: &State, given: &Given, command: &Command) -> Result<Vec<Event>, Refusal> {
    people::sessions::fresh_enough(given, command)?;
    let events = rules(state, given, command)?;
    people::approvals::guard::guard(state, given, command, events)
}

/// What the command's own room makes of it.
pub(crate) fn rules(state: &State, given: &Given, command: &Command) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::CreateOrg(body) => create_org(state, body),
        Command::InstallPolicies(body) => install_policies(state, body),
        Command::JoinNode(body) => join_node(state, body),
        Command::StopNode(body) => Ok(vec![Event::NodeStopped(body.clone())]),
        Command::RecoverNode(body) => Ok(vec![Event::NodeRecovered(body.clone())]),
        Command::InstallCertificate(body) => install_certificate(state, body),
        Command::Beat(body) => Ok(vec![Event::LedgerHeartbeat(body.clone())]),
        Command::AcceptRollback(body) => accept_rollback(state, given, body),
        Command::ReportResumed(body) => infrastructure::stops::resumed(body),
        Command::DigestState(body) if body.size != state.size => {
            Err(refuse(RefusalCode::Conflict, "the state moved on while its digest was computed: compute it again"))
        }
        Command::DigestState(body) => Ok(vec![Event::StateDigest(body.clone())]),
        Command::ProbeEndpoints(body) => infrastructure::endpoints::probed(state, body),
        Command::ReportLocked(body) => infrastructure::archive::locked(state, body),
        Command::ReportProbed(body) => infrastructure::archive::probed(body),
        Command::ReportObjects(body) => infrastructure::objects::probed(state, body),
        Command::ReportCustodian(body) => crate::keys::custodians::reported(state, body),
        Command::RegisterActor(body) => register_actor(state, given, body),
        Command::Leave(body) => people::actors::leave(state, given, body),
        Command::Return(body) => people::directory::come_back(state, given, body),
        Command::ProvisionPerson(body) => people::directory::provision(state, given, body),
        Command::ProvisionGroup(body) => people::groups::provision(state, given, body),
        Command::DeleteGroup(body) => people::groups::delete(state, given, body),
        Command::MapGroup(body) => people::groups::mapping::map(state, given, body),
        Command::ApproveGroupMap(body) => people::groups::mapping::approve(state, given, body),
        Command::LinkIdentity(body) => people::identities::link(state, given, body),
        Command::UnlinkIdentity(body) => people::identities::unlink(state, body),
        Command::SetProfile(body) => people::identities::set_profile(state, body),
        Command::RequestGrant(body) => people::grants::request(state, given, body),
        Command::ApproveGrant(body) => people::grants::approve(state, given, body),
        Command::EndGrant(body) => people::grants::end(state, given, body),
        Command::StartReview(body) => people::reviews::start(state, given, body),
        Command::AssignReview(body) => people::reviews::assign(state, given, body),
        Command::DecideReview(body) => people::reviews::decide_one(state, given, body),
        Command::CompleteReview(body) => people::reviews::complete(state, given, body),
        Command::RequestApproval(body) => people::approvals::voting::request(state, given, body),
        Command::VoteOnApproval(body) => people::approvals::voting::vote(state, given, body),
        Command::WithdrawApproval(body) => people::approvals::voting::withdraw(state, given, body),
        Command::CommentOnApproval(body) => people::approvals::voting::comment(state, body),
        Command::DelegateVote(body) => people::approvals::voting::delegate(state, given, body),
        Command::EndDelegation(body) => people::approvals::voting::end_delegation(state, given, body),
        Command::ConfigureApprovals(body) => people::approvals::rules::configure(state, body),
        Command::PublishDocument(body) => people::documents::publish(state, given, body),
        Command::AcknowledgeDocument(body) => people::documents::acknowledge(state, given, body),
        Command::RecordTraining(body) => people::training::record(state, given, body),
        Command::DefineRole(body) => people::custom::define(state, given, body),
        Command::RetireRole(body) => people::custom::retire(state, given, body),
        Command::DeclareEmergency(body) => people::emergencies::declare(state, given, body),
        Command::EndEmergency(body) => people::emergencies::end(state, given, body),
        Command::ReviewEmergency(body) => people::emergencies::review(state, given, body),
        Command::RegisterPasskey(body) => people::passkeys::register(state, given, body),
        Command::RemovePasskey(body) => people::passkeys::remove(state, given, body),
        Command::IssueRecovery(body) => people::recovery::issue(state, given, body),
        Command::CreateSigninLink(body) => create_link(state, given, body),
        Command::OpenSession(body) => people::sessions::open(state, given, body),
        Command::CloseSession(body) => people::sessions::close(state, given, body),
        Command::CountRefused(body) => people::doors::count(body),
        Command::SettleNotification(body) => people::notifications::settle(state, body),
        Command::CreateKey(body) => people::keys::create(state, given, body),
        Command::RotateKey(body) => people::keys::rotate(state, given, body),
        Command::LeakKey(body) => people::keys::leak(state, body),
        Command::RevokeKey(body) => people::keys::revoke(state, body),
        Command::UseKeys(body) => people::keys::used(state, body),
        Command::LimitKeys(body) => people::keys::limit(state, body),
        Command::DeclareWorkload(body) => people::workloads::declare(state, body),
        Command::RetireWorkload(body) => people::workloads::retire(state, body),
        Command::ExchangeKey(body) => people::workloads::exchange(state, given, body),
        Command::OwnAccount(body) => people::accounts::own(state, given, body),
        Command::GiveUpKey(body) => people::keys::give_up(state, given, body),
        Command::DeclareTokenScope(body) => keys::tokens::declare(state, body),
        Command::RetireTokenScope(body) => keys::tokens::retire(state, body),
        Command::DeclareProvider(body) => {
            name_is_valid("provider", &body.provider)?;
            url_is_valid(&body.provider, &body.spec.base_url)?;
            let same = state.providers.get(&body.provider) == Some(&body.spec);
            Ok(if same { vec![] } else { vec![Event::ProviderDeclared(body.clone())] })
        }
        Command::RetireProvider(body) => retire_provider(state, &body.provider),
        Command::RegisterModel(body) => register_model(state, given, body),
        Command::DeclareService(body) => declare_service(state, given, body),
        Command::RegisterService(body) => serving::register::register(state, body),
        Command::RetireService(body) => retire_service(state, body),
        Command::DeclareDataset(body) => data::datasets::declare(state, body),
        Command::RetireDataset(body) => data::datasets::retire(state, body),
        Command::StoreVersion(body) => data::datasets::store(state, given, body),
        Command::RewriteVersion(body) => data::datasets::rewrite(state, given, body),
        Command::DestroyVersion(body) => data::datasets::destroy(state, body),
        Command::PublishContract(body) => data::contracts::publish(state, body),
        Command::RetireContract(body) => data::contracts::retire(state, body),
        Command::CheckVersion(body) => data::checks::check(state, given, body),
        Command::ReportChecks(body) => data::reports::report(state, body),
        Command::ReleaseVersion(body) => data::checks::release(state, given, body),
        Command::DestroyObject(body) => data::objects::destroyed(state, body),
        // Residency.
        Command::DeclareRegions(body) => data::residency::declare(state, body),
        Command::LocateStore(body) => data::residency::locate(state, given, body),
        Command::RuleResidency(body) => data::residency::rule(state, body),
        Command::AuthoriseTransfer(body) => data::transfers::authorise(state, given, body),
        Command::RevokeTransfer(body) => data::transfers::revoke(state, body),
        Command::ReportTransfer(body) => data::transfers::report(state, given, body),
        // lineage
        Command::ReportLineage(body) => data::lineage::report(state, given, body),
        Command::AliasLineage(body) => data::lineage::alias(state, body),
        Command::DeclareFields(body) => data::fields::declare(state, body),
        Command::ReportScan(body) => data::fields::scanned(state, given, body),
        Command::DeclareView(body) => data::views::declare(state, body),
        Command::RetireView(body) => data::views::retire(state, body),
        Command::ResolveFinding(body) => data::findings::resolve(state, given, body),
        // Detectors of the organisation's own.
        Command::DeclareDetector(body) => data::detectors::declare(state, body),
        Command::RetireDetector(body) => data::detectors::retire(state, body),
        Command::SealSegment(body) => seal_segment(state, body, body.payload.is_some(), Event::SegmentSealed, |node| {
            (node.last_segment.as_ref(), node.sealed_records)
        }),
        Command::ReportProgress(body) => Ok(vec![Event::SegmentProgress(body.clone())]),
        Command::SealAccesses(body) => {
            seal_segment(state, body, body.payload.is_none(), Event::AccessesSealed, |node| {
                (node.last_accesses.as_ref(), node.sealed_accesses)
            })
        }
        Command::ReportAccesses(body) => Ok(vec![Event::AccessesProgress(body.clone())]),
        Command::CountGateway(body) => Ok(vec![Event::GatewayCounted(body.clone())]),
        Command::LoseCount(body) => Ok(vec![Event::GatewayCountLost(body.clone())]),
        Command::ConfigureEncryption(body) => keys::encryption::configure(state, body),
        Command::RotateEncryption(body) => keys::encryption::request(state, body),
        Command::ReportClassKey(body) => keys::encryption::rotated(state, body),
        Command::ReportRatchet(body) => keys::encryption::ratcheted(body),
        Command::ScheduleRetention(body) => keys::retention::schedule(state, body),
        Command::UnscheduleRetention(body) => keys::retention::unschedule(state, body),
        Command::KeepPayloads(body) => keys::disposals::keep(state, body),
        Command::BeginDisposal(body) => keys::disposals::begin(state, given, body),
        Command::ReportDisposal(body) => keys::disposals::dispose(state, body),
        Command::ConfirmClock(body) => keys::disposals::confirm_clock(given, body),
        Command::DisposeSegments(body) => keys::disposals::dispose_segments(state, body),
        Command::ConfirmDisposal(body) => keys::disposals::confirm(state, given, body),
        Command::CompactPayload(body) => keys::disposals::compact(state, body),
        Command::PlaceHold(body) => keys::holds::place(state, given, body),
        Command::ReleaseHold(body) => keys::holds::release(state, given, body),
        Command::ReceiveRequest(body) => keys::requests::receive(state, given, body),
        Command::CheckRequestIdentity(body) => keys::requests::check_identity(state, body),
        Command::SearchRequest(body) => keys::requests::searched(state, given, body),
        Command::AssessRequest(body) => keys::requests::assess(state, body),
        Command::ExecuteRequest(body) => keys::requests::execute(state, given, body),
        Command::StepRequest(body) => keys::requests::stepped(state, given, body),
        Command::CloseRequest(body) => keys::requests::close(state, given, body),
        Command::ScopeControls(body) => scope_controls(state, body),
        Command::RunControl(body) => run_control(state, body),
        Command::ExportEvidence(body) => Ok(vec![Event::EvidenceExported(body.clone())]),
    }
}

pub(crate) fn refuse(code: RefusalCode, message: impl Into<String>) -> Refusal {
    Refusal::new(code, message)
}

fn create_org(state: &State, body: &infrastructure::OrgCreated) -> Result<Vec<Event>, Refusal> {
    match &state.org {
        None => Ok(vec![Event::OrgCreated(body.clone())]),
        Some(org) => Err(refuse(RefusalCode::Exists, format!("this ledger already belongs to `{}`", org.name))),
    }
}

fn install_policies(state: &State, body: &infrastructure::PoliciesInstalled) -> Result<Vec<Event>, Refusal> {
    if state.policies.as_ref() == Some(body) {
        return Ok(vec![]);
    }
    match merkle::hex(&Sha256::digest(body.text.as_bytes())) == body.sha256 {
        true => Ok(vec![Event::PoliciesInstalled(body.clone())]),
        false => Err(refuse(RefusalCode::Invalid, "`sha256` is not the digest of `text`: policies are known by it")),
    }
}

fn join_node(state: &State, body: &infrastructure::NodeJoined) -> Result<Vec<Event>, Refusal> {
    name_is_valid("node", &body.node)?;
    let next = state.nodes.get(&body.node).map_or(0, |node| node.incarnation) + 1;
    if body.incarnation != next {
        let message = format!("node `{}` must join as incarnation {next}, not {}", body.node, body.incarnation);
        return Err(refuse(RefusalCode::Conflict, message));
    }
    Ok(vec![Event::NodeJoined(body.clone())])
}

/// A certificate is told once, however often a node starts with it.
fn install_certificate(state: &State, body: &infrastructure::CertificateInstalled) -> Result<Vec<Event>, Refusal> {
    name_is_valid("node", &body.node)?;
    digest_is_valid("certificate", &body.sha256)?;
    digest_is_valid("certificate's issuer", &body.issuer_sha256)?;
    digest_is_valid("certificate's names", &body.names_sha256)?;
    let hexadecimal = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
    if !(1..=64).contains(&body.serial.len()) || !body.serial.bytes().all(hexadecimal) {
        return Err(refuse(RefusalCode::Invalid, "a serial number has up to 64 hexadecimal digits"));
    }
    if body.not_before >= body.not_after {
        return Err(refuse(RefusalCode::Invalid, "a certificate ends after it begins"));
    }
    let known = state.version(&format!("certificate/{}", body.sha256)) > 0;
    Ok(if known { vec![] } else { vec![Event::CertificateInstalled(body.clone())] })
}

fn accept_rollback(state: &State, given: &Given, body: &crate::command::AcceptRollback) -> Result<Vec<Event>, Refusal> {
    reference_is_valid(&body.reference)?;
    let Some((remembered, from_size)) = given.other_history.clone() else {
        let message = "there is nothing to accept: this ledger extends all that is remembered of it";
        return Err(refuse(RefusalCode::Conflict, message));
    };
    let (to_size, reference) = (state.size, body.reference.clone());
    Ok(vec![Event::RollbackAccepted(infrastructure::RollbackAccepted { remembered, from_size, to_size, reference })])
}

pub(crate) fn register_actor(
    state: &State,
    given: &Given,
    body: &people::ActorRegistered,
) -> Result<Vec<Event>, Refusal> {
    identifier_is_valid("actor", &body.actor)?;
    let set_up = state.actors.values().any(|actor| actor.kind == people::ActorKind::System);
    let system = body.kind == people::ActorKind::System || body.roles.iter().any(|role| role == "system");
    if set_up && system && state.actors.get(&body.actor) != Some(body) {
        return Err(refuse(
            RefusalCode::Forbidden,
            "there is one system actor, Counterfoil itself, and no other may be one",
        ));
    }
    match state.actors.get(&body.actor) {
        Some(known) if known == body => Ok(vec![]),
        Some(_) => Err(refuse(RefusalCode::Exists, format!("actor `{}` is registered otherwise", body.actor))),
        None if set_up && !body.roles.is_empty() && !people::actors::is_the_system(state, &given.by) => {
            let message = "an actor begins without roles: register it, then ask for a grant";
            Err(refuse(RefusalCode::Forbidden, message))
        }
        None => {
            let program = body.kind == people::ActorKind::Service;
            let owned = program.then(|| people::accounts::registered(state, given, &body.actor)).flatten();
            Ok(std::iter::once(Event::ActorRegistered(body.clone())).chain(owned).collect())
        }
    }
}

fn create_link(state: &State, given: &Given, body: &people::SigninLinkCreated) -> Result<Vec<Event>, Refusal> {
    people::actors::may_let_in(state, given, &body.actor)?;
    // A session of a program would go on with whoever opened it when the program is handed on.
    people::accounts::a_person(state, &body.actor, "signs in with a link")?;
    if body.expires_at <= given.now || body.expires_at > given.now.saturating_add(people::LINK_MS) {
        return Err(refuse(RefusalCode::Invalid, "a sign-in link must expire within 15 minutes"));
    }
    Ok(vec![Event::SigninLinkCreated(body.clone())])
}

fn retire_provider(state: &State, provider: &str) -> Result<Vec<Event>, Refusal> {
    if !state.providers.contains_key(provider) {
        return Err(refuse(RefusalCode::NotFound, format!("there is no provider `{provider}`")));
    }
    let uses = |spec: &ServiceSpec| {
        spec.routes.iter().any(|r| matches!(&r.target, Target::Provider { provider: p, .. } if p == provider))
    };
    match state.services.iter().find(|(_, spec)| uses(spec)) {
        Some((service, _)) => {
            let message =
                format!("provider `{provider}` still answers for service `{service}`: change its routes first");
            Err(refuse(RefusalCode::Conflict, message))
        }
        None => {
            let retired = crate::vendors::ProviderRetired { provider: provider.to_owned() };
            Ok(vec![Event::ProviderRetired(retired)])
        }
    }
}

fn register_model(state: &State, given: &Given, body: &crate::command::RegisterModel) -> Result<Vec<Event>, Refusal> {
    name_is_valid("model", &body.model)?;
    name_is_valid("version", &body.version)?;
    if let Some(known) = state.models.get(&body.model).and_then(|versions| versions.get(&body.version)) {
        let same = known.artifact_sha256 == body.artifact_sha256;
        if same && (&known.trained_on, &known.run) == (&body.trained_on, &body.run) {
            return Ok(vec![]);
        }
        let what = if same { "as having learned from other data" } else { "with other bytes" };
        let message =
            format!("model `{}` version `{}` exists {what}: a version is never reused", body.model, body.version);
        return Err(refuse(RefusalCode::Exists, message));
    }
    data::lineage::learned_from_is_valid(state, &body.trained_on, body.run.as_ref())?;
    if given.enclosed.as_ref().is_some_and(|enclosed| state.is_disposed_of(&enclosed.object)) {
        let sha256 = &body.artifact_sha256;
        let message = format!("artifact `{sha256}` is being disposed of by a rule of retention: upload it again");
        return Err(refuse(RefusalCode::Conflict, message));
    }
    match &given.model {
        None => {
            let message = format!("no artifact with SHA-256 `{}` was uploaded: upload it first", body.artifact_sha256);
            Err(refuse(RefusalCode::NotFound, message))
        }
        Some(Err(why)) => {
            let message = format!("model `{}` version `{}` cannot be served: {why}", body.model, body.version);
            Err(refuse(RefusalCode::Invalid, message))
        }
        Some(Ok(facts)) => Ok(vec![Event::ModelRegistered(models::ModelRegistered {
            model: body.model.clone(),
            version: body.version.clone(),
            artifact_sha256: body.artifact_sha256.clone(),
            facts: facts.clone(),
            enclosed: given.enclosed.clone(),
            trained_on: body.trained_on.clone(),
            run: body.run.clone(),
        })]),
    }
}

fn declare_service(state: &State, given: &Given, body: &ServiceDeclared) -> Result<Vec<Event>, Refusal> {
    name_is_valid("service", &body.service)?;
    name_is_valid("classification", &body.spec.classification)?;
    let before = state.services.get(&body.service).map(|known| &known.classification);
    if keys::retention::RESERVED.contains(&body.spec.classification.as_str())
        && before != Some(&body.spec.classification)
    {
        let message = format!("`{}` is no class of data: rules of retention use that word", body.spec.classification);
        return Err(refuse(RefusalCode::Invalid, message));
    }
    name_is_valid("environment", &body.spec.environment)?;
    body.spec.subject_country.as_ref().map_or(Ok(()), |country| data::residency::country_is_valid(country))?;
    let mut events = Vec::new();
    if state.services.get(&body.service) != Some(&body.spec) {
        events.push(Event::ServiceDeclared(body.clone()));
    }
    let live = state.deployments.get(&body.service);
    // What moves to another environment is deployed there anew.
    let moved = state.services.get(&body.service).is_some_and(|known| known.environment != body.spec.environment);
    for (route, deployment) in live.into_iter().flatten() {
        if moved || !body.spec.routes.iter().any(|r| &r.name == route && r.target == deployment.started.target) {
            events.push(ended(&body.service, &deployment.started));
        }
    }
    for (i, route) in body.spec.routes.iter().enumerate() {
        route_name_is_valid(&route.name)?;
        crate::serving::guard::check(state, route)?;
        if body.spec.routes.iter().take(i).any(|other| other.name == route.name) {
            let message = format!("service `{}` has two routes named `{}`", body.service, route.name);
            return Err(refuse(RefusalCode::Invalid, message));
        }
        let artifact_sha256 = artifact_of(state, &body.service, &route.target)?;
        let unchanged = live.and_then(|l| l.get(&route.name)).is_some_and(|d| d.started.target == route.target);
        if moved || !unchanged {
            events.push(Event::DeploymentStarted(DeploymentStarted {
                deployment: format!("d_{}_{i}", given.fresh),
                service: body.service.clone(),
                route: route.name.clone(),
                target: route.target.clone(),
                artifact_sha256,
            }));
        }
    }
    Ok(events)
}

fn artifact_of(state: &State, service: &str, target: &Target) -> Result<Option<String>, Refusal> {
    match target {
        Target::Provider { provider, .. } if state.providers.contains_key(provider) => Ok(None),
        Target::Provider { provider, .. } => {
            let message = format!("service `{service}` names provider `{provider}`, which is not declared");
            Err(refuse(RefusalCode::NotFound, message))
        }
        Target::Model { model, version } => match state.models.get(model).and_then(|m| m.get(version)) {
            Some(gone) if gone.enclosed.as_ref().is_some_and(|enclosed| state.is_disposed_of(&enclosed.object)) => {
                let message = format!(
                    "service `{service}` names model `{model}` version `{version}`, whose artifact was disposed of by a \
                     rule of retention: register another version"
                );
                Err(refuse(RefusalCode::Conflict, message))
            }
            Some(registered) => Ok(Some(registered.artifact_sha256.clone())),
            None => {
                let message =
                    format!("service `{service}` names model `{model}` version `{version}`, which is not registered");
                Err(refuse(RefusalCode::NotFound, message))
            }
        },
    }
}

fn retire_service(state: &State, body: &serving::ServiceRetired) -> Result<Vec<Event>, Refusal> {
    if !state.services.contains_key(&body.service) {
        return Err(refuse(RefusalCode::NotFound, format!("there is no service `{}`", body.service)));
    }
    let live = state.deployments.get(&body.service).into_iter().flat_map(|routes| routes.values());
    let mut events: Vec<Event> = live.map(|deployment| ended(&body.service, &deployment.started)).collect();
    events.push(Event::ServiceRetired(body.clone()));
    Ok(events)
}

fn ended(service: &str, started: &DeploymentStarted) -> Event {
    Event::DeploymentEnded(DeploymentEnded { deployment: started.deployment.clone(), service: service.to_owned() })
}

/// A segment must follow the one that was sealed before it: `before` finds that one in what is known of its node, and
/// how many records there were up to it.
fn seal_segment(
    state: &State,
    body: &serving::SegmentSealed,
    files_fit: bool,
    event: fn(serving::SegmentSealed) -> Event,
    before: fn(&infrastructure::Node) -> (Option<&infrastructure::SegmentRef>, u64),
) -> Result<Vec<Event>, Refusal> {
    let Some(node) = state.nodes.get(&body.node).filter(|node| node.incarnation == body.incarnation) else {
        let message =
            format!("node `{}` is not in incarnation {}: its segments are fenced off", body.node, body.incarnation);
        return Err(refuse(RefusalCode::Conflict, message));
    };
    if !files_fit {
        return Err(refuse(
            RefusalCode::Invalid,
            "a segment of inferences has a payload file, one of accesses has none",
        ));
    }
    let (last, records) = before(node);
    if last.is_some_and(|last| last.number == body.number && last.root == body.root) {
        return Ok(vec![]);
    }
    let (number, prev) = last.map_or((0, None), |last| (last.number.saturating_add(1), Some(&last.root)));
    if (body.number, body.first, body.prev.as_ref()) != (number, records, prev) {
        let message = format!(
            "segment {} of node `{}` does not follow: expected segment {number} from record {records}",
            body.number, body.node
        );
        return Err(refuse(RefusalCode::Conflict, message));
    }
    Ok(vec![event(body.clone())])
}

fn scope_controls(state: &State, body: &assurance::ControlsScoped) -> Result<Vec<Event>, Refusal> {
    if !body.controls.is_sorted_by(|a, b| a.control < b.control) {
        return Err(refuse(RefusalCode::Invalid, "controls in scope must be sorted by identifier, each once"));
    }
    let same = state.controls.values().eq(body.controls.iter());
    Ok(if same { vec![] } else { vec![Event::ControlsScoped(body.clone())] })
}

fn run_control(state: &State, body: &assurance::ControlRan) -> Result<Vec<Event>, Refusal> {
    if body.at_size > state.size {
        let message = format!("a control cannot be tested at ledger size {}, which is not reached yet", body.at_size);
        return Err(refuse(RefusalCode::Invalid, message));
    }
    let consistent = match body.outcome {
        assurance::Outcome::Pass => body.population > 0 && body.violations == 0,
        assurance::Outcome::Fail => body.violations > 0,
        assurance::Outcome::NotTested => body.reason.is_some(),
    };
    match consistent {
        true => Ok(vec![Event::ControlRan(body.clone())]),
        false => Err(refuse(RefusalCode::Invalid, "the outcome does not follow from population and violations")),
    }
}

pub(crate) fn name_is_valid(what: &str, name: &str) -> Result<(), Refusal> {
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let rest = chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-'));
    if first && rest && name.len() <= 63 {
        return Ok(());
    }
    let rule = "use up to 63 of a-z, 0-9, `.`, `_` and `-`, beginning with a letter or digit";
    Err(refuse(RefusalCode::Invalid, format!("`{name}` is not a name for a {what}: {rule}")))
}

/// Public identifiers are made by us; whatever else is offered as one could hold anything, personal data too.
pub(crate) fn identifier_is_valid(what: &str, name: &str) -> Result<(), Refusal> {
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.is_empty() && name.len() <= 40 && name.chars().all(valid) {
        return Ok(());
    }
    let rule = "use up to 40 of a-z, 0-9 and `_`, and nothing that names a person";
    Err(refuse(RefusalCode::Invalid, format!("this is not an identifier for a {what}: {rule}")))
}

/// A SHA-256 in hexadecimal.
pub(crate) fn digest_is_valid(of: &str, digest: &str) -> Result<(), Refusal> {
    match digest.len() == 64 && digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        true => Ok(()),
        false => Err(refuse(RefusalCode::Invalid, format!("the digest of a {of} has 64 hexadecimal digits"))),
    }
}

/// Reasons are written down elsewhere: free text in the ledger would sooner or later name somebody, for good.
pub(crate) fn reference_is_valid(reference: &str) -> Result<(), Refusal> {
    let valid = |c: char| c.is_ascii_alphanumeric() || "-_./#:".contains(c);
    if (1..=64).contains(&reference.len()) && reference.chars().all(valid) {
        return Ok(());
    }
    let message = "a reference is needed, such as a ticket's number: up to 64 letters, digits and `-_./#:`";
    Err(refuse(RefusalCode::Invalid, message))
}

fn route_name_is_valid(name: &str) -> Result<(), Refusal> {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | '/' | '@');
    if !name.is_empty() && name.len() <= 128 && name.chars().all(valid) {
        return Ok(());
    }
    let rule = "use up to 128 letters, digits and `._-:/@`";
    Err(refuse(RefusalCode::Invalid, format!("`{name}` is not a name for a route: {rule}")))
}

fn url_is_valid(provider: &str, url: &str) -> Result<(), Refusal> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && !rest.contains(['@', '?', '#', ' ']) => Ok(()),
        _ => {
            let message = format!(
                "provider `{provider}` has base_url `{url}`: give http(s)://host[:port][/path] without credentials or query"
            );
            Err(refuse(RefusalCode::Invalid, message))
        }
    }
}
