//! `FUSE_GETATTR`: what is told of a node.

use std::time::Duration;

use crate::abi;
use crate::attr::{Attr, valid};
use crate::error::Malformed;
use crate::message::Body;
use crate::reply::{Delivery, reply};

/// What is told of the node `header.nodeid`?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Getattr {
    /// The open file, where one is asked about (`fstat`).
    pub fh: Option<u64>,
}

impl Getattr {
    pub(crate) fn decode(mut body: Body<'_>) -> Result<Self, Malformed> {
        let raw: abi::fuse_getattr_in = body.next("fuse_getattr_in")?;
        Ok(Self { fh: (raw.getattr_flags & abi::FUSE_GETATTR_FH != 0).then_some(raw.fh) })
    }
}

reply! {
    /// The answer to `GETATTR` and `SETATTR`.
    AttrReply
}

impl AttrReply {
    /// This is told, and may be cached for as long as `valid`.
    pub fn attr(self, attr: &Attr, attr_valid: Duration) -> Delivery {
        let (attr_valid, attr_valid_nsec) = valid(attr_valid);
        let attr = attr.to_wire();
        self.responder.value(&abi::fuse_attr_out { attr_valid, attr_valid_nsec, dummy: 0, attr })
    }
}
