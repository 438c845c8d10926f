//! Models: the room's tables, and those still to be filled, which concern how models come to be and change.

use crate::table::Planned;

mod model_versions;

pub(crate) use model_versions::ModelVersions;

/// Tables of this room without rows yet: name, meaning, what has to be built first, columns.
#[rustfmt::skip]
pub(crate) const PLANNED: &[Planned] = &[
    Planned { name: "runs", doc: "Training and other runs.", area: "experiment tracking", columns: "run_id model_id kind started_at:time ended_at:time status actor_id env zone region code_commit code_dirty:bool dataset_id dataset_version params_hash image_digest seed metrics_hash" },
    Planned { name: "evaluations", doc: "Evaluations of model versions.", area: "evaluation", columns: "eval_id model_id version suite dataset_id dataset_version ts:time actor_id score:float threshold:float passed:bool" },
    Planned { name: "golden_sets", doc: "Data sets that each service is tested with.", area: "evaluation", columns: "service_id dataset_id dataset_version" },
    Planned { name: "promotions", doc: "Model versions carried from one zone to another.", area: "change approval", columns: "promotion_id model_id version from_zone to_zone ts:time bundle_digest signature_ok:bool scan_ok:bool exported_by imported_by" },
    Planned { name: "rollout_events", doc: "Steps of guarded rollouts.", area: "guarded rollouts", columns: "event_id deployment_id ts:time guard_metric breach:bool action action_at:time" },
    Planned { name: "rollback_tests", doc: "Rehearsals of rolling back.", area: "guarded rollouts", columns: "test_id service_id ts:time duration_s:int objective_s:int passed:bool" },
    Planned { name: "config_versions", doc: "Versions of prompts and other configuration.", area: "change approval", columns: "config_id service_id kind version content_hash activated_at:time activated_by change_id eval_id" },
];
