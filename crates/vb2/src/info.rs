//! What the queue says of a buffer: the contents of `struct v4l2_buffer` on its way out.

use alloc::vec::Vec;

use crate::{BufType, MemoryType};

/// A buffer as `QUERYBUF`, `QBUF`, `PREPARE_BUF` and `DQBUF` give it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BufferInfo {
    /// Number in the queue.
    pub index: u32,
    /// The queue's type.
    pub buf_type: BufType,
    /// The queue's memory, whatever the caller wrote there.
    pub memory: MemoryType,
    /// `V4L2_BUF_FLAG_*`, see [`crate::flags`].
    pub flags: u32,
    /// `V4L2_FIELD_*`
    pub field: u32,
    /// Nanoseconds; which clock is in the flags.
    pub timestamp_ns: u64,
    /// Valid with [`crate::flags::TIMECODE`].
    pub timecode: Timecode,
    /// Frame number.
    pub sequence: u32,
    /// One on a single-planar queue. On a multi-planar one their number is `length`.
    pub planes: Vec<PlaneInfo>,
}

/// One plane as it goes back to the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaneInfo {
    /// Bytes of the frame, `data_offset` included.
    pub bytesused: u32,
    /// Bytes of the plane.
    pub length: u32,
    /// Bytes in front of the picture; 0 on a single-planar queue.
    pub data_offset: u32,
    /// The union `m`.
    pub handle: PlaneHandle,
}

/// How the program finds a plane's memory: the union `m` of `struct v4l2_plane`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaneHandle {
    /// `m.mem_offset` for `mmap`, in bytes.
    MemOffset(u32),
    /// `m.userptr`; 0 before the first `QBUF`.
    UserPtr(u64),
    /// `m.fd` as it was queued; 0 before the first `QBUF`.
    Fd(i32),
}

/// `struct v4l2_timecode`, handed through and never looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timecode {
    /// `V4L2_TC_TYPE_*`
    pub kind: u32,
    /// `V4L2_TC_FLAG_*`
    pub flags: u32,
    /// Frame in the second.
    pub frames: u8,
    /// Second.
    pub seconds: u8,
    /// Minute.
    pub minutes: u8,
    /// Hour.
    pub hours: u8,
    /// The four user bits.
    pub userbits: [u8; 4],
}
