//! What `QBUF` and `PREPARE_BUF` have in common: a request is checked, and its planes are taken
//! into the buffer.

use alloc::vec::Vec;

use crate::flags;
use crate::slot::{Plane, PlaneBacking, Slot, State};
use crate::{BufferRequest, Error, MemoryType, PlaneRequest, PlaneSource, Queue, QueueOps};

impl<M: Clone + PartialEq> Queue<M> {
    /// Checks what a request says of itself, and gives its planes as the queue understands them.
    pub(crate) fn read_request(
        &self,
        request: &BufferRequest<'_, M>,
    ) -> Result<Vec<PlaneRequest<M>>, Error> {
        self.check_type(request.buf_type)?;
        let slot = self.slot(request.index)?;
        let memory =
            MemoryType::from_raw(request.memory).filter(|memory| self.memory == Some(*memory));
        let memory = memory.ok_or(Error::WrongMemory)?;
        self.check_planes(slot, u32::try_from(request.planes.len()).unwrap_or(u32::MAX))?;
        if request.planes.len() < slot.planes.len() {
            return Err(Error::WrongPlanes);
        }
        if matches!(slot.state, State::Dequeued { prepared: false }) {
            self.read_contents(slot, memory, request)
        } else {
            Ok(Vec::new()) // What was taken before stays.
        }
    }

    /// Whether a program's array of planes is long enough for a buffer.
    pub(crate) fn check_planes(&self, slot: &Slot<M>, planes: u32) -> Result<(), Error> {
        let planes = usize::try_from(planes).map_err(|_| Error::WrongPlanes)?;
        let fits = (slot.planes.len()..=crate::MAX_PLANES).contains(&planes);
        if fits || !self.config.buf_type.is_multiplanar() {
            Ok(())
        } else {
            Err(Error::WrongPlanes)
        }
    }

    fn read_contents(
        &self,
        slot: &Slot<M>,
        memory: MemoryType,
        request: &BufferRequest<'_, M>,
    ) -> Result<Vec<PlaneRequest<M>>, Error> {
        if self.is_output() {
            for (plane, wanted) in slot.planes.iter().zip(request.planes) {
                self.check_bytesused(plane, memory, wanted)?;
            }
            if request.field == flags::FIELD_ALTERNATE {
                return Err(Error::WrongField);
            }
        }
        let pairs = slot.planes.iter().zip(request.planes);
        Ok(pairs.map(|(plane, wanted)| self.read_plane(plane, memory, wanted)).collect())
    }

    /// Output: what is used of a plane lies in the plane. The kernel takes a multi-planar import's
    /// length from the request, a single-planar one's from the request for USERPTR only.
    fn check_bytesused(
        &self,
        plane: &Plane<M>,
        memory: MemoryType,
        wanted: &PlaneRequest<M>,
    ) -> Result<(), Error> {
        let multiplanar = self.config.buf_type.is_multiplanar();
        let length = match memory {
            MemoryType::UserPtr => wanted.length,
            MemoryType::DmaBuf if multiplanar => wanted.length,
            MemoryType::DmaBuf | MemoryType::Mmap => plane.length,
        };
        let used = if wanted.bytesused == 0 { length } else { wanted.bytesused };
        let behind = multiplanar && wanted.data_offset > 0 && wanted.data_offset >= used;
        if wanted.bytesused > length || behind { Err(Error::WrongBytesUsed) } else { Ok(()) }
    }

    /// A plane of a request with the program's shorthands resolved.
    fn read_plane(
        &self,
        plane: &Plane<M>,
        memory: MemoryType,
        wanted: &PlaneRequest<M>,
    ) -> PlaneRequest<M> {
        let length = match memory {
            MemoryType::Mmap => plane.length,
            MemoryType::UserPtr | MemoryType::DmaBuf => wanted.length,
        };
        let full = if wanted.bytesused == 0 { length } else { wanted.bytesused };
        let data_offset =
            if self.config.buf_type.is_multiplanar() { wanted.data_offset } else { 0 };
        let (bytesused, data_offset) = if self.is_output() { (full, data_offset) } else { (0, 0) };
        PlaneRequest { bytesused, data_offset, length, source: wanted.source.clone() }
    }

    /// Flags and field of the program, as far as they are his to say.
    pub(crate) fn take_fields(&mut self, request: &BufferRequest<'_, M>) -> Result<(), Error> {
        let output = self.is_output();
        let mut ignored = flags::OF_THE_QUEUE | flags::CACHE_HINTS;
        if !self.copies_timestamps() || !output {
            ignored |= flags::TSTAMP_SRC_MASK;
        }
        ignored |= if output {
            // The timecode comes with QBUF itself.
            flags::TIMECODE | flags::M2M_HOLD_CAPTURE_BUF
        } else {
            flags::OF_OUTPUT | flags::LAST
        };
        let slot = self.slot_mut(request.index)?;
        if slot.state == (State::Dequeued { prepared: false }) {
            slot.flags = request.flags & !ignored;
            slot.sequence = 0;
            if output {
                slot.field = request.field;
            }
        }
        Ok(())
    }

    /// The kernel's `__buf_prepare`: takes planes into a dequeued buffer and asks the driver.
    pub(crate) fn prepare(
        &mut self,
        index: u32,
        planes: &[PlaneRequest<M>],
        ops: &mut dyn QueueOps<M>,
    ) -> Result<(), Error> {
        let (output, keep_time) = (self.is_output(), self.copies_timestamps());
        let slot = self.slot_mut(index)?;
        if output {
            ops.buf_out_validate(&mut slot.field)?;
        }
        slot.state = State::Preparing;
        if !keep_time {
            slot.timestamp_ns = 0;
        }
        let taken = take_planes(&mut slot.planes, planes, ops)
            .and_then(|()| ops.buf_prepare(index, &mut slot.planes));
        slot.state = State::Dequeued { prepared: taken.is_ok() };
        if taken.is_err() {
            slot.drop_imports();
        }
        taken
    }
}

fn take_planes<M: Clone + PartialEq>(
    planes: &mut [Plane<M>],
    wanted: &[PlaneRequest<M>],
    ops: &dyn QueueOps<M>,
) -> Result<(), Error> {
    for (plane, wanted) in planes.iter_mut().zip(wanted) {
        match &plane.backing {
            PlaneBacking::Mmap { .. } => {}
            PlaneBacking::None | PlaneBacking::UserPtr { .. } | PlaneBacking::DmaBuf { .. } => {
                take_import(plane, wanted, ops)?;
            }
        }
    }
    // Only once all are good.
    for (plane, wanted) in planes.iter_mut().zip(wanted) {
        // A single-planar dma-buf may be shorter than the one before it, which bytesused was held
        // against. The kernel lets that through.
        if wanted.bytesused > plane.length {
            return Err(Error::WrongBytesUsed);
        }
        plane.bytesused = wanted.bytesused;
        plane.data_offset = wanted.data_offset;
    }
    Ok(())
}

fn take_import<M: Clone + PartialEq>(
    plane: &mut Plane<M>,
    wanted: &PlaneRequest<M>,
    ops: &dyn QueueOps<M>,
) -> Result<(), Error> {
    match &wanted.source {
        PlaneSource::Mmap => Err(Error::NotABuffer),
        PlaneSource::DmaBuf { fd, memory } => {
            let memory = memory.as_ref().ok_or(Error::NotABuffer)?;
            take_dmabuf(plane, *fd, memory, wanted.length, ops)
        }
        PlaneSource::UserPtr { address, memory } => {
            take_userptr(plane, *address, memory.as_ref(), wanted.length, ops)
        }
    }
}

/// The same buffer with the same length stays as it is; another takes its place.
fn take_dmabuf<M: Clone + PartialEq>(
    plane: &mut Plane<M>,
    number: i32,
    wanted: &M,
    length: u32,
    ops: &dyn QueueOps<M>,
) -> Result<(), Error> {
    let size = ops.memory_size(wanted);
    let length = if length == 0 { u32::try_from(size).unwrap_or(u32::MAX) } else { length };
    if length < plane.min_length {
        return Err(Error::PlaneTooSmall);
    }
    if let PlaneBacking::DmaBuf { fd, memory } = &mut plane.backing
        && memory == wanted
        && plane.length == length
    {
        *fd = number;
        return Ok(());
    }
    if size < u64::from(length) {
        return Err(Error::BadMemory);
    }
    plane.backing = PlaneBacking::DmaBuf { fd: number, memory: wanted.clone() };
    plane.length = length;
    Ok(())
}

/// The same address with the same length is known to be good: without a memory for it the old one
/// stays (the kernel has pinned those pages). With one, that is taken.
fn take_userptr<M: Clone + PartialEq>(
    plane: &mut Plane<M>,
    number: u64,
    wanted: Option<&M>,
    length: u32,
    ops: &dyn QueueOps<M>,
) -> Result<(), Error> {
    let known = matches!(&plane.backing, PlaneBacking::UserPtr { address, .. }
        if *address == number && plane.length == length);
    if !known && length < plane.min_length {
        return Err(Error::PlaneTooSmall);
    }
    let Some(wanted) = wanted.filter(|_| number != 0) else {
        return if known { Ok(()) } else { Err(Error::BadMemory) };
    };
    if ops.memory_size(wanted) < u64::from(length) {
        return Err(Error::BadMemory);
    }
    if plane.memory() != Some(wanted) || !known {
        plane.backing = PlaneBacking::UserPtr { address: number, memory: wanted.clone() };
        plane.length = length;
    }
    Ok(())
}
