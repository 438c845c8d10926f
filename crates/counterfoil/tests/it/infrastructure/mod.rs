//! The server itself: settings, the command line, the ledger, its witnesses, signs of life, and whom it reaches.

mod acme;
mod archive;
mod commands;
mod custodians;
mod health;
mod ledger;
mod objects;
mod outside;
mod rollback;
mod settings;
mod tls;
mod witness;
