//! What the rules allow and refuse.

use super::approvals::spec;
use crate::command::RegisterModel;
use crate::models::ModelFacts;
use crate::people::{
    ActorKind, ActorRegistered, KeyCreated, KeyScope, OpenSession, Proof, SessionStarted, SigninLinkCreated,
};
use crate::serving::{Route, SegmentFile, SegmentSealed, ServiceDeclared, ServiceSpec, Target};
use crate::vendors::{ProviderDeclared, ProviderKind, ProviderSpec};
use crate::{Command, Entry, Event, Given, Refusal, RefusalCode, State, decide, infrastructure};

/// A state and the means to ask it for more.
#[derive(Default)]
struct World {
    state: State,
    given: Given,
}

impl World {
    fn new() -> Self {
        let facts = ModelFacts { bytes: 1, operators: vec![], inputs: vec![], outputs: vec![] };
        Self {
            given: Given { now: 1_000, fresh: "f".into(), model: Some(Ok(facts)), ..Given::default() },
            ..Self::default()
        }
    }

    fn ask(&mut self, command: Command) -> Result<Vec<Event>, Refusal> {
        let events = decide(&self.state, &self.given, &command)?;
        for event in &events {
            let stream = event.stream();
            let sv = self.state.version(&stream) + 1;
            let id = format!("{}", self.state.size);
            let entry = Entry { v: 1, id, ts: self.given.now, actor: "a_1".into(), stream, sv, event: event.clone() };
            self.state.apply(&entry);
        }
        Ok(events)
    }

    #[track_caller]
    fn done(&mut self, command: Command) -> Vec<&'static str> {
        self.ask(command).expect("carried out").iter().map(Event::name).collect()
    }

    #[track_caller]
    fn refused(&mut self, command: Command) -> (RefusalCode, String) {
        let refusal = self.ask(command).expect_err("refused");
        (refusal.code, refusal.message)
    }
}

fn provider(url: &str) -> Command {
    Command::DeclareProvider(ProviderDeclared {
        provider: "stand-in".into(),
        spec: ProviderSpec {
            kind: ProviderKind::Openai,
            base_url: url.into(),
            api_key_env: None,
            region: None,
            critical: false,
            first_byte_timeout_ms: 1,
            idle_timeout_ms: 1,
        },
    })
}

fn service(routes: &[(&str, &str)]) -> Command {
    let route = |(name, model): &(&str, &str)| Route {
        name: (*name).into(),
        target: Target::Provider { provider: "stand-in".into(), model: (*model).into() },
        guard: None,
    };
    Command::DeclareService(ServiceDeclared {
        service: "support".into(),
        spec: ServiceSpec { purpose: "support".into(), routes: routes.iter().map(route).collect(), ..spec() },
    })
}

#[test]
fn given_a_declared_service_when_declared_again_unchanged_then_nothing_happens() {
    let mut world = World::new();
    world.done(provider("http://127.0.0.1:1/v1"));
    assert_eq!(world.done(service(&[("chat", "m")])), ["service.declared", "deployment.started"]);
    assert!(world.done(service(&[("chat", "m")])).is_empty());
}

#[test]
fn given_a_live_deployment_when_its_route_changes_then_it_ends_before_another_starts() {
    let mut world = World::new();
    world.done(provider("http://127.0.0.1:1/v1"));
    world.done(service(&[("chat", "m"), ("other", "m")]));
    let events = world.done(service(&[("chat", "m2"), ("other", "m")]));
    assert_eq!(events, ["service.declared", "deployment.ended", "deployment.started"]);
    let live = &world.state.deployments["support"];
    assert_eq!(live.len(), 2);
    assert_eq!(live["chat"].started.target.model_and_version().0, "stand-in/m2");
}

#[test]
fn given_nothing_when_a_service_names_an_unknown_provider_then_it_is_refused_by_name() {
    let (code, message) = World::new().refused(service(&[("chat", "m")]));
    assert_eq!(code, RefusalCode::NotFound);
    assert!(message.contains("`stand-in`"), "{message}");
}

#[test]
fn given_bad_names_and_addresses_when_declared_then_each_is_refused_with_the_rule() {
    let mut world = World::new();
    for url in ["ftp://x", "http://", "https://user@host/v1", "https://host/v1?key=1"] {
        assert_eq!(world.refused(provider(url)).0, RefusalCode::Invalid, "{url}");
    }
    world.done(provider("https://host/v1"));
    for route in ["", "a b", "a\n", &"x".repeat(129)] {
        assert_eq!(world.refused(service(&[(route, "m")])).0, RefusalCode::Invalid, "{route:?}");
    }
    assert_eq!(world.refused(service(&[("a", "m"), ("a", "m")])).0, RefusalCode::Invalid);
}

#[test]
fn given_a_registered_version_when_other_bytes_come_then_it_is_refused_and_the_same_bytes_change_nothing() {
    let mut world = World::new();
    let versioned = |version: &str, sha: &str| RegisterModel {
        model: "m".into(),
        version: version.into(),
        artifact_sha256: sha.into(),
        trained_on: vec![],
        run: None,
    };
    let register = |sha: &str| Command::RegisterModel(versioned("1", sha));
    assert_eq!(world.done(register("aa")), ["model.registered"]);
    assert!(world.done(register("aa")).is_empty());
    assert_eq!(world.refused(register("bb")).0, RefusalCode::Exists);
    world.given.model = Some(Err("operator `com.acme.Foo` is not supported".into()));
    let next = Command::RegisterModel(versioned("2", "cc"));
    let (code, message) = world.refused(next);
    assert_eq!(code, RefusalCode::Invalid);
    assert!(message.contains("com.acme.Foo"), "{message}");
}

#[test]
fn given_a_sign_in_link_when_used_twice_or_late_then_it_is_refused() {
    let mut world = World::new();
    let roles = vec!["administrator".to_owned()];
    world.done(Command::RegisterActor(ActorRegistered { actor: "a_1".into(), kind: ActorKind::Human, roles }));
    let link = |sha: &str| {
        Command::CreateSigninLink(SigninLinkCreated { actor: "a_1".into(), link_sha256: sha.into(), expires_at: 2_000 })
    };
    let open = |sha: &str| {
        let started = SessionStarted {
            session: "s_1".into(),
            actor: "a_1".into(),
            proof: Proof::Link,
            link_sha256: Some(sha.into()),
            provider_session_sha256: None,
            passkey: None,
            session_sha256: "s".into(),
            authenticated_at: 1_000,
            mfa: false,
            expires_at: 9_000,
        };
        Command::OpenSession(OpenSession { started, replaces: None, passkey: None, recovery_sha256: None })
    };
    world.given.by = "a_1".into();
    world.done(link("l1"));
    world.done(link("l2"));
    assert_eq!(world.done(open("l1")), ["session.started"]);
    assert_eq!(world.refused(open("l1")).0, RefusalCode::NotFound);
    world.given.now = 2_000;
    assert_eq!(world.refused(open("l2")).0, RefusalCode::Expired);
}

#[test]
fn given_an_administrator_when_asking_to_act_as_the_system_then_it_is_refused_in_every_way() {
    let mut world = World::new();
    let register = |actor: &str, kind, role: &str| {
        let roles = vec![role.to_owned()];
        Command::RegisterActor(ActorRegistered { actor: actor.into(), kind, roles })
    };
    world.done(register("a_system", ActorKind::System, "system"));
    assert!(world.done(register("a_system", ActorKind::System, "system")).is_empty());
    assert_eq!(world.refused(register("a_other", ActorKind::System, "auditor")).0, RefusalCode::Forbidden);
    assert_eq!(world.refused(register("a_other", ActorKind::Human, "system")).0, RefusalCode::Forbidden);
    let key = KeyCreated {
        key: "k_1".into(),
        scope: KeyScope::Actor("a_system".into()),
        prefix: "cfk_".into(),
        secret_sha256: "s".into(),
        expires_at: 5_000,
        session: None,
    };
    assert_eq!(world.refused(Command::CreateKey(key)).0, RefusalCode::Forbidden);
    let link = SigninLinkCreated { actor: "a_system".into(), link_sha256: "l".into(), expires_at: 2_000 };
    assert_eq!(world.refused(Command::CreateSigninLink(link)).0, RefusalCode::Forbidden);
}

#[test]
fn given_a_name_of_a_person_as_an_identifier_when_offered_then_it_is_refused_and_not_repeated() {
    let mut world = World::new();
    let actor = "anna@example.com".to_owned();
    let (code, message) =
        world.refused(Command::RegisterActor(ActorRegistered { actor, kind: ActorKind::Human, roles: vec![] }));
    assert_eq!(code, RefusalCode::Invalid);
    assert!(!message.contains("anna"), "{message}");
}

#[test]
fn given_a_run_over_an_older_state_when_recorded_then_the_standing_result_stays() {
    let run = |at_size, end| crate::assurance::ControlRan {
        run: "r".into(),
        requested_by: "a_1".into(),
        control: "AI-IN-01".into(),
        due_at: 0,
        logic_sha256: "l".into(),
        params: crate::assurance::RunParams { start: 0, end, now: end },
        at_size,
        at_root: "r".into(),
        population: 1,
        population_root: "p".into(),
        violations: 0,
        violations_root: "v".into(),
        outcome: crate::assurance::Outcome::Pass,
        reason: None,
        engine: "e".into(),
    };
    assert!(
        run(5, 1).stands_over(&run(4, 9)) && run(5, 2).stands_over(&run(5, 1)) && run(5, 2).stands_over(&run(5, 2))
    );
    assert!(!run(4, 9).stands_over(&run(5, 1)) && !run(5, 1).stands_over(&run(5, 2)));
}

#[test]
fn given_a_service_when_a_key_is_made_for_it_then_it_lives_until_it_expires_or_is_revoked() {
    let mut world = World::new();
    world.done(provider("http://h/v1"));
    world.done(service(&[]));
    let key = |name: &str, service: &str, expires_at| {
        Command::CreateKey(KeyCreated {
            key: name.into(),
            scope: KeyScope::Service(service.into()),
            prefix: "cfk_".into(),
            secret_sha256: format!("sha-{name}"),
            expires_at,
            session: None,
        })
    };
    assert_eq!(world.refused(key("k", "unknown", 5_000)).0, RefusalCode::NotFound);
    assert_eq!(world.refused(key("k", "support", 1_000)).0, RefusalCode::Invalid);
    world.done(key("k", "support", 5_000));
    let live = world.state.key_for_secret("sha-k").expect("known");
    assert!(live.is_live(4_999) && !live.is_live(5_000));
    world.done(Command::RevokeKey(crate::people::KeyRevoked { key: "k".into() }));
    assert!(!world.state.key_for_secret("sha-k").expect("known").is_live(2_000));
}

fn sealed(number: u64, first: u64, prev: Option<&str>) -> Command {
    let file = SegmentFile { path: "p".into(), sha256: "s".into(), len: 1 };
    Command::SealSegment(SegmentSealed {
        node: "n1".into(),
        incarnation: 1,
        number,
        first,
        n: 10,
        root: format!("r{number}"),
        prev: prev.map(Into::into),
        t0: 0,
        t1: 0,
        hours: vec![],
        core: file.clone(),
        payload: Some(file),
    })
}

#[test]
fn given_a_node_when_segments_are_sealed_then_they_must_follow_one_another_without_a_gap() {
    let mut world = World::new();
    let join = |incarnation| {
        Command::JoinNode(infrastructure::NodeJoined { node: "n1".into(), incarnation, program: "test".into() })
    };
    assert_eq!(world.refused(sealed(0, 0, None)).0, RefusalCode::Conflict);
    world.done(join(1));
    assert_eq!(world.refused(join(3)).0, RefusalCode::Conflict);
    world.done(sealed(0, 0, None));
    assert!(world.done(sealed(0, 0, None)).is_empty(), "sealing the same again changes nothing");
    for wrong in [sealed(1, 11, Some("r0")), sealed(1, 10, None), sealed(2, 10, Some("r0"))] {
        assert_eq!(world.refused(wrong).0, RefusalCode::Conflict);
    }
    world.done(sealed(1, 10, Some("r0")));
    world.done(join(2));
    assert_eq!(world.refused(sealed(2, 20, Some("r1"))).0, RefusalCode::Conflict, "a fenced incarnation");
}

#[test]
fn given_a_node_when_it_reports_endpoints_then_they_are_its_own_or_providers_and_no_other_incarnations() {
    let mut world = World::new();
    let joined = infrastructure::NodeJoined { node: "n1".into(), incarnation: 1, program: "p".into() };
    world.done(Command::JoinNode(joined));
    let probe = |incarnation: u64, named: &[&str]| {
        let endpoint = |name: &&str| infrastructure::Endpoint {
            endpoint: (*name).into(),
            address: "https://x.example".into(),
            found: None,
        };
        let endpoints = named.iter().map(endpoint).collect();
        Command::ProbeEndpoints(infrastructure::EndpointsProbed { node: "n1".into(), incarnation, endpoints })
    };
    assert_eq!(world.done(probe(1, &["listener/n1", "provider/acme", "redirect/n1"])), ["endpoints.probed"]);
    assert_eq!(world.refused(probe(2, &["listener/n1"])).0, RefusalCode::Conflict);
    for wrong in [
        &["provider/acme", "listener/n1"][..],
        &["listener/n1", "listener/n1"],
        &["listener/n2"],
        &["provider/Ann Jones"],
        &["elsewhere/n1"],
        &["n1"],
    ] {
        assert_eq!(world.refused(probe(1, wrong)).0, RefusalCode::Invalid, "{wrong:?}");
    }
}

#[test]
fn given_a_certificate_when_told_again_then_nothing_happens_and_nonsense_is_refused() {
    let mut world = World::new();
    let told = infrastructure::CertificateInstalled {
        node: "n1".into(),
        sha256: "a".repeat(64),
        serial: "0f".into(),
        issuer_sha256: "b".repeat(64),
        names_sha256: "c".repeat(64),
        not_before: 1,
        not_after: 2,
    };
    assert_eq!(world.ask(Command::InstallCertificate(told.clone())).expect("allowed").len(), 1);
    assert_eq!(world.ask(Command::InstallCertificate(told.clone())).expect("allowed"), []);
    for wrong in [
        infrastructure::CertificateInstalled { node: "A b".into(), ..told.clone() },
        infrastructure::CertificateInstalled { sha256: "short".into(), ..told.clone() },
        infrastructure::CertificateInstalled { names_sha256: "example.com".into(), ..told.clone() },
        infrastructure::CertificateInstalled { serial: String::new(), ..told.clone() },
        infrastructure::CertificateInstalled { serial: "0F".into(), ..told.clone() },
        infrastructure::CertificateInstalled { not_after: 1, ..told.clone() },
    ] {
        let refusal = world.ask(Command::InstallCertificate(wrong)).expect_err("refused");
        assert_eq!(refusal.code, RefusalCode::Invalid, "{refusal}");
    }
}

#[test]
fn given_a_run_that_claims_a_pass_over_nothing_when_recorded_then_it_is_refused() {
    let mut world = World::new();
    let run = |population, violations, outcome| {
        Command::RunControl(crate::assurance::ControlRan {
            run: "r".into(),
            requested_by: "a_1".into(),
            control: "AI-IN-01".into(),
            due_at: 0,
            logic_sha256: "l".into(),
            params: crate::assurance::RunParams { start: 0, end: 1, now: 1 },
            at_size: 0,
            at_root: "r".into(),
            population,
            population_root: "p".into(),
            violations,
            violations_root: "v".into(),
            outcome,
            reason: None,
            engine: "e".into(),
        })
    };
    use crate::assurance::Outcome::{Fail, NotTested, Pass};
    for (population, violations, outcome) in [(0, 0, Pass), (5, 1, Pass), (5, 0, Fail), (0, 0, NotTested)] {
        assert_eq!(world.refused(run(population, violations, outcome)).0, RefusalCode::Invalid);
    }
    world.done(run(5, 0, Pass));
    world.done(run(5, 2, Fail));
}

#[test]
fn given_a_custodian_when_reported_then_only_what_is_new_is_an_event() {
    use crate::keys::{CustodianKind, CustodianReported};
    let mut world = World::new();
    let there = CustodianReported {
        kind: CustodianKind::Transit,
        key_id: "transit:transit/counterfoil".into(),
        reachable: true,
        since: 1,
    };
    let away = CustodianReported { reachable: false, since: 5, ..there.clone() };
    assert_eq!(world.done(Command::ReportCustodian(there.clone())), ["encryption.custodian.reported"]);
    let again = CustodianReported { since: 3, ..there.clone() };
    assert_eq!(world.ask(Command::ReportCustodian(again)).expect("known"), []);
    assert_eq!(world.done(Command::ReportCustodian(away.clone())), ["encryption.custodian.reported"]);
    assert_eq!(world.state.custodian, Some(away));
    for wrong in [
        CustodianReported { key_id: "pkcs11:token/key".into(), ..there.clone() },
        CustodianReported { key_id: "transit:".into(), ..there.clone() },
        CustodianReported { key_id: "transit:a\nb".into(), ..there.clone() },
        CustodianReported { key_id: format!("transit:{}", "a".repeat(256)), ..there.clone() },
        CustodianReported { since: -1, ..there },
    ] {
        assert_eq!(world.refused(Command::ReportCustodian(wrong)).0, RefusalCode::Invalid);
    }
}

#[test]
fn given_copies_in_a_bucket_when_reported_then_they_go_forward_and_are_named_as_a_bucket_names_them() {
    use crate::infrastructure::{ArchiveLocked, ArchiveProbed, LockMode, LockedObject, ProbeOutcome};
    let mut world = World::new();
    let object = LockedObject {
        object: "records/inferences/segment_day=2026-11-22/n1-1-00.core.parquet".into(),
        sha256: "ab".repeat(32),
        bytes: 5,
        version: "v.1".into(),
        until: 9,
    };
    let report = |through: u64, objects: Vec<LockedObject>| {
        let (bucket, mode) = ("audit-records".into(), LockMode::Compliance);
        Command::ReportLocked(ArchiveLocked { bucket, mode, through, objects })
    };
    let size = world.state.size;
    assert_eq!(world.done(report(size, vec![object.clone()])), ["archive.locked"]);
    assert_eq!(world.state.archives.get("audit-records"), Some(&size));
    assert_eq!(world.done(report(size + 1, vec![object.clone()])), ["archive.locked"]);
    assert_eq!(world.done(report(size + 1, vec![object.clone()])), ["archive.locked"]);
    assert_eq!(world.refused(report(size, vec![object.clone()])).0, RefusalCode::Conflict);
    let beyond = world.state.size + 100;
    assert_eq!(world.refused(report(beyond, vec![object.clone()])).0, RefusalCode::Conflict);
    for wrong in [
        vec![],
        vec![object.clone(); 65],
        vec![LockedObject { object: "a b".into(), ..object.clone() }],
        vec![LockedObject { sha256: "AB".repeat(32), ..object.clone() }],
        vec![LockedObject { version: String::new(), ..object.clone() }],
        vec![LockedObject { until: -1, ..object }],
    ] {
        assert_eq!(world.refused(report(size, wrong)).0, RefusalCode::Invalid);
    }
    let probe = |bucket: &str| {
        let object = "probes/1".into();
        Command::ReportProbed(ArchiveProbed { bucket: bucket.into(), object, outcome: ProbeOutcome::Held })
    };
    assert_eq!(world.done(probe("audit-records")), ["archive.probed"]);
    assert_eq!(world.done(probe("[::1]:9000/audit-records/bank/a")), ["archive.probed"]);
    let resumed = |cosigning: &[&str], unnamed: &[&str]| {
        let digests = |of: &[&str]| of.iter().map(|byte| byte.repeat(32)).collect();
        let (cosigning, unnamed) = (digests(cosigning), digests(unnamed));
        Command::ReportResumed(crate::infrastructure::LedgerResumed { cosigning, unnamed })
    };
    assert_eq!(world.done(resumed(&["ab"], &["01", "cd"])), ["ledger.resumed"]);
    for wrong in [resumed(&[], &[]), resumed(&["AB"], &[]), resumed(&[], &["cd", "01"]), resumed(&["01", "01"], &[])] {
        assert_eq!(world.refused(wrong).0, RefusalCode::Invalid);
    }
    use crate::infrastructure::{ObjectsProbed, PlaceOutcome, Versioning};
    let tried = |bucket: &str, outcome, versioning| {
        Command::ReportObjects(ObjectsProbed { bucket: bucket.into(), outcome, versioning })
    };
    let fit = || tried("s3.example.com/erasable", PlaceOutcome::Erasable, Some(Versioning::Never));
    assert_eq!(world.done(fit()), ["objects.probed"]);
    assert!(world.done(fit()).is_empty(), "it is no news");
    assert_eq!(world.done(tried("s3.example.com/erasable", PlaceOutcome::Unfit, None)), ["objects.probed"]);
    for wrong in [tried("Erasable/x", PlaceOutcome::Unfit, None), tried("erasable", PlaceOutcome::Erasable, None)] {
        assert_eq!(world.refused(wrong).0, RefusalCode::Invalid);
    }
    for wrong in ["Audit/records", "s3.example.com/Records", "/audit-records", "s3.example.com/audit-records/"] {
        assert_eq!(world.refused(probe(wrong)).0, RefusalCode::Invalid, "{wrong}");
    }
}
