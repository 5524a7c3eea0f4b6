//! What a device leaves to be done outside its lock.

use nix::errno::Errno;
use vb2::{FileId, Ticket};

use crate::shrbuf::Buffer;
use crate::v4l2::uapi::{v4l2_buffer, v4l2_event, v4l2_plane};

/// Something that is left to be done.
#[derive(Debug)]
pub enum Effect {
    /// A parked call is over. Each ticket comes out once, or was cancelled.
    Complete {
        /// Which call.
        ticket: Ticket,
        /// What it comes to.
        outcome: Outcome,
    },
    /// Whoever polls this file is to look again.
    Wake(FileId),
}

/// What a parked call comes to.
#[derive(Debug)]
pub enum Outcome {
    /// `VIDIOC_DQBUF`: 0, with this as its argument and these as its array of planes.
    Dequeued {
        /// The argument.
        buffer: Box<v4l2_buffer>,
        /// The array; empty on a single-planar node.
        planes: Vec<v4l2_plane>,
        /// To be copied to the program's memory before.
        copy_out: Vec<CopyOut>,
    },
    /// `VIDIOC_DQEVENT`: 0, with this.
    Event(Box<v4l2_event>),
    /// `read(2)`: these bytes.
    Read(Vec<u8>),
    /// `write(2)`: so many bytes were taken.
    Written(u32),
    /// This errno.
    Failed(Errno),
}

/// A captured frame of a `V4L2_MEMORY_USERPTR` buffer: it lies in memory of the daemon's and belongs
/// into the program's.
#[derive(Debug, Clone)]
pub struct CopyOut {
    /// Where it is.
    pub buffer: Buffer,
    /// Where it is to be: an address in the process that queued the buffer.
    pub address: u64,
    /// Bytes.
    pub len: usize,
}
