//! What can be asked for, and how asking can fail.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{assurance, data, infrastructure, keys, models, people, serving, vendors};

macro_rules! commands {
    ($( $(#[$doc:meta])* $name:literal $variant:ident($body:ty) on $resource:expr; )*) => {
        /// A wish to change something. What it means for the state is for [`crate::decide`] to say.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "command", content = "body")]
        pub enum Command {
            $( $(#[$doc])* #[serde(rename = $name)] $variant($body), )*
        }

        impl Command {
            /// The names of all commands, in the order of this file: the actions of the policies.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// The command's name, which is also the Cedar action's.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $( Self::$variant(_) => $name, )* }
            }

            /// The thing it would change, as `kind/name`: the Cedar resource.
            #[must_use]
            pub fn resource(&self) -> String {
                match self { $( Self::$variant(body) => { let of: fn(&$body) -> String = $resource; of(body) } )* }
            }
        }
    };
}

commands! {
    /// Create the organisation; once.
    "org.create" CreateOrg(infrastructure::OrgCreated) on |_| "org".into();
    /// Put policies into force.
    "policies.install" InstallPolicies(infrastructure::PoliciesInstalled) on |_| "policies".into();
    /// Start a node.
    "node.join" JoinNode(infrastructure::NodeJoined) on |b| format!("node/{}", b.node);
    /// Report that a node ended well.
    "node.stop" StopNode(infrastructure::NodeStopped) on |b| format!("node/{}", b.node);
    /// Report what a node found at its start.
    "node.recover" RecoverNode(infrastructure::NodeRecovered) on |b| format!("node/{}", b.node);
    /// Report a certificate that a node was given and shows.
    "certificate.install" InstallCertificate(infrastructure::CertificateInstalled) on |b| format!("node/{}", b.node);
    /// Give a sign of life.
    "ledger.beat" Beat(infrastructure::LedgerHeartbeat) on |_| "ledger".into();
    /// Go on with an older copy of the ledger, giving up what is remembered of a newer one.
    "ledger.rollback.accept" AcceptRollback(AcceptRollback) on |_| "ledger".into();
    /// Report that the ledger was stopped, and goes on.
    "ledger.resume.report" ReportResumed(infrastructure::LedgerResumed) on |_| "ledger".into();
    /// Record a digest of the state.
    "state.digest" DigestState(infrastructure::StateDigest) on |_| "ledger".into();
    /// Report what a node found out about endpoints.
    "endpoints.probe" ProbeEndpoints(infrastructure::EndpointsProbed) on |b| format!("node/{}", b.node);

    /// Report what was copied to a write-once bucket.
    "archive.lock.report" ReportLocked(infrastructure::ArchiveLocked) on |_| "ledger".into();
    /// Report what came of putting such a bucket to the test.
    "archive.probe.report" ReportProbed(infrastructure::ArchiveProbed) on |_| "ledger".into();

    /// Report what came of putting the bucket of encrypted objects to the test.
    "objects.probe.report" ReportObjects(infrastructure::ObjectsProbed) on |_| "ledger".into();

    /// Report which custodian holds the root key, and whether it can be reached.
    "encryption.custodian.report" ReportCustodian(crate::keys::CustodianReported) on |_| "encryption/root".into();

    /// Register an actor.
    "actor.register" RegisterActor(people::ActorRegistered) on |b| format!("actor/{}", b.actor);
    /// Note that an actor left, and end all that they hold.
    "actor.leave" Leave(people::ActorLeft) on |b| format!("actor/{}", b.actor);
    /// Let somebody back in who had left.
    "actor.return" Return(people::ActorReturned) on |b| format!("actor/{}", b.actor);
    /// Have somebody registered, or changed, as a directory knows them.
    "person.provision" ProvisionPerson(people::ProvisionPerson) on |b| format!("actor/{}", b.actor);
    /// Have a group, describe it anew, or change who is in it.
    "group.provision" ProvisionGroup(people::ProvisionGroup) on |b| format!("group/{}", b.group);
    /// Have a group no more.
    "group.delete" DeleteGroup(people::GroupNamed) on |b| format!("group/{}", b.group);
    /// Say which roles being in a group asks for.
    "group.map" MapGroup(people::GroupMapped) on |b| format!("group/{}", b.group);
    /// Approve that.
    "group.map.approve" ApproveGroupMap(people::GroupNamed) on |b| format!("group/{}", b.group);
    /// Note by which name an actor is known elsewhere.
    "identity.link" LinkIdentity(people::IdentityLinked) on |b| format!("actor/{}", b.actor);
    /// Forget a name by which an actor is known elsewhere.
    "identity.unlink" UnlinkIdentity(people::IdentityUnlinked) on |b| format!("actor/{}", b.actor);
    /// Write down, sealed, what is known of an actor as a person.
    "profile.set" SetProfile(people::ProfileSet) on |b| format!("actor/{}", b.actor);
    /// Ask for a role.
    "grant.request" RequestGrant(people::GrantRequested) on |b| format!("grant/{}", b.grant);
    /// Approve a role that was asked for.
    "grant.approve" ApproveGrant(people::GrantNamed) on |b| format!("grant/{}", b.grant);
    /// Decline, withdraw or revoke a grant.
    "grant.end" EndGrant(people::GrantEnded) on |b| format!("grant/{}", b.grant);
    /// Start a review of who has access.
    "review.start" StartReview(people::reviews::StartReview) on |b| format!("review/{}", b.review);
    /// Have somebody else review.
    "review.assign" AssignReview(people::reviews::ReviewAssigned) on |b| format!("review/{}", b.review);
    /// Decide of one role in a review.
    "review.decide" DecideReview(people::reviews::ReviewDecided) on |b| format!("review/{}", b.review);
    /// Complete a review.
    "review.complete" CompleteReview(people::reviews::ReviewNamed) on |b| format!("review/{}", b.review);
    /// Ask for an approval.
    "approval.request" RequestApproval(people::RequestApproval) on |b| format!("approval/{}", b.approval);
    /// Vote on what is asked.
    "approval.vote" VoteOnApproval(people::ApprovalVoted) on |b| format!("approval/{}", b.approval);
    /// Take a request for an approval back.
    "approval.withdraw" WithdrawApproval(people::ApprovalNamed) on |b| format!("approval/{}", b.approval);
    /// Say something about a request for an approval.
    "approval.comment" CommentOnApproval(people::ApprovalCommented) on |b| format!("approval/{}", b.approval);
    /// Hand one's votes on for a time.
    "approval.delegate" DelegateVote(people::VoteDelegated) on |b| format!("delegation/{}", b.delegation);
    /// End that before its time.
    "approval.delegation.end" EndDelegation(people::DelegationEnded) on |b| format!("delegation/{}", b.delegation);
    /// Set which commands need an approval.
    "approvals.configure" ConfigureApprovals(people::ApprovalsConfigured) on |_| "approvals".into();
    /// Take a role at once, for minutes.
    "emergency.declare" DeclareEmergency(people::EmergencyDeclared) on |b| format!("emergency/{}", b.emergency);
    /// End that before its time.
    "emergency.end" EndEmergency(people::EmergencyNamed) on |b| format!("emergency/{}", b.emergency);
    /// Say what a look at it afterwards found.
    "emergency.review" ReviewEmergency(people::EmergencyReviewed) on |b| format!("emergency/{}", b.emergency);
    /// Put a version of a document into force.
    "document.publish" PublishDocument(people::DocumentPublished) on |b| format!("document/{}", b.document);
    /// Acknowledge a version of a document, for oneself.
    "document.acknowledge" AcknowledgeDocument(people::DocumentAcknowledged) on |b| format!("document/{}", b.document);
    /// Record that somebody else completed a course.
    "training.record" RecordTraining(people::TrainingRecorded) on |b| format!("actor/{}", b.actor);
    /// Define a role of the organisation's own, or change what it permits.
    "role.define" DefineRole(people::RoleDefined) on |b| format!("role/{}", b.role);
    /// Take such a role away.
    "role.retire" RetireRole(people::RoleRetired) on |b| format!("role/{}", b.role);
    /// Register a passkey.
    "passkey.register" RegisterPasskey(people::PasskeyRegistered) on |b| format!("actor/{}", b.actor);
    /// Remove a passkey.
    "passkey.remove" RemovePasskey(people::PasskeyRemoved) on |b| format!("actor/{}", b.actor);
    /// Issue recovery codes.
    "recovery.issue" IssueRecovery(people::RecoveryIssued) on |b| format!("actor/{}", b.actor);
    /// Make a one-time sign-in link.
    "signin.link.create" CreateSigninLink(people::SigninLinkCreated) on |b| format!("actor/{}", b.actor);
    /// Open a session for somebody who proved who they are.
    "session.open" OpenSession(people::OpenSession) on |b| format!("actor/{}", b.started.actor);
    /// End a session.
    "session.close" CloseSession(people::SessionEnded) on |b| format!("actor/{}", b.actor);
    /// Report how many were turned away at a door.
    "signin.refused.count" CountRefused(people::SigninRefused) on |_| "people".into();
    /// Report what became of a notification.
    "notification.settle" SettleNotification(people::NotificationSettled) on |_| "notifications".into();
    /// Create a key.
    "key.create" CreateKey(people::KeyCreated) on |b| b.scope.resource();
    /// Have another key take a key's place.
    "key.rotate" RotateKey(people::keys::RotateKey) on |b| b.by.scope.holder();
    /// Report a key's secret as found where it should not be, which ends the key.
    "key.leak" LeakKey(people::KeyLeaked) on |b| format!("key/{}", b.key);
    /// Give up a key of one's own.
    "key.give_up" GiveUpKey(people::KeyRevoked) on |b| format!("key/{}", b.key);
    /// Withdraw a key.
    "key.revoke" RevokeKey(people::KeyRevoked) on |b| format!("key/{}", b.key);
    /// Report which keys were used.
    "keys.use" UseKeys(people::KeysUsed) on |b| format!("node/{}", b.node);
    /// Set how long keys may live.
    "keys.limit" LimitKeys(people::KeysLimited) on |_| "keys".into();
    /// Believe a proof of what a program runs on, or change what it opens.
    "workload.declare" DeclareWorkload(people::WorkloadDeclared) on |b| format!("workload/{}", b.workload);
    /// Believe it no longer, and end the keys that came of it.
    "workload.retire" RetireWorkload(people::WorkloadRetired) on |b| format!("workload/{}", b.workload);
    /// Exchange a proof that was checked for a key.
    "key.exchange" ExchangeKey(people::ExchangeKey) on |b| format!("workload/{}", b.exchanged.workload);
    /// Name who answers for a service account.
    "account.own" OwnAccount(people::AccountOwned) on |b| format!("actor/{}", b.actor);

    /// Declare a scope of tokens, or change its purposes.
    "token.scope.declare" DeclareTokenScope(keys::tokens::TokenScopeDeclared) on |b| format!("tokens/{}", b.scope);
    /// Give a scope no more tokens.
    "token.scope.retire" RetireTokenScope(keys::tokens::TokenScopeRetired) on |b| format!("tokens/{}", b.scope);

    /// Declare a provider, or change its declaration.
    "provider.declare" DeclareProvider(vendors::ProviderDeclared) on |b| format!("provider/{}", b.provider);
    /// Stop using a provider.
    "provider.retire" RetireProvider(vendors::ProviderRetired) on |b| format!("provider/{}", b.provider);
    /// Register a model version whose artifact has been uploaded.
    "model.register" RegisterModel(RegisterModel) on |b| format!("model/{}", b.model);
    /// Declare a service with its routes, or change its declaration.
    "service.declare" DeclareService(serving::ServiceDeclared) on |b| format!("service/{}", b.service);
    /// Register a service: who answers for it, and with which risk.
    "service.register" RegisterService(serving::ServiceRegistered) on |b| format!("service/{}", b.service);
    /// Stop offering a service.
    "service.retire" RetireService(serving::ServiceRetired) on |b| format!("service/{}", b.service);

    /// Declare a data set, or change its declaration.
    "dataset.declare" DeclareDataset(data::DatasetDeclared) on |b| format!("dataset/{}", b.dataset);
    /// Store nothing more in a data set.
    "dataset.retire" RetireDataset(data::DatasetRetired) on |b| format!("dataset/{}", b.dataset);
    /// Store a version of a data set whose bytes have been uploaded.
    "dataset.version.store" StoreVersion(data::StoreVersion) on |b| format!("dataset/{}", b.dataset);
    /// Report that a version was written anew without somebody's rows.
    "dataset.version.rewrite" RewriteVersion(data::RewriteVersion) on |b| format!("dataset/{}", b.dataset);
    /// Destroy a version of a data set.
    "dataset.version.destroy" DestroyVersion(data::DestroyVersion) on |b| format!("dataset/{}", b.dataset);
    /// Put a version of a contract into force.
    "contract.publish" PublishContract(data::ContractPublished) on |b| format!("contract/{}", b.contract);
    /// Put a contract out of force.
    "contract.retire" RetireContract(data::ContractRetired) on |b| format!("contract/{}", b.contract);
    /// Record what a check of a version found.
    "dataset.version.check" CheckVersion(data::CheckVersion) on |b| format!("dataset/{}", b.dataset);
    /// Keep what a tool elsewhere says of checks that it ran.
    "dataset.checks.report" ReportChecks(data::ReportChecks) on |b| format!("dataset/{}", b.dataset);
    /// Let a quarantined version be read.
    "dataset.version.release" ReleaseVersion(data::VersionReleased) on |b| format!("dataset/{}", b.dataset);
    /// Report that an object's key was destroyed and its file removed.
    "object.destroy" DestroyObject(data::ObjectNamed) on |b| format!("object/{}", b.object);

    /// Say which regions there are.
    "regions.declare" DeclareRegions(data::residency::RegionsDeclared) on |_| "regions".into();
    /// Report where a store lies.
    "store.locate" LocateStore(data::residency::StoreLocated) on |_| "regions".into();
    /// Say where data of a class may be.
    "residency.rule" RuleResidency(data::residency::ResidencyRuled) on |b| format!("residency/{}", b.class);
    /// Authorise data to go to another region.
    "transfer.authorise" AuthoriseTransfer(data::transfers::TransferAuthorised) on |b| format!("transfer/{}", b.transfer);
    /// End that before its time.
    "transfer.revoke" RevokeTransfer(data::transfers::TransferRevoked) on |b| format!("transfer/{}", b.transfer);
    /// Report that a version of a data set was asked for in a region.
    "transfer.report" ReportTransfer(data::transfers::ReportTransfer) on |b| format!("transfer/{}", b.attempted.attempt);

    // lineage
    /// Report what was made from what.
    "lineage.report" ReportLineage(data::ReportLineage) on |_| "lineage/reported".into();
    /// Say what a data set is called elsewhere.
    "lineage.alias" AliasLineage(data::LineageAliased) on |_| "lineage/aliases".into();

    // Fields of data sets, what is found in them, and what goes out for a purpose.
    /// Say what fields of a data set are.
    "dataset.fields.declare" DeclareFields(data::FieldsDeclared) on |b| format!("dataset/{}", b.dataset);
    /// Report what detectors found in a version.
    "dataset.version.scan" ReportScan(data::VersionScanned) on |b| format!("dataset/{}", b.dataset);
    /// Say what somebody gets of a data set who reads it for a purpose.
    "dataset.view.declare" DeclareView(data::ViewDeclared) on |b| format!("dataset/{}", b.dataset);
    /// Have no view for a purpose any more.
    "dataset.view.retire" RetireView(data::ViewRetired) on |b| format!("dataset/{}", b.dataset);
    /// Settle a finding.
    "finding.resolve" ResolveFinding(data::FindingResolved) on |b| format!("dataset/{}", b.dataset);

    // Detectors of the organisation's own.
    /// Say what else is to be found in data, prompts and answers.
    "detector.declare" DeclareDetector(data::detectors::DetectorDeclared) on |b| format!("detector/{}", b.detector);
    /// Have one look at nothing more.
    "detector.retire" RetireDetector(data::detectors::DetectorRetired) on |b| format!("detector/{}", b.detector);

    /// Commit to a sealed segment.
    "segment.seal" SealSegment(serving::SegmentSealed) on |b| format!("node/{}", b.node);
    /// Commit to an unsealed segment's progress.
    "segment.progress" ReportProgress(serving::SegmentProgress) on |b| format!("node/{}", b.node);
    /// Commit to a sealed segment of accesses.
    "accesses.seal" SealAccesses(serving::SegmentSealed) on |b| format!("node/{}", b.node);
    /// Commit to the progress of an unsealed segment of accesses.
    "accesses.progress" ReportAccesses(serving::SegmentProgress) on |b| format!("node/{}", b.node);
    /// Report what a node counted.
    "gateway.count" CountGateway(serving::GatewayCounted) on |b| format!("node/{}", b.node);
    /// Report that a node's count of an hour died with its process.
    "gateway.count.lose" LoseCount(serving::GatewayCountLost) on |b| format!("node/{}", b.node);

    /// Set when keys that data are encrypted under are replaced.
    "encryption.configure" ConfigureEncryption(keys::EncryptionConfigured) on |_| "encryption/root".into();
    /// Have such a key replaced now.
    "encryption.rotate" RotateEncryption(keys::RotationRequested) on |b| format!("encryption/{}", b.key);
    /// Report that the key of a class was replaced, or is there for the first time.
    "encryption.key.report" ReportClassKey(keys::ClassKeyRotated) on |b| format!("encryption/{}", b.class);
    /// Report that the root key has a new version.
    "encryption.root.report" ReportRatchet(keys::RootRatcheted) on |_| "encryption/root".into();
    /// Say how long something is kept.
    "retention.schedule" ScheduleRetention(keys::retention::RetentionScheduled) on |b| format!("retention/{}", b.rule);
    /// Take a rule of retention away.
    "retention.unschedule" UnscheduleRetention(keys::retention::RetentionUnscheduled) on |b| format!("retention/{}", b.rule);
    /// Report that there are payloads of a class and day.
    "retention.keep" KeepPayloads(keys::retention::RetentionKept) on |b| format!("payloads/{}", b.class);
    /// Say that something that is due is to go.
    "retention.begin" BeginDisposal(keys::retention::BeginDisposal) on |b| format!("disposal/{}", b.disposal);
    /// Report that it went.
    "retention.dispose" ReportDisposal(keys::retention::RetentionDisposed) on |b| format!("disposal/{}", b.disposal);
    /// Say which segments of records go.
    "segments.dispose" DisposeSegments(keys::retention::SegmentsDisposed) on |b| format!("disposal/{}", b.disposal);
    /// Say that the clock is right, although it leapt ahead.
    "retention.clock.confirm" ConfirmClock(keys::retention::ConfirmClock) on |_| "retention/clock".into();
    /// Confirm that it went.
    "retention.confirm" ConfirmDisposal(keys::retention::DisposalConfirmed) on |b| format!("disposal/{}", b.disposal);
    /// Report a payload file that was written anew without some rows.
    "payload.compact" CompactPayload(keys::retention::PayloadCompacted) on |b| format!("node/{}", b.node);
    /// Keep something from being destroyed.
    "hold.place" PlaceHold(keys::holds::HoldPlaced) on |b| format!("hold/{}", b.hold);
    /// Let it go again.
    "hold.release" ReleaseHold(keys::holds::HoldReleased) on |b| format!("hold/{}", b.hold);
    /// Note that a person asked for something.
    "request.receive" ReceiveRequest(keys::requests::RequestReceived) on |b| format!("request/{}", b.request);
    /// Say who asks, and how that was checked.
    "request.identity.check" CheckRequestIdentity(keys::requests::RequestIdentityChecked) on |b| format!("request/{}", b.request);
    /// Note what a search found.
    "request.search" SearchRequest(keys::requests::SearchRequest) on |b| format!("request/{}", b.request);
    /// Say what an erasure means for a model version.
    "request.assess" AssessRequest(keys::requests::RequestAssessed) on |b| format!("request/{}", b.request);
    /// Carry an erasure out.
    "request.execute" ExecuteRequest(keys::requests::ExecuteRequest) on |b| format!("request/{}", b.request);
    /// Note that a step of it is done.
    "request.step" StepRequest(keys::requests::RequestStep) on |b| format!("request/{}", b.request);
    /// Close a request.
    "request.close" CloseRequest(keys::requests::RequestClosed) on |b| format!("request/{}", b.request);

    /// Set which controls are in scope, approving their logic.
    "controls.scope" ScopeControls(assurance::ControlsScoped) on |_| "controls".into();
    /// Record a test of a control.
    "control.run" RunControl(assurance::ControlRan) on |b| format!("control/{}", b.control);
    /// Record that evidence was handed out.
    "evidence.export" ExportEvidence(assurance::EvidenceExported) on |_| "evidence".into();
}

impl Command {
    /// The stream that its first event belongs to, as `kind/name`.
    #[must_use]
    pub fn stream(&self) -> String {
        match self {
            Self::InstallCertificate(body) => format!("certificate/{}", body.sha256),
            Self::CreateKey(body) => format!("key/{}", body.key),
            Self::RotateKey(body) => format!("key/{}", body.by.key),
            Self::ExchangeKey(body) => format!("key/{}", body.created.key),
            // Apart from what they are about, so that an approval of that still fits after one of these.
            Self::RegisterService(body) => format!("registration/{}", body.service),
            Self::AcknowledgeDocument(body) => format!("acknowledgement/{}", body.document),
            Self::RecordTraining(body) => format!("training/{}", body.actor),
            Self::ResolveFinding(body) => format!("finding/{}", body.finding),
            other => other.resource(),
        }
    }

    /// The same of a command that needed an approval, by its name and its resource.
    #[must_use]
    pub(crate) fn stream_of(command: &str, resource: &str) -> String {
        match command {
            "service.register" => resource.replacen("service/", "registration/", 1),
            _ => resource.to_owned(),
        }
    }

    /// Other things that it would change, each of which must be permitted as well.
    #[must_use]
    pub fn further_resources(&self) -> Vec<String> {
        match self {
            Self::CreateKey(body) => body.scope.further_resources(),
            Self::RotateKey(body) if body.by.scope.principal().is_none() => body.by.scope.further_resources(),
            _ => vec![],
        }
    }
}

/// The wish to register a model version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterModel {
    /// The model's name.
    pub model: String,
    /// The version, never used for other bytes.
    pub version: String,
    /// SHA-256 of the uploaded artifact, hexadecimal.
    pub artifact_sha256: String,
    /// The versions of data sets that it learned from, each as `NAME@VERSION`, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trained_on: Vec<String>,
    /// The run that made it, a UUID: what that read, it learned from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

/// The wish to go on with an older copy of the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AcceptRollback {
    /// Where the reason is written down, such as a ticket's number. Never a name.
    pub reference: String,
}

/// Facts that a decision needs and that the pure core cannot find out, gathered before it is called.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Milliseconds since the epoch.
    pub now: i64,
    /// Pseudonym of whoever asks.
    pub by: String,
    /// When whoever asks proved who they are, in milliseconds since the epoch, if they come with a session.
    pub authenticated_at: Option<i64>,
    /// A fresh random identifier, unique to this call; identifiers of new things are derived from it.
    pub fresh: String,
    /// What the check of the named artifact found, for `model.register`: facts, or why it cannot be served.
    pub model: Option<Result<models::ModelFacts, String>>,
    /// How the named artifact lies encrypted, for `model.register`; `None` when it was kept in clear.
    pub enclosed: Option<models::Enclosed>,
    /// The object that was written and waits to be stored, for `dataset.version.store` and `dataset.version.rewrite`.
    pub object: Option<data::StoredObject>,
    /// What the check found that waits to be recorded, for `dataset.version.check`.
    pub checked: Option<data::Found>,
    /// What was found to be in it, for `dataset.version.store`; `None` when nobody looked.
    pub content: Option<data::Content>,
    /// Commitments to reports of lineage that were sealed here and wait, for `lineage.report`.
    pub lineage: BTreeSet<String>,
    /// The checkpoint of a history that is remembered and that this ledger does not extend, and its size, for
    /// `ledger.rollback.accept`.
    pub other_history: Option<(String, u64)>,
    /// How the clock is ahead of what the ledger was told by it, for `retention.begin` and `retention.clock.confirm`.
    pub clock_leap: Option<keys::retention::ClockLeap>,
    /// What is held now of whom the request is of, or why that cannot be said, for `request.execute`.
    pub held: Option<Result<keys::requests::SearchRequest, Refusal>>,
}

/// A stable code for a refusal. Clients and control tests may depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// No policy allows it, or one forbids it.
    Forbidden,
    /// What it speaks of does not exist.
    NotFound,
    /// It exists already, as something else.
    Exists,
    /// It does not follow from the present state, or that changed meanwhile.
    Conflict,
    /// It makes no sense as asked.
    Invalid,
    /// It came too late.
    Expired,
    /// It needs a fresh proof of identity.
    ReauthenticationRequired,
}

impl RefusalCode {
    /// The word used in the ledger and in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Exists => "exists",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
            Self::Expired => "expired",
            Self::ReauthenticationRequired => "reauthentication_required",
        }
    }
}

/// A command that was not carried out, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Its code.
    pub code: RefusalCode,
    /// What happened, to what, and what to do next. Shown to the caller; not written to the ledger.
    pub message: String,
    /// Policies that decided, when it was a matter of permission.
    pub policies: Vec<String>,
}

impl Refusal {
    /// A refusal by the rules of a room.
    #[must_use]
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), policies: Vec::new() }
    }
}
