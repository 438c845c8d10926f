//! Contracts and checks: what can be published, what a failed check leads to, and when a version may be read.

use super::approvals::{approve as agree, request as ask};
use super::datasets::{declare, destroy, store, stored};
use super::duties::{Company, approve, request};
use crate::data::{
    CheckVersion, ContractPublished, ContractRetired, ContractUsed, Dimension, Found, ReportChecks, ReportedResult,
    RuleResult, Tool, Unsure, Verdict, VersionChecked, VersionReleased, checks, reports,
};
use crate::people::Purpose;
use crate::{Command, RefusalCode};

const TEXT: &str = r#"
name = "loans"
dataset = "loans"

[[column]]
name = "amount"
type = "integer"
required = true
min = 1
"#;

fn publish(version: u64, text: &str) -> Command {
    let (contract, dataset, text) = ("loans".into(), "loans".into(), text.into());
    Command::PublishContract(ContractPublished { contract, version, dataset, text })
}

fn result(rule: &str, dimension: Dimension, blocking: bool, verdict: Verdict) -> RuleResult {
    let why = (verdict == Verdict::Unknown).then_some(Unsure::NotEvaluable);
    let violations = u64::from(verdict == Verdict::Failed);
    RuleResult { rule: rule.into(), dimension, blocking, verdict, checked: 9, violations, why }
}

fn all_passed() -> Vec<RuleResult> {
    Dimension::FOR_TRAINING.map(|dimension| result(dimension.as_str(), dimension, true, Verdict::Passed)).to_vec()
}

/// An organisation with a data set, a contract in force for it, and a version that waits for its check.
fn with_a_contract() -> Company {
    let mut company = Company::with_a_lead();
    company.done("a_1", declare("loans", "a_1"));
    company.done("a_admin", request("g_approver", "a_2", "model_approver", "org"));
    company.done("a_lead", approve("g_approver"));
    published(&mut company, 1, TEXT);
    company.given.object = Some(stored("0a", "internal"));
    company.done("a_1", store("1", "0a"));
    company
}

fn published(company: &mut Company, version: u64, text: &str) {
    let (approval, wish) = (format!("p_{version}"), publish(version, text));
    assert_eq!(company.refused("a_1", wish.clone()).policies, ["approval-required"]);
    company.done("a_1", ask(&approval, wish.clone()));
    company.done("a_2", agree(&approval));
    assert_eq!(company.done("a_1", wish), ["contract.published", "approval.consumed"]);
}

fn checked(company: &mut Company, by: &str, number: u64, results: Vec<RuleResult>) -> Vec<&'static str> {
    let check = format!("k_{}", company.state.size);
    let checked = VersionChecked {
        dataset: "loans".into(),
        version: "1".into(),
        check: check.clone(),
        object: "0a".into(),
        contract: ContractUsed { contract: "loans".into(), version: Some(number), sha256: "a".repeat(64) },
        stage: "raw".into(),
        run: None,
        rows: 9,
        verdict: checks::overall(&results),
        results,
    };
    company.given.checked = Some(Found { checked, offending: Some((stored("0c", "internal"), 1)) });
    let done =
        company.done(by, Command::CheckVersion(CheckVersion { dataset: "loans".into(), version: "1".into(), check }));
    company.given.checked = None;
    done
}

#[track_caller]
fn closed(company: &Company, purpose: Purpose, rule: &str) -> String {
    let refusal = company.state.may_see("loans", "1", purpose).expect_err("closed");
    assert_eq!((refusal.code, refusal.policies), (RefusalCode::Forbidden, vec![rule.to_owned()]));
    refusal.message
}

fn release(company: &Company, reference: &str) -> Command {
    let quarantine = company.state.standing("loans", "1").and_then(|known| known.quarantine.as_ref());
    let check = quarantine.expect("quarantined").check.clone();
    let (dataset, version, reference) = ("loans".into(), "1".into(), reference.into());
    Command::ReleaseVersion(VersionReleased { dataset, version, check, reference })
}

#[test]
fn given_a_contract_when_published_then_it_is_approved_and_numbered_and_alone_for_its_data_set() {
    let mut company = with_a_contract();
    assert_eq!(company.refused("a_1", publish(1, TEXT)).code, RefusalCode::Conflict, "not the next number");
    assert_eq!(company.refused("a_1", publish(2, TEXT)).code, RefusalCode::Conflict, "says the same");
    let other = TEXT.replace("name = \"loans\"", "name = \"other\"");
    let refusal = company.refused("a_1", publish(2, &other));
    assert!(refusal.message.contains("contract `other`"), "{}", refusal.message);
    let named_other = Command::PublishContract(ContractPublished {
        contract: "other".into(),
        version: 1,
        dataset: "loans".into(),
        text: other,
    });
    assert_eq!(company.refused("a_1", named_other).code, RefusalCode::Conflict, "one is in force");
    let broken = publish(2, &TEXT.replace("min = 1", "min = \"x\""));
    assert!(company.refused("a_1", broken).message.contains("line 6: column `amount`"));
    published(&mut company, 2, &TEXT.replace("min = 1", "min = 2"));
    let retire = Command::RetireContract(ContractRetired { contract: "loans".into(), reference: "CHG-2".into() });
    assert_eq!(company.refused("a_1", retire).policies, ["approval-required"]);
}

#[test]
fn given_a_contract_in_force_when_a_version_is_stored_then_nobody_sees_it_before_its_check() {
    let mut company = with_a_contract();
    assert!(closed(&company, Purpose::Development, "unchecked").contains("counterfoil data check loans@1"));
    assert_eq!(company.state.unchecked(), [("loans".to_owned(), "1".to_owned())]);
    let unknown = vec![result("amount.range", Dimension::Validity, true, Verdict::Unknown)];
    assert_eq!(checked(&mut company, "a_1", 1, unknown), ["dataset.version.checked"]);
    assert!(company.state.unchecked().is_empty(), "what came of it is for people to look at");
    closed(&company, Purpose::Development, "unchecked");
    assert_eq!(checked(&mut company, "a_1", 7, all_passed()), ["dataset.version.checked"], "of another version");
    closed(&company, Purpose::Development, "unchecked");
    assert_eq!(checked(&mut company, "a_1", 1, all_passed()), ["dataset.version.checked"]);
    assert_eq!(company.state.may_see("loans", "1", Purpose::Development), Ok(()));
    let forged = CheckVersion { dataset: "loans".into(), version: "1".into(), check: "k_forged".into() };
    assert_eq!(company.refused("a_1", Command::CheckVersion(forged)).code, RefusalCode::NotFound);
    company.done("a_1", destroy("1"));
    assert_eq!(company.state.standing("loans", "1"), None);
}

#[test]
fn given_a_read_for_training_when_a_check_is_lacking_then_the_gate_says_which() {
    let mut company = with_a_contract();
    closed(&company, Purpose::Training, "unchecked");
    let mut results = all_passed();
    results.retain(|one| one.dimension != Dimension::Accuracy);
    checked(&mut company, "a_1", 1, results);
    assert!(closed(&company, Purpose::Training, "training-gate").contains("no rule that passed on accuracy"));
    checked(&mut company, "a_1", 1, all_passed());
    assert_eq!(company.state.may_see("loans", "1", Purpose::Training), Ok(()));
    published(&mut company, 2, &TEXT.replace("min = 1", "min = 2"));
    assert!(closed(&company, Purpose::Training, "training-gate").contains("not checked under version 2"));
    assert_eq!(company.state.may_see("loans", "1", Purpose::Development), Ok(()), "it was seen before");
    company.done("a_1", declare("calls", "a_1"));
    let refusal = company.state.may_see("calls", "1", Purpose::Training).expect_err("no contract");
    assert!(refusal.message.contains("no contract in force"), "{}", refusal.message);
}

#[test]
fn given_a_blocking_rule_that_fails_when_checked_then_the_version_is_shut_until_somebody_else_releases_it() {
    let mut company = with_a_contract();
    let broken = || {
        let mut results = all_passed();
        results.push(result("amount.range", Dimension::Validity, true, Verdict::Failed));
        results.push(result("usual", Dimension::Consistency, false, Verdict::Failed));
        results
    };
    assert_eq!(checked(&mut company, "a_3", 1, broken()), ["dataset.version.checked", "dataset.version.quarantined"]);
    let message = closed(&company, Purpose::Development, "quarantined");
    assert!(message.contains("break amount.range:"), "only what blocks is named: {message}");
    assert_eq!(company.state.quarantined_objects().map(|one| one.object.as_str()).collect::<Vec<_>>(), ["0c"]);
    assert_eq!(checked(&mut company, "a_3", 1, broken()), ["dataset.version.checked"], "once");
    assert_eq!(checked(&mut company, "a_3", 1, all_passed()), ["dataset.version.checked"]);
    closed(&company, Purpose::Development, "quarantined");

    for part in ["a_1", "a_3"] {
        let wish = release(&company, "CHG-3");
        assert_eq!(company.refused(part, wish).policies, ["release-by-another"]);
    }
    let unsaid = release(&company, "");
    assert_eq!(company.refused("a_2", unsaid).code, RefusalCode::Invalid);
    let wish = release(&company, "CHG-3");
    assert_eq!(company.done("a_2", wish.clone()), ["dataset.version.released"]);
    assert_eq!(company.state.doomed_objects.keys().collect::<Vec<_>>(), ["0c"], "its rows are in the version itself");
    assert_eq!(company.refused("a_2", wish).code, RefusalCode::Conflict);
    assert_eq!(company.state.may_see("loans", "1", Purpose::Development), Ok(()));
    assert_eq!(checked(&mut company, "a_3", 1, broken()), ["dataset.version.checked"], "the release stands");
    closed(&company, Purpose::Training, "training-gate");
    published(&mut company, 2, &TEXT.replace("min = 1", "min = 2"));
    closed(&company, Purpose::Development, "unchecked");
    assert_eq!(checked(&mut company, "a_3", 2, broken()), ["dataset.version.checked", "dataset.version.quarantined"]);
}

fn reported(version: Option<&str>, results: Vec<ReportedResult>) -> Command {
    Command::ReportChecks(ReportChecks {
        dataset: "loans".into(),
        version: version.map(str::to_owned),
        report: "k_said".into(),
        tool: Tool::GreatExpectations,
        tool_version: Some("1.24.1".into()),
        run: Some("nightly/7".into()),
        ran_at: Some(1),
        results,
    })
}

fn said(rule: &str, dimension: Dimension, verdict: Verdict) -> ReportedResult {
    ReportedResult { rule: rule.into(), dimension, warns: false, verdict, checked: Some(9), violations: None }
}

#[test]
fn given_what_a_tool_elsewhere_says_when_reported_then_it_is_kept_and_opens_no_gate_and_shuts_nothing_away() {
    let mut company = with_a_contract();
    let all = Dimension::FOR_TRAINING.map(|dimension| said(dimension.as_str(), dimension, Verdict::Passed)).to_vec();
    assert_eq!(company.done("a_1", reported(Some("1"), all.clone())), ["dataset.checks.reported"]);
    closed(&company, Purpose::Development, "unchecked");
    closed(&company, Purpose::Training, "unchecked");
    assert_eq!(company.state.standing("loans", "1"), None, "nothing follows from it");
    checked(&mut company, "a_1", 1, all_passed());
    let failed = vec![said("id.unique", Dimension::Uniqueness, Verdict::Failed)];
    assert_eq!(company.done("a_1", reported(None, failed)), ["dataset.checks.reported"]);
    assert_eq!(company.state.may_see("loans", "1", Purpose::Training), Ok(()), "and nothing is shut away");

    assert_eq!(company.refused("a_1", reported(Some("7"), all.clone())).code, RefusalCode::NotFound);
    let twice = [all.clone(), all.clone()].concat();
    assert_eq!(company.refused("a_1", reported(None, twice)).code, RefusalCode::Invalid, "a name twice");
    for rule in ["", "a\nb", "ann@example.com", "say \"x\""] {
        let odd = vec![said(rule, Dimension::Validity, Verdict::Passed)];
        assert_eq!(company.refused("a_1", reported(None, odd)).code, RefusalCode::Invalid, "{rule}");
    }
    assert_eq!(company.refused("a_1", reported(None, vec![])).code, RefusalCode::Invalid, "nothing");
    assert_eq!(reports::overall(&[]), Verdict::Unknown);
    let mut warns = all;
    warns.push(ReportedResult { warns: true, ..said("usual", Dimension::Validity, Verdict::Failed) });
    assert_eq!(reports::overall(&warns), Verdict::Passed);
    warns.push(said("odd", Dimension::Validity, Verdict::Unknown));
    assert_eq!(reports::overall(&warns), Verdict::Unknown);
}

#[test]
fn given_shares_of_violations_when_bounded_then_the_interval_is_wilsons() {
    let (share, low, high) = checks::wilson(5, 100).expect("rows");
    assert_eq!(share, 0.05);
    assert!((low - 0.021_543_7).abs() < 1e-6 && (high - 0.111_750_5).abs() < 1e-6, "{low} {high}");
    assert_eq!(checks::wilson(0, 0), None);
    let (_, low, high) = checks::wilson(0, 10).expect("rows");
    assert!(low < 1e-12 && high > 0.25 && high < 0.31, "{low} {high}");
}
