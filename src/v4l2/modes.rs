//! What a device can do: formats, sizes and intervals; and the ioctls that ask for them.

use nix::errno::Errno;

use super::formats::{self, Layout, Wish};
use super::uapi::*;
use super::{Direction, Node};

/// One size of one format and the intervals it comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mode {
    /// The format's code, of [`formats::FORMATS`].
    pub fourcc: u32,
    /// Pixels.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Seconds per frame; at least one. The first is the default.
    pub intervals: Vec<v4l2_fract>,
}

/// Whether sizes are those of the list only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    /// Only the listed ones (a camera).
    Discrete,
    /// Any from [`ModeList::MIN_SIZE`] to [`ModeList::MAX_SIZE`] (a display).
    Any,
}

/// The modes of a device. The first one is the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModeList {
    node: Node,
    sizes: Sizes,
    modes: Vec<Mode>,
    default: Layout,
}

impl ModeList {
    /// Smallest size, where any is allowed.
    pub const MIN_SIZE: (u32, u32) = (16, 16);
    /// Largest size, where any is allowed: 8K. A frame of 4 bytes a pixel is then 142 MB.
    pub const MAX_SIZE: (u32, u32) = (8192, 4320);

    /// A list of modes. Modes of one format and size are joined, the intervals of the later ones
    /// behind those of the first.
    ///
    /// # Errors
    /// `EINVAL` for an empty list, an unknown format, a size the format can't have, an interval
    /// of 0 or none, or a multi-planar format on a single-planar node.
    pub fn new(node: Node, sizes: Sizes, modes: Vec<Mode>) -> Result<Self, Errno> {
        let mut joined: Vec<Mode> = Vec::new();
        for mode in modes {
            check(node, &mode)?;
            match joined.iter_mut().find(|other| other.same_size(&mode)) {
                Some(other) => other.intervals.extend(mode.intervals),
                None => joined.push(mode),
            }
        }
        for mode in &mut joined {
            let mut seen = Vec::new();
            mode.intervals.retain(|interval| {
                let new = !seen.contains(interval);
                seen.push(*interval);
                new
            });
        }
        let default = joined.first().and_then(Mode::layout).ok_or(Errno::EINVAL)?;
        Ok(Self { node, sizes, modes: joined, default })
    }

    /// The modes.
    pub fn modes(&self) -> &[Mode] {
        &self.modes
    }

    /// The layout that a device has before anyone sets one.
    pub fn default_layout(&self) -> Layout {
        self.default.clone()
    }

    /// The interval that a device has before anyone sets one.
    pub fn default_interval(&self) -> v4l2_fract {
        self.intervals(&self.default).first().copied().unwrap_or(ONE_SECOND)
    }

    /// `VIDIOC_ENUM_FMT`. (The description is put in by the core.)
    ///
    /// # Errors
    /// `EINVAL` beyond the last format.
    pub fn enum_fmt(&self, fmt: &mut v4l2_fmtdesc) -> Result<(), Errno> {
        let index = usize::try_from(fmt.index).map_err(|_| Errno::EINVAL)?;
        fmt.pixelformat = *self.fourccs().get(index).ok_or(Errno::EINVAL)?;
        fmt.flags = 0;
        Ok(())
    }

    /// `VIDIOC_TRY_FMT`, and the first half of `S_FMT`: the nearest layout that the device has,
    /// written into `format` too. An unknown format becomes the default one; the size becomes the
    /// nearest listed one. An output keeps the colours that were asked for.
    pub fn try_fmt(&self, format: &mut v4l2_format) -> Layout {
        let wish = Wish::read(self.node, format);
        let known = self.modes.iter().any(|mode| mode.fourcc == wish.fourcc);
        let fourcc = if known { wish.fourcc } else { self.default.fourcc };
        let (width, height) = match self.sizes {
            Sizes::Discrete => self.nearest_size(fourcc, wish.width, wish.height),
            Sizes::Any => fit(fourcc, wish.width, wish.height),
        };
        let mut layout = Layout::new(fourcc, width, height).unwrap_or_else(|| self.default.clone());
        if Wish::tells_colors(self.node) {
            layout.take_colors(&wish);
        }
        layout.describe(self.node, format);
        layout
    }

    /// `VIDIOC_ENUM_FRAMESIZES`.
    ///
    /// # Errors
    /// `EINVAL` beyond the last size, and for a format that the device doesn't have.
    pub fn enum_framesizes(&self, size: &mut v4l2_frmsizeenum) -> Result<(), Errno> {
        let index = usize::try_from(size.index).map_err(|_| Errno::EINVAL)?;
        let mode = self.of(size.pixel_format).nth(index).ok_or(Errno::EINVAL)?;
        size.type_ = V4L2_FRMSIZE_TYPE_DISCRETE;
        size.discrete = v4l2_frmsize_discrete { width: mode.width, height: mode.height };
        Ok(())
    }

    /// `VIDIOC_ENUM_FRAMEINTERVALS`.
    ///
    /// # Errors
    /// `EINVAL` beyond the last interval, and for a format or size that the device doesn't have.
    pub fn enum_frameintervals(&self, interval: &mut v4l2_frmivalenum) -> Result<(), Errno> {
        let index = usize::try_from(interval.index).map_err(|_| Errno::EINVAL)?;
        let size = (interval.width, interval.height);
        let mut modes = self.of(interval.pixel_format);
        let mode = modes.find(|mode| (mode.width, mode.height) == size).ok_or(Errno::EINVAL)?;
        interval.discrete = *mode.intervals.get(index).ok_or(Errno::EINVAL)?;
        interval.type_ = V4L2_FRMIVAL_TYPE_DISCRETE;
        Ok(())
    }

    /// The interval nearest to `wanted` that the layout's mode has; an interval with a 0 in it
    /// means the mode's first. A layout that is no mode has the default mode's intervals.
    pub fn nearest_interval(&self, layout: &Layout, wanted: v4l2_fract) -> v4l2_fract {
        let intervals = self.intervals(layout);
        let first = intervals.first().copied().unwrap_or(ONE_SECOND);
        if wanted.numerator == 0 || wanted.denominator == 0 {
            return first;
        }
        intervals
            .iter()
            .copied()
            .fold(first, |best, other| if farther(best, other, wanted) { other } else { best })
    }

    /// Fills in a `VIDIOC_G_PARM` or `S_PARM` answer.
    pub fn describe_parm(&self, timeperframe: v4l2_fract, parm: &mut v4l2_streamparm) {
        let capability = V4L2_CAP_TIMEPERFRAME;
        match self.node.direction {
            Direction::Capture => parm.set_capture(&v4l2_captureparm {
                capability,
                timeperframe,
                readbuffers: 1,
                ..v4l2_captureparm::default()
            }),
            Direction::Output => parm.set_output(&v4l2_outputparm {
                capability,
                timeperframe,
                writebuffers: 1,
                ..v4l2_outputparm::default()
            }),
        }
    }

    /// The interval that a `VIDIOC_S_PARM` asks for.
    pub fn parm_interval(&self, parm: &v4l2_streamparm) -> v4l2_fract {
        match self.node.direction {
            Direction::Capture => parm.capture().timeperframe,
            Direction::Output => parm.output().timeperframe,
        }
    }

    /// Each format once, in the order of the modes.
    fn fourccs(&self) -> Vec<u32> {
        let mut list = Vec::new();
        for mode in &self.modes {
            if !list.contains(&mode.fourcc) {
                list.push(mode.fourcc);
            }
        }
        list
    }

    fn of(&self, fourcc: u32) -> impl Iterator<Item = &Mode> {
        self.modes.iter().filter(move |mode| mode.fourcc == fourcc)
    }

    fn intervals(&self, layout: &Layout) -> &[v4l2_fract] {
        let mode = self
            .of(layout.fourcc)
            .find(|mode| (mode.width, mode.height) == (layout.width, layout.height));
        mode.or(self.modes.first()).map_or(&[], |mode| &mode.intervals)
    }

    fn nearest_size(&self, fourcc: u32, width: u32, height: u32) -> (u32, u32) {
        let distance = |mode: &&Mode| {
            u64::from(mode.width.abs_diff(width)) + u64::from(mode.height.abs_diff(height))
        };
        let nearest = self.of(fourcc).min_by_key(distance);
        nearest.map_or((self.default.width, self.default.height), |mode| (mode.width, mode.height))
    }
}

impl Mode {
    fn same_size(&self, other: &Self) -> bool {
        (self.fourcc, self.width, self.height) == (other.fourcc, other.width, other.height)
    }

    fn layout(&self) -> Option<Layout> {
        Layout::new(self.fourcc, self.width, self.height)
    }
}

/// What a device does that names no interval.
const ONE_SECOND: v4l2_fract = v4l2_fract { numerator: 1, denominator: 1 };

fn check(node: Node, mode: &Mode) -> Result<(), Errno> {
    let layout = mode.layout().ok_or(Errno::EINVAL)?;
    let zero = |interval: &v4l2_fract| interval.numerator == 0 || interval.denominator == 0;
    if mode.intervals.is_empty()
        || mode.intervals.iter().any(zero)
        || (layout.planes.len() > 1 && !node.mplane)
    {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

/// The nearest size that any picture of the format may have.
fn fit(fourcc: u32, width: u32, height: u32) -> (u32, u32) {
    let (x, y) = formats::find(fourcc).map_or((1, 1), formats::Format::steps);
    let (least, most) = (ModeList::MIN_SIZE, ModeList::MAX_SIZE);
    let width = width.clamp(least.0, most.0);
    let height = height.clamp(least.1, most.1);
    (width - width % x, height - height % y)
}

/// Whether `best` is farther from `wanted` than `other`, in seconds.
fn farther(best: v4l2_fract, other: v4l2_fract, wanted: v4l2_fract) -> bool {
    // |a/b - w| > |c/d - w|, all times b·d·(the denominator of w): no rounding.
    let distance = |interval: v4l2_fract| {
        let here = u128::from(interval.numerator) * u128::from(wanted.denominator);
        here.abs_diff(u128::from(wanted.numerator) * u128::from(interval.denominator))
    };
    // Each distance is below 2^64 and each denominator below 2^32.
    distance(best) * u128::from(other.denominator) > distance(other) * u128::from(best.denominator)
}

#[cfg(test)]
mod tests;
