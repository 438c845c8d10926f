//! Why somebody may do something or not, what would have to change, and who may: what the API's `authz` answers, with
//! names.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query as Asked, State};
use domain::people::ActorKind;
use engine::{Engine, Explanation, Principal, Would};
use serde::{Deserialize, Serialize};

use super::names::Names;
use crate::App;
use crate::auth::Visitor;
use crate::failure::Failure;
use crate::ui::{Cell, Column, Empty, Page, Section, Shell, Table, page};

/// Who may do something, and which approval it needs besides.
pub(crate) struct Able {
    pub action: String,
    pub resource: String,
    pub approval: Option<Would>,
    pub holders: Vec<Holder>,
}

/// Somebody who may.
#[derive(Serialize)]
pub(crate) struct Holder {
    pub actor: String,
    /// What they are called, for whoever may know it.
    pub name: Option<String>,
    /// The roles that they hold, each with its scope.
    pub roles: Vec<(String, String)>,
}

impl Able {
    /// Asks the policies in force for `who`.
    ///
    /// # Errors
    /// When there is no such action or thing, or a name cannot be read.
    pub(crate) async fn ask(app: &App, who: &Principal, action: &str, resource: &str) -> Result<Self, Failure> {
        let (action, able) = app.engine.who_can(action, resource)?;
        let names = Names::of(app, who, &able).await?;
        let now = Engine::now_ms();
        let holder = |state: &domain::State, actor: String| {
            let held = state.roles_of(&actor, now).map(|(role, scope)| (role.to_owned(), scope.to_owned()));
            Holder { name: names.name(&actor).map(str::to_owned), roles: held.collect(), actor }
        };
        let holders = app.engine.read(|state| able.into_iter().map(|actor| holder(state, actor)).collect());
        let approval = app.engine.approval_needed(&action, resource);
        Ok(Self { action, resource: resource.to_owned(), approval, holders })
    }
}

/// What is asked, as the address has it; without `who`, who may.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Question {
    who: String,
    action: String,
    resource: String,
}

/// The page.
#[derive(Template)]
#[template(path = "people/why.html")]
pub(crate) struct WhyPage {
    shell: Shell,
    question: Question,
    /// Who may be asked about: pseudonym, and as they are shown.
    actors: Vec<(String, String)>,
    actions: Vec<&'static str>,
    services: Vec<String>,
    /// What is wrong with the question.
    wrong: Option<String>,
    answer: Option<Answer>,
    /// Who may.
    able: Option<Table>,
    /// The approval that is needed besides, in words.
    needs: Option<String>,
}

/// The answer about one actor, in words.
struct Answer {
    shown: String,
    action: String,
    resource: String,
    permitted: bool,
    roles: Vec<String>,
    policies: Vec<String>,
    version: String,
    would: Vec<String>,
}

impl Answer {
    fn of(found: Explanation, names: &Names) -> Self {
        Self {
            shown: names.shown(&found.who),
            action: found.action,
            resource: found.resource,
            permitted: found.permitted,
            roles: found.roles.iter().map(|(role, scope)| format!("{role} in {scope}")).collect(),
            policies: found.policies,
            version: found.policy_version.chars().take(12).collect(),
            would: found.would.iter().map(in_words).collect(),
        }
    }
}

/// What would have to change, in words.
fn in_words(would: &Would) -> String {
    match would {
        Would::Grant { role, kept_apart_by: None } => format!("granting them `{role}` would permit it"),
        Would::Grant { role, kept_apart_by: Some(rule) } => {
            format!("`{role}` would permit it, but rule `{rule}` keeps it from a role that they hold")
        }
        Would::Policy { policy } => format!("policy `{policy}` forbids it and would have to change"),
        Would::Approval { quorum, role } => format!("an approval must come first: {quorum} by holders of `{role}`"),
    }
}

fn holders(able: &Able) -> Table {
    let empty = Empty::new("Nobody may", "Ask about one person above: the answer says what would have to change.");
    let mut table = Table::new("Who may", ["who", "roles"].map(Column::text).into(), empty);
    let row = |holder: &Holder| {
        let roles: Vec<String> = holder.roles.iter().map(|(role, scope)| format!("{role} in {scope}")).collect();
        let actor = crate::ui::Actor { id: holder.actor.clone(), name: holder.name.clone() };
        vec![Cell::Actor(actor), Cell::Wide(roles.join(", "))]
    };
    table.rows = able.holders.iter().map(row).collect();
    table
}

impl WhyPage {
    fn new(shell: Shell, question: Question, actors: Vec<(String, String)>, services: Vec<String>) -> Self {
        let actions = Engine::actions();
        Self { shell, question, actors, actions, services, wrong: None, answer: None, able: None, needs: None }
    }

    #[cfg(test)]
    pub(crate) fn samples() -> [Self; 3] {
        let actors =
            || vec![("a_91bc77".to_owned(), "Zoë Nguyễn (a_91bc77)".to_owned()), ("a_50".into(), "a_50".into())];
        let new = |question| Self::new(Shell::sample(Section::Why), question, actors(), vec!["credit-risk".to_owned()]);
        let question = Question {
            who: "a_91bc77".into(),
            action: "service.declare".into(),
            resource: "service/credit-risk".into(),
        };
        let approval = || Would::Approval { quorum: 2, role: "model_approver".into() };
        let explained = Explanation {
            who: "a_91bc77".into(),
            action: question.action.clone(),
            resource: question.resource.clone(),
            permitted: false,
            policies: vec!["approval-required".into()],
            roles: vec![("model_trainer".into(), "org".into())],
            policy_version: "9f2c4e1ab07d6635".into(),
            would_suffice: vec!["deployer".into()],
            would: vec![
                Would::Grant { role: "deployer".into(), kept_apart_by: Some("train-not-deploy") },
                Would::Grant { role: "admin".into(), kept_apart_by: None },
                Would::Policy { policy: "approval-required".into() },
                approval(),
            ],
        };
        let roles = vec![("deployer".to_owned(), "service/credit-risk".to_owned())];
        let able = Able {
            action: question.action.clone(),
            resource: question.resource.clone(),
            approval: Some(approval()),
            holders: vec![Holder { actor: "a_50".into(), name: Some("Ben Lindqvist".into()), roles }],
        };
        let names = Names::sample(&[("a_91bc77", "Zoë Nguyễn")]);
        let mut full = new(question);
        full.answer = Some(Answer::of(explained, &names));
        full.able = Some(holders(&able));
        full.needs = able.approval.as_ref().map(in_words);
        let mut wrong = new(Question { resource: "foo/zzz".into(), ..Question::default() });
        wrong.wrong = Some("`foo/zzz` is nothing to ask about".into());
        [full, wrong, new(Question::default())]
    }
}

/// `GET /authz`
pub(crate) async fn show(State(app): State<Arc<App>>, Visitor(who): Visitor, Asked(question): Asked<Question>) -> Page {
    // Whoever is refused something is told to ask this: of themselves everybody may, and sees nobody else.
    let own = question.who == who.actor;
    if !own {
        app.may_read(&who, "state")?;
    }
    let all = !own || app.is_shown(&who, "read", "state");
    let (here, services) = app.engine.read(|state| {
        if !all {
            return (vec![who.actor.clone()], vec![]);
        }
        let actors = state.actors.values().filter(|actor| actor.kind != ActorKind::System);
        let here: Vec<String> = actors.map(|actor| actor.actor.clone()).collect();
        (here, state.services.keys().cloned().collect())
    });
    let names = Names::on_page(&app, &who, here.clone(), &mut []).await;
    let mut actors: Vec<(String, String)> =
        here.into_iter().map(|actor| (actor.clone(), names.shown(&actor))).collect();
    actors.sort_by_cached_key(|(_, shown)| shown.to_lowercase());
    let shell = Shell::new(&app, &who, Section::Why).await?;
    let mut shown = WhyPage::new(shell, question.clone(), actors, services);
    let Question { who: whom, action, resource } = question;
    let resource = resource.trim();
    if action.is_empty() || resource.is_empty() {
        return page(&shown);
    }
    if all {
        match Able::ask(&app, &who, &action, resource).await {
            Err(failure) => shown.wrong = Some(failure.message),
            Ok(able) => {
                // The form offers actions by their names, and a short word may have been asked about.
                shown.question.action.clone_from(&able.action);
                shown.needs = able.approval.as_ref().map(in_words);
                shown.able = Some(holders(&able));
            }
        }
    }
    if !whom.is_empty() && shown.wrong.is_none() {
        match app.engine.explain(&whom, &action, resource) {
            Err(refusal) => shown.wrong = Some(refusal.message),
            Ok(found) => {
                shown.question.action.clone_from(&found.action);
                shown.answer = Some(Answer::of(found, &names));
            }
        }
    }
    page(&shown)
}
