//! `FUSE_LSEEK`: where data or a hole begins.

use crate::abi;
use crate::error::Malformed;
use crate::message::Body;
use crate::reply::{Delivery, reply};

/// `lseek(2)` with `SEEK_DATA` or `SEEK_HOLE`; the other kinds the kernel answers itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lseek {
    /// The open file.
    pub fh: u64,
    /// From here on, in bytes.
    pub offset: u64,
    /// `SEEK_DATA` or `SEEK_HOLE`.
    pub whence: u32,
}

impl Lseek {
    pub(crate) fn decode(mut body: Body<'_>) -> Result<Self, Malformed> {
        let raw: abi::fuse_lseek_in = body.next("fuse_lseek_in")?;
        Ok(Self { fh: raw.fh, offset: raw.offset, whence: raw.whence })
    }
}

reply! {
    /// The answer to `LSEEK`.
    LseekReply
}

impl LseekReply {
    /// Here it begins, in bytes.
    pub fn offset(self, offset: u64) -> Delivery {
        self.responder.value(&abi::fuse_lseek_out { offset })
    }
}
