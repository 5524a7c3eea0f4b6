//! `shrbuf run`: nodes up, one command, nodes down.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::thread::Builder;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::serve::{Daemon, DaemonError, MakeFactory, Options, courier_socket};
use super::signals::Signals;
use crate::courier::notify::{COMMANDS, NOTIFY_NAME, Notify};
use crate::sys::pidfd::{DescriptorLimit, descriptor_limit};
use crate::sys::process::{with_descriptor_limit, with_signal_mask};
use crate::sys::seccomp;

/// Names the control socket to commands inside `shrbuf run`, and to the verbs that ask it.
pub const SOCKET_VARIABLE: &str = "SHRBUF_SOCKET";

/// Names the courier's socket to programs that use `<shrbuf.h>`.
pub const COURIER_VARIABLE: &str = "SHRBUF_COURIER";

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

/// How descriptors reach the command and its children.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// As they reach any program: the daemon's helper holds it for a moment.
    Ptrace,
    /// By a process that the kernel tells of their calls: see [`crate::courier::notify`].
    Notify,
}

/// Starts the nodes, runs the command as whoever calls, stops the nodes. The status is the
/// command's own, or 128+n when signal n ended it. To be called before other threads are started.
///
/// # Errors
/// See [`RunError`].
pub fn run(
    options: &Options,
    factory: MakeFactory<'_>,
    reach: Reach,
    argv: &[OsString],
) -> Result<u8, RunError> {
    let frame = Frame::new().map_err(RunError::Wait)?;
    let daemon = Daemon::start(options, factory)?;
    let status = (|| {
        let mut command = match reach {
            Reach::Ptrace => command(argv)?,
            Reach::Notify => {
                let mut command = Command::new("/proc/self/exe");
                command.arg0(NOTIFY_NAME).arg(courier_socket(&options.socket)).args(argv);
                command
            }
        };
        command.env(SOCKET_VARIABLE, &options.socket);
        command.env(COURIER_VARIABLE, courier_socket(&options.socket));
        frame.attend(command, || Ok(()))
    })();
    daemon.stop();
    status
}

/// The process between `shrbuf run --notify` and its command: call it first thing when the program was
/// started as [`NOTIFY_NAME`]. Returns its exit status, the command's.
#[must_use]
pub fn notify_main() -> u8 {
    let mut words = std::env::args_os().skip(1);
    let Some(socket) = words.next() else { return 2 }; // not started by `shrbuf run`
    let argv: Vec<OsString> = words.collect();
    told(socket.into(), &argv).unwrap_or_else(|error| {
        eprintln!("shrbuf run: {error}");
        if let RunError::Command { source, .. } = &error
            && source.raw_os_error() == Some(libc::EBUSY)
        {
            eprintln!("  somebody is told of this process's calls already; leave out --notify");
        }
        error.exit_status()
    })
}

fn told(socket: PathBuf, argv: &[OsString]) -> Result<u8, RunError> {
    let frame = Frame::new().map_err(RunError::Wait)?;
    let mut command = command(argv)?;
    let listener = seccomp::tell(&mut command, &COMMANDS).map_err(RunError::Wait)?;
    frame.attend(command, || {
        let notify = Notify::new(seccomp::listener(&listener)?, socket);
        Builder::new().name("notify".into()).spawn(move || {
            if let Err(errno) = notify.serve() {
                eprintln!("shrbuf run: calls are not told any more: {errno}");
            }
        })?;
        Ok(())
    })
}

fn command(argv: &[OsString]) -> Result<Command, RunError> {
    let (program, arguments) = argv.split_first().ok_or_else(|| RunError::Command {
        command: "the command".into(),
        source: ErrorKind::NotFound.into(),
    })?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

/// What a command is to find as it was before, and its signals.
struct Frame {
    signals: Signals,
    /// The daemon may raise it; a command that goes by its own is to find it as it was.
    limit: DescriptorLimit,
}

impl Frame {
    fn new() -> io::Result<Self> {
        let signals = Signals::block(&HANDED_ON)?;
        Ok(Self { signals, limit: descriptor_limit(std::process::id(), None)? })
    }

    /// Starts the command, and does `first`; then waits for its end, and hands signals on.
    fn attend(
        &self,
        mut command: Command,
        first: impl FnOnce() -> io::Result<()>,
    ) -> Result<u8, RunError> {
        with_signal_mask(&mut command, self.signals.before());
        with_descriptor_limit(&mut command, self.limit);
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child =
            command.spawn().map_err(|source| RunError::Command { command: program, source })?;
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or_default());
        let ended = first().and_then(|()| watch(pid)).map_err(RunError::Wait)?;
        while !wait_for(&ended, &self.signals).map_err(RunError::Wait)? {
            let came = self.signals.wait().map_err(RunError::Wait)?;
            // A terminal's signals went to the command, too.
            if !came.from_kernel {
                // The command is not waited for yet, so that the number is still its own.
                let _ = kill(pid, came.signal);
            }
        }
        child.wait().map(byte).map_err(RunError::Wait)
    }
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
