//! What a node is to be: plain data, made by the daemon from its configuration or from a request,
//! read by whoever starts the node. Files are open already: nothing below the daemon opens a path.

use std::fmt;
use std::fs::File;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Which way frames go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A camera: `V4L2_BUF_TYPE_VIDEO_CAPTURE`.
    Capture,
    /// A display: `V4L2_BUF_TYPE_VIDEO_OUTPUT`.
    Output,
}

/// A pixel format's four characters, as `v4l2_fourcc` packs them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FourCc(pub [u8; 4]);

/// Time of one frame, in seconds, as `v4l2_fract`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// Seconds.
    pub numerator: NonZeroU32,
    /// Frames in `numerator` seconds.
    pub denominator: NonZeroU32,
}

/// One entry of what a node offers: a format, one discrete size, one interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// The pixel format.
    pub fourcc: FourCc,
    /// Pixels.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Time of one frame.
    pub interval: Interval,
}

/// A drawn picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pattern {
    /// Colour bars. This one and those below have a moving element, frame number and time.
    Smpte,
    /// From black to white.
    Ramp,
    /// A checkerboard.
    Checkerboard,
    /// A grid.
    Grid,
    /// White.
    White,
    /// Black.
    Black,
    /// Colour bars drawn once, when streaming starts; later frames cost nothing.
    Static,
}

impl Pattern {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Smpte,
        Self::Ramp,
        Self::Checkerboard,
        Self::Grid,
        Self::White,
        Self::Black,
        Self::Static,
    ];

    /// As it is written, and as `device::source::PatternSource` knows it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Smpte => "smpte",
            Self::Ramp => "ramp",
            Self::Checkerboard => "checkerboard",
            Self::Grid => "grid",
            Self::White => "white",
            Self::Black => "black",
            Self::Static => "static",
        }
    }
}

/// What is in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileFormat {
    /// YUV4MPEG2: frames with a header that tells size and rate.
    Y4m,
    /// One PNG picture.
    Png,
    /// Frames in the node's own format, one after the other.
    Raw,
}

/// An open file and how it is called in messages.
#[derive(Debug, Clone)]
pub struct OpenFile {
    /// A source is open for reading, a sink for writing. A FIFO is open with `O_NONBLOCK`.
    pub file: Arc<File>,
    /// As typed by whoever named it; never opened again.
    pub name: String,
}

/// Where a capture node's frames come from.
#[derive(Debug, Clone)]
pub enum SourceSpec {
    /// Drawn.
    Pattern(Pattern),
    /// Read from a file or pipe.
    File {
        /// The file.
        file: OpenFile,
        /// What is in it.
        format: FileFormat,
        /// Start again at its end (a pipe has none).
        repeat: bool,
        /// Burn the frame's number and time into it (raw frames stay as they are).
        stamp: bool,
    },
    /// What the output node of this name shows, without a copy.
    Output(String),
}

/// Where an output node's frames go (besides `snapshot`, which every output node answers).
#[derive(Debug, Clone)]
pub enum SinkSpec {
    /// Nowhere.
    Null,
    /// Into a file or pipe; [`FileFormat::Png`] is none of these.
    File {
        /// The file.
        file: OpenFile,
        /// What is written.
        format: FileFormat,
    },
}

/// What one node may use at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeLimits {
    /// Open files at a time; one more is `EBUSY`.
    pub opens: u32,
    /// Bytes of the buffers that the node's queue has (orphans are their user's alone); `REQBUFS` over
    /// it is `ENOMEM`.
    pub bytes: u64,
}

impl Default for NodeLimits {
    /// 256 open files (`v4l2-compliance` opens a node 114 times), 1 GiB (32 buffers of 4K YUYV
    /// are half of it).
    fn default() -> Self {
        Self { opens: 256, bytes: 1 << 30 }
    }
}

/// What the daemon's nodes may use together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedLimits {
    /// Bytes of the buffers that one uid has alive over all nodes, orphans included; `REQBUFS`
    /// over it is `ENOMEM`.
    pub bytes_per_uid: u64,
    /// Of them, bytes of orphans: buffers that their queue let go of and somebody keeps. Beyond
    /// it, `REQBUFS` is `ENOMEM` until some are free.
    pub orphaned_bytes_per_uid: u64,
    /// Buffers (planes) that one uid has alive, orphans included; `REQBUFS` over it is `ENOMEM`.
    pub buffers_per_uid: u64,
    /// Open files of nodes that one uid has; `open(2)` over it is `EMFILE`.
    pub opens_per_uid: u32,
    /// Calls of one uid that wait for a frame or an event; one more is `EBUSY`.
    pub waiting_calls_per_uid: u32,
    /// Calls of one uid for which the daemon reaches into the caller at a time (`EXPBUF`, the first
    /// `REQBUFS` of a file, imports, control arrays), queued ones included; one more is `EBUSY`.
    pub reaching_calls_per_uid: u32,
}

impl Default for SharedLimits {
    /// 2 GiB, half of it orphaned; 2048 buffers (two whole queues of eight planes); 1024 open files (as
    /// many as descriptors of one process), as many calls that wait, and 256 that reach into callers.
    fn default() -> Self {
        Self {
            bytes_per_uid: 2 << 30,
            orphaned_bytes_per_uid: 1 << 30,
            buffers_per_uid: 2048,
            opens_per_uid: 1024,
            waiting_calls_per_uid: 1024,
            reaching_calls_per_uid: 256,
        }
    }
}

/// Where the buffers of all nodes lie. What is left out is the best that the machine has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemorySpec {
    /// What `VIDIOC_EXPBUF` gives.
    #[serde(default)]
    pub exports: Option<ExportKind>,
    /// How the nodes are mapped.
    #[serde(default)]
    pub mapping: Option<MappingKind>,
}

/// What an exported descriptor is, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportKind {
    /// A dma-buf that other drivers take.
    Udmabuf,
    /// A file of the daemon's own that shows the buffer (Linux 6.9 and newer).
    Handle,
    /// A memory file.
    Memfd,
}

/// How `mmap` of a node is carried out, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MappingKind {
    /// The kernel passes it through to the buffers themselves (Linux 6.9 and newer).
    Passthrough,
    /// Programs map copies.
    Copies,
    /// Not at all: `ENODEV`.
    None,
}

/// One node. Checked: names fit `[a-z0-9-]+`, there is at least one mode, a capture node's sink
/// and an output node's source are not there.
#[derive(Debug, Clone)]
pub struct NodeSpec {
    /// `/dev/NAME` is a link to the node.
    pub name: String,
    /// The `card` of `VIDIOC_QUERYCAP`.
    pub card: String,
    /// `videoN`. The daemon fills in a free one before the node is started.
    pub number: Option<u32>,
    /// What the node offers, the default first.
    pub modes: Vec<Mode>,
    /// `V4L2_CAP_VIDEO_CAPTURE_MPLANE` or `…_OUTPUT_MPLANE` instead of the single-planar one.
    pub multiplanar: bool,
    /// Which way frames go, and from or to where.
    pub flow: Flow,
    /// What the node may use.
    pub limits: NodeLimits,
}

/// A node's role with the end that belongs to it.
#[derive(Debug, Clone)]
pub enum Flow {
    /// A capture node and its source.
    Capture(SourceSpec),
    /// An output node and its sink.
    Output(SinkSpec),
}

impl NodeSpec {
    /// Which way frames go.
    #[must_use]
    pub fn role(&self) -> Role {
        match self.flow {
            Flow::Capture(_) => Role::Capture,
            Flow::Output(_) => Role::Output,
        }
    }

    /// The output node that a loopback takes its frames from.
    #[must_use]
    pub fn follows(&self) -> Option<&str> {
        match &self.flow {
            Flow::Capture(SourceSpec::Output(name)) => Some(name),
            _ => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Capture => "capture",
            Self::Output => "output",
        })
    }
}

impl FourCc {
    /// The number in a `v4l2_pix_format`.
    #[must_use]
    pub fn packed(self) -> u32 {
        u32::from_le_bytes(self.0)
    }
}

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", String::from_utf8_lossy(&self.0).trim_end())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Mode {
    /// As typed: `YUYV:640x480@30/1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fourcc, width, height, interval } = self;
        write!(f, "{fourcc}:{width}x{height}@{}/{}", interval.denominator, interval.numerator)
    }
}

/// Largest width or height, in pixels. A `sizeimage` of 4 bytes a pixel then fits in 32 bits.
pub const LARGEST_SIDE: u32 = 16384;

/// Why a text is no [`Mode`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModeError {
    /// Another shape.
    #[error(
        "'{0}' is no mode: write it like YUYV:640x480@30/1 (format:WIDTHxHEIGHT@FRAMES/SECONDS)"
    )]
    Shape(String),
    /// Not one to four printable characters.
    #[error("'{0}' is no pixel format: it has one to four letters or digits, like YUYV or NV12")]
    Format(String),
    /// A size that no frame has.
    #[error("'{0}' is no size: width and height are 1 to {LARGEST_SIDE}")]
    Size(String),
    /// A rate that no clock has.
    #[error(
        "'{0}' is no rate: write it like 30/1 or 30000/1001 (frames per seconds), neither of them 0"
    )]
    Rate(String),
}

impl FromStr for Mode {
    type Err = ModeError;

    /// `FOURCC:WIDTHxHEIGHT@FRAMES/SECONDS`; `/SECONDS` may be left out (1).
    fn from_str(text: &str) -> Result<Self, ModeError> {
        let shape = || ModeError::Shape(text.into());
        let (format, rest) = text.split_once(':').ok_or_else(shape)?;
        let (size, rate) = rest.split_once('@').ok_or_else(shape)?;
        let (width, height) = size.split_once('x').ok_or_else(shape)?;
        let side = |text: &str| number(text).filter(|side| (1..=LARGEST_SIDE).contains(side));
        let wrong_size = || ModeError::Size(size.into());
        let (frames, seconds) = rate.split_once('/').unwrap_or((rate, "1"));
        let part = |text: &str| number(text).and_then(NonZeroU32::new);
        let wrong_rate = || ModeError::Rate(rate.into());
        Ok(Self {
            fourcc: format.parse()?,
            width: side(width).ok_or_else(wrong_size)?,
            height: side(height).ok_or_else(wrong_size)?,
            interval: Interval {
                numerator: part(seconds).ok_or_else(wrong_rate)?,
                denominator: part(frames).ok_or_else(wrong_rate)?,
            },
        })
    }
}

impl FromStr for FourCc {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, ModeError> {
        let fits = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
        let mut padded = [b' '; 4];
        for (place, byte) in padded.iter_mut().zip(text.bytes()) {
            *place = byte;
        }
        if fits { Ok(Self(padded)) } else { Err(ModeError::Format(text.into())) }
    }
}

/// Digits only: `str::parse` would take a sign, too.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}
