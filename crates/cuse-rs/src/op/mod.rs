//! One file per opcode: what is asked, how it is read, and what can be answered.

pub(crate) mod batch_forget;
pub(crate) mod cuse_init;
pub(crate) mod destroy;
pub(crate) mod flush;
pub(crate) mod forget;
pub(crate) mod fsync;
pub(crate) mod getattr;
pub(crate) mod init;
pub(crate) mod interrupt;
pub(crate) mod ioctl;
pub(crate) mod lookup;
pub(crate) mod lseek;
pub(crate) mod notify_reply;
pub(crate) mod open;
pub(crate) mod opendir;
pub(crate) mod poll;
pub(crate) mod read;
pub(crate) mod readdir;
pub(crate) mod release;
pub(crate) mod releasedir;
pub(crate) mod setattr;
pub(crate) mod statfs;
pub(crate) mod write;
