//! Who asks, and what kind of queue and memory is meant.

/// Planes a buffer has at most: `VIDEO_MAX_PLANES` of `<linux/videodev2.h>`.
pub const MAX_PLANES: usize = 8;

/// One open file of the node, as the caller numbers them. Descriptors made by `dup` or inherited
/// by a child are the same file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u64);

/// One parked call, as the caller numbers them: a `DQBUF`, `read` or `write` that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Which way the frames go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The device fills buffers: a camera.
    Capture,
    /// The device shows buffers: a display.
    Output,
}

/// `enum v4l2_buf_type`, as far as it is about video buffers. The numbers are the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum BufType {
    /// `V4L2_BUF_TYPE_VIDEO_CAPTURE`
    VideoCapture = 1,
    /// `V4L2_BUF_TYPE_VIDEO_OUTPUT`
    VideoOutput = 2,
    /// `V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE`
    VideoCaptureMplane = 9,
    /// `V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE`
    VideoOutputMplane = 10,
}

impl BufType {
    /// The number in `struct v4l2_buffer`.
    pub const fn raw(self) -> u32 {
        self as u32
    }

    /// Which way the frames go.
    pub const fn direction(self) -> Direction {
        match self {
            Self::VideoCapture | Self::VideoCaptureMplane => Direction::Capture,
            Self::VideoOutput | Self::VideoOutputMplane => Direction::Output,
        }
    }

    /// Whether the device shows what the program brings.
    pub const fn is_output(self) -> bool {
        matches!(self.direction(), Direction::Output)
    }

    /// Whether buffers come with an array of planes. A multi-planar queue may have one plane.
    pub const fn is_multiplanar(self) -> bool {
        match self {
            Self::VideoCapture | Self::VideoOutput => false,
            Self::VideoCaptureMplane | Self::VideoOutputMplane => true,
        }
    }
}

/// `enum v4l2_memory`: where the memory of a queue's buffers comes from. The numbers are the
/// kernel's; `V4L2_MEMORY_OVERLAY` is no memory of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum MemoryType {
    /// `V4L2_MEMORY_MMAP`: the device's own.
    Mmap = 1,
    /// `V4L2_MEMORY_USERPTR`: the program's own, by address.
    UserPtr = 2,
    /// `V4L2_MEMORY_DMABUF`: a shared buffer, by descriptor.
    DmaBuf = 4,
}

impl MemoryType {
    /// The memory with this number in `struct v4l2_buffer`, if a queue can have it.
    pub const fn from_raw(raw: u32) -> Option<Self> {
        match raw {
            1 => Some(Self::Mmap),
            2 => Some(Self::UserPtr),
            4 => Some(Self::DmaBuf),
            _ => None,
        }
    }

    /// The number in `struct v4l2_buffer`.
    pub const fn raw(self) -> u32 {
        self as u32
    }
}
