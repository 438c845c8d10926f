//! People and what they may do: registering, asking for roles, approving, leaving.

use std::sync::Arc;

use domain::people::{
    AccountOwned, ActorKind, ActorLeft, ActorRegistered, ApprovalRule, EndReason, GrantEnded, GrantNamed,
    GrantRequested, OwnerReason, roles,
};
use domain::{Command, Refusal, RefusalCode, State};
use serde::Serialize;

use crate::authorize::ACTIONS;
use crate::{Engine, ExecuteError, Principal, identity, policies};

/// A role as it is asked for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Who is to hold it.
    pub actor: String,
    /// The role.
    pub role: String,
    /// `org`, `service/NAME`, `environment/NAME`, or `dataset/NAME`.
    pub scope: String,
    /// Milliseconds since the epoch at which it ends by itself.
    pub ends_at: i64,
    /// Where the reason is written down.
    pub reference: String,
}

/// Why something is permitted or not.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// Of whom it was asked.
    pub who: String,
    /// What they would do.
    pub action: String,
    /// On what.
    pub resource: String,
    /// Whether they may, by policies and roles; rules that look at the thing itself come after.
    pub permitted: bool,
    /// The policies that decided; none when nothing permits it.
    pub policies: Vec<String>,
    /// The roles they hold now, each with its scope.
    pub roles: Vec<(String, String)>,
    /// SHA-256 of the text of the policies in force.
    pub policy_version: String,
    /// Roles that would permit it here, if it is not permitted.
    pub would_suffice: Vec<String>,
    /// What would have to change, or must come besides.
    pub would: Vec<Would>,
}

/// What would have to change for something to be possible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Would {
    /// This role would have to be granted.
    Grant {
        /// Which.
        role: String,
        /// The rule that keeps them from it while they hold what they do.
        kept_apart_by: Option<&'static str>,
    },
    /// This policy forbids it, whatever their roles: it would have to change.
    Policy {
        /// Which.
        policy: String,
    },
    /// Others must approve it first.
    Approval {
        /// How many.
        quorum: u64,
        /// Holders of which role.
        role: String,
    },
}

/// What people call some actions.
const ALIASES: [(&str, &str); 8] = [
    ("deploy", "service.declare"),
    ("retire", "service.retire"),
    ("train", "model.register"),
    ("register", "model.register"),
    ("grant", "grant.approve"),
    ("vote", "approval.vote"),
    ("change-policies", "policies.install"),
    ("query", "sql"),
];

/// The action that somebody means.
fn meant(action: &str) -> Result<&str, Refusal> {
    let action = ALIASES.iter().find(|(alias, _)| *alias == action).map_or(action, |(_, name)| *name);
    match Command::NAMES.contains(&action) || ACTIONS.contains(&action) {
        true => Ok(action),
        false => {
            let aliases: Vec<&str> = ALIASES.iter().map(|(alias, _)| *alias).collect();
            let message = format!(
                "`{action}` is no action: the schema of the policies lists them, such as service.declare; short words are {}",
                aliases.join(", ")
            );
            Err(Refusal::new(RefusalCode::NotFound, message))
        }
    }
}

/// Whether there is such a thing to ask about. A service that is not declared yet can only be declared.
fn asked_about(state: &State, action: &str, resource: &str) -> Result<(), Refusal> {
    if !policies::is_thing(resource) {
        let message = format!(
            "`{resource}` is nothing to ask about: name a thing as KIND/NAME, such as service/credit-risk, or all of a \
             kind as KIND alone; kinds are {}",
            policies::all_kinds()
        );
        return Err(Refusal::new(RefusalCode::Invalid, message));
    }
    match resource.strip_prefix("service/") {
        Some(name) if action != "service.declare" && !state.services.contains_key(name) => {
            let message = format!(
                "there is no service `{name}`, so only `service.declare` can be asked about it: \
                 `counterfoil apply -f org.toml` declares services"
            );
            Err(Refusal::new(RefusalCode::NotFound, message))
        }
        _ => Ok(()),
    }
}

/// The approval that an action needs, as far as that can be said without what exactly is to be done.
fn approval_for(state: &State, action: &str, resource: &str) -> Option<ApprovalRule> {
    let rule = state.approval_rules().into_iter().find(|rule| rule.command == action)?;
    let service = resource.strip_prefix("service/").and_then(|name| state.services.get(name));
    match (rule.risk_tier, service) {
        (Some(least), Some(spec)) => spec.risk_tier.reaches(least).then_some(rule),
        _ => Some(rule),
    }
}

impl Engine {
    /// Whether an actor may do `action` on `resource` (`kind/name`) now, and why.
    ///
    /// # Errors
    /// A refusal when there is no such actor, action or thing.
    pub fn explain(&self, actor: &str, action: &str, resource: &str) -> Result<Explanation, Refusal> {
        let action = meant(action)?;
        let missing = || Refusal::new(RefusalCode::NotFound, format!("there is no actor `{actor}`"));
        let (who, approval, names) = self.read(|state| {
            let known = state.actors.contains_key(actor).then(|| Principal::of(state, actor, Self::now_ms()));
            let names = roles::ROLES.iter().map(|role| role.name.to_owned()).chain(state.custom_roles.keys().cloned());
            let names: Vec<String> = names.collect();
            let who = known.ok_or_else(missing)?;
            asked_about(state, action, resource)?;
            Ok::<_, Refusal>((who, approval_for(state, action, resource), names))
        })?;
        let policies_in_force = self.policies();
        let environment = self.environment_of(resource);
        let decided = policies_in_force.decide_in(&who, action, resource, environment.as_deref());
        let permitted = decided.is_ok();
        let policies = decided.map_or_else(|refusal| refusal.policies, |permit| permit.policies().to_vec());
        let suffices = |role: &String| {
            let roles = vec![(role.clone(), roles::ORG.to_owned())];
            let alone = Principal { actor: actor.to_owned(), roles, ..Principal::default() };
            policies_in_force.decide(&alone, action, resource).is_ok()
        };
        let would_suffice: Vec<String> = if permitted { vec![] } else { names.into_iter().filter(suffices).collect() };
        let kept_apart_by = |role: &str| {
            self.read(|state| {
                let mut rules = who.roles.iter().filter_map(|(held, _)| state.conflict_between(held, role));
                rules.next().map(|rule| rule.rule)
            })
        };
        let granted = |role: &String| Would::Grant { role: role.clone(), kept_apart_by: kept_apart_by(role) };
        let grants: Vec<Would> = would_suffice.iter().map(granted).collect();
        let forbidden = policies.iter().filter(|_| !permitted).map(|policy| Would::Policy { policy: policy.clone() });
        let approval = approval.map(|rule| Would::Approval { quorum: rule.quorum, role: rule.role });
        let would = grants.into_iter().chain(forbidden).chain(approval).collect();
        let policy_version = policies_in_force.version().to_owned();
        let (action, resource) = (action.to_owned(), resource.to_owned());
        Ok(Explanation {
            who: who.actor,
            action,
            resource,
            permitted,
            policies,
            roles: who.roles,
            policy_version,
            would_suffice,
            would,
        })
    }

    /// The actors who may do `action` on `resource` now, sorted, and the action that was meant.
    ///
    /// # Errors
    /// A refusal when there is no such action or thing.
    pub fn who_can(&self, action: &str, resource: &str) -> Result<(String, Vec<String>), Refusal> {
        let action = meant(action)?;
        let everybody = self.read(|state| {
            asked_about(state, action, resource)?;
            Ok::<_, Refusal>(Principal::all(state, Self::now_ms()))
        })?;
        let (policies, environment) = (self.policies(), self.environment_of(resource));
        let may = |who: &Principal| policies.decide_in(who, action, resource, environment.as_deref()).is_ok();
        let able = everybody.into_iter().filter(may);
        Ok((action.to_owned(), able.map(|who| who.actor).collect()))
    }

    /// The approval that an action needs besides, if it needs one.
    pub fn approval_needed(&self, action: &str, resource: &str) -> Option<Would> {
        let rule = self.read(|state| approval_for(state, action, resource))?;
        Some(Would::Approval { quorum: rule.quorum, role: rule.role })
    }

    /// Every action that can be asked about, sorted.
    pub fn actions() -> Vec<&'static str> {
        let mut all: Vec<&'static str> = Command::NAMES.iter().chain(&ACTIONS).copied().collect();
        all.sort_unstable();
        all
    }

    /// Registers a person or a program, without any role; returns the pseudonym.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn register_actor(self: &Arc<Self>, who: &Principal, kind: ActorKind) -> Result<String, ExecuteError> {
        let actor = identity::identifier("a_");
        let registered = ActorRegistered { actor: actor.clone(), kind, roles: vec![] };
        self.execute(who, Command::RegisterActor(registered)).await?;
        Ok(actor)
    }

    /// Names the person who answers for a service account.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn own_account(self: &Arc<Self>, who: &Principal, actor: &str, owner: &str) -> Result<(), ExecuteError> {
        let (actor, owner) = (actor.to_owned(), owner.to_owned());
        let owned = AccountOwned { actor, owner, reason: OwnerReason::Named };
        self.execute(who, Command::OwnAccount(owned)).await.map(drop)
    }

    /// Notes that somebody left, which ends their sessions, keys and grants at once.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn leave(self: &Arc<Self>, who: &Principal, actor: &str) -> Result<(), ExecuteError> {
        self.execute(who, Command::Leave(ActorLeft { actor: actor.to_owned() })).await.map(drop)
    }

    /// Asks for a role; returns the grant's identifier. It holds once somebody else approved it.
    ///
    /// # Errors
    /// As [`Engine::execute`]; a refusal names the rule that keeps roles apart.
    pub async fn request_grant(self: &Arc<Self>, who: &Principal, wish: Wish) -> Result<String, ExecuteError> {
        let grant = identity::identifier("g_");
        let Wish { actor, role, scope, ends_at, reference } = wish;
        let requested = GrantRequested { grant: grant.clone(), actor, role, scope, ends_at, reference };
        self.execute(who, Command::RequestGrant(requested)).await?;
        Ok(grant)
    }

    /// Approves a role that was asked for.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn approve_grant(self: &Arc<Self>, who: &Principal, grant: &str) -> Result<(), ExecuteError> {
        self.execute(who, Command::ApproveGrant(GrantNamed { grant: grant.to_owned() })).await.map(drop)
    }

    /// Declines, withdraws or revokes a grant.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn end_grant(
        self: &Arc<Self>,
        who: &Principal,
        grant: &str,
        reason: EndReason,
    ) -> Result<(), ExecuteError> {
        let ended = GrantEnded { grant: grant.to_owned(), reason };
        self.execute(who, Command::EndGrant(ended)).await.map(drop)
    }
}
