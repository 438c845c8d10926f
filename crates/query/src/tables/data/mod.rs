//! Data: the room's tables, and those still to be filled, which concern data, its lineage and the rights of its subjects.

mod data_objects;
mod dataset_checks;
mod dataset_contracts;
mod dataset_fields;
mod datasets;
mod deletions;
mod detectors;
mod erasures;
mod lineage_edges;
mod objects;
mod payload_objects;
mod pii_findings;
mod residency;
mod transfers;

use crate::table::Planned;

pub(crate) use data_objects::DataObjects;
pub(crate) use dataset_checks::{DatasetChecks, PipelineSteps};
pub(crate) use dataset_contracts::DatasetContracts;
pub(crate) use dataset_fields::DatasetFields;
pub(crate) use datasets::{DatasetPurposes, Datasets};
pub(crate) use deletions::Deletions;
pub(crate) use detectors::Detectors;
pub(crate) use lineage_edges::LineageEdges;
pub(crate) use pii_findings::PiiFindings;
pub(crate) use residency::{Regions, ResidencyRules, Stores};
pub(crate) use transfers::{DatasetTransfers, TRANSFERS, TransferAuthorisations, transfer_select, transfers};

/// Tables of this room without rows yet: name, meaning, what has to be built first, columns.
#[rustfmt::skip]
pub(crate) const PLANNED: &[Planned] = &[
    Planned { name: "subject_index", doc: "Which data sets hold data of which subject.", area: "requests by data subjects", columns: "subject_ref dataset_id version" },
    Planned { name: "consents", doc: "Consents given and withdrawn.", area: "requests by data subjects", columns: "subject_ref purpose_id granted_at:time withdrawn_at:time" },
    Planned { name: "dp_budgets", doc: "Budgets of differential privacy.", area: "privacy accounting", columns: "budget_id dataset_id epsilon_total:float valid_from:time valid_to:time" },
    Planned { name: "dp_spends", doc: "What was spent of them.", area: "privacy accounting", columns: "spend_id budget_id run_id epsilon:float ts:time" },
    Planned { name: "fl_rounds", doc: "Rounds of federated learning.", area: "privacy accounting", columns: "round_id model_id ts:time participants:int min_participants:int secure_aggregation:bool clip_norm:float" },
];
