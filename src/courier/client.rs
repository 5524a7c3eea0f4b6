//! The cooperating client's side: `VIDIOC_EXPBUF` without ptrace. `include/shrbuf.h` is the same
//! for C.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

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
    /// `connect(2)` answers.
    pub fn export(&self, node: BorrowedFd<'_>, plane: Plane, flags: u32) -> io::Result<OwnedFd> {
        let _ = (node, plane, flags);
        todo!()
    }
}
