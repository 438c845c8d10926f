//! What Counterfoil knows and decides, as pure values: commands, events, state, `decide` and `apply`.
//!
//! A change is `decide(&State, &Given, &Command) -> Result<Vec<Event>, Refusal>` followed by `State::apply`, which is
//! total. Nothing here reads a clock, draws a random number, does I/O or spawns a thread: facts that a decision needs
//! arrive in [`Given`]. Each module is one room of the house and holds that room's nouns, events and rules.

pub mod assurance;
pub mod canonical;
pub mod command;
mod decide;
mod entry;
mod event;
pub mod infrastructure;
pub mod keys;
pub mod models;
pub mod people;
pub mod record;
pub mod serving;
mod state;
pub mod vendors;

pub use command::{Command, Given, Refusal, RefusalCode};
pub use decide::decide;
pub use entry::{Entry, EntryError, MAX_ENTRY_BYTES};
pub use event::Event;
pub use record::Record;
pub use state::State;

#[cfg(test)]
mod tests;
