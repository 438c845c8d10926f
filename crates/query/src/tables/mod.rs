//! The one list of tables. A table that is filled is one line in `filled!`, with its file in its room; one that is not
//! is one line in its room's `PLANNED`.

mod assurance;
mod data;
mod infrastructure;
mod keys;
mod models;
mod monitoring;
mod people;
mod records;
mod serving;
mod vendors;

use std::sync::LazyLock;

use domain::people::AccessCore;
use domain::serving::InferenceCore;

use crate::fold::{Leaf, Moment};
use crate::table::{Planned, Rows, Table, TableInfo};

pub(crate) use infrastructure::{EVENTS, Entries};
pub(crate) use records::RecordTable;

macro_rules! filled {
    ($($field:ident: $table:ty),* $(,)?) => {
        /// What all folded tables hold.
        #[derive(Clone, Default)]
        pub(crate) struct Folded { $($field: $table),* }

        impl Folded {
            /// Takes one more entry into every table.
            pub fn apply(&mut self, leaf: &Leaf<'_>) {
                $( self.$field.apply(leaf); )*
            }

            /// The rows of the table called `name`; `None` when it is not a folded table.
            pub fn rows(&self, name: &str, moment: &Moment) -> Option<Rows> {
                let mut out = Rows::default();
                match name {
                    $( <$table>::NAME => self.$field.rows(moment, &mut out), )*
                    infrastructure::LIST => infrastructure::list_rows(tables(), &mut out),
                    _ => return None,
                }
                Some(out)
            }

            fn infos() -> impl Iterator<Item = TableInfo> {
                [$( info::<$table>() ),*].into_iter()
            }
        }
    };
}

filled! {
    principals: people::Principals,
    account_owners: people::AccountOwners,
    role_grants: people::RoleGrants,
    sod_pairs: people::SodPairs,
    people_groups: people::PeopleGroups,
    group_members: people::GroupMembers,
    withheld_grants: people::WithheldGrants,
    access_reviews: people::AccessReviews,
    access_review_items: people::AccessReviewItems,
    approvals: people::Approvals,
    approval_votes: people::ApprovalVotes,
    changes: people::Changes,
    emergencies: people::Emergencies,
    notifications: people::Notifications,
    policy_versions: people::PolicyVersions,
    stand_ins: people::StandIns,
    credentials: people::Credentials,
    documents: people::Documents,
    acknowledgements: people::Acknowledgements,
    training: people::Training,
    workloads: people::Workloads,
    token_scopes: keys::TokenScopes,
    sessions: people::Sessions,
    signin_refusals: people::SigninRefusals,
    datasets: data::Datasets,
    dataset_purposes: data::DatasetPurposes,
    data_objects: data::DataObjects,
    // Residency.
    regions: data::Regions,
    stores: data::Stores,
    residency_rules: data::ResidencyRules,
    transfer_authorisations: data::TransferAuthorisations,
    dataset_transfers: data::DatasetTransfers,
    dataset_contracts: data::DatasetContracts,
    dataset_checks: data::DatasetChecks,
    pipeline_steps: data::PipelineSteps,
    dataset_fields: data::DatasetFields,
    pii_findings: data::PiiFindings,
    detectors: data::Detectors,
    dsr: keys::Dsr,
    dsr_impacts: keys::DsrImpacts,
    subject_keys: keys::SubjectKeys,
    vendors: vendors::Vendors,
    model_versions: models::ModelVersions,
    services: serving::Services,
    service_registrations: serving::ServiceRegistrations,
    deployments: serving::Deployments,
    segments: serving::Segments,
    access_segments: serving::AccessSegments,
    gateway_counters: serving::GatewayCounters,
    nodes: infrastructure::Nodes,
    endpoints: infrastructure::Endpoints,
    certificates: infrastructure::Certificates,
    refusals: infrastructure::Refusals,
    checkpoints: infrastructure::Checkpoints,
    ledger_objects: infrastructure::LedgerObjects,
    expected_sources: infrastructure::ExpectedSources,
    source_activity: infrastructure::SourceActivity,
    crypto_keys: keys::CryptoKeys,
    retention_rules: keys::RetentionRules,
    legal_holds: keys::LegalHolds,
    deletions: data::Deletions,
    lineage_edges: data::LineageEdges,
    control_schedule: assurance::ControlSchedule,
    control_runs: assurance::ControlRuns,
    evidence_packages: assurance::EvidencePackages,
}

/// A table that a query over a table of records defines: its name, and what makes the query.
type View = (&'static str, fn() -> String);

/// Tables that queries over tables of records define.
pub(crate) const VIEWS: &[View] = &[
    (serving::INFERENCES, serving::inference_select),
    (people::ACCESS_EVENTS, people::access_select),
    (people::EXTERNAL, people::external_select),
    (data::TRANSFERS, data::transfer_select),
];

const PLANNED: &[(&str, &[Planned])] = &[
    ("data", data::PLANNED),
    ("models", models::PLANNED),
    ("serving", serving::PLANNED),
    ("vendors", vendors::PLANNED),
    ("monitoring", monitoring::PLANNED),
    ("infrastructure", infrastructure::PLANNED),
    ("assurance", assurance::PLANNED),
];

fn info<T: Table>() -> TableInfo {
    TableInfo::filled(T::ROOM, T::NAME, T::DOC, T::COLUMNS.iter().copied())
}

/// Every table that SQL may name, sorted by name.
#[must_use]
pub fn tables() -> &'static [TableInfo] {
    static TABLES: LazyLock<Vec<TableInfo>> = LazyLock::new(|| {
        let planned = PLANNED.iter().flat_map(|(room, plans)| plans.iter().map(|plan| TableInfo::planned(room, plan)));
        let special = [
            infrastructure::events(),
            infrastructure::list(),
            InferenceCore::info(),
            AccessCore::info(),
            serving::inferences(),
            people::access_events(),
            people::external_access_logs(),
            data::transfers(),
        ];
        let mut tables: Vec<TableInfo> = Folded::infos().chain(special).chain(planned).collect();
        tables.sort_unstable_by_key(|table| table.name);
        tables
    });
    &TABLES
}

/// The table called `name`.
pub(crate) fn find(name: &str) -> Option<&'static TableInfo> {
    tables().binary_search_by_key(&name, |table| table.name).ok().map(|i| &tables()[i])
}
