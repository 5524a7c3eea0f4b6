//! `FUSE_RELEASE`: the last descriptor of an open file is gone.

use crate::abi;
use crate::error::Malformed;
use crate::message::Body;

/// An open file is done with. In a character device the last `close` waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// The open file.
    pub fh: u64,
    /// The flags of `open(2)`, as changed by `fcntl(2)`.
    pub flags: u32,
}

impl Release {
    pub(crate) fn decode(mut body: Body<'_>) -> Result<Self, Malformed> {
        let raw: abi::fuse_release_in = body.next("fuse_release_in")?;
        Ok(Self { fh: raw.fh, flags: raw.flags })
    }
}
