//! The cooperating client's side: `VIDIOC_EXPBUF` without ptrace. `include/shrbuf.h` is the same
//! for C.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::socket::{SockFlag, UnixAddr, connect};
use zerocopy::{FromZeros, IntoBytes};

use super::server::new_socket;
use super::ticket::{ExportRequest, SHRBUF_IOC_EXPORT, Ticket};
use crate::sys::scm_rights::{self, ioctl};

/// Where the daemon's courier listens, if it is not told otherwise.
pub const SOCKET: &str = "/run/shrbuf/courier.sock";

/// A client of one daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The courier's socket.
    pub socket: PathBuf,
}

impl Default for Client {
    fn default() -> Self {
        Self { socket: SOCKET.into() }
    }
}

/// Which plane of which buffer; the fields of `struct v4l2_exportbuffer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plane {
    /// `V4L2_BUF_TYPE_…`
    pub buffer_type: u32,
    /// The buffer.
    pub index: u32,
    /// Its plane, 0 for single-planar types.
    pub plane: u32,
}

impl Client {
    /// As `VIDIOC_EXPBUF` on `node`, with `flags` as there (`O_RDWR`, `O_CLOEXEC`).
    ///
    /// # Errors
    /// What `VIDIOC_EXPBUF` answers; `ENOTTY` when the node is none of shrbuf's; what
    /// `connect(2)` answers; `EACCES` when the ticket was not taken within five seconds.
    pub fn export(&self, node: BorrowedFd<'_>, plane: Plane, flags: u32) -> io::Result<OwnedFd> {
        let Plane { buffer_type, index, plane } = plane;
        let mut request =
            ExportRequest { buffer_type, index, plane, flags, ..ExportRequest::new_zeroed() };
        ioctl(node, SHRBUF_IOC_EXPORT, request.as_mut_bytes())?;
        let descriptor = redeem(&self.socket, &request.ticket)?;
        if !OFlag::from_bits_truncate(flags.cast_signed()).contains(OFlag::O_CLOEXEC) {
            fcntl(&descriptor, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        Ok(descriptor)
    }
}

/// Presents a ticket.
pub(super) fn redeem(path: &Path, ticket: &Ticket) -> io::Result<OwnedFd> {
    let socket = new_socket(SockFlag::empty())?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    match scm_rights::send(&socket, ticket, &[]) {
        // A server that has too many to serve says so and hangs up before it is asked.
        Ok(()) | Err(Errno::EPIPE) => {}
        Err(error) => return Err(error.into()),
    }
    let (mut errno, mut fds) = ([0; size_of::<i32>()], Vec::new());
    while let Err(error) = scm_rights::receive(&socket, &mut errno, &mut fds) {
        if error != Errno::EINTR {
            return Err(error.into());
        }
    }
    // The daemon has let go of its own when it hangs up: who asks then who holds the buffer is told right.
    while scm_rights::receive(&socket, &mut [0], &mut Vec::new()) == Err(Errno::EINTR) {}
    match (i32::from_ne_bytes(errno), fds.into_iter().next()) {
        (0, Some(descriptor)) => Ok(descriptor),
        (0, None) => Err(Errno::EPROTO.into()), // hung up on, or the table is full
        (errno, _) => Err(io::Error::from_raw_os_error(errno)),
    }
}
