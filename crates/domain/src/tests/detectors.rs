//! Detectors of the organisation's own: what may be one, what guards may name, and what is to be looked at again.

use super::approvals::spec;
use super::datasets::{declare as declare_dataset, store, stored};
use super::duties::Company;
use crate::data::detectors::{DetectorDeclared, DetectorRetired, DetectorSpec};
use crate::data::{DataClass, VersionScanned};
use crate::serving::{Guard, GuardAction, Route, ServiceDeclared, ServiceSpec, Target};
use crate::vendors::ProviderDeclared;
use crate::{Command, RefusalCode};

fn staff() -> DetectorSpec {
    serde_json::from_value(serde_json::json!({
        "class": "personal", "pattern": r"\bST-\d{5}\b", "examples": ["ST-00001 is mine"], "near_misses": ["ST-1"],
    }))
    .expect("a detector")
}

fn declare(spec: DetectorSpec) -> Command {
    Command::DeclareDetector(DetectorDeclared { detector: "staff_number".into(), spec })
}

fn retire() -> Command {
    Command::RetireDetector(DetectorRetired { detector: "staff_number".into() })
}

#[test]
fn given_a_detector_when_declared_again_then_only_a_change_is_an_event_and_it_is_known_by_whom() {
    let mut company = Company::with_a_lead();
    assert_eq!(company.done("a_1", declare(staff())), ["detector.declared"]);
    assert!(company.done("a_2", declare(staff())).is_empty());
    let known = &company.state.detectors.known["staff_number"];
    assert_eq!((known.by.as_str(), known.spec.score_permille, known.retired_at), ("a_1", 970, None));
    assert_eq!(company.state.detectors.ready().0.find("ST-12345").len(), 1);

    assert_eq!(company.done("a_2", retire()), ["detector.retired"]);
    assert!(company.done("a_2", retire()).is_empty());
    assert!(company.state.detectors.ready().0.find("ST-12345").is_empty());
    assert_eq!(company.done("a_2", declare(staff())), ["detector.declared"], "it looks again");
    assert_eq!(company.state.detectors.revision, 3);
}

#[test]
fn given_what_cannot_be_a_detector_when_declared_then_refused_by_its_name_and_with_the_reason() {
    let mut company = Company::with_a_lead();
    let mut refused = |change: fn(&mut DetectorSpec), why: &str| {
        let mut spec = staff();
        change(&mut spec);
        let refusal = company.refused("a_1", declare(spec));
        assert_eq!(refusal.code, RefusalCode::Invalid);
        assert!(refusal.message.starts_with("detector `staff_number`: "), "{}", refusal.message);
        assert!(refusal.message.contains(why), "{}", refusal.message);
    };
    refused(|spec| spec.pattern = None, "`pattern` or `words`");
    refused(|spec| spec.words = vec!["a".into()], "and not both");
    refused(|spec| spec.class = DataClass::Public, "another class");
    refused(|spec| spec.pattern = Some("ST-(".into()), "wrong at character 4");
    refused(|spec| spec.pattern = Some(r"ST-\d*".into()), "more than 1024 bytes");
    refused(|spec| spec.examples.push("ST-2".into()), "example 2 is not found");
    refused(|spec| spec.near_misses.push("or ST-00002".into()), "near miss 2 is found");
    refused(|spec| spec.examples = vec!["ST-00001".into(); 101], "at most 100 examples");
    let words: fn(&mut DetectorSpec) = |spec| {
        (spec.pattern, spec.examples, spec.near_misses) = (None, vec![], vec![]);
        spec.words = (0..4_000).map(|n| format!("a word of some length {n}")).collect();
    };
    refused(words, "one entry of the ledger");
    let name = Command::DeclareDetector(DetectorDeclared { detector: "email".into(), spec: staff() });
    assert!(company.refused("a_1", name).message.contains("something else that is found"));
}

#[test]
fn given_data_about_people_in_a_detector_when_declared_then_refused_without_repeating_it() {
    let mut company = Company::with_a_lead();
    type Change = fn(&mut DetectorSpec, String);
    let changes: [(&str, Change); 5] = [
        ("word 2 of `words`", |spec, text| {
            (spec.pattern, spec.examples, spec.near_misses) = (None, vec![], vec![]);
            spec.words = vec!["heron".into(), text];
        }),
        ("`pattern`", |spec, text| (spec.pattern, spec.examples) = (Some(text), vec![])),
        ("name 1 of `columns`", |spec, text| spec.columns = vec![text]),
        ("text 2 of `examples`", |spec, text| spec.examples.push(text)),
        ("text 2 of `near_misses`", |spec, text| spec.near_misses.push(text)),
    ];
    for (place, change) in changes {
        let mut spec = staff();
        change(&mut spec, "ann.jones@example.com".into());
        let message = company.refused("a_1", declare(spec)).message;
        assert!(message.contains(place) && message.contains("(`email`)"), "{message}");
        assert!(!message.contains("jones"), "{message}");
    }
}

#[test]
fn given_a_pattern_when_it_spells_somebodys_data_then_refused_and_when_it_says_what_such_data_looks_like_then_not() {
    let mut company = Company::with_a_lead();
    let of = |pattern: &str| DetectorSpec {
        pattern: Some(pattern.into()),
        examples: vec![],
        near_misses: vec![],
        ..staff()
    };
    for (pattern, kind) in [
        (r"ann\.jones@example\.com", "email"),
        (r"^(?i)(?:ann[._]jones)@example[.]com$", "email"),
        (r"\b4111 ?1111 ?1111 ?1111\b", "card"),
        (r"4111[\s-]?1111[\s-]?1111[\s-]?1111", "card"),
        (r"TFN\s123\s456\s782", "tfn"),
    ] {
        let message = company.refused("a_1", declare(of(pattern))).message;
        assert!(message.contains("`pattern`") && message.contains(&format!("(`{kind}`)")), "{pattern}: {message}");
    }
    for pattern in [
        r"\b[a-z]{1,20}@example\.com",
        r"[a-z]{1,20}\.[a-z]{1,20}@example\.com",
        r"st-\d{5}@example\.com",
        r"4111 ?\d{4} ?\d{4} ?\d{4}",
        r"\d{3}[ -]\d{3}[ -]\d{3}",
    ] {
        company.done("a_1", declare(of(pattern)));
    }
}

#[test]
fn given_a_guard_when_it_names_a_detector_then_it_must_be_there_and_is_not_retired_meanwhile() {
    let mut company = Company::with_a_lead();
    let provider = serde_json::json!({ "kind": "openai", "base_url": "https://provider.example/v1" });
    let provider = serde_json::from_value(provider).expect("a provider");
    company.done("a_admin", Command::DeclareProvider(ProviderDeclared { provider: "p".into(), spec: provider }));
    let service = |guard: Option<Guard>| {
        let target = Target::Provider { provider: "p".into(), model: "m".into() };
        let routes = vec![Route { name: "chat".into(), target, guard }];
        Command::DeclareService(ServiceDeclared { service: "chat".into(), spec: ServiceSpec { routes, ..spec() } })
    };
    let guard = Guard { requests: [("staff_number".into(), GuardAction::Mask)].into(), ..Guard::default() };
    let refusal = company.refused("a_admin", service(Some(guard.clone())));
    assert!(refusal.message.contains("declare a detector of that name first"), "{}", refusal.message);

    company.done("a_1", declare(staff()));
    company.done("a_admin", service(Some(guard)));
    let refusal = company.refused("a_1", retire());
    assert_eq!(refusal.code, RefusalCode::Conflict);
    assert!(refusal.message.contains("route `chat` of service `chat`"), "{}", refusal.message);
    let refusal = company.refused("a_1", declare(DetectorSpec { score_permille: 900, ..staff() }));
    assert_eq!(refusal.code, RefusalCode::Conflict);
    assert!(refusal.message.contains("under another name"), "{}", refusal.message);
    assert!(company.done("a_1", declare(staff())).is_empty(), "it is as declared");
    company.done("a_admin", service(None));
    assert_eq!(company.done("a_1", retire()), ["detector.retired"]);
}

#[test]
fn given_a_scan_when_detectors_change_then_the_version_is_to_be_looked_at_again() {
    let mut company = Company::with_a_lead();
    company.done("a_1", declare_dataset("loans", "a_1"));
    company.given.object = Some(stored("0a", "internal"));
    company.done("a_1", store("1", "0a"));
    let scan = |detectors| {
        Command::ReportScan(VersionScanned {
            dataset: "loans".into(),
            version: "1".into(),
            object: "0a".into(),
            rows_sampled: 1,
            bytes_sampled: 1,
            whole: true,
            columns: vec![],
            columns_left_out: 0,
            detectors,
        })
    };
    company.done("a_system", scan(0));
    assert!(company.state.unscanned().is_empty());
    company.done("a_1", declare(staff()));
    let due = [("loans".to_owned(), "1".to_owned())];
    assert_eq!(company.state.unscanned(), due);
    company.done("a_system", scan(0));
    assert_eq!(company.state.unscanned(), due, "it had begun before the change");
    company.done("a_system", scan(1));
    assert!(company.state.unscanned().is_empty());
    company.done("a_1", retire());
    assert_eq!(company.state.unscanned(), due);
    assert!(company.refused("a_system", scan(3)).message.contains("was not made"));
}
