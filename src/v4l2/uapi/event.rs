//! Events.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct v4l2_event_ctrl {
    pub changes: u32,
    pub type_: u32,
    pub value64: i64,
    pub flags: u32,
    pub minimum: i32,
    pub maximum: i32,
    pub step: i32,
    pub default_value: i32,
    pub _pad: u32,
}

impl Default for v4l2_event_ctrl {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct v4l2_event_frame_sync {
    pub frame_sequence: u32,
}

impl Default for v4l2_event_frame_sync {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct v4l2_event_src_change {
    pub changes: u32,
}

impl Default for v4l2_event_src_change {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct timespec {
    pub tv_sec: i64,
    pub tv_nsec: i64,
}

impl Default for timespec {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct v4l2_event {
    pub type_: u32,
    pub _pad0: u32,
    pub u: [u8; 64],
    pub pending: u32,
    pub sequence: u32,
    pub timestamp: timespec,
    pub id: u32,
    pub reserved: [u32; 8],
    pub _pad1: u32,
}

impl Default for v4l2_event {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct v4l2_event_subscription {
    pub type_: u32,
    pub id: u32,
    pub flags: u32,
    pub reserved: [u32; 5],
}

impl Default for v4l2_event_subscription {
    fn default() -> Self {
        Self::new_zeroed()
    }
}

impl v4l2_event {
    /// Sets the union, zeroing what the payload leaves.
    pub fn set_u(&mut self, payload: &[u8]) {
        self.u.fill(0);
        self.u.iter_mut().zip(payload).for_each(|(to, from)| *to = *from);
    }

    /// `u.ctrl`.
    pub fn ctrl(&self) -> v4l2_event_ctrl {
        let got = v4l2_event_ctrl::read_from_prefix(&self.u);
        got.map_or_else(|_| Default::default(), |got| got.0)
    }

    /// `u.src_change`.
    pub fn src_change(&self) -> v4l2_event_src_change {
        let got = v4l2_event_src_change::read_from_prefix(&self.u);
        got.map_or_else(|_| Default::default(), |got| got.0)
    }
}

impl From<u64> for timespec {
    /// From nanoseconds.
    fn from(ns: u64) -> Self {
        Self { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as i64 }
    }
}
