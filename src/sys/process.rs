//! Starting processes: descriptors that stay open, sessions, terminals, and a plain `fork`.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::unistd::{ForkResult, fork};

/// Keeps `fds` open in the started program, under the numbers they have here.
pub fn inherit(command: &mut Command, fds: Vec<OwnedFd>) {
    let clear = move || {
        for fd in &fds {
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes fcntl calls only (async-signal-safe) and
    // allocates nothing; the descriptors are owned by the closure, so they are open.
    unsafe { command.pre_exec(clear) };
}

/// The started program gets a session of its own, and with `terminal` the terminal on its
/// standard stream of that number as controlling terminal.
pub fn new_session(command: &mut Command, terminal: Option<RawFd>) {
    let session = move || {
        nix::unistd::setsid()?;
        if let Some(stream) = terminal {
            // SAFETY: the argument is the plain number 0 (do not steal), as TIOCSCTTY takes it.
            let answer = unsafe { libc::ioctl(stream, libc::TIOCSCTTY, 0) };
            if answer < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: the closure makes two system calls, both async-signal-safe, and allocates nothing.
    unsafe { command.pre_exec(session) };
}

/// The started program is ended with SIGKILL when the thread that starts it ends, and starts
/// with no signal blocked.
pub fn die_with_parent(command: &mut Command) {
    let set = || {
        nix::sys::signal::SigSet::empty().thread_set_mask()?;
        nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
        Ok(())
    };
    // SAFETY: the closure makes two system calls, both async-signal-safe, and allocates nothing.
    unsafe { command.pre_exec(set) };
}

/// `fork(2)` for a process that has one thread.
///
/// # Errors
/// `EBUSY` when this process has more threads than one: a forked child could then find a lock
/// held for ever. Otherwise those of `fork(2)`.
pub fn fork_alone() -> io::Result<ForkResult> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::from_raw_os_error(libc::EBUSY));
    }
    // SAFETY: there is no other thread (checked above), so the child's memory is consistent.
    Ok(unsafe { fork() }?)
}

/// Drops every capability but `kept` (numbers as in `<linux/capability.h>`) from the bounding
/// set, so that no later `exec` brings one back.
///
/// # Errors
/// `EPERM` without `CAP_SETPCAP` (then there is also nothing to lose by `exec` as root).
pub fn limit_capabilities(kept: &[u32]) -> io::Result<()> {
    // The kernel answers EINVAL for the first number that it does not know.
    for capability in 0..64 {
        if kept.contains(&capability) {
            continue;
        }
        // SAFETY: PR_CAPBSET_DROP takes plain numbers.
        let answer = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        if answer < 0 {
            let error = io::Error::last_os_error();
            return if error.raw_os_error() == Some(libc::EINVAL) { Ok(()) } else { Err(error) };
        }
    }
    Ok(())
}

/// The number of a descriptor, for command lines that name it.
#[must_use]
pub fn number(fd: &OwnedFd) -> String {
    fd.as_raw_fd().to_string()
}

/// Takes over a descriptor that came with `exec` and whose number was told to this program.
/// From here on it is closed on a further `exec`.
///
/// # Errors
/// `EBADF` when there is none of that number, or when it is one of the standard streams, which
/// the standard library owns.
pub fn adopt(number: RawFd) -> io::Result<OwnedFd> {
    if number <= libc::STDERR_FILENO {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: fcntl with F_SETFD takes and changes nothing but a flag, whatever the number is.
    let answer = unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open (the call above succeeded) and came with exec, so that no
    // value of this program owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// The started program begins with this limit of descriptors instead of the one of this process.
pub fn with_descriptor_limit(command: &mut Command, limit: super::pidfd::DescriptorLimit) {
    use nix::sys::resource::{Resource, setrlimit};
    let set = move || Ok(setrlimit(Resource::RLIMIT_NOFILE, limit.soft, limit.hard)?);
    // SAFETY: the closure makes one system call, which is async-signal-safe, and allocates nothing.
    unsafe { command.pre_exec(set) };
}

/// The started program begins with this signal mask instead of the one of the thread that starts
/// it.
pub fn with_signal_mask(command: &mut Command, mask: nix::sys::signal::SigSet) {
    let set = move || Ok(mask.thread_set_mask()?);
    // SAFETY: the closure makes one system call, which is async-signal-safe, and allocates nothing.
    unsafe { command.pre_exec(set) };
}
