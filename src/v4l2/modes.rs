//! What a device can do: formats, sizes and intervals; and the ioctls that ask for them.

use nix::errno::Errno;

use super::Node;
use super::formats::Layout;
use super::uapi::*;

/// One size of one format and the intervals it comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mode {
    /// The format's code, of [`formats::FORMATS`](super::formats::FORMATS).
    pub fourcc: u32,
    /// Pixels.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Seconds per frame, shortest first; at least one.
    pub intervals: Vec<v4l2_fract>,
}

/// Whether sizes are those of the list only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    /// Only the listed ones (a camera).
    Discrete,
    /// Any from [`MIN`](ModeList::MIN_SIZE) to [`MAX`](ModeList::MAX_SIZE) (a display).
    Any,
}

/// The modes of a device. The first one is the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModeList {
    node: Node,
    sizes: Sizes,
    modes: Vec<Mode>,
}

impl ModeList {
    /// Smallest size, where any is allowed.
    pub const MIN_SIZE: (u32, u32) = (16, 16);
    /// Largest size, where any is allowed: 8K.
    pub const MAX_SIZE: (u32, u32) = (8192, 4320);

    /// A list of modes. Modes of one format and size are joined.
    ///
    /// # Errors
    /// `EINVAL` for an empty list, an unknown format, a size the format can't have, an interval
    /// of 0 or none, or a multi-planar format on a single-planar node.
    pub fn new(node: Node, sizes: Sizes, modes: Vec<Mode>) -> Result<Self, Errno> {
        Ok(Self { node, sizes, modes })
    }

    /// The modes.
    pub fn modes(&self) -> &[Mode] {
        &self.modes
    }

    /// The layout that a device has before anyone sets one.
    pub fn default_layout(&self) -> Layout {
        todo!()
    }

    /// `VIDIOC_ENUM_FMT`.
    ///
    /// # Errors
    /// `EINVAL` beyond the last format.
    pub fn enum_fmt(&self, fmt: &mut v4l2_fmtdesc) -> Result<(), Errno> {
        let _ = fmt;
        todo!()
    }

    /// `VIDIOC_TRY_FMT`, and the first half of `S_FMT`: the nearest layout that the device has,
    /// written into `format` too. An unknown format becomes the default one; the size becomes the
    /// nearest listed one. An output keeps the colours that were asked for.
    pub fn try_fmt(&self, format: &mut v4l2_format) -> Layout {
        let _ = format;
        todo!()
    }

    /// `VIDIOC_ENUM_FRAMESIZES`.
    ///
    /// # Errors
    /// `EINVAL` beyond the last size, and for a format that the device doesn't have.
    pub fn enum_framesizes(&self, size: &mut v4l2_frmsizeenum) -> Result<(), Errno> {
        let _ = size;
        todo!()
    }

    /// `VIDIOC_ENUM_FRAMEINTERVALS`.
    ///
    /// # Errors
    /// `EINVAL` beyond the last interval, and for a format or size that the device doesn't have.
    pub fn enum_frameintervals(&self, interval: &mut v4l2_frmivalenum) -> Result<(), Errno> {
        let _ = interval;
        todo!()
    }

    /// The interval nearest to `wanted` that the layout's mode has; an interval with a 0 in it
    /// means the mode's first.
    pub fn nearest_interval(&self, layout: &Layout, wanted: v4l2_fract) -> v4l2_fract {
        let _ = (layout, wanted);
        todo!()
    }

    /// Fills in a `VIDIOC_G_PARM` or `S_PARM` answer.
    pub fn describe_parm(&self, interval: v4l2_fract, parm: &mut v4l2_streamparm) {
        let _ = (interval, parm);
        todo!()
    }

    /// The interval that a `VIDIOC_S_PARM` asks for.
    pub fn parm_interval(&self, parm: &v4l2_streamparm) -> v4l2_fract {
        let _ = parm;
        todo!()
    }
}
