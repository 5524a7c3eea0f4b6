//! A helper as the daemon sees it: a process, a socket to it, a file that both have.
//!
//! The process is the daemon's child, or the service manager's, which starts one for each connection
//! to a socket of its own ([`Program::Socket`]): such helpers have none of the daemon's confinement.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use zerocopy::{FromZeros, IntoBytes};

use super::wire::{Operation, Reply, Request, TRANSFER};
use super::{HELPER_NAME, Program, server};
use crate::sys::process::{inherit, new_session};
use crate::sys::{pidfd, scm_rights};

/// How long a helper that was told to end may take before it is left to itself, to be reaped
/// later. One that hangs in a call which not even SIGKILL ends must not hold up the daemon.
const END: Duration = Duration::from_millis(100);

/// How long the service manager may take to start a helper: milliseconds as a rule, but it may be
/// busy with everything else of a starting machine.
const SERVICE: Duration = Duration::from_secs(20);

/// A helper process.
#[derive(Debug)]
pub(super) struct Helper {
    process: HelperProcess,
    socket: OwnedFd,
    /// Through it memory crosses, [`TRANSFER`] bytes at a time.
    pub(super) transfer: File,
}

impl Helper {
    /// Starts helper number `number`.
    ///
    /// # Errors
    /// When no socket, memory or process is to be had.
    pub(super) fn start(program: &Program, number: usize) -> io::Result<Self> {
        let transfer = File::from(memfd_create(c"shrbuf-transfer", MFdFlags::MFD_CLOEXEC)?);
        transfer.set_len(TRANSFER as u64)?;
        match program {
            Program::Own => Self::child(Command::new("/proc/self/exe"), transfer, number),
            Program::File(path) => Self::child(Command::new(path), transfer, number),
            Program::Socket(path) => Self::at(path, transfer, number),
        }
    }

    fn child(mut command: Command, transfer: File, number: usize) -> io::Result<Self> {
        let (ours, theirs) = scm_rights::pair()?;
        let shared = OwnedFd::from(transfer.try_clone()?);
        command.arg0(HELPER_NAME);
        command.args([theirs.as_raw_fd().to_string(), shared.as_raw_fd().to_string()]);
        command.arg(number.to_string());
        command.env_clear().current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        new_session(&mut command, None);
        inherit(&mut command, vec![theirs, shared]);
        #[cfg(feature = "faults")]
        crate::sys::fault::pass_on(&mut command);
        let process = HelperProcess::Child(command.spawn()?);
        #[cfg(feature = "faults")]
        crate::sys::fault::helper(process.id());
        Ok(Self { process, socket: ours, transfer })
    }

    /// The one that whoever listens at `path` starts.
    fn at(path: &Path, transfer: File, number: usize) -> io::Result<Self> {
        let socket = server::connect_to(path)?;
        let number = i32::try_from(number).map_err(|_| Errno::EINVAL)?;
        let hello = Request { operation: Operation::Hello as u32, number, ..Request::new_zeroed() };
        scm_rights::send(&socket, hello.as_bytes(), &[transfer.as_fd()])?;
        let (reply, fds) = answer_of(&socket, SERVICE)?;
        let process = fds.into_iter().next().ok_or(Errno::EPROTO)?;
        let id = u32::try_from(reply.value).map_err(|_| Errno::EPROTO)?;
        Ok(Self { process: HelperProcess::Service(id, process), socket, transfer })
    }

    /// Sends a request.
    ///
    /// # Errors
    /// `EPIPE` when the helper is gone.
    pub(super) fn ask(&self, request: &Request, fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
        scm_rights::send(&self.socket, request.as_bytes(), fds)
    }

    /// Waits for the next answer.
    ///
    /// # Errors
    /// `ETIMEDOUT`; `EIO` when the helper is gone.
    pub(super) fn answer(&self, most: Duration) -> Result<(Reply, Vec<OwnedFd>), Errno> {
        answer_of(&self.socket, most)
    }

    /// The helper's number, for the log and for tests that kill it.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends the helper by force. The process is handed back when it doesn't end soon.
    pub(super) fn kill(mut self) -> Option<HelperProcess> {
        self.process.kill();
        drop(self.socket);
        if ended(&mut self.process) { None } else { Some(self.process) }
    }

    /// Lets the helper end by itself. The process is handed back when it doesn't end soon.
    pub(super) fn end(mut self) -> Option<HelperProcess> {
        drop(self.socket);
        if ended(&mut self.process) { None } else { Some(self.process) }
    }
}

fn answer_of(socket: &OwnedFd, most: Duration) -> Result<(Reply, Vec<OwnedFd>), Errno> {
    let deadline = Instant::now() + most;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Errno::ETIMEDOUT);
        }
        let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1));
        match poll(&mut fds, timeout.unwrap_or(PollTimeout::MAX)) {
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => break,
            Err(error) => return Err(error),
        }
    }
    let (mut reply, mut fds) = (Reply::new_zeroed(), Vec::new());
    match scm_rights::receive(socket, reply.as_mut_bytes(), &mut fds) {
        Ok(true) => Ok((reply, fds)),
        Ok(false) | Err(_) => Err(Errno::EIO),
    }
}

fn ended(process: &mut HelperProcess) -> bool {
    let deadline = Instant::now() + END;
    loop {
        if process.has_ended() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(END / 100);
    }
}

/// A helper's process, to be ended and waited for.
#[derive(Debug)]
pub(super) enum HelperProcess {
    /// Of this process.
    Child(Child),
    /// Its number and a pidfd of it: the service manager's child.
    Service(u32, OwnedFd),
}

impl HelperProcess {
    fn id(&self) -> u32 {
        match self {
            Self::Child(child) => child.id(),
            Self::Service(id, _) => *id,
        }
    }

    fn kill(&mut self) {
        // Both fail only when the process is gone already.
        let _ = match self {
            Self::Child(child) => child.kill(),
            Self::Service(_, process) => pidfd::kill(process).map_err(io::Error::from),
        };
    }

    /// Whether it has ended; a child is reaped then.
    pub(super) fn has_ended(&mut self) -> bool {
        match self {
            Self::Child(child) => !matches!(child.try_wait(), Ok(None)),
            Self::Service(_, process) => !pidfd::is_alive(process),
        }
    }
}
