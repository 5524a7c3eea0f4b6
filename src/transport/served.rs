//! The door of a file that can be mapped: what comes in through it goes the node's usual way.

use std::sync::Arc;

use cuse_rs::{Header, Ioctl, IoctlReply, Poll, Read, ReadReply, Write, WriteReply};
use vb2::FileId;

use super::call::Call;
use super::doors::Door;
use super::fuse::Served;
use super::mapped::MappedFile;
use super::node::NodeShared;

/// One open file of the mount.
pub(super) struct MappedDoor {
    node: Arc<NodeShared>,
    file: FileId,
    mapped: Arc<MappedFile>,
}

impl MappedDoor {
    pub(super) fn new(node: &Arc<NodeShared>, file: FileId, mapped: &Arc<MappedFile>) -> Self {
        Self { node: Arc::clone(node), file, mapped: Arc::clone(mapped) }
    }
}

impl Served for MappedDoor {
    fn ioctl(&self, header: &Header, request: &Ioctl<'_>, reply: IoctlReply) {
        self.node.ioctl(Call::new(self.file, Door::Fuse, header, request, reply));
    }

    fn poll(&self, header: &Header, request: &Poll) -> u32 {
        self.node.poll(self.file, Door::Fuse, header.uid, request)
    }

    fn read(&self, header: &Header, request: &Read, reply: ReadReply) {
        self.node.read(self.file, Door::Fuse, header, request, reply);
    }

    fn write(&self, header: &Header, request: &Write<'_>, reply: WriteReply) {
        self.node.write(self.file, Door::Fuse, header, request, reply);
    }

    fn page_in(&self, offset: u64, len: usize) -> Vec<u8> {
        self.mapped.arena().page_in(offset, len)
    }

    fn page_out(&self, offset: u64, bytes: &[u8]) {
        self.mapped.arena().page_out(offset, bytes);
    }

    fn release(&self) {
        self.node.release(self.file, Door::Fuse);
    }
}
