//! `DQBUF`, and the one call that may wait for a buffer.

use crate::flags;
use crate::slot::State;
use crate::{BufferInfo, Completion, Effect, Error, FileId, Queue, QueueOps, Ticket};

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
    pub(crate) call: WaitingCall,
}

/// What the parked call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitingCall {
    /// `DQBUF`, the program's array having so many planes.
    Dqbuf { planes: u32 },
    /// `read` or `write` of so many bytes.
    FileIo { count: u32 },
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
        self.check_owner(file)?;
        self.check_no_fileio()?;
        self.check_type(buf_type)?;
        match self.next_done(nonblocking)? {
            Some(index) => self.dequeue(index, Some(planes), ops).map(Dequeue::Done),
            None => {
                self.waiter = Some(Waiter { ticket, call: WaitingCall::Dqbuf { planes } });
                Ok(Dequeue::Wait)
            }
        }
    }

    /// Takes a parked call back (a signal, `O_NONBLOCK` found out late). True: it was parked and
    /// is the caller's to answer now. False: it isn't parked, or has come out as an effect.
    pub fn cancel(&mut self, ticket: Ticket) -> bool {
        self.waiter.take_if(|waiter| waiter.ticket == ticket).is_some()
    }

    /// The call that is parked.
    pub fn waiting(&self) -> Option<Ticket> {
        self.waiter.map(|waiter| waiter.ticket)
    }

    /// The buffer to be dequeued next; none if the call is to wait.
    pub(crate) fn next_done(&self, nonblocking: bool) -> Result<Option<u32>, Error> {
        if self.waiter.is_some() {
            return Err(Error::AlreadyWaiting);
        }
        if !self.streaming {
            return Err(Error::NotStreaming);
        }
        if self.failed {
            return Err(Error::DeviceFailed);
        }
        if self.last_dequeued {
            return Err(Error::LastDequeued);
        }
        match self.done.front() {
            Some(&index) => Ok(Some(index)),
            None if nonblocking => Err(Error::NotReady),
            None => Ok(None),
        }
    }

    /// Gives a ready buffer to the program. `planes`: the length of his array, if he has one.
    pub(crate) fn dequeue(
        &mut self,
        index: u32,
        planes: Option<u32>,
        ops: &dyn QueueOps<M>,
    ) -> Result<BufferInfo, Error> {
        if let Some(planes) = planes {
            self.check_planes(self.slot(index)?, planes)?;
        }
        let mut info = self.info(index, ops)?; // with ERROR, which the state then loses
        info.flags &= !flags::DONE;
        self.done.retain(|&done| done != index);
        self.slot_mut(index)?.state = State::Dequeued { prepared: false };
        if !self.is_output() && info.flags & flags::LAST != 0 {
            self.last_dequeued = true;
        }
        Ok(info)
    }

    /// A buffer has become ready: whoever waits has it.
    pub(crate) fn serve_waiter(&mut self, ops: &dyn QueueOps<M>) {
        let Some(&index) = self.done.front() else { return };
        let Some(waiter) = self.waiter.take() else { return };
        let result = match waiter.call {
            WaitingCall::Dqbuf { planes } => {
                self.dequeue(index, Some(planes), ops).map(Completion::Dequeued)
            }
            WaitingCall::FileIo { count } => {
                self.dequeue_for_fileio(index, count, ops).map(Completion::Transfer)
            }
        };
        self.effects.push(Effect::Complete { ticket: waiter.ticket, result });
    }

    /// Whoever waits does so in vain.
    pub(crate) fn refuse_waiter(&mut self, error: Error) {
        if let Some(waiter) = self.waiter.take() {
            self.effects.push(Effect::Complete { ticket: waiter.ticket, result: Err(error) });
        }
    }
}
