//! `QUERYBUF`, `PREPARE_BUF`, `QBUF`.

use crate::flags;
use crate::slot::{Plane, PlaneBacking, Slot, State};
use crate::{
    BufferInfo, BufferRequest, Error, FileId, MemoryType, PlaneHandle, PlaneInfo, PlaneRequest,
    Queue, QueueOps, Timecode,
};

impl<M: Clone + PartialEq> Queue<M> {
    /// `VIDIOC_QUERYBUF`, by anybody. `planes` is the length of the program's array of planes
    /// (`length`); of no matter on a single-planar queue.
    ///
    /// # Errors
    /// [`Error::WrongType`], [`Error::NoSuchBuffer`], [`Error::WrongPlanes`]: all `EINVAL`.
    pub fn querybuf(
        &self,
        buf_type: u32,
        index: u32,
        planes: u32,
        ops: &dyn QueueOps<M>,
    ) -> Result<BufferInfo, Error> {
        self.check_type(buf_type)?;
        self.check_planes(self.slot(index)?, planes)?;
        self.info(index, ops)
    }

    /// Whether a `QBUF` or `PREPARE_BUF` of this buffer would get as far as looking at its planes:
    /// before their descriptors and addresses are resolved, which costs more. False: the call is
    /// to be made all the same, and needs none of them.
    pub fn needs_planes(&self, file: FileId, buf_type: u32, index: u32, memory: u32) -> bool {
        let memory = MemoryType::from_raw(memory);
        let slot = self.slot(index).ok();
        self.check_owner(file).is_ok()
            && self.check_no_fileio().is_ok()
            && self.check_type(buf_type).is_ok()
            && memory.is_some()
            && self.memory == memory
            && slot.is_some_and(|slot| slot.state == (State::Dequeued { prepared: false }))
    }

    /// `VIDIOC_PREPARE_BUF`: all that `QBUF` checks and takes, without queueing.
    ///
    /// # Errors
    /// As [`Queue::qbuf`]; [`Error::RequestNotForPrepare`] (`EINVAL`) comes after the ownership.
    pub fn prepare_buf(
        &mut self,
        file: FileId,
        request: &BufferRequest<'_, M>,
        ops: &mut dyn QueueOps<M>,
    ) -> Result<BufferInfo, Error> {
        self.check_owner(file)?;
        self.check_no_fileio()?;
        if request.flags & flags::REQUEST_FD != 0 {
            return Err(Error::RequestNotForPrepare);
        }
        let planes = self.read_request(request)?;
        self.take_fields(request)?;
        match self.slot(request.index)?.state {
            State::Dequeued { prepared: false } => {}
            State::Dequeued { prepared: true }
            | State::Preparing
            | State::Queued { .. }
            | State::Active { .. }
            | State::Done
            | State::Error => return Err(Error::NotDequeued),
        }
        if self.failed {
            return Err(Error::DeviceFailed);
        }
        self.prepare(request.index, &planes, ops)?;
        self.info(request.index, ops)
    }

    /// `VIDIOC_QBUF`: the buffer goes to the driver, at once or with `STREAMON`.
    ///
    /// Imports: the same memory with the same length at the same index is kept, another one lets
    /// go of what was there. A refusal by [`Error::NotABuffer`], [`Error::PlaneTooSmall`],
    /// [`Error::BadMemory`] or `buf_prepare` lets go of all imports of that index, and of those
    /// the request came with.
    ///
    /// # Errors
    /// In this order: [`Error::NotOwner`], [`Error::FileIoActive`] (`EBUSY`);
    /// [`Error::WrongType`], [`Error::NoSuchBuffer`], [`Error::WrongMemory`],
    /// [`Error::WrongPlanes`], [`Error::WrongBytesUsed`], [`Error::WrongField`] (`EINVAL`);
    /// [`Error::NoRequests`] (`EBADR`); [`Error::DeviceFailed`] (`EIO`); [`Error::NotDequeued`]
    /// (`EINVAL`); what `buf_out_validate` answers; then plane by plane [`Error::NotABuffer`],
    /// [`Error::PlaneTooSmall`] (`EINVAL`) and [`Error::BadMemory`] (`EFAULT`); what `buf_prepare`
    /// and `start_streaming` answer.
    pub fn qbuf(
        &mut self,
        file: FileId,
        request: &BufferRequest<'_, M>,
        ops: &mut dyn QueueOps<M>,
    ) -> Result<BufferInfo, Error> {
        self.check_owner(file)?;
        self.check_no_fileio()?;
        let planes = self.read_request(request)?;
        self.take_fields(request)?;
        if request.flags & flags::REQUEST_FD != 0 {
            return Err(Error::NoRequests);
        }
        let stamp = Stamp {
            timestamp_ns: request.timestamp_ns,
            timecode: (request.flags & flags::TIMECODE != 0).then_some(request.timecode),
        };
        self.enqueue(request.index, &planes, Some(stamp), ops)?;
        self.info(request.index, ops)
    }

    /// `QBUF` once the request is read (the kernel's `vb2_core_qbuf`).
    pub(crate) fn enqueue(
        &mut self,
        index: u32,
        planes: &[PlaneRequest<M>],
        stamp: Option<Stamp>,
        ops: &mut dyn QueueOps<M>,
    ) -> Result<(), Error> {
        if self.failed {
            return Err(Error::DeviceFailed);
        }
        match self.slot(index)?.state {
            State::Dequeued { prepared: true } => {}
            State::Dequeued { prepared: false } => self.prepare(index, planes, ops)?,
            State::Preparing
            | State::Queued { .. }
            | State::Active { .. }
            | State::Done
            | State::Error => return Err(Error::NotDequeued),
        }
        let serial = self.next_serial;
        self.next_serial += 1;
        let started = self.started;
        let stamp = stamp.filter(|_| self.is_output());
        let copy_time = self.copies_timestamps();
        let slot = self.slot_mut(index)?;
        slot.state = if started { State::Active { serial } } else { State::Queued { serial } };
        if let Some(stamp) = stamp {
            stamp.put_on(slot, copy_time);
        }
        self.queued.push_back(index);
        self.waiting_for_buffers = false;
        self.start_if_ready(ops).inspect_err(|_| {
            // The program has it back, prepared as it is.
            self.queued.pop_back();
            if let Ok(slot) = self.slot_mut(index) {
                slot.state = State::Dequeued { prepared: true };
            }
        })
    }

    /// What the program sees of a buffer (the kernel's `__fill_v4l2_buffer`).
    pub(crate) fn info(&self, index: u32, ops: &dyn QueueOps<M>) -> Result<BufferInfo, Error> {
        let slot = self.slot(index)?;
        let memory = self.memory.ok_or(Error::NoSuchBuffer)?;
        let planes = slot.planes.iter().map(|plane| plane_info(plane, memory)).collect();
        Ok(BufferInfo {
            index,
            buf_type: self.config.buf_type,
            memory,
            flags: self.flags_of(slot, ops),
            field: slot.field,
            timestamp_ns: slot.timestamp_ns,
            timecode: slot.timecode,
            sequence: slot.sequence,
            planes,
        })
    }

    fn flags_of(&self, slot: &Slot<M>, ops: &dyn QueueOps<M>) -> u32 {
        let from_queue = self.config.timestamp_flags;
        let mut flags = slot.flags & !flags::OF_THE_QUEUE;
        flags |= from_queue & flags::TIMESTAMP_MASK;
        if !self.copies_timestamps() {
            flags &= !flags::TSTAMP_SRC_MASK;
            flags |= from_queue & flags::TSTAMP_SRC_MASK;
        }
        flags |= match slot.state {
            State::Dequeued { prepared: true } => flags::PREPARED,
            State::Dequeued { prepared: false } | State::Preparing => 0,
            State::Queued { .. } | State::Active { .. } => flags::QUEUED,
            State::Done => flags::DONE,
            State::Error => flags::DONE | flags::ERROR,
        };
        if slot.planes.iter().any(|plane| is_mapped(plane, ops)) {
            flags |= flags::MAPPED;
        }
        flags
    }
}

/// What the program says of an output frame's time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    timestamp_ns: u64,
    timecode: Option<Timecode>,
}

impl Stamp {
    fn put_on<M>(self, slot: &mut Slot<M>, copy_time: bool) {
        if copy_time {
            slot.timestamp_ns = self.timestamp_ns;
        }
        if let Some(timecode) = self.timecode {
            slot.flags |= flags::TIMECODE;
            slot.timecode = timecode;
        }
    }
}

/// Only the queue's own memory can be held by others without its knowing.
fn is_mapped<M>(plane: &Plane<M>, ops: &dyn QueueOps<M>) -> bool {
    match &plane.backing {
        PlaneBacking::Mmap { memory, .. } => ops.in_use_elsewhere(memory),
        PlaneBacking::None | PlaneBacking::UserPtr { .. } | PlaneBacking::DmaBuf { .. } => false,
    }
}

fn plane_info<M>(plane: &Plane<M>, memory: MemoryType) -> PlaneInfo {
    let handle = match (&plane.backing, memory) {
        (PlaneBacking::Mmap { offset, .. }, _) => PlaneHandle::MemOffset(*offset),
        (PlaneBacking::UserPtr { address, .. }, _) => PlaneHandle::UserPtr(*address),
        (PlaneBacking::DmaBuf { fd, .. }, _) => PlaneHandle::Fd(*fd),
        (PlaneBacking::None, MemoryType::Mmap) => PlaneHandle::MemOffset(0),
        (PlaneBacking::None, MemoryType::UserPtr) => PlaneHandle::UserPtr(0),
        (PlaneBacking::None, MemoryType::DmaBuf) => PlaneHandle::Fd(0),
    };
    PlaneInfo {
        bytesused: plane.bytesused,
        length: plane.length,
        data_offset: plane.data_offset,
        handle,
    }
}
