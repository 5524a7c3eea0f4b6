//! Is it still the same thread in the same call? Numbers of threads are used again, and a call
//! can have ended. Runs in the helper.

use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::wire::Request;
use crate::sys::procfs::{self, Doing, Status, Syscall};

/// How long to wait for a thread that runs to be back in its wait: a signal, or the first
/// moment after the call's message was sent, wakes it for microseconds.
const NAP: Duration = Duration::from_micros(50);

/// A thread in its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Site {
    /// The call, where the kernel tells it. Where it doesn't (user-mode Linux), it is known that
    /// the thread waits for the answer to some `ioctl`, no more.
    pub call: Option<Syscall>,
    /// The thread.
    pub status: Status,
}

/// Waits (not after `deadline`) until the thread is seen in the request's call.
///
/// # Errors
/// `ESRCH` when it is gone, or in another call, or belongs to somebody else;
/// `EOPNOTSUPP` when the call was not made as this processor's programs do.
pub(super) fn check(request: &Request, deadline: Instant) -> Result<Site, Errno> {
    let call = loop {
        match procfs::doing(request.tid)? {
            Doing::Syscall(call) => break Some(call),
            Doing::SomeIoctl => break None,
            // Most of these are over before the next look. A caller that stays so is none.
            Doing::Running | Doing::Blocked if Instant::now() < deadline => {
                std::thread::sleep(NAP);
            }
            Doing::Running | Doing::Blocked => return Err(Errno::ESRCH),
        }
    };
    if let Some(call) = call {
        is_this(request, call.number, call.arguments)?;
    }
    let status = procfs::status(request.tid)?;
    if status.fsuid == request.uid { Ok(Site { call, status }) } else { Err(Errno::ESRCH) }
}

/// Whether a call of this number with these arguments is the request's.
///
/// # Errors
/// `ESRCH` when it is another; `EOPNOTSUPP` when it was not made as this processor's programs do.
pub(super) fn is_this(request: &Request, number: i64, arguments: [u64; 6]) -> Result<(), Errno> {
    let [_, cmd, arg, ..] = arguments;
    // The kernel takes the lower half of the command's register only.
    if cmd & 0xffff_ffff != u64::from(request.cmd) || arg != request.arg {
        return Err(Errno::ESRCH);
    }
    if number == libc::SYS_ioctl { Ok(()) } else { Err(Errno::EOPNOTSUPP) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::FromZeros;

    #[test]
    fn a_thread_that_never_was_is_gone() {
        let request = Request::new_zeroed();
        assert_eq!(check(&request, Instant::now()), Err(Errno::ESRCH));
    }

    #[test]
    fn a_call_is_known_by_command_and_argument() {
        let request = Request { cmd: 7, arg: 9, ..Request::new_zeroed() };
        let ioctl = libc::SYS_ioctl;
        assert_eq!(is_this(&request, ioctl, [3, 7 | 1 << 32, 9, 0, 0, 0]), Ok(()));
        assert_eq!(is_this(&request, ioctl, [3, 8, 9, 0, 0, 0]), Err(Errno::ESRCH));
        assert_eq!(is_this(&request, ioctl, [3, 7, 8, 0, 0, 0]), Err(Errno::ESRCH));
        let entry_of_32_bits = is_this(&request, ioctl + 1, [3, 7, 9, 0, 0, 0]);
        assert_eq!(entry_of_32_bits, Err(Errno::EOPNOTSUPP));
    }
}
