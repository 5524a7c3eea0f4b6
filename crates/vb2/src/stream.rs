//! `STREAMON`, `STREAMOFF`, `close`, and a device that fails.

use crate::slot::State;
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
        self.check_owner(file)?;
        self.check_no_fileio()?;
        self.check_type(buf_type)?;
        self.start_stream(ops)
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
        self.check_owner(file)?;
        self.check_no_fileio()?;
        self.check_type(buf_type)?;
        self.cancel_queue(ops);
        self.waiting_for_buffers = !self.is_output();
        Ok(())
    }

    /// The last descriptor and mapping of `file` is gone. If it owned the queue, the stream ends,
    /// all buffers go, and nobody owns it any more.
    pub fn close(&mut self, file: FileId, ops: &mut dyn QueueOps<M>) {
        if self.owner != Some(file) {
            return;
        }
        self.file_io = None;
        self.cancel_queue(ops);
        self.free_all();
        self.busy = false;
        self.owner = None;
    }

    /// The device can't go on (the kernel's `vb2_queue_error`): `QBUF` and `DQBUF` answer
    /// [`Error::DeviceFailed`] (`EIO`), `poll` `POLLERR`, until `STREAMOFF`.
    pub fn queue_error(&mut self) {
        self.failed = true;
        self.refuse_waiter(Error::DeviceFailed);
        self.wake_pollers();
    }

    /// `STREAMON` once it is known who asks.
    pub(crate) fn start_stream(&mut self, ops: &mut dyn QueueOps<M>) -> Result<(), Error> {
        if self.streaming {
            return Ok(());
        }
        let buffers = self.num_buffers();
        if buffers == 0 || buffers < self.config.min_queued_buffers {
            return Err(Error::NoBuffers);
        }
        self.streaming = true;
        self.start_if_ready(ops).inspect_err(|_| self.streaming = false)
    }

    /// The driver gets all that is queued once the stream is on and there's enough of it.
    pub(crate) fn start_if_ready(&mut self, ops: &mut dyn QueueOps<M>) -> Result<(), Error> {
        let queued = self.queued_count();
        if !self.streaming || self.started || queued < self.config.min_queued_buffers {
            return Ok(());
        }
        self.hand_over(true);
        self.started = true;
        ops.start_streaming(queued).inspect_err(|_| {
            self.started = false;
            self.hand_over(false);
        })
    }

    /// Gives what is queued to the driver, or takes it back.
    fn hand_over(&mut self, to_driver: bool) {
        for slot in self.slots.iter_mut().flatten() {
            slot.state = match slot.state {
                State::Queued { serial } | State::Active { serial } if to_driver => {
                    State::Active { serial }
                }
                State::Queued { serial } | State::Active { serial } => State::Queued { serial },
                other
                @ (State::Dequeued { .. } | State::Preparing | State::Done | State::Error) => other,
            };
        }
    }

    /// The stream ends and every buffer is the program's (the kernel's `__vb2_queue_cancel`).
    pub(crate) fn cancel_queue(&mut self, ops: &mut dyn QueueOps<M>) {
        self.return_all(ops);
        self.refuse_waiter(Error::NotStreaming);
        self.wake_pollers();
    }

    /// The same without telling anybody: for a stream that nobody has seen.
    pub(crate) fn return_all(&mut self, ops: &mut dyn QueueOps<M>) {
        if self.started {
            ops.stop_streaming();
        }
        self.started = false;
        self.streaming = false;
        self.failed = false;
        self.last_dequeued = false;
        self.queued.clear();
        self.done.clear();
        for slot in self.slots.iter_mut().flatten() {
            slot.state = State::Dequeued { prepared: false };
        }
    }
}
