//! Groups: their names sealed, their members pseudonyms, and what a sign-in says of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::Command;
use domain::people::{GroupMapped, GroupNamed, IdentitySource, MappedRole, ProvisionGroup};
use serde::{Deserialize, Serialize};

use super::names;
use crate::execute::Ask;
use crate::{Engine, ExecuteError, Principal, identity};

/// What a group is called. It is sealed: the name of a group can say much about who is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GroupNote {
    /// What people call it.
    pub display_name: String,
    /// The directory's own key for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// When it was made, in milliseconds since the epoch.
    pub created_at: i64,
    /// When what it is called last changed.
    pub changed_at: i64,
}

/// A group as somebody wants it.
#[derive(Clone, Debug)]
pub struct GroupWish {
    /// Which; none for a new one.
    pub group: Option<String>,
    /// What it is called; without it that stays as it is.
    pub note: Option<GroupNote>,
    /// Who says who is in it.
    pub source: IdentitySource,
    /// Who joins.
    pub add: BTreeSet<String>,
    /// Who goes.
    pub remove: BTreeSet<String>,
    /// A stream and the version that the asker saw: if it moved on, nothing changes.
    pub expect: Option<(String, u64)>,
}

fn identifier(folded: &str) -> String {
    format!("group\n{folded}")
}

impl Engine {
    /// Makes a group, calls it something else, or changes who is in it, in one step. Returns its identifier.
    ///
    /// # Errors
    /// As [`Engine::execute`]; a refusal with code `exists` when another group has the name.
    pub async fn provision_group(self: &Arc<Self>, who: &Principal, wish: GroupWish) -> Result<String, ExecuteError> {
        let group = wish.group.unwrap_or_else(|| identity::identifier("gr_"));
        let before = self.read(|state| state.groups.get(&group).map(|known| known.sealed_sha256.clone()));
        let (mut described, mut kept) = (None, None);
        let known = self.group_note(&group).await?.unwrap_or_default();
        let times =
            |note: &GroupNote| GroupNote { created_at: known.created_at, changed_at: known.changed_at, ..note.clone() };
        if let Some(mut note) = wish.note.as_ref().map(times).filter(|note| *note != known) {
            note.changed_at = Self::now_ms();
            note.created_at = if known.created_at == 0 { note.changed_at } else { known.created_at };
            let mut known_by = vec![identifier(&names::group_name(&note.display_name)?)];
            if let Some(id) = &note.external_id {
                known_by.push(identifier(&names::group_name(id)?));
            }
            let text = serde_json::to_vec(&note).map_err(|e| ExecuteError::Internal(e.to_string()))?;
            let sealed = self.keep_note(&group, "group", text).await?;
            kept = Some(sealed.clone());
            described = Some((self.references(&known_by).await?, sealed));
        }
        let (source, add, remove) = (wish.source, wish.add, wish.remove);
        let body = ProvisionGroup { group: group.clone(), described, source, add, remove };
        let ask = Ask { command: Command::ProvisionGroup(body), idempotency: None, expect: wish.expect };
        let done = self.execute(who, ask).await;
        self.tidy(kept, before, done.is_ok()).await;
        done.map(|_| group)
    }

    /// Deletes a group: what its members hold by it ends at once.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn delete_group(
        self: &Arc<Self>,
        who: &Principal,
        group: &str,
        expect: Option<(String, u64)>,
    ) -> Result<(), ExecuteError> {
        let sealed = self.read(|state| state.groups.get(group).map(|known| known.sealed_sha256.clone()));
        let command = Command::DeleteGroup(GroupNamed { group: group.to_owned() });
        self.execute(who, Ask { command, idempotency: None, expect }).await?;
        if let Some(sha256) = sealed {
            self.drop_note(sha256).await;
        }
        Ok(())
    }

    /// What a group is called; `None` when there is no such group, or its name was forgotten.
    ///
    /// # Errors
    /// As [`Engine::note`].
    pub async fn group_note(self: &Arc<Self>, group: &str) -> Result<Option<GroupNote>, ExecuteError> {
        let sealed = self.read(|state| state.groups.get(group).map(|known| known.sealed_sha256.clone()));
        let Some(sha256) = sealed else { return Ok(None) };
        let Some(text) = self.note(group, "group", sha256).await? else { return Ok(None) };
        let note = serde_json::from_slice(&text);
        note.map(Some).map_err(|e| ExecuteError::Internal(format!("the name of group `{group}` cannot be read: {e}")))
    }

    /// The group with this name, or with this key at the directory. Upper and lower case are one.
    ///
    /// # Errors
    /// [`ExecuteError::Unavailable`] when the key store cannot be read.
    pub async fn find_group(self: &Arc<Self>, name: &str) -> Result<Option<String>, ExecuteError> {
        let Ok(folded) = names::group_name(name) else { return Ok(None) };
        let reference = self.known_name_reference(IdentitySource::Scim, &identifier(&folded)).await?;
        Ok(reference.and_then(|reference| self.read(|state| state.group_by_name(&reference).map(str::to_owned))))
    }

    /// Says which roles being in a group asks for, each for `days`. Somebody else must approve that, or each grant.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn map_group(
        self: &Arc<Self>,
        who: &Principal,
        group: &str,
        roles: Vec<MappedRole>,
        days: u16,
    ) -> Result<(), ExecuteError> {
        let mapped = GroupMapped { group: group.to_owned(), roles, days };
        self.execute(who, Command::MapGroup(mapped)).await.map(drop)
    }

    /// Approves which roles being in a group asks for, and what waits by it.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn approve_group_map(self: &Arc<Self>, who: &Principal, group: &str) -> Result<(), ExecuteError> {
        self.execute(who, Command::ApproveGroupMap(GroupNamed { group: group.to_owned() })).await.map(drop)
    }

    /// Takes over which groups somebody is in, as the provider says that they sign in with: groups that are known here,
    /// by name or by the directory's key. What it said before and says no more ends. Other groups are left alone, and
    /// so is what a directory says.
    ///
    /// # Errors
    /// As [`Engine::execute`].
    pub async fn follow_claims(self: &Arc<Self>, actor: &str, claims: &[&str]) -> Result<(), ExecuteError> {
        let mut named = BTreeSet::new();
        for claim in claims {
            named.extend(self.find_group(claim).await?);
        }
        let source = IdentitySource::Oidc;
        let said: BTreeSet<String> = self.read(|state| {
            let said = state.groups_of(actor).filter(|(_, group)| group.members[actor].contains(&source));
            said.map(|(id, _)| id.to_owned()).collect()
        });
        let who = BTreeSet::from([actor.to_owned()]);
        let wish = |group: &String| GroupWish {
            group: Some(group.clone()),
            note: None,
            source,
            add: BTreeSet::new(),
            remove: BTreeSet::new(),
            expect: None,
        };
        // Going comes first: a mover's old role may be kept apart from the new one.
        for group in said.difference(&named) {
            self.provision_group(self.system(), GroupWish { remove: who.clone(), ..wish(group) }).await?;
        }
        // Being said again to be in a group renews what ended by itself.
        for group in &named {
            self.provision_group(self.system(), GroupWish { add: who.clone(), ..wish(group) }).await?;
        }
        Ok(())
    }
}
