//! `FUSE_FLUSH`: a descriptor of an open file is closed; others may be left.

use crate::abi;
use crate::error::Malformed;
use crate::message::Body;

/// A descriptor is closed. Comes for each one, before `RELEASE`; not in a character device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flush {
    /// The open file.
    pub fh: u64,
    /// Who holds POSIX locks, as a number.
    pub lock_owner: u64,
}

impl Flush {
    pub(crate) fn decode(mut body: Body<'_>) -> Result<Self, Malformed> {
        let raw: abi::fuse_flush_in = body.next("fuse_flush_in")?;
        Ok(Self { fh: raw.fh, lock_owner: raw.lock_owner })
    }
}
