//! The CUSE and FUSE wire protocol: character devices and small file systems served from user space.
//!
//! A [`Session<Cuse>`](Session) is a node in `/dev`; what is done with it comes to a [`Handler`]. A
//! [`Session<Fuse>`](Session) is a mount; it asks a [`FileSystem`] besides. `serve` may be called
//! by several threads at once, and comes back when the kernel or a [`Stopper`] ends the session.
//! This device keeps bytes:
//!
//! ```no_run
#![doc = include_str!("../examples/memo.rs")]
//! ```
//!
//! # Answers
//!
//! Each request comes with a reply of its own type, which is consumed by sending it: now, or later and from
//! any thread. A reader thread should not wait for anything that a caller could hold up; it parks
//! the reply and goes on. A reply that is dropped answers `EIO` and logs. Parked replies of a
//! session that ends are best answered first: dropping the last part of a session closes it.
//!
//! A signal to a caller who waits for a parked reply comes by [`Interrupts`]: what is called there
//! completes the reply, mostly with `EINTR`. Without, the caller waits on, whatever signal comes; a
//! caller that is killed meanwhile waits too. So every reply that may wait long should listen.
//!
//! # Ioctls
//!
//! Restricted (the default), the kernel copies the argument in and out as the command's own bits
//! say, and one round trip does it. Memory that the argument points to is out of reach then; see
//! `process_vm_readv(2)`. An [unrestricted](CuseConfig::unrestricted_ioctl) device is given the
//! address only, and asks by [`retry`](IoctlReply::retry) for the pieces it wants to have copied.
//!
//! # What to know of character devices
//!
//! - There is no `mmap`: the kernel answers `ENODEV`.
//! - [`Read::offset`] is 0 for each `read(2)`, and grows where the kernel splits one longer than 128 KiB.
//! - [`Header::pid`] is a *thread*'s id.
//! - The last `close(2)` waits for the answer to `RELEASE`.
//! - A process must not hold its own node open: killed, it would wait for itself for ever.
//! - A node is made with owner root and mode 0600; the rest is udev's, or `chmod`'s.
//!
//! The kernel's side is described in
//! [Documentation/filesystems/fuse](https://docs.kernel.org/filesystems/fuse/index.html).
//!
//! Without a kernel, handlers are tested over a [`channel::script::Script`].

mod attr;
mod backing;
mod connection;
mod error;
mod flags;
mod handler;
mod kind;
mod message;
mod notify;
mod op;
mod reply;
mod session;

pub mod abi;
pub mod channel;

pub use attr::Attr;
pub use backing::BackingId;
pub use channel::{Channel, Device};
pub use error::{Error, Malformed};
pub use handler::{FileSystem, Handler};
pub use kind::{Cuse, Fuse, Kind};
pub use message::Header;
pub use nix::errno::Errno;
pub use notify::{Notifier, Waker};
pub use op::cuse_init::CuseConfig;
pub use op::flush::Flush;
pub use op::forget::Forget;
pub use op::fsync::Fsync;
pub use op::getattr::{AttrReply, Getattr};
pub use op::init::{FuseConfig, InitFlags};
pub use op::ioctl::{Ioctl, IoctlFlags, IoctlReply, Piece};
pub use op::lookup::{Entry, EntryReply, Lookup};
pub use op::lseek::{Lseek, LseekReply};
pub use op::notify_reply::Retrieved;
pub use op::open::{Open, OpenFlags, OpenReply};
pub use op::opendir::Opendir;
pub use op::poll::{Poll, PollReply};
pub use op::read::{Read, ReadReply};
pub use op::readdir::{DirectoryReply, Readdir};
pub use op::release::Release;
pub use op::releasedir::Releasedir;
pub use op::setattr::{Setattr, Time};
pub use op::statfs::{Statfs, StatfsReply};
pub use op::write::{Write, WriteReply};
pub use reply::{Delivery, EmptyReply, Interrupts};
pub use session::{Session, Stopper};
