//! One request with everything that a vote needs: what exactly is asked, what it would change for whom, who said what.

use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::response::Redirect;
use domain::Command;
use domain::people::Vote;
use domain::people::approvals::Standing;
use serde::Deserialize;

use super::asked::Asked;
use super::names::Names;
use crate::App;
use crate::auth::Visitor;
use crate::failure::PageError;
use crate::ui::{Instant, Mark, Page, Section, Shell, page};

/// The page.
#[derive(Template)]
#[template(path = "people/approval.html")]
pub(crate) struct ApprovalPage {
    shell: Shell,
    names: Names,
    asked: Asked,
}

impl ApprovalPage {
    fn standing(&self) -> Mark {
        super::approvals::mark(self.asked.standing.as_str())
    }

    fn asked_at(&self) -> Instant {
        Instant(self.asked.approval.requested_at)
    }

    fn ends_at(&self) -> Instant {
        Instant(self.asked.approval.requested.expires_at)
    }

    fn votes(&self) -> Vec<(String, Mark, String, Instant)> {
        let mark = |vote| match vote {
            Vote::Approve => super::approvals::mark("approved"),
            Vote::Decline => super::approvals::mark("declined"),
        };
        let votes = self.asked.approval.votes.iter();
        votes
            .map(|cast| {
                let whose = cast.on_behalf_of.clone().unwrap_or_default();
                (cast.by.clone(), mark(cast.vote), whose, Instant(cast.at))
            })
            .collect()
    }

    fn comments(&self) -> Vec<(String, Instant, Option<String>)> {
        self.asked.comments.iter().map(|said| (said.by.clone(), Instant(said.at), said.text.clone())).collect()
    }

    /// The very thing: policies as they read, anything else as JSON.
    fn body(&self) -> String {
        match &self.asked.command {
            None => "It is not in the object store any more: ask anew.".to_owned(),
            Some(Command::InstallPolicies(body)) => body.text.clone(),
            Some(other) => serde_json::to_string_pretty(other).unwrap_or_default(),
        }
    }

    fn is_open(&self) -> bool {
        self.asked.standing.is_open()
    }

    fn can_be_done(&self) -> bool {
        self.asked.standing == Standing::Approved && !self.asked.stale
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 3] {
        use domain::people::approvals::{Approval, ApprovalRequested, Cast};
        use engine::{Change, ChangeGroup, PolicyDiff};

        let requested = ApprovalRequested {
            approval: "p_3f9ac2d1".into(),
            command: "policies.install".into(),
            resource: "policies".into(),
            digest: "9f2c4e1ab07d6635c1f0de824b6a93775f1e20c8d4ab3969017e5cc2b8f4a6d1".into(),
            base: 1,
            quorum: 2,
            role: "security_lead".into(),
            deploys: ["credit/4".to_owned()].into(),
            trained_by: ["a_77".to_owned()].into(),
            beneficiary: None,
            evidence: vec!["event/12".into()],
            expires_at: 1_795_380_849_000,
            reference: "CHG-1042".into(),
        };
        let cast = |vote, on_behalf_of: Option<&str>| Cast {
            by: "a_50".into(),
            vote,
            on_behalf_of: on_behalf_of.map(Into::into),
            at: 1_795_380_849_000,
        };
        let approval = |votes| Approval {
            requested: requested.clone(),
            requested_by: "a_91bc77".into(),
            asker: "a_91bc77".into(),
            requested_at: 1_795_380_000_000,
            votes,
            comments: vec![],
            withdrawn_at: None,
            consumed: None,
        };
        let change = |who: &str, resource: &str| Change {
            who: who.into(),
            action: "service.retire".into(),
            resources: vec![resource.into()],
        };
        let diff = PolicyDiff {
            from: "9f2c4e1a".into(),
            to: "1f00ab07".into(),
            added: vec!["monitors-stop-services".into()],
            removed: vec![],
            changed: vec![],
            gains: vec![change("role monitor", "service"), change("a_50", "service/credit-risk")],
            losses: vec![],
            groups: vec![ChangeGroup {
                who: vec!["role monitor".into(), "a_50".into()],
                gains: vec!["service.retire on service".into()],
                losses: vec![],
            }],
            warnings: vec!["role monitor could do everything that no policy forbids".into()],
        };
        let shell = || Shell::sample(Section::Approvals);
        let command = crate::api::policies::install_command("permit (principal, action, resource);");
        let said = |text: Option<&str>| super::asked::Said {
            comment: "c_1".into(),
            by: "a_50".into(),
            at: 1_795_380_849_000,
            text: text.map(Into::into),
        };
        let of = |votes, standing, can_vote, is_asker| Asked {
            id: "p_3f9ac2d1".into(),
            approval: approval(votes),
            standing,
            command: Some(command.clone()),
            text: Some("What it says.".into()),
            differences: vec![super::asked::Difference { member: "sha256".into(), from: None, to: Some("1f".into()) }],
            stale: false,
            policies: Some(diff.clone()),
            comments: vec![said(Some("Why is this needed?")), said(None)],
            can_vote,
            is_asker,
        };
        let names = || Names::sample(&[("a_50", "Ben Lindqvist"), ("a_91bc77", "Zoë Nguyễn")]);
        let lost =
            Asked { command: None, policies: None, differences: vec![], ..of(vec![], Standing::Expired, false, false) };
        [
            Self {
                shell: shell(),
                names: names(),
                asked: of(vec![cast(Vote::Approve, Some("a_3"))], Standing::Waiting, true, false),
            },
            Self {
                shell: shell(),
                names: names(),
                asked: of(vec![cast(Vote::Approve, None)], Standing::Approved, false, true),
            },
            Self { shell: shell(), names: Names::default(), asked: lost },
        ]
    }
}

/// `GET /approvals/{id}`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor, Path(id): Path<String>) -> Page {
    let asked = Asked::read(&app, &who, &id).await?;
    let names = Names::on_page(&app, &who, asked.actors(), &mut []).await;
    let shell = Shell::new(&app, &who, Section::Approvals).await?;
    page(&ApprovalPage { shell, names, asked })
}

/// What a button leads to.
type Back = Result<Redirect, PageError>;

fn back(id: &str) -> Redirect {
    // The identifier is known by now, so it is one of ours.
    Redirect::to(&format!("/approvals/{id}"))
}

/// What a form says.
#[derive(Deserialize)]
pub(crate) struct Said {
    vote: Vote,
}

/// `POST /approvals/{id}/vote`
pub(crate) async fn vote(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(id): Path<String>,
    Form(said): Form<Said>,
) -> Back {
    app.engine.vote(&who, &id, said.vote, None).await?;
    Ok(back(&id))
}

/// What a form says about a request.
#[derive(Deserialize)]
pub(crate) struct Comment {
    text: String,
}

/// `POST /approvals/{id}/comments`
pub(crate) async fn comment(
    State(app): State<Arc<App>>,
    Visitor(who): Visitor,
    Path(id): Path<String>,
    Form(comment): Form<Comment>,
) -> Back {
    app.engine.comment(&who, &id, &comment.text).await?;
    Ok(back(&id))
}

/// `POST /approvals/{id}/withdraw`
pub(crate) async fn withdraw(State(app): State<Arc<App>>, Visitor(who): Visitor, Path(id): Path<String>) -> Back {
    app.engine.withdraw_approval(&who, &id).await?;
    Ok(back(&id))
}

/// `POST /approvals/{id}/carry-out`
pub(crate) async fn carry_out(State(app): State<Arc<App>>, Visitor(who): Visitor, Path(id): Path<String>) -> Back {
    app.engine.carry_out(&who, &id).await?;
    Ok(back(&id))
}
