//! Who is there, what they hold and which credentials they have, by the domain's own fold: tables that say who is
//! privileged, or what is held, ask the rules that decide it.

use domain::{Event, State};

use crate::fold::Leaf;

/// A state of the events that concern people, and of no others.
#[derive(Clone, Default)]
pub(super) struct Present(pub State);

impl Present {
    /// Takes an entry in, if it concerns people.
    pub fn apply(&mut self, leaf: &Leaf<'_>) {
        match &leaf.entry.event {
            Event::ActorRegistered(_)
            | Event::ActorLeft(_)
            | Event::ActorReturned(_)
            | Event::AccountOwned(_)
            | Event::GrantRequested(_)
            | Event::GrantApproved(_)
            | Event::GrantPreapproved(_)
            | Event::GrantEnded(_)
            | Event::RoleDefined(_)
            | Event::RoleRetired(_)
            | Event::EmergencyDeclared(_)
            | Event::EmergencyEnded(_)
            | Event::PasskeyRegistered(_)
            | Event::PasskeyRemoved(_)
            | Event::KeyCreated(_)
            | Event::KeyRotated(_)
            | Event::KeyRevoked(_) => self.0.apply(leaf.entry),
            _ => {}
        }
    }
}
