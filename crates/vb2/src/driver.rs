//! The driver's side: which buffer is next, and that it is finished.

use crate::slot::{Plane, State};
use crate::{Error, Queue, QueueOps};

/// One queueing of one buffer. After `STREAMOFF` it is stale, though a buffer of that index may be
/// with the driver again: so a frame finished late can't be taken for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ActiveId {
    pub(crate) index: u32,
    pub(crate) serial: u64,
}

impl ActiveId {
    /// The buffer's number.
    pub fn index(self) -> u32 {
        self.index
    }
}

/// A buffer as the driver and tables see it.
#[derive(Debug)]
pub struct BufferView<'a, M> {
    /// Number in the queue.
    pub index: u32,
    /// Where it is on its way.
    pub state: State,
    /// `V4L2_FIELD_*`
    pub field: u32,
    /// Number of the last frame it had.
    pub sequence: u32,
    /// Its planes.
    pub planes: &'a [Plane<M>],
}

impl<M> BufferView<'_, M> {
    /// Names this queueing, if the buffer is with the driver.
    pub fn active(&self) -> Option<ActiveId> {
        match self.state {
            State::Active { serial } => Some(ActiveId { index: self.index, serial }),
            State::Dequeued { .. }
            | State::Preparing
            | State::Queued { .. }
            | State::Done
            | State::Error => None,
        }
    }
}

/// What the driver says of a finished buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Done<'a> {
    /// Bytes of the frame in each plane, `data_offset` included; at most the plane's length
    /// counts. Planes without a number keep theirs: an output driver gives none.
    pub bytesused: &'a [u32],
    /// Bytes in front of the picture in each plane (multi-planar only); as above.
    pub data_offset: &'a [u32],
    /// Frame number.
    pub sequence: u32,
    /// Nanoseconds. Not taken where the program's is copied ([`crate::flags::TIMESTAMP_COPY`]).
    pub timestamp_ns: u64,
    /// `V4L2_FIELD_*`; `None` keeps what is there.
    pub field: Option<u32>,
    /// `V4L2_BUF_FLAG_*` to add: [`crate::flags::KEYFRAME`], [`crate::flags::LAST`] and such. The
    /// queue's own are ignored.
    pub flags: u32,
    /// The contents are of no use: the program sees `V4L2_BUF_FLAG_ERROR`.
    pub error: bool,
}

impl<M: Clone + PartialEq> Queue<M> {
    /// The buffer to be filled or shown next: the one queued first of those with the driver.
    pub fn front_active(&self) -> Option<BufferView<'_, M>> {
        todo!()
    }

    /// The same, but only if another follows. An output driver that shows a buffer until the next
    /// one comes finishes only what this gives.
    pub fn front_followed(&self) -> Option<BufferView<'_, M>> {
        todo!()
    }

    /// How many buffers are with the driver.
    pub fn active_count(&self) -> usize {
        todo!()
    }

    /// All buffers, by index.
    pub fn buffers(&self) -> impl Iterator<Item = BufferView<'_, M>> {
        core::iter::empty()
    }

    /// One buffer.
    pub fn buffer(&self, index: u32) -> Option<BufferView<'_, M>> {
        let _ = index;
        todo!()
    }

    /// The driver has finished a buffer: it is ready to be dequeued, or goes to the parked call at
    /// once.
    ///
    /// # Errors
    /// [`Error::Stale`] if the buffer isn't with the driver under that name any more; nothing
    /// happens then.
    pub fn buffer_done(
        &mut self,
        id: ActiveId,
        done: &Done<'_>,
        ops: &dyn QueueOps<M>,
    ) -> Result<(), Error> {
        let _ = (id, done, ops);
        todo!()
    }
}
