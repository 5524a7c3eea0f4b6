//! File I/O: `read` and `write` by buffers that the queue has for itself.

use alloc::vec::Vec;

use crate::dequeue::{Waiter, WaitingCall};
use crate::slot::Plane;
use crate::{
    Direction, Error, FileId, MemoryType, PlaneRequest, PlaneSource, Queue, QueueOps, Setup, Ticket,
};

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
        if !self.config.file_io || direction != self.config.buf_type.direction() {
            return Err(Error::NoFileIo);
        }
        self.check_owner(file)?;
        if self.waiter.is_some() {
            return Err(Error::AlreadyWaiting);
        }
        if self.file_io.is_none() {
            self.start_fileio(file, ops)?;
        }
        if self.current()?.is_some() {
            return self.transfer(count).map(FileIo::Transfer);
        }
        match self.next_done(nonblocking)? {
            Some(index) => self.dequeue_for_fileio(index, count, ops).map(FileIo::Transfer),
            None => {
                self.waiter = Some(Waiter { ticket, call: WaitingCall::FileIo { count } });
                Ok(FileIo::Wait)
            }
        }
    }

    /// `copied` bytes of the last [`Transfer`] were copied. At the end of a frame the buffer goes
    /// back to the driver. If the copy failed (`EFAULT`), this isn't to be called: the next call
    /// gets the same piece.
    ///
    /// # Errors
    /// What `buf_prepare` answers to a frame that isn't whole.
    pub fn fileio_done(&mut self, copied: u32, ops: &mut dyn QueueOps<M>) -> Result<(), Error> {
        let Some(mut current) = self.file_io.and_then(|state| state.current) else {
            return Ok(());
        };
        current.position = current.position.saturating_add(copied).min(current.end);
        self.set_current(Some(current));
        if current.position < current.end {
            return Ok(());
        }
        let length = self.slot(current.index)?.planes.first().map_or(0, Plane::length);
        let bytesused = if self.is_output() { current.position } else { 0 };
        let frame = PlaneRequest { bytesused, data_offset: 0, length, source: PlaneSource::Mmap };
        self.enqueue(current.index, &[frame], None, ops)?;
        self.set_current(None);
        Ok(())
    }

    /// Whether `read`, `write` or `poll` use the queue's buffers.
    pub fn is_fileio(&self) -> bool {
        self.file_io.is_some()
    }

    /// Makes buffers for file I/O and starts the stream; undone if anything fails.
    pub(crate) fn start_fileio(
        &mut self,
        file: FileId,
        ops: &mut dyn QueueOps<M>,
    ) -> Result<(), Error> {
        if self.streaming || self.num_buffers() != 0 {
            return Err(Error::HasBuffers);
        }
        let was_busy = self.busy;
        self.begin(ops).inspect_err(|_| {
            self.file_io = None;
            self.return_all(ops); // No wake-up: this may be a poll, which would begin again.
            self.free_all();
            self.busy = was_busy;
        })?;
        self.owner = Some(file);
        Ok(())
    }

    fn begin(&mut self, ops: &mut dyn QueueOps<M>) -> Result<(), Error> {
        // Asked beforehand, so that no memory is made in vain whenever somebody polls.
        let memory = MemoryType::Mmap;
        let mut setup = Setup { memory, count: 1, allocated: 0, sizes: Vec::new() };
        ops.queue_setup(&mut setup)?;
        if setup.sizes.len() != 1 {
            return Err(Error::SeveralPlanes);
        }
        let count = self.remake(memory, 1, ops)?;
        let mut unused = 0;
        if !self.is_output() {
            for index in 0..count {
                let length = self.slot(index)?.planes.first().map_or(0, Plane::length);
                let frame = PlaneRequest {
                    bytesused: 0,
                    data_offset: 0,
                    length,
                    source: PlaneSource::Mmap,
                };
                self.enqueue(index, &[frame], None, ops)?;
            }
            unused = count;
        }
        self.file_io = Some(FileIoState { current: None, unused });
        self.start_stream(ops)
    }

    /// The buffer that is partly read or written, or one that was never queued.
    fn current(&mut self) -> Result<Option<Current>, Error> {
        let buffers = self.num_buffers();
        let Some(state) = &mut self.file_io else { return Ok(None) };
        if state.current.is_none() && state.unused < buffers {
            let index = state.unused;
            state.unused += 1;
            let end = self.slot(index)?.planes.first().map_or(0, Plane::length);
            self.set_current(Some(Current { index, position: 0, end }));
        }
        Ok(self.file_io.and_then(|state| state.current))
    }

    fn set_current(&mut self, current: Option<Current>) {
        if let Some(state) = &mut self.file_io {
            state.current = current;
        }
    }

    /// Takes a ready buffer for `read` or `write`.
    pub(crate) fn dequeue_for_fileio(
        &mut self,
        index: u32,
        count: u32,
        ops: &dyn QueueOps<M>,
    ) -> Result<Transfer<M>, Error> {
        self.dequeue(index, None, ops)?;
        let output = self.is_output();
        let plane = self.slot(index)?.planes.first().ok_or(Error::SeveralPlanes)?;
        let current = if output {
            Current { index, position: 0, end: plane.length }
        } else {
            // The picture, without what lies in front of it.
            let position = plane.data_offset.min(plane.bytesused);
            Current { index, position, end: plane.bytesused }
        };
        self.set_current(Some(current));
        self.transfer(count)
    }

    /// The next piece of the current buffer.
    fn transfer(&mut self, count: u32) -> Result<Transfer<M>, Error> {
        let current = self.current()?.ok_or(Error::NotReady)?;
        let plane = self.slot(current.index)?.planes.first().ok_or(Error::SeveralPlanes)?;
        Ok(Transfer {
            memory: plane.memory().ok_or(Error::WrongMemory)?.clone(),
            offset: current.position,
            length: count.min(current.end - current.position),
        })
    }
}
