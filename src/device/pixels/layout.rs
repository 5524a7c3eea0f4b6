//! Where in its planes a format keeps each channel of a picture.

use thiserror::Error;

use super::{Matrix, Model, Picture, Range};
use crate::v4l2::uapi::*;

pub use crate::v4l2::formats::{Layout, PlaneLayout};

/// Why a picture can't be laid out.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LayoutError {
    /// Not a format that pictures are made in.
    #[error("no picture can be made in the pixel format {0}: use one that VIDIOC_ENUM_FMT lists")]
    Unknown(String),
    /// The planes are too few or too small for the picture.
    #[error(
        "{width}x{height} in {fourcc} doesn't fit its planes: \
         give bytesperline and sizeimage the size the format needs"
    )]
    TooSmall {
        /// The format's four letters.
        fourcc: String,
        /// In pixels.
        width: u32,
        /// In lines.
        height: u32,
    },
    /// The picture has another size than the frame: a mistake of the source's.
    #[error("a picture of {0}x{1} can't be a frame of {2}x{3}: scale it first")]
    OtherSize(usize, usize, u32, u32),
}

/// A part of a frame whose lines lie one below the other: all of a packed format, the luma of
/// NV12, its chroma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) plane: usize,
    /// Of its first byte in the plane.
    pub(super) offset: usize,
    /// From one of its lines to the next, in bytes.
    pub(super) stride: usize,
    /// Pixels that a group of bytes describes, beside and below each other.
    pub(super) across: usize,
    pub(super) down: usize,
    /// Bytes of such a group.
    pub(super) group: usize,
    pub(super) samples: &'static [Sample],
}

/// The places of one channel's samples in a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) channel: usize,
    /// The first one's byte in a line, and from one to the next.
    pub(super) at: usize,
    pub(super) step: usize,
}

impl Section {
    /// Bytes of a line of so many pixels.
    pub(super) fn line(&self, width: usize) -> usize {
        width.div_ceil(self.across) * self.group
    }

    /// Lines of a picture of so many.
    pub(super) fn lines(&self, height: usize) -> usize {
        height.div_ceil(self.down)
    }
}

const fn sample(channel: usize, at: usize, step: usize) -> Sample {
    Sample { channel, at, step }
}

pub(super) const Y: &[Sample] = &[sample(0, 0, 1)];
pub(super) const CB: &[Sample] = &[sample(1, 0, 1)];
pub(super) const CR: &[Sample] = &[sample(2, 0, 1)];
const CBCR: &[Sample] = &[sample(1, 0, 2), sample(2, 1, 2)];
const CRCB: &[Sample] = &[sample(2, 0, 2), sample(1, 1, 2)];
const YUYV: &[Sample] = &[sample(0, 0, 2), sample(1, 1, 4), sample(2, 3, 4)];
const UYVY: &[Sample] = &[sample(0, 1, 2), sample(1, 0, 4), sample(2, 2, 4)];
const RGB: &[Sample] = &[sample(0, 0, 3), sample(1, 1, 3), sample(2, 2, 3)];
const BGR: &[Sample] = &[sample(2, 0, 3), sample(1, 1, 3), sample(0, 2, 3)];
const BGRX: &[Sample] = &[sample(2, 0, 4), sample(1, 1, 4), sample(0, 2, 4)];
const XRGB: &[Sample] = &[sample(0, 1, 4), sample(1, 2, 4), sample(2, 3, 4)];

/// The sections of a layout, in the order of its planes and bytes; all of them lie inside.
pub(super) fn sections(layout: &Layout) -> Result<Vec<Section>, LayoutError> {
    let strides: Vec<usize> =
        layout.planes.iter().map(|plane| plane.bytesperline as usize).collect();
    let stride = strides.first().copied().unwrap_or_default();
    let height = layout.height as usize;
    let luma = stride.saturating_mul(height);

    let section = |plane, offset, stride, (across, down), group, samples| Section {
        plane,
        offset,
        stride,
        across,
        down,
        group,
        samples,
    };
    let packed = |across, group, samples| section(0, 0, stride, (across, 1), group, samples);
    // In one memory plane, chroma follows luma, and its lines are as long as its share of luma's.
    let behind =
        |offset, stride, group, samples| section(0, offset, stride, (2, 2), group, samples);
    let apart = |plane: usize, group, samples| {
        let stride = strides.get(plane).copied().unwrap_or_default();
        section(plane, 0, stride, (2, 2), group, samples)
    };
    let y = packed(1, 1, Y);
    let quarter = (stride / 2).saturating_mul(height.div_ceil(2));
    let third = luma.saturating_add(quarter);
    let half = stride / 2;

    let found = match layout.fourcc {
        V4L2_PIX_FMT_YUYV => vec![packed(2, 4, YUYV)],
        V4L2_PIX_FMT_UYVY => vec![packed(2, 4, UYVY)],
        V4L2_PIX_FMT_RGB24 => vec![packed(1, 3, RGB)],
        V4L2_PIX_FMT_BGR24 => vec![packed(1, 3, BGR)],
        V4L2_PIX_FMT_XBGR32 => vec![packed(1, 4, BGRX)],
        V4L2_PIX_FMT_XRGB32 => vec![packed(1, 4, XRGB)],
        V4L2_PIX_FMT_GREY => vec![y],
        V4L2_PIX_FMT_NV12 => vec![y, behind(luma, stride, 2, CBCR)],
        V4L2_PIX_FMT_NV21 => vec![y, behind(luma, stride, 2, CRCB)],
        V4L2_PIX_FMT_NV12M => vec![y, apart(1, 2, CBCR)],
        V4L2_PIX_FMT_YUV420 => vec![y, behind(luma, half, 1, CB), behind(third, half, 1, CR)],
        V4L2_PIX_FMT_YVU420 => vec![y, behind(luma, half, 1, CR), behind(third, half, 1, CB)],
        V4L2_PIX_FMT_YUV420M => vec![y, apart(1, 1, CB), apart(2, 1, CR)],
        _ => return Err(LayoutError::Unknown(letters(layout.fourcc))),
    };
    if found.iter().all(|section| fits(section, layout)) {
        Ok(found)
    } else {
        let Layout { width, height, .. } = *layout;
        Err(LayoutError::TooSmall { fourcc: letters(layout.fourcc), width, height })
    }
}

/// Whether all bytes of a section lie in its plane, and its lines don't overlap.
fn fits(section: &Section, layout: &Layout) -> bool {
    let (width, height) = (layout.width as usize, layout.height as usize);
    let Some(plane) = layout.planes.get(section.plane) else { return false };
    let (line, lines) = (section.line(width), section.lines(height));
    let size = section.stride.checked_mul(lines).and_then(|all| all.checked_add(section.offset));
    let inside = size.is_some_and(|size| size <= plane.sizeimage as usize);
    width > 0 && height > 0 && line <= section.stride && inside
}

/// The colour model of a layout's samples: the kernel's `V4L2_MAP_YCBCR_ENC_DEFAULT` and
/// `V4L2_MAP_QUANTIZATION_DEFAULT` where it leaves them open.
pub fn model(layout: &Layout) -> Model {
    let colours = layout;
    let full = match colours.quantization {
        V4L2_QUANTIZATION_FULL_RANGE => true,
        V4L2_QUANTIZATION_LIM_RANGE => false,
        _ => is_rgb(layout.fourcc) || colours.colorspace == COLORSPACE_JPEG,
    };
    let range = if full { Range::Full } else { Range::Limited };
    if is_rgb(layout.fourcc) {
        return Model::Rgb(range);
    }
    let matrix = match (colours.ycbcr_enc, colours.colorspace) {
        (YCBCR_ENC_709 | YCBCR_ENC_XV709, _) => Matrix::Bt709,
        (YCBCR_ENC_BT2020, _) => Matrix::Bt2020,
        (YCBCR_ENC_SMPTE240M, _) => Matrix::Smpte240m,
        (0, V4L2_COLORSPACE_REC709 | V4L2_COLORSPACE_DCI_P3) => Matrix::Bt709,
        (0, COLORSPACE_BT2020) => Matrix::Bt2020,
        (0, COLORSPACE_SMPTE240M) => Matrix::Smpte240m,
        _ => Matrix::Bt601,
    };
    Model::YCbCr(matrix, range)
}

/// `enum v4l2_colorspace` and `enum v4l2_ycbcr_encoding`, the members that only a picture's maker
/// tells apart.
const COLORSPACE_SMPTE240M: u32 = 2;
const COLORSPACE_JPEG: u32 = 7;
const COLORSPACE_BT2020: u32 = 10;
const YCBCR_ENC_709: u32 = 2;
const YCBCR_ENC_XV709: u32 = 4;
const YCBCR_ENC_BT2020: u32 = 6;
const YCBCR_ENC_SMPTE240M: u32 = 8;

fn is_rgb(fourcc: u32) -> bool {
    matches!(
        fourcc,
        V4L2_PIX_FMT_RGB24 | V4L2_PIX_FMT_BGR24 | V4L2_PIX_FMT_XBGR32 | V4L2_PIX_FMT_XRGB32
    )
}

/// A fourcc as people write it.
pub fn letters(fourcc: u32) -> String {
    fourcc.to_le_bytes().map(|byte| byte.escape_ascii().to_string()).concat()
}

/// Refuses a picture that isn't as large as the layout.
pub(super) fn same_size(picture: &Picture, layout: &Layout) -> Result<(), LayoutError> {
    let (width, height) = (picture.width(), picture.height());
    if (width, height) == (layout.width as usize, layout.height as usize) {
        Ok(())
    } else {
        Err(LayoutError::OtherSize(width, height, layout.width, layout.height))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::v4l2::formats::Colorimetry;

    /// Every format that pictures are made in.
    pub(crate) const FORMATS: [u32; 13] = [
        V4L2_PIX_FMT_YUYV,
        V4L2_PIX_FMT_UYVY,
        V4L2_PIX_FMT_NV12,
        V4L2_PIX_FMT_NV21,
        V4L2_PIX_FMT_YUV420,
        V4L2_PIX_FMT_YVU420,
        V4L2_PIX_FMT_NV12M,
        V4L2_PIX_FMT_YUV420M,
        V4L2_PIX_FMT_GREY,
        V4L2_PIX_FMT_RGB24,
        V4L2_PIX_FMT_BGR24,
        V4L2_PIX_FMT_XBGR32,
        V4L2_PIX_FMT_XRGB32,
    ];

    /// A layout with `padding` bytes at the end of each line (a multiple of 4), in sRGB.
    pub(crate) fn laid_out(fourcc: u32, width: u32, height: u32, padding: u32) -> Layout {
        let plane = |bytes: u32, num: u32, den: u32| PlaneLayout {
            bytesperline: bytes,
            sizeimage: bytes * height * num / den,
        };
        let wide = width + padding;
        let planes = match fourcc {
            V4L2_PIX_FMT_YUYV | V4L2_PIX_FMT_UYVY => vec![plane(2 * width + padding, 1, 1)],
            V4L2_PIX_FMT_RGB24 | V4L2_PIX_FMT_BGR24 => vec![plane(3 * width + padding, 1, 1)],
            V4L2_PIX_FMT_XBGR32 | V4L2_PIX_FMT_XRGB32 => vec![plane(4 * width + padding, 1, 1)],
            V4L2_PIX_FMT_GREY => vec![plane(wide, 1, 1)],
            V4L2_PIX_FMT_NV12M => vec![plane(wide, 1, 1), plane(wide, 1, 2)],
            V4L2_PIX_FMT_YUV420M => {
                vec![plane(wide, 1, 1), plane(wide / 2, 1, 2), plane(wide / 2, 1, 2)]
            }
            _ => vec![plane(wide, 3, 2)],
        };
        let colorimetry = Colorimetry {
            colorspace: V4L2_COLORSPACE_SRGB,
            ycbcr_enc: 0,
            quantization: 0,
            xfer_func: 0,
        };
        Layout { fourcc, width, height, planes, colorimetry }
    }

    #[test]
    fn sections_of_a_format_fill_its_planes() {
        for fourcc in FORMATS {
            let layout = laid_out(fourcc, 32, 16, 0);
            let bytes: usize =
                sections(&layout).unwrap().iter().map(|s| s.stride * s.lines(16)).sum();
            let planes: u32 = layout.planes.iter().map(|plane| plane.sizeimage).sum();
            assert_eq!(bytes, planes as usize, "{}", letters(fourcc));
        }
    }

    #[test]
    fn too_small_planes_are_refused_with_words() {
        for fourcc in FORMATS {
            let mut layout = laid_out(fourcc, 32, 16, 0);
            layout.planes.last_mut().unwrap().sizeimage -= 1;
            let text = sections(&layout).unwrap_err().to_string();
            let name = letters(fourcc);
            assert!(text.starts_with(&format!("32x16 in {name} doesn't fit")), "{text}");
            layout.planes.clear();
            assert!(sections(&layout).is_err(), "{name}");
        }
        let other =
            Layout { fourcc: u32::from_le_bytes(*b"MJPG"), ..laid_out(FORMATS[0], 2, 2, 0) };
        assert_eq!(
            sections(&other).unwrap_err().to_string(),
            "no picture can be made in the pixel format MJPG: use one that VIDIOC_ENUM_FMT lists"
        );
    }

    #[test]
    fn open_colour_fields_mean_what_the_kernel_says() {
        use Matrix::{Bt601, Bt709, Bt2020, Smpte240m};
        use Range::{Full, Limited};
        let mut layout = laid_out(V4L2_PIX_FMT_YUYV, 2, 2, 0);
        for (colorspace, ycbcr_enc, quantization, expected) in [
            (8, 0, 0, (Bt601, Limited)),
            (1, 0, 0, (Bt601, Limited)),
            (2, 0, 0, (Smpte240m, Limited)),
            (3, 0, 0, (Bt709, Limited)),
            (3, 1, 0, (Bt601, Limited)),
            (8, 2, 1, (Bt709, Full)),
            (7, 0, 0, (Bt601, Full)),
            (7, 0, 2, (Bt601, Limited)),
            (10, 0, 0, (Bt2020, Limited)),
            (12, 0, 0, (Bt709, Limited)),
        ] {
            let given = &mut layout.colorimetry;
            (given.colorspace, given.ycbcr_enc, given.quantization) =
                (colorspace, ycbcr_enc, quantization);
            let (matrix, range) = expected;
            assert_eq!(model(&layout), Model::YCbCr(matrix, range), "{:?}", layout.colorimetry);
        }
        assert_eq!(model(&laid_out(V4L2_PIX_FMT_RGB24, 2, 2, 0)), Model::RGB);
    }
}
