//! `FUSE_FSYNC`: what was written is to be kept.

use crate::abi;
use crate::error::Malformed;
use crate::message::Body;

/// `fsync(2)` or `fdatasync(2)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fsync {
    /// The open file.
    pub fh: u64,
    /// The bytes only, without what is told of the file.
    pub data_only: bool,
}

impl Fsync {
    pub(crate) fn decode(mut body: Body<'_>) -> Result<Self, Malformed> {
        let raw: abi::fuse_fsync_in = body.next("fuse_fsync_in")?;
        Ok(Self { fh: raw.fh, data_only: raw.fsync_flags & abi::FUSE_FSYNC_FDATASYNC != 0 })
    }
}
