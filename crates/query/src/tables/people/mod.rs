//! People, programs and their access: the room's tables, and those still to be filled, which concern who may do what, beyond roles.

use crate::table::Planned;

mod credentials;
mod passkeys;
mod principals;
mod role_grants;
mod sessions;
mod signin_refusals;
mod sod_pairs;
mod workloads;

pub(crate) use credentials::Credentials;
pub(crate) use principals::Principals;
pub(crate) use role_grants::RoleGrants;
pub(crate) use sessions::Sessions;
pub(crate) use signin_refusals::SigninRefusals;
pub(crate) use sod_pairs::SodPairs;
pub(crate) use workloads::Workloads;

/// Tables of this room without rows yet: name, meaning, what has to be built first, columns.
#[rustfmt::skip]
pub(crate) const PLANNED: &[Planned] = &[
    Planned { name: "access_reviews", doc: "Reviews of who has access.", area: "access reviews", columns: "review_id scope due_at:time completed_at:time reviewer_id population_count:int population_root removals_requested:int removals_done:int" },
    Planned { name: "access_events", doc: "Accesses to data, artifacts and logs, allowed or denied.", area: "access records", columns: "event_id ts:time principal_id object_kind object_id action decision policy_id grant_id purpose_id env" },
    Planned { name: "external_access_logs", doc: "Accesses that a storage system saw by itself.", area: "access records", columns: "ext_id ts:time object_id principal_id source matched_event_id" },
    Planned { name: "acknowledgements", doc: "Who acknowledged which document.", area: "policies and training", columns: "doc_id version principal_id acked_at:time" },
    Planned { name: "training", doc: "Courses that people completed.", area: "policies and training", columns: "principal_id course completed_at:time expires_at:time" },
];
