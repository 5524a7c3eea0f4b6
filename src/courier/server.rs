//! The courier's socket: where tickets are redeemed.
//!
//! A `SOCK_SEQPACKET` Unix socket. One connection redeems one ticket: the client sends its 16
//! bytes, the server answers with one message, the errno as a native `int32` (0: the descriptor
//! comes with it as `SCM_RIGHTS`), and closes.

use std::io;
use std::os::fd::OwnedFd;

use super::ticket::Tickets;

/// The server, one thread. Dropping it ends it.
#[derive(Debug)]
pub struct Server {}

impl Server {
    /// Serves on `listener`, a listening `SOCK_SEQPACKET` Unix socket (see [`listen`]).
    ///
    /// # Errors
    /// When no thread is to be had.
    pub fn start(listener: OwnedFd, tickets: Tickets) -> io::Result<Self> {
        let _ = (listener, tickets);
        todo!()
    }
}

/// Makes the listening socket at `path` (mode 0666: a ticket is the key). A stale socket there,
/// one that nobody listens on, is replaced; anything else is not.
///
/// # Errors
/// `EADDRINUSE` when somebody listens there or it is no socket; those of `bind(2)`.
pub fn listen(path: &std::path::Path) -> io::Result<OwnedFd> {
    let _ = path;
    todo!()
}
