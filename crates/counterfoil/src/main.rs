//! The `counterfoil` program: one binary that serves, administers, tests, exports and verifies.

mod client;
mod commands;
mod config;
mod connections;
mod demo;
mod doors;
mod endpoints;
mod logins;
mod notify;
mod output;
mod server;
mod tls;
mod witness;
mod witnesses;
mod workers;

use std::process::ExitCode;

use clap::Parser;

/// A call allocates some hundred times on two threads, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match commands::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return output::not_understood(wants_json(), &error),
    };
    let json = cli.json;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::failure(json, &output::Failure::io(format!("no runtime: {error}"))),
    };
    match runtime.block_on(cli.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output::failure(json, &failure),
    }
}

/// Whether the command line asks for JSON, as far as that can be told of one that cannot be understood.
fn wants_json() -> bool {
    std::env::args_os().take_while(|argument| argument != "--").any(|argument| argument == "--json")
}
