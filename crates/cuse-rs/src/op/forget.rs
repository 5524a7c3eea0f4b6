//! `FUSE_FORGET`: the kernel lets go of a node. It has no answer.

use crate::abi;
use crate::error::Malformed;
use crate::message::{Body, Header};

/// The kernel gives back what so many answers to `LOOKUP` gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forget {
    /// The node.
    pub nodeid: u64,
    /// How many answers named it.
    pub nlookup: u64,
}

impl Forget {
    pub(crate) fn decode(header: &Header, mut body: Body<'_>) -> Result<Self, Malformed> {
        let raw: abi::fuse_forget_in = body.next("fuse_forget_in")?;
        Ok(Self { nodeid: header.nodeid, nlookup: raw.nlookup })
    }
}
