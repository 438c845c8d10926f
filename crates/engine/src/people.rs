//! People and what they may do: registering, asking for roles, approving, leaving.

use std::sync::Arc;

use domain::people::{
    AccountOwned, ActorKind, ActorLeft, ActorRegistered, EndReason, GrantEnded, GrantNamed, GrantRequested,
    OwnerReason, roles,
};
use domain::{Command, Refusal, RefusalCode};
use serde::Serialize;

use crate::authorize::ACTIONS;
use crate::{Engine, ExecuteError, Principal, identity};

/// A role as it is asked for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Who is to hold it.
    pub actor: String,
    /// The role.
    pub role: String,
    /// `org`, or `service/NAME`.
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
    /// Roles that would permit it here, if it is not permitted.
    pub would_suffice: Vec<&'static str>,
}

impl Engine {
    /// Whether an actor may do `action` on `resource` (`kind/name`) now, and why.
    ///
    /// # Errors
    /// A refusal when there is no such actor or action.
    pub fn explain(&self, actor: &str, action: &str, resource: &str) -> Result<Explanation, Refusal> {
        Self::known_action(action)?;
        let missing = || Refusal::new(RefusalCode::NotFound, format!("there is no actor `{actor}`"));
        let who = self.read(|state| {
            state.actors.contains_key(actor).then(|| Principal::of(state, actor, Self::now_ms())).ok_or_else(missing)
        })?;
        let decided = self.authorize(&who, action, resource);
        let permitted = decided.is_ok();
        let policies = decided.map_or_else(|refusal| refusal.policies, |permit| permit.policies().to_vec());
        let suffices = |role: &&'static str| {
            let roles = vec![((*role).to_owned(), roles::ORG.to_owned())];
            let alone = Principal { actor: actor.to_owned(), roles, ..Principal::default() };
            self.authorize(&alone, action, resource).is_ok()
        };
        let names = roles::ROLES.iter().map(|role| role.name);
        let would_suffice = if permitted { vec![] } else { names.filter(suffices).collect() };
        let (action, resource) = (action.to_owned(), resource.to_owned());
        Ok(Explanation { who: who.actor, action, resource, permitted, policies, roles: who.roles, would_suffice })
    }

    /// The actors who may do `action` on `resource` now, sorted.
    ///
    /// # Errors
    /// A refusal when there is no such action.
    pub fn who_can(&self, action: &str, resource: &str) -> Result<Vec<String>, Refusal> {
        Self::known_action(action)?;
        let now = Self::now_ms();
        let everybody: Vec<Principal> =
            self.read(|state| state.actors.keys().map(|actor| Principal::of(state, actor, now)).collect());
        let able = everybody.into_iter().filter(|who| self.authorize(who, action, resource).is_ok());
        Ok(able.map(|who| who.actor).collect())
    }

    fn known_action(action: &str) -> Result<(), Refusal> {
        match Command::NAMES.contains(&action) || ACTIONS.contains(&action) {
            true => Ok(()),
            false => {
                let message = format!("`{action}` is no action; the schema of the policies lists them");
                Err(Refusal::new(RefusalCode::NotFound, message))
            }
        }
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
