//! What is refused, why, and with which errno.

use core::fmt;

/// Why a call was refused. These are the program's errors: normal answers, nothing is broken.
///
/// `Display` says the reason in words for a log; [`Error::errno`] is what the program sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The buffer type is not this queue's.
    WrongType,
    /// No memory type of that number, or not the queue's.
    WrongMemory,
    /// No buffer of that index.
    NoSuchBuffer,
    /// No plane of that number, or an array of planes that is too short or too long.
    WrongPlanes,
    /// A plane that the program brings is smaller than the frame's.
    PlaneTooSmall,
    /// `bytesused` above the plane, or `data_offset` at or behind what is used of it.
    WrongBytesUsed,
    /// An output frame with field `ALTERNATE`, which says neither top nor bottom.
    WrongField,
    /// The descriptor names no buffer that can be imported.
    NotABuffer,
    /// The program's memory can't be reached, or is shorter than it said.
    BadMemory,
    /// `PREPARE_BUF` or `QBUF` of a buffer that is queued, ready, or already prepared.
    NotDequeued,
    /// The stream is off.
    NotStreaming,
    /// `STREAMON` before there are buffers, or enough of them.
    NoBuffers,
    /// `EXPBUF` with flags other than an access mode and `O_CLOEXEC`.
    WrongFlags,
    /// `PREPARE_BUF` with `V4L2_BUF_FLAG_REQUEST_FD`.
    RequestNotForPrepare,
    /// `QBUF` with `V4L2_BUF_FLAG_REQUEST_FD`: the queue takes no requests.
    NoRequests,
    /// `REMOVE_BUFS` of a range that doesn't exist or has a hole.
    NoSuchRange,
    /// An offset of `mmap` that is no plane's.
    NoSuchOffset,
    /// `CREATE_BUFS` with no planes, too many, or one of size 0; or the driver refused the sizes.
    WrongSizes,
    /// `read` of an output queue, `write` to a capture queue, or a queue without either.
    NoFileIo,
    /// `CREATE_BUFS` of a queue that has all buffers it may have.
    Full,
    /// Another open file owns the queue.
    NotOwner,
    /// The queue's buffers are used by `read`, `write` or `poll`.
    FileIoActive,
    /// Buffers can't be freed or remade while streaming.
    Streaming,
    /// Another call waits for a buffer already.
    AlreadyWaiting,
    /// `REMOVE_BUFS` of a buffer that is not dequeued.
    BufferQueued,
    /// `read` or `write` while the queue has buffers of its own.
    HasBuffers,
    /// `read` or `write` of frames with several planes.
    SeveralPlanes,
    /// No buffer is ready, and the caller doesn't wait.
    NotReady,
    /// No memory for even the least number of buffers.
    NoMemory,
    /// The driver has failed ([`crate::Queue::queue_error`]); only `STREAMOFF` helps.
    DeviceFailed,
    /// The last frame of the stream was dequeued.
    LastDequeued,
    /// The frame that the driver finished is no longer with it: the stream ended meanwhile.
    Stale,
    /// The driver refused with this errno.
    Driver(i32),
}

impl Error {
    /// The errno that the program sees, with the number it has in the kernel's
    /// `asm-generic/errno*.h` (all architectures but alpha, mips, parisc and sparc).
    pub const fn errno(self) -> i32 {
        match self {
            Self::WrongType
            | Self::WrongMemory
            | Self::NoSuchBuffer
            | Self::WrongPlanes
            | Self::PlaneTooSmall
            | Self::WrongBytesUsed
            | Self::WrongField
            | Self::NotABuffer
            | Self::NotDequeued
            | Self::NotStreaming
            | Self::NoBuffers
            | Self::WrongFlags
            | Self::RequestNotForPrepare
            | Self::NoSuchRange
            | Self::NoSuchOffset
            | Self::WrongSizes
            | Self::NoFileIo
            | Self::Stale => EINVAL,
            Self::NotOwner
            | Self::FileIoActive
            | Self::Streaming
            | Self::AlreadyWaiting
            | Self::BufferQueued
            | Self::HasBuffers
            | Self::SeveralPlanes => EBUSY,
            Self::BadMemory => EFAULT,
            Self::NoRequests => EBADR,
            Self::Full => ENOBUFS,
            Self::NotReady => EAGAIN,
            Self::NoMemory => ENOMEM,
            Self::DeviceFailed => EIO,
            Self::LastDequeued => EPIPE,
            Self::Driver(errno) => errno,
        }
    }

    const fn reason(self) -> &'static str {
        match self {
            Self::WrongType => "the buffer type is not this queue's",
            Self::WrongMemory => "the memory type is unknown or not the queue's",
            Self::NoSuchBuffer => "there is no buffer of that index",
            Self::WrongPlanes => {
                "there is no plane of that number, or the array of planes is too short or too long"
            }
            Self::PlaneTooSmall => "a plane is smaller than the frame's",
            Self::WrongBytesUsed => {
                "bytesused is above the plane, or data_offset behind what is used of it"
            }
            Self::WrongField => "an output frame can't have field ALTERNATE",
            Self::NotABuffer => "the descriptor is no buffer that can be imported",
            Self::BadMemory => "the memory can't be reached or is shorter than its length says",
            Self::NotDequeued => "the buffer is queued, ready or already prepared",
            Self::NotStreaming => "the stream is off",
            Self::NoBuffers => "there are not enough buffers to stream with",
            Self::WrongFlags => "only an access mode and O_CLOEXEC are flags of EXPBUF",
            Self::RequestNotForPrepare => "PREPARE_BUF takes no request",
            Self::NoRequests => "the queue takes no requests",
            Self::NoSuchRange => "not all buffers of that range exist",
            Self::NoSuchOffset => "the offset is no plane's",
            Self::WrongSizes => "the planes' sizes don't hold a frame",
            Self::NoFileIo => "the queue has no read or write in this direction",
            Self::Full => "the queue has all buffers it may have",
            Self::NotOwner => "another open file owns the queue",
            Self::FileIoActive => "the queue is used by read, write or poll without buffers",
            Self::Streaming => "the queue streams",
            Self::AlreadyWaiting => "another call waits for a buffer already",
            Self::BufferQueued => "a buffer of that range is queued or ready",
            Self::HasBuffers => "the queue has buffers, so there is no read or write",
            Self::SeveralPlanes => "frames with several planes can't be read or written",
            Self::NotReady => "no buffer is ready",
            Self::NoMemory => "there is no memory for the buffers",
            Self::DeviceFailed => "the device has failed, STREAMOFF helps",
            Self::LastDequeued => "the stream's last buffer was dequeued",
            Self::Stale => "the frame is no longer with the driver",
            Self::Driver(_) => "the driver refused",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Driver(errno) => write!(f, "{} (errno {errno})", self.reason()),
            other => f.write_str(other.reason()),
        }
    }
}

impl core::error::Error for Error {}

const EIO: i32 = 5;
const EAGAIN: i32 = 11;
const ENOMEM: i32 = 12;
const EFAULT: i32 = 14;
const EBUSY: i32 = 16;
const EINVAL: i32 = 22;
const EPIPE: i32 = 32;
const EBADR: i32 = 53;
const ENOBUFS: i32 = 105;
