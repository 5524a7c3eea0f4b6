//! `FUSE_BATCH_FORGET`: the kernel lets go of many nodes. It has no answer.

use super::forget::Forget;
use crate::abi;
use crate::error::Malformed;
use crate::message::Body;

/// Many at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchForget<'a> {
    nodes: Body<'a>,
    count: u32,
}

impl<'a> BatchForget<'a> {
    pub(crate) fn decode(mut body: Body<'a>) -> Result<Self, Malformed> {
        let raw: abi::fuse_batch_forget_in = body.next("fuse_batch_forget_in")?;
        let needed = (raw.count as usize).saturating_mul(size_of::<abi::fuse_forget_one>());
        if body.0.len() < needed {
            return Err(Malformed::Short { what: "fuse_forget_one", needed, found: body.0.len() });
        }
        Ok(Self { nodes: body, count: raw.count })
    }

    pub(crate) fn each(mut self) -> impl Iterator<Item = Forget> + use<'a> {
        (0..self.count).map_while(move |_| {
            let one: abi::fuse_forget_one = self.nodes.next("fuse_forget_one").ok()?;
            Some(Forget { nodeid: one.nodeid, nlookup: one.nlookup })
        })
    }
}
