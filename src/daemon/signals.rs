//! Signals as values: blocked for the whole process before its other threads start, and read by
//! the one that waits.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
pub use nix::sys::signal::Signal;
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// Blocked signals, to be waited for.
#[derive(Debug)]
pub struct Signals {
    fd: SignalFd,
    before: SigSet,
}

/// A signal that has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Came {
    /// Which.
    pub signal: Signal,
    /// From the kernel (a terminal's Ctrl-C goes to the whole foreground group), not by `kill`.
    pub from_kernel: bool,
}

impl Signals {
    /// Blocks `signals` in this thread and in those that it starts from now on.
    ///
    /// # Errors
    /// Those of `signalfd(2)`.
    pub fn block(signals: &[Signal]) -> io::Result<Self> {
        let set: SigSet = signals.iter().copied().collect();
        let mut before = SigSet::empty();
        pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&set), Some(&mut before))?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC)?;
        Ok(Self { fd, before })
    }

    /// What was blocked before: a command that is started gets this.
    #[must_use]
    pub fn before(&self) -> SigSet {
        self.before
    }

    fn is_there(&self) -> bool {
        let mut this = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        poll(&mut this, PollTimeout::ZERO).is_ok_and(|count| count > 0)
    }

    /// The next one.
    ///
    /// # Errors
    /// Those of `read(2)`.
    pub fn wait(&self) -> io::Result<Came> {
        loop {
            match self.fd.read_signal() {
                Ok(Some(info)) => {
                    let number = i32::try_from(info.ssi_signo).unwrap_or_default();
                    let Ok(signal) = Signal::try_from(number) else { continue };
                    return Ok(Came { signal, from_kernel: info.ssi_code > 0 });
                }
                Ok(None) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for Signals {
    /// Readable while a signal is there.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Signals {
    /// What has come and was not waited for is forgotten; then the mask is as before.
    fn drop(&mut self) {
        while self.is_there() {
            if self.wait().is_err() {
                return;
            }
        }
        if let Err(error) = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&self.before), None) {
            tracing::warn!(%error, "the signal mask can't be restored");
        }
    }
}
