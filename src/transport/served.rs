//! The door of a file that can be mapped: what comes in through it goes the node's usual way.

use std::sync::{Arc, Weak};

use cuse_rs::{Errno, Header, Ioctl, IoctlReply, Poll, Read, ReadReply, Write, WriteReply};
use vb2::FileId;

use super::call::Call;
use super::doors::Door;
use super::fuse::Served;
use super::lookout::Watch;
use super::mapped::MappedFile;
use super::node::NodeShared;
use crate::shrbuf::arena::ArenaKind;

/// One open file of the mount.
pub(super) struct MappedDoor {
    /// The node may end before its files do.
    node: Weak<NodeShared>,
    file: FileId,
    mapped: Arc<MappedFile>,
    watch: Watch,
}

impl MappedDoor {
    pub(super) fn new(node: &Arc<NodeShared>, file: FileId, mapped: &Arc<MappedFile>) -> Self {
        let watch = node.services.lookout.watch().clone();
        Self { node: Arc::downgrade(node), file, mapped: Arc::clone(mapped), watch }
    }

    fn node(&self) -> Option<Arc<NodeShared>> {
        self.node.upgrade().filter(|node| !node.is_stopping())
    }
}

impl Served for MappedDoor {
    fn ioctl(&self, header: &Header, request: &Ioctl<'_>, reply: IoctlReply) {
        match self.node() {
            Some(node) => node.ioctl(Call::new(self.file, Door::Fuse, header, request, reply)),
            None => drop(reply.error(Errno::ENODEV)),
        }
    }

    fn poll(&self, header: &Header, request: &Poll) -> u32 {
        let gone = (libc::POLLERR | libc::POLLHUP).cast_unsigned().into();
        self.node().map_or(gone, |node| node.poll(self.file, Door::Fuse, header.uid, request))
    }

    fn read(&self, header: &Header, request: &Read, reply: ReadReply) {
        match self.node() {
            Some(node) => node.read(self.file, header, request, reply),
            None => drop(reply.error(Errno::ENODEV)),
        }
    }

    fn write(&self, header: &Header, request: &Write<'_>, reply: WriteReply) {
        match self.node() {
            Some(node) => node.write(self.file, header, request, reply),
            None => drop(reply.error(Errno::ENODEV)),
        }
    }

    fn page_in(&self, offset: u64, len: usize) -> Vec<u8> {
        self.mapped.arena().page_in(offset, len)
    }

    fn first_page(&self) -> u64 {
        self.mapped.arena().first_offset()
    }

    fn page_out(&self, offset: u64, bytes: &[u8]) {
        self.mapped.arena().page_out(offset, bytes);
    }

    /// As of a character device without one.
    fn fsync(&self) -> Errno {
        Errno::EINVAL
    }

    /// As of a character device.
    fn fallocate(&self) -> Errno {
        Errno::ENODEV
    }

    fn release(&self) {
        match self.node.upgrade() {
            Some(node) => node.release(self.file, Door::Fuse),
            None if self.mapped.arena().kind() == ArenaKind::Copies => {
                self.mapped.arena().unmapped();
            }
            None => self.watch.file(&self.mapped),
        }
    }
}
