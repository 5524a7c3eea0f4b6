//! One buffer: a reference to one plane's memory.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::entry::Entry;
use super::error::ExportError;
use super::export::ExportFlags;
use super::hold::Hold;
use super::memory::PlaneMemory;
use crate::sys::mapping::Mapping;

/// Name of a buffer in tables and logs: counts up, never used twice by one registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BufferId(pub u64);

impl fmt::Display for BufferId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// A piece of a buffer's memory: a range of the file that holds it, as `UDMABUF_CREATE_LIST`
/// takes it. It says nothing about addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// First byte in the file, a multiple of the page size.
    pub offset: u64,
    /// Bytes, a multiple of the page size.
    pub len: u64,
}

/// A reference to a shared buffer. Clone is `get`, drop is `put`: there is no third way to change
/// the count, so none can be forgotten or done twice.
///
/// A reference is the allocator's (from [`super::Registry::allocate`]) or an importer's (from
/// [`super::Registry::identify`] and [`super::Registry::import_dmabuf`]); its clones count as one
/// with it. When the allocator's are gone the buffer is an orphan. Two are equal when they name
/// the same memory.
#[derive(Clone)]
pub struct Buffer {
    hold: Arc<Hold>,
}

impl Buffer {
    pub(super) fn new(hold: Hold) -> Self {
        Self { hold: Arc::new(hold) }
    }

    pub(super) fn entry(&self) -> &Arc<Entry> {
        self.hold.entry()
    }

    /// Its name in tables and logs.
    #[must_use]
    pub fn id(&self) -> BufferId {
        self.hold.entry().id()
    }

    /// Bytes: what was asked for, rounded up to whole pages (so does the size of an export).
    #[must_use]
    pub fn len(&self) -> usize {
        self.hold.entry().memory().len()
    }

    /// Never: a buffer has at least one page.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces of its memory in order, in place of the article's bus address. One piece today.
    #[must_use]
    pub fn segments(&self) -> Vec<Segment> {
        self.hold.entry().memory().segments()
    }

    /// This process's own mapping; it does not count as a holder. `None` for an imported dma-buf,
    /// whose memory can fault (use [`PlaneMemory`]), and for memory that is no file.
    #[must_use]
    pub fn mapping(&self) -> Option<&Mapping> {
        self.hold.entry().memory().mapping()
    }

    /// A descriptor that is a reference of its own: the memory lives until it, its duplicates and
    /// the mappings made of it are gone. A few microseconds; never blocks on a client.
    ///
    /// # Errors
    /// See [`ExportError::errno`].
    pub fn export(&self, flags: ExportFlags) -> Result<OwnedFd, ExportError> {
        self.hold.export(flags)
    }

    /// The first `len` bytes are a new frame, which programs that map it through a node are to see:
    /// a copy, where an export of it is other memory than what the node maps.
    ///
    /// # Errors
    /// That the copy was not possible.
    pub fn publish(&self, len: usize) -> io::Result<()> {
        self.hold.entry().memory().publish(len)
    }

    /// A program has queued a frame of `len` bytes, which it may have written through a node's
    /// mapping: what is read here, and what exports show, is that frame from now on.
    ///
    /// # Errors
    /// That the copy was not possible.
    pub fn collect(&self, len: usize) -> io::Result<()> {
        self.hold.entry().memory().collect(len)
    }

    /// Whether anybody but the allocator holds it: an export (also in flight in a socket, or in
    /// a child that inherited it), a mapping of one, or an importer. Exact, not a count of what
    /// was given out. This is what `V4L2_BUF_FLAG_MAPPED` says of a queue's own buffers.
    ///
    /// Under a microsecond for a memory file; for one that was exported as a dma-buf a look into
    /// `/proc`, some ten times that. A process that this one is just starting has all descriptors
    /// until its `exec`, and counts as a holder of a dma-buf for that moment.
    ///
    /// For an import: whether anybody but its importers holds it.
    #[must_use]
    pub fn held_elsewhere(&self) -> bool {
        self.hold.held_elsewhere()
    }

    /// Whether this is an importer's reference to somebody else's dma-buf, not one that this
    /// process allocated.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        self.hold.entry().is_foreign()
    }
}

impl PartialEq for Buffer {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.hold.entry(), other.hold.entry())
    }
}

impl Eq for Buffer {}

impl fmt::Debug for Buffer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Buffer").field("id", &self.id().0).field("len", &self.len()).finish()
    }
}

impl PlaneMemory for Buffer {
    fn len(&self) -> usize {
        Self::len(self)
    }

    fn write_at(&self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        self.hold.entry().memory().plane().write_at(offset, bytes)
    }

    fn read_at(&self, offset: usize, bytes: &mut [u8]) -> io::Result<()> {
        self.hold.entry().memory().plane().read_at(offset, bytes)
    }
}
