//! Data: the room's tables, and those still to be filled, which concern data, its lineage and the rights of its subjects.

mod data_objects;
mod dataset_fields;
mod datasets;
mod deletions;
mod erasures;
mod objects;
mod payload_objects;
mod pii_findings;

use crate::table::Planned;

pub(crate) use data_objects::DataObjects;
pub(crate) use dataset_fields::DatasetFields;
pub(crate) use datasets::{DatasetPurposes, Datasets};
pub(crate) use deletions::Deletions;
pub(crate) use pii_findings::PiiFindings;

/// Tables of this room without rows yet: name, meaning, what has to be built first, columns.
#[rustfmt::skip]
pub(crate) const PLANNED: &[Planned] = &[
    Planned { name: "pipeline_steps", doc: "Steps of data pipelines as they ran.", area: "lineage", columns: "step_id run_id stage ts:time status" },
    Planned { name: "dataset_checks", doc: "Quality checks of data sets.", area: "data contracts", columns: "check_id step_id dataset_id version dimension status blocking:bool ts:time" },
    Planned { name: "lineage_edges", doc: "What was made from what.", area: "lineage", columns: "edge_id run_id input_id input_checksum output_id output_checksum ts:time" },
    Planned { name: "subject_index", doc: "Which data sets hold data of which subject.", area: "requests by data subjects", columns: "subject_ref dataset_id version" },
    Planned { name: "consents", doc: "Consents given and withdrawn.", area: "requests by data subjects", columns: "subject_ref purpose_id granted_at:time withdrawn_at:time" },
    Planned { name: "transfers", doc: "Transfers of data between systems and regions.", area: "transfers", columns: "transfer_id ts:time object_ref from_system to_system from_region to_region vendor_id classification contains_pii:bool protection decision policy_id legal_basis" },
    Planned { name: "residency_rules", doc: "Where data of a classification may be processed.", area: "transfers", columns: "classification region" },
    Planned { name: "dp_budgets", doc: "Budgets of differential privacy.", area: "privacy accounting", columns: "budget_id dataset_id epsilon_total:float valid_from:time valid_to:time" },
    Planned { name: "dp_spends", doc: "What was spent of them.", area: "privacy accounting", columns: "spend_id budget_id run_id epsilon:float ts:time" },
    Planned { name: "fl_rounds", doc: "Rounds of federated learning.", area: "privacy accounting", columns: "round_id model_id ts:time participants:int min_participants:int secure_aggregation:bool clip_norm:float" },
];
