//! What a device offers: one method per ioctl, named as the kernel's `v4l2_ioctl_ops`.

use nix::errno::Errno;

use super::controls::Controls;
use super::events::Events;
use super::priority::Priority;
use super::uapi::*;
use super::{Buffer, FileId, Ticket};

/// Which way a node's pictures go.
pub use vb2::Direction;

/// What kind of node it is. It decides which buffer type and which ioctls there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// Capture or output.
    pub direction: Direction,
    /// Whether it speaks the multi-planar API.
    pub mplane: bool,
}

impl Node {
    /// The node's only `enum v4l2_buf_type`.
    pub const fn buf_type(self) -> u32 {
        self.queue_type().raw()
    }

    /// The same as the queue's crate has it.
    pub const fn queue_type(self) -> vb2::BufType {
        match (self.direction, self.mplane) {
            (Direction::Capture, false) => vb2::BufType::VideoCapture,
            (Direction::Capture, true) => vb2::BufType::VideoCaptureMplane,
            (Direction::Output, false) => vb2::BufType::VideoOutput,
            (Direction::Output, true) => vb2::BufType::VideoOutputMplane,
        }
    }

    /// The node's `device_caps`: what it is, `STREAMING`, `READWRITE` and `EXT_PIX_FORMAT`.
    pub const fn device_caps(self) -> u32 {
        let kind = match (self.direction, self.mplane) {
            (Direction::Capture, false) => V4L2_CAP_VIDEO_CAPTURE,
            (Direction::Capture, true) => V4L2_CAP_VIDEO_CAPTURE_MPLANE,
            (Direction::Output, false) => V4L2_CAP_VIDEO_OUTPUT,
            (Direction::Output, true) => V4L2_CAP_VIDEO_OUTPUT_MPLANE,
        };
        kind | V4L2_CAP_STREAMING | V4L2_CAP_READWRITE | V4L2_CAP_EXT_PIX_FORMAT
    }
}

/// One plane of a USERPTR buffer: the caller's memory and the daemon's that stands for it.
#[derive(Debug, Clone)]
pub struct UserPlane {
    /// The caller's address, as in the `QBUF`.
    pub address: u64,
    /// Bytes of the caller's memory.
    pub length: u64,
    /// The memory that the device works on: for output it holds the caller's bytes already, for
    /// capture it is copied to the caller when the buffer is dequeued.
    pub buffer: Buffer,
}

/// Who calls, when, and what was fetched for the call.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The open file.
    pub file: FileId,
    /// The caller's user id.
    pub uid: u32,
    /// The name under which the call is parked if it has to wait.
    pub ticket: Ticket,
    /// Whether the call may wait. Otherwise it gets the errno of a file with `O_NONBLOCK`.
    pub may_park: bool,
    /// `CLOCK_MONOTONIC` in nanoseconds: the time stamp of events that this call causes.
    pub now_ns: u64,
    /// The dma-bufs that [`needs`](super::needs) named, by plane; `None`: the descriptor is none.
    pub imports: &'a [Option<Buffer>],
    /// The caller's memory that [`needs`](super::needs) named, by plane; `None`: not accessible.
    pub user: &'a [Option<UserPlane>],
}

/// What a call that did not fail comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Answer 0, with the argument and the nested array as they are now.
    Done,
    /// The call waits: the device keeps its ticket and completes it later.
    Park,
    /// Give the caller a descriptor for `buffer` with `flags` (`O_ACCMODE | O_CLOEXEC`), then put
    /// its number into the argument ([`set_fd`](v4l2_exportbuffer::set_fd)) and answer 0.
    Export {
        /// The memory of the plane.
        buffer: Buffer,
        /// `v4l2_exportbuffer.flags`, checked.
        flags: u32,
    },
}

/// A device behind a node. [`dispatch`](super::dispatch()) calls these with arguments that are valid
/// in themselves: the buffer type is the node's (but for `EXPBUF`, `STREAMON` and `STREAMOFF`),
/// reserved fields are zero, the plane array has as many planes as the buffer's `length` says. A
/// method that is left out answers `ENOTTY`.
///
/// The smallest camera: it says what it is, and has one control.
///
/// ```
/// use nix::errno::Errno;
/// use shrbuf::v4l2::controls::Controls;
/// use shrbuf::v4l2::uapi::*;
/// use shrbuf::v4l2::{Answer, Context, DeviceOps, Direction, Node, dispatch};
/// use zerocopy::{FromBytes, IntoBytes};
///
/// struct Smallest(Controls);
///
/// impl DeviceOps for Smallest {
///     fn node(&self) -> Node {
///         Node { direction: Direction::Capture, mplane: false }
///     }
///
///     fn controls(&mut self) -> Option<&mut Controls> {
///         Some(&mut self.0)
///     }
///
///     fn querycap(&mut self, _: &Context<'_>, cap: &mut v4l2_capability) -> Result<(), Errno> {
///         put_text(&mut cap.driver, "smallest");
///         Ok(())
///     }
/// }
///
/// let mut camera = Smallest(Controls::camera(&[]));
/// let ctx = Context {
///     file: vb2::FileId(1), uid: 0, ticket: vb2::Ticket(1), may_park: false, now_ns: 0,
///     imports: &[], user: &[],
/// };
/// let mut cap = [0; size_of::<v4l2_capability>()];
/// let answer = dispatch(&mut camera, &ctx, VIDIOC_QUERYCAP, &mut cap, &mut Vec::new());
/// assert_eq!(answer, Ok(Answer::Done));
/// let cap = v4l2_capability::read_from_bytes(&cap).unwrap();
/// assert_eq!(cap.device_caps & V4L2_CAP_VIDEO_CAPTURE, V4L2_CAP_VIDEO_CAPTURE);
///
/// let mut control = v4l2_control { id: V4L2_CID_HFLIP, value: 7 };
/// let answer = dispatch(&mut camera, &ctx, VIDIOC_S_CTRL, control.as_mut_bytes(), &mut Vec::new());
/// assert_eq!((answer, control.value), (Ok(Answer::Done), 1));
///
/// let answer = dispatch(&mut camera, &ctx, VIDIOC_LOG_STATUS, &mut [], &mut Vec::new());
/// assert_eq!(answer, Err(Errno::ENOTTY));
/// ```
pub trait DeviceOps {
    /// What kind of node it is.
    fn node(&self) -> Node;

    /// Where the priorities of its open files are kept; `None`: the priority ioctls are `ENOTTY`.
    fn priority(&mut self) -> Option<&mut Priority> {
        None
    }

    /// Its controls; `None`: the control ioctls are `ENOTTY`.
    fn controls(&mut self) -> Option<&mut Controls> {
        None
    }

    /// Its events; `None`: the event ioctls are `ENOTTY`.
    fn events(&mut self) -> Option<&mut Events> {
        None
    }

    /// A control has now the value `value`. Called once for each that changed, after the events
    /// were queued.
    fn control_changed(&mut self, _id: u32, _value: i32) {}

    /// Whether files may subscribe to this event type besides control events (which they may when
    /// the device has controls). `id` is the subscription's; answer `false` for `EINVAL`.
    fn can_subscribe(&self, event_type: u32, _id: u32) -> bool {
        let of_camera = [V4L2_EVENT_SOURCE_CHANGE, V4L2_EVENT_EOS, V4L2_EVENT_FRAME_SYNC];
        self.node().direction == Direction::Capture && of_camera.contains(&event_type)
    }

    /// `VIDIOC_QUERYCAP`: fill in `driver`, `card` and `bus_info`, `version`; the capabilities are
    /// there already.
    fn querycap(&mut self, ctx: &Context<'_>, cap: &mut v4l2_capability) -> Result<(), Errno>;

    /// `VIDIOC_LOG_STATUS`.
    fn log_status(&mut self, _ctx: &Context<'_>) -> Result<(), Errno> {
        Err(Errno::ENOTTY)
    }

    /// `VIDIOC_ENUMINPUT`, capture only. `EINVAL` beyond the last input.
    fn enum_input(&mut self, _ctx: &Context<'_>, _input: &mut v4l2_input) -> Result<(), Errno> {
        Err(Errno::ENOTTY)
    }

    /// `VIDIOC_G_INPUT`, capture only.
    fn g_input(&mut self, _ctx: &Context<'_>) -> Result<u32, Errno> {
        Err(Errno::ENOTTY)
    }

    /// `VIDIOC_S_INPUT`, capture only. `EINVAL` for an input that is not there.
    fn s_input(&mut self, _ctx: &Context<'_>, _index: u32) -> Result<(), Errno> {
        Err(Errno::ENOTTY)
    }

    /// `VIDIOC_ENUMOUTPUT`, output only. `EINVAL` beyond the last output.
    fn enum_output(&mut self, _ctx: &Context<'_>, _output: &mut v4l2_output) -> Result<(), Errno> {
        Err(Errno::ENOTTY)
    }

    /// `VIDIOC_G_OUTPUT`, output only.
    fn g_output(&mut self, _ctx: &Context<'_>) -> Result<u32, Errno> {
        Err(Errno::ENOTTY)
    }

    /// `VIDIOC_S_OUTPUT`, output only. `EINVAL` for an output that is not there.
    fn s_output(&mut self, _ctx: &Context<'_>, _index: u32) -> Result<(), Errno> {
        Err(Errno::ENOTTY)
    }

    /// `VIDIOC_ENUM_FMT`. `EINVAL` beyond the last format.
    fn enum_fmt(&mut self, _ctx: &Context<'_>, _fmt: &mut v4l2_fmtdesc) -> Result<(), Errno> {
        Err(Errno::ENOTTY)
    }

    /// `VIDIOC_G_FMT`. All but `type` is zero; see [`Layout::describe`](super::formats::Layout).
    fn g_fmt(&mut self, _ctx: &Context<'_>, _format: &mut v4l2_format) -> Result<(), Errno> {
        Err(Errno::ENOTTY)
    }

    /// `VIDIOC_TRY_FMT`: the nearest that the device could do.
    fn try_fmt(&mut self, _ctx: &Context<'_>, _format: &mut v4l2_format) -> Result<(), Errno> {
        Err(Errno::ENOTTY)
    }

    /// `VIDIOC_S_FMT`. `EBUSY` while buffers are allocated.
    fn s_fmt(&mut self, _ctx: &Context<'_>, _format: &mut v4l2_format) -> Result<(), Errno> {
        Err(Errno::ENOTTY)
    }

    /// `VIDIOC_ENUM_FRAMESIZES`, capture only.
    fn enum_framesizes(
        &mut self,
        _ctx: &Context<'_>,
        _size: &mut v4l2_frmsizeenum,
    ) -> Result<(), Errno> {
        Err(Errno::ENOTTY)
    }

    /// `VIDIOC_ENUM_FRAMEINTERVALS`, capture only.
    fn enum_frameintervals(
        &mut self,
        _ctx: &Context<'_>,
        _interval: &mut v4l2_frmivalenum,
    ) -> Result<(), Errno> {
        Err(Errno::ENOTTY)
    }

    /// `VIDIOC_G_PARM`. All but `type` is zero; see [`modes`](super::modes).
    fn g_parm(&mut self, _ctx: &Context<'_>, _parm: &mut v4l2_streamparm) -> Result<(), Errno> {
        Err(Errno::ENOTTY)
    }

    /// `VIDIOC_S_PARM`, capture only. What it takes is `timeperframe`.
    fn s_parm(&mut self, _ctx: &Context<'_>, _parm: &mut v4l2_streamparm) -> Result<(), Errno> {
        Err(Errno::ENOTTY)
    }

    /// `VIDIOC_REQBUFS`. The type is the node's.
    fn reqbufs(
        &mut self,
        _ctx: &Context<'_>,
        _request: &mut v4l2_requestbuffers,
    ) -> Result<(), Errno> {
        Err(Errno::ENOTTY)
    }

    /// `VIDIOC_CREATE_BUFS`. The format's type is the node's.
    fn create_bufs(
        &mut self,
        _ctx: &Context<'_>,
        _create: &mut v4l2_create_buffers,
    ) -> Result<(), Errno> {
        Err(Errno::ENOTTY)
    }

    /// `VIDIOC_REMOVE_BUFS`. The type is the node's.
    fn remove_bufs(
        &mut self,
        _ctx: &Context<'_>,
        _remove: &mut v4l2_remove_buffers,
    ) -> Result<(), Errno> {
        Err(Errno::ENOTTY)
    }

    /// `VIDIOC_QUERYBUF`. `planes` is the caller's array (empty when single-planar); its length is
    /// `buffer.length`, which may be more or fewer than the format has: fewer is `EINVAL`.
    fn querybuf(
        &mut self,
        _ctx: &Context<'_>,
        _buffer: &mut v4l2_buffer,
        _planes: &mut [v4l2_plane],
    ) -> Result<(), Errno> {
        Err(Errno::ENOTTY)
    }

    /// `VIDIOC_PREPARE_BUF`. What it imports lies in `ctx`.
    fn prepare_buf(
        &mut self,
        _ctx: &Context<'_>,
        _buffer: &mut v4l2_buffer,
        _planes: &mut [v4l2_plane],
    ) -> Result<(), Errno> {
        Err(Errno::ENOTTY)
    }

    /// `VIDIOC_QBUF`. What it imports lies in `ctx`.
    fn qbuf(
        &mut self,
        _ctx: &Context<'_>,
        _buffer: &mut v4l2_buffer,
        _planes: &mut [v4l2_plane],
    ) -> Result<(), Errno> {
        Err(Errno::ENOTTY)
    }

    /// `VIDIOC_DQBUF`: [`Answer::Done`] with the buffer filled in, or [`Answer::Park`].
    fn dqbuf(
        &mut self,
        _ctx: &Context<'_>,
        _buffer: &mut v4l2_buffer,
        _planes: &mut [v4l2_plane],
    ) -> Result<Answer, Errno> {
        Err(Errno::ENOTTY)
    }

    /// `VIDIOC_EXPBUF`: [`Answer::Export`]. The type is *not* checked: it may be any.
    fn expbuf(
        &mut self,
        _ctx: &Context<'_>,
        _export: &mut v4l2_exportbuffer,
    ) -> Result<Answer, Errno> {
        Err(Errno::ENOTTY)
    }

    /// `VIDIOC_STREAMON`. The type is *not* checked: another owner's `EBUSY` comes first.
    fn streamon(&mut self, _ctx: &Context<'_>, _buf_type: u32) -> Result<(), Errno> {
        Err(Errno::ENOTTY)
    }

    /// `VIDIOC_STREAMOFF`. The type is *not* checked: another owner's `EBUSY` comes first.
    fn streamoff(&mut self, _ctx: &Context<'_>, _buf_type: u32) -> Result<(), Errno> {
        Err(Errno::ENOTTY)
    }
}
