//! `EXPBUF`, and what `mmap` of the node finds at an offset.

use crate::{Error, FileId, Queue};

/// A plane of the queue's own memory, found by its offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedPlane<M> {
    /// The buffer's number.
    pub index: u32,
    /// The plane's.
    pub plane: usize,
    /// Bytes of the plane; `mmap` may take up to these, rounded up to pages.
    pub length: u32,
    /// Its memory.
    pub memory: M,
}

impl<M: Clone + PartialEq> Queue<M> {
    /// `VIDIOC_EXPBUF` up to the descriptor: which memory it is to name. `flags` are the program's,
    /// to be used by whoever makes the descriptor.
    ///
    /// # Errors
    /// In this order: [`Error::NotOwner`] (`EBUSY`); [`Error::NoSuchBuffer`],
    /// [`Error::WrongMemory`], [`Error::WrongFlags`], [`Error::WrongType`],
    /// [`Error::WrongPlanes`] (`EINVAL`); [`Error::FileIoActive`] (`EBUSY`).
    pub fn expbuf(
        &self,
        file: FileId,
        buf_type: u32,
        index: u32,
        plane: u32,
        flags: u32,
    ) -> Result<M, Error> {
        let _ = (file, buf_type, index, plane, flags);
        todo!()
    }

    /// What `mmap` at this offset is about, for any opener.
    ///
    /// # Errors
    /// [`Error::FileIoActive`] (`EBUSY`); [`Error::NoSuchOffset`] (`EINVAL`), on a queue of
    /// imports too.
    pub fn plane_at_offset(&self, offset: u64) -> Result<MappedPlane<M>, Error> {
        let _ = offset;
        todo!()
    }
}
