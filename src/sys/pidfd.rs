//! A process by descriptor (`pidfd_open(2)`, `pidfd_getfd(2)`), and how many descriptors it may
//! have.

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// `PIDFD_THREAD` (Linux 6.9): the thread, not its process.
const PIDFD_THREAD: libc::c_int = libc::O_EXCL;

/// Opens the process `tgid`.
///
/// # Errors
/// `ESRCH` when there is none; `EINVAL` when `tgid` is another thread than the first.
pub fn open(tgid: u32) -> Result<OwnedFd, Errno> {
    pidfd_open(tgid, 0)
}

/// Opens the thread `tid`.
///
/// # Errors
/// `EINVAL` before Linux 6.9; `ESRCH` when there is none.
pub fn open_thread(tid: u32) -> Result<OwnedFd, Errno> {
    pidfd_open(tid, PIDFD_THREAD)
}

fn pidfd_open(id: u32, flags: libc::c_int) -> Result<OwnedFd, Errno> {
    let id = libc::pid_t::try_from(id).map_err(|_| Errno::ESRCH)?;
    // SAFETY: pidfd_open takes two plain numbers.
    let answer = unsafe { libc::syscall(libc::SYS_pidfd_open, id, flags) };
    own(Errno::result(answer)?)
}

/// A duplicate of descriptor `fd` of the process (or thread) `pidfd`, closed on `exec`.
///
/// # Errors
/// `EBADF` when the number is not in use there; `ESRCH` when it has died; `EPERM`.
pub fn getfd(pidfd: impl AsFd, fd: i32) -> Result<OwnedFd, Errno> {
    let pidfd = pidfd.as_fd().as_raw_fd();
    // SAFETY: pidfd_getfd takes three plain numbers; the first is borrowed, so it is open.
    let answer = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd, fd, 0) };
    own(Errno::result(answer)?)
}

fn own(answer: libc::c_long) -> Result<OwnedFd, Errno> {
    let number = RawFd::try_from(answer).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made this descriptor for the caller, who alone knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Whether the process has not ended.
#[must_use]
pub fn is_alive(pidfd: impl AsFd) -> bool {
    let mut fds = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO) == Ok(0)
}

/// Sends SIGKILL to the process.
///
/// # Errors
/// `ESRCH` when it has ended; `EPERM`.
pub fn kill(pidfd: impl AsFd) -> Result<(), Errno> {
    let (pidfd, no_info) = (pidfd.as_fd().as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
    // SAFETY: plain numbers, and no further information; the descriptor is borrowed, so it is open.
    let answer =
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd, libc::SIGKILL, no_info, 0) };
    Errno::result(answer).map(drop)
}

/// `RLIMIT_NOFILE`: every descriptor's number is below `soft`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescriptorLimit {
    /// What counts.
    pub soft: u64,
    /// What `soft` may be raised to.
    pub hard: u64,
}

/// The limit of the process `tgid`, which becomes `new` if there is one.
///
/// # Errors
/// `ESRCH`; `EPERM` without the right, or above the `fs.nr_open` of this machine.
pub fn descriptor_limit(tgid: u32, new: Option<DescriptorLimit>) -> Result<DescriptorLimit, Errno> {
    let tgid = libc::pid_t::try_from(tgid).map_err(|_| Errno::ESRCH)?;
    let new = new.map(|limit| libc::rlimit { rlim_cur: limit.soft, rlim_max: limit.hard });
    let new = new.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let mut old = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `new` is null or points to a value that lives through the call, `old` is ours.
    let answer = unsafe { libc::prlimit(tgid, libc::RLIMIT_NOFILE, new, &raw mut old) };
    Errno::result(answer)?;
    Ok(DescriptorLimit { soft: old.rlim_cur, hard: old.rlim_max })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_process_is_not_alive() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .expect("a process");
        let pidfd = open(child.id()).expect("a pidfd");
        assert!(is_alive(&pidfd));
        kill(&pidfd).expect("sent");
        let ended = child.wait().expect("its end");
        assert!(!ended.success() && !is_alive(&pidfd), "{ended}");
        assert_eq!(kill(&pidfd), Err(Errno::ESRCH));
    }

    #[test]
    fn own_process() {
        let pidfd = open(std::process::id()).expect("a pidfd");
        assert!(is_alive(&pidfd));
        assert_eq!(getfd(&pidfd, -1).map(drop), Err(Errno::EBADF));
        let limit = descriptor_limit(std::process::id(), None).expect("a limit");
        assert!(limit.soft > 0 && limit.soft <= limit.hard);
    }
}
