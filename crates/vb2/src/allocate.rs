//! `REQBUFS`, `CREATE_BUFS`, `REMOVE_BUFS`: buffers come and go.

use crate::{Error, FileId, Queue, QueueOps};

/// What `REQBUFS` gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocated {
    /// How many buffers there are now.
    pub count: u32,
}

/// What `CREATE_BUFS` asks for.
#[derive(Debug, Clone, Copy)]
pub struct Create<'a> {
    /// `format.type`, unchecked.
    pub buf_type: u32,
    /// `memory`, unchecked.
    pub memory: u32,
    /// `count`: how many more. With 0 only type and memory are checked.
    pub count: u32,
    /// `num_planes` of the format given, unchecked; 1 on a single-planar queue.
    pub num_planes: u32,
    /// `sizeimage` of the planes of the format given, at least of the first `num_planes`.
    pub sizes: &'a [u32],
}

/// What `CREATE_BUFS` gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Created {
    /// Number of the first of them. With a count of 0: how many buffers there are.
    pub index: u32,
    /// How many were made, all in a row.
    pub count: u32,
    /// The most buffers there can be (`max_num_buffers`).
    pub max_num_buffers: u32,
}

impl<M: Clone + PartialEq> Queue<M> {
    /// `VIDIOC_REQBUFS`: frees all buffers, then makes `count` new ones (at least the least, at
    /// most the most number). With a count of 0 it only frees, and the queue has no owner any
    /// more; `memory` may then be any that exists. Otherwise `file` owns the queue.
    ///
    /// # Errors
    /// In this order: [`Error::WrongMemory`], [`Error::WrongType`] (`EINVAL`);
    /// [`Error::FileIoActive`], [`Error::NotOwner`], [`Error::Streaming`],
    /// [`Error::AlreadyWaiting`] (`EBUSY`); what `queue_setup` answers; [`Error::NoMemory`]
    /// (`ENOMEM`). From `queue_setup` on the old buffers are gone.
    pub fn reqbufs(
        &mut self,
        file: FileId,
        buf_type: u32,
        memory: u32,
        count: u32,
        ops: &mut dyn QueueOps<M>,
    ) -> Result<Allocated, Error> {
        let _ = (file, buf_type, memory, count, ops);
        todo!()
    }

    /// `VIDIOC_CREATE_BUFS`: makes more buffers, streaming or not. They are in a row, in the first
    /// gap that is long enough; fewer than asked for if there is no room.
    ///
    /// # Errors
    /// In this order: [`Error::WrongMemory`], [`Error::WrongType`] (`EINVAL`); with a count of 0
    /// no others; [`Error::FileIoActive`], [`Error::NotOwner`] (`EBUSY`); [`Error::WrongSizes`]
    /// (`EINVAL`); [`Error::Full`] (`ENOBUFS`); [`Error::AlreadyWaiting`] (`EBUSY`);
    /// [`Error::WrongMemory`] if the queue has buffers of another; what `queue_setup` answers;
    /// [`Error::NoMemory`] (`ENOMEM`).
    pub fn create_bufs(
        &mut self,
        file: FileId,
        create: &Create<'_>,
        ops: &mut dyn QueueOps<M>,
    ) -> Result<Created, Error> {
        let _ = (file, create, ops);
        todo!()
    }

    /// `VIDIOC_REMOVE_BUFS`: removes `count` buffers from `start` on, all or none, streaming or
    /// not. The owner stays, even without buffers.
    ///
    /// # Errors
    /// In this order: [`Error::WrongType`] (`EINVAL`); with a count of 0 no others;
    /// [`Error::NotOwner`], [`Error::FileIoActive`] (`EBUSY`); [`Error::NoSuchRange`] (`EINVAL`);
    /// [`Error::BufferQueued`] (`EBUSY`) for the first that is not dequeued.
    pub fn remove_bufs(
        &mut self,
        file: FileId,
        buf_type: u32,
        start: u32,
        count: u32,
    ) -> Result<(), Error> {
        let _ = (file, buf_type, start, count);
        todo!()
    }
}
