//! All buffers of this process: who is charged for them, and which descriptor names which.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::backing::{Backings, Memory};
use super::buffer::{Buffer, BufferId};
use super::error::{AllocError, ExportError, ImportError};
use super::export::ExportFlags;
use super::limits::{Charge, Limits};

/// Who allocates, and is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The client's user.
    pub uid: u32,
    /// The node, by a number that the daemon gives (the `N` of `videoN`).
    pub node: u32,
}

/// What a caller's descriptor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// An export of ours: an importer's reference to the buffer.
    Ours(Buffer),
    /// A dma-buf of somebody else: fetch it in a worker and call [`Registry::import_dmabuf`].
    Dmabuf,
    /// Anything else, closed descriptors included: `EINVAL`, never fetched.
    Other,
}

/// Sums over all buffers. All zero when every client has let go of everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accounting {
    /// Bytes of all buffers allocated here that are not free yet.
    pub bytes: u64,
    /// Number of those buffers.
    pub buffers: u64,
    /// Of those, the ones whose allocator let go.
    pub orphaned: u64,
    /// Descriptors given out for buffers that somebody outside still holds (exact zero; else an
    /// upper bound, since a holder of several may have closed some).
    pub exports: u64,
    /// Importers' references, to our buffers and to foreign dma-bufs.
    pub imports: u64,
}

/// All buffers of this process.
#[derive(Debug)]
pub struct Registry {}

impl Registry {
    /// An empty one.
    #[must_use]
    pub fn new(limits: Limits, backings: Backings) -> Arc<Self> {
        let _ = (limits, backings);
        todo!()
    }

    /// A new buffer of at least `len` bytes, all zero and all present: touching it later neither
    /// waits nor fails. Frees orphans first where a limit is met.
    ///
    /// # Errors
    /// See [`AllocError::errno`]: `ENOMEM` over a limit or without memory, `EINVAL` for 0 bytes.
    pub fn allocate(self: &Arc<Self>, owner: &Owner, len: usize) -> Result<Buffer, AllocError> {
        let _ = (owner, len);
        todo!()
    }

    /// What descriptor `fd` of thread `tid` is. Asks `/proc` only: never blocks on a file system
    /// or on a client, never fetches the descriptor; fit for a thread that serves requests.
    #[must_use]
    pub fn identify(self: &Arc<Self>, tid: u32, fd: i32) -> Identity {
        let _ = (tid, fd);
        todo!()
    }

    /// An importer's reference to the dma-buf `fd`, which may be one of ours that came back. What
    /// is no dma-buf is recognised without asking a file system, but *closing* it may ask one: for
    /// a worker thread.
    ///
    /// # Errors
    /// See [`ImportError`]: `EINVAL`.
    pub fn import_dmabuf(self: &Arc<Self>, fd: OwnedFd) -> Result<Buffer, ImportError> {
        let _ = fd;
        todo!()
    }

    /// Frees the orphans that nobody holds any more; how many.
    pub fn reap(&self) -> usize {
        todo!()
    }

    /// The sums, after [`Registry::reap`].
    #[must_use]
    pub fn accounting(&self) -> Accounting {
        todo!()
    }

    /// What is charged to a uid, orphans included.
    #[must_use]
    pub fn charged_to_uid(&self, uid: u32) -> Charge {
        let _ = uid;
        todo!()
    }
}

/// One buffer's memory and what is known of it.
#[derive(Debug)]
pub(super) struct Entry {}

impl Entry {
    pub(super) fn id(&self) -> BufferId {
        todo!()
    }

    pub(super) fn memory(&self) -> &dyn Memory {
        todo!()
    }

    pub(super) fn is_foreign(&self) -> bool {
        todo!()
    }
}

/// The allocator's or an importer's reference.
#[derive(Debug)]
pub(super) struct Hold {
    entry: Arc<Entry>,
}

impl Hold {
    pub(super) fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    pub(super) fn export(&self, flags: ExportFlags) -> Result<OwnedFd, ExportError> {
        let _ = flags;
        todo!()
    }

    pub(super) fn held_elsewhere(&self) -> bool {
        todo!()
    }
}
