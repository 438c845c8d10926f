//! Services, documents and training as the tables show them, and the controls over them on live entries.

use domain::Event;
use domain::people::{
    AccountOwned, ActorKind, ActorLeft, ActorRegistered, ApprovalNamed, ApprovalRequested, ApprovalVoted,
    DocumentAcknowledged, DocumentKind, DocumentPublished, GrantNamed, GrantRequested, OwnerReason, TrainingRecorded,
    Vote,
};
use domain::serving::{RiskTier, ServiceDeclared, ServiceRegistered, ServiceRetired};

use super::world::{HOUR, MINUTE, T0, World, service};
use super::{ask, run};

fn approved(world: &World, approval: &str, command: &str, resource: &str) {
    let requested = ApprovalRequested {
        approval: approval.into(),
        command: command.into(),
        resource: resource.into(),
        digest: "aa".into(),
        base: 0,
        quorum: 1,
        role: "security_lead".into(),
        deploys: Default::default(),
        trained_by: Default::default(),
        beneficiary: None,
        evidence: vec![],
        expires_at: T0 + 100 * HOUR,
        reference: "CHG-1".into(),
    };
    world.add(T0 + MINUTE, Event::ApprovalRequested(requested));
    let vote = ApprovalVoted { approval: approval.into(), vote: Vote::Approve, on_behalf_of: None };
    world.add(T0 + 2 * MINUTE, Event::ApprovalVoted(vote));
}

fn used(world: &World, approval: &str) {
    world.add(T0 + 3 * MINUTE, Event::ApprovalConsumed(ApprovalNamed { approval: approval.into() }));
}

fn register(world: &World, owner: &str) {
    let (service, owner, risk_tier) = ("credit".into(), owner.into(), RiskTier::High);
    world.add(T0 + 3 * MINUTE, Event::ServiceRegistered(ServiceRegistered { service, owner, risk_tier }));
}

fn publish(world: &World, version: u64) {
    let published = DocumentPublished {
        document: "ai-use".into(),
        kind: DocumentKind::Policy,
        version,
        sha256: format!("h{version}"),
        review_due: T0 + 1000 * HOUR,
        ack_required: true,
    };
    world.add(T0 + 3 * MINUTE, Event::DocumentPublished(published));
}

#[test]
fn a_service_has_an_owner_and_an_approval_until_the_owner_leaves_or_the_risk_changes() {
    run(async {
        let world = World::filled();
        let sql = "SELECT owner_id, team, risk_tier, approved_at, approved_by FROM services";
        assert_eq!(ask(&world.session().await, sql).await, ["-|lending|high|-|-"]);
        approved(&world, "p_1", "service.register", "service/credit");
        register(&world, "a_1");
        let early = "SELECT owner_id, approved_at FROM services";
        assert_eq!(ask(&world.session().await, early).await, ["a_1|-"], "without an approval there is none");
        used(&world, "p_1");
        let registered = "a_1|lending|high|2026-11-22T10:02:00|a_operator";
        assert_eq!(ask(&world.session().await, sql).await, [registered]);
        // Declared anew with the same risk, it stays; with another, it is not what was agreed to.
        world.add(T0 + 4 * MINUTE, Event::ServiceDeclared(service("credit")));
        assert_eq!(ask(&world.session().await, sql).await, [registered]);
        let ServiceDeclared { service: name, mut spec } = service("credit");
        spec.risk_tier = RiskTier::Low;
        world.add(T0 + 5 * MINUTE, Event::ServiceDeclared(ServiceDeclared { service: name, spec }));
        assert_eq!(ask(&world.session().await, sql).await, ["-|lending|low|-|-"]);
        register(&world, "a_2");
        world.add(T0 + 6 * MINUTE, Event::ActorLeft(ActorLeft { actor: "a_2".into() }));
        assert_eq!(ask(&world.session().await, early).await, ["-|-"]);
        let kept = "SELECT owner_id, risk_tier, until, approved_by FROM service_registrations ORDER BY 1";
        let history = ["a_1|high|2026-11-22T10:05:00|a_operator", "a_2|high|2026-11-22T10:06:00|-"];
        assert_eq!(ask(&world.session().await, kept).await, history, "who answered for it when is not lost");
    });
}

#[test]
fn a_service_that_was_retired_stays_as_it_was_registered_to_the_end() {
    run(async {
        let world = World::filled();
        approved(&world, "p_1", "service.register", "service/credit");
        register(&world, "a_1");
        used(&world, "p_1");
        world.add(T0 + 4 * MINUTE, Event::ServiceRetired(ServiceRetired { service: "credit".into() }));
        world.add(T0 + 5 * MINUTE, Event::ActorLeft(ActorLeft { actor: "a_1".into() }));
        let kept = "SELECT owner_id, since, until, approved_by FROM service_registrations";
        let row = "a_1|2026-11-22T10:03:00|2026-11-22T10:04:00|a_operator";
        assert_eq!(ask(&world.session().await, kept).await, [row]);
        let sql = "SELECT status, owner_id, approved_at FROM services";
        assert_eq!(ask(&world.session().await, sql).await, ["retired|a_1|2026-11-22T10:02:00"]);
        // Declared again, it is another service.
        world.add(T0 + 6 * MINUTE, Event::ServiceDeclared(service("credit")));
        assert_eq!(ask(&world.session().await, sql).await, ["active|-|-"]);
    });
}

#[test]
fn whoever_stood_behind_a_program_then_is_who_asked_and_carried_out() {
    run(async {
        let world = World::filled();
        let own = |owner: &str| {
            let (actor, owner) = ("a_operator".into(), owner.into());
            world.add(T0, Event::AccountOwned(AccountOwned { actor, owner, reason: OwnerReason::Named }));
        };
        own("a_owner");
        approved(&world, "p_1", "service.register", "service/credit");
        let (grant, actor, role, scope) = ("g_1".into(), "a_new".into(), "monitor".into(), "org".into());
        let (ends_at, reference) = (T0 + 100 * HOUR, "CHG-1".into());
        let wish = GrantRequested { grant, actor, role, scope, ends_at, reference };
        world.add(T0 + MINUTE, Event::GrantRequested(wish));
        own("a_other");
        used(&world, "p_1");
        world.add_by("a_owner", T0 + 3 * MINUTE, Event::GrantApproved(GrantNamed { grant: "g_1".into() }));
        let session = world.session().await;
        let sql = "SELECT requested_by, requested_by_person, used_by, used_by_person FROM approvals";
        assert_eq!(ask(&session, sql).await, ["a_operator|a_owner|a_operator|a_other"]);
        let sql = "SELECT requested_by, requested_by_person, approved_by_person, principal_person FROM role_grants\n\
                   WHERE grant_id = 'g_1'";
        assert_eq!(ask(&session, sql).await, ["a_operator|a_owner|a_owner|a_new"]);
        let test = include_str!("../../../../controls/AI-AC-02/query.sql");
        let found = format!("SELECT detail FROM ({test}) WHERE item = 'g_1'");
        assert_eq!(ask(&session, &found).await, ["no independent approval"], "their program asked, and they approved");
    });
}

#[test]
fn a_document_is_a_row_a_version_and_the_newest_is_in_force() {
    run(async {
        let world = World::filled();
        approved(&world, "p_1", "document.publish", "document/ai-use");
        publish(&world, 1);
        used(&world, "p_1");
        let acknowledged = DocumentAcknowledged { document: "ai-use".into(), version: 1 };
        world.add(T0 + 4 * MINUTE, Event::DocumentAcknowledged(acknowledged));
        publish(&world, 2);
        let session = world.session().await;
        let sql = "SELECT doc_id, kind, version, approved_by, approved_at IS NULL, superseded_at IS NULL, content_hash, ack_required\n\
                   FROM documents ORDER BY version";
        let rows = ["ai-use|policy|1|a_operator|false|false|h1|true", "ai-use|policy|2|-|true|true|h2|true"];
        assert_eq!(ask(&session, sql).await, rows);
        let acked = "SELECT doc_id, version, principal_id, acked_at FROM acknowledgements";
        assert_eq!(ask(&session, acked).await, ["ai-use|1|a_operator|2026-11-22T10:04:00"]);
    });
}

#[test]
fn of_training_the_latest_record_of_a_person_and_course_stands() {
    run(async {
        let world = World::filled();
        world.add(
            T0,
            Event::ActorRegistered(ActorRegistered { actor: "a_1".into(), kind: ActorKind::Human, roles: vec![] }),
        );
        for hours in [10, 20] {
            let recorded = TrainingRecorded {
                actor: "a_1".into(),
                course: "ai-basics".into(),
                completed_at: T0,
                expires_at: T0 + hours * HOUR,
                evidence_sha256: None,
            };
            world.add(T0 + MINUTE, Event::TrainingRecorded(recorded));
        }
        let sql = "SELECT principal_id, course, completed_at, expires_at, evidence_sha256, recorded_by FROM training";
        let row = "a_1|ai-basics|2026-11-22T10:00:00|2026-11-23T06:00:00|-|a_operator";
        assert_eq!(ask(&world.session().await, sql).await, [row]);
    });
}
