//! Where the buffers of an open file lie, for files that can be mapped.
//!
//! A node is mapped through the file that allocated its buffers. What stands behind that file is the
//! transport's affair; the device only has its buffers allocated there, and says when a program is
//! about to look at a frame, or has written one.

use std::sync::Arc;

use vb2::{FileId, MemoryType};

use super::node::Device;
use crate::shrbuf::{AllocError, Buffer, Owner};

/// The memory behind one open file's mappings.
pub trait Place: Send + Sync {
    /// A new buffer, somewhere in the file.
    ///
    /// # Errors
    /// As [`crate::shrbuf::Registry::allocate`].
    fn allocate(&self, owner: &Owner, len: usize) -> Result<Buffer, AllocError>;

    /// Where it lies: `m.mem_offset`. `None` for a buffer that is not of this file's.
    fn offset(&self, buffer: &Buffer) -> Option<u32>;

    /// The first `len` bytes of a buffer are a new frame: programs that have mapped it are to see
    /// it before `DQBUF` gives it to them. Called without the device's lock.
    fn publish(&self, buffer: &Buffer, len: usize);

    /// A program has queued a frame of `len` bytes that it may have written through its mapping:
    /// the buffer is to have it. Called without the device's lock.
    fn collect(&self, buffer: &Buffer, len: usize);
}

impl Device {
    /// Buffers that this file allocates from now on lie there.
    pub fn set_place(&mut self, file: FileId, place: Arc<dyn Place>) {
        self.driver.places.insert(file, place);
    }

    /// Whether the queue has buffers of its own memory, allocated by this file's
    /// `REQBUFS` or `CREATE_BUFS`.
    #[must_use]
    pub fn has_own_buffers(&self, file: FileId) -> bool {
        self.owns_queue(file)
            && self.queue.memory() == Some(MemoryType::Mmap)
            && !self.queue.is_fileio()
    }

    /// The planes' memory of one buffer; empty where there is no such.
    #[must_use]
    pub fn memory_of(&self, index: u32) -> Vec<Buffer> {
        let planes = self.queue.buffer(index).map(|view| view.planes).unwrap_or_default();
        planes.iter().filter_map(|plane| plane.memory().cloned()).collect()
    }

    /// Undoes an allocation whose caller could not be told of it.
    pub fn undo_allocation(&mut self, file: FileId) {
        if !self.has_own_buffers(file) {
            return;
        }
        let buf_type = self.node.buf_type();
        let memory = MemoryType::Mmap.raw();
        let undone = self.queue.reqbufs(file, buf_type, memory, 0, &mut self.driver);
        self.collect();
        if let Err(error) = undone {
            tracing::warn!("an allocation can't be undone: {error}");
        }
    }

    /// The place of the present owner's buffers.
    pub(super) fn owners_place(&self) -> Option<Arc<dyn Place>> {
        let owner = self.queue.owner()?;
        self.driver.places.get(&owner).cloned()
    }
}
