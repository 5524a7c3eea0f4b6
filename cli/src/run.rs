//! `shrbuf run`: a command with nodes, wherever they can be had.

use std::env;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, anyhow};
use clap::Args;
use shrbuf::daemon::cuse::{Cuse, DEVICE};
use shrbuf::daemon::run::Reach;
use shrbuf::{daemon, sandbox};

use crate::failure::{Failure, Outcome};
use crate::shared::{self, Start};

/// Run a command with the nodes up.
///
/// The nodes are there while the command runs: by this machine's CUSE where root calls and
/// /dev/cuse is there, else in a throw-away Linux (see `shrbuf sandbox`); a line on standard
/// error says which.
///
/// Exit status: the command's own; 128+N when signal N ended it; 126 or 127 when it could not be
/// started; 1 the nodes failed; 2 usage, or a configuration that is wrong; 77 this machine can't.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    start: Start,
    /// Do not go into the sandbox where this machine can't.
    #[arg(long)]
    no_sandbox: bool,
    /// For commands that are traced, as by gdb or strace, or have seccomp filters of their own.
    ///
    /// Descriptors then reach the command and its children by seccomp's user notification instead
    /// of ptrace. Where CAP_SYS_ADMIN is missing, the command can gain no privileges.
    #[arg(long)]
    notify: bool,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Set for the command that the sandbox runs: from there it goes no further.
const INSIDE: &str = "SHRBUF_RUN_INSIDE";

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    shared::log("warn");
    let around = sandbox::engine_around();
    match Cuse::for_nodes(Path::new(DEVICE)).problem() {
        None => {
            let whose = match &around {
                Some(engine) => format!("the CUSE of the sandbox (engine {engine})"),
                None => "this machine's CUSE".into(),
            };
            eprintln!("shrbuf run: nodes by {whose}");
            let options = arguments.start.options();
            let reach = if arguments.notify { Reach::Notify } else { Reach::Ptrace };
            Ok(daemon::run::run(&options, &daemon::factory, reach, &arguments.command)?)
        }
        Some(problem) if arguments.no_sandbox => Err(Failure::new(
            77,
            anyhow!("{problem}\n  leave out --no-sandbox to run in a throw-away Linux"),
        )),
        Some(problem) if around.is_some() || env::var_os(INSIDE).is_some() => Err(Failure::new(
            77,
            anyhow!("{problem}, in the sandbox, too\n  `shrbuf doctor` says more"),
        )),
        Some(problem) => {
            eprintln!("shrbuf run: {problem}; nodes by the sandbox (engine uml)");
            Err(in_sandbox(arguments)?)
        }
    }
}

/// Becomes `shrbuf sandbox -- shrbuf run -- CMD`. What is returned is why it could not.
fn in_sandbox(arguments: &Arguments) -> anyhow::Result<Failure> {
    let program = env::current_exe().context("find this program's own file")?;
    let mut command = Command::new(&program);
    command.env(INSIDE, "1");
    command.args(["sandbox", "--engine", "uml", "--"]).arg(&program).arg("run");
    if arguments.notify {
        command.arg("--notify");
    }
    if let Some(config) = &arguments.start.config {
        command.arg("--config").arg(config);
    }
    if let Some(socket) = &arguments.start.socket {
        command.arg("--socket").arg(socket);
    }
    command.arg("--").args(&arguments.command);
    let error = command.exec();
    Ok(Failure::new(1, anyhow!("{}: {error}", program.display())))
}
