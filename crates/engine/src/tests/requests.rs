//! Requests of people over a real data directory: what is found, what is forgotten, what is not, and what a kill leaves.

use std::sync::Arc;

use domain::keys::requests::{
    ErasureStep, IdentityMethod, IdentityResult, Intake, RequestClosed, RequestIdentityChecked, RequestKind,
    RequestOutcome,
};
use domain::people::{ActorKind, GrantNamed, GrantRequested, Vote};
use domain::serving::InferenceCore;
use domain::{Command, Event};
use ledger::records::Payload;
use vault::{SealedRef, SubjectRef};

use super::{events, killed, open, operator};
use crate::{Asked, Engine, NewRequest, Principal};

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
    let held = engine.held_inferences(&access).await.expect("readable");
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
    assert!(engine.held_inferences(&access).await.expect("readable").is_empty());
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
    for wrong in [vec![], vec![String::new()], vec!["x".repeat(1025)]] {
        assert!(engine.receive_request(&officer, new(wrong)).await.is_err());
    }
    let (request, known) = engine.receive_request(&officer, new(vec!["nobody".into()])).await.expect("received");
    assert_eq!(known, 0);
    assert_eq!(engine.request(&request).expect("known").received.subjects.len(), 1);
    assert!(engine.request_text(&request).await.expect("readable").is_some());
    assert!(engine.search_request(&officer, &request).await.is_err(), "nobody checked who asks");
    let stranger =
        Principal { actor: "a_1".into(), roles: vec![("monitor".into(), "org".into())], ..Principal::default() };
    assert!(engine.search_request(&stranger, &request).await.is_err());
}
