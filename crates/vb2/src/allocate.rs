//! `REQBUFS`, `CREATE_BUFS`, `REMOVE_BUFS`: buffers come and go.

use alloc::vec::Vec;
use core::ops::Range;

use crate::slot::{Plane, PlaneBacking, Slot, State};
use crate::{Effect, Error, FileId, MAX_PLANES, MemoryType, Queue, QueueOps, Setup};

/// What `REQBUFS` gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocated {
    /// How many buffers there are now.
    pub count: u32,
}

/// What `CREATE_BUFS` asks for.
#[derive(Debug, Clone, Copy)]
pub struct Create<'a> {
    /// `format.type`, unchecked.
    pub buf_type: u32,
    /// `memory`, unchecked.
    pub memory: u32,
    /// `count`: how many more. With 0 only type and memory are checked.
    pub count: u32,
    /// `num_planes` of the format given, unchecked; 1 on a single-planar queue.
    pub num_planes: u32,
    /// `sizeimage` of the planes of the format given, at least of the first `num_planes`.
    pub sizes: &'a [u32],
}

/// What `CREATE_BUFS` gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Created {
    /// Number of the first of them. With a count of 0: how many buffers there are.
    pub index: u32,
    /// How many were made, all in a row.
    pub count: u32,
    /// The most buffers there can be (`max_num_buffers`).
    pub max_num_buffers: u32,
}

impl<M: Clone + PartialEq> Queue<M> {
    /// `VIDIOC_REQBUFS`: frees all buffers, then makes `count` new ones (at least the least, at
    /// most the most number). With a count of 0 it only frees, and the queue has no owner any
    /// more; `memory` may then be any that exists. Otherwise `file` owns the queue.
    ///
    /// # Errors
    /// In this order: [`Error::WrongMemory`], [`Error::WrongType`] (`EINVAL`);
    /// [`Error::FileIoActive`], [`Error::NotOwner`], [`Error::Streaming`],
    /// [`Error::AlreadyWaiting`] (`EBUSY`); what `queue_setup` answers; [`Error::NoMemory`]
    /// (`ENOMEM`). From `queue_setup` on the old buffers are gone.
    pub fn reqbufs(
        &mut self,
        file: FileId,
        buf_type: u32,
        memory: u32,
        count: u32,
        ops: &mut dyn QueueOps<M>,
    ) -> Result<Allocated, Error> {
        let memory = MemoryType::from_raw(memory).ok_or(Error::WrongMemory)?;
        self.check_type(buf_type)?;
        self.check_no_fileio()?;
        self.check_owner(file)?;
        let count = self.remake(memory, count, ops)?;
        self.owner = (count != 0).then_some(file);
        Ok(Allocated { count })
    }

    /// `VIDIOC_CREATE_BUFS`: makes more buffers, streaming or not. They are in a row, in the first
    /// gap that is long enough; fewer than asked for if there is no room.
    ///
    /// # Errors
    /// In this order: [`Error::WrongMemory`], [`Error::WrongType`] (`EINVAL`); with a count of 0
    /// no others; [`Error::FileIoActive`], [`Error::NotOwner`] (`EBUSY`); [`Error::WrongSizes`]
    /// (`EINVAL`); [`Error::Full`] (`ENOBUFS`); [`Error::AlreadyWaiting`] (`EBUSY`);
    /// [`Error::WrongMemory`] if the queue has buffers of another; what `queue_setup` answers;
    /// [`Error::NoMemory`] (`ENOMEM`).
    pub fn create_bufs(
        &mut self,
        file: FileId,
        create: &Create<'_>,
        ops: &mut dyn QueueOps<M>,
    ) -> Result<Created, Error> {
        let memory = MemoryType::from_raw(create.memory).ok_or(Error::WrongMemory)?;
        self.check_type(create.buf_type)?;
        let max_num_buffers = self.config.max_num_buffers;
        if create.count == 0 {
            return Ok(Created { index: self.num_buffers(), count: 0, max_num_buffers });
        }
        self.check_no_fileio()?;
        self.check_owner(file)?;
        let sizes = requested_sizes(create)?;
        let row = self.append(memory, create.count, sizes, ops)?;
        self.owner = Some(file);
        Ok(Created { index: row.first, count: row.count, max_num_buffers })
    }

    /// `VIDIOC_REMOVE_BUFS`: removes `count` buffers from `start` on, all or none, streaming or
    /// not. The owner stays, even without buffers.
    ///
    /// # Errors
    /// In this order: [`Error::WrongType`] (`EINVAL`); with a count of 0 no others;
    /// [`Error::NotOwner`], [`Error::FileIoActive`] (`EBUSY`); [`Error::NoSuchRange`] (`EINVAL`);
    /// [`Error::BufferQueued`] (`EBUSY`) for the first that is not dequeued.
    pub fn remove_bufs(
        &mut self,
        file: FileId,
        buf_type: u32,
        start: u32,
        count: u32,
    ) -> Result<(), Error> {
        self.check_type(buf_type)?;
        if count == 0 {
            return Ok(());
        }
        self.check_owner(file)?;
        self.check_no_fileio()?;
        let end = start.checked_add(count).ok_or(Error::NoSuchRange)?;
        if count > self.num_buffers() || end > self.config.max_num_buffers {
            return Err(Error::NoSuchRange);
        }
        for index in start..end {
            match self.slot(index).map_err(|_| Error::NoSuchRange)?.state {
                State::Dequeued { .. } => {}
                State::Preparing
                | State::Queued { .. }
                | State::Active { .. }
                | State::Done
                | State::Error => return Err(Error::BufferQueued),
            }
        }
        self.free(start..end);
        Ok(())
    }

    /// `REQBUFS` without who asks: the old buffers go, `count` or the least number of new ones come.
    pub(crate) fn remake(
        &mut self,
        memory: MemoryType,
        count: u32,
        ops: &mut dyn QueueOps<M>,
    ) -> Result<u32, Error> {
        if self.streaming {
            return Err(Error::Streaming);
        }
        if self.waiter.is_some() && count != 0 {
            return Err(Error::AlreadyWaiting);
        }
        if count == 0 || self.num_buffers() != 0 {
            self.cancel_queue(ops);
            self.free_all();
            self.busy = false;
        }
        if count == 0 {
            return Ok(0);
        }
        let least = self.config.min_reqbufs_allocation;
        let count = count.max(least).min(self.config.max_num_buffers);
        let row = self.set_up(memory, count, Vec::new(), ops)?;
        if row.count < least {
            self.free(row.first..row.first + row.count);
            return Err(Error::NoMemory);
        }
        self.waiting_for_buffers = !self.is_output();
        self.busy = true;
        Ok(row.count)
    }

    /// `CREATE_BUFS` without who asks.
    fn append(
        &mut self,
        memory: MemoryType,
        count: u32,
        sizes: Vec<u32>,
        ops: &mut dyn QueueOps<M>,
    ) -> Result<Row, Error> {
        let have = self.num_buffers();
        if have >= self.config.max_num_buffers {
            return Err(Error::Full);
        }
        if have == 0 {
            if self.waiter.is_some() {
                return Err(Error::AlreadyWaiting);
            }
            self.waiting_for_buffers = !self.is_output();
        } else if self.memory != Some(memory) {
            return Err(Error::WrongMemory);
        }
        let row = self.set_up(memory, count, sizes, ops)?;
        self.busy = true;
        Ok(row)
    }

    /// Asks the driver what buffers look like, makes them, and asks again if they are fewer.
    fn set_up(
        &mut self,
        memory: MemoryType,
        count: u32,
        sizes: Vec<u32>,
        ops: &mut dyn QueueOps<M>,
    ) -> Result<Row, Error> {
        let allocated = self.num_buffers();
        let room = self.config.max_num_buffers.saturating_sub(allocated);
        let mut setup = Setup { memory, count: count.min(room), allocated, sizes };
        ops.queue_setup(&mut setup)?;
        let planes = if self.config.buf_type.is_multiplanar() { 1..=MAX_PLANES } else { 1..=1 };
        if !planes.contains(&setup.sizes.len()) || setup.sizes.contains(&0) {
            return Err(Error::WrongSizes);
        }
        let wanted = setup.count.min(room);
        let row = self.make_row(memory, wanted, &setup.sizes, ops);
        if row.count == 0 {
            return Err(Error::NoMemory);
        }
        self.memory = Some(memory);
        if row.count < wanted {
            setup.count = row.count;
            let answer = ops.queue_setup(&mut setup);
            if answer.is_err() || setup.count > row.count {
                self.free(row.first..row.first + row.count);
                return Err(answer.err().unwrap_or(Error::NoMemory));
            }
        }
        Ok(row)
    }

    /// Makes up to `count` buffers in the first gap that holds them all, or as many as a gap holds.
    fn make_row(
        &mut self,
        memory: MemoryType,
        count: u32,
        sizes: &[u32],
        ops: &mut dyn QueueOps<M>,
    ) -> Row {
        let nothing = Row { first: 0, count: 0 };
        let Some(gap) = (1..=count).rev().find_map(|count| self.gap(count)) else { return nothing };
        let mut row = Row { first: gap.first, count: 0 };
        for index in gap.first..gap.first + gap.count {
            let Ok(planes) = make_planes(memory, index, sizes, ops) else { break };
            self.put(index, Slot::new(planes));
            row.count += 1;
        }
        row
    }

    /// The first `count` numbers in a row that no buffer has.
    fn gap(&self, count: u32) -> Option<Row> {
        let last = self.config.max_num_buffers.checked_sub(count)?;
        let free = |index| self.slot(index).is_err();
        let first = (0..=last).find(|&first| (first..first + count).all(free))?;
        Some(Row { first, count })
    }

    fn put(&mut self, index: u32, slot: Slot<M>) {
        let Ok(place) = usize::try_from(index) else { return };
        if self.slots.len() <= place {
            self.slots.resize_with(place + 1, || None);
        }
        if let Some(empty) = self.slots.get_mut(place) {
            *empty = Some(slot);
        }
    }

    pub(crate) fn free_all(&mut self) {
        self.free(0..u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
    }

    /// Lets go of buffers that are dequeued. The queue's own memory becomes effects, imports end.
    fn free(&mut self, range: Range<u32>) {
        for index in range {
            let place = usize::try_from(index).unwrap_or(usize::MAX);
            let Some(slot) = self.slots.get_mut(place).and_then(Option::take) else { continue };
            for plane in slot.planes {
                match plane.backing {
                    PlaneBacking::Mmap { memory, .. } => self.effects.push(Effect::Orphan(memory)),
                    PlaneBacking::None
                    | PlaneBacking::UserPtr { .. }
                    | PlaneBacking::DmaBuf { .. } => {}
                }
            }
        }
        while matches!(self.slots.last(), Some(None)) {
            self.slots.pop();
        }
        if self.slots.is_empty() {
            self.memory = None;
        }
    }
}

/// Buffers with numbers in a row.
#[derive(Debug, Clone, Copy)]
struct Row {
    first: u32,
    count: u32,
}

fn requested_sizes(create: &Create<'_>) -> Result<Vec<u32>, Error> {
    let planes = usize::try_from(create.num_planes).map_err(|_| Error::WrongSizes)?;
    let sizes = create.sizes.get(..planes).ok_or(Error::WrongSizes)?;
    if sizes.is_empty() || sizes.len() > MAX_PLANES || sizes.contains(&0) {
        return Err(Error::WrongSizes);
    }
    Ok(sizes.to_vec())
}

/// The planes of a new buffer. If one can't be made, the others go again.
fn make_planes<M>(
    memory_type: MemoryType,
    index: u32,
    sizes: &[u32],
    ops: &mut dyn QueueOps<M>,
) -> Result<Vec<Plane<M>>, Error> {
    let mut planes = Vec::with_capacity(sizes.len());
    for (number, &size) in sizes.iter().enumerate() {
        let backing = match memory_type {
            MemoryType::Mmap => {
                let memory = ops.alloc(index, number, size)?;
                let offset = ops.mem_offset(index, number, &memory);
                PlaneBacking::Mmap { memory, offset }
            }
            MemoryType::UserPtr | MemoryType::DmaBuf => PlaneBacking::None,
        };
        planes.push(Plane::new(size, backing));
    }
    Ok(planes)
}
