//! The queue itself: what it consists of, who owns it, and what comes out of it.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::dequeue::Waiter;
use crate::fileio::FileIoState;
use crate::flags;
use crate::slot::Slot;
use crate::{BufType, Effect, Error, FileId, MemoryType};

/// What is fixed about a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Direction and planes.
    pub buf_type: BufType,
    /// `REQBUFS` makes at least as many (vivid: 2).
    pub min_reqbufs_allocation: u32,
    /// The most buffers there can be (vivid: 64 on a single-planar capture node, otherwise 32).
    pub max_num_buffers: u32,
    /// The stream starts once so many are queued (vivid: 0, at once).
    pub min_queued_buffers: u32,
    /// [`flags::TIMESTAMP_MONOTONIC`] or [`flags::TIMESTAMP_COPY`], with a `TSTAMP_SRC_*`.
    pub timestamp_flags: u32,
    /// Whether `read` (capture) or `write` (output) work, and `poll` without buffers starts them.
    pub file_io: bool,
}

impl Config {
    /// As vivid (Linux 6.12) has it: two buffers at least, monotonic time stamps, file I/O.
    pub const fn new(buf_type: BufType) -> Self {
        Self {
            buf_type,
            min_reqbufs_allocation: 2,
            max_num_buffers: match buf_type {
                BufType::VideoCapture => 64,
                BufType::VideoOutput | BufType::VideoCaptureMplane | BufType::VideoOutputMplane => {
                    32
                }
            },
            min_queued_buffers: 0,
            timestamp_flags: flags::TIMESTAMP_MONOTONIC | flags::TSTAMP_SRC_EOF,
            file_io: true,
        }
    }
}

/// The buffers of one node. See the crate's documentation.
#[derive(Debug)]
pub struct Queue<M> {
    pub(crate) config: Config,
    /// None where there's no buffer: beyond the last, or a hole that `REMOVE_BUFS` left.
    pub(crate) slots: Vec<Option<Slot<M>>>,
    /// The memory of all buffers; None while there are none.
    pub(crate) memory: Option<MemoryType>,
    pub(crate) owner: Option<FileId>,
    /// `REQBUFS` or `CREATE_BUFS` was called and not undone, though all buffers may be removed.
    pub(crate) busy: bool,
    pub(crate) streaming: bool,
    pub(crate) started: bool,
    pub(crate) failed: bool,
    /// Capture: nothing was queued since buffers were made or the stream went off.
    pub(crate) waiting_for_buffers: bool,
    pub(crate) last_dequeued: bool,
    /// Indices of what is QUEUED or ACTIVE, in the order of `QBUF`.
    pub(crate) queued: VecDeque<u32>,
    /// Indices of what is DONE or ERROR, in the order it became so.
    pub(crate) done: VecDeque<u32>,
    pub(crate) waiter: Option<Waiter>,
    pub(crate) file_io: Option<FileIoState>,
    pub(crate) effects: Vec<Effect<M>>,
    pub(crate) next_serial: u64,
}

impl<M: Clone + PartialEq> Queue<M> {
    /// A queue without buffers.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            slots: Vec::new(),
            memory: None,
            owner: None,
            busy: false,
            streaming: false,
            started: false,
            failed: false,
            waiting_for_buffers: false,
            last_dequeued: false,
            queued: VecDeque::new(),
            done: VecDeque::new(),
            waiter: None,
            file_io: None,
            effects: Vec::new(),
            next_serial: 0,
        }
    }

    /// What is fixed about the queue.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The open file that allocated the buffers: the only one that may use them.
    pub fn owner(&self) -> Option<FileId> {
        self.owner
    }

    /// Whether buffers of the present format may be around, so that it can't change: from
    /// `REQBUFS` or `CREATE_BUFS` until `REQBUFS(0)` or `close` (the kernel's `vb2_is_busy`).
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// Whether `STREAMON` was called.
    pub fn is_streaming(&self) -> bool {
        self.streaming
    }

    /// The memory of the queue's buffers, while it has any.
    pub fn memory(&self) -> Option<MemoryType> {
        self.memory
    }

    /// How many buffers there are.
    pub fn num_buffers(&self) -> u32 {
        u32::try_from(self.slots.iter().flatten().count()).unwrap_or(u32::MAX)
    }

    /// Fine if `file` owns the queue, or nobody does.
    ///
    /// # Errors
    /// [`Error::NotOwner`] (`EBUSY`).
    pub fn check_owner(&self, file: FileId) -> Result<(), Error> {
        match self.owner {
            Some(owner) if owner != file => Err(Error::NotOwner),
            Some(_) | None => Ok(()),
        }
    }

    /// What the calls since the last time have left to be done. To be asked after every call.
    pub fn take_effects(&mut self) -> Vec<Effect<M>> {
        core::mem::take(&mut self.effects)
    }

    pub(crate) fn check_no_fileio(&self) -> Result<(), Error> {
        if self.file_io.is_some() { Err(Error::FileIoActive) } else { Ok(()) }
    }

    pub(crate) fn check_type(&self, buf_type: u32) -> Result<(), Error> {
        if buf_type == self.config.buf_type.raw() { Ok(()) } else { Err(Error::WrongType) }
    }

    pub(crate) fn is_output(&self) -> bool {
        self.config.buf_type.is_output()
    }

    pub(crate) fn copies_timestamps(&self) -> bool {
        self.config.timestamp_flags & flags::TIMESTAMP_MASK == flags::TIMESTAMP_COPY
    }

    pub(crate) fn slot(&self, index: u32) -> Result<&Slot<M>, Error> {
        let place = usize::try_from(index).map_err(|_| Error::NoSuchBuffer)?;
        self.slots.get(place).and_then(Option::as_ref).ok_or(Error::NoSuchBuffer)
    }

    pub(crate) fn slot_mut(&mut self, index: u32) -> Result<&mut Slot<M>, Error> {
        let place = usize::try_from(index).map_err(|_| Error::NoSuchBuffer)?;
        self.slots.get_mut(place).and_then(Option::as_mut).ok_or(Error::NoSuchBuffer)
    }

    /// How many buffers are not with the program (the kernel's `queued_count`).
    pub(crate) fn queued_count(&self) -> u32 {
        u32::try_from(self.queued.len() + self.done.len()).unwrap_or(u32::MAX)
    }

    /// Pollers look again. Once is enough, however much has changed.
    pub(crate) fn wake_pollers(&mut self) {
        if !self.effects.iter().any(|effect| matches!(effect, Effect::PollWake)) {
            self.effects.push(Effect::PollWake);
        }
    }
}
