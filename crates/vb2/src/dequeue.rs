//! `DQBUF`, and the one call that may wait for a buffer.

use crate::{BufferInfo, Error, FileId, Queue, QueueOps, Ticket};

/// What `DQBUF` came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dequeue {
    /// This buffer is the program's again.
    Done(BufferInfo),
    /// Nothing is ready: the call is parked under its ticket, until it comes out as
    /// [`crate::Effect::Complete`] or is taken back by [`Queue::cancel`].
    Wait,
}

/// The parked call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiter {
    pub(crate) ticket: Ticket,
}

impl<M: Clone + PartialEq> Queue<M> {
    /// `VIDIOC_DQBUF`: gives the buffer that became ready first. `planes` is the length of the
    /// program's array of planes (`length`); of no matter on a single-planar queue. Index and
    /// memory of the program are of no matter either.
    ///
    /// # Errors
    /// In this order: [`Error::NotOwner`], [`Error::FileIoActive`] (`EBUSY`);
    /// [`Error::WrongType`] (`EINVAL`); [`Error::AlreadyWaiting`] (`EBUSY`);
    /// [`Error::NotStreaming`] (`EINVAL`); [`Error::DeviceFailed`] (`EIO`);
    /// [`Error::LastDequeued`] (`EPIPE`); [`Error::NotReady`] (`EAGAIN`) if `nonblocking`;
    /// [`Error::WrongPlanes`] (`EINVAL`), which takes no buffer. A parked call may complete with
    /// `NotStreaming`, `DeviceFailed` or `WrongPlanes`.
    pub fn dqbuf(
        &mut self,
        file: FileId,
        ticket: Ticket,
        buf_type: u32,
        planes: u32,
        nonblocking: bool,
        ops: &dyn QueueOps<M>,
    ) -> Result<Dequeue, Error> {
        let _ = (file, ticket, buf_type, planes, nonblocking, ops);
        todo!()
    }

    /// Takes a parked call back (a signal, `O_NONBLOCK` found out late). True: it was parked and
    /// is the caller's to answer now. False: it isn't parked, or has come out as an effect.
    pub fn cancel(&mut self, ticket: Ticket) -> bool {
        let _ = ticket;
        todo!()
    }

    /// The call that is parked.
    pub fn waiting(&self) -> Option<Ticket> {
        self.waiter.map(|waiter| waiter.ticket)
    }
}
