//! `STREAMON`, `STREAMOFF`, `close`, and a device that fails.

use crate::{Error, FileId, Queue, QueueOps};

impl<M: Clone + PartialEq> Queue<M> {
    /// `VIDIOC_STREAMON`; while streaming it does nothing.
    ///
    /// # Errors
    /// In this order: [`Error::NotOwner`], [`Error::FileIoActive`] (`EBUSY`);
    /// [`Error::WrongType`], [`Error::NoBuffers`] (`EINVAL`); what `start_streaming` answers.
    pub fn streamon(
        &mut self,
        file: FileId,
        buf_type: u32,
        ops: &mut dyn QueueOps<M>,
    ) -> Result<(), Error> {
        let _ = (file, buf_type, ops);
        todo!()
    }

    /// `VIDIOC_STREAMOFF`: all buffers are the program's again, prepared ones too, streaming or
    /// not. A parked `DQBUF` completes with [`Error::NotStreaming`]. Imports stay.
    ///
    /// # Errors
    /// In this order: [`Error::NotOwner`], [`Error::FileIoActive`] (`EBUSY`);
    /// [`Error::WrongType`] (`EINVAL`).
    pub fn streamoff(
        &mut self,
        file: FileId,
        buf_type: u32,
        ops: &mut dyn QueueOps<M>,
    ) -> Result<(), Error> {
        let _ = (file, buf_type, ops);
        todo!()
    }

    /// The last descriptor and mapping of `file` is gone. If it owned the queue, the stream ends,
    /// all buffers go, and nobody owns it any more.
    pub fn close(&mut self, file: FileId, ops: &mut dyn QueueOps<M>) {
        let _ = (file, ops);
        todo!()
    }

    /// The device can't go on (the kernel's `vb2_queue_error`): `QBUF` and `DQBUF` answer
    /// [`Error::DeviceFailed`] (`EIO`), `poll` `POLLERR`, until `STREAMOFF`.
    pub fn queue_error(&mut self) {
        todo!()
    }
}
