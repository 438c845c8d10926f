//! The command line: one file a noun.

mod accesses;
mod apply;
mod approvals;
mod authz;
mod checks;
mod config;
pub mod content;
mod contracts;
mod controls;
mod data;
mod detectors;
mod documents;
mod emergencies;
mod encryption;
mod evidence;
mod fields;
mod grants;
mod groups;
mod holds;
mod keys;
mod ledger;
mod lineage;
mod login;
mod models;
mod notifications;
mod objects;
mod orgfile;
mod outside;
mod passkeys;
mod people;
mod policies;
mod records;
mod recovery;
mod requests;
mod residency;
mod retention;
mod reviews;
mod roles;
mod roster;
mod scan;
mod serve;
mod services;
mod sessions;
mod signin;
mod sql;
mod tokens;
mod training;
mod verify;
mod witness;

pub use apply::{Apply, Part};
pub use controls::{Run as ControlsRun, print_runs};
pub use evidence::Export;
pub use keys::Create as CreateKey;
pub use serve::logging;

use clap::{Parser, Subcommand};

use crate::client::Connect;
use crate::demo;
use crate::output::{EXIT_CODES, Failure};

/// Make an AI application ready for SOC 2, and keep proving it
#[derive(Parser)]
#[command(name = "counterfoil", version, about, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// Print JSON instead of text
    #[arg(long, global = true)]
    pub json: bool,
    #[command(flatten)]
    connect: Connect,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the whole story on this machine: traffic, records, controls, evidence, verification
    Demo(demo::Demo),
    /// Serve the gateway, the API, the pages and the log
    Serve(serve::Serve),
    /// Check, print or sample the settings
    #[command(subcommand)]
    Config(config::Config),
    /// Declare services, providers, models, routes and controls from a file
    Apply(apply::Apply),
    /// The register of services: who answers for each, and who agreed to that
    #[command(subcommand)]
    Services(services::Services),
    /// Data sets: declare, store, read, check, destroy
    #[command(subcommand)]
    Data(data::Data),
    /// What is looked for in data, prompts and answers: kinds of your own beside those that are built in
    #[command(subcommand)]
    Detectors(detectors::Detectors),
    /// The bucket that data sets and artifacts are kept in: how it stands, put it to the test
    #[command(subcommand)]
    Objects(objects::Objects),
    /// What was made from what: what learned from a data set, and where a model came from
    #[command(subcommand)]
    Lineage(lineage::Lineage),
    /// Model artifacts: look through them before anything loads them
    #[command(subcommand)]
    Models(models::Models),
    /// What must be true of versions of data sets: try, publish, show, retire
    #[command(subcommand)]
    Contracts(contracts::Contracts),
    /// Keys of applications and operators
    #[command(subcommand)]
    Keys(keys::Keys),
    /// People and programs that may act, and the roles there are
    #[command(subcommand)]
    People(people::People),
    /// Groups of people, and the roles that being in one asks for
    #[command(subcommand)]
    Groups(groups::Groups),
    /// Roles on request: ask, approve, end
    #[command(subcommand)]
    Grants(grants::Grants),
    /// Who asked for what, why, and what the policies said
    #[command(subcommand)]
    Accesses(accesses::Accesses),
    /// Review who has access: campaigns, decisions, lists
    #[command(subcommand)]
    Reviews(reviews::Reviews),
    /// What a second person must agree to: ask, look, vote, carry out
    #[command(subcommand)]
    Approvals(approvals::Approvals),
    /// Policies that people work under: publish, acknowledge, see who has not
    #[command(subcommand)]
    Documents(documents::Documents),
    /// Tokens in the place of values: scopes, tokens and back, whole files
    #[command(subcommand)]
    Tokens(tokens::Tokens),
    /// Courses that people completed
    #[command(subcommand)]
    Training(training::Training),
    /// Roles of your own: define, retire, list
    #[command(subcommand)]
    Roles(roles::Roles),
    /// Take a role at once in an emergency, and review it afterwards
    #[command(subcommand)]
    Emergencies(emergencies::Emergencies),
    /// Keys that data are encrypted under: how they stand, rotate, ratchet the root, its passphrase
    #[command(subcommand)]
    Encryption(encryption::Encryption),
    /// How long data is kept: rules, what is due, what went
    #[command(subcommand)]
    Retention(retention::Retention),
    /// Where data may be, what may leave all the same, and where it is
    #[command(subcommand)]
    Residency(residency::Residency),
    /// What may not be destroyed: place, release, list
    #[command(subcommand)]
    Holds(holds::Holds),
    /// Requests of people about what is held of them: receive, search, erase, certify
    #[command(subcommand)]
    Requests(requests::Requests),
    /// Tell people what waits for them: try the channels, see what was told
    #[command(subcommand)]
    Notifications(notifications::Notifications),
    /// The policies: show, compare, propose, install
    #[command(subcommand)]
    Policies(policies::Policies),
    /// Who may do what, and why
    #[command(subcommand)]
    Authz(authz::Authz),
    /// Sign in from the command line, by a browser or a code
    Login(login::Login),
    /// Give the key of `counterfoil login` back
    Logout(login::Logout),
    /// Passkeys of people
    #[command(subcommand)]
    Passkeys(passkeys::Passkeys),
    /// Recovery codes: the way back for an administrator who lost every passkey
    #[command(subcommand)]
    Recovery(recovery::Recovery),
    /// Make a one-time link to sign in to the pages
    Signin(signin::Signin),
    /// Where one is signed in, and ending it
    #[command(subcommand)]
    Sessions(sessions::Sessions),
    /// Ask the ledger and the records in SQL
    Sql(sql::Sql),
    /// Test controls and see what was found
    #[command(subcommand)]
    Controls(controls::Controls),
    /// Hand out evidence
    #[command(subcommand)]
    Evidence(evidence::Evidence),
    /// Seal and prove inference records
    #[command(subcommand)]
    Records(records::Records),
    /// Checkpoints, proofs and checks of the ledger
    #[command(subcommand)]
    Ledger(ledger::Ledger),
    /// Verify an evidence package or a proof; needs no network and no data directory
    Verify(verify::Verify),
    /// Be a witness for somebody else's ledger (C2SP tlog-witness)
    #[command(subcommand)]
    Witness(witness::Witness),
}

/// Makes a sign-in link for whoever the token belongs to and returns the API's answer.
///
/// # Errors
/// As the API answers.
pub async fn signin_link(connect: &Connect) -> Result<serde_json::Value, Failure> {
    signin::link(connect, None).await
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// Whatever the command failed with.
    pub async fn run(self) -> Result<(), Failure> {
        let (json, connect) = (self.json, &self.connect);
        match self.command {
            Command::Demo(command) => command.run(json, connect).await,
            Command::Serve(command) => command.run(json, connect).await,
            Command::Config(command) => command.run(json, connect),
            Command::Apply(command) => command.run(json, connect).await,
            Command::Services(command) => command.run(json, connect).await,
            Command::Data(command) => command.run(json, connect).await,
            Command::Objects(command) => command.run(json, connect).await,
            Command::Lineage(command) => command.run(json, connect).await,
            Command::Models(command) => command.run(json),
            Command::Contracts(command) => command.run(json, connect).await,
            Command::Keys(command) => command.run(json, connect).await,
            Command::People(command) => command.run(json, connect).await,
            Command::Groups(command) => command.run(json, connect).await,
            Command::Grants(command) => command.run(json, connect).await,
            Command::Accesses(command) => command.run(json, connect).await,
            Command::Reviews(command) => command.run(json, connect).await,
            Command::Approvals(command) => command.run(json, connect).await,
            Command::Documents(command) => command.run(json, connect).await,
            Command::Detectors(command) => command.run(json, connect).await,
            Command::Tokens(command) => command.run(json, connect).await,
            Command::Training(command) => command.run(json, connect).await,
            Command::Roles(command) => command.run(json, connect).await,
            Command::Emergencies(command) => command.run(json, connect).await,
            Command::Encryption(command) => command.run(json, connect).await,
            Command::Retention(command) => command.run(json, connect).await,
            Command::Residency(command) => command.run(json, connect).await,
            Command::Holds(command) => command.run(json, connect).await,
            Command::Requests(command) => command.run(json, connect).await,
            Command::Notifications(command) => command.run(json, connect).await,
            Command::Policies(command) => command.run(json, connect).await,
            Command::Authz(command) => command.run(json, connect).await,
            Command::Login(command) => command.run(json, connect).await,
            Command::Logout(command) => command.run(json, connect).await,
            Command::Passkeys(command) => command.run(json, connect).await,
            Command::Recovery(command) => command.run(json, connect).await,
            Command::Signin(command) => command.run(json, connect).await,
            Command::Sessions(command) => command.run(json, connect).await,
            Command::Sql(command) => command.run(json, connect).await,
            Command::Controls(command) => command.run(json, connect).await,
            Command::Evidence(command) => command.run(json, connect).await,
            Command::Records(command) => command.run(json, connect).await,
            Command::Ledger(command) => command.run(json, connect).await,
            Command::Verify(command) => command.run(json),
            Command::Witness(command) => command.run(json, connect).await,
        }
    }
}
