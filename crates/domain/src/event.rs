//! Every kind of event there is. Events are forever: a new meaning is a new variant, and each variant's bytes are
//! pinned by a golden file in `crates/domain/golden`.

use serde::{Deserialize, Serialize};

use crate::record::Record;
use crate::serving::{InferenceCore, SegmentProgress, SegmentSealed};
use crate::{assurance, data, infrastructure, keys, models, people, serving, vendors};

macro_rules! events {
    ($( $(#[$doc:meta])* $name:literal $variant:ident($body:ty) on $stream:expr; )*) => {
        /// A fact that changes what is true.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "t", content = "body")]
        pub enum Event {
            $( $(#[$doc])* #[serde(rename = $name)] $variant($body), )*
        }

        impl Event {
            /// The names of all event types, in the order of this file.
            pub const TYPES: &'static [&'static str] = &[$($name),*];

            /// The event's type as written in the ledger.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $( Self::$variant(_) => $name, )* }
            }

            /// The stream that the event belongs to, as `kind/name`.
            #[must_use]
            pub fn stream(&self) -> String {
                match self { $( Self::$variant(body) => { let of: fn(&$body) -> String = $stream; of(body) } )* }
            }
        }
    };
}

events! {
    /// The ledger's first event: whose it is.
    "org.created" OrgCreated(infrastructure::OrgCreated) on |_| "org".into();
    /// The Cedar policies in force from here on.
    "policies.installed" PoliciesInstalled(infrastructure::PoliciesInstalled) on |_| "policies".into();
    /// A node started, under a new incarnation.
    "node.joined" NodeJoined(infrastructure::NodeJoined) on |b| format!("node/{}", b.node);
    /// A node ended well.
    "node.stopped" NodeStopped(infrastructure::NodeStopped) on |b| format!("node/{}", b.node);
    /// What a node found on its disk when it started again.
    "node.recovered" NodeRecovered(infrastructure::NodeRecovered) on |b| format!("node/{}", b.node);
    /// A node was given a certificate for its listener, and shows it.
    "certificate.installed" CertificateInstalled(infrastructure::CertificateInstalled) on |b| format!("certificate/{}", b.sha256);
    /// Sign of life, with the newest checkpoint and the witnesses that cosigned it.
    "ledger.heartbeat" LedgerHeartbeat(infrastructure::LedgerHeartbeat) on |_| "ledger".into();
    /// An older copy of the ledger was restored, and is gone on with on purpose.
    "ledger.rollback.accepted" RollbackAccepted(infrastructure::RollbackAccepted) on |_| "ledger".into();
    /// The ledger was stopped, because witnesses remembered another history of it, and goes on.
    "ledger.resumed" LedgerResumed(infrastructure::LedgerResumed) on |_| "ledger".into();
    /// Digest of the folded state before this event.
    "state.digest" StateDigest(infrastructure::StateDigest) on |_| "ledger".into();
    /// What a node found out about its own listeners and the providers that it calls.
    "endpoints.probed" EndpointsProbed(infrastructure::EndpointsProbed) on |b| format!("node/{}", b.node);
    /// Which custodian holds the root key, and whether it can be reached.
    "encryption.custodian.reported" CustodianReported(crate::keys::CustodianReported) on |_| "encryption/root".into();
    /// Files were copied to a write-once bucket, which says that they are locked.
    "archive.locked" ArchiveLocked(infrastructure::ArchiveLocked) on |b| format!("archive/{}", b.bucket);
    /// A write-once bucket was put to the test.
    "archive.probed" ArchiveProbed(infrastructure::ArchiveProbed) on |b| format!("archive/{}", b.bucket);
    /// The bucket of encrypted objects was put to the test.
    "objects.probed" ObjectsProbed(infrastructure::ObjectsProbed) on |b| format!("objects/{}", b.bucket);
    /// A command was refused.
    "command.refused" CommandRefused(infrastructure::CommandRefused) on |_| "refusals".into();

    /// Somebody or something that may act.
    "actor.registered" ActorRegistered(people::ActorRegistered) on |b| format!("actor/{}", b.actor);
    /// Somebody left; what they held has ended.
    "actor.left" ActorLeft(people::ActorLeft) on |b| format!("actor/{}", b.actor);
    /// Somebody who had left is back; what they held is not.
    "actor.returned" ActorReturned(people::ActorReturned) on |b| format!("actor/{}", b.actor);
    /// A directory knows somebody no more.
    "actor.removed" ActorRemoved(people::ActorRemoved) on |b| format!("actor/{}", b.actor);
    /// An actor is known elsewhere by another name.
    "identity.linked" IdentityLinked(people::IdentityLinked) on |b| format!("actor/{}", b.actor);
    /// An actor is no longer known elsewhere by that name.
    "identity.unlinked" IdentityUnlinked(people::IdentityUnlinked) on |b| format!("actor/{}", b.actor);
    /// What is known of an actor as a person was written down, sealed.
    "profile.set" ProfileSet(people::ProfileSet) on |b| format!("actor/{}", b.actor);
    /// A role was asked for.
    "grant.requested" GrantRequested(people::GrantRequested) on |b| format!("grant/{}", b.grant);
    /// A role was approved, and is held from here on.
    "grant.approved" GrantApproved(people::GrantNamed) on |b| format!("grant/{}", b.grant);
    /// A grant was approved together with the mapping that it came by, and is held from here on.
    "grant.preapproved" GrantPreapproved(people::GrantPreapproved) on |b| format!("grant/{}", b.grant);
    /// Being in a group would have brought together what is kept apart.
    "grant.withheld" GrantWithheld(people::GrantWithheld) on |b| format!("group/{}", b.group);
    /// There is a group.
    "group.created" GroupCreated(people::GroupDescribed) on |b| format!("group/{}", b.group);
    /// A group was described anew.
    "group.described" GroupDescribed(people::GroupDescribed) on |b| format!("group/{}", b.group);
    /// A group is gone.
    "group.deleted" GroupDeleted(people::GroupNamed) on |b| format!("group/{}", b.group);
    /// Somebody is in a group.
    "group.member.added" GroupMemberAdded(people::GroupMember) on |b| format!("group/{}", b.group);
    /// Somebody is in a group no more.
    "group.member.removed" GroupMemberRemoved(people::GroupMember) on |b| format!("group/{}", b.group);
    /// Which roles being in a group asks for, from here on.
    "group.mapped" GroupMapped(people::GroupMapped) on |b| format!("group/{}", b.group);
    /// That was approved.
    "group.map.approved" GroupMapApproved(people::GroupNamed) on |b| format!("group/{}", b.group);
    /// A grant ended before its time, or was not given.
    "grant.ended" GrantEnded(people::GrantEnded) on |b| format!("grant/{}", b.grant);
    /// A review of who has access started, over what was held at that moment.
    "review.started" ReviewStarted(people::reviews::ReviewStarted) on |b| format!("review/{}", b.review);
    /// Somebody else reviews from here on.
    "review.assigned" ReviewAssigned(people::reviews::ReviewAssigned) on |b| format!("review/{}", b.review);
    /// A role was reviewed: it stays, or ends by the event after this one.
    "review.decided" ReviewDecided(people::reviews::ReviewDecided) on |b| format!("review/{}", b.review);
    /// A review is complete.
    "review.completed" ReviewCompleted(people::reviews::ReviewCompleted) on |b| format!("review/{}", b.review);
    /// An approval was asked for.
    "approval.requested" ApprovalRequested(people::ApprovalRequested) on |b| format!("approval/{}", b.approval);
    /// Somebody voted on it.
    "approval.voted" ApprovalVoted(people::ApprovalVoted) on |b| format!("approval/{}", b.approval);
    /// Whoever asked took it back.
    "approval.withdrawn" ApprovalWithdrawn(people::ApprovalNamed) on |b| format!("approval/{}", b.approval);
    /// Somebody said something about it.
    "approval.commented" ApprovalCommented(people::ApprovalCommented) on |b| format!("approval/{}", b.approval);
    /// The command that it is for was carried out.
    "approval.consumed" ApprovalConsumed(people::ApprovalNamed) on |b| format!("approval/{}", b.approval);
    /// Somebody handed their votes on for a time.
    "vote.delegated" VoteDelegated(people::VoteDelegated) on |b| format!("delegation/{}", b.delegation);
    /// That ended before its time.
    "delegation.ended" DelegationEnded(people::DelegationEnded) on |b| format!("delegation/{}", b.delegation);
    /// Which commands need an approval, from here on.
    "approvals.configured" ApprovalsConfigured(people::ApprovalsConfigured) on |_| "approvals".into();
    /// Whoever administers did what is another duty's, because nobody was ever given that one.
    "duty.stood.in" DutyStoodIn(people::DutyStoodIn) on |b| format!("duty/{}", b.duty);
    /// Somebody took a role at once, for minutes.
    "emergency.declared" EmergencyDeclared(people::EmergencyDeclared) on |b| format!("emergency/{}", b.emergency);
    /// Something was done while it lasted.
    "emergency.used" EmergencyUsed(people::EmergencyUsed) on |b| format!("emergency/{}", b.emergency);
    /// It ended before its time.
    "emergency.ended" EmergencyEnded(people::EmergencyNamed) on |b| format!("emergency/{}", b.emergency);
    /// Another person looked at what was done.
    "emergency.reviewed" EmergencyReviewed(people::EmergencyReviewed) on |b| format!("emergency/{}", b.emergency);
    /// A version of a document is in force.
    "document.published" DocumentPublished(people::DocumentPublished) on |b| format!("document/{}", b.document);
    /// Somebody acknowledged a version of a document, for themselves.
    "document.acknowledged" DocumentAcknowledged(people::DocumentAcknowledged) on |b| format!("acknowledgement/{}", b.document);
    /// Somebody completed a course.
    "training.recorded" TrainingRecorded(people::TrainingRecorded) on |b| format!("training/{}", b.actor);
    /// A role of the organisation's own was defined, or what it permits changed.
    "role.defined" RoleDefined(people::RoleDefined) on |b| format!("role/{}", b.role);
    /// Such a role is no longer there.
    "role.retired" RoleRetired(people::RoleRetired) on |b| format!("role/{}", b.role);
    /// A person registered a passkey.
    "passkey.registered" PasskeyRegistered(people::PasskeyRegistered) on |b| format!("actor/{}", b.actor);
    /// Somebody proved who they are with a passkey.
    "passkey.used" PasskeyUsed(people::PasskeyUsed) on |b| format!("actor/{}", b.actor);
    /// A passkey opens nothing any more.
    "passkey.removed" PasskeyRemoved(people::PasskeyRemoved) on |b| format!("actor/{}", b.actor);
    /// Recovery codes were issued; earlier ones are void.
    "recovery.issued" RecoveryIssued(people::RecoveryIssued) on |b| format!("actor/{}", b.actor);
    /// A recovery code was used up.
    "recovery.used" RecoveryUsed(people::RecoveryUsed) on |b| format!("actor/{}", b.actor);
    /// A one-time sign-in link was made.
    "signin.link.created" SigninLinkCreated(people::SigninLinkCreated) on |b| format!("actor/{}", b.actor);
    /// A sign-in link was used, and a session began.
    "session.opened" SessionOpened(people::SessionOpened) on |b| format!("actor/{}", b.actor);
    /// A session began.
    "session.started" SessionStarted(people::SessionStarted) on |b| format!("actor/{}", b.actor);
    /// A session ended before its time.
    "session.ended" SessionEnded(people::SessionEnded) on |b| format!("actor/{}", b.actor);
    /// A session without a public identifier ended.
    "session.closed" SessionClosed(people::SessionClosed) on |b| format!("actor/{}", b.actor);
    /// Some were turned away at a door.
    "signin.refused" SigninRefused(people::SigninRefused) on |_| "people".into();
    /// A notification was delivered, or never will be.
    "notification.settled" NotificationSettled(people::NotificationSettled) on |_| "notifications".into();
    /// An application or operator got a key.
    "key.created" KeyCreated(people::KeyCreated) on |b| format!("key/{}", b.key);
    /// Another key takes a key's place.
    "key.rotated" KeyRotated(people::KeyRotated) on |b| format!("key/{}", b.key);
    /// A key's secret was found where it should not be.
    "key.leaked" KeyLeaked(people::KeyLeaked) on |b| format!("key/{}", b.key);
    /// A key was withdrawn.
    "key.revoked" KeyRevoked(people::KeyRevoked) on |b| format!("key/{}", b.key);
    /// Keys that a node was shown in an hour.
    "keys.used" KeysUsed(people::KeysUsed) on |b| format!("node/{}", b.node);
    /// How long keys may live.
    "keys.limited" KeysLimited(people::KeysLimited) on |_| "keys".into();
    /// A proof of what a program runs on is believed, by a rule.
    "workload.declared" WorkloadDeclared(people::WorkloadDeclared) on |b| format!("workload/{}", b.workload);
    /// A rule is no longer believed.
    "workload.retired" WorkloadRetired(people::WorkloadRetired) on |b| format!("workload/{}", b.workload);
    /// A proof was exchanged for a key.
    "key.exchanged" KeyExchanged(people::KeyExchanged) on |b| format!("key/{}", b.key);
    /// Somebody answers for a service account.
    "account.owned" AccountOwned(people::AccountOwned) on |b| format!("actor/{}", b.actor);

    /// A scope of tokens was declared, or its purposes changed.
    "token.scope.declared" TokenScopeDeclared(keys::tokens::TokenScopeDeclared) on |b| format!("tokens/{}", b.scope);
    /// A scope gets no more tokens.
    "token.scope.retired" TokenScopeRetired(keys::tokens::TokenScopeRetired) on |b| format!("tokens/{}", b.scope);

    /// An outside provider was declared, or its declaration changed.
    "provider.declared" ProviderDeclared(vendors::ProviderDeclared) on |b| format!("provider/{}", b.provider);
    /// A provider is no longer used.
    "provider.retired" ProviderRetired(vendors::ProviderRetired) on |b| format!("provider/{}", b.provider);

    /// A model version was checked and registered.
    "model.registered" ModelRegistered(models::ModelRegistered) on |b| format!("model/{}", b.model);

    /// A service was declared, or its declaration changed.
    "service.declared" ServiceDeclared(serving::ServiceDeclared) on |b| format!("service/{}", b.service);
    /// Somebody answers for a service of a risk.
    "service.registered" ServiceRegistered(serving::ServiceRegistered) on |b| format!("registration/{}", b.service);
    /// A service is no longer offered.
    "service.retired" ServiceRetired(serving::ServiceRetired) on |b| format!("service/{}", b.service);
    /// A model version began to answer for a route of a service.
    "deployment.started" DeploymentStarted(serving::DeploymentStarted) on |b| format!("service/{}", b.service);
    /// A deployment stopped answering.
    "deployment.ended" DeploymentEnded(serving::DeploymentEnded) on |b| format!("service/{}", b.service);
    // Fields of data sets, what is found in them, and what goes out for a purpose.
    /// A steward said what fields of a data set are.
    "dataset.fields.declared" FieldsDeclared(data::FieldsDeclared) on |b| format!("dataset/{}", b.dataset);
    /// Detectors looked at a sample of a version.
    "dataset.version.scanned" VersionScanned(data::VersionScanned) on |b| format!("dataset/{}", b.dataset);
    /// What somebody gets of a data set who reads it for a purpose.
    "dataset.view.declared" ViewDeclared(data::ViewDeclared) on |b| format!("dataset/{}", b.dataset);
    /// There is no view for a purpose any more.
    "dataset.view.retired" ViewRetired(data::ViewRetired) on |b| format!("dataset/{}", b.dataset);
    /// Something in a data set contradicts what is declared of it.
    "finding.opened" FindingOpened(data::FindingOpened) on |b| format!("finding/{}", b.finding);
    /// That was settled.
    "finding.resolved" FindingResolved(data::FindingResolved) on |b| format!("finding/{}", b.finding);
    // Detectors of the organisation's own.
    /// A detector was declared, or its declaration changed.
    "detector.declared" DetectorDeclared(data::detectors::DetectorDeclared) on |b| format!("detector/{}", b.detector);
    /// A detector looks at nothing more.
    "detector.retired" DetectorRetired(data::detectors::DetectorRetired) on |b| format!("detector/{}", b.detector);

    /// A segment of inference records was sealed.
    "segment.sealed" SegmentSealed(serving::SegmentSealed) on |b| format!("node/{}", b.node);
    /// How far unsealed segments have come.
    "segment.progress" SegmentProgress(serving::SegmentProgress) on |b| format!("node/{}", b.node);
    /// A segment of records of accesses was sealed.
    "accesses.sealed" AccessesSealed(serving::SegmentSealed) on |b| format!("node/{}", b.node);
    /// How far an unsealed segment of accesses has come.
    "accesses.progress" AccessesProgress(serving::SegmentProgress) on |b| format!("node/{}", b.node);
    /// What a node counted at its edge in one hour.
    "gateway.counted" GatewayCounted(serving::GatewayCounted) on |b| format!("node/{}", b.node);
    /// What a node counted in one hour died with its process.
    "gateway.count.lost" GatewayCountLost(serving::GatewayCountLost) on |b| format!("node/{}", b.node);

    /// A data set was declared, or its declaration changed.
    "dataset.declared" DatasetDeclared(data::DatasetDeclared) on |b| format!("dataset/{}", b.dataset);
    /// Nothing more is stored in a data set.
    "dataset.retired" DatasetRetired(data::DatasetRetired) on |b| format!("dataset/{}", b.dataset);
    /// A version of a data set was stored, encrypted.
    "dataset.version.stored" VersionStored(data::VersionStored) on |b| format!("dataset/{}", b.dataset);
    /// What is in a version is known.
    "dataset.version.described" VersionDescribed(data::VersionDescribed) on |b| format!("dataset/{}", b.dataset);
    /// A version was written anew without somebody's rows, into another object.
    "dataset.version.rewritten" VersionRewritten(data::VersionRewritten) on |b| format!("dataset/{}", b.dataset);
    /// A version is no more.
    "dataset.version.ended" VersionEnded(data::VersionEnded) on |b| format!("dataset/{}", b.dataset);
    /// A version of a contract is in force.
    "contract.published" ContractPublished(data::ContractPublished) on |b| format!("contract/{}", b.contract);
    /// A contract is no longer in force.
    "contract.retired" ContractRetired(data::ContractRetired) on |b| format!("contract/{}", b.contract);
    /// A version was checked against a contract.
    "dataset.version.checked" VersionChecked(data::VersionChecked) on |b| format!("dataset/{}", b.dataset);
    /// A version breaks a blocking rule, and is read by nobody.
    "dataset.version.quarantined" VersionQuarantined(data::VersionQuarantined) on |b| format!("dataset/{}", b.dataset);
    /// A quarantined version may be read all the same.
    "dataset.version.released" VersionReleased(data::VersionReleased) on |b| format!("dataset/{}", b.dataset);
    /// A tool elsewhere is said to have checked a data set.
    "dataset.checks.reported" ChecksReported(data::ChecksReported) on |b| format!("dataset/{}", b.dataset);
    /// An object's key was destroyed and its file removed.
    "object.destroyed" ObjectDestroyed(data::ObjectDestroyed) on |b| format!("object/{}", b.object);

    /// The regions that there are.
    "regions.declared" RegionsDeclared(data::residency::RegionsDeclared) on |_| "regions".into();
    /// Where a store lies.
    "store.located" StoreLocated(data::residency::StoreLocated) on |_| "regions".into();
    /// Where data of a class may be.
    "residency.ruled" ResidencyRuled(data::residency::ResidencyRuled) on |b| format!("residency/{}", b.class);
    /// Data may go to another region, for a time.
    "transfer.authorised" TransferAuthorised(data::transfers::TransferAuthorised) on |b| format!("transfer/{}", b.transfer);
    /// It may no more.
    "transfer.revoked" TransferRevoked(data::transfers::TransferRevoked) on |b| format!("transfer/{}", b.transfer);
    /// A version of a data set was asked for in a region where it may not be.
    "transfer.refused" TransferRefused(data::transfers::TransferAttempted) on |b| format!("transfer/{}", b.attempt);
    /// A version of a data set goes to a region that whoever asked for it named.
    "transfer.made" TransferMade(data::transfers::TransferAttempted) on |b| format!("transfer/{}", b.attempt);

    // lineage
    /// Somebody reported what was made from what.
    "lineage.reported" LineageReported(data::LineageReported) on |_| "lineage/reported".into();
    /// What a data set is called elsewhere.
    "lineage.aliased" LineageAliased(data::LineageAliased) on |_| "lineage/aliases".into();

    /// When keys that data are encrypted under are replaced.
    "encryption.configured" EncryptionConfigured(keys::EncryptionConfigured) on |_| "encryption/root".into();
    /// Somebody wants such a key replaced before it is due.
    "encryption.rotation.requested" EncryptionRotationRequested(keys::RotationRequested) on |b| format!("encryption/{}", b.key);
    /// The key of a class was replaced, or is there for the first time.
    "encryption.key.rotated" EncryptionKeyRotated(keys::ClassKeyRotated) on |b| format!("encryption/{}", b.class);
    /// The root key has a new version.
    "encryption.root.ratcheted" EncryptionRootRatcheted(keys::RootRatcheted) on |_| "encryption/root".into();
    /// How long something is kept.
    "retention.scheduled" RetentionScheduled(keys::retention::RetentionScheduled) on |b| format!("retention/{}", b.rule);
    /// A rule of retention no longer holds.
    "retention.unscheduled" RetentionUnscheduled(keys::retention::RetentionUnscheduled) on |b| format!("retention/{}", b.rule);
    /// There are payloads of a class and day.
    "retention.kept" RetentionKept(keys::retention::RetentionKept) on |b| format!("payloads/{}", b.class);
    /// Something that is due is to go.
    "retention.disposing" RetentionDisposing(keys::retention::RetentionDisposing) on |b| format!("disposal/{}", b.disposal);
    /// It went.
    "retention.disposed" RetentionDisposed(keys::retention::RetentionDisposed) on |b| format!("disposal/{}", b.disposal);
    /// Segments of records go by a disposal.
    "segments.disposed" SegmentsDisposed(keys::retention::SegmentsDisposed) on |b| format!("disposal/{}", b.disposal);
    /// Somebody says that the clock, which leapt ahead, is right.
    "retention.clock.confirmed" ClockConfirmed(keys::retention::ClockConfirmed) on |_| "retention/clock".into();
    /// Another person found it gone.
    "retention.confirmed" DisposalConfirmed(keys::retention::DisposalConfirmed) on |b| format!("disposal/{}", b.disposal);
    /// A segment's payload file was written anew without some of its rows.
    "payload.compacted" PayloadCompacted(keys::retention::PayloadCompacted) on |b| format!("node/{}", b.node);
    /// Something may not be destroyed.
    "hold.placed" HoldPlaced(keys::holds::HoldPlaced) on |b| format!("hold/{}", b.hold);
    /// It may again.
    "hold.released" HoldReleased(keys::holds::HoldReleased) on |b| format!("hold/{}", b.hold);
    /// A person asked for something.
    "request.received" RequestReceived(keys::requests::RequestReceived) on |b| format!("request/{}", b.request);
    /// Somebody checked who asks.
    "request.identity.checked" RequestIdentityChecked(keys::requests::RequestIdentityChecked) on |b| format!("request/{}", b.request);
    /// What is held of a person was looked for.
    "request.searched" RequestSearched(keys::requests::RequestSearched) on |b| format!("request/{}", b.request);
    /// Somebody said what an erasure means for a model version.
    "request.assessed" RequestAssessed(keys::requests::RequestAssessed) on |b| format!("request/{}", b.request);
    /// An erasure began.
    "request.started" RequestStarted(keys::requests::RequestStarted) on |b| format!("request/{}", b.request);
    /// A step of an erasure is done.
    "request.step" RequestStep(keys::requests::RequestStep) on |b| format!("request/{}", b.request);
    /// A request was answered, refused, or taken back.
    "request.closed" RequestClosed(keys::requests::RequestClosed) on |b| format!("request/{}", b.request);

    /// Which controls are in scope, with the approved digest of each one's logic.
    "controls.scoped" ControlsScoped(assurance::ControlsScoped) on |_| "controls".into();
    /// A control was tested.
    "control.ran" ControlRan(assurance::ControlRan) on |b| format!("control/{}", b.control);
    /// An evidence package was written.
    "evidence.exported" EvidenceExported(assurance::EvidenceExported) on |_| "evidence".into();
}

impl Event {
    /// The segment that it seals, with the number of its kind of record.
    #[must_use]
    pub fn sealed(&self) -> Option<(u32, &SegmentSealed)> {
        match self {
            Self::SegmentSealed(body) => Some((InferenceCore::SCHEMA, body)),
            Self::AccessesSealed(body) => Some((people::AccessCore::SCHEMA, body)),
            _ => None,
        }
    }

    /// The progress that it commits to, with the number of its kind of record.
    #[must_use]
    pub fn progress(&self) -> Option<(u32, &SegmentProgress)> {
        match self {
            Self::SegmentProgress(body) => Some((InferenceCore::SCHEMA, body)),
            Self::AccessesProgress(body) => Some((people::AccessCore::SCHEMA, body)),
            _ => None,
        }
    }
}
