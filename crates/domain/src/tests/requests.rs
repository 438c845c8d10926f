//! Requests of people: who says what when, that an erasure is approved by two others, and the order of its steps.

use proptest::prelude::*;

use super::approvals::{Company, PEOPLE, approve, request as ask};
use crate::keys::requests::{
    Assessment, DUE_MS, ErasureStep, ExecuteRequest, IdentityMethod, IdentityResult, Intake, ModelAction,
    RefusalReason, RequestAssessed, RequestClosed, RequestIdentityChecked, RequestKind, RequestOutcome,
    RequestReceived, RequestStep, SearchRequest,
};
use crate::people::ActorLeft;
use crate::{Command, Refusal, RefusalCode};

const SUBJECT: &str = "0123456789abcdef0123456789abcdef";

fn receive(request: &str, kind: RequestKind, actor: Option<&str>) -> Command {
    Command::ReceiveRequest(RequestReceived {
        request: request.into(),
        kind,
        subjects: vec![SUBJECT.into()],
        actor: actor.map(str::to_owned),
        channel: Intake::Email,
        received_at: 1_000,
        due_at: 1_000 + DUE_MS,
        sealed_sha256: "c".repeat(64),
    })
}

fn identity(result: IdentityResult) -> Command {
    let (request, method, reference) = ("q_1".into(), IdentityMethod::Document, "DSR-1".into());
    Command::CheckRequestIdentity(RequestIdentityChecked { request, method, result, reference })
}

fn found(datasets: u64) -> SearchRequest {
    SearchRequest {
        request: "q_1".into(),
        counts: [("datasets".to_owned(), datasets)].into(),
        concerns: [].into(),
        keys: [format!("subject/personal/{SUBJECT}")].into(),
        learned: [].into(),
    }
}

fn search(datasets: u64) -> Command {
    Command::SearchRequest(found(datasets))
}

fn assess(model: &str) -> Command {
    Command::AssessRequest(RequestAssessed {
        request: "q_1".into(),
        model: model.into(),
        version: "1".into(),
        assessment: Assessment::Trained,
        action: ModelAction::Retrain,
        reference: "DSR-1".into(),
    })
}

fn execute(actor: Option<&str>) -> Command {
    Command::ExecuteRequest(ExecuteRequest { request: "q_1".into(), actor: actor.map(str::to_owned) })
}

fn step(step: ErasureStep) -> Command {
    let (request, counts, keys) = ("q_1".into(), [].into(), [].into());
    Command::StepRequest(RequestStep { request, step, counts, keys })
}

fn close(outcome: RequestOutcome, reason_code: Option<RefusalReason>) -> Command {
    let (request, reference, notified_at) = ("q_1".into(), "DSR-1".into(), Some(1_000));
    Command::CloseRequest(RequestClosed { request, outcome, reason_code, reference, notified_at })
}

/// A company of an administrator, a security lead and two privacy officers.
fn officers() -> Company {
    let mut company = Company::begun();
    company.grant("a_lead", "security_lead", "a_admin");
    for officer in ["a_other", "a_deployer"] {
        company.grant(officer, "privacy_officer", "a_lead");
    }
    // Nothing came since whatever search there was.
    company.given.held = Some(Ok(found(0)));
    company
}

/// A request for erasure that two officers have approved.
fn approved() -> Company {
    let mut company = officers();
    company.done("a_other", receive("q_1", RequestKind::Erasure, None));
    company.done("a_other", identity(IdentityResult::Confirmed));
    company.done("a_system", search(0));
    company.done("a_admin", ask("p_1", execute(None)));
    company.done("a_other", approve("p_1"));
    company.done("a_deployer", approve("p_1"));
    company
}

#[test]
fn given_an_erasure_when_two_others_approved_then_it_begins_and_its_steps_are_done_once_in_their_order() {
    let mut company = approved();
    assert_eq!(company.code("a_system", step(ErasureStep::HoldsChecked)), RefusalCode::Conflict, "it has not begun");
    assert_eq!(company.done("a_admin", execute(None)), ["request.started", "approval.consumed"]);
    assert_eq!(company.code("a_admin", execute(None)), RefusalCode::Conflict, "once");
    for due in ErasureStep::ALL {
        for other in ErasureStep::ALL.iter().filter(|other| *other != due) {
            assert_eq!(company.code("a_system", step(*other)), RefusalCode::Conflict, "{other:?} before {due:?}");
        }
        assert_eq!(company.code("a_admin", step(*due)), RefusalCode::Forbidden, "only Counterfoil says what it did");
        assert_eq!(company.code("a_other", close(RequestOutcome::Done, None)), RefusalCode::Conflict);
        assert_eq!(company.done("a_system", step(*due)), ["request.step"]);
    }
    assert!(company.state.requests["q_1"].is_erased());
    assert_eq!(company.code("a_system", step(ErasureStep::Completed)), RefusalCode::Conflict);
    let refuse = close(RequestOutcome::Refused, Some(RefusalReason::LegalClaims));
    assert_eq!(company.code("a_other", refuse), RefusalCode::Conflict, "what is destroyed does not come back");
    assert_eq!(company.rule("a_admin", close(RequestOutcome::Done, None)), "erase-not-verify");
    assert_eq!(company.done("a_other", close(RequestOutcome::Done, None)), ["request.closed"]);
    assert_eq!(company.code("a_other", close(RequestOutcome::Done, None)), RefusalCode::Conflict);
}

#[test]
fn given_an_erasure_when_not_ready_then_nobody_can_ask_for_its_approval() {
    let mut company = officers();
    company.done("a_other", receive("q_1", RequestKind::Erasure, None));
    let refused = |company: &mut Company| company.code("a_admin", ask("p_1", execute(None)));
    assert_eq!(refused(&mut company), RefusalCode::Conflict, "nobody checked who asks");
    assert_eq!(company.code("a_system", search(0)), RefusalCode::Conflict, "nor is anything looked up");
    company.done("a_other", identity(IdentityResult::Failed));
    assert_eq!(refused(&mut company), RefusalCode::Conflict, "it is not they");
    company.done("a_other", identity(IdentityResult::Confirmed));
    assert_eq!(refused(&mut company), RefusalCode::Conflict, "nobody looked what is held");
    assert_eq!(company.code("a_other", search(0)), RefusalCode::Forbidden, "only Counterfoil says what it found");
    company.done("a_admin", super::approvals::register_model("1"));
    company.done("a_system", search(1));
    let model = company.state.models.keys().next().expect("registered").clone();
    assert_eq!(refused(&mut company), RefusalCode::Conflict, "a model may have learned from them");
    assert_eq!(company.code("a_other", assess("another")), RefusalCode::NotFound);
    company.done("a_other", assess(&model));
    company.done("a_admin", ask("p_1", execute(None)));
    assert_eq!(company.rule("a_admin", execute(None)), "approval-required");
    company.done("a_other", approve("p_1"));
    assert_eq!(company.rule("a_admin", execute(None)), "approval-required", "one is not two");
    company.done("a_deployer", approve("p_1"));
    assert_eq!(company.rule("a_other", execute(None)), "approve-not-carry-out");
    company.done("a_admin", execute(None));
}

#[test]
fn given_an_approved_erasure_when_something_came_since_the_search_then_it_does_not_begin_by_whichever_door() {
    let mut company = approved();
    company.given.held = None;
    assert_eq!(company.code("a_admin", execute(None)), RefusalCode::Conflict, "nobody looked again");
    company.given.held = Some(Ok(SearchRequest { request: "q_2".into(), ..found(0) }));
    assert_eq!(company.code("a_admin", execute(None)), RefusalCode::Conflict, "what is held of another");
    company.given.held = Some(Err(Refusal::new(RefusalCode::Conflict, "they are known as more now")));
    assert_eq!(company.code("a_admin", execute(None)), RefusalCode::Conflict);
    company.given.held = Some(Ok(found(1)));
    let mut other = approved();
    other.done("a_admin", super::approvals::register_model("1"));
    other.given.held = Some(Ok(found(1)));
    assert_eq!(other.code("a_admin", execute(None)), RefusalCode::Conflict, "a model may have learned from them");
    assert_eq!(company.done("a_admin", execute(None)), ["request.started", "approval.consumed"], "there is no model");
}

#[test]
fn given_more_model_versions_than_an_entry_names_when_searched_again_then_the_next_come_until_all_are_assessed() {
    let mut company = officers();
    company.done("a_other", receive("q_1", RequestKind::Erasure, None));
    company.done("a_other", identity(IdentityResult::Confirmed));
    let versions: Vec<String> = (0..1_500).map(|n| format!("version-{n:05}")).collect();
    let registered = |version: &String| crate::models::ModelRegistered {
        model: "m".into(),
        version: version.clone(),
        artifact_sha256: "a".repeat(64),
        facts: crate::models::ModelFacts { bytes: 1, operators: vec![], inputs: vec![], outputs: vec![] },
        enclosed: None,
        trained_on: vec![],
        run: None,
    };
    let models = versions.iter().map(|version| (version.clone(), registered(version))).collect();
    company.state.models.insert("m".into(), models);
    company.given.held = Some(Ok(found(1)));
    let mut rounds = 0;
    loop {
        company.done("a_system", search(1));
        let known = company.state.requests["q_1"].clone();
        let open: Vec<String> = known.unassessed().cloned().collect();
        if open.is_empty() {
            break;
        }
        assert!(company.code("a_admin", ask("p_1", execute(None))) == RefusalCode::Conflict);
        rounds += 1;
        for name in open {
            let (model, version) = name.split_once('/').expect("both");
            let Command::AssessRequest(assessed) = assess(model) else { unreachable!() };
            company.done("a_other", Command::AssessRequest(RequestAssessed { version: version.into(), ..assessed }));
        }
    }
    assert!(rounds > 1 && company.state.requests["q_1"].assessed.len() == versions.len(), "in {rounds} rounds");
    company.done("a_admin", ask("p_1", execute(None)));
}

#[test]
fn given_somebody_who_acts_here_when_they_ask_to_be_forgotten_then_they_leave_first_and_do_not_vote() {
    let mut company = officers();
    company.done("a_admin", receive("q_1", RequestKind::Erasure, Some("a_other")));
    company.done("a_deployer", identity(IdentityResult::Confirmed));
    company.done("a_system", search(0));
    assert_eq!(company.code("a_admin", ask("p_1", execute(None))), RefusalCode::Invalid, "it hides who would vote");
    assert_eq!(company.code("a_admin", ask("p_1", execute(Some("a_other")))), RefusalCode::Conflict);
    company.done("a_admin", Command::Leave(ActorLeft { actor: "a_other".into() }));
    company.done("a_admin", ask("p_1", execute(Some("a_other"))));
    assert!(company.ask("a_other", approve("p_1")).is_err());
    assert_eq!(company.state.approvals["p_1"].requested.beneficiary.as_deref(), Some("a_other"));
}

#[test]
fn given_other_requests_when_answered_then_they_are_closed_with_what_belongs_there() {
    let mut company = officers();
    assert_eq!(company.code("a_other", identity(IdentityResult::Confirmed)), RefusalCode::NotFound);
    company.done("a_other", receive("q_1", RequestKind::Access, None));
    assert_eq!(company.code("a_other", receive("q_1", RequestKind::Access, None)), RefusalCode::Exists);
    assert_eq!(company.code("a_other", close(RequestOutcome::Done, None)), RefusalCode::Conflict, "who asks?");
    company.done("a_other", identity(IdentityResult::Confirmed));
    assert_eq!(company.code("a_other", close(RequestOutcome::Done, None)), RefusalCode::Conflict, "what is held?");
    company.done("a_system", search(0));
    assert_eq!(company.code("a_admin", execute(None)), RefusalCode::Conflict, "it asks for no erasure");
    let reason = Some(RefusalReason::NothingHeld);
    assert_eq!(company.code("a_other", close(RequestOutcome::Refused, None)), RefusalCode::Invalid);
    assert_eq!(company.code("a_other", close(RequestOutcome::Done, reason)), RefusalCode::Invalid);
    assert_eq!(company.done("a_other", close(RequestOutcome::Refused, reason)), ["request.closed"]);
    assert_eq!(company.state.requests["q_1"].standing(), "refused");
}

#[test]
fn given_requests_that_make_no_sense_when_received_then_each_is_refused() {
    let mut company = officers();
    let wish = |change: fn(&mut RequestReceived)| {
        let Command::ReceiveRequest(mut wish) = receive("q_1", RequestKind::Access, None) else { unreachable!() };
        change(&mut wish);
        Command::ReceiveRequest(wish)
    };
    for (command, code) in [
        (wish(|wish| wish.subjects = vec![]), RefusalCode::Invalid),
        (wish(|wish| wish.subjects = vec!["zoe@example.com".into()]), RefusalCode::Invalid),
        (wish(|wish| wish.subjects = vec![SUBJECT.into(), SUBJECT.into()]), RefusalCode::Invalid),
        (wish(|wish| wish.received_at = 1_001), RefusalCode::Invalid),
        (wish(|wish| wish.due_at = 1_000), RefusalCode::Invalid),
        (wish(|wish| wish.sealed_sha256 = "zoe".into()), RefusalCode::Invalid),
        (wish(|wish| wish.request = "Zoe".into()), RefusalCode::Invalid),
        (wish(|wish| wish.actor = Some("a_nobody".into())), RefusalCode::NotFound),
        (wish(|wish| wish.actor = Some("a_system".into())), RefusalCode::NotFound),
    ] {
        assert_eq!(company.code("a_other", command), code);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whoever tries whatever in whatever order: the steps that stand are a beginning of the one order, and nothing is
    /// destroyed before two others agreed.
    #[test]
    fn given_anything_in_any_order_when_tried_then_steps_keep_their_order(tries in prop::collection::vec((0..6_usize, 0..24_usize), 0..120)) {
        let mut company = officers();
        for (by, what) in tries {
            let by = match what {
                // That the system carries nothing out of itself is for policies to say.
                10..=12 => PEOPLE[by % PEOPLE.len()],
                _ => [PEOPLE[0], PEOPLE[1], PEOPLE[4], PEOPLE[5], "a_system", "a_system"][by],
            };
            let command = match what {
                0 => receive("q_1", RequestKind::Erasure, None),
                1 | 2 => identity(IdentityResult::Confirmed),
                3 => search(0),
                4 | 5 => ask("p_1", execute(None)),
                6..=9 => approve("p_1"),
                10..=12 => execute(None),
                13 => close(RequestOutcome::Withdrawn, None),
                14 => close(RequestOutcome::Done, None),
                other => step(ErasureStep::ALL[other - 15]),
            };
            company.tried(by, command);
            let Some(request) = company.state.requests.get("q_1") else { continue };
            let done: Vec<ErasureStep> = request.steps.iter().map(|(step, _)| *step).collect();
            prop_assert!(ErasureStep::ALL.starts_with(&done));
            prop_assert!(done.is_empty() || request.started_at.is_some());
            if request.started_at.is_some() {
                let approval = &company.state.approvals["p_1"];
                prop_assert!(approval.yes().count() >= 2 && approval.consumed.is_some());
            }
            if request.closed.as_ref().is_some_and(|(outcome, _)| *outcome == RequestOutcome::Done) {
                prop_assert!(request.is_erased());
            }
        }
    }
}

#[test]
fn given_a_request_to_see_what_is_held_when_searched_then_no_model_is_to_be_assessed() {
    let mut company = officers();
    company.done("a_other", receive("q_1", RequestKind::Access, None));
    company.done("a_other", identity(IdentityResult::Confirmed));
    company.done("a_admin", super::approvals::register_model("1"));
    company.done("a_system", search(1));
    assert_eq!(company.state.requests["q_1"].standing(), "answer");
    assert_eq!(company.done("a_other", close(RequestOutcome::Done, None)), ["request.closed"]);
}
