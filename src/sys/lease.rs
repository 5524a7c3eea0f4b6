//! Is an open file the only one of its inode? A write lease (`F_SETLEASE`) is granted only then,
//! and the kernel's own counters decide: read-only or not, mapping only, in flight in a socket.
//!
//! What the counters do not see: a file opened with access mode 3, and one opened with `O_PATH`.
//! Neither can be read or mapped, but both keep the inode.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Sends the signal of a broken lease on `file` as `SIGURG`, which is ignored unless somebody
/// wants it, instead of `SIGIO`, which ends the process: the kernel would send it when somebody
/// opens the file in the moment in which [`alone`] holds the lease.
///
/// # Errors
/// Those of `fcntl(2)`.
pub fn hush(file: BorrowedFd<'_>) -> io::Result<()> {
    /// `F_SETSIG` of `<linux/fcntl.h>`.
    const F_SETSIG: libc::c_int = 10;
    // SAFETY: F_SETSIG takes a plain number; nothing is written to our memory.
    done(unsafe { libc::fcntl(file.as_raw_fd(), F_SETSIG, libc::SIGURG) })
}

/// Whether `file`, which is open for writing, is the only description of its inode that can be
/// read, written or mapped. Duplicates and mappings of `file` itself don't count. Two threads
/// may not ask for the same `file` at once: the lease is the file's, and one would drop the other's.
///
/// # Errors
/// `EACCES` when the file belongs to another user and `CAP_LEASE` is missing; `EINVAL` where
/// leases are off (`/proc/sys/fs/leases-enable`) or the file system has none.
pub fn alone(file: BorrowedFd<'_>) -> io::Result<bool> {
    match set(file, libc::F_WRLCK) {
        Ok(()) => {
            set(file, libc::F_UNLCK)?;
            Ok(true)
        }
        Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => Ok(false),
        Err(error) => Err(error),
    }
}

fn set(file: BorrowedFd<'_>, kind: libc::c_int) -> io::Result<()> {
    // SAFETY: F_SETLEASE takes a plain number; nothing is written to our memory.
    done(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) })
}

fn done(answer: libc::c_int) -> io::Result<()> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memfd::Memfd;

    /// Somebody who opens the file in the moment of the question breaks the lease; the signal
    /// that tells of it would end this process if it were SIGIO.
    #[test]
    fn a_broken_lease_ends_no_process() {
        let file = Memfd::new(1).expect("a file");
        set(file.own(), libc::F_WRLCK).expect("a lease");
        let refused = file.reopen(libc::O_RDONLY | libc::O_NONBLOCK).expect_err("leased");
        assert_eq!(refused.raw_os_error(), Some(libc::EWOULDBLOCK));
        set(file.own(), libc::F_UNLCK).expect("no lease");
        file.reopen(libc::O_RDONLY | libc::O_NONBLOCK).expect("not leased");
    }
}
