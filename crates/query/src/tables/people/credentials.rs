//! `credentials`: what opens something here, for whom, and since when it was last used.

use std::collections::BTreeMap;

use domain::people::{ActorKind, Key, KeyScope};
use domain::{Event, State};

use super::passkeys::Passkeys;
use super::present::Present;
use crate::fold::{Leaf, Moment};
use crate::table::{Cell, Column, Origin, Rows, Table, boolean, ms, text, time};

#[derive(Clone)]
struct Row {
    origin: Origin,
    key: Key,
}

#[derive(Clone, Default)]
pub(crate) struct Credentials {
    keys: BTreeMap<String, Row>,
    passkeys: Passkeys,
    people: Present,
}

impl Table for Credentials {
    const ROOM: &'static str = "people";
    const NAME: &'static str = "credentials";
    const DOC: &'static str = "Keys of applications, programs and people, and passkeys. Sessions are in `sessions`, with what \
        opened each; sign-in links live minutes and are in `events` only.";
    const COLUMNS: &'static [Column] = &[
        text("credential_id", "Public identifier of the key or passkey"),
        text("principal_id", "The actor that it signs in, or the service account it belongs to; NULL when it has none"),
        text(
            "service_id",
            "The services whose inference calls it opens, by commas; NULL for a key of the management API",
        ),
        text(
            "kind",
            "`human` for a passkey or a key of a person, `workload` for one that a proof was exchanged for, else `api_key`",
        ),
        boolean(
            "privileged",
            "Whether it signs in somebody who holds a privileged role, or answers for a program that does, at the ledger's \
             newest entry; for another time see `role_grants` and `emergencies`",
        ),
        boolean(
            "mfa",
            "Whether two factors are needed: true of a passkey, never of a key, which is one, whoever holds it",
        ),
        time("created_at", "When it was created"),
        time("expires_at", "When it becomes void by itself, or did because another took its place"),
        time("last_used_at", "When a passkey was last shown, or the hour in which a key was; NULL when it never was"),
        time("revoked_at", "When it was withdrawn or removed; NULL while it was not"),
        text("owner_id", "The person who answers for it; NULL when that person has left"),
        text("env", "The environments that it is for, by commas; NULL when it is not bound to any"),
        text("purpose_id", "The purposes that it is for, by commas; NULL when it is not bound to any"),
        text("created_by", "Who created it"),
        text("status", "`live`, `ending` (another takes its place), `expired`, `replaced`, `revoked` or `leaked`"),
        text("replaced_by", "The key that takes its place; NULL when none does"),
        text("prefix", "The first characters of its secret"),
        text("workload_id", "The rule by which a proof was exchanged for it; NULL when somebody made it"),
    ];

    fn apply(&mut self, leaf: &Leaf<'_>) {
        self.people.apply(leaf);
        self.passkeys.apply(leaf);
        let mut change = |key: &str, change: &dyn Fn(&mut Key)| {
            if let Some(row) = self.keys.get_mut(key) {
                change(&mut row.key);
                row.origin = leaf.origin();
            }
        };
        let at = leaf.entry.ts;
        match &leaf.entry.event {
            Event::KeyCreated(body) => {
                let key = Key::new(body.clone(), at, &leaf.entry.actor);
                self.keys.insert(body.key.clone(), Row { origin: leaf.origin(), key });
            }
            Event::KeyRotated(body) => change(&body.key, &|key| key.replaced = Some((body.by.clone(), body.ends_at))),
            Event::KeyExchanged(body) => change(&body.key, &|key| key.workload = Some(body.workload.clone())),
            Event::KeyLeaked(body) => change(&body.key, &|key| key.leaked_at = Some(at)),
            Event::KeyRevoked(body) => change(&body.key, &|key| key.revoked_at = Some(at)),
            Event::KeysUsed(body) => {
                body.keys.iter().for_each(|key| change(key, &|key| key.used_at = Some(body.hour)));
            }
            _ => {}
        }
    }

    fn rows(&self, moment: &Moment, out: &mut Rows) {
        let people = &self.people.0;
        let privileged = people.privileged_actors(moment.now);
        self.passkeys.rows(&privileged, out);
        for (id, Row { origin, key }) in &self.keys {
            let scope = &key.created.scope;
            let human = scope.principal().is_some_and(|actor| is_human(people, actor));
            let signs_in_privileged = matches!(scope, KeyScope::Actor(actor) if privileged.contains(actor.as_str()));
            let listed = |names: &[String]| Cell::from(Some(names.join(",")).filter(|text| !text.is_empty()));
            let (env, purpose) = match scope {
                KeyScope::Inference(scope) => (listed(&scope.environments), listed(&scope.purposes)),
                KeyScope::Service(_) | KeyScope::Actor(_) => (Cell::Null, Cell::Null),
            };
            let kind = match (human, &key.workload) {
                (true, _) => "human",
                (false, Some(_)) => "workload",
                (false, None) => "api_key",
            };
            let cells = [
                id.into(),
                scope.principal().into(),
                listed(scope.services()),
                kind.into(),
                signs_in_privileged.into(),
                false.into(),
                ms(key.created_at),
                ms(key.ends_at()),
                key.used_at.map_or(Cell::Null, ms),
                key.revoked_at.map_or(Cell::Null, ms),
                owner(people, key).into(),
                env,
                purpose,
                (&key.created_by).into(),
                key.status(moment.now).as_str().into(),
                key.replaced.as_ref().map(|(by, _)| by).into(),
                (&key.created.prefix).into(),
                key.workload.as_ref().into(),
            ];
            out.push(*origin, cells);
        }
    }
}

fn is_human(people: &State, actor: &str) -> bool {
    people.actors.get(actor).is_some_and(|actor| actor.kind == ActorKind::Human)
}

/// The principal when it is a person, else the one who owns the account, else whoever made the key, if they are here.
fn owner<'a>(people: &'a State, key: &'a Key) -> Option<&'a str> {
    let owner = match key.created.scope.principal() {
        Some(actor) if is_human(people, actor) => actor,
        Some(account) => people.accounts.get(account)?.owner.as_str(),
        None => key.created_by.as_str(),
    };
    Some(owner).filter(|owner| is_human(people, owner) && !people.left.contains_key(*owner))
}
