//! People, programs and their access: the room's tables.

mod access_records;
mod access_reviews;
mod account_owners;
mod approvals;
mod changes;
mod credentials;
mod documents;
mod emergencies;
mod group_members;
mod notifications;
mod passkeys;
mod people_groups;
mod policy_versions;
mod present;
mod principals;
mod role_grants;
mod sessions;
mod signin_refusals;
mod sod_pairs;
mod stand_ins;
mod training;
mod withheld_grants;
mod workloads;

pub(crate) use access_records::{
    ACCESS_EVENTS, EXTERNAL, access_events, access_select, external_access_logs, external_select,
};
pub(crate) use access_reviews::{AccessReviewItems, AccessReviews};
pub(crate) use account_owners::AccountOwners;
pub(crate) use approvals::{ApprovalVotes, Approvals, Requests, decided_by};
pub(crate) use changes::Changes;
pub(crate) use credentials::Credentials;
pub(crate) use documents::{Acknowledgements, Documents};
pub(crate) use emergencies::Emergencies;
pub(crate) use group_members::GroupMembers;
pub(crate) use notifications::Notifications;
pub(crate) use people_groups::PeopleGroups;
pub(crate) use policy_versions::PolicyVersions;
pub(crate) use principals::Principals;
pub(crate) use role_grants::RoleGrants;
pub(crate) use sessions::Sessions;
pub(crate) use signin_refusals::SigninRefusals;
pub(crate) use sod_pairs::SodPairs;
pub(crate) use stand_ins::StandIns;
pub(crate) use training::Training;
pub(crate) use withheld_grants::WithheldGrants;
pub(crate) use workloads::Workloads;
