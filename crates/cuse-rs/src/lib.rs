//! The CUSE and FUSE wire protocol: character devices and small file systems served from user space.

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
pub use notify::Notifier;
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
