//! File I/O: `read` and `write` by buffers that the queue has for itself.

use crate::{Direction, Error, FileId, Queue, QueueOps, Ticket};

/// What a `read` or `write` came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileIo<M> {
    /// Copy this, then call [`Queue::fileio_done`].
    Transfer(Transfer<M>),
    /// No buffer is free: parked, as [`crate::Dequeue::Wait`].
    Wait,
}

/// A piece of a buffer to be copied to (`read`) or from (`write`) the program.
///
/// No other call may come between this and [`Queue::fileio_done`]: copy under the lock that
/// guards the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer<M> {
    /// The buffer's only plane.
    pub memory: M,
    /// Where in it, in bytes.
    pub offset: u32,
    /// How many bytes: no more than asked for, no more than the frame has left.
    pub length: u32,
}

/// What the queue keeps of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileIoState {
    /// The buffer that is read or written; none before the next is dequeued.
    pub(crate) current: Option<Current>,
    /// Output: buffers from this index on were never queued.
    pub(crate) unused: u32,
    /// Bytes the parked call asked for.
    pub(crate) wanted: u32,
}

/// A buffer that is partly read or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Current {
    pub(crate) index: u32,
    pub(crate) position: u32,
    pub(crate) end: u32,
}

impl<M: Clone + PartialEq> Queue<M> {
    /// `read` ([`Direction::Capture`]) or `write` ([`Direction::Output`]) of `count` bytes. The first one
    /// makes buffers, starts the stream and makes `file` the owner.
    ///
    /// # Errors
    /// In this order: [`Error::NoFileIo`] (`EINVAL`) if the queue is of the
    /// other direction or has none; [`Error::NotOwner`],
    /// [`Error::AlreadyWaiting`], [`Error::HasBuffers`] (`EBUSY`); what making buffers answers;
    /// [`Error::SeveralPlanes`] (`EBUSY`); what `start_streaming` answers;
    /// [`Error::DeviceFailed`] (`EIO`); [`Error::LastDequeued`] (`EPIPE`); [`Error::NotReady`]
    /// (`EAGAIN`) if `nonblocking`.
    pub fn fileio(
        &mut self,
        file: FileId,
        ticket: Ticket,
        direction: Direction,
        count: u32,
        nonblocking: bool,
        ops: &mut dyn QueueOps<M>,
    ) -> Result<FileIo<M>, Error> {
        let _ = (file, ticket, direction, count, nonblocking, ops);
        todo!()
    }

    /// `copied` bytes of the last [`Transfer`] were copied. At the end of a frame the buffer goes
    /// back to the driver. If the copy failed (`EFAULT`), this isn't to be called: the next call
    /// gets the same piece.
    ///
    /// # Errors
    /// What `buf_prepare` answers to a frame that isn't whole.
    pub fn fileio_done(&mut self, copied: u32, ops: &mut dyn QueueOps<M>) -> Result<(), Error> {
        let _ = (copied, ops);
        todo!()
    }

    /// Whether `read`, `write` or `poll` use the queue's buffers.
    pub fn is_fileio(&self) -> bool {
        self.file_io.is_some()
    }
}
