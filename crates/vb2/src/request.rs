//! What a program brings with `QBUF` and `PREPARE_BUF`: `struct v4l2_buffer` on its way in.

use crate::Timecode;

/// The fields of `struct v4l2_buffer` that the queue takes from the program. `DQBUF` takes none
/// of them.
#[derive(Debug, Clone, Copy)]
pub struct BufferRequest<'a, M> {
    /// `type`, unchecked.
    pub buf_type: u32,
    /// `index`, unchecked.
    pub index: u32,
    /// `memory`, unchecked.
    pub memory: u32,
    /// `flags`; what isn't the program's to say is ignored.
    pub flags: u32,
    /// `field`, kept for output.
    pub field: u32,
    /// `timestamp`, kept for output with [`crate::flags::TIMESTAMP_COPY`]. Nanoseconds.
    pub timestamp_ns: u64,
    /// `timecode`, kept for output with [`crate::flags::TIMECODE`].
    pub timecode: Timecode,
    /// Single-planar: exactly one, of the fields of the buffer itself. Multi-planar: as many as
    /// the program's array has (`length`, at most [`crate::MAX_PLANES`]); too many do no harm.
    pub planes: &'a [PlaneRequest<M>],
}

/// One plane that a program brings.
#[derive(Debug, Clone)]
pub struct PlaneRequest<M> {
    /// Output: bytes of the frame, 0 for all of the plane. Capture: ignored.
    pub bytesused: u32,
    /// Output, multi-planar: bytes in front of the picture. Otherwise ignored.
    pub data_offset: u32,
    /// `length`: for imports the bytes of the plane, 0 for all that a dma-buf has.
    pub length: u32,
    /// Where its memory is.
    pub source: PlaneSource<M>,
}

/// Where the memory of a plane in a request is, resolved by the caller beforehand.
///
/// What the caller resolves may turn out not to be needed (the queue's other checks come first, or
/// the buffer is prepared already): it is then dropped.
#[derive(Debug, Clone)]
pub enum PlaneSource<M> {
    /// The queue's own.
    Mmap,
    /// The program's, by address.
    UserPtr {
        /// `m.userptr`
        address: u64,
        /// What stands for that memory in the device; `None` if it can't be reached as the
        /// direction needs it (`EFAULT`).
        memory: Option<M>,
    },
    /// A shared buffer, by descriptor.
    DmaBuf {
        /// `m.fd`, the number only; it goes back to the program as it is.
        fd: i32,
        /// What the descriptor names; `None` if that is no buffer (`EINVAL`).
        memory: Option<M>,
    },
}
