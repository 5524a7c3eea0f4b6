//! Buffers: allocating, describing, exporting.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::v4l2_format;

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct v4l2_requestbuffers {
    pub count: u32,
    pub type_: u32,
    pub memory: u32,
    pub capabilities: u32,
    pub flags: u8,
    pub reserved: [u8; 3],
}

impl Default for v4l2_requestbuffers {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct v4l2_create_buffers {
    pub index: u32,
    pub count: u32,
    pub memory: u32,
    pub _pad: u32,
    pub format: v4l2_format,
    pub capabilities: u32,
    pub flags: u32,
    pub max_num_buffers: u32,
    pub reserved: [u32; 5],
}

impl Default for v4l2_create_buffers {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct v4l2_remove_buffers {
    pub index: u32,
    pub count: u32,
    pub type_: u32,
    pub reserved: [u32; 13],
}

impl Default for v4l2_remove_buffers {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct timeval {
    pub tv_sec: i64,
    pub tv_usec: i64,
}

impl Default for timeval {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct v4l2_timecode {
    pub type_: u32,
    pub flags: u32,
    pub frames: u8,
    pub seconds: u8,
    pub minutes: u8,
    pub hours: u8,
    pub userbits: [u8; 4],
}

impl Default for v4l2_timecode {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct v4l2_plane {
    pub bytesused: u32,
    pub length: u32,
    pub m: u64,
    pub data_offset: u32,
    pub reserved: [u32; 11],
}

impl Default for v4l2_plane {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct v4l2_buffer {
    pub index: u32,
    pub type_: u32,
    pub bytesused: u32,
    pub flags: u32,
    pub field: u32,
    pub _pad0: u32,
    pub timestamp: timeval,
    pub timecode: v4l2_timecode,
    pub sequence: u32,
    pub memory: u32,
    pub m: u64,
    pub length: u32,
    pub reserved2: u32,
    pub request_fd: i32,
    pub _pad1: u32,
}

impl Default for v4l2_buffer {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct v4l2_exportbuffer {
    pub type_: u32,
    pub index: u32,
    pub plane: u32,
    pub flags: u32,
    pub fd: i32,
    pub reserved: [u32; 11],
}

impl Default for v4l2_exportbuffer {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

impl v4l2_exportbuffer {
    /// Puts the descriptor's number into the bytes of an argument. Bytes of another length are
    /// left alone.
    pub fn set_fd(arg: &mut [u8], fd: i32) {
        if let Ok(mut export) = Self::read_from_bytes(arg) {
            export.fd = fd;
            arg.copy_from_slice(export.as_bytes());
        }
    }
}

impl v4l2_plane {
    /// `m.fd`.
    pub fn fd(&self) -> i32 {
        self.m as u32 as i32
    }

    /// Sets `m.fd` or `m.mem_offset`; the other half of the union is zeroed.
    pub fn set_m32(&mut self, value: u32) {
        self.m = value.into();
    }
}

impl v4l2_buffer {
    /// The one plane of a single-planar buffer, as the multi-planar API would have it.
    pub fn plane(&self) -> v4l2_plane {
        v4l2_plane {
            bytesused: self.bytesused,
            length: self.length,
            m: self.m,
            ..v4l2_plane::default()
        }
    }
}

impl From<u64> for timeval {
    /// From nanoseconds, cut to microseconds.
    fn from(ns: u64) -> Self {
        Self { tv_sec: (ns / 1_000_000_000) as i64, tv_usec: (ns % 1_000_000_000 / 1000) as i64 }
    }
}

impl timeval {
    /// In nanoseconds, as `v4l2_timeval_to_ns`; whatever a program may have written there.
    pub fn ns(&self) -> u64 {
        let seconds = (self.tv_sec as u64).wrapping_mul(1_000_000_000);
        seconds.wrapping_add((self.tv_usec as u64).wrapping_mul(1000))
    }
}
