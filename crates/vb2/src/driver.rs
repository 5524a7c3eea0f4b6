//! The driver's side: which buffer is next, and that it is finished.

use crate::flags;
use crate::slot::{Plane, Slot, State};
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
    /// Nanoseconds: the last frame's, or with [`flags::TIMESTAMP_COPY`] the program's.
    pub timestamp_ns: u64,
    /// What program and driver say of the frame (`KEYFRAME`, `LAST`, …), without the state.
    pub flags: u32,
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
        self.active().next()
    }

    /// The same, but only if another follows. An output driver that shows a buffer until the next
    /// one comes finishes only what this gives.
    pub fn front_followed(&self) -> Option<BufferView<'_, M>> {
        let mut active = self.active();
        let front = active.next()?;
        active.next().map(|_| front)
    }

    /// How many buffers are with the driver.
    pub fn active_count(&self) -> usize {
        self.active().count()
    }

    /// All buffers, by index.
    pub fn buffers(&self) -> impl Iterator<Item = BufferView<'_, M>> {
        let numbered = (0..).zip(&self.slots);
        numbered.filter_map(|(index, slot)| slot.as_ref().map(|slot| view(index, slot)))
    }

    /// One buffer.
    pub fn buffer(&self, index: u32) -> Option<BufferView<'_, M>> {
        self.slot(index).ok().map(|slot| view(index, slot))
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
        let multiplanar = self.config.buf_type.is_multiplanar();
        let copy_time = self.copies_timestamps();
        let slot = self.slot_mut(id.index).map_err(|_| Error::Stale)?;
        if slot.state != (State::Active { serial: id.serial }) {
            return Err(Error::Stale);
        }
        slot.state = if done.error { State::Error } else { State::Done };
        slot.sequence = done.sequence;
        slot.field = done.field.unwrap_or(slot.field);
        slot.flags |= done.flags & !(flags::OF_THE_QUEUE | flags::TSTAMP_SRC_MASK);
        if !copy_time {
            slot.timestamp_ns = done.timestamp_ns;
        }
        for (plane, &bytes) in slot.planes.iter_mut().zip(done.bytesused) {
            plane.set_bytesused(bytes);
        }
        for (plane, &bytes) in slot.planes.iter_mut().zip(done.data_offset).filter(|_| multiplanar)
        {
            plane.set_data_offset(bytes);
        }
        self.queued.retain(|&index| index != id.index);
        self.done.push_back(id.index);
        self.wake_pollers();
        self.serve_waiter(ops);
        Ok(())
    }

    /// All buffers with the driver, the one queued first in front.
    pub fn active(&self) -> impl Iterator<Item = BufferView<'_, M>> {
        let views = self.queued.iter().filter_map(|&index| self.buffer(index));
        views.filter(|view| view.active().is_some())
    }
}

fn view<M>(index: u32, slot: &Slot<M>) -> BufferView<'_, M> {
    BufferView {
        index,
        state: slot.state,
        field: slot.field,
        sequence: slot.sequence,
        timestamp_ns: slot.timestamp_ns,
        flags: slot.flags,
        planes: &slot.planes,
    }
}
