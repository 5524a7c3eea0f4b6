//! One buffer of the queue: its planes, and where it is on its way.

use alloc::vec::Vec;

use crate::Timecode;

/// Where a buffer is. The names are the kernel's `VB2_BUF_STATE_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// With the program.
    Dequeued {
        /// `PREPARE_BUF` was called: `QBUF` will take it as it is.
        prepared: bool,
    },
    /// The driver is looking at it, during `QBUF` or `PREPARE_BUF`.
    Preparing,
    /// Queued, and the stream not started.
    Queued {
        /// Which queueing this is, see [`crate::ActiveId`].
        serial: u64,
    },
    /// With the driver, to be filled or shown.
    Active {
        /// Which queueing this is, see [`crate::ActiveId`].
        serial: u64,
    },
    /// Ready to be dequeued.
    Done,
    /// Ready to be dequeued, its contents being of no use.
    Error,
}

/// A buffer.
#[derive(Debug, Clone)]
pub(crate) struct Slot<M> {
    pub(crate) state: State,
    /// The program's and the driver's flags; those of the state are added when asked.
    pub(crate) flags: u32,
    pub(crate) field: u32,
    pub(crate) timestamp_ns: u64,
    pub(crate) timecode: Timecode,
    pub(crate) sequence: u32,
    pub(crate) planes: Vec<Plane<M>>,
}

/// One plane of a buffer.
#[derive(Debug, Clone)]
pub struct Plane<M> {
    pub(crate) length: u32,
    /// What a frame needs: the size the buffer was made with.
    pub(crate) min_length: u32,
    pub(crate) bytesused: u32,
    pub(crate) data_offset: u32,
    pub(crate) backing: PlaneBacking<M>,
}

/// The memory of a plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlaneBacking<M> {
    /// An importing queue's plane before the first `QBUF`, or after a refused one.
    None,
    /// The queue's own.
    Mmap {
        /// The memory.
        memory: M,
        /// `m.mem_offset`
        offset: u32,
    },
    /// What stands for the program's memory.
    UserPtr {
        /// `m.userptr`
        address: u64,
        /// The memory.
        memory: M,
    },
    /// An imported buffer.
    DmaBuf {
        /// The number it was queued by.
        fd: i32,
        /// The memory.
        memory: M,
    },
}

impl<M> Slot<M> {
    pub(crate) fn new(planes: Vec<Plane<M>>) -> Self {
        Self {
            state: State::Dequeued { prepared: false },
            flags: 0,
            field: 0,
            timestamp_ns: 0,
            timecode: Timecode::default(),
            sequence: 0,
            planes,
        }
    }

    /// Lets go of what the program brought. The planes are as when they were made.
    pub(crate) fn drop_imports(&mut self) {
        for plane in &mut self.planes {
            match plane.backing {
                PlaneBacking::Mmap { .. } => {}
                PlaneBacking::None | PlaneBacking::UserPtr { .. } | PlaneBacking::DmaBuf { .. } => {
                    *plane = Plane::new(plane.min_length, PlaneBacking::None);
                }
            }
        }
    }
}

impl<M> Plane<M> {
    pub(crate) fn new(length: u32, backing: PlaneBacking<M>) -> Self {
        Self { length, min_length: length, bytesused: 0, data_offset: 0, backing }
    }

    /// Bytes of the plane.
    pub fn length(&self) -> u32 {
        self.length
    }

    /// Bytes of the frame, `data_offset` included.
    pub fn bytesused(&self) -> u32 {
        self.bytesused
    }

    /// Bytes in front of the picture.
    pub fn data_offset(&self) -> u32 {
        self.data_offset
    }

    /// The driver says how much of the plane a frame uses, `data_offset` included (the kernel's
    /// `vb2_set_plane_payload`). More than the plane's length becomes that length.
    pub fn set_bytesused(&mut self, bytes: u32) {
        self.bytesused = bytes.min(self.length);
    }

    /// The driver says where in the plane the picture begins.
    pub fn set_data_offset(&mut self, bytes: u32) {
        self.data_offset = bytes.min(self.length);
    }

    /// Where the memory comes from.
    pub fn backing(&self) -> &PlaneBacking<M> {
        &self.backing
    }

    /// The memory, if there is one.
    pub fn memory(&self) -> Option<&M> {
        match &self.backing {
            PlaneBacking::None => None,
            PlaneBacking::Mmap { memory, .. }
            | PlaneBacking::UserPtr { memory, .. }
            | PlaneBacking::DmaBuf { memory, .. } => Some(memory),
        }
    }
}
