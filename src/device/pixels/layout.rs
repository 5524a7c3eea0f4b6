//! Where in its planes a format keeps each channel of a picture.

use thiserror::Error;

use super::{Matrix, Model, Range};

/// The fourccs of `<linux/videodev2.h>` that pictures are made in.
pub mod fourcc {
    /// `V4L2_PIX_FMT_YUYV`.
    pub const YUYV: u32 = u32::from_le_bytes(*b"YUYV");
    /// `V4L2_PIX_FMT_UYVY`.
    pub const UYVY: u32 = u32::from_le_bytes(*b"UYVY");
    /// `V4L2_PIX_FMT_NV12`.
    pub const NV12: u32 = u32::from_le_bytes(*b"NV12");
    /// `V4L2_PIX_FMT_NV21`.
    pub const NV21: u32 = u32::from_le_bytes(*b"NV21");
    /// `V4L2_PIX_FMT_YUV420`.
    pub const YUV420: u32 = u32::from_le_bytes(*b"YU12");
    /// `V4L2_PIX_FMT_YVU420`.
    pub const YVU420: u32 = u32::from_le_bytes(*b"YV12");
    /// `V4L2_PIX_FMT_NV12M`: two planes.
    pub const NV12M: u32 = u32::from_le_bytes(*b"NM12");
    /// `V4L2_PIX_FMT_YUV420M`: three planes.
    pub const YUV420M: u32 = u32::from_le_bytes(*b"YM12");
    /// `V4L2_PIX_FMT_GREY`.
    pub const GREY: u32 = u32::from_le_bytes(*b"GREY");
    /// `V4L2_PIX_FMT_RGB24`: bytes R G B.
    pub const RGB24: u32 = u32::from_le_bytes(*b"RGB3");
    /// `V4L2_PIX_FMT_BGR24`: bytes B G R.
    pub const BGR24: u32 = u32::from_le_bytes(*b"BGR3");
    /// `V4L2_PIX_FMT_XBGR32`: bytes B G R X.
    pub const XBGR32: u32 = u32::from_le_bytes(*b"XR24");
    /// `V4L2_PIX_FMT_XRGB32`: bytes X R G B.
    pub const XRGB32: u32 = u32::from_le_bytes(*b"BX24");
    /// `V4L2_PIX_FMT_RGBX32`: bytes R G B X.
    pub const RGBX32: u32 = u32::from_le_bytes(*b"XB24");
    /// `V4L2_PIX_FMT_BGRX32`: bytes X B G R.
    pub const BGRX32: u32 = u32::from_le_bytes(*b"RX24");
}

/// Every format that pictures are made in.
pub const FORMATS: [u32; 15] = [
    fourcc::YUYV,
    fourcc::UYVY,
    fourcc::NV12,
    fourcc::NV21,
    fourcc::YUV420,
    fourcc::YVU420,
    fourcc::NV12M,
    fourcc::YUV420M,
    fourcc::GREY,
    fourcc::RGB24,
    fourcc::BGR24,
    fourcc::XBGR32,
    fourcc::XRGB32,
    fourcc::RGBX32,
    fourcc::BGRX32,
];

/// How a picture lies in a buffer: `v4l2_pix_format` without what only the wire needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// `pixelformat`.
    pub fourcc: u32,
    /// In pixels.
    pub width: u32,
    /// In lines.
    pub height: u32,
    /// As many as the format has `num_planes`.
    pub planes: Vec<PlaneLayout>,
    /// `enum v4l2_colorspace`.
    pub colorspace: u32,
    /// `enum v4l2_ycbcr_encoding`; 0: as the colorspace has it.
    pub ycbcr_enc: u32,
    /// `enum v4l2_quantization`; 0: as the colorspace has it.
    pub quantization: u32,
}

/// One plane of a [`Layout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaneLayout {
    /// From one line to the next, in bytes.
    pub bytesperline: u32,
    /// All of the plane, in bytes.
    pub sizeimage: u32,
}

/// Why a picture can't be laid out.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LayoutError {
    /// Not one of [`FORMATS`].
    #[error("no picture can be made in the pixel format {0}: use one that VIDIOC_ENUM_FMT lists")]
    Unknown(String),
    /// The planes are too few or too small for the picture.
    #[error(
        "{width}x{height} in {fourcc} doesn't fit its planes: give bytesperline and sizeimage the size the format needs"
    )]
    TooSmall {
        /// The format's four letters.
        fourcc: String,
        /// In pixels.
        width: u32,
        /// In lines.
        height: u32,
    },
}

impl Layout {
    /// The tightest layout of a format, sRGB (so Rec. 601, limited range, for Y'CbCr).
    ///
    /// # Errors
    /// [`LayoutError::Unknown`]; [`LayoutError::TooSmall`] for a size beyond 32 bits of bytes.
    pub fn tight(fourcc: u32, width: u32, height: u32) -> Result<Self, LayoutError> {
        todo!()
    }

    /// The colour model of the samples: the kernel's `V4L2_MAP_*_DEFAULT` rules.
    pub fn model(&self) -> Model {
        todo!()
    }
}
