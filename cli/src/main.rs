//! The command `shrbuf`: one file per verb.

mod add;
mod buffers;
mod completions;
mod daemon;
mod doctor;
mod failure;
mod list;
mod man;
mod remove;
mod run;
mod sandbox;
mod shared;
mod snapshot;

use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
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
    Daemon(daemon::Arguments),
    Run(run::Arguments),
    List(list::Arguments),
    Add(add::Arguments),
    Remove(remove::Arguments),
    Buffers(buffers::Arguments),
    Snapshot(snapshot::Arguments),
    Doctor(doctor::Arguments),
    Sandbox(sandbox::Arguments),
    Completions(completions::Arguments),
    Man(man::Arguments),
}

fn main() -> ExitCode {
    // The program is also the first process of a guest, the keeper of one, the courier's
    // helper, and the parent of a supervised command; all are started by itself under names of their own, never by a person.
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
    if name.as_bytes() == courier::notify::NOTIFY_NAME.as_bytes() {
        return ExitCode::from(shrbuf::daemon::run::notify_main());
    }
    let (verb, outcome) = match Arguments::parse().verb {
        Verb::Daemon(arguments) => ("daemon", daemon::run(&arguments)),
        Verb::Run(arguments) => ("run", run::run(&arguments)),
        Verb::List(arguments) => ("list", list::run(&arguments)),
        Verb::Add(arguments) => ("add", add::run(&arguments)),
        Verb::Remove(arguments) => ("remove", remove::run(&arguments)),
        Verb::Buffers(arguments) => ("buffers", buffers::run(&arguments)),
        Verb::Snapshot(arguments) => ("snapshot", snapshot::run(&arguments)),
        Verb::Doctor(arguments) => ("doctor", doctor::run(&arguments)),
        Verb::Sandbox(arguments) => return sandbox::run(&arguments),
        Verb::Completions(arguments) => {
            ("completions", completions::run(&arguments, Arguments::command()))
        }
        Verb::Man(arguments) => ("man", man::run(&arguments, Arguments::command())),
    };
    match outcome {
        Ok(status) => ExitCode::from(status),
        Err(failure) => failure.report(verb),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        Arguments::command().debug_assert();
    }
}
