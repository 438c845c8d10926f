//! Requests of people over a real data directory: what is found, what is forgotten, what is not, and what a kill leaves.

use std::sync::Arc;

use domain::data::{DataClass, DatasetDeclared, DatasetSpec, Form, LawfulBasis, SubjectColumn};
use domain::keys::requests::{
    ErasureStep, IdentityMethod, IdentityResult, Intake, RequestClosed, RequestIdentityChecked, RequestKind,
    RequestOutcome,
};
use domain::keys::tokens::{TokenKind, TokenMethod, TokenScope, TokenScopeDeclared};
use domain::people::{ActorKind, GrantNamed, GrantRequested, Purpose, Vote};
use domain::serving::InferenceCore;
use domain::{Command, Event};
use ledger::records::Payload;
use vault::{SealedRef, SubjectRef};

use super::{events, killed, open, operator};
use crate::{Asked, Engine, ExecuteError, NewRequest, Principal, Profile, Subjects, Untokenized};

const CLASS: &str = "confidential";
const DAY: &str = "2026-11-22";

/// What was sealed of somebody.
struct Sealed {
    subject: SubjectRef,
    core: InferenceCore,
    ct: Vec<u8>,
}

fn now() -> u64 {
    u64::try_from(Engine::now_ms()).expect("after 1970")
}

/// An inference for a user of the service `support`, as the gateway would have recorded it.
async fn served(engine: &Engine, user: &str, words: &str) -> Sealed {
    let vault = engine.vault();
    let subject = vault.subject("support", user, now()).expect("a reference");
    let sealed = vault.seal(CLASS, DAY, &subject, &[(1, words.as_bytes())], now()).expect("sealed");
    let at = Engine::now_us();
    let core = InferenceCore {
        inference_id: uuid::Uuid::now_v7().to_string(),
        ts_start: at,
        ts_end: at,
        door: "openai.chat.completions".into(),
        service: Some("support".into()),
        classification: CLASS.into(),
        status: "ok".into(),
        day: DAY.into(),
        subject_tag: Some(vault.subject_tag(&subject, DAY, now()).expect("a tag").to_vec()),
        r: sealed.r.to_vec(),
        ct_sha256: sealed.ct_sha256.to_vec(),
        c_root: sealed.c_root.to_vec(),
        ..InferenceCore::default()
    };
    let payload = Payload { ct: sealed.ct.clone(), subject_ref: subject.0 };
    engine.records().append(core.clone(), payload).await.expect("durable");
    Sealed { subject, core, ct: sealed.ct }
}

fn opened(engine: &Engine, sealed: &Sealed) -> Result<Vec<(u16, Vec<u8>)>, vault::VaultError> {
    let r = sealed.core.r.as_slice().try_into().expect("24 bytes");
    let c_root = sealed.core.c_root.as_slice().try_into().expect("32 bytes");
    let of = SealedRef { r: &r, ct: &sealed.ct, c_root: &c_root };
    engine.vault().open_sealed(CLASS, DAY, &sealed.subject, &of)
}

/// Somebody with a role.
async fn hired(engine: &Arc<Engine>, approver: &Principal, role: &str) -> Principal {
    let admin = operator(engine);
    let actor = engine.register_actor(&admin, ActorKind::Human).await.expect("registered");
    let grant = format!("g_{actor}");
    let wish = GrantRequested {
        grant: grant.clone(),
        actor: actor.clone(),
        role: role.into(),
        scope: "org".into(),
        ends_at: Engine::now_ms() + 3_600_000,
        reference: "CHG-1".into(),
    };
    engine.execute(&admin, Command::RequestGrant(wish)).await.expect("asked for");
    engine.execute(approver, Command::ApproveGrant(GrantNamed { grant })).await.expect("approved");
    Principal { actor, roles: vec![(role.into(), "org".into())], ..Principal::default() }
}

/// Two privacy officers.
async fn officers(engine: &Arc<Engine>) -> [Principal; 2] {
    let lead = hired(engine, &operator(engine), "security_lead").await;
    [hired(engine, &lead, "privacy_officer").await, hired(engine, &lead, "privacy_officer").await]
}

/// A request by a user of the service, who was found to be who they say, and what is held of them.
async fn searched(engine: &Arc<Engine>, officer: &Principal, user: &str, kind: RequestKind) -> String {
    let new = NewRequest {
        kind,
        channel: Intake::Email,
        received_at: None,
        due_at: None,
        identifiers: vec![user.into()],
        contact: format!("to {user}"),
    };
    let (request, known) = engine.receive_request(officer, new).await.expect("received");
    assert_eq!(known, 1);
    let checked = RequestIdentityChecked {
        request: request.clone(),
        method: IdentityMethod::Callback,
        result: IdentityResult::Confirmed,
        reference: "DSR-1".into(),
    };
    engine.check_request_identity(officer, checked).await.expect("confirmed");
    engine.search_request(officer, &request).await.expect("looked for");
    request
}

/// Has an erasure approved; it has not begun.
async fn approved(engine: &Arc<Engine>, officers: &[Principal; 2], request: &str) {
    let command = engine.erasure_of(request).expect("known");
    let expires_at = Engine::now_ms() + 3_600_000;
    let wish = Asked { command, evidence: vec![], expires_at, reference: "DSR-1".into() };
    let approval = engine.request_approval(&operator(engine), wish).await.expect("asked for");
    for officer in officers {
        engine.vote(officer, &approval, Vote::Approve, None).await.expect("voted");
    }
}

fn steps(engine: &Engine) -> Vec<ErasureStep> {
    let steps = events(engine).into_iter().filter_map(|entry| match entry.event {
        Event::RequestStep(body) => Some(body.step),
        _ => None,
    });
    steps.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn given_two_people_when_one_is_forgotten_then_nothing_of_theirs_opens_the_other_does_and_proofs_hold() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let officers = officers(&engine).await;
    let zoe = served(&engine, "zoe@example.com", "canary of zoe").await;
    let max = served(&engine, "max@example.com", "words of max").await;

    let access = searched(&engine, &officers[0], "zoe@example.com", RequestKind::Access).await;
    let (held, left_out) = engine.held_inferences(&access, 0).await.expect("readable");
    let (rest, _) = engine.held_inferences(&access, 1).await.expect("readable");
    assert_eq!((rest.len(), left_out), (0, 0));
    assert_eq!(held.len(), 1, "hers alone");
    assert_eq!(held[0].contents, Some(vec![("request".to_owned(), b"canary of zoe".to_vec())]));

    let request = searched(&engine, &officers[0], "zoe@example.com", RequestKind::Erasure).await;
    let known = engine.request(&request).expect("known");
    let found = known.searched.clone().expect("searched");
    assert_eq!(found.counts["inferences"], 1);
    assert!(found.concerns.contains("service/support") && found.concerns.contains("class/confidential"));
    assert!(found.keys.iter().any(|key| key.starts_with("subject/confidential/")), "{found:?}");
    let text = engine.request_text(&request).await.expect("readable").expect("kept");
    assert_eq!((text.identifiers, text.contact.as_str()), (vec!["zoe@example.com".to_owned()], "to zoe@example.com"));

    approved(&engine, &officers, &request).await;
    engine.execute_request(&operator(&engine), &request).await.expect("begun");
    assert!(engine.request(&request).expect("known").is_erased(), "{:?}", steps(&engine));
    assert_eq!(steps(&engine), ErasureStep::ALL);
    assert!(opened(&engine, &zoe).expect_err("forgotten").is_destroyed());
    assert_eq!(opened(&engine, &max).expect("hers is not his"), [(1, b"words of max".to_vec())]);
    assert_eq!(engine.vault().known_subject("support", "zoe@example.com", now()).expect("readable"), None);
    assert!(engine.held_inferences(&access, 0).await.expect("readable").0.is_empty());
    for about in [&access, &request] {
        assert_eq!(engine.request_text(about).await.expect("readable"), None, "what she wrote is gone too");
    }
    let closed = RequestClosed {
        request: request.clone(),
        outcome: RequestOutcome::Done,
        reason_code: None,
        reference: "DSR-1".into(),
        notified_at: Some(Engine::now_ms()),
    };
    engine.close_request(&officers[0], closed).await.expect("closed");

    // Every proof holds as before, and no entry tells who she was.
    engine.publish().await.expect("signed");
    let key = engine.log_vkey().parse().expect("a key");
    for (seq, entry) in events(&engine).iter().enumerate() {
        let bytes = entry.encode().expect("fits");
        assert!(!String::from_utf8_lossy(&bytes).contains("zoe"), "{entry:?}");
        let proof = engine.log().tlog_proof(seq as u64).expect("provable");
        proof.verify(&bytes, &key, None).expect("holds");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_kill_after_each_step_before_its_report_when_started_again_then_the_erasure_is_completed_once() {
    for (cut, step) in ErasureStep::ALL.iter().enumerate() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let engine = open(dir.path()).await;
        let officers = officers(&engine).await;
        let zoe = served(&engine, "zoe@example.com", "canary of zoe").await;
        let request = searched(&engine, &officers[0], "zoe@example.com", RequestKind::Erasure).await;
        approved(&engine, &officers, &request).await;
        {
            // What happens by itself waits, so that the test decides where it dies.
            let _waits = engine.eraser.lock().await;
            let command = engine.erasure_of(&request).expect("known");
            engine.execute(&operator(&engine), command).await.expect("begun");
            for before in &ErasureStep::ALL[..cut] {
                let did = engine.do_step(&request, *before).await.expect("done");
                engine.report_step(&request, *before, did).await.expect("reported");
            }
            engine.do_step(&request, *step).await.expect("done, and not reported");
        }
        killed(engine).await;
        let engine = open(dir.path()).await;
        engine.carry_out_erasures().await.expect("goes on");
        engine.carry_out_erasures().await.expect("nothing is left to do");
        assert_eq!(steps(&engine), ErasureStep::ALL, "cut off at {step:?}");
        assert!(opened(&engine, &zoe).expect_err("forgotten").is_destroyed());
        let keys = events(&engine).into_iter().find_map(|entry| match entry.event {
            Event::RequestStep(body) if body.step == ErasureStep::KeysDestroyed => Some(body.keys),
            _ => None,
        });
        assert!(keys.is_some_and(|keys| keys.len() >= 3), "a step that is done again tells what the first did");
        killed(engine).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn given_somebody_nobody_knows_when_they_ask_then_they_have_a_reference_of_their_own_and_nothing_is_found() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let [officer, _] = officers(&engine).await;
    let new = |identifiers: Vec<String>| NewRequest {
        kind: RequestKind::Access,
        channel: Intake::Web,
        received_at: None,
        due_at: None,
        identifiers,
        contact: String::new(),
    };
    for wrong in
        [vec![], vec![String::new()], vec!["x".repeat(1025)], vec!["nobody".into()], vec!["[nowhere] 1".into()]]
    {
        assert!(engine.receive_request(&officer, new(wrong)).await.is_err());
    }
    let (request, known) = engine.receive_request(&officer, new(vec!["[any] nobody".into()])).await.expect("received");
    assert_eq!(known, 0);
    let received_at = Engine::now_ms() - 10 * 24 * 60 * 60 * 1000;
    let earlier = NewRequest { received_at: Some(received_at), ..new(vec!["[any] nobody".into()]) };
    let (earlier, _) = engine.receive_request(&officer, earlier).await.expect("received");
    let due_at = engine.request(&earlier).expect("known").received.due_at;
    assert_eq!(due_at, received_at + domain::keys::requests::DUE_MS, "the time to answer runs from the receipt");
    assert_eq!(engine.request(&request).expect("known").received.subjects.len(), 1);
    assert!(engine.request_text(&request).await.expect("readable").is_some());
    assert!(engine.search_request(&officer, &request).await.is_err(), "nobody checked who asks");
    let stranger =
        Principal { actor: "a_1".into(), roles: vec![("monitor".into(), "org".into())], ..Principal::default() };
    assert!(engine.search_request(&stranger, &request).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn given_one_number_of_two_customers_when_one_asks_then_the_other_is_not_touched() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let [officer, _] = officers(&engine).await;
    let zoe = served(&engine, "17", "canary of zoe").await;
    let max = engine.vault().subject("lending", "17", now()).expect("a reference");
    let new = |identifier: &str| NewRequest {
        kind: RequestKind::Access,
        channel: Intake::Web,
        received_at: None,
        due_at: None,
        identifiers: vec![identifier.into()],
        contact: String::new(),
    };
    let bare = engine.receive_request(&officer, new("17")).await.expect_err("whose is it?").to_string();
    assert!(bare.contains("[PLACE] VALUE") && bare.contains("support"), "{bare}");
    let (request, known) = engine.receive_request(&officer, new("[support] 17")).await.expect("received");
    let subjects = engine.request(&request).expect("known").received.subjects;
    assert_eq!((known, subjects), (1, vec![zoe.subject.to_string()]));
    let (request, _) = engine.receive_request(&officer, new("[any] 17")).await.expect("received");
    let subjects = engine.request(&request).expect("known").received.subjects;
    assert!(subjects.contains(&max.to_string()) && subjects.len() == 2, "as was asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_an_address_of_two_people_when_the_second_asks_then_what_only_the_first_named_is_not_theirs() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let [officer, _] = officers(&engine).await;
    let [zoe, max] = ["17", "18"].map(|user| engine.vault().subject("support", user, now()).expect("a reference"));
    let both = engine.vault().subject("lending", "home@example.com", now()).expect("a reference");
    let new = |user: &str| NewRequest {
        kind: RequestKind::Erasure,
        channel: Intake::Web,
        received_at: None,
        due_at: None,
        identifiers: vec![format!("[support] {user}"), "home@example.com".into()],
        contact: String::new(),
    };
    let (first, known) = engine.receive_request(&officer, new("17")).await.expect("received");
    assert_eq!(known, 2);
    let checked = RequestIdentityChecked {
        request: first,
        method: IdentityMethod::Callback,
        result: IdentityResult::Confirmed,
        reference: "DSR-1".into(),
    };
    engine.check_request_identity(&officer, checked).await.expect("confirmed");
    let (second, _) = engine.receive_request(&officer, new("18")).await.expect("received");
    let subjects = engine.request(&second).expect("known").received.subjects;
    assert!(subjects.contains(&max.to_string()) && subjects.contains(&both.to_string()));
    assert!(!subjects.contains(&zoe.to_string()), "another person's");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_somebody_who_acts_here_when_they_ask_by_name_address_or_user_name_then_they_are_found() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let [officer, second] = officers(&engine).await;
    let admin = operator(&engine);
    let mut people = Vec::new();
    for user in ["zoe.n", "zoe.m"] {
        let actor = engine.register_actor(&admin, ActorKind::Human).await.expect("registered");
        let (name, email) = (Some("Zoë Nguyễn".into()), Some(format!("{user}@example.com")));
        let profile = Profile { name, email, user_name: Some(user.into()), ..Profile::default() };
        engine.set_profile(&admin, &actor, &profile).await.expect("set");
        people.push(actor);
    }
    let new = |identifier: &str| NewRequest {
        kind: RequestKind::Erasure,
        channel: Intake::Web,
        received_at: None,
        due_at: None,
        identifiers: vec![identifier.into()],
        contact: String::new(),
    };
    for given in ["zoe.n", "ZOE.N@Example.com", people[0].as_str()] {
        let (request, known) = engine.receive_request(&officer, new(given)).await.expect("received");
        let received = engine.request(&request).expect("known").received;
        assert_eq!((known > 0, received.actor.as_ref()), (true, people.first()), "{given}");
    }
    let several = engine.receive_request(&officer, new("zoë nguyễn")).await;
    assert!(several.is_err(), "two have that name");
    let other = Profile { name: Some("Max".into()), ..Profile::default() };
    engine.set_profile(&admin, &people[1], &other).await.expect("set");
    let (request, _) = engine.receive_request(&officer, new("zoë nguyễn")).await.expect("received");
    assert_eq!(engine.request(&request).expect("known").received.actor.as_ref(), people.first());
    let checked = RequestIdentityChecked {
        request: request.clone(),
        method: IdentityMethod::Callback,
        result: IdentityResult::Confirmed,
        reference: "DSR-1".into(),
    };
    engine.check_request_identity(&officer, checked).await.expect("confirmed");
    let own = engine.may_hand_out(&officer, &request).expect_err("not by one person alone");
    assert_eq!(own.policies, ["confirm-not-hand-out"]);
    engine.may_hand_out(&second, &request).expect("by another");
}

/// A token of somebody's number in class `internal`, and rows about them in a data set of class `personal`.
async fn elsewhere(engine: &Arc<Engine>, officer: &Principal, user: &str) {
    let spec = TokenScope {
        method: TokenMethod::Vaulted,
        kind: TokenKind::Text,
        class: "internal".into(),
        purposes: vec![],
        per_subject: true,
    };
    let scope = Command::DeclareTokenScope(TokenScopeDeclared { scope: "numbers".into(), spec });
    engine.execute(officer, scope).await.expect("declared");
    let roles = vec![("deployer".into(), "org".into())];
    let deployer = Principal { actor: "a_deployer".into(), roles, ..Principal::default() };
    for service in ["support", "another"] {
        engine.execute(&deployer, super::scopes::declare(service, "help", "prod")).await.expect("declared");
    }
    let subjects = Some(Subjects { service: "support".into(), ids: vec![user.into()] });
    let wanted = Untokenized { values: vec!["0412 345 678".into()], subjects, column: String::new() };
    engine.tokenize(officer, "numbers", wanted).await.expect("a token");

    let steward = Principal {
        actor: "a_steward".into(),
        roles: vec![("data_steward".into(), "org".into())],
        ..Principal::default()
    };
    let spec = DatasetSpec {
        class: DataClass::Personal,
        owner: officer.actor.clone(),
        source: "crm/exports".into(),
        licence: "MSA-7".into(),
        lawful_basis: Some(LawfulBasis::Contract),
        purposes: vec![Purpose::Development],
        region: None,
        subject_country: None,
    };
    let declared = Command::DeclareDataset(DatasetDeclared { dataset: "loans".into(), spec });
    engine.execute(&steward, declared).await.expect("declared");
    let subjects = SubjectColumn { form: Form::Csv, column: "user".into(), scope: "support".into() };
    let rows = format!("user,note\n{user},late\r\nmax@example.com,never\n{user},again\n");
    let put = ("loans", "1", crate::About::Named(subjects));
    engine.store_version(&steward, put, std::io::Cursor::new(rows)).await.expect("stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_somebody_in_tokens_and_data_sets_when_they_ask_then_what_is_theirs_is_handed_out_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let officers = officers(&engine).await;
    elsewhere(&engine, &officers[0], "zoe@example.com").await;
    let access = searched(&engine, &officers[0], "zoe@example.com", RequestKind::Access).await;
    let held = engine.held_elsewhere(&access).await.expect("readable");
    let tokens: Vec<_> = held.tokens.iter().map(|one| (one.scope.as_str(), one.value.as_deref())).collect();
    assert_eq!(tokens, [("numbers", Some("0412 345 678"))]);
    let [rows] = &held.rows[..] else { panic!("{held:?}") };
    assert_eq!((rows.dataset.as_str(), rows.version.as_str(), rows.left_out), ("loans", "1", 0));
    assert_eq!(rows.header.as_deref(), Some("user,note"));
    assert_eq!(rows.rows, ["zoe@example.com,late", "zoe@example.com,again"]);
    // Their rows leave as those of any read do.
    engine.may_go_out(&officers[1], &access).await.expect("no rule is of the class");
    engine.locate("node/n1", Some("au-syd")).await.expect("located");
    super::residency::rule(&engine, &["au"]).await;
    let going = |to: Option<&str>| {
        let who = super::datasets::asking(&officers[1], Purpose::SubjectRequest);
        to.into_iter().for_each(|to| who.attempt.iter().for_each(|attempt| attempt.goes_to(to)));
        who
    };
    for to in [None, Some("us")] {
        let refused = engine.may_go_out(&going(to), &access).await;
        let Err(ExecuteError::Refused(refusal)) = refused else { panic!("{refused:?}") };
        assert_eq!(refusal.policies, ["residency:personal@1"], "{to:?}");
    }
    engine.may_go_out(&going(Some("au")), &access).await.expect("the rule permits it");

    let request = searched(&engine, &officers[0], "zoe@example.com", RequestKind::Erasure).await;
    approved(&engine, &officers, &request).await;
    engine.execute_request(&operator(&engine), &request).await.expect("begun");
    let held = engine.held_elsewhere(&access).await.expect("readable");
    assert!(held.tokens.is_empty() && held.rows.is_empty(), "{held:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_an_approved_erasure_when_what_came_since_is_held_then_no_door_begins_it() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let officers = officers(&engine).await;
    served(&engine, "zoe@example.com", "canary of zoe").await;
    let request = searched(&engine, &officers[0], "zoe@example.com", RequestKind::Erasure).await;
    approved(&engine, &officers, &request).await;
    elsewhere(&engine, &officers[0], "zoe@example.com").await;
    let hold = engine.place_hold(&officers[0], "dataset/loans", "CASE-1", i64::MAX).await.expect("placed");
    let command = || engine.erasure_of(&request).expect("known");
    // As `POST /commands` and `approvals carry-out` do it, which know nothing of searches.
    let refusal = engine.execute(&operator(&engine), command()).await.expect_err("held").to_string();
    assert!(refusal.contains(&hold) && refusal.contains("since the search"), "{refusal}");
    let refusal = engine.execute_request(&operator(&engine), &request).await.expect_err("held").to_string();
    assert!(refusal.contains(&hold), "{refusal}");
    assert_eq!(steps(&engine), []);
    engine.release_hold(&officers[1], &hold, "CASE-1").await.expect("released");
    engine.execute(&operator(&engine), command()).await.expect("nothing that came since stands in its way");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_hold_on_anything_of_theirs_when_somebody_is_to_be_forgotten_then_it_waits_and_says_which_hold() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let officers = officers(&engine).await;
    let zoe = served(&engine, "zoe@example.com", "canary of zoe").await;
    elsewhere(&engine, &officers[0], "zoe@example.com").await;
    let request = searched(&engine, &officers[0], "zoe@example.com", RequestKind::Erasure).await;
    approved(&engine, &officers, &request).await;
    let execute = || engine.erasure_of(&request).expect("known");
    let on_her = format!("subject/{}", zoe.subject);
    let held = [&on_her, "service/support", "class/confidential", "class/internal", "class/personal", "dataset/loans"];
    for on in held {
        let hold = engine.place_hold(&officers[0], on, "CASE-1", i64::MAX).await.expect("placed");
        let refusal = engine.execute(&operator(&engine), execute()).await.expect_err("held").to_string();
        assert!(refusal.contains(&hold) && refusal.contains(on), "{on}: {refusal}");
        engine.release_hold(&officers[1], &hold, "CASE-1").await.expect("released");
    }
    engine.place_hold(&officers[0], "service/another", "CASE-1", i64::MAX).await.expect("placed");
    let late = {
        let _waits = engine.eraser.lock().await;
        engine.execute(&operator(&engine), execute()).await.expect("nothing of hers is held");
        engine.place_hold(&officers[0], "dataset/loans", "CASE-2", i64::MAX).await.expect("placed in between")
    };
    let waits = engine.carry_out_erasures().await.expect_err("held").to_string();
    assert!(waits.contains(&late), "{waits}");
    assert_eq!(steps(&engine), [], "nothing is destroyed");
    assert_eq!(opened(&engine, &zoe).expect("as before"), [(1, b"canary of zoe".to_vec())]);
    engine.release_hold(&officers[1], &late, "CASE-2").await.expect("released");
    engine.carry_out_erasures().await.expect("goes on");
    assert_eq!(steps(&engine), ErasureStep::ALL);
}
