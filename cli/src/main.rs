//! The command `shrbuf`: one file per verb.

mod sandbox;

use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use shrbuf::courier;
use shrbuf::sandbox::{agent, keeper};

/// A V4L2 camera and display made of nothing but a daemon, and a bench to try such things on.
#[derive(Debug, Parser)]
#[command(name = "shrbuf", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Sandbox(sandbox::Arguments),
}

fn main() -> ExitCode {
    // The program is also the first process of a guest, the keeper of one, and the courier's
    // helper; all are started by itself under names of their own, never by a person.
    let name = std::env::args_os().next().unwrap_or_default();
    if name.as_bytes() == agent::AGENT_NAME.as_bytes() && std::process::id() == 1 {
        agent::agent_main();
    }
    if name.as_bytes() == keeper::KEEPER_NAME.as_bytes() {
        return ExitCode::from(keeper::keeper_main());
    }
    if name.as_bytes() == courier::HELPER_NAME.as_bytes() {
        return ExitCode::from(courier::helper_main());
    }
    match Arguments::parse().verb {
        Verb::Sandbox(arguments) => sandbox::run(&arguments),
    }
}
