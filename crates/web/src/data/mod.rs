//! Data sets: which there are and who answers for each, the versions of one, what was checked of them, and where data is.

mod content;
mod contracts;
mod dataset;
mod datasets;
mod findings;
pub(crate) mod lineage;
mod profile;
mod residency;
mod version;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::App;

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/data", get(datasets::show))
        .route("/data/lineage", get(lineage::show))
        .route("/data/residency", get(residency::show))
        .route("/data/findings", get(findings::show).post(findings::settle))
        .route("/data/{id}", get(dataset::show))
        // contracts and checks
        .route("/data/contracts", get(contracts::show))
        .route("/data/{id}/{version}", get(version::show))
        .route("/data/{id}/versions", post(content::upload))
        .route("/data/{id}/diff", get(content::show))
        .route("/data/{id}/profile", get(profile::show))
}

pub(crate) use datasets::readable;
pub(crate) use residency::{places, report};

#[cfg(test)]
pub(crate) use {
    content::DiffPage, contracts::ContractsPage, dataset::DatasetPage, datasets::DataPage, findings::FindingsPage,
    lineage::LineagePage, profile::ProfilePage, residency::ResidencyPage, version::VersionPage,
};

#[cfg(test)]
mod tests {
    use domain::data::datasets::{TAKEN_NAMES, TAKEN_VERSIONS};

    #[test]
    fn given_a_page_beside_those_of_data_sets_when_there_is_one_then_nothing_new_gets_its_name() {
        let source = include_str!("mod.rs").split("#[cfg(test)]").next().expect("what is before the tests");
        let routes = source.split(".route(").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
        let paths = routes.filter_map(|rest| rest.split('"').next()?.strip_prefix("/data/"));
        let paths: Vec<&str> = paths.collect();
        // Where they went when fewer are here, this has to follow.
        assert!(paths.len() >= 9, "only {paths:?} are found");
        for path in paths {
            let (name, taken) = match path.strip_prefix("{id}/") {
                Some(version) => (version, &TAKEN_VERSIONS[..]),
                None => (path, &TAKEN_NAMES[..]),
            };
            assert!(name.starts_with('{') || taken.contains(&name), "{path}");
        }
    }
}
