//! Formats of pictures: how many planes, how many bytes, which colours.

use nix::errno::Errno;

use super::Node;
use super::uapi::*;

/// `colorspace` and its companions, as in `v4l2_pix_format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colorimetry {
    /// `enum v4l2_colorspace`.
    pub colorspace: u32,
    /// `enum v4l2_ycbcr_encoding`; 0: what the colour space implies.
    pub ycbcr_enc: u32,
    /// `enum v4l2_quantization`; 0: what the colour space implies.
    pub quantization: u32,
    /// `enum v4l2_xfer_func`; 0: what the colour space implies.
    pub xfer_func: u32,
}

/// How one component plane lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaneLayout {
    /// Bytes from one line to the next.
    pub bytesperline: u32,
    /// Bytes of the whole plane.
    pub sizeimage: u32,
}

/// How one picture lies in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The format's code.
    pub fourcc: u32,
    /// Pixels.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// One per *memory* plane: one for all single-plane formats (NV12 too, whose components lie
    /// one behind the other with the lines of `bytesperline`), two for NM12, three for YM12.
    pub planes: Vec<PlaneLayout>,
    /// Its colours.
    pub colorimetry: Colorimetry,
}

impl Layout {
    /// The picture of this size with lines as short as they may be; `None` for a format that is
    /// not in [`FORMATS`] or a size that it can't have.
    pub fn new(fourcc: u32, width: u32, height: u32) -> Option<Self> {
        let _ = (fourcc, width, height);
        todo!()
    }

    /// Bytes of all planes together.
    pub fn sizeimage(&self) -> u64 {
        self.planes.iter().map(|plane| u64::from(plane.sizeimage)).sum()
    }

    /// Writes it into the union of a `v4l2_format`, `pix` or `pix_mp` as the node has it.
    pub fn describe(&self, node: Node, format: &mut v4l2_format) {
        let _ = (node, format);
        todo!()
    }
}

/// How the bytes of a format are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Red, green and blue.
    Rgb,
    /// Luma and chroma.
    Yuv,
    /// Luma alone.
    Grey,
}

/// One format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Its code.
    pub fourcc: u32,
    /// What `VIDIOC_ENUM_FMT` calls it: the kernel's words.
    pub description: &'static str,
    /// What it is made of.
    pub kind: Kind,
    /// Memory planes.
    pub planes: usize,
}

/// All formats.
pub const FORMATS: &[Format] = &[];

/// The format of a code.
pub fn find(fourcc: u32) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.fourcc == fourcc)
}

/// Reads a code as people write it (`YUYV`, `NV12`, `XR24`, also `GREY`).
///
/// # Errors
/// `EINVAL` for a code that is not in [`FORMATS`].
pub fn parse(text: &str) -> Result<u32, Errno> {
    let _ = text;
    todo!()
}
