//! `shrbuf daemon`: the nodes, in the foreground.

use std::path::PathBuf;

use clap::Args;
use shrbuf::daemon::serve::{Daemon, DaemonError};
use shrbuf::daemon::signals::{Signal, Signals};

use crate::failure::Outcome;
use crate::shared::{self, Start};

/// Make the nodes, and serve them until SIGTERM or SIGINT.
///
/// Runs in the foreground, as root; a service manager is told when the nodes are there
/// (Type=notify). The log goes to standard error; RUST_LOG=debug has a line for each request. Of root's
/// capabilities it keeps the few that it needs, once the configuration is read.
///
/// Exit status: 0 ended by a signal; 1 failed; 2 the configuration is wrong; 77 this machine
/// can't.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    start: Start,
    /// Have the helper processes started by who listens at this socket (shrbuf-helper.socket); left
    /// out: the daemon starts them.
    #[arg(long, value_name = "PATH")]
    helpers: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    shared::log("info");
    // Before any thread is there: each inherits the mask.
    let signals = Signals::block(&[Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP])
        .map_err(|source| DaemonError::Io { what: "wait for signals".into(), source })?;
    let factory = shrbuf::daemon::confined_factory(
        arguments.helpers.clone(),
        arguments.start.socket.is_some(),
    );
    let daemon = Daemon::start(&arguments.start.options(), &factory)?;
    let came = signals.wait();
    daemon.stop();
    came?;
    Ok(0)
}
