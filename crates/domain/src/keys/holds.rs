//! Legal holds: what may not be destroyed, whatever a rule of retention says, until another person lets it go.

use serde::{Deserialize, Serialize};

use super::retention;
use crate::decide::{identifier_is_valid, name_is_valid, reference_is_valid, refuse};
use crate::people::identities;
use crate::{Event, Given, Refusal, RefusalCode, State};

/// Something may not be destroyed from here on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldPlaced {
    /// Public identifier, `h_` and random characters.
    pub hold: String,
    /// What is held: `subject/HEX` by the vault's reference, `class/NAME`, `dataset/NAME` or `service/NAME`.
    pub on: String,
    /// Where the reason is written down, such as a ticket's number. Never a name.
    pub reference: String,
    /// Milliseconds since the epoch by which somebody looks whether it is still needed. It does not end by itself.
    pub review_due: i64,
}

/// A hold is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldReleased {
    /// Which one.
    pub hold: String,
    /// Where the reason is written down.
    pub reference: String,
}

/// A hold as it is known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hold {
    /// What it holds.
    pub placed: HoldPlaced,
    /// The person who placed it.
    pub by: String,
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// The person who released it, and when.
    pub released: Option<(String, i64)>,
}

impl Hold {
    /// Whether it still holds.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.released.is_none()
    }
}

/// The identifier of a live hold on `subject/HEX`, `dataset/NAME`, `class/NAME` or `service/NAME`.
#[must_use]
pub fn blocking(state: &State, on: &str) -> Option<String> {
    let live = live(state).find(|(_, hold)| hold.placed.on == on);
    live.map(|(id, _)| id.clone())
}

/// The holds that hold something, by identifier.
pub fn live(state: &State) -> impl Iterator<Item = (&String, &Hold)> {
    state.holds.iter().filter(|(_, hold)| hold.is_live())
}

pub(crate) fn place(state: &State, given: &Given, body: &HoldPlaced) -> Result<Vec<Event>, Refusal> {
    identifier_is_valid("hold", &body.hold)?;
    reference_is_valid(&body.reference)?;
    match body.on.split_once('/') {
        Some(("subject", subject)) => identities::reference_is_valid(subject)?,
        Some(("class", name)) => {
            name_is_valid("class", name)?;
            retention::class_is_known(state, name)?;
        }
        Some(("dataset", name)) => {
            name_is_valid("data set", name)?;
            is_declared("data set", name, state.datasets.contains_key(name))?;
        }
        Some(("service", name)) => {
            name_is_valid("service", name)?;
            // What one that is offered no more has recorded is there still.
            is_declared("service", name, state.services.contains_key(name) || state.retired.contains_key(name))?;
        }
        _ => {
            let message = "a hold is on `subject/REFERENCE`, `class/NAME`, `dataset/NAME` or `service/NAME`";
            return Err(refuse(RefusalCode::Invalid, message));
        }
    }
    if body.review_due <= given.now {
        return Err(refuse(
            RefusalCode::Invalid,
            "a hold is to be looked at again in the future: set `review_due` later",
        ));
    }
    if state.holds.contains_key(&body.hold) {
        return Err(refuse(RefusalCode::Exists, format!("hold `{}` is there already", body.hold)));
    }
    Ok(vec![Event::HoldPlaced(body.clone())])
}

/// A hold on a mistyped name would keep nothing.
fn is_declared(what: &str, name: &str, known: bool) -> Result<(), Refusal> {
    match known {
        true => Ok(()),
        false => {
            Err(refuse(RefusalCode::NotFound, format!("there is no {what} `{name}`: a hold on it would keep nothing")))
        }
    }
}

pub(crate) fn release(state: &State, given: &Given, body: &HoldReleased) -> Result<Vec<Event>, Refusal> {
    let Some(hold) = state.holds.get(&body.hold) else {
        // It is not repeated: what is no identifier could be anything.
        return Err(refuse(RefusalCode::NotFound, "there is no such hold: see `counterfoil holds list`"));
    };
    reference_is_valid(&body.reference)?;
    if !hold.is_live() {
        return Err(refuse(RefusalCode::Conflict, format!("hold `{}` was released before", body.hold)));
    }
    let person = state.person_of(&given.by);
    if person == hold.by {
        let message = format!("`{person}` placed hold `{}`: somebody else must release it", body.hold);
        let mut refusal = refuse(RefusalCode::Forbidden, message);
        refusal.policies = vec!["place-not-release".to_owned()];
        return Err(refusal);
    }
    Ok(vec![Event::HoldReleased(body.clone())])
}

impl State {
    pub(crate) fn place_hold(&mut self, body: &HoldPlaced, by: &str, at: i64) {
        let by = self.person_of(by).to_owned();
        self.holds.insert(body.hold.clone(), Hold { placed: body.clone(), by, at, released: None });
    }

    pub(crate) fn release_hold(&mut self, body: &HoldReleased, by: &str, at: i64) {
        let by = self.person_of(by).to_owned();
        if let Some(hold) = self.holds.get_mut(&body.hold) {
            hold.released = Some((by, at));
        }
    }
}
