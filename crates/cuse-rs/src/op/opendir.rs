//! `FUSE_OPENDIR`: a folder is opened. The answer is [`OpenReply`](super::open::OpenReply).

use crate::abi;
use crate::error::Malformed;
use crate::message::Body;

/// The folder `header.nodeid` is to be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opendir {
    /// The flags of `open(2)`.
    pub flags: u32,
}

impl Opendir {
    pub(crate) fn decode(mut body: Body<'_>) -> Result<Self, Malformed> {
        let raw: abi::fuse_open_in = body.next("fuse_open_in")?;
        Ok(Self { flags: raw.flags })
    }
}
