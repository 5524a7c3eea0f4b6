//! Formats of pictures: how many planes, how many bytes, which colours.

use nix::errno::Errno;

use super::uapi::*;
use super::{Direction, Node};

/// How one memory plane is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlaneLayout {
    /// Bytes from one line to the next.
    pub bytesperline: u32,
    /// Bytes of the whole plane.
    pub sizeimage: u32,
}

/// How one picture lies in memory: `v4l2_pix_format` without what only the wire needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The format's code.
    pub fourcc: u32,
    /// Pixels.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// One per *memory* plane: one for all single-plane formats (NV12 too, whose components lie
    /// one behind the other with lines of `bytesperline`), two for NM12, three for YM12.
    pub planes: Vec<PlaneLayout>,
    /// `enum v4l2_colorspace`.
    pub colorspace: u32,
    /// `enum v4l2_ycbcr_encoding`; 0: as the colorspace has it.
    pub ycbcr_enc: u32,
    /// `enum v4l2_quantization`; 0: as the colorspace has it.
    pub quantization: u32,
    /// `enum v4l2_xfer_func`; 0: as the colorspace has it.
    pub xfer_func: u32,
}

impl Layout {
    /// The picture of this size with lines as short as they may be, in sRGB (which means Rec. 601
    /// in limited range for Y'CbCr, as webcams have it). `None` for a format that is not in
    /// [`FORMATS`] or a size that it can't have: 0, odd where pixels share chroma, or more than
    /// 32 bits of bytes.
    pub fn new(fourcc: u32, width: u32, height: u32) -> Option<Self> {
        let format = find(fourcc)?;
        let (x, y) = format.steps();
        if width == 0 || height == 0 || !width.is_multiple_of(x) || !height.is_multiple_of(y) {
            return None;
        }
        let planes = format.components.iter().map(|component| component.plane(width, height));
        let planes = planes.collect::<Option<Vec<_>>>()?;
        Some(Self {
            fourcc,
            width,
            height,
            planes: if format.contiguous { join(&planes)? } else { planes },
            colorspace: V4L2_COLORSPACE_SRGB,
            ycbcr_enc: V4L2_YCBCR_ENC_DEFAULT,
            quantization: V4L2_QUANTIZATION_DEFAULT,
            xfer_func: V4L2_XFER_FUNC_DEFAULT,
        })
    }

    /// Bytes of all planes together.
    pub fn sizeimage(&self) -> u64 {
        self.planes.iter().map(|plane| u64::from(plane.sizeimage)).sum()
    }

    /// Writes it into the union of a `v4l2_format`, `pix` or `pix_mp` as the node has it; all else
    /// in the union is zeroed.
    pub fn describe(&self, node: Node, format: &mut v4l2_format) {
        if node.mplane {
            format.set_pix_mp(&self.pix_mp());
        } else {
            format.set_pix(&self.pix());
        }
    }

    fn pix(&self) -> v4l2_pix_format {
        let plane = self.planes.first();
        v4l2_pix_format {
            width: self.width,
            height: self.height,
            pixelformat: self.fourcc,
            field: V4L2_FIELD_NONE,
            bytesperline: plane.map_or(0, |plane| plane.bytesperline),
            sizeimage: plane.map_or(0, |plane| plane.sizeimage),
            colorspace: self.colorspace,
            priv_: V4L2_PIX_FMT_PRIV_MAGIC,
            flags: 0,
            ycbcr_enc: self.ycbcr_enc,
            quantization: self.quantization,
            xfer_func: self.xfer_func,
        }
    }

    fn pix_mp(&self) -> v4l2_pix_format_mplane {
        let mut pix = v4l2_pix_format_mplane {
            width: self.width,
            height: self.height,
            pixelformat: self.fourcc,
            field: V4L2_FIELD_NONE,
            colorspace: self.colorspace,
            num_planes: self.planes.len() as u8,
            ycbcr_enc: self.ycbcr_enc as u8,
            quantization: self.quantization as u8,
            xfer_func: self.xfer_func as u8,
            ..v4l2_pix_format_mplane::default()
        };
        for (to, from) in pix.plane_fmt.iter_mut().zip(&self.planes) {
            (to.sizeimage, to.bytesperline) = (from.sizeimage, from.bytesperline);
        }
        pix
    }

    /// Takes over the colours that a `v4l2_format` asks for, where there is such a thing: a display
    /// is told what it is shown. A colour space that is none leaves all four as they are.
    pub(super) fn take_colors(&mut self, wish: &Wish) {
        if !(V4L2_COLORSPACE_SMPTE170M..=V4L2_COLORSPACE_DCI_P3).contains(&wish.colorspace) {
            return;
        }
        let known = |value: u32, last: u32| if value <= last { value } else { 0 };
        self.colorspace = wish.colorspace;
        self.ycbcr_enc = known(wish.ycbcr_enc, V4L2_YCBCR_ENC_SMPTE240M);
        self.quantization = known(wish.quantization, V4L2_QUANTIZATION_LIM_RANGE);
        self.xfer_func = known(wish.xfer_func, V4L2_XFER_FUNC_SMPTE2084);
    }
}

/// What a `v4l2_format` asks for, whichever half of the union says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) fourcc: u32,
    pub(super) width: u32,
    pub(super) height: u32,
    colorspace: u32,
    ycbcr_enc: u32,
    quantization: u32,
    xfer_func: u32,
}

impl Wish {
    pub(super) fn read(node: Node, format: &v4l2_format) -> Self {
        let (pix, mp) = (format.pix(), format.pix_mp());
        // Width, height and code lie at the same place in both.
        let (fourcc, width, height) = (pix.pixelformat, pix.width, pix.height);
        if node.mplane {
            Self {
                fourcc,
                width,
                height,
                colorspace: mp.colorspace,
                ycbcr_enc: mp.ycbcr_enc.into(),
                quantization: mp.quantization.into(),
                xfer_func: mp.xfer_func.into(),
            }
        } else {
            let v4l2_pix_format { colorspace, ycbcr_enc, quantization, xfer_func, .. } = pix;
            Self { fourcc, width, height, colorspace, ycbcr_enc, quantization, xfer_func }
        }
    }

    /// Whether the node is told the colours, not asked for them.
    pub(super) fn tells_colors(node: Node) -> bool {
        node.direction == Direction::Output
    }
}

/// One kind of samples: of the whole picture, or one behind the other in their own place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Component {
    /// Bytes of `x` pixels beside each other.
    bytes: u32,
    /// Pixels beside each other that share samples.
    x: u32,
    /// Lines that share samples.
    y: u32,
}

impl Component {
    fn plane(self, width: u32, height: u32) -> Option<PlaneLayout> {
        let bytesperline = (width / self.x).checked_mul(self.bytes)?;
        let sizeimage = bytesperline.checked_mul(height / self.y)?;
        Some(PlaneLayout { bytesperline, sizeimage })
    }
}

/// Components in one memory plane: the first one's lines, and all bytes.
fn join(planes: &[PlaneLayout]) -> Option<Vec<PlaneLayout>> {
    let bytesperline = planes.first()?.bytesperline;
    let sizeimage = planes.iter().try_fold(0u32, |sum, plane| sum.checked_add(plane.sizeimage))?;
    Some(vec![PlaneLayout { bytesperline, sizeimage }])
}

/// One format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Its code.
    pub fourcc: u32,
    /// What `VIDIOC_ENUM_FMT` calls it: the kernel's words.
    pub description: &'static str,
    components: &'static [Component],
    /// Whether all components lie in one memory plane.
    contiguous: bool,
}

impl Format {
    /// Memory planes. More than one: only for the multi-planar API.
    pub fn num_planes(&self) -> usize {
        if self.contiguous { 1 } else { self.components.len() }
    }

    /// What width and height must be multiples of.
    pub fn steps(&self) -> (u32, u32) {
        let x = self.components.iter().map(|component| component.x).max();
        let y = self.components.iter().map(|component| component.y).max();
        (x.unwrap_or(1), y.unwrap_or(1))
    }

    const fn new(fourcc: u32, description: &'static str, components: &'static [Component]) -> Self {
        Self { fourcc, description, components, contiguous: true }
    }

    const fn apart(mut self) -> Self {
        self.contiguous = false;
        self
    }
}

const fn component(bytes: u32, x: u32, y: u32) -> Component {
    Component { bytes, x, y }
}

const BYTES_1: &[Component] = &[component(1, 1, 1)];
const BYTES_3: &[Component] = &[component(3, 1, 1)];
const BYTES_4: &[Component] = &[component(4, 1, 1)];
/// 4:2:2, packed.
const PACKED: &[Component] = &[component(4, 2, 1)];
/// 4:2:0 with both chroma samples beside each other.
const SEMI_PLANAR: &[Component] = &[component(1, 1, 1), component(2, 2, 2)];
/// 4:2:0 with each chroma by itself.
const PLANAR: &[Component] = &[component(1, 1, 1), component(1, 2, 2), component(1, 2, 2)];

/// All formats, in the order that a device lists them where its modes don't say otherwise.
pub const FORMATS: &[Format] = &[
    Format::new(V4L2_PIX_FMT_YUYV, "YUYV 4:2:2", PACKED),
    Format::new(V4L2_PIX_FMT_UYVY, "UYVY 4:2:2", PACKED),
    Format::new(V4L2_PIX_FMT_NV12, "Y/UV 4:2:0", SEMI_PLANAR),
    Format::new(V4L2_PIX_FMT_NV21, "Y/VU 4:2:0", SEMI_PLANAR),
    Format::new(V4L2_PIX_FMT_YUV420, "Planar YUV 4:2:0", PLANAR),
    Format::new(V4L2_PIX_FMT_YVU420, "Planar YVU 4:2:0", PLANAR),
    Format::new(V4L2_PIX_FMT_NV12M, "Y/UV 4:2:0 (N-C)", SEMI_PLANAR).apart(),
    Format::new(V4L2_PIX_FMT_YUV420M, "Planar YUV 4:2:0 (N-C)", PLANAR).apart(),
    Format::new(V4L2_PIX_FMT_GREY, "8-bit Greyscale", BYTES_1),
    Format::new(V4L2_PIX_FMT_RGB24, "24-bit RGB 8-8-8", BYTES_3),
    Format::new(V4L2_PIX_FMT_BGR24, "24-bit BGR 8-8-8", BYTES_3),
    Format::new(V4L2_PIX_FMT_XBGR32, "32-bit BGRX 8-8-8-8", BYTES_4),
    Format::new(V4L2_PIX_FMT_XRGB32, "32-bit XRGB 8-8-8-8", BYTES_4),
    Format::new(V4L2_PIX_FMT_RGBX32, "32-bit RGBX 8-8-8-8", BYTES_4),
    Format::new(V4L2_PIX_FMT_BGRX32, "32-bit XBGR 8-8-8-8", BYTES_4),
];

/// The format of a code.
pub fn find(fourcc: u32) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.fourcc == fourcc)
}

/// Reads a code as people write it (`YUYV`, `NV12`, `XR24`, `GREY`).
///
/// # Errors
/// `EINVAL` for a code that is not in [`FORMATS`].
pub fn parse(text: &str) -> Result<u32, Errno> {
    let code = <[u8; 4]>::try_from(text.as_bytes()).map_err(|_| Errno::EINVAL)?;
    find(fourcc(&code)).map(|format| format.fourcc).ok_or(Errno::EINVAL)
}

/// A code as people write it; what is no printable letter becomes `?`.
pub fn fourcc_name(fourcc: u32) -> String {
    let letter = |byte: u8| if byte.is_ascii_graphic() { char::from(byte) } else { '?' };
    fourcc.to_le_bytes().map(letter).iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of each plane and line, as vivid and the documentation of each format have them.
    #[test]
    fn sizes_are_those_of_the_documentation() {
        let expected: [(&str, &[(u32, u32)]); 15] = [
            ("YUYV", &[(1280, 1280 * 480)]),
            ("UYVY", &[(1280, 1280 * 480)]),
            ("NV12", &[(640, 640 * 720)]),
            ("NV21", &[(640, 640 * 720)]),
            ("YU12", &[(640, 640 * 720)]),
            ("YV12", &[(640, 640 * 720)]),
            ("NM12", &[(640, 640 * 480), (640, 640 * 240)]),
            ("YM12", &[(640, 640 * 480), (320, 320 * 240), (320, 320 * 240)]),
            ("GREY", &[(640, 640 * 480)]),
            ("RGB3", &[(1920, 1920 * 480)]),
            ("BGR3", &[(1920, 1920 * 480)]),
            ("XR24", &[(2560, 2560 * 480)]),
            ("BX24", &[(2560, 2560 * 480)]),
            ("XB24", &[(2560, 2560 * 480)]),
            ("RX24", &[(2560, 2560 * 480)]),
        ];
        assert_eq!(expected.len(), FORMATS.len());
        for (name, planes) in expected {
            let fourcc = parse(name).unwrap();
            assert_eq!(fourcc_name(fourcc), name);
            let layout = Layout::new(fourcc, 640, 480).unwrap();
            let got: Vec<_> =
                layout.planes.iter().map(|plane| (plane.bytesperline, plane.sizeimage)).collect();
            assert_eq!(got, planes, "{name}");
            assert_eq!(find(fourcc).unwrap().num_planes(), planes.len(), "{name}");
        }
    }

    #[test]
    fn sizes_that_a_format_cannot_have_are_refused() {
        let yuyv = V4L2_PIX_FMT_YUYV;
        assert_eq!(Layout::new(yuyv, 0, 480), None);
        assert_eq!(Layout::new(yuyv, 640, 0), None);
        assert_eq!(Layout::new(yuyv, 641, 480), None);
        assert!(Layout::new(yuyv, 640, 481).is_some());
        assert_eq!(Layout::new(V4L2_PIX_FMT_NV12, 640, 481), None);
        assert!(Layout::new(V4L2_PIX_FMT_GREY, 641, 481).is_some());
        assert_eq!(Layout::new(V4L2_PIX_FMT_RGB24, u32::MAX, 1), None);
        assert_eq!(Layout::new(V4L2_PIX_FMT_YUV420, 65534, 65534), None);
        assert_eq!(Layout::new(0, 640, 480), None);
        assert_eq!(parse("NV1"), Err(Errno::EINVAL));
        assert_eq!(parse("MJPG"), Err(Errno::EINVAL));
    }

    #[test]
    fn a_layout_fills_the_half_of_the_union_that_the_node_has() {
        let layout = Layout::new(V4L2_PIX_FMT_NV12M, 320, 240).unwrap();
        let mut format = v4l2_format { fmt: [0xff; 200], ..v4l2_format::default() };
        let mplane = Node { direction: Direction::Capture, mplane: true };
        layout.describe(mplane, &mut format);
        let pix = format.pix_mp();
        assert_eq!((pix.num_planes, pix.field), (2, V4L2_FIELD_NONE));
        assert_eq!(pix.plane_fmt[1].sizeimage, 320 * 120);
        assert_eq!(pix.plane_fmt[2], v4l2_plane_pix_format::default());
        assert!(format.fmt[size_of::<v4l2_pix_format_mplane>()..].iter().all(|byte| *byte == 0));
        let layout = Layout::new(V4L2_PIX_FMT_NV12, 320, 240).unwrap();
        layout.describe(Node { mplane: false, ..mplane }, &mut format);
        let pix = format.pix();
        assert_eq!((pix.bytesperline, pix.sizeimage), (320, 320 * 360));
        assert_eq!((pix.priv_, pix.colorspace), (V4L2_PIX_FMT_PRIV_MAGIC, V4L2_COLORSPACE_SRGB));
        assert!(format.fmt[size_of::<v4l2_pix_format>()..].iter().all(|byte| *byte == 0));
    }
}
