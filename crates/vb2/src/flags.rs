//! `V4L2_BUF_FLAG_*` and the other numbers of `<linux/videodev2.h>` that the queue knows.

/// `V4L2_BUF_FLAG_MAPPED`: someone besides the queue holds the buffer's memory.
pub const MAPPED: u32 = 0x0001;
/// `V4L2_BUF_FLAG_QUEUED`
pub const QUEUED: u32 = 0x0002;
/// `V4L2_BUF_FLAG_DONE`: ready to be dequeued.
pub const DONE: u32 = 0x0004;
/// `V4L2_BUF_FLAG_KEYFRAME`
pub const KEYFRAME: u32 = 0x0008;
/// `V4L2_BUF_FLAG_PFRAME`
pub const PFRAME: u32 = 0x0010;
/// `V4L2_BUF_FLAG_BFRAME`
pub const BFRAME: u32 = 0x0020;
/// `V4L2_BUF_FLAG_ERROR`
pub const ERROR: u32 = 0x0040;
/// `V4L2_BUF_FLAG_IN_REQUEST`
pub const IN_REQUEST: u32 = 0x0080;
/// `V4L2_BUF_FLAG_TIMECODE`: the `timecode` field is valid.
pub const TIMECODE: u32 = 0x0100;
/// `V4L2_BUF_FLAG_M2M_HOLD_CAPTURE_BUF`
pub const M2M_HOLD_CAPTURE_BUF: u32 = 0x0200;
/// `V4L2_BUF_FLAG_PREPARED`
pub const PREPARED: u32 = 0x0400;
/// `V4L2_BUF_FLAG_NO_CACHE_INVALIDATE`
pub const NO_CACHE_INVALIDATE: u32 = 0x0800;
/// `V4L2_BUF_FLAG_NO_CACHE_CLEAN`
pub const NO_CACHE_CLEAN: u32 = 0x1000;
/// `V4L2_BUF_FLAG_TIMESTAMP_MASK`
pub const TIMESTAMP_MASK: u32 = 0xe000;
/// `V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC`
pub const TIMESTAMP_MONOTONIC: u32 = 0x2000;
/// `V4L2_BUF_FLAG_TIMESTAMP_COPY`: the program's timestamp goes through the device.
pub const TIMESTAMP_COPY: u32 = 0x4000;
/// `V4L2_BUF_FLAG_TSTAMP_SRC_MASK`
pub const TSTAMP_SRC_MASK: u32 = 0x0007_0000;
/// `V4L2_BUF_FLAG_TSTAMP_SRC_EOF`: the timestamp is the frame's end. It is no bit: zero.
pub const TSTAMP_SRC_EOF: u32 = 0;
/// `V4L2_BUF_FLAG_TSTAMP_SRC_SOE`: the timestamp is the exposure's start.
pub const TSTAMP_SRC_SOE: u32 = 0x0001_0000;
/// `V4L2_BUF_FLAG_LAST`: no frame follows.
pub const LAST: u32 = 0x0010_0000;
/// `V4L2_BUF_FLAG_REQUEST_FD`
pub const REQUEST_FD: u32 = 0x0080_0000;

/// `V4L2_FIELD_ALTERNATE`
pub const FIELD_ALTERNATE: u32 = 7;

/// What the queue says of a buffer; what a program sets of these is ignored.
pub(crate) const OF_THE_QUEUE: u32 =
    MAPPED | QUEUED | DONE | ERROR | PREPARED | IN_REQUEST | REQUEST_FD | TIMESTAMP_MASK;
/// What only a frame that the program brings can say.
pub(crate) const OF_OUTPUT: u32 = PFRAME | BFRAME | KEYFRAME | TIMECODE | M2M_HOLD_CAPTURE_BUF;
/// Hints about caches. The queue's memory is coherent, so they are never taken.
pub(crate) const CACHE_HINTS: u32 = NO_CACHE_INVALIDATE | NO_CACHE_CLEAN;
