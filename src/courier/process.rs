//! A helper as the daemon sees it: a child process, a socket to it, a file that both have.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use zerocopy::{FromZeros, IntoBytes};

use super::wire::{Reply, Request, TRANSFER};
use super::{HELPER_NAME, Program};
use crate::sys::process::{inherit, new_session};
use crate::sys::scm_rights;

/// How long a helper that was told to end may take before it is left to itself, to be reaped
/// later. One that hangs in a call which not even SIGKILL ends must not hold up the daemon.
const END: Duration = Duration::from_millis(100);

/// A helper process.
#[derive(Debug)]
pub(super) struct Helper {
    process: Child,
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
        let (ours, theirs) = scm_rights::pair()?;
        let transfer = File::from(memfd_create(c"shrbuf-transfer", MFdFlags::MFD_CLOEXEC)?);
        transfer.set_len(TRANSFER as u64)?;
        let shared = OwnedFd::from(transfer.try_clone()?);
        let mut command = match program {
            Program::Own => Command::new("/proc/self/exe"),
            Program::File(path) => Command::new(path),
        };
        command.arg0(HELPER_NAME);
        command.args([theirs.as_raw_fd().to_string(), shared.as_raw_fd().to_string()]);
        command.arg(number.to_string());
        command.env_clear().current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        new_session(&mut command, None);
        inherit(&mut command, vec![theirs, shared]);
        #[cfg(feature = "faults")]
        crate::sys::fault::pass_on(&mut command);
        let process = command.spawn()?;
        #[cfg(feature = "faults")]
        crate::sys::fault::helper(process.id());
        Ok(Self { process, socket: ours, transfer })
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
        let deadline = Instant::now() + most;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Errno::ETIMEDOUT);
            }
            let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            let timeout = PollTimeout::try_from(left + Duration::from_millis(1));
            match poll(&mut fds, timeout.unwrap_or(PollTimeout::MAX)) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => break,
                Err(error) => return Err(error),
            }
        }
        let (mut reply, mut fds) = (Reply::new_zeroed(), Vec::new());
        match scm_rights::receive(&self.socket, reply.as_mut_bytes(), &mut fds) {
            Ok(true) => Ok((reply, fds)),
            Ok(false) | Err(_) => Err(Errno::EIO),
        }
    }

    /// The helper's number, for tests that kill it.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends the helper by force. The child is handed back when it doesn't end soon.
    pub(super) fn kill(mut self) -> Option<Child> {
        // It fails only when the child has been reaped already.
        let _ = self.process.kill();
        drop(self.socket);
        if ended(&mut self.process) { None } else { Some(self.process) }
    }

    /// Lets the helper end by itself. The child is handed back when it doesn't end soon.
    pub(super) fn end(mut self) -> Option<Child> {
        drop(self.socket);
        if ended(&mut self.process) { None } else { Some(self.process) }
    }
}

fn ended(process: &mut Child) -> bool {
    let deadline = Instant::now() + END;
    loop {
        match process.try_wait() {
            Ok(None) if Instant::now() < deadline => std::thread::sleep(END / 100),
            Ok(None) => return false,
            Ok(Some(_)) | Err(_) => return true,
        }
    }
}
