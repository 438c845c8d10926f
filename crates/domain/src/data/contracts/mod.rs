//! Contracts: what must be true of the versions of a data set.
//!
//! A contract is published in versions, each by a change that somebody else approved, and holds for one data set. From its
//! first version on, what is stored in the data set is seen by nobody until it was checked ([`super::checks`]).

pub mod checks_of;
pub mod format;

use serde::{Deserialize, Serialize};

pub use checks_of::{Check, What};
pub use format::{
    ColumnType, Contract, ContractColumn, ContractError, Dimension, Freshness, Literal, Over, Reference, Severity,
    SqlRule, Tolerance,
};

use super::datasets::name_is_free;
use crate::decide::{name_is_valid, reference_is_valid};
use crate::people::Purpose;
use crate::{Event, Refusal, RefusalCode, State};

/// A version of a contract is in force, in place of the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractPublished {
    /// Its name.
    pub contract: String,
    /// 1 for the first, then one more each time.
    pub version: u64,
    /// The data set that it is for.
    pub dataset: String,
    /// The contract itself, as TOML.
    pub text: String,
}

/// A contract is no longer in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContractRetired {
    /// Which contract.
    pub contract: String,
    /// Where the reason is written down, such as a ticket's number. Never a name.
    pub reference: String,
}

/// A contract as the state knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownContract {
    /// Its newest version.
    pub published: ContractPublished,
    /// When that was published, in milliseconds since the epoch.
    pub at: i64,
    /// Since when it has been in force without a break, in milliseconds since the epoch.
    pub since: i64,
    /// When it was retired, in milliseconds since the epoch.
    pub retired_at: Option<i64>,
}

impl State {
    /// The contract in force for a data set.
    #[must_use]
    pub fn contract_of(&self, dataset: &str) -> Option<&KnownContract> {
        self.contracts.values().find(|known| known.retired_at.is_none() && known.published.dataset == dataset)
    }

    pub(crate) fn publish_contract(&mut self, body: &ContractPublished, at: i64) {
        let before = self.contracts.get(&body.contract).filter(|known| known.retired_at.is_none());
        // For another data set it begins anew.
        let since = before.filter(|known| known.published.dataset == body.dataset).map_or(at, |known| known.since);
        let known = KnownContract { published: body.clone(), at, since, retired_at: None };
        self.contracts.insert(body.contract.clone(), known);
    }

    pub(crate) fn retire_contract(&mut self, body: &ContractRetired, at: i64) {
        if let Some(known) = self.contracts.get_mut(&body.contract) {
            known.retired_at = Some(at);
        }
    }
}

fn refuse<T>(code: RefusalCode, why: String) -> Result<T, Refusal> {
    Err(Refusal::new(code, why))
}

pub(crate) fn publish(state: &State, body: &ContractPublished) -> Result<Vec<Event>, Refusal> {
    let name = &body.contract;
    name_is_valid("contract", name)?;
    if !state.contracts.contains_key(name) {
        name_is_free("contract", name, &["try"])?;
    }
    let read = Contract::parse(&body.text)
        .map_err(|error| Refusal::new(RefusalCode::Invalid, format!("contract `{name}`: {error}")))?;
    if (&read.name, &read.dataset) != (name, &body.dataset) {
        let message =
            format!("the file is contract `{}` of data set `{}`: publish it as that", read.name, read.dataset);
        return refuse(RefusalCode::Invalid, message);
    }
    let others = read.references.iter().map(|reference| &reference.dataset);
    if let Some(unknown) = others.chain([&body.dataset]).find(|dataset| !state.datasets.contains_key(*dataset)) {
        return refuse(RefusalCode::NotFound, format!("there is no data set `{unknown}`: declare it first"));
    }
    let readable = |dataset: &&String| {
        state.datasets.get(*dataset).is_some_and(|known| known.spec.purposes.contains(&Purpose::Operation))
    };
    if let Some(closed) = read.references.iter().map(|reference| &reference.dataset).find(|dataset| !readable(dataset))
    {
        let message = format!(
            "contract `{name}` refers to data set `{closed}`, in which checks look for the purpose `operation`, and that is not \
             among its purposes: have it declared with `operation` too, or leave the reference out"
        );
        return refuse(RefusalCode::Conflict, message);
    }
    let known = state.contracts.get(name);
    let newest = known.map_or(0, |known| known.published.version);
    if body.version != newest.saturating_add(1) {
        let message = format!("contract `{name}` is at version {newest}: the next one is {}", newest.saturating_add(1));
        return refuse(RefusalCode::Conflict, message);
    }
    if known.is_some_and(|known| known.retired_at.is_none() && known.published.text == body.text) {
        return refuse(RefusalCode::Conflict, format!("version {newest} of contract `{name}` says the same already"));
    }
    if let Some(other) = state.contract_of(&body.dataset).filter(|other| other.published.contract != *name) {
        let message = format!(
            "contract `{}` is in force for data set `{}`: publish its next version, or retire it first",
            other.published.contract, body.dataset
        );
        return refuse(RefusalCode::Conflict, message);
    }
    Ok(vec![Event::ContractPublished(body.clone())])
}

pub(crate) fn retire(state: &State, body: &ContractRetired) -> Result<Vec<Event>, Refusal> {
    reference_is_valid(&body.reference)?;
    match state.contracts.get(&body.contract) {
        None => refuse(RefusalCode::NotFound, format!("there is no contract `{}`", body.contract)),
        Some(known) if known.retired_at.is_some() => Ok(vec![]),
        Some(_) => Ok(vec![Event::ContractRetired(body.clone())]),
    }
}
