//! Where versions of data sets may be stored and may go, over a real data directory, and that all of it is on record.

use std::collections::BTreeMap;

use domain::data::residency::{RegionSpec, RegionsDeclared, ResidencyRule, ResidencyRuled};
use domain::people::Purpose;

use super::datasets::{all, asking, code, put, with_loans};
use super::*;

pub(super) async fn rule(engine: &Arc<Engine>, permitted: &[&str]) {
    let spec = |outer: Option<&str>| RegionSpec { within: outer.map(str::to_owned) };
    let list = [("au", None), ("au-syd", Some("au")), ("eu", None), ("us", None)];
    let regions = list.map(|(code, outer)| (code.to_owned(), spec(outer))).into();
    let declared = Command::DeclareRegions(RegionsDeclared { regions });
    engine.execute(&operator(engine), declared).await.expect("declared");
    let regions = permitted.iter().map(|region| (*region).to_owned()).collect();
    let rule = ResidencyRule { regions, countries: BTreeMap::new(), legal_basis: None, reference: "POL-9".into() };
    let ruled = Command::RuleResidency(ResidencyRuled { class: "personal".into(), rule: Some(rule) });
    engine.execute(&operator(engine), ruled).await.expect("ruled");
}

/// Reads the version, saying where it goes.
async fn read(engine: &Arc<Engine>, who: &Principal, to: Option<&str>) -> Result<String, ExecuteError> {
    let who = asking(who, Purpose::Development);
    if let (Some(attempt), Some(to)) = (&who.attempt, to) {
        attempt.goes_to(to);
    }
    engine.read_version(&who, "loans", "1").await.map(all)
}

/// What was tried of transfers, in order: the kind of event, and where to.
fn tried(engine: &Engine) -> Vec<(&'static str, Option<String>)> {
    let tried = events(engine).into_iter().filter_map(|entry| match &entry.event {
        Event::TransferMade(body) | Event::TransferRefused(body) => {
            assert_eq!((body.object.as_str(), body.from.as_deref()), ("dataset/loans/1", Some("au-syd")));
            assert_eq!(body.rule.as_deref(), Some("personal@1"));
            Some((entry.event.name(), body.to.clone()))
        }
        _ => None,
    });
    tried.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_rule_when_a_version_is_read_then_it_goes_to_no_other_region_and_what_was_tried_is_on_record() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (engine, steward) = with_loans(dir.path()).await;
    engine.locate("node/n1", Some("au-syd")).await.expect("located");
    put(&engine, &steward, "loans", "1").await.expect("stored");
    assert!(read(&engine, &steward, None).await.is_ok(), "no rule is of its class");
    rule(&engine, &["au", "eu"]).await;

    let Err(ExecuteError::Refused(unsaid)) = read(&engine, &steward, None).await else { panic!("it was read") };
    assert_eq!(unsaid.policies, ["residency:personal@1"]);
    assert!(unsaid.message.contains("--to-region"), "{}", unsaid.message);
    for to in ["us", "mars"] {
        assert_eq!(code(read(&engine, &steward, Some(to)).await), RefusalCode::Forbidden, "{to}");
    }
    assert!(read(&engine, &steward, Some("au")).await.is_ok(), "it stays");
    assert!(read(&engine, &steward, Some("eu")).await.is_ok(), "the rule permits it");
    let to = |region: &str| Some(region.to_owned());
    assert_eq!(
        tried(&engine),
        [
            ("transfer.refused", None),
            ("transfer.refused", to("us")),
            ("transfer.refused", to("mars")),
            ("transfer.made", to("eu")),
        ]
    );
    // What shows rows in another way, as a comparison does, comes through the same door.
    let shown = engine.readable_version(&asking(&steward, Purpose::Development), "loans", "1").await;
    assert_eq!(code(shown.map(drop)), RefusalCode::Forbidden);
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_rule_when_this_server_is_elsewhere_or_nobody_said_where_then_nothing_is_stored() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (engine, steward) = with_loans(dir.path()).await;
    rule(&engine, &["eu"]).await;
    assert_eq!(code(put(&engine, &steward, "loans", "1").await), RefusalCode::Forbidden, "nobody said where it is");
    engine.locate("node/n1", Some("au-syd")).await.expect("located");
    let Err(ExecuteError::Refused(elsewhere)) = put(&engine, &steward, "loans", "1").await else { panic!("stored") };
    assert_eq!(elsewhere.policies, ["residency:personal@1"]);
    engine.locate("node/n1", Some("eu")).await.expect("located");
    put(&engine, &steward, "loans", "1").await.expect("stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn given_a_bucket_of_objects_when_it_lies_elsewhere_or_nobody_said_where_then_nothing_is_stored() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let (engine, _) = with_loans(dir.path()).await;
    rule(&engine, &["au"]).await;
    engine.locate("node/n1", Some("au-syd")).await.expect("located");
    engine.may_be_here("loans").expect("it lies at this server");
    killed(engine).await;
    // Nobody is there: it is looked for again and again, and the rules are asked all the same.
    let bucket = store::s3::BucketOptions {
        endpoint: "http://127.0.0.1:9".into(),
        region: "us-east-1".into(),
        bucket: "objects".into(),
        prefix: String::new(),
        access_key: "tests".into(),
        secret_key: store::custodian::SecretSource::None,
        ca_file: std::path::PathBuf::new(),
    };
    let options = EngineOptions { objects: Some(bucket), ..options(dir.path()) };
    let engine = Engine::open(options).await.expect("the data directory opens");
    for (region, permitted) in [(None, false), (Some("us"), false), (Some("au"), true), (None, false)] {
        engine.locate_objects(region).await.expect("located");
        assert_eq!(engine.may_be_here("loans").is_ok(), permitted, "{region:?}");
    }
    let refused = engine.may_be_here("loans").expect_err("not known");
    assert!(refused.message.contains("objects.located"), "{}", refused.message);
    engine.locate_objects(Some("us")).await.expect("located");
    killed(engine).await;
    let engine = open(dir.path()).await;
    engine.locate_objects(None).await.expect("located");
    assert!(engine.read(|state| state.residency.stores.keys().all(|store| store == "node/n1")), "it is in use no more");
}
