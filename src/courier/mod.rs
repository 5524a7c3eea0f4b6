//! How a descriptor, or a piece of memory, crosses between the daemon and a caller.
//!
//! Everything here is something that a client can stall: its memory may lie on a page that never
//! comes, its descriptor may belong to a file system that never answers, its thread may never
//! stop. So nothing of it is done by the daemon itself. A [`Workers`] pool has threads in the
//! daemon, each paired with a *helper*: a small process of its own, the same program started
//! under the name [`HELPER_NAME`], which makes the system calls. Each call has a deadline; a
//! helper that misses it is killed and another one started.
//!
//! Three couriers bring a descriptor to a caller: [`Worker::give`] for callers that contain no code
//! of ours (ptrace); [`ticket`]/[`server`] with [`client`] for those that do (a plain `SCM_RIGHTS`
//! message, the only way where ptrace is forbidden); and [`notify`] for those that are run under its
//! supervision, which may be traced by whom they like.
//!
//! # What a caller of `VIDIOC_EXPBUF` gets when it can't be given its descriptor
//!
//! | cause | errno |
//! | --- | --- |
//! | its descriptor table is full, as from the kernel | `EMFILE` |
//! | it is traced by somebody else: debugger, strace | `EBUSY` |
//! | the user has too many calls under way | `EBUSY` |
//! | ptrace is forbidden: Yama 3, a security module, a user namespace | `EPERM` |
//! | it has a seccomp filter that can't be suspended | `EPERM` |
//! | the call came through another entry than the native one: `int 0x80`, x32 | `EOPNOTSUPP` |
//! | the processor's registers are not known to us | `EOPNOTSUPP` |
//! | its struct can't be read or written any more | `EFAULT` |
//! | it did not stop in time, or its other threads interfere, or the helper was lost | `EIO` |
//! | a system call on its behalf failed: no memory, too many files in all, a security module, another thread that closed, replaced or filled what it receives by | that call's |
//!
//! In all of these nothing is exported, and the struct is as it was before the call, also when the
//! helper is killed (by SIGKILL; nothing else ends it), at whatever moment, and the daemon with it: a
//! caller that was left alone puts itself back (`src/courier/inject/escape.rs`). What that can't do:
//!
//! - A process without a vDSO, or with too little room behind it, that is left alone within some 100 µs,
//!   or gets no processor for eight seconds, goes on in the middle of a call that is not its own, with all
//!   signals blocked.
//! - Between what is written for a call and the call there are microseconds. Left alone in them, it has
//!   a descriptor of the courier's, or a page, too many.
//! - A limit of descriptors that was raised for the moment stays so.
//!
//! # What a caller gets whose descriptor can't be swapped
//!
//! [`Worker::swap`] puts another file under the number on which a call was made (`VIDIOC_REQBUFS`,
//! `VIDIOC_CREATE_BUFS`), in the same way and with the same errnos, and with these besides:
//!
//! | cause | errno |
//! | --- | --- |
//! | its descriptor table is full and its limit can't be raised for the moment | `EMFILE` |
//! | the number is not open on the node any more: another thread's doing | `EBADF` |
//! | its epoll instances can't be told of the new file: `epoll_ctl`'s own, with more than 64 | `ENOSPC` |
//! | it may have no more memory, not even a page for the moment | `ENOMEM` |
//!
//! In all of these it has the file that it had, registered with epoll as it was; of a descriptor that
//! is registered with more than four instances, a helper that is killed in the middle takes the rest of
//! the registrations along.
//!
//! # What helpers need
//!
//! `CAP_SYS_PTRACE`, and `CAP_DAC_OVERRIDE` for `/proc` of other users; `CAP_SYS_ADMIN`, and no seccomp
//! filter on themselves, to suspend the filters of callers that have them; `CAP_SYS_RESOURCE` for a caller
//! with a single free descriptor that may not raise its own limit (else that one gets `EMFILE`), and for a
//! swap where fewer than two are free. All else they give up ([`HELPER_NEEDS`]). A daemon that has a filter
//! can't start such helpers: a service manager does, outside of it ([`Program::Socket`]).

mod calling;
pub mod client;
mod helper;
mod inject;
mod looks;
mod memory;
pub mod notify;
mod process;
mod reason;
pub mod server;
mod site;
pub mod ticket;
mod wire;
mod worker;
mod workers;

use std::os::fd::OwnedFd;

pub use helper::{HELPER_NEEDS, helper_main};
pub use reason::GiveError;
pub use worker::Worker;
pub use workers::{Limits, Program, Workers};

/// The name (`argv[0]`) under which the program starts itself as a helper.
pub const HELPER_NAME: &str = "shrbuf-helper";

/// Who made a request, as the kernel's message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The thread, in the daemon's process namespace (0: it can't be seen from there; every
    /// operation then answers `ESRCH`).
    pub tid: u32,
    /// Its user (the one that counts for file systems).
    pub uid: u32,
    /// Its group (likewise).
    pub gid: u32,
}

/// The `ioctl` call that a thread sits in. Before anything is done to the thread it is checked
/// that it still does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallSite {
    /// The thread.
    pub caller: Caller,
    /// The call's second argument.
    pub cmd: u32,
    /// The call's third argument: an address in the caller.
    pub arg: u64,
}

/// The descriptor on which a call is made. See [`Worker::file_on`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileOn {
    /// Its number in the caller.
    pub fd: i32,
    /// What `open(2)` and `fcntl(2)` made of the file: access mode, `O_NONBLOCK`, …
    pub flags: u32,
    /// Whether an `exec` closes it.
    pub cloexec: bool,
}

/// A process whose memory is used later, when its thread sits in no call of ours any more
/// (`V4L2_MEMORY_USERPTR`). It stays this process and this program: after its death, and after
/// an `exec`, every access fails with `ESRCH`. See [`Worker::process`].
#[derive(Debug)]
pub struct Process {
    /// The process (its thread group).
    pub(crate) pidfd: OwnedFd,
    /// Its `/proc/<tgid>/mem`: holds on to the address space, not to its pages, and answers 0
    /// bytes when that is gone.
    pub(crate) memory: OwnedFd,
    /// Its number.
    pub(crate) tgid: u32,
}

impl Process {
    /// Whether both are the same process. Each holds on to its process, so that no number is used
    /// anew meanwhile.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.tgid == other.tgid
    }
}
