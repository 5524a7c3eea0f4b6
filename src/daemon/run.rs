//! `shrbuf run`: nodes up, one command, nodes down.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::thread::Builder;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::serve::{Daemon, DaemonError, MakeFactory, Options};
use super::signals::Signals;
use crate::sys::pidfd::{DescriptorLimit, descriptor_limit};
use crate::sys::process::{with_descriptor_limit, with_signal_mask};

/// Names the control socket to commands inside `shrbuf run`, and to the verbs that ask it.
pub const SOCKET_VARIABLE: &str = "SHRBUF_SOCKET";

/// What is handed on to the command.
const HANDED_ON: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT];

/// Why the command did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The nodes did not come up.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// The command can't be started; like a shell, 127 when it is not there, else 126.
    #[error("{command}: {source}")]
    Command {
        /// Its name.
        command: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// The command can't be waited for.
    #[error("wait for the command: {0}")]
    Wait(io::Error),
}

impl RunError {
    /// As [`DaemonError::exit_status`]; 126 or 127 as a shell gives them.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Daemon(error) => error.exit_status(),
            Self::Command { source, .. } if source.kind() == ErrorKind::NotFound => 127,
            Self::Command { .. } => 126,
            Self::Wait(_) => 1,
        }
    }
}

/// Starts the nodes, runs the command as whoever calls, stops the nodes. The status is the
/// command's own, or 128+n when signal n ended it. To be called before other threads are started.
///
/// # Errors
/// See [`RunError`].
pub fn run(options: &Options, factory: MakeFactory<'_>, argv: &[OsString]) -> Result<u8, RunError> {
    let signals = Signals::block(&HANDED_ON).map_err(RunError::Wait)?;
    // The daemon may raise it; a command that goes by its own is to find it as it was.
    let limit =
        descriptor_limit(std::process::id(), None).map_err(|errno| RunError::Wait(errno.into()))?;
    let daemon = Daemon::start(options, factory)?;
    let status = command(argv, &options.socket, &signals, limit);
    daemon.stop();
    status
}

fn command(
    argv: &[OsString],
    socket: &Path,
    signals: &Signals,
    limit: DescriptorLimit,
) -> Result<u8, RunError> {
    let (program, arguments) = argv.split_first().ok_or_else(|| RunError::Command {
        command: "the command".into(),
        source: ErrorKind::NotFound.into(),
    })?;
    let mut command = Command::new(program);
    command.args(arguments).env(SOCKET_VARIABLE, socket);
    with_signal_mask(&mut command, signals.before());
    with_descriptor_limit(&mut command, limit);
    let failed =
        |source| RunError::Command { command: program.to_string_lossy().into_owned(), source };
    let mut child = command.spawn().map_err(failed)?;
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or_default());
    let ended = watch(pid).map_err(RunError::Wait)?;
    while !wait_for(&ended, signals).map_err(RunError::Wait)? {
        let came = signals.wait().map_err(RunError::Wait)?;
        // A terminal's signals went to the command, too.
        if !came.from_kernel {
            // The command is not waited for yet, so that the number is still its own.
            let _ = kill(pid, came.signal);
        }
    }
    child.wait().map(byte).map_err(RunError::Wait)
}

/// A socket that is closed when the process has ended; the process is left to be waited for.
fn watch(pid: Pid) -> io::Result<UnixStream> {
    let (ended, end) = UnixStream::pair()?;
    Builder::new().name("command".into()).spawn(move || {
        while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR)
        {
        }
        drop(end);
    })?;
    Ok(ended)
}

/// Whether the command has ended; `false` when a signal is there.
fn wait_for(ended: &UnixStream, signals: &Signals) -> io::Result<bool> {
    let mut both = [
        PollFd::new(ended.as_fd(), PollFlags::POLLIN),
        PollFd::new(signals.as_fd(), PollFlags::POLLIN),
    ];
    loop {
        match poll(&mut both, PollTimeout::NONE) {
            Ok(_) => return Ok(both.first().and_then(PollFd::any).unwrap_or(true)),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn byte(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
