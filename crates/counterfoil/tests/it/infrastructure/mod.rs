//! The server itself: settings, the command line, the ledger, its witnesses, signs of life.

mod commands;
mod health;
mod ledger;
mod rollback;
mod settings;
mod witness;
