//! The program as its users have it: the real binary, real sockets, real files, stock clients. Each test starts what it
//! needs in a directory of its own and ends it. What needs Python, Node or root says so by name and passes when that is
//! not there; `scripts/test` provides what can be provided.

mod approvals;
mod assurance;
mod contracts;
mod contracts_outside;
mod crash;
mod data;
mod data_content;
mod demo;
mod directory;
mod doors;
mod encryption;
mod every_door;
mod fields;
mod governance;
mod infrastructure;
mod keys;
mod lineage;
mod models;
mod notifications;
mod passkeys;
mod people;
mod requests;
mod residency;
mod retention;
mod serving;
mod signin;
mod support;
mod tokens;
mod workloads;
