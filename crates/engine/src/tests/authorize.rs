//! An answer of the policies holds until the event, or the hour, that changes it.

use domain::infrastructure::PoliciesInstalled;
use domain::people::{ActorKind, EndReason, RoleDefined, RoleRetired};
use sha2::{Digest, Sha256};

use super::*;
use crate::Wish;

async fn install(engine: &Arc<Engine>, text: &str) {
    let sha256 = merkle::hex(&Sha256::digest(text.as_bytes()));
    let installed = PoliciesInstalled { sha256, text: text.to_owned() };
    engine.execute(&operator(engine), Command::InstallPolicies(installed)).await.expect("nobody else approves yet");
}

/// Somebody with this role everywhere, and the grant by which they have it.
async fn granted(engine: &Arc<Engine>, role: &str) -> (String, String) {
    let operator = operator(engine);
    let actor = engine.register_actor(&operator, ActorKind::Human).await.expect("registered");
    let (role, scope, reference) = (role.into(), "org".into(), "CHG-1".into());
    let wish = Wish { actor: actor.clone(), role, scope, ends_at: Engine::now_ms() + 86_400_000, reference };
    let grant = engine.request_grant(&operator, wish).await.expect("asked for");
    engine.approve_grant(&operator, &grant).await.expect("nobody else can yet");
    (actor, grant)
}

#[tokio::test(flavor = "multi_thread")]
async fn given_an_answer_when_an_event_changes_policies_roles_or_grants_then_the_next_answer_is_another() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let operator = operator(&engine);
    let (actor, grant) = granted(&engine, "deployer").await;
    let someone = |actor: &str| engine.read(|state| Principal::of(state, actor, Engine::now_ms()));
    let deploys = |service: &str| {
        let resource = format!("service/{service}");
        engine.authorize(&someone(&actor), "service.declare", &resource).map_err(|refusal| refusal.policies)
    };
    assert!(deploys("credit").is_ok() && deploys("support").is_ok());

    // Policies about one service or one person, and then without.
    let before = engine.read(|state| state.policies.clone()).expect("installed").text;
    let one = r#"@id("stop") forbid (principal, action == Action::"service.declare", resource == Service::"credit");"#;
    install(&engine, &format!("{before}\n{one}")).await;
    assert_eq!(deploys("credit").expect_err("forbidden"), ["stop"]);
    assert!(deploys("support").is_ok());
    install(&engine, &format!("{before}\n@id(\"stop\") forbid (principal == Actor::\"{actor}\", action, resource);"))
        .await;
    assert_eq!(deploys("support").expect_err("forbidden"), ["stop"]);
    install(&engine, &before).await;
    assert_eq!(deploys("credit").expect("permitted").policies(), ["deployer-puts-services-into-production"]);

    // A role of the organisation's own: defined, with something else, retired.
    let analyst = Principal { roles: vec![("analyst".into(), "org".into())], ..someone(&actor) };
    let asks = |action: &str| engine.authorize(&analyst, action, "ledger").is_ok();
    let define = |action: &str| {
        let actions = vec![action.to_owned()];
        engine.execute(&operator, Command::DefineRole(RoleDefined { role: "analyst".into(), actions }))
    };
    assert!(!asks("sql"));
    define("sql").await.expect("defined");
    assert!(asks("sql") && !asks("read"));
    define("read").await.expect("defined");
    assert!(!asks("sql") && asks("read"));
    let retired = Command::RetireRole(RoleRetired { role: "analyst".into() });
    engine.execute(&operator, retired).await.expect("nobody holds it");
    assert!(!asks("read"));

    engine.end_grant(&operator, &grant, EndReason::Revoked).await.expect("ended");
    assert!(deploys("support").is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_role_in_an_emergency_when_its_time_is_over_then_what_it_permitted_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let (actor, _) = granted(&engine, "monitor").await;
    let ends_at = Engine::now_ms() + 600_000;
    let deploys = |now: i64| {
        let who = engine.read(|state| Principal::of(state, &actor, now));
        engine.authorize(&who, "service.declare", "service/credit").is_ok()
    };
    assert!(!deploys(ends_at - 1));
    let who = engine.read(|state| Principal::of(state, &actor, Engine::now_ms()));
    engine.declare_emergency(&who, "deployer", "org", ends_at, "INC-1").await.expect("people with a duty may");
    assert!(deploys(ends_at - 1) && !deploys(ends_at));
}
