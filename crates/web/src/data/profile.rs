//! The page of a contract that the rows of a version suggest.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use ingest::check::Proposal;

use crate::App;
use crate::api::contracts::{OfVersion, propose};
use crate::auth::Visitor;
use crate::ui::{Page, Section, Shell, page};

/// The page.
#[derive(Template)]
#[template(path = "data/profile.html")]
pub(crate) struct ProfilePage {
    shell: Shell,
    proposal: Proposal,
}

impl ProfilePage {
    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 2] {
        let proposal = |left_out: &[&str]| Proposal {
            dataset: "loans".into(),
            version: "1".into(),
            rows: 1000,
            text: "name = \"loans\"\ndataset = \"loans\"\n\n[[column]]\nname = \"id\"\ntype = \"integer\"\n".into(),
            left_out: left_out.iter().map(|one| (*one).to_owned()).collect(),
        };
        let sample = |proposal| Self { shell: Shell::sample(Section::Data), proposal };
        [
            sample(proposal(&["values of column `income`: its class is neither public nor internal"])),
            sample(proposal(&[])),
        ]
    }
}

/// `GET /data/{id}/profile`
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(id): Path<String>,
    Query(wish): Query<OfVersion>,
) -> Page {
    app.may_read(&who, &format!("dataset/{id}"))?;
    let proposal = propose(&app, &who, &id, wish.version).await?;
    page(&ProfilePage { shell: Shell::new(&app, &who, Section::Data).await?, proposal })
}
