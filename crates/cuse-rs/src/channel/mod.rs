//! The way messages come and go: the kernel's device, or a script in a test.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;

mod device;
pub mod script;
mod sys;

pub use device::Device;

/// A connection that carries whole messages. Several threads may use it at once.
pub trait Channel: Send + Sync {
    /// Waits for one message and copies it to the front of `buffer`.
    ///
    /// # Errors
    /// `ENODEV`: the connection is over, or [`shutdown`](Self::shutdown) was called. `EINTR`,
    /// `EAGAIN` and `ENOENT` mean that there is no message now, `EINVAL` that `buffer` is too small.
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Sends one message that lies in `parts`.
    ///
    /// # Errors
    /// `ENOENT`: nobody waits for this answer any more. `ENODEV`: the connection is over. `EINVAL`:
    /// the message is not what the kernel expects.
    fn send(&self, parts: &[IoSlice<'_>]) -> io::Result<()>;

    /// From now on [`receive`](Self::receive) answers `ENODEV`, in all threads, and takes no further
    /// message. Answers can still be sent.
    fn shutdown(&self);

    /// Whether the other side has ended the connection.
    fn is_over(&self) -> bool {
        false
    }

    /// Registers `file` as one that reads, writes and mappings can be passed through to.
    ///
    /// # Errors
    /// `ENOTTY` where the connection has no such thing; see [`Session::backing`](crate::Session::backing).
    fn backing_open(&self, file: BorrowedFd<'_>) -> io::Result<i32> {
        let _ = file;
        Err(io::Error::from_raw_os_error(libc::ENOTTY))
    }

    /// Takes back what [`backing_open`](Self::backing_open) gave.
    ///
    /// # Errors
    /// `ENOENT`: there is no such id. `ENOTTY` as above.
    fn backing_close(&self, id: i32) -> io::Result<()> {
        let _ = id;
        Err(io::Error::from_raw_os_error(libc::ENOTTY))
    }
}
