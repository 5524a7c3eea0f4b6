//! A worker: what can be done to a caller, each with a deadline.

use std::os::fd::OwnedFd;

use nix::errno::Errno;
use thiserror::Error;

use super::{CallSite, Process};

/// A thread's helper, as a job sees it.
///
/// All operations answer `ESRCH` when the thread has died or sits in this call no more (there is
/// nobody to answer then), `ETIMEDOUT` when the deadline passed (the helper is killed and
/// replaced), `EPERM` when the kernel forbids it (Yama, a security module, a user namespace),
/// and `EIO` when the helper was lost.
#[derive(Debug)]
pub struct Worker {}

impl Worker {
    /// Reads `len` bytes at `address` of the caller.
    ///
    /// # Errors
    /// `EFAULT` when not all of it can be read; `EINVAL` over 16 MiB; see [`Worker`].
    pub fn read_memory(
        &mut self,
        site: &CallSite,
        address: u64,
        len: usize,
    ) -> Result<Vec<u8>, Errno> {
        let _ = (site, address, len);
        todo!()
    }

    /// Writes `bytes` at `address` of the caller.
    ///
    /// # Errors
    /// As [`Self::read_memory`]. With `EFAULT` some of it may have been written.
    pub fn write_memory(
        &mut self,
        site: &CallSite,
        address: u64,
        bytes: &[u8],
    ) -> Result<(), Errno> {
        let _ = (site, address, bytes);
        todo!()
    }

    /// The caller's process, to be kept with a USERPTR buffer.
    ///
    /// # Errors
    /// See [`Worker`].
    pub fn process(&mut self, site: &CallSite) -> Result<Process, Errno> {
        let _ = site;
        todo!()
    }

    /// Reads `len` bytes at `address` of `process` and hands them to `sink`, piece by piece in
    /// ascending order (offset, bytes).
    ///
    /// # Errors
    /// `EFAULT` when not all of it can be read; what `sink` answers; see [`Worker`].
    pub fn read_process(
        &mut self,
        process: &Process,
        address: u64,
        len: usize,
        sink: &mut dyn FnMut(usize, &[u8]) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let _ = (process, address, len, sink);
        todo!()
    }

    /// Writes `len` bytes at `address` of `process`; `source` fills the pieces, in ascending
    /// order (offset, bytes to fill).
    ///
    /// # Errors
    /// As [`Self::read_process`]. With `EFAULT` some of it may have been written.
    pub fn write_process(
        &mut self,
        process: &Process,
        address: u64,
        len: usize,
        source: &mut dyn FnMut(usize, &mut [u8]) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let _ = (process, address, len, source);
        todo!()
    }

    /// The flags (`O_NONBLOCK`, access mode, …) that the descriptor on which the call was made
    /// has now.
    ///
    /// # Errors
    /// `EBADF` when another thread closed it meanwhile; see [`Worker`].
    pub fn open_flags(&mut self, site: &CallSite) -> Result<u32, Errno> {
        let _ = site;
        todo!()
    }

    /// Takes the caller's descriptor `fd`, if it is a memory file or a dma-buf. Every other kind
    /// is left alone: already closing a descriptor may hang on somebody's file system.
    ///
    /// # Errors
    /// `EINVAL` for every other kind, closed and negative numbers included; see [`Worker`].
    pub fn take(&mut self, site: &CallSite, fd: i32) -> Result<OwnedFd, Errno> {
        let _ = (site, fd);
        todo!()
    }

    /// Has the caller, which sits in a call whose argument is a `struct v4l2_exportbuffer`,
    /// receive `descriptor` under the lowest free number. Returns that number.
    ///
    /// `answer` is called exactly once: with `Ok` when the thread is held and the call is to be
    /// answered with success (the 64 bytes as the caller is to see them, `fd` = -1), or with the
    /// errno that the call is to be answered with. After `Ok` the helper puts the number in, or,
    /// when that fails, puts the errno of [`GiveError::errno`] and the struct as it was before
    /// the call in place. Not even [`GiveError::Lost`] leaves anything for the daemon to do.
    ///
    /// # Errors
    /// [`GiveError`], which says what to do about it; worth one line in the log.
    pub fn give(
        &mut self,
        site: &CallSite,
        descriptor: OwnedFd,
        cloexec: bool,
        answer: impl FnOnce(Result<(), Errno>),
    ) -> Result<i32, GiveError> {
        let _ = (site, descriptor, cloexec, answer);
        todo!()
    }

    /// Whether [`Self::give`] can work at all on this processor. Where it can't, `EXPBUF` is
    /// better not offered (`ENOTTY`).
    #[must_use]
    pub fn can_give() -> bool {
        todo!()
    }
}

/// Why a caller did not get its descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum GiveError {
    /// It died, or its call ended otherwise: there is nobody to tell.
    #[error("the caller is gone")]
    Gone,
}

impl GiveError {
    /// What the caller's `ioctl` fails with.
    #[must_use]
    pub fn errno(self) -> Errno {
        todo!()
    }
}
