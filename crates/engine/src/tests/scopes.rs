//! Roles that hold in an environment: on the services that are there when it is asked, and on no others.

use domain::people::ActorKind;
use domain::serving::{RiskTier, ServiceDeclared, ServiceSpec, WhenUnrecordable};

use super::*;
use crate::Wish;

pub(super) fn declare(service: &str, purpose: &str, environment: &str) -> Command {
    let spec = ServiceSpec {
        owner: "team".into(),
        purpose: purpose.into(),
        risk_tier: RiskTier::Low,
        classification: "internal".into(),
        environment: environment.into(),
        region: None,
        uses_personal_info: false,
        guardrails_required: false,
        explain_required: false,
        oversight: None,
        subject_country: None,
        significant_effect: false,
        when_unrecordable: WhenUnrecordable::Refuse,
        routes: vec![],
    };
    Command::DeclareService(ServiceDeclared { service: service.into(), spec })
}

/// Somebody who deploys in this scope.
async fn deployer(engine: &Arc<Engine>, scope: &str) -> Principal {
    let operator = operator(engine);
    let actor = engine.register_actor(&operator, ActorKind::Human).await.expect("registered");
    let (role, scope, reference) = ("deployer".into(), scope.into(), "CHG-1".into());
    let wish = Wish { actor: actor.clone(), role, scope, ends_at: Engine::now_ms() + 86_400_000, reference };
    let grant = engine.request_grant(&operator, wish).await.expect("asked for");
    engine.approve_grant(&operator, &grant).await.expect("nobody else can yet");
    engine.read(|state| Principal::of(state, &actor, Engine::now_ms()))
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_role_in_an_environment_when_its_holder_acts_then_it_is_on_the_services_there_and_nowhere_else() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let engine = open(dir.path()).await;
    let operator = operator(&engine);
    for (service, environment) in [("credit", "prod"), ("support", "staging")] {
        engine.execute(&operator, declare(service, "help", environment)).await.expect("nobody else deploys yet");
    }
    let everywhere = deployer(&engine, "org").await;
    let staging = deployer(&engine, "environment/staging").await;

    engine.execute(&staging, declare("support", "chat", "staging")).await.expect("it is there");
    for refused in [declare("credit", "chat", "prod"), declare("new", "chat", "staging")] {
        match engine.execute(&staging, refused).await {
            Err(ExecuteError::Refused(refusal)) => assert_eq!(refusal.code, RefusalCode::Forbidden),
            other => panic!("{other:?}"),
        }
    }
    assert!(engine.explain(&staging.actor, "deploy", "service/support").expect("known").permitted);
    assert!(!engine.explain(&staging.actor, "deploy", "service/credit").expect("known").permitted);
    let (_, able) = engine.who_can("deploy", "service/support").expect("an action");
    assert!(able.contains(&staging.actor) && able.contains(&everywhere.actor));

    // Moving it is bringing it into the other environment.
    match engine.execute(&staging, declare("support", "chat", "prod")).await {
        Err(ExecuteError::Refused(refusal)) => {
            assert_eq!(refusal.code, RefusalCode::Forbidden);
            assert!(refusal.message.contains("would move to environment `prod`"), "{}", refusal.message);
        }
        other => panic!("{other:?}"),
    }
    engine.execute(&everywhere, declare("support", "chat", "prod")).await.expect("they may everywhere");
    assert!(engine.authorize(&staging, "service.declare", "service/support").is_err(), "it is there no more");
    let (_, able) = engine.who_can("deploy", "service/support").expect("an action");
    assert!(!able.contains(&staging.actor));
}
