//! `FUSE_RELEASEDIR`: an open folder is done with.

use crate::abi;
use crate::error::Malformed;
use crate::message::Body;

/// The last descriptor of an open folder is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Releasedir {
    /// The open folder.
    pub fh: u64,
}

impl Releasedir {
    pub(crate) fn decode(mut body: Body<'_>) -> Result<Self, Malformed> {
        let raw: abi::fuse_release_in = body.next("fuse_release_in")?;
        Ok(Self { fh: raw.fh })
    }
}
