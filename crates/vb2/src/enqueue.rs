//! `QUERYBUF`, `PREPARE_BUF`, `QBUF`.

use crate::{BufferInfo, BufferRequest, Error, FileId, Queue, QueueOps};

impl<M: Clone + PartialEq> Queue<M> {
    /// `VIDIOC_QUERYBUF`, by anybody. `planes` is the length of the program's array of planes
    /// (`length`); of no matter on a single-planar queue.
    ///
    /// # Errors
    /// [`Error::WrongType`], [`Error::NoSuchBuffer`], [`Error::WrongPlanes`]: all `EINVAL`.
    pub fn querybuf(
        &self,
        buf_type: u32,
        index: u32,
        planes: u32,
        ops: &dyn QueueOps<M>,
    ) -> Result<BufferInfo, Error> {
        let _ = (buf_type, index, planes, ops);
        todo!()
    }

    /// `VIDIOC_PREPARE_BUF`: all that `QBUF` checks and takes, without queueing.
    ///
    /// # Errors
    /// As [`Queue::qbuf`]; [`Error::RequestNotForPrepare`] (`EINVAL`) comes after the ownership.
    pub fn prepare_buf(
        &mut self,
        file: FileId,
        request: &BufferRequest<'_, M>,
        ops: &mut dyn QueueOps<M>,
    ) -> Result<BufferInfo, Error> {
        let _ = (file, request, ops);
        todo!()
    }

    /// `VIDIOC_QBUF`: the buffer goes to the driver, at once or with `STREAMON`.
    ///
    /// Imports: the same memory with the same length at the same index is kept, another one lets
    /// go of what was there. A refusal by [`Error::NotABuffer`], [`Error::PlaneTooSmall`],
    /// [`Error::BadMemory`] or `buf_prepare` lets go of all imports of that index, and of those
    /// the request came with.
    ///
    /// # Errors
    /// In this order: [`Error::NotOwner`], [`Error::FileIoActive`] (`EBUSY`);
    /// [`Error::WrongType`], [`Error::NoSuchBuffer`], [`Error::WrongMemory`],
    /// [`Error::WrongPlanes`], [`Error::WrongBytesUsed`], [`Error::WrongField`] (`EINVAL`);
    /// [`Error::NoRequests`] (`EBADR`); [`Error::DeviceFailed`] (`EIO`); [`Error::NotDequeued`]
    /// (`EINVAL`); what `buf_out_validate` answers; then plane by plane [`Error::NotABuffer`],
    /// [`Error::PlaneTooSmall`] (`EINVAL`) and [`Error::BadMemory`] (`EFAULT`); what `buf_prepare`
    /// and `start_streaming` answer.
    pub fn qbuf(
        &mut self,
        file: FileId,
        request: &BufferRequest<'_, M>,
        ops: &mut dyn QueueOps<M>,
    ) -> Result<BufferInfo, Error> {
        let _ = (file, request, ops);
        todo!()
    }
}
