//! What a device or file system does: one method per opcode.
//!
//! A method runs on the thread that called `serve`, and should not wait for anything that a caller can
//! hold up: it parks the reply and returns. Each reply is sent once, from any thread.

use nix::errno::Errno;

use crate::message::Header;
use crate::op::flush::Flush;
use crate::op::forget::Forget;
use crate::op::fsync::Fsync;
use crate::op::getattr::{AttrReply, Getattr};
use crate::op::ioctl::{Ioctl, IoctlReply};
use crate::op::lookup::{EntryReply, Lookup};
use crate::op::lseek::{Lseek, LseekReply};
use crate::op::notify_reply::Retrieved;
use crate::op::open::{Open, OpenFlags, OpenReply};
use crate::op::opendir::Opendir;
use crate::op::poll::{Poll, PollReply};
use crate::op::read::{Read, ReadReply};
use crate::op::readdir::{DirectoryReply, Readdir};
use crate::op::release::Release;
use crate::op::releasedir::Releasedir;
use crate::op::setattr::Setattr;
use crate::op::statfs::{Statfs, StatfsReply};
use crate::op::write::{Write, WriteReply};
use crate::reply::EmptyReply;

/// What is done with open files: all that a character device is asked for.
#[expect(
    unused_variables,
    reason = "the defaults look at nothing, and the names belong to the documentation"
)]
pub trait Handler: Sync {
    /// `open(2)`. Unless written, it succeeds with the number 0 for every file.
    fn open(&self, header: &Header, request: &Open, reply: OpenReply) {
        reply.opened(0, OpenFlags::NONE);
    }

    /// The last descriptor of an open file is gone. Unless written, nothing happens.
    fn release(&self, header: &Header, request: &Release, reply: EmptyReply) {
        reply.ok();
    }

    /// `read(2)`. Unless written: `EINVAL`, as in a device that can't be read.
    fn read(&self, header: &Header, request: &Read, reply: ReadReply) {
        reply.error(Errno::EINVAL);
    }

    /// `write(2)`. Unless written: `EINVAL`, as in a device that can't be written.
    fn write(&self, header: &Header, request: &Write<'_>, reply: WriteReply) {
        reply.error(Errno::EINVAL);
    }

    /// A descriptor is closed. Unless written: `ENOSYS`, and the kernel asks no more.
    fn flush(&self, header: &Header, request: &Flush, reply: EmptyReply) {
        reply.error(Errno::ENOSYS);
    }

    /// `fsync(2)`. Unless written: `ENOSYS`, and the kernel asks no more but says that all is well.
    fn fsync(&self, header: &Header, request: &Fsync, reply: EmptyReply) {
        reply.error(Errno::ENOSYS);
    }

    /// `ioctl(2)`. Unless written: `ENOTTY`.
    fn ioctl(&self, header: &Header, request: &Ioctl<'_>, reply: IoctlReply) {
        reply.error(Errno::ENOTTY);
    }

    /// `poll(2)`, `select(2)`, `epoll(7)`. Unless written: `ENOSYS`, and the kernel asks no more
    /// but says that reading and writing will not block.
    fn poll(&self, header: &Header, request: &Poll, reply: PollReply) {
        reply.error(Errno::ENOSYS);
    }
}

/// What is done with nodes and names: what a file system is asked for besides.
#[expect(
    unused_variables,
    reason = "the defaults look at nothing, and the names belong to the documentation"
)]
pub trait FileSystem: Handler {
    /// Which node has a name? `ENOENT` says that none has.
    fn lookup(&self, header: &Header, request: &Lookup<'_>, reply: EntryReply);

    /// What is told of the node `header.nodeid`? The root is node 1.
    fn getattr(&self, header: &Header, request: &Getattr, reply: AttrReply);

    /// The kernel lets go of a node. Unless written, nothing happens.
    fn forget(&self, header: &Header, request: &Forget) {}

    /// Something told of a node is to be changed. Unless written: `EPERM`.
    fn setattr(&self, header: &Header, request: &Setattr, reply: AttrReply) {
        reply.error(Errno::EPERM);
    }

    /// A folder is opened. Unless written, it succeeds with the number 0.
    fn opendir(&self, header: &Header, request: &Opendir, reply: OpenReply) {
        reply.opened(0, OpenFlags::NONE);
    }

    /// Entries of a folder are wanted. Unless written, there are none.
    fn readdir(&self, header: &Header, request: &Readdir, reply: DirectoryReply) {
        reply.send();
    }

    /// The last descriptor of an open folder is gone. Unless written, nothing happens.
    fn releasedir(&self, header: &Header, request: &Releasedir, reply: EmptyReply) {
        reply.ok();
    }

    /// `statfs(2)`. Unless written: an empty file system.
    fn statfs(&self, header: &Header, reply: StatfsReply) {
        reply.statfs(&Statfs::default());
    }

    /// `lseek(2)` for data or holes. Unless written: `ENOSYS`, and the kernel asks no more but
    /// takes all for data.
    fn lseek(&self, header: &Header, request: &Lseek, reply: LseekReply) {
        reply.error(Errno::ENOSYS);
    }

    /// `fallocate(2)`, of which is told only that it was called. Unless written: `ENOSYS`, and the
    /// kernel asks no more but says `EOPNOTSUPP`.
    fn fallocate(&self, header: &Header, reply: EmptyReply) {
        reply.error(Errno::ENOSYS);
    }

    /// The file system is unmounted. Unless written, nothing happens.
    fn destroy(&self, header: &Header, reply: EmptyReply) {
        reply.ok();
    }

    /// Bytes come that [`Notifier::retrieve`](crate::Notifier::retrieve) asked for. Unless written,
    /// they are dropped.
    fn retrieved(&self, header: &Header, request: &Retrieved<'_>) {}
}
