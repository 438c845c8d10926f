//! Where data may be: rules that only tighten, regions that nobody declared, and transfers that another person agreed to.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::approvals::{Company, approve, request};
use crate::data::residency::{
    Movement, RegionSpec, RegionsDeclared, Residency, ResidencyRule, ResidencyRuled, StoreLocated,
};
use crate::data::transfers::{LegalBasis, ReportTransfer, TransferAttempted, TransferAuthorised, TransferRevoked};
use crate::{Command, RefusalCode};

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|name| (*name).to_owned()).collect()
}

fn regions(list: &[(&str, &str)]) -> Command {
    let spec = |outer: &str| RegionSpec { within: Some(outer.to_owned()).filter(|outer| !outer.is_empty()) };
    let regions = list.iter().map(|(code, outer)| ((*code).to_owned(), spec(outer))).collect();
    Command::DeclareRegions(RegionsDeclared { regions })
}

const WORLD: [(&str, &str); 5] = [("au", ""), ("au-syd", "au"), ("eu", ""), ("eu-fra", "eu"), ("us", "")];

fn rule(class: &str, permitted: &[&str], countries: &[(&str, &[&str])]) -> Command {
    let countries = countries.iter().map(|(country, list)| ((*country).to_owned(), names(list))).collect();
    let (regions, legal_basis, reference) = (names(permitted), None, "POL-9".into());
    let rule = Some(ResidencyRule { regions, countries, legal_basis, reference });
    Command::RuleResidency(ResidencyRuled { class: class.into(), rule })
}

fn lift(class: &str) -> Command {
    Command::RuleResidency(ResidencyRuled { class: class.into(), rule: None })
}

fn authorise(transfer: &str, of: Option<&str>, expires_at: i64) -> TransferAuthorised {
    TransferAuthorised {
        transfer: transfer.into(),
        class: "personal".into(),
        of: of.map(str::to_owned),
        from: "au".into(),
        to: "us".into(),
        legal_basis: LegalBasis::ContractClauses,
        reference: "DPA-4".into(),
        expires_at,
    }
}

/// An organisation with regions and a rule, and with a privacy officer, `a_other`.
fn ruled() -> Company {
    let mut company = Company::staffed();
    company.grant("a_other", "privacy_officer", "a_lead");
    company.done("a_admin", regions(&WORLD));
    company.done("a_admin", rule("personal", &["au", "eu"], &[("de", &["eu"])]));
    company
}

/// What the rules say of data of class `personal` that would go from Sydney to a region.
#[track_caller]
fn said(company: &Company, to: Option<&str>, countries: &[&str]) -> (bool, Option<String>, Option<String>) {
    let of = [String::from("provider/acme")];
    let movement = Movement { class: "personal", of: &of, from: Some("au-syd"), to };
    let standing = company.state.residency.standing(&movement);
    let ruling = standing.ruling(countries, company.given.now);
    (ruling.refused, ruling.rule.map(str::to_owned), ruling.transfer.map(str::to_owned))
}

fn refused(company: &Company, to: Option<&str>, countries: &[&str]) -> bool {
    said(company, to, countries).0
}

#[test]
fn given_a_rule_when_data_would_go_somewhere_then_only_declared_regions_within_it_will_do() {
    let company = ruled();
    for (to, may) in [("au", true), ("au-syd", true), ("eu-fra", true), ("us", false), ("au-mel", false), ("", false)] {
        assert_eq!(refused(&company, Some(to), &["au"]), !may, "{to}");
    }
    assert_eq!(said(&company, None, &["au"]), (true, Some("personal@1".into()), None));
    let residency = &company.state.residency;
    let free = residency.standing(&Movement { class: "internal", of: &[], from: None, to: None });
    assert!(free.is_free() && !free.ruling(&[], 0).refused, "no rule is of that class");
    assert_eq!((residency.jurisdiction("eu-fra"), residency.jurisdiction("mars")), (Some("eu"), None));
}

#[test]
fn given_rules_for_subjects_of_a_country_when_asked_then_they_hold_beside_the_class_s_own_and_all_for_the_unknown() {
    let company = ruled();
    assert_eq!(said(&company, Some("au"), &["de"]), (true, Some("personal/de@1".into()), None));
    assert!(!refused(&company, Some("eu-fra"), &["de"]) && !refused(&company, Some("au"), &["nz"]));
    assert!(refused(&company, Some("au"), &["nz", "de"]), "one of them is enough");
    assert!(refused(&company, Some("au"), &[]), "nobody said the country, so every rule holds");
    assert!(!refused(&company, Some("eu"), &[]));
}

#[test]
fn given_a_command_that_would_permit_more_when_asked_then_somebody_else_must_agree() {
    let mut company = ruled();
    company.done("a_admin", rule("personal", &["au"], &[("de", &["eu"])]));
    let more = [
        rule("personal", &["au", "us"], &[("de", &["eu"])]),
        rule("personal", &["au"], &[("de", &["au"])]),
        rule("personal", &["au", "eu"], &[]),
        lift("personal"),
        regions(&[&WORLD[..], &[("nz", "au")]].concat()),
        regions(&[("au", ""), ("au-syd", "au"), ("eu", "au"), ("eu-fra", "eu"), ("us", "")]),
    ];
    for command in more {
        assert_eq!(company.rule("a_admin", command.clone()), "approval-required", "{command:?}");
    }
    // What permits no more, somebody may do alone.
    assert_eq!(company.done("a_admin", rule("personal", &["au-syd"], &[("de", &["eu"])])), ["residency.ruled"]);
    assert_eq!(company.done("a_admin", rule("sensitive", &["au"], &[])), ["residency.ruled"]);
    assert_eq!(company.done("a_admin", regions(&[&WORLD[..], &[("nz", "")]].concat())), ["regions.declared"]);
    assert!(company.done("a_admin", rule("sensitive", &["au"], &[])).is_empty(), "it is so already");

    let wider = rule("personal", &["au"], &[("de", &["eu"])]);
    company.done("a_deployer", request("p_1", wider.clone()));
    company.done("a_other", approve("p_1"));
    assert_eq!(company.rule("a_other", wider.clone()), "approve-not-carry-out");
    assert_eq!(company.done("a_deployer", wider), ["residency.ruled", "approval.consumed"]);
    assert_eq!(company.state.residency.rules["personal"].version, 4);
}

#[test]
fn given_a_transfer_that_the_rules_refuse_when_another_person_agrees_then_it_may_until_it_ends_or_is_revoked() {
    let mut company = ruled();
    let transfer = Command::AuthoriseTransfer(authorise("tr_1", Some("provider/acme"), 200_000));
    assert_eq!(company.code("a_deployer", transfer.clone()), RefusalCode::NotFound, "there is no such provider");
    let all = Command::AuthoriseTransfer(authorise("tr_1", None, 200_000));
    assert_eq!(company.rule("a_deployer", all.clone()), "approval-required");
    company.done("a_deployer", request("p_1", all.clone()));
    assert_eq!(company.rule("a_deployer", all.clone()), "approval-required", "nobody agreed yet");
    company.done("a_other", approve("p_1"));
    assert!(refused(&company, Some("us"), &["au"]));
    assert_eq!(company.done("a_deployer", all), ["transfer.authorised", "approval.consumed"]);

    assert_eq!(said(&company, Some("us"), &[]), (false, Some("personal@1".into()), Some("tr_1".into())));
    assert!(refused(&company, None, &[]), "an authorisation covers no region that is not known");
    let nowhere = Movement { class: "personal", of: &[], from: None, to: Some("us") };
    assert!(company.state.residency.standing(&nowhere).ruling(&[], company.given.now).refused, "nor one it comes from");
    company.given.now = 199_999;
    assert!(!refused(&company, Some("us"), &["au"]));
    company.given.now = 200_000;
    assert!(refused(&company, Some("us"), &["au"]), "it ended");
    company.given.now = 100_000;
    let revoked = Command::RevokeTransfer(TransferRevoked { transfer: "tr_1".into(), reference: "DPA-5".into() });
    assert_eq!(company.done("a_deployer", revoked.clone()), ["transfer.revoked"]);
    assert!(refused(&company, Some("us"), &["au"]) && company.done("a_deployer", revoked).is_empty());
}

#[test]
fn given_what_makes_no_sense_when_asked_for_then_it_is_refused_in_words() {
    let mut company = ruled();
    let cases = [
        (regions(&[("au", "gondwana")]), RefusalCode::Invalid),
        (regions(&[("a", "b"), ("b", "a")]), RefusalCode::Invalid),
        (regions(&[("Sydney, NSW", "")]), RefusalCode::Invalid),
        (regions(&[("us", "")]), RefusalCode::Conflict),
        (rule("personal", &["mars"], &[]), RefusalCode::NotFound),
        (rule("personal", &[], &[]), RefusalCode::Invalid),
        (rule("personal", &["eu", "au"], &[]), RefusalCode::Invalid),
        (rule("personal", &["au"], &[("DE", &["eu"])]), RefusalCode::Invalid),
        (rule("personal", &["au"], &[("de", &[])]), RefusalCode::Invalid),
        (Command::AuthoriseTransfer(authorise("tr_1", None, 1)), RefusalCode::Invalid),
        (Command::AuthoriseTransfer(authorise("tr_1", None, i64::MAX)), RefusalCode::Invalid),
        (Command::AuthoriseTransfer(authorise("tr_1", Some("vendor/x"), 200_000)), RefusalCode::Invalid),
        (
            Command::AuthoriseTransfer(TransferAuthorised {
                legal_basis: LegalBasis::NotPersonal,
                ..authorise("tr_1", None, 200_000)
            }),
            RefusalCode::Invalid,
        ),
    ];
    for (command, code) in cases {
        assert_eq!(company.code("a_admin", command.clone()), code, "{command:?}");
    }
    let located = Command::LocateStore(StoreLocated { store: "node/n1".into(), region: Some("au-syd".into()) });
    assert_eq!(company.code("a_admin", located.clone()), RefusalCode::Forbidden, "only the settings say so");
    assert_eq!(company.done("a_system", located.clone()), ["store.located"]);
    assert!(company.done("a_system", located).is_empty());
    assert_eq!(company.state.residency.of_node("n1"), Some("au-syd"));
    let attempted = TransferAttempted {
        attempt: "tm_1".into(),
        object: "dataset/x/1".into(),
        class: "personal".into(),
        by: "a_admin".into(),
        from: None,
        to: None,
        rule: None,
        transfer: None,
    };
    let report = |refused| Command::ReportTransfer(ReportTransfer { refused, attempted: attempted.clone() });
    assert_eq!(company.code("a_admin", report(false)), RefusalCode::Forbidden);
    assert_eq!(company.done("a_system", report(true)), ["transfer.refused"]);
    assert_eq!(company.done("a_system", report(false)), ["transfer.made"]);
}

#[test]
fn given_services_data_sets_and_stores_when_asked_where_data_is_then_each_says_by_which_rule_or_authorisation() {
    let mut company = ruled();
    let command = |name: &str, body: serde_json::Value| -> Command {
        serde_json::from_value(serde_json::json!({"command": name, "body": body})).expect("a command")
    };
    let provider = |name: &str, region: &str| {
        let spec = serde_json::json!({"kind": "openai", "base_url": "https://example.com/v1", "region": region});
        command("provider.declare", serde_json::json!({"provider": name, "spec": spec}))
    };
    company.done("a_admin", provider("acme", "us"));
    company.done("a_admin", provider("spare", "eu"));
    let route = serde_json::json!({"name": "chat", "target": {"provider": {"provider": "acme", "model": "m"}}});
    let spec = serde_json::json!({"owner": "care", "purpose": "support", "risk_tier": "low",
        "classification": "personal", "subject_country": "au", "routes": [route]});
    company.done("a_deployer", command("service.declare", serde_json::json!({"service": "care", "spec": spec})));
    company.done("a_other", super::datasets::declare("loans", "a_other"));
    let located = Command::LocateStore(StoreLocated { store: "node/n1".into(), region: Some("au-syd".into()) });
    company.done("a_system", located);
    let places = |company: &Company| {
        let places = company.state.places("n1", company.given.now).into_iter();
        let said = places.map(|place| {
            let standing = place.standing.map_or("-", |standing| standing.as_str());
            let (region, basis) = (place.region.unwrap_or_default(), place.legal_basis.unwrap_or("-"));
            format!("{} {} {region} {standing} {basis} {:?}", place.kind, place.name, place.expires_at)
        });
        said.collect::<Vec<_>>()
    };
    let rest = ["dataset loans au-syd no rule - None", "provider spare eu - - None"];
    assert_eq!(places(&company), [&["service care us refused - None"][..], &rest].concat());

    let may = Command::AuthoriseTransfer(authorise("tr_1", Some("provider/acme"), 200_000));
    company.done("a_deployer", request("p_1", may.clone()));
    company.done("a_other", approve("p_1"));
    company.done("a_deployer", may);
    let authorised = "service care us authorised contract_clauses Some(200000)";
    assert_eq!(places(&company), [&[authorised][..], &rest].concat());
}

/// Any regions, rules and authorisations over a few names; `z` is declared nowhere.
fn anything() -> impl Strategy<Value = Residency> {
    let code = || prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(str::to_owned);
    let tree = prop::collection::vec(prop::option::of(0_usize..4), 4).prop_map(|outer| {
        // One lies only in one before it, so there is no ring.
        let named = ["a", "b", "c", "d"];
        let spec = |(at, outer): (usize, Option<usize>)| {
            let within = outer.filter(|outer| *outer < at).map(|outer| named[outer].to_owned());
            (named[at].to_owned(), RegionSpec { within })
        };
        outer.into_iter().enumerate().map(spec).collect::<BTreeMap<_, _>>()
    });
    let some = move || prop::collection::btree_set(code(), 1..3).prop_map(|set| set.into_iter().collect::<Vec<_>>());
    let country = prop::sample::select(vec!["de", "fr"]).prop_map(str::to_owned);
    let rule = (some(), prop::collection::btree_map(country, some(), 0..3));
    let transfers = prop::collection::vec((code(), code(), any::<bool>(), 0_i64..4), 0..3);
    (tree, rule, transfers).prop_map(|(regions, (permitted, countries), transfers)| {
        let rule = ResidencyRule { regions: permitted, countries, legal_basis: None, reference: "R".into() };
        let known = serde_json::json!({"version": 1, "rule": rule, "by": "a_1", "at": 0});
        let known = serde_json::from_value(known).expect("a rule");
        let mut residency = Residency { regions, ..Residency::default() };
        residency.rules.insert("personal".into(), known);
        for (at, (from, to, any, expires_at)) in transfers.into_iter().enumerate() {
            let of = if any { None } else { Some("provider/acme") };
            let authorised = TransferAuthorised { from, to, ..authorise(&format!("tr_{at}"), of, expires_at) };
            let known = serde_json::json!({"authorised": authorised, "by": "a_1", "at": 0, "revoked": null});
            residency.transfers.insert(format!("tr_{at}"), serde_json::from_value(known).expect("a transfer"));
        }
        residency
    })
}

proptest! {
    #[test]
    fn given_any_rules_when_something_is_not_known_then_no_more_is_permitted(
        residency in anything(),
        from in prop::sample::select(vec!["a", "b", "c", "d", "z"]),
        to in prop::sample::select(vec!["a", "b", "c", "d", "z"]),
        now in 0_i64..4,
    ) {
        let of = [String::from("provider/acme")];
        let may = |from: Option<&str>, to: Option<&str>, countries: &[&str]| {
            let movement = Movement { class: "personal", of: &of, from, to };
            !residency.standing(&movement).ruling(countries, now).refused
        };
        let subjects: [&[&str]; 5] = [&[], &["de"], &["fr"], &["nz"], &["de", "fr"]];
        for subject in subjects {
            // A region that is not known, or is not declared, is permitted by nothing.
            prop_assert!(!may(Some(from), None, subject));
            prop_assert!(!may(Some(from), Some("z"), subject));
            // Not knowing where it comes from permits nothing that knowing it would not.
            prop_assert!(!may(None, Some(to), subject) || may(Some(from), Some(to), subject));
            // Of whom nothing is known, no more is permitted than of anybody.
            prop_assert!(!may(Some(from), Some(to), &[]) || may(Some(from), Some(to), subject));
            // Another country beside those only tightens.
            if !subject.is_empty() {
                let more = [subject, &["de"]].concat();
                prop_assert!(!may(Some(from), Some(to), &more) || may(Some(from), Some(to), subject));
            }
        }
    }

    #[test]
    fn given_any_rules_when_something_lies_deeper_then_what_holds_around_it_holds_for_it(
        residency in anything(),
        to in prop::sample::select(vec!["a", "b", "c", "d"]),
        now in 0_i64..4,
    ) {
        let may = |to: &str| {
            let movement = Movement { class: "personal", of: &[], from: Some("a"), to: Some(to) };
            !residency.standing(&movement).ruling(&["de"], now).refused
        };
        for outer in residency.around(to).skip(1) {
            prop_assert!(!may(outer) || may(to));
        }
    }
}
