//! Sizes and intervals of frames.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct v4l2_fract {
    pub numerator: u32,
    pub denominator: u32,
}

impl Default for v4l2_fract {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct v4l2_frmsize_discrete {
    pub width: u32,
    pub height: u32,
}

impl Default for v4l2_frmsize_discrete {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct v4l2_frmsizeenum {
    pub index: u32,
    pub pixel_format: u32,
    pub type_: u32,
    pub discrete: v4l2_frmsize_discrete,
    pub _stepwise: [u32; 4],
    pub reserved: [u32; 2],
}

impl Default for v4l2_frmsizeenum {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct v4l2_frmivalenum {
    pub index: u32,
    pub pixel_format: u32,
    pub width: u32,
    pub height: u32,
    pub type_: u32,
    pub discrete: v4l2_fract,
    pub _stepwise: [u32; 4],
    pub reserved: [u32; 2],
}

impl Default for v4l2_frmivalenum {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct v4l2_captureparm {
    pub capability: u32,
    pub capturemode: u32,
    pub timeperframe: v4l2_fract,
    pub extendedmode: u32,
    pub readbuffers: u32,
    pub reserved: [u32; 4],
}

impl Default for v4l2_captureparm {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct v4l2_outputparm {
    pub capability: u32,
    pub outputmode: u32,
    pub timeperframe: v4l2_fract,
    pub extendedmode: u32,
    pub writebuffers: u32,
    pub reserved: [u32; 4],
}

impl Default for v4l2_outputparm {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct v4l2_streamparm {
    pub type_: u32,
    pub parm: [u8; 200],
}

impl Default for v4l2_streamparm {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

impl v4l2_streamparm {
    /// `parm.capture`.
    pub fn capture(&self) -> v4l2_captureparm {
        let got = v4l2_captureparm::read_from_prefix(&self.parm);
        got.map_or_else(|_| Default::default(), |got| got.0)
    }

    /// Sets `parm.capture` and zeroes what lies behind it.
    pub fn set_capture(&mut self, parm: &v4l2_captureparm) {
        set(&mut self.parm, parm.as_bytes());
    }

    /// `parm.output`.
    pub fn output(&self) -> v4l2_outputparm {
        let got = v4l2_outputparm::read_from_prefix(&self.parm);
        got.map_or_else(|_| Default::default(), |got| got.0)
    }

    /// Sets `parm.output` and zeroes what lies behind it.
    pub fn set_output(&mut self, parm: &v4l2_outputparm) {
        set(&mut self.parm, parm.as_bytes());
    }
}

fn set(field: &mut [u8], bytes: &[u8]) {
    field.fill(0);
    field.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
}
