//! One request of a person: how it stands, what was found and done, and a form for the next step.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::response::{Redirect, Response};
use domain::keys::requests::{
    Assessment, ErasureStep, IdentityMethod, IdentityResult, ModelAction, RefusalReason, Request, RequestClosed,
    RequestKind, RequestOutcome,
};
use serde::Deserialize;

use crate::api::requests::{Assessed, Identity, Part, Reason, ask_for, certified, exported, may_see};
use crate::app::App;
use crate::auth::Visitor;
use crate::failure::PageError;
use crate::ui::{Instant, Mark, Page, Section, Shell, Tone, clock, page};

/// The page.
#[derive(Template)]
#[template(path = "keys/request.html")]
pub(crate) struct RequestPage {
    shell: Shell,
    id: String,
    request: Request,
    mark: Mark,
    /// What of theirs is held, so that it cannot be erased, and by which hold.
    held: Vec<(String, String)>,
    /// Approvals of its erasure: identifier and how each stands.
    approvals: Vec<(String, &'static str)>,
    /// Whether one of them is there to be carried out.
    approved: bool,
}

impl RequestPage {
    fn new(
        shell: Shell,
        request: Request,
        held: Vec<(String, String)>,
        approvals: Vec<(String, &'static str)>,
        now: i64,
    ) -> Self {
        let late = request.closed.is_none() && now > request.received.due_at;
        let mark = match (&request.closed, request.standing()) {
            (Some((RequestOutcome::Done, _)), word) => Mark::new(word, Tone::Good),
            (Some(_), word) => Mark::new(word, Tone::Plain),
            (None, _) if late => Mark::new("late", Tone::Bad),
            (None, _) => Mark::new("open", Tone::Open),
        };
        let approved = approvals.iter().any(|(_, standing)| *standing == "approved");
        Self { shell, id: request.received.request.clone(), request, mark, held, approvals, approved }
    }

    fn received_at(&self) -> Instant {
        Instant(self.request.received.received_at)
    }

    fn due_at(&self) -> Instant {
        Instant(self.request.received.due_at)
    }

    fn is_erasure(&self) -> bool {
        self.request.received.kind == RequestKind::Erasure
    }

    /// The first model version that waits to be assessed.
    fn model(&self) -> Option<(&str, &str)> {
        self.request.unassessed().next().and_then(|name| name.split_once('/'))
    }

    /// Every step of an erasure, and when it was done.
    fn steps(&self) -> Vec<(&'static str, Option<Instant>)> {
        let done =
            |step: &ErasureStep| self.request.steps.iter().find(|(one, _)| one == step).map(|(_, at)| Instant(*at));
        ErasureStep::ALL.iter().map(|step| (step.as_str(), done(step))).collect()
    }

    fn methods(&self) -> Vec<&'static str> {
        IdentityMethod::ALL.iter().map(|one| one.as_str()).collect()
    }

    fn assessments(&self) -> Vec<&'static str> {
        Assessment::ALL.iter().map(|one| one.as_str()).collect()
    }

    fn actions(&self) -> Vec<&'static str> {
        ModelAction::ALL.iter().map(|one| one.as_str()).collect()
    }

    fn reasons(&self) -> Vec<&'static str> {
        RefusalReason::ALL.iter().map(|one| one.as_str()).collect()
    }

    fn identity(&self) -> &'static str {
        self.request.identity.map_or("not checked", IdentityResult::as_str)
    }

    /// The one thing to be done next.
    fn next(&self) -> &'static str {
        match self.request.standing() {
            "answer" if self.is_erasure() && self.approved => "execute",
            "answer" if self.is_erasure() && self.approvals.iter().any(|(_, standing)| *standing == "waiting") => {
                "wait"
            }
            "answer" if self.is_erasure() => "ask",
            "answer" | "erased" => "close",
            other => other,
        }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 4] {
        use domain::keys::requests::{Intake, RequestReceived, RequestSearched};
        let received = RequestReceived {
            request: "q_3f9ac2".into(),
            kind: RequestKind::Erasure,
            subjects: vec!["0123456789abcdef0123456789abcdef".into()],
            actor: None,
            channel: Intake::Email,
            received_at: 1_795_380_849_000,
            due_at: 1_797_972_849_000,
            sealed_sha256: "9f2c".into(),
        };
        let searched = RequestSearched {
            request: "q_3f9ac2".into(),
            counts: [("inferences".to_owned(), 12)].into(),
            concerns: ["service/credit-risk".to_owned()].into(),
            keys: [].into(),
            models: ["credit-risk/1".to_owned()].into(),
            left_out: 0,
        };
        let fresh = Request {
            received,
            identity: None,
            confirmed_by: [].into(),
            searched: None,
            assessed: [].into(),
            started_at: None,
            steps: vec![],
            closed: None,
        };
        let found = Request { identity: Some(IdentityResult::Confirmed), searched: Some(searched), ..fresh.clone() };
        let asked = Request { assessed: [("credit-risk/1".to_owned(), ModelAction::Keep)].into(), ..found.clone() };
        let done = Request {
            started_at: Some(1_795_380_949_000),
            steps: ErasureStep::ALL.iter().map(|step| (*step, 1_795_380_950_000)).collect(),
            ..asked.clone()
        };
        let shell = || Shell::sample(Section::Requests);
        [
            Self::new(shell(), fresh, vec![], vec![], 1_795_380_849_000),
            Self::new(shell(), found, vec![], vec![], 1_799_000_000_000),
            Self::new(
                shell(),
                asked,
                vec![("service/credit-risk".into(), "h_3f9ac2".into())],
                vec![("p_1".into(), "approved")],
                1_795_380_849_000,
            ),
            Self::new(shell(), done, vec![], vec![("p_1".into(), "used")], 1_795_380_849_000),
        ]
    }
}

/// `GET /requests/{id}`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor, Path(id): Path<String>) -> Page {
    app.may_read(&who, "requests")?;
    let request = app.engine.request(&id)?;
    let (resource, now) = (format!("request/{id}"), clock());
    let (held, approvals) = app.engine.read(|state| {
        let open = request.received.kind == RequestKind::Erasure && request.closed.is_none() && !request.is_erased();
        let held = if open { request.held(state) } else { Vec::new() };
        let about = state.approvals.iter().filter(|(_, known)| known.requested.resource == resource);
        (held, about.map(|(id, known)| (id.clone(), known.standing(now).as_str())).collect())
    });
    page(&RequestPage::new(Shell::new(&app, &who, Section::Requests).await?, request, held, approvals, now))
}

/// What a button leads to.
type Back = Result<Redirect, PageError>;

fn back(id: &str) -> Back {
    Ok(Redirect::to(&format!("/requests/{id}")))
}

/// `POST /requests/{id}/identity`
pub(crate) async fn identity(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(id): Path<String>,
    Form(form): Form<Identity>,
) -> Back {
    app.engine.check_request_identity(&who, form.of(&id)).await?;
    back(&id)
}

/// `POST /requests/{id}/search`
pub(crate) async fn search(State(app): State<Arc<App>>, Visitor(who): Visitor, Path(id): Path<String>) -> Back {
    may_see(&app, &who, &id)?;
    app.engine.search_request(&who, &id).await?;
    back(&id)
}

/// `POST /requests/{id}/assess`
pub(crate) async fn assess(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(id): Path<String>,
    Form(form): Form<Assessed>,
) -> Back {
    app.engine.assess_request(&who, form.of(&id)).await?;
    back(&id)
}

/// `POST /requests/{id}/approval`
pub(crate) async fn ask(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(id): Path<String>,
    Form(form): Form<Reason>,
) -> Back {
    ask_for(&app, &who, &id, form.reference.trim().to_owned()).await?;
    back(&id)
}

/// `POST /requests/{id}/execute`
pub(crate) async fn execute(State(app): State<Arc<App>>, Visitor(who): Visitor, Path(id): Path<String>) -> Back {
    app.engine.execute_request(&who, &id).await?;
    back(&id)
}

/// How a request ends, as a form says it: an outcome, or `refused` and why.
#[derive(Deserialize)]
pub(crate) struct Closed {
    outcome: RequestOutcome,
    #[serde(default)]
    reason_code: String,
    reference: String,
}

/// `POST /requests/{id}/close`: whoever presses the button has told whoever asked.
pub(crate) async fn close(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(id): Path<String>,
    Form(form): Form<Closed>,
) -> Back {
    let refused = form.outcome == RequestOutcome::Refused;
    let closed = RequestClosed {
        request: id.clone(),
        outcome: form.outcome,
        reason_code: RefusalReason::find(&form.reason_code).filter(|_| refused),
        reference: form.reference.trim().to_owned(),
        notified_at: Some(clock()),
    };
    app.engine.close_request(&who, closed).await?;
    back(&id)
}

/// `GET /requests/{id}/export`
pub(crate) async fn export(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(id): Path<String>,
    Query(part): Query<Part>,
) -> Result<Response, PageError> {
    Ok(exported(&app, &who, &id, &part).await?)
}

/// `GET /requests/{id}/certificate`
pub(crate) async fn certificate(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    Ok(certified(&app, &who, &id, false).await?)
}

/// `GET /requests/{id}/certificate.pdf`
pub(crate) async fn certificate_pdf(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    Ok(certified(&app, &who, &id, true).await?)
}
