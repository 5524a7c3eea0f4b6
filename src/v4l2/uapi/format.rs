//! Formats of pictures.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::VIDEO_MAX_PLANES;

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct v4l2_fmtdesc {
    pub index: u32,
    pub type_: u32,
    pub flags: u32,
    pub description: [u8; 32],
    pub pixelformat: u32,
    pub mbus_code: u32,
    pub reserved: [u32; 3],
}

impl Default for v4l2_fmtdesc {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct v4l2_pix_format {
    pub width: u32,
    pub height: u32,
    pub pixelformat: u32,
    pub field: u32,
    pub bytesperline: u32,
    pub sizeimage: u32,
    pub colorspace: u32,
    pub priv_: u32,
    pub flags: u32,
    pub ycbcr_enc: u32,
    pub quantization: u32,
    pub xfer_func: u32,
}

impl Default for v4l2_pix_format {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct v4l2_plane_pix_format {
    pub sizeimage: u32,
    pub bytesperline: u32,
    pub reserved: [u16; 6],
}

impl Default for v4l2_plane_pix_format {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct v4l2_pix_format_mplane {
    pub width: u32,
    pub height: u32,
    pub pixelformat: u32,
    pub field: u32,
    pub colorspace: u32,
    pub plane_fmt: [v4l2_plane_pix_format; VIDEO_MAX_PLANES],
    pub num_planes: u8,
    pub flags: u8,
    pub ycbcr_enc: u8,
    pub quantization: u8,
    pub xfer_func: u8,
    pub reserved: [u8; 7],
}

impl Default for v4l2_pix_format_mplane {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct v4l2_format {
    pub type_: u32,
    pub _pad: u32,
    pub fmt: [u8; 200],
}

impl Default for v4l2_format {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

impl v4l2_format {
    /// `fmt.pix`.
    pub fn pix(&self) -> v4l2_pix_format {
        v4l2_pix_format::read_from_prefix(&self.fmt)
            .map_or_else(|_| Default::default(), |got| got.0)
    }

    /// Sets `fmt.pix` and zeroes what lies behind it.
    pub fn set_pix(&mut self, pix: &v4l2_pix_format) {
        set(&mut self.fmt, pix.as_bytes());
    }

    /// `fmt.pix_mp`.
    pub fn pix_mp(&self) -> v4l2_pix_format_mplane {
        let got = v4l2_pix_format_mplane::read_from_prefix(&self.fmt);
        got.map_or_else(|_| Default::default(), |got| got.0)
    }

    /// Sets `fmt.pix_mp` and zeroes what lies behind it.
    pub fn set_pix_mp(&mut self, pix: &v4l2_pix_format_mplane) {
        set(&mut self.fmt, pix.as_bytes());
    }
}

fn set(field: &mut [u8], bytes: &[u8]) {
    field.fill(0);
    field.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
}
