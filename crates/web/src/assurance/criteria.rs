//! The criteria of SOC 2, in our words, with the controls that answer each; which have none is said plainly.

use std::sync::Arc;

use askama::Template;
use assurance::{Control, Criterion};
use axum::extract::State;

use crate::App;
use crate::auth::Visitor;
use crate::ui::{Link, Page, Section, Shell, page};

/// The page.
#[derive(Template)]
#[template(path = "assurance/criteria.html")]
pub(crate) struct CriteriaPage {
    shell: Shell,
    criteria: Vec<Answered>,
}

/// A criterion with the controls of the catalogue that answer it.
struct Answered {
    criterion: &'static Criterion,
    controls: Vec<&'static Control>,
}

impl CriteriaPage {
    fn new(shell: Shell) -> Self {
        let catalogue = assurance::catalogue();
        let answers = |criterion: &Criterion| {
            catalogue.controls.iter().filter(|control| control.tsc.contains(&criterion.id)).collect()
        };
        let criteria =
            catalogue.criteria.iter().map(|criterion| Answered { criterion, controls: answers(criterion) }).collect();
        Self { shell, criteria }
    }

    fn answered(&self) -> usize {
        self.criteria.iter().filter(|answered| !answered.controls.is_empty()).count()
    }

    fn link(control: &Control) -> Link {
        Link::into("/controls", &control.id)
    }

    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self::new(Shell::sample(Section::Criteria))
    }
}

/// `GET /criteria`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor) -> Page {
    app.may_read(&who, "controls")?;
    page(&CriteriaPage::new(Shell::new(&app, &who, Section::Criteria).await?))
}
