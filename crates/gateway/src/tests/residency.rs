//! Calls to providers in other regions: refused before a byte leaves, with the rule named, or let through on record.

use std::collections::BTreeMap;

use domain::Command;
use domain::data::residency::{RegionSpec, RegionsDeclared, ResidencyRule, ResidencyRuled};
use http::Method;
use serde_json::Value;

use super::rig::{Rig, administrator, whole};

const ASK: &str = r#"{"model":"assistant"}"#;
const PATH: &str = "/v1/chat/completions";

/// Rules that data of class `internal` is in one region, and that of subjects from Germany in another.
async fn rule(rig: &Rig, permitted: &str, countries: &[(&str, &str)]) {
    let regions = ["au", "eu", "us"].map(|code| (code.to_owned(), RegionSpec::default())).into();
    let declared = Command::DeclareRegions(RegionsDeclared { regions });
    rig.engine.execute(&administrator(), declared).await.expect("declared");
    let one = |region: &str| vec![region.to_owned()];
    let countries: BTreeMap<String, Vec<String>> =
        countries.iter().map(|(country, region)| ((*country).to_owned(), one(region))).collect();
    let rule = ResidencyRule { regions: one(permitted), countries, legal_basis: None, reference: "POL-9".into() };
    let ruled = Command::RuleResidency(ResidencyRuled { class: "internal".into(), rule: Some(rule) });
    rig.engine.execute(&administrator(), ruled).await.expect("ruled");
}

#[tokio::test]
async fn a_call_to_a_region_that_no_rule_permits_is_refused_and_the_provider_saw_nothing() {
    let rig = Rig::new().await;
    rig.script(whole(200, "", "{}"));
    rule(&rig, "eu", &[]).await;
    let (status, _, body) = rig.chat(ASK).await;
    let error = &serde_json::from_str::<Value>(&body).expect("JSON")["error"];
    assert_eq!(
        (status.as_u16(), &error["code"], &error["type"]),
        (403, &"residency".into(), &"permission_error".into())
    );
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("`internal@1`") && message.contains("`au`"), "{message}");
    assert_eq!((rig.seen().len(), rig.connections()), (0, 0));
    let record = rig.record().await;
    assert_eq!((record.status.as_str(), record.error_code.as_deref()), ("refused", Some("residency")));
    assert_eq!((record.provider.as_deref(), record.region.as_deref()), (Some("acme"), Some("au")));
    assert_eq!(record.policies.as_deref(), Some("application-infers-for-its-service,residency:internal@1"));
}

#[tokio::test]
async fn a_call_to_a_region_that_a_rule_permits_passes_and_the_record_names_the_rule() {
    let rig = Rig::new().await;
    rig.script(whole(200, "", "{}"));
    assert_eq!(rig.chat(ASK).await.0, 200, "there is no rule yet");
    rule(&rig, "au", &[]).await;
    assert_eq!(rig.chat(ASK).await.0, 200);
    let records = rig.records().await;
    let policies: Vec<&str> = records.iter().filter_map(|record| record.policies.as_deref()).collect();
    let ours = "application-infers-for-its-service";
    assert_eq!(policies, [ours.to_owned(), format!("{ours},residency:internal@1")]);
}

#[tokio::test]
async fn the_country_of_a_subject_tightens_and_one_that_nobody_said_is_any() {
    let rig = Rig::new().await;
    rig.script(whole(200, "", "{}"));
    rule(&rig, "au", &[("de", "eu")]).await;
    let from = async |country: &str| {
        let (status, _, body) = rig.send(Method::POST, PATH, &[("x-counterfoil-subject-country", country)], ASK).await;
        (status.as_u16(), body)
    };
    let (status, _, body) = rig.chat(ASK).await;
    assert!(status == 403 && body.contains("internal/de@1"), "nobody said, so every rule holds: {body}");
    assert_eq!(from("AU").await.0, 200);
    let (status, body) = from("de").await;
    assert!(status == 403 && body.contains("internal/de@1"), "{body}");
    let (status, body) = from("Germany").await;
    assert!(status == 400 && !body.contains("Germany") && body.contains("ISO 3166-1"), "{body}");
    let seen = rig.seen();
    assert!(seen.len() == 1 && !seen[0].0.contains("country"), "the header stays here");
}
