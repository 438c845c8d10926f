//! Every page is rendered from its samples and held against the rules of the house. Set `COUNTERFOIL_SAMPLES` to a
//! directory to get the pages written there, to be looked at.

use askama::Template;

use crate::assurance::{ControlPage, ControlsPage, CriteriaPage, EvidencePage};
use crate::data::{
    ContractsPage, DataPage, DatasetPage, DiffPage, FindingsPage, LineagePage, ProfilePage, ResidencyPage, VersionPage,
};
use crate::failure::{FailurePage, InsidePage, Told};
use crate::infrastructure::{EventPage, LedgerPage, OverviewPage, SqlPage};
use crate::keys::{EncryptionPage, RequestPage, RequestsPage, RetentionPage, TokensPage};
use crate::people::{
    AccessPage, AccessesPage, ApprovalPage, ApprovalsPage, CliPage, CodesPage, DocumentPage, DocumentsPage,
    EmergenciesPage, GroupPage, GroupsPage, HomePage, KeysPage, NewKeyPage, OnwardPage, PasskeysPage, PersonPage,
    PoliciesPage, RecoverPage, ReviewPage, ReviewsPage, RolelessPage, SessionsPage, SigninPage, WhyPage,
};
use crate::serving::{InferencePage, InferencesPage, ServicesPage};
use crate::ui::{Section, Shell};

mod accesses;
mod disposed;
mod documented;
mod door;
mod kept_out;
mod names;
mod pages;
mod provider;
mod rules;

fn samples() -> Vec<(String, String)> {
    let mut pages = Vec::new();
    add(&mut pages, "signin", SigninPage::samples());
    add(&mut pages, "cli", CliPage::samples());
    add(&mut pages, "onward", [OnwardPage::sample()]);
    add(&mut pages, "sessions", [SessionsPage::sample()]);
    add(&mut pages, "passkeys", PasskeysPage::samples());
    add(&mut pages, "codes", [CodesPage::sample()]);
    add(&mut pages, "recover", RecoverPage::samples());
    add(&mut pages, "home", [HomePage::sample()]);
    add(&mut pages, "roleless", RolelessPage::samples());
    add(&mut pages, "people", AccessPage::samples());
    add(&mut pages, "keys", KeysPage::samples());
    add(&mut pages, "key", NewKeyPage::samples());
    add(&mut pages, "tokens", TokensPage::samples());
    add(&mut pages, "person", PersonPage::samples());
    add(&mut pages, "groups", GroupsPage::samples());
    add(&mut pages, "group", GroupPage::samples());
    add(&mut pages, "accesses", AccessesPage::samples());
    add(&mut pages, "reviews", ReviewsPage::samples());
    add(&mut pages, "review", ReviewPage::samples());
    add(&mut pages, "approvals", ApprovalsPage::samples());
    add(&mut pages, "approval", ApprovalPage::samples());
    add(&mut pages, "documents", DocumentsPage::samples());
    add(&mut pages, "document", DocumentPage::samples());
    add(&mut pages, "services", ServicesPage::samples());
    add(&mut pages, "data", DataPage::samples());
    add(&mut pages, "dataset", [DatasetPage::sample()]);
    add(&mut pages, "residency", ResidencyPage::samples());
    add(&mut pages, "version", VersionPage::samples());
    add(&mut pages, "profile", ProfilePage::samples());
    add(&mut pages, "contracts", ContractsPage::samples());
    add(&mut pages, "findings", FindingsPage::samples());
    add(&mut pages, "diff", [DiffPage::sample()]);
    add(&mut pages, "lineage", LineagePage::samples());
    add(&mut pages, "retention", RetentionPage::samples());
    add(&mut pages, "emergencies", EmergenciesPage::samples());
    add(&mut pages, "encryption", EncryptionPage::samples());
    add(&mut pages, "requests", RequestsPage::samples());
    add(&mut pages, "request", RequestPage::samples());
    add(&mut pages, "policies", PoliciesPage::samples());
    add(&mut pages, "why", WhyPage::samples());
    add(&mut pages, "overview", OverviewPage::samples());
    add(&mut pages, "ledger", LedgerPage::samples());
    add(&mut pages, "event", [EventPage::sample()]);
    add(&mut pages, "sql", SqlPage::samples());
    add(&mut pages, "inferences", InferencesPage::samples());
    add(&mut pages, "inference", InferencePage::samples());
    add(&mut pages, "controls", ControlsPage::samples());
    add(&mut pages, "control", ControlPage::samples());
    add(&mut pages, "criteria", [CriteriaPage::sample()]);
    add(&mut pages, "evidence", EvidencePage::samples());
    let message = "there is no key `k_1`".to_owned();
    let told = Told { status: 404, title: "Nothing here", message, help: Some("go back") };
    add(&mut pages, "failure", [FailurePage { told: &told }]);
    add(&mut pages, "failure-inside", [InsidePage { shell: Shell::sample(Section::Overview), told: &told }]);
    pages
}

fn add<T: Template>(pages: &mut Vec<(String, String)>, name: &str, samples: impl IntoIterator<Item = T>) {
    for (i, sample) in samples.into_iter().enumerate() {
        let html = sample.render().unwrap_or_else(|error| panic!("{name} {i}: {error}"));
        pages.push((format!("{name}-{i}"), html));
    }
}

#[test]
fn every_page_keeps_the_rules() {
    let pages = samples();
    if let Ok(dir) = std::env::var("COUNTERFOIL_SAMPLES") {
        for (name, html) in &pages {
            std::fs::write(format!("{dir}/{name}.html"), html).expect("the directory takes files");
        }
    }
    let broken: Vec<String> = pages
        .iter()
        .flat_map(|(name, html)| rules::broken(html).into_iter().map(move |rule| format!("{name}: {rule}")))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
