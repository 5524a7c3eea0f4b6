//! Is it still the same thread in the same call? Numbers of threads are used again, and a call
//! can have ended. Runs in the helper.

use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::wire::Request;
use crate::sys::procfs::{self, Doing, Status, Syscall};

/// How long to wait for a thread that runs to be back in its wait: a signal, or the first
/// moment after the call's message was sent, wakes it for microseconds.
const NAP: Duration = Duration::from_micros(50);

/// Waits (not after `deadline`) until the thread is seen in the request's call.
///
/// # Errors
/// `ESRCH` when it is gone, or in another call, or belongs to somebody else;
/// `EOPNOTSUPP` when the call was not made as this processor's programs do.
pub(super) fn check(request: &Request, deadline: Instant) -> Result<(Syscall, Status), Errno> {
    let call = loop {
        match procfs::doing(request.tid)? {
            Doing::Syscall(call) => break call,
            // Most of these are over before the next look. A caller that stays so is none.
            Doing::Running | Doing::Blocked if Instant::now() < deadline => {
                std::thread::sleep(NAP);
            }
            Doing::Running | Doing::Blocked => return Err(Errno::ESRCH),
        }
    };
    let [_, cmd, arg, ..] = call.arguments;
    // The kernel takes the lower half of the command's register only.
    if cmd & 0xffff_ffff != u64::from(request.cmd) || arg != request.arg {
        return Err(Errno::ESRCH);
    }
    if call.number != libc::SYS_ioctl {
        return Err(Errno::EOPNOTSUPP);
    }
    let status = procfs::status(request.tid)?;
    if status.fsuid == request.uid { Ok((call, status)) } else { Err(Errno::ESRCH) }
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
}
