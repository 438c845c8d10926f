//! The state: what is true now, as a fold of every event so far and of nothing else.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::data::detectors::OwnDetectors;
use crate::data::residency::Residency;
use crate::data::{Dataset, Doomed, Finding, KnownContract, KnownField, KnownScan, KnownView, Standing};
use crate::keys::holds::Hold;
use crate::keys::requests::Request;
use crate::keys::retention::{Disposal, PayloadCompacted, Rule};
use crate::keys::tokens::KnownScope;
use crate::people::approvals::{Approval, ApprovalsConfigured, Cast, Comment, Delegation};
use crate::people::custom::RoleDefined;
use crate::people::emergencies::Emergency;
use crate::people::reviews::Review;
use crate::people::{
    Account, ActorRegistered, Document, Grant, Group, Identity, Key, KeysLimited, Link, Mapping, Passkey, Recovery,
    Session, TrainingRecorded, WorkloadRule,
};
use crate::serving::{Deployment, RiskTier, ServiceRegistered, ServiceSpec};
use crate::vendors::ProviderSpec;
use crate::{Entry, Event, assurance, infrastructure, keys, models};

/// How long the identifier of a command is remembered, in milliseconds: a repeat within it is recognised.
pub const IDEMPOTENCY_MS: i64 = 24 * 60 * 60 * 1000;

/// How many identifiers are remembered at most.
const IDEMPOTENCY_MAX: usize = 100_000;

/// What is true after a number of events.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// How many events this is a fold of.
    pub size: u64,
    /// The organisation; `None` only before the first event.
    pub org: Option<infrastructure::OrgCreated>,
    /// The policies in force.
    pub policies: Option<infrastructure::PoliciesInstalled>,
    /// Actors by pseudonym.
    pub actors: BTreeMap<String, ActorRegistered>,
    /// When actors left, in milliseconds since the epoch.
    pub left: BTreeMap<String, i64>,
    /// Who answers for each service account.
    pub accounts: BTreeMap<String, Account>,
    /// Those of them whom their directory knows no more.
    pub removed: BTreeSet<String>,
    /// Names by which actors are known elsewhere, by the vault's reference for each.
    pub identities: BTreeMap<String, Identity>,
    /// Digests of sealed profiles, by actor.
    pub profiles: BTreeMap<String, String>,
    /// Groups by public identifier.
    pub groups: BTreeMap<String, Group>,
    /// Grants by public identifier, ended ones too.
    pub grants: BTreeMap<String, Grant>,
    /// Access reviews by public identifier, complete ones too.
    pub reviews: BTreeMap<String, Review>,
    /// Which commands need an approval beyond those that always do; `None` while nothing was set.
    pub approval_rules: Option<ApprovalsConfigured>,
    /// Requests for approvals by public identifier, ended ones too.
    pub approvals: BTreeMap<String, Approval>,
    /// Votes handed on, by public identifier, ended ones too.
    pub delegations: BTreeMap<String, Delegation>,
    /// Roles of the organisation's own, by name.
    pub custom_roles: BTreeMap<String, RoleDefined>,
    /// Every action that each of them ever permitted, sorted, also when it is retired.
    pub permitted: BTreeMap<String, Vec<String>>,
    /// Emergencies by public identifier, those that are over too.
    pub emergencies: BTreeMap<String, Emergency>,
    /// Identifiers of notifications of which it is known what became of them, by the day on which that was written down
    /// (days since the epoch).
    pub notified: BTreeMap<i64, BTreeSet<String>>,
    /// Documents in force, by name.
    pub documents: BTreeMap<String, Document>,
    /// Courses that people completed: person, then course.
    pub training: BTreeMap<String, BTreeMap<String, TrainingRecorded>>,
    /// Passkeys by public identifier.
    pub passkeys: BTreeMap<String, Passkey>,
    /// Recovery codes, by the actor whom they let in.
    pub recovery: BTreeMap<String, Recovery>,
    /// Unused sign-in links by digest.
    pub links: BTreeMap<String, Link>,
    /// Open sessions by digest.
    pub sessions: BTreeMap<String, Session>,
    /// Keys by public identifier, revoked ones too.
    pub keys: BTreeMap<String, Key>,
    /// How long keys may live; `None` while nobody said.
    pub keys_limited: Option<KeysLimited>,
    /// Rules by which proofs of programs are believed.
    pub workloads: BTreeMap<String, WorkloadRule>,
    /// Tokens that were exchanged: until when each would be good, by its digest.
    pub spent_tokens: BTreeMap<String, i64>,
    /// Public identifiers of keys, by the digest of their secret.
    pub key_by_secret: BTreeMap<String, String>,
    /// Scopes of tokens by name, retired ones too.
    pub token_scopes: BTreeMap<String, KnownScope>,
    /// Providers in use.
    pub providers: BTreeMap<String, ProviderSpec>,
    /// Registered model versions: model, then version.
    pub models: BTreeMap<String, BTreeMap<String, models::ModelRegistered>>,
    /// Encrypted artifacts of registered models by object, until they are disposed of.
    pub artifacts: BTreeMap<String, models::KeptArtifact>,
    /// The person who registered each model version, or answered for the program that did: model, then version.
    pub registrants: BTreeMap<String, BTreeMap<String, String>>,
    /// Services offered.
    pub services: BTreeMap<String, ServiceSpec>,
    /// Risk of the services that were offered, as last declared.
    pub retired: BTreeMap<String, RiskTier>,
    /// Who answers for each registered service, and with which risk.
    pub registrations: BTreeMap<String, ServiceRegistered>,
    /// Live deployments: service, then route.
    pub deployments: BTreeMap<String, BTreeMap<String, Deployment>>,
    /// The keys that data are encrypted under.
    pub encryption: keys::Encryption,
    /// Data sets by name, retired ones too.
    pub datasets: BTreeMap<String, Dataset>,
    /// Detectors of the organisation's own.
    pub detectors: OwnDetectors,
    /// What is declared of fields: data set, then field.
    pub fields: BTreeMap<String, BTreeMap<String, KnownField>>,
    /// What detectors found: data set, then version, as long as it is there.
    pub scans: BTreeMap<String, BTreeMap<String, KnownScan>>,
    /// What goes out: data set, then purpose.
    pub views: BTreeMap<String, BTreeMap<String, KnownView>>,
    /// Findings by public identifier, settled ones too.
    pub findings: BTreeMap<String, Finding>,
    /// Objects that are decided to go and are not reported as gone.
    pub doomed_objects: BTreeMap<String, Doomed>,
    /// Versions that were destroyed by hand, by the object that they lay in.
    pub deletions: BTreeMap<String, keys::disposals::ByHand>,
    /// Regions, where data may be, and what may leave.
    pub residency: Residency,
    /// Data sets by what they are called elsewhere: namespace, then name.
    pub lineage_aliases: BTreeMap<String, BTreeMap<String, String>>,
    /// Contracts by name, retired ones too.
    pub contracts: BTreeMap<String, KnownContract>,
    /// How checked versions stand: data set, then version.
    pub checks: BTreeMap<String, BTreeMap<String, Standing>>,
    /// Nodes by name.
    pub nodes: BTreeMap<String, infrastructure::Node>,
    /// Write-once buckets: all files that entries below this number speak of are stored there.
    pub archives: BTreeMap<String, u64>,
    /// The bucket of encrypted objects as it was last reported; `None` while they were never kept in one.
    pub objects_in: Option<infrastructure::ObjectsProbed>,
    /// The custodian of the root key as it was last reported; `None` while none but the file was ever used.
    pub custodian: Option<crate::keys::CustodianReported>,
    /// Rules of retention by name.
    pub retention_rules: BTreeMap<String, Rule>,
    /// The days of which there are payloads: class, then days.
    pub kept: BTreeMap<String, BTreeSet<String>>,
    /// Disposals by public identifier, those that are done too.
    pub disposals: BTreeMap<String, Disposal>,
    /// The payload file that was written anew last.
    pub compacted: Option<PayloadCompacted>,
    /// Legal holds by public identifier, released ones too.
    pub holds: BTreeMap<String, Hold>,
    /// Requests of people by public identifier, closed ones too.
    pub requests: BTreeMap<String, Request>,
    /// Controls in scope.
    pub controls: BTreeMap<String, assurance::ScopedControl>,
    /// The standing result of each control: the one of the latest state and window.
    pub runs: BTreeMap<String, assurance::ControlRan>,
    /// Versions of streams.
    pub streams: BTreeMap<String, u64>,
    /// Where the events with recent identifiers are.
    pub recent: BTreeMap<String, u64>,
    /// The same identifiers by age: (ts, id).
    pub recent_by_age: VecDeque<(i64, String)>,
}

impl State {
    /// The revision of the fold. Raise it whenever the same entries come to a state that is written otherwise, be it only
    /// by a new empty map: digests are compared with those of the same revision alone, and what an earlier program
    /// recorded rightly is not called altered. `tests/verifier/verify.py` has it too.
    pub const FOLD: u32 = 1;

    /// The version of a stream: how many events it has.
    #[must_use]
    pub fn version(&self, stream: &str) -> u64 {
        self.streams.get(stream).copied().unwrap_or(0)
    }

    /// The key whose secret has this SHA-256 (hexadecimal), live or not.
    #[must_use]
    pub fn key_for_secret(&self, secret_sha256: &str) -> Option<&Key> {
        self.keys.get(self.key_by_secret.get(secret_sha256)?)
    }

    /// SHA-256 of the state as compact JSON with sorted keys, hexadecimal.
    ///
    /// # Errors
    /// None in practice: every part of the state can be written as JSON.
    pub fn digest(&self) -> Result<String, serde_json::Error> {
        crate::canonical::digest(self)
    }

    /// Takes one more entry in. Total: an entry that was decided always applies.
    pub fn apply(&mut self, entry: &Entry) {
        let seq = self.size;
        self.size = self.size.saturating_add(1);
        self.streams.insert(entry.stream.clone(), entry.sv);
        self.remember(entry, seq);
        self.apply_event(&entry.event, entry.ts, &entry.actor);
    }

    fn remember(&mut self, entry: &Entry, seq: u64) {
        self.recent.insert(entry.id.clone(), seq);
        self.recent_by_age.push_back((entry.ts, entry.id.clone()));
        while let Some((ts, _)) = self.recent_by_age.front() {
            if entry.ts.saturating_sub(*ts) <= IDEMPOTENCY_MS && self.recent_by_age.len() <= IDEMPOTENCY_MAX {
                break;
            }
            if let Some((_, id)) = self.recent_by_age.pop_front() {
                self.recent.remove(&id);
            }
        }
    }

    fn apply_event(&mut self, event: &Event, ts: i64, by: &str) {
        match event {
            Event::OrgCreated(body) => self.org = Some(body.clone()),
            Event::PoliciesInstalled(body) => self.policies = Some(body.clone()),
            Event::NodeJoined(body) => {
                let node = infrastructure::Node { incarnation: body.incarnation, ..Default::default() };
                self.nodes.insert(body.node.clone(), node);
            }
            Event::ActorRegistered(body) => {
                self.actors.insert(body.actor.clone(), body.clone());
            }
            Event::ActorLeft(body) => {
                self.left.insert(body.actor.clone(), ts);
                self.recovery.remove(&body.actor);
                self.links.retain(|_, link| link.actor != body.actor);
                self.sessions.retain(|_, session| session.actor != body.actor);
                self.registrations.retain(|_, known| known.owner != body.actor);
            }
            Event::ActorReturned(body) => {
                self.left.remove(&body.actor);
                self.removed.remove(&body.actor);
                if let Some(actor) = self.actors.get_mut(&body.actor) {
                    actor.roles.clear();
                }
            }
            Event::ActorRemoved(body) => {
                self.removed.insert(body.actor.clone());
            }
            Event::IdentityLinked(body) => {
                let identity = Identity { actor: body.actor.clone(), source: body.source };
                self.identities.insert(body.subject.clone(), identity);
            }
            Event::IdentityUnlinked(body) => {
                self.identities.remove(&body.subject);
            }
            Event::ProfileSet(body) => {
                self.profiles.insert(body.actor.clone(), body.sealed_sha256.clone());
            }
            Event::GrantRequested(body) => {
                let (requested, requested_by) = (body.clone(), by.to_owned());
                let asker = self.person_of(by).to_owned();
                let grant = Grant { requested, requested_by, asker, approved: None, ended_at: None };
                self.grants.insert(body.grant.clone(), grant);
            }
            Event::GrantApproved(body) => {
                if let Some(grant) = self.grants.get_mut(&body.grant) {
                    grant.approved = Some((by.to_owned(), ts));
                }
            }
            Event::GrantPreapproved(body) => {
                if let Some(grant) = self.grants.get_mut(&body.grant) {
                    grant.approved = Some((body.approved_by.clone(), ts));
                }
            }
            Event::GroupCreated(body) | Event::GroupDescribed(body) => {
                let group = self.groups.entry(body.group.clone()).or_default();
                (group.names, group.sealed_sha256) = (body.names.clone(), body.sealed_sha256.clone());
            }
            Event::GroupDeleted(body) => {
                self.groups.remove(&body.group);
            }
            Event::GroupMemberAdded(body) => self.change_member(body, true),
            Event::GroupMemberRemoved(body) => self.change_member(body, false),
            Event::GroupMapped(body) => {
                let (roles, days, mapped_by) = (body.roles.clone(), body.days, by.to_owned());
                let mapper = self.person_of(by).to_owned();
                let mapping = Mapping { roles, days, mapped_by, mapper, approved: None, approver: None };
                if let Some(group) = self.groups.get_mut(&body.group) {
                    group.mapping = Some(mapping).filter(|mapping| !mapping.roles.is_empty());
                }
            }
            Event::GroupMapApproved(body) => {
                let approver = self.person_of(by).to_owned();
                let mapping = self.groups.get_mut(&body.group).and_then(|group| group.mapping.as_mut());
                if let Some(mapping) = mapping {
                    (mapping.approved, mapping.approver) = (Some((by.to_owned(), ts)), Some(approver));
                }
            }
            Event::GrantEnded(body) => {
                if let Some(grant) = self.grants.get_mut(&body.grant) {
                    grant.ended_at = Some(ts);
                }
            }
            Event::ReviewStarted(body) => self.start_review(body, by, ts),
            Event::ReviewAssigned(body) => {
                if let Some(review) = self.reviews.get_mut(&body.review) {
                    (review.reviewer, review.alternate) = (body.reviewer.clone(), body.alternate.clone());
                }
            }
            Event::ReviewDecided(body) => self.decide_item(body, by, ts),
            Event::ReviewCompleted(body) => {
                if let Some(review) = self.reviews.get_mut(&body.review) {
                    review.completed_at = Some(ts);
                }
            }
            Event::ApprovalRequested(body) => {
                let approval = Approval {
                    requested: body.clone(),
                    requested_by: by.to_owned(),
                    asker: self.person_of(by).to_owned(),
                    requested_at: ts,
                    votes: Vec::new(),
                    comments: Vec::new(),
                    withdrawn_at: None,
                    consumed: None,
                };
                self.approvals.insert(body.approval.clone(), approval);
            }
            Event::ApprovalVoted(body) => {
                if let Some(approval) = self.approvals.get_mut(&body.approval) {
                    let (by, on_behalf_of) = (by.to_owned(), body.on_behalf_of.clone());
                    approval.votes.push(Cast { by, vote: body.vote, on_behalf_of, at: ts });
                }
            }
            Event::ApprovalWithdrawn(body) => {
                if let Some(approval) = self.approvals.get_mut(&body.approval) {
                    approval.withdrawn_at = Some(ts);
                }
            }
            Event::ApprovalCommented(body) => {
                if let Some(approval) = self.approvals.get_mut(&body.approval) {
                    let (comment, sealed_sha256) = (body.comment.clone(), body.sealed_sha256.clone());
                    approval.comments.push(Comment { comment, by: by.to_owned(), at: ts, sealed_sha256 });
                }
            }
            Event::ApprovalConsumed(body) => {
                if let Some(approval) = self.approvals.get_mut(&body.approval) {
                    approval.consumed = Some((by.to_owned(), ts));
                }
            }
            Event::VoteDelegated(body) => {
                let delegation = Delegation { from: by.to_owned(), delegated: body.clone(), ended_at: None };
                self.delegations.insert(body.delegation.clone(), delegation);
            }
            Event::DelegationEnded(body) => {
                if let Some(delegation) = self.delegations.get_mut(&body.delegation) {
                    delegation.ended_at = Some(ts);
                }
            }
            Event::ApprovalsConfigured(body) => self.approval_rules = Some(body.clone()),
            Event::RoleDefined(body) => self.role_defined(body),
            Event::RoleRetired(body) => {
                self.custom_roles.remove(&body.role);
            }
            Event::DocumentPublished(body) => self.publish_document(body, ts),
            Event::DocumentAcknowledged(body) => self.acknowledge_document(body, by, ts),
            Event::TrainingRecorded(body) => self.record_training(body),
            Event::EmergencyDeclared(body) => {
                let (declared, actor) = (body.clone(), by.to_owned());
                let emergency = Emergency { declared, actor, at: ts, ended_at: None, uses: Vec::new(), reviewed: None };
                self.emergencies.insert(body.emergency.clone(), emergency);
            }
            Event::EmergencyUsed(body) => {
                if let Some(emergency) = self.emergencies.get_mut(&body.emergency) {
                    emergency.uses.push(body.clone());
                }
            }
            Event::EmergencyEnded(body) => {
                if let Some(emergency) = self.emergencies.get_mut(&body.emergency) {
                    emergency.ended_at = Some(ts);
                }
            }
            Event::EmergencyReviewed(body) => {
                if let Some(emergency) = self.emergencies.get_mut(&body.emergency) {
                    emergency.reviewed = Some((by.to_owned(), body.finding));
                }
            }
            Event::PasskeyRegistered(body) => {
                self.passkeys.insert(body.passkey.clone(), Passkey::registered(body, ts));
            }
            Event::PasskeyUsed(body) => {
                if let Some(passkey) = self.passkeys.get_mut(&body.passkey) {
                    (passkey.sign_count, passkey.used_at) = (body.sign_count, Some(ts));
                }
            }
            Event::PasskeyRemoved(body) => {
                self.passkeys.remove(&body.passkey);
            }
            Event::RecoveryIssued(body) => self.recovery_issued(body, ts),
            Event::RecoveryUsed(body) => self.recovery_used(body, ts),
            Event::SigninLinkCreated(body) => {
                let link = Link { actor: body.actor.clone(), expires_at: body.expires_at };
                self.links.insert(body.link_sha256.clone(), link);
            }
            Event::SessionOpened(body) => {
                self.links.remove(&body.link_sha256);
                self.sessions.insert(body.session_sha256.clone(), Session::opened(body, ts));
            }
            Event::SessionStarted(body) => {
                // Here and not by themselves, for time passes in entries only.
                self.links.retain(|_, link| link.expires_at > ts);
                self.sessions.retain(|_, session| session.expires_at > ts);
                if let Some(link) = &body.link_sha256 {
                    self.links.remove(link);
                }
                self.sessions.insert(body.session_sha256.clone(), Session::started(body, ts));
            }
            Event::SessionEnded(body) => self.sessions.retain(|_, session| session.session != body.session),
            Event::SessionClosed(body) => {
                self.sessions.remove(&body.session_sha256);
            }
            Event::KeyCreated(body) => {
                self.key_by_secret.insert(body.secret_sha256.clone(), body.key.clone());
                let session = body.session.as_deref().and_then(|session| self.session(session)).cloned();
                self.keys.insert(body.key.clone(), Key { session, ..Key::new(body.clone(), ts, by) });
            }
            Event::KeyRotated(body) => {
                let session = self.keys.get_mut(&body.key).and_then(|key| {
                    key.replaced = Some((body.by.clone(), body.ends_at));
                    key.session.clone()
                });
                if let (Some(session), Some(by)) = (session, self.keys.get_mut(&body.by)) {
                    by.session = Some(session);
                }
            }
            Event::WorkloadDeclared(body) => {
                self.workloads.insert(body.workload.clone(), body.rule.clone());
            }
            Event::NotificationSettled(body) => self.settle_notification(body, ts),
            Event::WorkloadRetired(body) => {
                self.workloads.remove(&body.workload);
            }
            Event::TokenScopeDeclared(body) => {
                let known = KnownScope { spec: body.spec.clone(), retired: false };
                self.token_scopes.insert(body.scope.clone(), known);
            }
            Event::TokenScopeRetired(body) => {
                if let Some(known) = self.token_scopes.get_mut(&body.scope) {
                    known.retired = true;
                }
            }
            Event::KeyExchanged(body) => {
                if let Some(key) = self.keys.get_mut(&body.key) {
                    key.workload = Some(body.workload.clone());
                }
                self.spent_tokens.retain(|_, until| *until > ts);
                if let Some(until) = body.spent_until {
                    self.spent_tokens.insert(body.proof_sha256.clone(), until);
                }
            }
            Event::KeyLeaked(body) => {
                if let Some(key) = self.keys.get_mut(&body.key) {
                    key.leaked_at = Some(ts);
                }
            }
            Event::KeysUsed(body) => {
                for id in &body.keys {
                    if let Some(key) = self.keys.get_mut(id) {
                        key.used_at = Some(body.hour);
                    }
                }
            }
            Event::KeysLimited(body) => self.keys_limited = Some(body.clone()),
            Event::AccountOwned(body) => {
                let account = Account { owner: body.owner.clone(), reason: body.reason, since: ts };
                self.accounts.insert(body.actor.clone(), account);
            }
            Event::KeyRevoked(body) => {
                if let Some(key) = self.keys.get_mut(&body.key) {
                    key.revoked_at = Some(ts);
                }
            }
            Event::ProviderDeclared(body) => {
                self.providers.insert(body.provider.clone(), body.spec.clone());
            }
            Event::ProviderRetired(body) => {
                self.providers.remove(&body.provider);
            }
            Event::ModelRegistered(body) => {
                // A program acts for whoever answers for it; that may be somebody else tomorrow.
                let person = self.person_of(by).to_owned();
                let versions = self.registrants.entry(body.model.clone()).or_default();
                versions.insert(body.version.clone(), person);
                if let Some(enclosed) = &body.enclosed {
                    let (sha256, class) = (body.artifact_sha256.clone(), enclosed.class.clone());
                    let artifact = models::KeptArtifact { sha256, class, at: ts };
                    self.artifacts.insert(enclosed.object.clone(), artifact);
                }
                self.models.entry(body.model.clone()).or_default().insert(body.version.clone(), body.clone());
            }
            Event::ServiceDeclared(body) => {
                self.retired.remove(&body.service);
                self.services.insert(body.service.clone(), body.spec.clone());
                // What was agreed to was this risk and no other.
                let fits = |known: &ServiceRegistered| known.risk_tier == body.spec.risk_tier;
                self.registrations.retain(|service, known| *service != body.service || fits(known));
            }
            Event::ServiceRegistered(body) => {
                self.registrations.insert(body.service.clone(), body.clone());
            }
            Event::ServiceRetired(body) => {
                if let Some(spec) = self.services.remove(&body.service) {
                    self.retired.insert(body.service.clone(), spec.risk_tier);
                }
                self.registrations.remove(&body.service);
            }
            Event::DeploymentStarted(body) => {
                let deployment = Deployment { started: body.clone(), at: ts };
                self.deployments.entry(body.service.clone()).or_default().insert(body.route.clone(), deployment);
            }
            Event::DeploymentEnded(body) => {
                if let Some(routes) = self.deployments.get_mut(&body.service) {
                    routes.retain(|_, deployment| deployment.started.deployment != body.deployment);
                }
            }
            Event::DatasetDeclared(body) => self.declare_dataset(body),
            Event::DatasetRetired(body) => {
                if let Some(dataset) = self.datasets.get_mut(&body.dataset) {
                    dataset.retired_at = Some(ts);
                }
            }
            Event::VersionStored(body) => self.store_version(body, by, ts),
            Event::VersionDescribed(body) => self.describe_version(body),
            Event::VersionRewritten(body) => self.rewrite_version(body),
            Event::VersionEnded(body) => {
                self.end_version(body);
                self.destroy_by_hand(body, by, ts);
            }
            Event::LineageAliased(body) => self.alias(body),
            Event::ContractPublished(body) => self.publish_contract(body, ts),
            Event::ContractRetired(body) => self.retire_contract(body, ts),
            Event::VersionChecked(body) => self.check_version(body, ts),
            Event::VersionQuarantined(body) => self.quarantine_version(body, by, ts),
            Event::VersionReleased(body) => self.release_version(body),
            // Said elsewhere: nothing here follows from it.
            Event::ChecksReported(_) => {}
            Event::ObjectDestroyed(body) => self.object_is_gone(body, ts),
            // Residency.
            Event::RegionsDeclared(body) => self.residency.regions = body.regions.clone(),
            Event::StoreLocated(body) => self.locate_store(body),
            Event::ResidencyRuled(body) => self.rule_residency(body, by, ts),
            Event::TransferAuthorised(body) => self.authorise_transfer(body, by, ts),
            Event::TransferRevoked(body) => self.revoke_transfer(body, by, ts),
            // Fields of data sets, what is found in them, and what goes out for a purpose.
            Event::FieldsDeclared(body) => self.declare_fields(body, by, ts),
            Event::VersionScanned(body) => self.take_scan(body, ts),
            Event::ViewDeclared(body) => self.declare_view(body, by, ts),
            Event::ViewRetired(body) => self.retire_view(body),
            Event::FindingOpened(body) => self.open_finding(body, ts),
            Event::FindingResolved(body) => self.resolve_finding(body, by, ts),
            // Detectors of the organisation's own.
            Event::DetectorDeclared(body) => self.declare_detector(body, by, ts),
            Event::DetectorRetired(body) => self.retire_detector(body, ts),
            Event::SegmentSealed(body) => {
                if let Some(node) = self.nodes.get_mut(&body.node) {
                    node.sealed_records = body.first.saturating_add(body.n);
                    node.last_segment =
                        Some(infrastructure::SegmentRef { number: body.number, root: body.root.clone() });
                }
            }
            Event::AccessesSealed(body) => {
                if let Some(node) = self.nodes.get_mut(&body.node) {
                    node.sealed_accesses = body.first.saturating_add(body.n);
                    node.last_accesses =
                        Some(infrastructure::SegmentRef { number: body.number, root: body.root.clone() });
                }
            }
            Event::EncryptionConfigured(body) => self.encryption.configured = Some(body.clone()),
            Event::EncryptionRotationRequested(body) => {
                self.encryption.requested.insert(body.key.clone(), ts);
            }
            Event::EncryptionKeyRotated(body) => self.encryption.apply_rotated(body),
            Event::EncryptionRootRatcheted(body) => self.encryption.apply_ratcheted(body, ts),
            Event::RetentionScheduled(body) => self.schedule_retention(body, by, ts),
            Event::RetentionUnscheduled(body) => {
                self.retention_rules.remove(&body.rule);
            }
            Event::RetentionKept(body) => {
                self.kept.entry(body.class.clone()).or_default().insert(body.day.clone());
            }
            Event::RetentionDisposing(body) => self.begin_disposal(body, ts),
            Event::RetentionDisposed(body) => self.end_disposal(body, ts),
            Event::DisposalConfirmed(body) => self.confirm_disposal(body, by, ts),
            Event::PayloadCompacted(body) => self.compacted = Some(body.clone()),
            Event::HoldPlaced(body) => self.place_hold(body, by, ts),
            Event::HoldReleased(body) => self.release_hold(body, by, ts),
            // Requests of people.
            Event::RequestReceived(body) => {
                self.requests.insert(body.request.clone(), Request::new(body));
            }
            Event::RequestIdentityChecked(body) => {
                if let Some(request) = self.requests.get_mut(&body.request) {
                    request.identity = Some(body.result);
                    if request.is_confirmed() {
                        request.confirmed_by.insert(by.to_owned());
                    }
                }
            }
            Event::RequestSearched(body) => {
                if let Some(request) = self.requests.get_mut(&body.request) {
                    request.searched = Some(body.clone());
                }
            }
            Event::RequestAssessed(body) => {
                if let Some(request) = self.requests.get_mut(&body.request) {
                    request.assessed.insert(format!("{}/{}", body.model, body.version), body.action);
                }
            }
            Event::RequestStarted(body) => {
                if let Some(request) = self.requests.get_mut(&body.request) {
                    request.started_at = Some(ts);
                }
            }
            Event::RequestStep(body) => {
                if let Some(request) = self.requests.get_mut(&body.request) {
                    request.steps.push((body.step, ts));
                }
            }
            Event::RequestClosed(body) => {
                if let Some(request) = self.requests.get_mut(&body.request) {
                    request.closed = Some((body.outcome, ts));
                }
            }
            Event::ControlsScoped(body) => {
                self.controls = body.controls.iter().map(|c| (c.control.clone(), c.clone())).collect();
            }
            Event::ControlRan(body) => {
                if self.runs.get(&body.control).is_none_or(|standing| body.stands_over(standing)) {
                    self.runs.insert(body.control.clone(), body.clone());
                }
            }
            Event::ArchiveLocked(body) => {
                self.archives.insert(body.bucket.clone(), body.through);
            }
            Event::CustodianReported(body) => self.custodian = Some(body.clone()),
            Event::ObjectsProbed(body) => self.objects_in = Some(body.clone()),
            Event::NodeStopped(_)
            | Event::NodeRecovered(_)
            | Event::CertificateInstalled(_)
            | Event::LedgerHeartbeat(_)
            | Event::RollbackAccepted(_)
            | Event::LedgerResumed(_)
            | Event::StateDigest(_)
            | Event::EndpointsProbed(_)
            | Event::ArchiveProbed(_)
            | Event::LineageReported(_)
            | Event::CommandRefused(_)
            | Event::SigninRefused(_)
            | Event::GrantWithheld(_)
            | Event::DutyStoodIn(_)
            | Event::SegmentProgress(_)
            | Event::AccessesProgress(_)
            | Event::GatewayCounted(_)
            | Event::GatewayCountLost(_)
            | Event::TransferMade(_)
            | Event::TransferRefused(_)
            // What is gone of records is asked of the entries, and is no part of the state.
            | Event::SegmentsDisposed(_)
            | Event::ClockConfirmed(_)
            | Event::EvidenceExported(_) => {}
        }
    }
}
