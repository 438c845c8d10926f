//! Every kind of event has golden bytes. A change here changes history that others have already verified.

mod data;
mod encryption;
mod lineage;
mod requests;
mod residency;
mod retention;

use crate::assurance::{ControlRan, ControlsScoped, EvidenceExported, Outcome, RunParams, ScopedControl};
use crate::infrastructure::{
    CertificateInstalled, ClientAuth, CommandRefused, Endpoint, EndpointsProbed, Found, LedgerHeartbeat, LedgerResumed,
    NodeJoined, NodeRecovered, NodeStopped, OrgCreated, PoliciesInstalled, RollbackAccepted, StateDigest, TlsVersion,
    Zone,
};
use crate::models::{ModelFacts, ModelRegistered, Tensor};
use crate::people::approvals::{
    ApprovalCommented, ApprovalNamed, ApprovalRequested, ApprovalRule, ApprovalVoted, ApprovalsConfigured,
    DelegationEnded, Vote, VoteDelegated,
};
use crate::people::custom::{RoleDefined, RoleRetired};
use crate::people::documents::{DocumentAcknowledged, DocumentKind, DocumentPublished};
use crate::people::emergencies::{EmergencyDeclared, EmergencyNamed, EmergencyReviewed, EmergencyUsed, Finding};
use crate::people::founding::DutyStoodIn;
use crate::people::notifications::{Channel, Delivery, NotificationKind, NotificationSettled};
use crate::people::reviews::{ReviewAssigned, ReviewCompleted, ReviewDecided, ReviewReason, ReviewStarted, Verdict};
use crate::people::{
    AccountOwned, ActorKind, ActorLeft, ActorRegistered, ActorRemoved, ActorReturned, Algorithm, Door, EndReason,
    GrantEnded, GrantNamed, GrantPreapproved, GrantRequested, GrantWithheld, GroupDescribed, GroupMapped, GroupMember,
    GroupNamed, IdentityLinked, IdentitySource, IdentityUnlinked, InferenceScope, KeyCreated, KeyExchanged, KeyLeaked,
    KeyRevoked, KeyRotated, KeyScope, KeysLimited, KeysUsed, MappedRole, OwnerReason, PasskeyRegistered,
    PasskeyRemoved, PasskeyUsed, ProfileSet, Proof, RecoveryIssued, RecoveryUsed, SessionClosed, SessionEnd,
    SessionEnded, SessionOpened, SessionStarted, SigninLinkCreated, SigninRefused, TokenRule, TrainingRecorded,
    WorkloadDeclared, WorkloadProof, WorkloadRetired, WorkloadRule,
};
use crate::serving::{
    DeploymentEnded, DeploymentStarted, GatewayCountLost, GatewayCounted, RiskTier, Route, SegmentFile,
    SegmentProgress, SegmentSealed, ServiceDeclared, ServiceRegistered, ServiceRetired, ServiceSpec, Target,
    WhenUnrecordable,
};
use crate::vendors::{ProviderDeclared, ProviderKind, ProviderRetired, ProviderSpec};
use crate::{Entry, Event, RefusalCode, State};

fn s(text: &str) -> String {
    text.to_owned()
}

fn infrastructure() -> Vec<Event> {
    vec![
        Event::OrgCreated(OrgCreated {
            name: s("Example Lending"),
            origin: s("counterfoil.example/lending"),
            log_vkey: s("counterfoil.example/lending+00000000+AAAA"),
            retention_days: 2557,
        }),
        Event::PoliciesInstalled(PoliciesInstalled {
            sha256: s("aa"),
            text: s("permit (principal, action, resource);"),
        }),
        Event::NodeJoined(NodeJoined { node: s("n1"), incarnation: 1, program: s("counterfoil 0.1.0") }),
        Event::NodeStopped(NodeStopped { node: s("n1"), incarnation: 1 }),
        Event::NodeRecovered(NodeRecovered {
            node: s("n1"),
            incarnation: 1,
            unsealed: 12,
            interrupted: 1,
            truncated_bytes: 40,
        }),
        Event::CertificateInstalled(CertificateInstalled {
            node: s("n1"),
            sha256: s("cc"),
            serial: s("03a1"),
            issuer_sha256: s("dd"),
            names_sha256: s("ee"),
            not_before: 1_793_400_000_000,
            not_after: 1_801_176_000_000,
        }),
        Event::LedgerHeartbeat(LedgerHeartbeat {
            checkpoint: s("origin\n7\nroot\n\n— sig\n"),
            signed_at: 1_793_400_000_000,
        }),
        Event::RollbackAccepted(RollbackAccepted {
            remembered: s("origin\n9\nroot\n\n— sig\n"),
            from_size: 9,
            to_size: 7,
            reference: s("INC-2207"),
        }),
        Event::LedgerResumed(LedgerResumed { cosigning: vec![s("aa")], unnamed: vec![s("bb"), s("cc")] }),
        Event::StateDigest(StateDigest { size: 4096, sha256: s("bb"), fold: None }),
        Event::StateDigest(StateDigest { size: 4096, sha256: s("bb"), fold: Some(1) }),
        Event::EndpointsProbed(EndpointsProbed {
            node: s("n1"),
            incarnation: 1,
            endpoints: vec![
                Endpoint {
                    endpoint: s("listener/n1"),
                    address: s("https://0.0.0.0:8600"),
                    found: Some(Found {
                        zone: Zone::Any,
                        tls_min: Some(TlsVersion::V1_2),
                        client_auth: Some(ClientAuth::Required),
                    }),
                },
                Endpoint {
                    endpoint: s("provider/acme"),
                    address: s("http://127.0.0.1:9/v1"),
                    found: Some(Found { zone: Zone::Loopback, tls_min: None, client_auth: None }),
                },
                Endpoint { endpoint: s("provider/lost"), address: s("https://lost.example/v1"), found: None },
            ],
        }),
        Event::CustodianReported(crate::keys::CustodianReported {
            kind: crate::keys::CustodianKind::Transit,
            key_id: s("transit:transit/counterfoil"),
            reachable: false,
            since: 1_793_400_000_000,
        }),
        Event::ArchiveLocked(crate::infrastructure::ArchiveLocked {
            bucket: s("audit-records"),
            mode: crate::infrastructure::LockMode::Compliance,
            through: 256,
            objects: vec![crate::infrastructure::LockedObject {
                object: s("ledger/tile/entries/000"),
                sha256: s("ab"),
                bytes: 70_123,
                version: s("3sL4kqtJlcpXroDTDmJ.xTTFvK"),
                until: 2_014_000_000_000,
            }],
        }),
        Event::ArchiveProbed(crate::infrastructure::ArchiveProbed {
            bucket: s("audit-records"),
            object: s("probes/1793400000000"),
            outcome: crate::infrastructure::ProbeOutcome::Held,
        }),
        Event::ObjectsProbed(crate::infrastructure::ObjectsProbed {
            bucket: s("s3.example.com/erasable"),
            outcome: crate::infrastructure::PlaceOutcome::Erasable,
            versioning: Some(crate::infrastructure::Versioning::Enabled),
        }),
        Event::CommandRefused(CommandRefused {
            command: s("key.create"),
            resource: s("key/k_1"),
            code: RefusalCode::Forbidden,
            policies: vec![s("only-the-system-writes-evidence")],
        }),
    ]
}

fn described() -> GroupDescribed {
    let names = vec![s("0123456789abcdef0123456789abcdef")];
    GroupDescribed { group: s("gr_1"), names, sealed_sha256: s("ff") }
}

fn member(source: IdentitySource) -> GroupMember {
    GroupMember { group: s("gr_1"), actor: s("a_1"), source }
}

fn people() -> Vec<Event> {
    let created = |scope| KeyCreated {
        key: s("k_1"),
        scope,
        prefix: s("cfk_abcdef"),
        secret_sha256: s("cc"),
        expires_at: 1_801_000_000_000,
        session: None,
    };
    vec![
        Event::ActorRegistered(ActorRegistered { actor: s("a_1"), kind: ActorKind::Human, roles: vec![s("auditor")] }),
        Event::ActorLeft(ActorLeft { actor: s("a_1") }),
        Event::ActorReturned(ActorReturned { actor: s("a_1") }),
        Event::ActorRemoved(ActorRemoved { actor: s("a_1") }),
        Event::IdentityLinked(IdentityLinked {
            actor: s("a_1"),
            source: IdentitySource::Oidc,
            subject: s("0123456789abcdef0123456789abcdef"),
        }),
        Event::IdentityUnlinked(IdentityUnlinked { actor: s("a_1"), subject: s("0123456789abcdef0123456789abcdef") }),
        Event::ProfileSet(ProfileSet { actor: s("a_1"), sealed_sha256: s("ff") }),
        Event::GrantRequested(GrantRequested {
            grant: s("g_1"),
            actor: s("a_1"),
            role: s("deployer"),
            scope: s("service/credit-risk"),
            ends_at: 1_801_000_000_000,
            reference: s("CHG-1042"),
        }),
        Event::GrantApproved(GrantNamed { grant: s("g_1") }),
        Event::ReviewStarted(ReviewStarted {
            review: s("r_1"),
            scope: s("org"),
            reviewer: s("a_2"),
            alternate: Some(s("a_3")),
            credentials: false,
            due_at: 1_794_000_000_000,
            at_size: 77,
            population: 2,
            population_root: s("pp"),
        }),
        Event::ReviewStarted(ReviewStarted {
            review: s("r_2"),
            scope: s("org"),
            reviewer: s("a_2"),
            alternate: None,
            credentials: true,
            due_at: 1_794_000_000_000,
            at_size: 78,
            population: 3,
            population_root: s("pq"),
        }),
        Event::ReviewAssigned(ReviewAssigned { review: s("r_1"), reviewer: s("a_3"), alternate: None }),
        Event::ReviewDecided(ReviewDecided {
            review: s("r_1"),
            item: s("g_1"),
            verdict: Verdict::Remove,
            reason: ReviewReason::Moved,
            reference: Some(s("CHG-7")),
        }),
        Event::ReviewCompleted(ReviewCompleted {
            review: s("r_1"),
            kept: 1,
            removed: 1,
            gone: 0,
            list_sha256: s("ll"),
        }),
        Event::GrantEnded(GrantEnded { grant: s("g_1"), reason: EndReason::Revoked }),
        Event::GrantEnded(GrantEnded { grant: s("g_1"), reason: EndReason::GroupLeft }),
        Event::GrantPreapproved(GrantPreapproved { grant: s("g_1"), group: s("gr_1"), approved_by: s("a_2") }),
        Event::GrantWithheld(GrantWithheld {
            group: s("gr_1"),
            actor: s("a_1"),
            role: s("deployer"),
            scope: s("org"),
            rule: s("train-not-deploy"),
        }),
        Event::GroupCreated(described()),
        Event::GroupDescribed(described()),
        Event::GroupDeleted(GroupNamed { group: s("gr_1") }),
        Event::GroupMemberAdded(member(IdentitySource::Scim)),
        Event::GroupMemberRemoved(member(IdentitySource::Oidc)),
        Event::GroupMapped(GroupMapped {
            group: s("gr_1"),
            roles: vec![MappedRole { role: s("deployer"), scope: s("service/credit-risk") }],
            days: 90,
        }),
        Event::GroupMapApproved(GroupNamed { group: s("gr_1") }),
        Event::PasskeyRegistered(PasskeyRegistered {
            passkey: s("p_1"),
            actor: s("a_1"),
            credential: s("c0ffee"),
            algorithm: Algorithm::Es256,
            public_key: s("04abcd"),
            sign_count: 0,
            synced: true,
            name_sha256: s("ff"),
        }),
        Event::PasskeyUsed(PasskeyUsed { passkey: s("p_1"), actor: s("a_1"), sign_count: 7 }),
        Event::PasskeyRemoved(PasskeyRemoved { passkey: s("p_1"), actor: s("a_1") }),
        Event::RecoveryIssued(RecoveryIssued { actor: s("a_1"), codes: vec![s("0a"), s("0b")] }),
        Event::RecoveryUsed(RecoveryUsed { actor: s("a_1"), code_sha256: s("0a") }),
        Event::SigninLinkCreated(SigninLinkCreated { actor: s("a_1"), link_sha256: s("dd"), expires_at: 1 }),
        Event::SessionOpened(SessionOpened {
            actor: s("a_1"),
            link_sha256: s("dd"),
            session_sha256: s("ee"),
            expires_at: 2,
        }),
        Event::SessionStarted(SessionStarted {
            session: s("s_1"),
            actor: s("a_1"),
            proof: Proof::Link,
            link_sha256: Some(s("dd")),
            provider_session_sha256: None,
            passkey: None,
            session_sha256: s("ee"),
            authenticated_at: 1,
            mfa: false,
            expires_at: 2,
        }),
        Event::SessionStarted(SessionStarted {
            session: s("s_2"),
            actor: s("a_1"),
            proof: Proof::Oidc,
            link_sha256: None,
            provider_session_sha256: Some(s("ff")),
            passkey: None,
            session_sha256: s("e0"),
            authenticated_at: 1,
            mfa: true,
            expires_at: 2,
        }),
        Event::SessionStarted(SessionStarted {
            session: s("s_3"),
            actor: s("a_1"),
            proof: Proof::Passkey,
            link_sha256: None,
            provider_session_sha256: None,
            passkey: Some(s("p_1")),
            session_sha256: s("e1"),
            authenticated_at: 1,
            mfa: true,
            expires_at: 1_793_500_000_000,
        }),
        Event::SessionEnded(SessionEnded { session: s("s_2"), actor: s("a_1"), reason: SessionEnd::Provider }),
        Event::SessionEnded(SessionEnded { session: s("s_3"), actor: s("a_1"), reason: SessionEnd::PasskeyRemoved }),
        Event::SessionClosed(SessionClosed { actor: s("a_1"), session_sha256: s("ee") }),
        Event::SigninRefused(SigninRefused {
            door: Door::Oidc,
            reason: s("signature"),
            count: 3,
            first_at: 1_793_400_000_000,
            last_at: 1_793_400_009_000,
        }),
        Event::NotificationSettled(NotificationSettled {
            notification: s("n_1"),
            kind: NotificationKind::ApprovalRequested,
            about: s("approval/p_1"),
            channel: Channel::Email,
            to: Some(s("a_1")),
            delivery: Delivery::Failed,
            attempts: 8,
            reason: Some(s("status_550")),
        }),
        Event::KeyCreated(created(KeyScope::Service(s("credit-risk")))),
        Event::KeyCreated(created(KeyScope::Actor(s("a_1")))),
        Event::KeyCreated(created(KeyScope::Inference(InferenceScope {
            services: vec![s("credit-risk"), s("support")],
            environments: vec![s("prod")],
            purposes: vec![s("credit-scoring"), s("support")],
            account: None,
        }))),
        Event::KeyCreated(created(KeyScope::Inference(InferenceScope {
            services: vec![s("credit-risk")],
            environments: vec![s("staging")],
            purposes: vec![s("credit-scoring")],
            account: Some(s("a_2")),
        }))),
        Event::KeyRotated(KeyRotated { key: s("k_1"), by: s("k_2"), ends_at: 1_800_000_000_000 }),
        Event::KeyLeaked(KeyLeaked { key: s("k_1") }),
        Event::KeyRevoked(KeyRevoked { key: s("k_1") }),
        Event::KeysUsed(KeysUsed { node: s("n1"), incarnation: 1, hour: 0, keys: vec![s("k_1"), s("k_2")] }),
        Event::KeysLimited(KeysLimited { max_days: 90 }),
        Event::WorkloadDeclared(WorkloadDeclared {
            workload: s("deploy"),
            rule: WorkloadRule {
                proof: WorkloadProof::Token(TokenRule {
                    issuer: s("https://token.example"),
                    audience: s("counterfoil"),
                    claims: [(s("repository"), s("example/lending"))].into(),
                }),
                opens: KeyScope::Actor(s("a_2")),
                ttl_seconds: 900,
            },
        }),
        Event::WorkloadDeclared(WorkloadDeclared {
            workload: s("batch"),
            rule: WorkloadRule {
                proof: WorkloadProof::Certificate(vec![s("uri:spiffe://example/batch")]),
                opens: KeyScope::Inference(InferenceScope {
                    services: vec![s("credit-risk")],
                    environments: vec![s("prod")],
                    purposes: vec![s("credit-scoring")],
                    account: Some(s("a_2")),
                }),
                ttl_seconds: 3600,
            },
        }),
        Event::WorkloadRetired(WorkloadRetired { workload: s("deploy") }),
        Event::KeyExchanged(KeyExchanged {
            key: s("k_1"),
            workload: s("deploy"),
            proof_sha256: s("ff"),
            spent_until: Some(1_800_000_000_000),
        }),
        Event::KeyExchanged(KeyExchanged {
            key: s("k_1"),
            workload: s("batch"),
            proof_sha256: s("ff"),
            spent_until: None,
        }),
        Event::AccountOwned(AccountOwned { actor: s("a_2"), owner: s("a_1"), reason: OwnerReason::Left }),
    ]
}

fn approvals() -> Vec<Event> {
    let (voted, named) = (
        |vote, on_behalf_of| Event::ApprovalVoted(ApprovalVoted { approval: s("p_1"), vote, on_behalf_of }),
        || ApprovalNamed { approval: s("p_1") },
    );
    let rule =
        |command: &str, risk_tier| ApprovalRule { command: s(command), quorum: 2, role: s("security_lead"), risk_tier };
    vec![
        Event::ApprovalRequested(ApprovalRequested {
            approval: s("p_1"),
            command: s("service.declare"),
            resource: s("service/credit-risk"),
            digest: s("ab"),
            base: 3,
            quorum: 1,
            role: s("model_approver"),
            deploys: [s("credit-risk/1")].into(),
            trained_by: [s("a_2")].into(),
            beneficiary: Some(s("a_1")),
            evidence: vec![s("event/12")],
            expires_at: 1_801_000_000_000,
            reference: s("CHG-1042"),
        }),
        voted(Vote::Approve, None),
        voted(Vote::Decline, Some(s("a_3"))),
        Event::ApprovalWithdrawn(named()),
        Event::ApprovalCommented(ApprovalCommented { approval: s("p_1"), comment: s("c_1"), sealed_sha256: s("cd") }),
        Event::ApprovalConsumed(named()),
        Event::VoteDelegated(VoteDelegated {
            delegation: s("v_1"),
            to: s("a_3"),
            role: s("model_approver"),
            ends_at: 1_801_000_000_000,
        }),
        Event::DelegationEnded(DelegationEnded { delegation: s("v_1") }),
        Event::ApprovalsConfigured(ApprovalsConfigured {
            rules: vec![rule("policies.install", None), rule("service.declare", Some(RiskTier::Medium))],
        }),
        Event::DutyStoodIn(DutyStoodIn {
            duty: s("deployer"),
            command: s("service.declare"),
            resource: s("service/credit-risk"),
        }),
    ]
}

fn documents() -> Vec<Event> {
    vec![
        Event::DocumentPublished(DocumentPublished {
            document: s("ai-use"),
            kind: DocumentKind::Policy,
            version: 2,
            sha256: s("aa"),
            review_due: 1_801_000_000_000,
            ack_required: true,
        }),
        Event::DocumentAcknowledged(DocumentAcknowledged { document: s("ai-use"), version: 2 }),
        Event::TrainingRecorded(TrainingRecorded {
            actor: s("a_1"),
            course: s("ai-basics"),
            completed_at: 1_793_000_000_000,
            expires_at: 1_801_000_000_000,
            evidence_sha256: Some(s("bb")),
        }),
    ]
}

fn emergencies() -> Vec<Event> {
    vec![
        Event::RoleDefined(RoleDefined { role: s("reader"), actions: vec![s("read"), s("sql")] }),
        Event::RoleRetired(RoleRetired { role: s("reader") }),
        Event::EmergencyDeclared(EmergencyDeclared {
            emergency: s("e_1"),
            role: s("deployer"),
            scope: s("service/credit-risk"),
            ends_at: 1_793_401_800_000,
            reference: s("INC-2207"),
        }),
        Event::EmergencyUsed(EmergencyUsed {
            emergency: s("e_1"),
            command: s("service.declare"),
            resource: s("service/credit-risk"),
        }),
        Event::EmergencyEnded(EmergencyNamed { emergency: s("e_1") }),
        Event::EmergencyReviewed(EmergencyReviewed {
            emergency: s("e_1"),
            finding: Finding::Justified,
            reference: s("INC-2207"),
        }),
    ]
}

fn supply() -> Vec<Event> {
    let tensor = Tensor { name: s("age"), datatype: s("FP32"), shape: vec![-1, 1] };
    vec![
        Event::ProviderDeclared(ProviderDeclared {
            provider: s("stand-in"),
            spec: ProviderSpec {
                kind: ProviderKind::Openai,
                base_url: s("http://127.0.0.1:9/v1"),
                api_key_env: Some(s("STAND_IN_KEY")),
                region: Some(s("ap-southeast-2")),
                critical: true,
                first_byte_timeout_ms: 120_000,
                idle_timeout_ms: 60_000,
            },
        }),
        Event::ProviderRetired(ProviderRetired { provider: s("stand-in") }),
        Event::ModelRegistered(ModelRegistered {
            model: s("credit-risk"),
            version: s("1"),
            artifact_sha256: s("ff"),
            facts: ModelFacts {
                bytes: 1,
                operators: vec![s("ai.onnx.ml.Scaler")],
                inputs: vec![tensor.clone()],
                outputs: vec![tensor],
            },
            enclosed: None,
            trained_on: vec![],
            run: None,
        }),
    ]
}

fn serving() -> Vec<Event> {
    let target = Target::Model { model: s("credit-risk"), version: s("1") };
    let chat = Target::Provider { provider: s("stand-in"), model: s("gpt-x") };
    let file = |path: &str| SegmentFile { path: s(path), sha256: s("ab"), len: 9 };
    vec![
        Event::ServiceDeclared(ServiceDeclared {
            service: s("credit-risk"),
            spec: ServiceSpec {
                owner: s("risk-ml"),
                purpose: s("credit-scoring"),
                risk_tier: RiskTier::High,
                classification: s("confidential"),
                environment: "prod".into(),
                region: None,
                subject_country: None,
                significant_effect: true,
                uses_personal_info: true,
                guardrails_required: false,
                explain_required: true,
                oversight: Some(s("human_review")),
                when_unrecordable: WhenUnrecordable::Refuse,
                routes: vec![
                    Route { name: s("credit-risk"), target: target.clone(), guard: None },
                    Route { name: s("chat"), target: chat, guard: None },
                ],
            },
        }),
        Event::ServiceRegistered(ServiceRegistered {
            service: s("credit-risk"),
            owner: s("a_1"),
            risk_tier: RiskTier::High,
        }),
        Event::ServiceRetired(ServiceRetired { service: s("credit-risk") }),
        Event::DeploymentStarted(DeploymentStarted {
            deployment: s("d_1"),
            service: s("credit-risk"),
            route: s("credit-risk"),
            target,
            artifact_sha256: Some(s("ff")),
        }),
        Event::DeploymentEnded(DeploymentEnded { deployment: s("d_1"), service: s("credit-risk") }),
        Event::SegmentSealed(SegmentSealed {
            node: s("n1"),
            incarnation: 1,
            number: 1,
            first: 10,
            n: 5,
            root: s("r1"),
            prev: Some(s("r0")),
            t0: 1,
            t1: 2,
            hours: vec![(0, 5)],
            core: file("inferences/a.parquet"),
            payload: Some(file("payloads/a.parquet")),
        }),
        Event::SegmentProgress(SegmentProgress { node: s("n1"), incarnation: 1, number: 2, n: 3, root: s("r2") }),
        Event::AccessesSealed(SegmentSealed {
            node: s("n1"),
            incarnation: 1,
            number: 0,
            first: 0,
            n: 2,
            root: s("r3"),
            prev: None,
            t0: 1,
            t1: 2,
            hours: vec![(0, 2)],
            core: file("accesses/a.parquet"),
            payload: None,
        }),
        Event::AccessesProgress(SegmentProgress { node: s("n1"), incarnation: 1, number: 1, n: 1, root: s("r4") }),
        Event::GatewayCounted(GatewayCounted { node: s("n1"), incarnation: 1, hour: 0, requests: 7, logged: 7 }),
        Event::GatewayCountLost(GatewayCountLost { node: s("n1"), incarnation: 1, hour: 0, records: 7 }),
    ]
}

fn assurance() -> Vec<Event> {
    let scoped = ScopedControl { control: s("AI-IN-01"), logic_sha256: s("10"), frequency: s("hourly") };
    vec![
        Event::ControlsScoped(ControlsScoped { controls: vec![scoped] }),
        Event::ControlRan(ControlRan {
            run: s("018f"),
            requested_by: s("a_1"),
            control: s("AI-IN-01"),
            due_at: 5,
            logic_sha256: s("10"),
            params: RunParams { start: 1, end: 2, now: 3 },
            at_size: 0,
            at_root: s("e3"),
            population: 0,
            population_root: s("e3"),
            violations: 0,
            violations_root: s("e3"),
            outcome: Outcome::NotTested,
            reason: Some(s("the population is empty")),
            engine: s("datafusion 55.2.0"),
        }),
        Event::EvidenceExported(EvidenceExported {
            package: s("018f"),
            requested_by: s("a_1"),
            manifest_sha256: s("12"),
            from: 1,
            to: 2,
            at_size: 9,
            segments: 1,
            payloads: false,
        }),
    ]
}

/// One event of every kind, in the order of `event.rs`.
pub fn one_of_each() -> Vec<Event> {
    [
        infrastructure(),
        people(),
        approvals(),
        documents(),
        emergencies(),
        super::tokens::golden(),
        supply(),
        serving(),
        encryption::events(),
        data::events(),
        residency::events(),
        lineage::events(),
        data::fields(),
        data::detectors(),
        retention::events(),
        requests::requests(),
        assurance(),
    ]
    .concat()
}

fn envelope(event: Event) -> Entry {
    let id = s("018f3c2e-7d4b-7000-8000-000000000001");
    Entry { v: 1, id, ts: 1_793_400_000_123, actor: s("a_system"), stream: event.stream(), sv: 1, event }
}

#[test]
fn given_every_kind_of_event_when_encoded_then_its_bytes_are_the_golden_ones_and_read_back() {
    let mut lines = String::new();
    for event in one_of_each() {
        let entry = envelope(event);
        let bytes = entry.encode().expect("fits an entry");
        assert_eq!(Entry::decode(&bytes).expect("reads back"), entry);
        lines += &String::from_utf8(bytes).expect("JSON is UTF-8");
        lines.push('\n');
    }
    expect_test::expect_file!["../../golden/events.jsonl"].assert_eq(&lines);
}

#[test]
fn given_the_golden_events_when_counted_then_no_kind_is_missing() {
    let seen: std::collections::BTreeSet<&str> = one_of_each().iter().map(Event::name).collect();
    let all: std::collections::BTreeSet<&str> = Event::TYPES.iter().copied().collect();
    assert_eq!(seen, all);
}

#[test]
fn given_an_unknown_type_or_version_when_decoded_then_it_is_an_error() {
    let known = String::from_utf8(envelope(one_of_each().remove(0)).encode().expect("fits")).expect("UTF-8");
    assert!(Entry::decode(known.replace("org.created", "org.exploded").as_bytes()).is_err());
    assert!(Entry::decode(known.replace("\"v\":1", "\"v\":2").as_bytes()).is_err());
    assert!(Entry::decode(known.replace("\"name\":", "\"nick\":").as_bytes()).is_err());
}

/// Fails when the same entries come to another state than they did. Then raise `State::FOLD`, here, there and in
/// `tests/verifier/verify.py`; copy `golden/events.jsonl` over `golden/fold.jsonl`; and put the digest of now here.
#[test]
fn given_known_entries_when_folded_then_their_digest_is_that_of_this_revision_of_the_fold() {
    let mut state = State::default();
    for line in include_str!("../../golden/fold.jsonl").lines() {
        state.apply(&Entry::decode(line.as_bytes()).expect("an entry"));
    }
    let pinned = (1, "ca035a5a2c99fbb640f7c567f47d142f276866542548e4529424df502ab2757b");
    assert_eq!((State::FOLD, state.digest().expect("JSON").as_str()), pinned);
}

#[test]
fn given_any_order_of_events_when_applied_then_the_fold_is_total_and_its_digest_repeats() {
    let mut first = State::default();
    let mut second = State::default();
    for event in one_of_each().into_iter().rev().chain(one_of_each()) {
        first.apply(&envelope(event.clone()));
        second.apply(&envelope(event));
    }
    assert_eq!(first.digest().expect("JSON"), second.digest().expect("JSON"));
    let again: State = serde_json::from_slice(&serde_json::to_vec(&first).expect("JSON")).expect("reads back");
    assert_eq!(again, first, "a snapshot reads back as the state it was taken of");
}
