//! What somebody needs to see before they vote: what exactly is asked, how it differs from what is, and who said what.

use std::sync::Arc;

use domain::people::Approval;
use domain::people::approvals::Standing;
use domain::{Command, State};
use engine::{PolicyDiff, Principal};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::documents::as_text;
use crate::App;
use crate::failure::Failure;
use crate::ui::{Instant, clock};

/// A member of a declaration that would read otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    pub member: String,
    pub from: Option<String>,
    pub to: Option<String>,
}

impl Difference {
    /// As the page shows it now, and then: moments as dates.
    pub(crate) fn sides(&self) -> [Option<String>; 2] {
        let is_time = self.member.ends_with("_at") || self.member == "review_due";
        [&self.from, &self.to].map(|side| {
            let text = side.as_ref()?;
            let moment = text.parse().ok().filter(|_| is_time).map(|ms| format!("{} UTC", Instant(ms).plain()));
            Some(moment.unwrap_or_else(|| text.clone()))
        })
    }
}

/// A request with its context.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub id: String,
    pub approval: Approval,
    pub standing: Standing,
    /// What is to be done; `None` when it is not in the object store any more.
    pub command: Option<Command>,
    /// How what it declares differs from what is now, or once the request is over, from what was when it was asked for.
    pub differences: Vec<Difference>,
    /// Whether it is open, and can lead to nothing: what it would change has changed since.
    pub stale: bool,
    /// What a document or a contract says that is to be published, when that is a text.
    pub text: Option<String>,
    /// What other policies would change for whom.
    pub policies: Option<PolicyDiff>,
    pub comments: Vec<Said>,
    pub can_vote: bool,
    pub is_asker: bool,
}

/// What somebody said about a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Said {
    pub comment: String,
    pub by: String,
    pub at: i64,
    /// `None` when whoever said it was forgotten.
    pub text: Option<String>,
}

impl Asked {
    /// A request as `who` sees it.
    pub(crate) async fn read(app: &Arc<App>, who: &Principal, id: &str) -> Result<Self, Failure> {
        let now = clock();
        let approval = app.engine.approval(id)?;
        let can_vote = app.engine.read(|state| state.can_vote(&approval, &who.actor, now));
        let is_asker = approval.requested_by == who.actor;
        // Whoever has a part in it may see it, whatever their roles: a vote can be handed to anybody.
        if !can_vote && !is_asker && !approval.voted(&who.actor) {
            app.may_read(who, "approvals")?;
        }
        let command = app.engine.asked_command(id).await.ok();
        let standing = approval.standing(now);
        let stale = standing.is_open() && app.engine.read(|state| state.is_stale(&approval));
        let policies = match &command {
            Some(Command::InstallPolicies(body)) if standing.is_open() => {
                Some(app.engine.policy_diff(&body.text).await?)
            }
            _ => None,
        };
        let text = match &command {
            Some(Command::PublishDocument(body)) => {
                app.engine.document_bytes(&body.sha256).await.ok().and_then(as_text)
            }
            Some(Command::PublishContract(body)) => Some(body.text.clone()),
            _ => None,
        };
        let before = match &command {
            Some(command) if standing.is_open() => app.engine.read(|state| before(state, command)),
            Some(command) => before(&app.engine.when_asked(id, command).await?, command),
            None => Value::Null,
        };
        let differences = command.as_ref().map(|command| differences(&before, &after(command)));
        let mut comments = Vec::with_capacity(approval.comments.len());
        for comment in &approval.comments {
            let text = app.engine.comment_text(comment).await?;
            comments.push(Said { comment: comment.comment.clone(), by: comment.by.clone(), at: comment.at, text });
        }
        let (id, differences) = (id.to_owned(), differences.unwrap_or_default());
        Ok(Self { id, approval, standing, command, differences, stale, text, policies, comments, can_vote, is_asker })
    }

    /// Whom it names: who asked, trained, voted, commented, carried it out, and gains or loses something by it.
    pub(crate) fn actors(&self) -> Vec<String> {
        let approval = &self.approval;
        let mut actors = vec![approval.requested_by.clone()];
        actors.extend(approval.requested.trained_by.iter().cloned());
        actors.extend(
            approval.votes.iter().flat_map(|cast| [Some(cast.by.clone()), cast.on_behalf_of.clone()]).flatten(),
        );
        actors.extend(approval.consumed.iter().map(|(by, _)| by.clone()));
        actors.extend(self.comments.iter().map(|said| said.by.clone()));
        let changes = self.policies.iter().flat_map(|diff| diff.gains.iter().chain(&diff.losses));
        actors.extend(changes.map(|change| change.who.clone()));
        actors
    }

    /// As the API answers it.
    pub(crate) fn json(&self) -> Value {
        let differences = self.command.as_ref().map(|_| &self.differences);
        json!({
            "approval": self.id, "standing": self.standing, "asked": self.approval.requested,
            "requested_by": self.approval.requested_by, "requested_at": self.approval.requested_at,
            "votes": self.approval.votes, "used": self.approval.consumed, "command": self.command,
            "differences": differences, "stale": self.stale, "text": self.text, "policies": self.policies, "comments": self.comments,
            "can_vote": self.can_vote, "is_asker": self.is_asker,
        })
    }
}

/// The declaration that a command would replace.
fn before(state: &State, command: &Command) -> Value {
    let declared = match command {
        Command::DeclareService(body) => state.services.get(&body.service).map(|spec| json!(spec)),
        Command::DeclareProvider(body) => state.providers.get(&body.provider).map(|spec| json!(spec)),
        Command::RegisterService(body) => state.registrations.get(&body.service).map(|known| json!(known)),
        Command::PublishDocument(body) => state.documents.get(&body.document).map(|known| json!(known.published)),
        Command::PublishContract(body) => state.contracts.get(&body.contract).map(|known| json!(known.published)),
        Command::InstallPolicies(_) => state.policies.as_ref().map(|known| json!({"sha256": known.sha256})),
        Command::DeclareDetector(body) => {
            let known = state.detectors.known.get(&body.detector).filter(|known| known.retired_at.is_none());
            known.map(|known| json!({"detector": body.detector, "spec": known.spec}))
        }
        Command::RuleResidency(body) => {
            let known = state.residency.rules.get(&body.class);
            known.map(|known| json!({"class": body.class, "rule": known.rule}))
        }
        Command::DeclareRegions(_) => Some(json!({"regions": state.residency.regions})),
        Command::ScopeControls(_) => Some(json!({"controls": state.controls.keys().collect::<Vec<_>>()})),
        Command::ConfigureApprovals(_) => Some(json!({"rules": state.approval_rules()})),
        _ => None,
    };
    declared.unwrap_or_default()
}

/// The declaration that it would make.
fn after(command: &Command) -> Value {
    match command {
        Command::DeclareService(body) => json!(body.spec),
        Command::DeclareProvider(body) => json!(body.spec),
        Command::InstallPolicies(body) => json!({"sha256": body.sha256}),
        Command::ScopeControls(body) => {
            json!({"controls": body.controls.iter().map(|scoped| &scoped.control).collect::<Vec<_>>()})
        }
        other => json!(other).get("body").cloned().unwrap_or_default(),
    }
}

fn differences(from: &Value, to: &Value) -> Vec<Difference> {
    let none = Map::new();
    let (from, to) = (from.as_object().unwrap_or(&none), to.as_object().unwrap_or(&none));
    let members: std::collections::BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let differing = members.into_iter().filter(|member| from.get(*member) != to.get(*member));
    let shown = |value: Option<&Value>| {
        value.filter(|value| !value.is_null()).map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    };
    differing
        .map(|member| Difference { member: member.clone(), from: shown(from.get(member)), to: shown(to.get(member)) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_members_that_differ_are_shown_and_what_is_not_there_is_nothing() {
        let found = differences(
            &json!({"owner": "a", "region": null, "routes": [1], "purpose": "p"}),
            &json!({"owner": "b", "routes": [1, 2], "purpose": "p", "oversight": "human"}),
        );
        let members: Vec<&str> = found.iter().map(|difference| difference.member.as_str()).collect();
        assert_eq!(members, ["oversight", "owner", "region", "routes"]);
        assert_eq!((found[0].from.as_deref(), found[0].to.as_deref()), (None, Some("human")));
        assert_eq!((found[1].from.as_deref(), found[1].to.as_deref()), (Some("a"), Some("b")));
        assert_eq!(found[3].to.as_deref(), Some("[1,2]"));
    }

    #[test]
    fn moments_are_shown_as_dates_and_other_numbers_as_they_are() {
        let sides =
            |member: &str| Difference { member: member.into(), from: None, to: Some("1795380849000".into()) }.sides();
        assert_eq!(sides("review_due"), [None, Some("2026-11-22 20:54:09 UTC".to_owned())]);
        assert_eq!(sides("bytes"), [None, Some("1795380849000".to_owned())]);
    }
}
