//! The helper's life: one operation after the other, until the daemon's end of the socket
//! closes.
//!
//! It holds its socket, the transfer file and nothing else: no descriptor of a node and none of
//! `/dev/cuse`, so that neither its own death nor a stall has a part in the daemon's. It is in a
//! session of its own and minds no signal but `SIGKILL`: what it has begun with a caller it
//! finishes. Of root's capabilities it keeps [`HELPER_NEEDS`], and can get none back.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use zerocopy::{FromZeros, IntoBytes};

use super::calling;
use super::memory::{self, Way};
use super::wire::{Operation, Reply, Request};
use super::{FileOn, HELPER_NAME};
use super::{inject, looks};
use crate::sys::capability::{self, Capability, Set};
use crate::sys::process::adopt;
use crate::sys::{pidfd, ptrace, scm_rights};

/// What a helper needs of root's powers: callers' memory, registers and descriptors; what `/proc`
/// shows of processes of other users, and their `mem` there to write to; to suspend a caller's system call filters (and, in user-mode
/// Linux, to read its kernel stack); to lend a caller a number beyond its hard limit.
pub const HELPER_NEEDS: &[Capability] = &[
    Capability::SysPtrace,
    Capability::DacOverride,
    Capability::SysAdmin,
    Capability::SysResource,
];

/// Everything that the helper has from the daemon.
#[derive(Debug)]
pub(super) struct Link {
    socket: OwnedFd,
    transfer: File,
    /// Which of the daemon's helpers it is, from 0.
    number: usize,
}

impl Link {
    /// See there.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// The first `len` bytes of the transfer file.
    ///
    /// # Errors
    /// `EIO` when there are not so many.
    pub(super) fn laid_out(&self, len: usize) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0; len];
        self.transfer.read_exact_at(&mut bytes, 0).map_err(|_| Errno::EIO)?;
        Ok(bytes)
    }

    /// Tells the daemon. That it is gone is found out at the next [`Link::next`].
    pub(super) fn say(&self, reply: &Reply, fds: &[BorrowedFd<'_>]) {
        let _ = scm_rights::send(&self.socket, reply.as_bytes(), fds);
    }

    /// Closes what the daemon got from whoever started it, and passed on unknowingly.
    fn close_others(&self) {
        let own = [self.socket.as_raw_fd(), self.transfer.as_raw_fd()];
        let Ok(listed) = std::fs::read_dir("/proc/self/fd") else { return };
        let numbers = listed.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        for number in numbers.collect::<Vec<_>>() {
            if !own.contains(&number) {
                // The standard streams are refused, and the listing's own is closed by now.
                drop(adopt(number));
            }
        }
    }

    fn next(&self) -> Result<Option<(Request, Vec<OwnedFd>)>, Errno> {
        let (mut request, mut fds) = (Request::new_zeroed(), Vec::new());
        loop {
            match scm_rights::receive(&self.socket, request.as_mut_bytes(), &mut fds) {
                Ok(true) => return Ok(Some((request, fds))),
                Ok(false) | Err(Errno::ECONNRESET) => return Ok(None),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The helper's own life: call it first thing when the program was started as
/// [`super::HELPER_NAME`]. Returns its exit status.
#[must_use]
pub fn helper_main() -> u8 {
    let Some(link) = link() else { return 2 }; // not started by the daemon
    fault!("helper.began");
    link.close_others();
    if ready().is_err() {
        return 1;
    }
    fault!("helper.ready");
    loop {
        match link.next() {
            Ok(Some((request, fds))) => {
                if serve(&link, &request, fds) == Next::End {
                    return 1;
                }
            }
            Ok(None) => {
                fault!("helper.ends");
                return 0;
            }
            Err(_) => return 1,
        }
    }
}

fn link() -> Option<Link> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<i32>().ok());
    let socket = adopt(numbers.next()??).ok()?;
    nix::sys::socket::getsockname::<nix::sys::socket::UnixAddr>(socket.as_raw_fd()).ok()?;
    if let Some(transfer) = numbers.next() {
        let transfer = File::from(adopt(transfer?).ok()?);
        let number = usize::try_from(numbers.next()??).ok()?;
        return Some(Link { socket, transfer, number });
    }
    hello(socket)
}

/// The service manager has started this helper: the daemon doesn't know it yet.
fn hello(socket: OwnedFd) -> Option<Link> {
    let (mut request, mut fds) = (Request::new_zeroed(), Vec::new());
    scm_rights::receive(&socket, request.as_mut_bytes(), &mut fds).ok()?.then_some(())?;
    (request.operation == Operation::Hello as u32).then_some(())?;
    let transfer = File::from(fds.into_iter().next()?);
    let number = usize::try_from(request.number).ok()?;
    let id = std::process::id();
    let own = pidfd::open(id).ok()?;
    scm_rights::send(&socket, Reply::value(id.into()).as_bytes(), &[own.as_fd()]).ok()?;
    Some(Link { socket, transfer, number })
}

fn ready() -> std::io::Result<()> {
    // systemd ends all processes of a unit at once; this one ends with the daemon.
    let mut deaf = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
        deaf.add(signal);
    }
    deaf.thread_block()?;
    // Else it would have the name of the file that it was started from.
    nix::sys::prctl::set_name(&CString::new(HELPER_NAME)?)?;
    // Whoever runs out of memory is not to lose a caller in the middle of it. Without the right
    // to that the daemon's own value stays.
    let _ = std::fs::write("/proc/self/oom_score_adj", "-1000");
    capability::keep(Set::of(HELPER_NEEDS), Set::default())?;
    nix::sys::prctl::set_no_new_privs()?;
    ptrace::watch_for_changes()
}

/// What comes after an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The next one.
    Request,
    /// The end: the helper still holds a thread that doesn't stop; its end lets go of it.
    End,
}

fn serve(link: &Link, request: &Request, fds: Vec<OwnedFd>) -> Next {
    let deadline = Instant::now() + Duration::from_millis(request.deadline.into());
    fault!("helper.asked");
    let plain = match Operation::from_number(request.operation) {
        Some(Operation::Read) => {
            memory::caller(request, Way::Read, &link.transfer, deadline).map(|()| 0)
        }
        Some(Operation::Write) => {
            memory::caller(request, Way::Write, &link.transfer, deadline).map(|()| 0)
        }
        Some(Operation::ReadProcess) => process(link, request, Way::Read, fds),
        Some(Operation::WriteProcess) => process(link, request, Way::Write, fds),
        Some(Operation::OpenFlags) => memory::open_flags(request, deadline).map(i64::from),
        Some(Operation::Process) => match memory::identify(request, deadline) {
            Ok((tgid, process, memory)) => {
                fault!("helper.identified");
                link.say(&Reply::value(tgid.into()), &[process.as_fd(), memory.as_fd()]);
                return Next::Request;
            }
            Err(error) => Err(error),
        },
        Some(Operation::Take) => match memory::take(request, deadline) {
            Ok(taken) => {
                fault!("helper.took");
                link.say(&Reply::value(0), &[taken.as_fd()]);
                return Next::Request;
            }
            Err(error) => Err(error),
        },
        Some(Operation::FileOn) => calling::file_on(request, deadline).map(FileOn::to_value),
        Some(Operation::Give) => return inject::give(link, request, fds, deadline),
        Some(Operation::Swap) => return inject::swap(link, request, fds, deadline),
        Some(Operation::Maps) => looks::maps(request, &link.transfer),
        Some(Operation::Hello) | None => Err(Errno::ENOSYS),
    };
    fault!("helper.answers");
    link.say(&plain.map_or_else(Reply::error, Reply::value), &[]);
    fault!("helper.answered");
    Next::Request
}

fn process(link: &Link, request: &Request, way: Way, fds: Vec<OwnedFd>) -> Result<i64, Errno> {
    let mut fds = fds.into_iter();
    let (Some(process), Some(memory)) = (fds.next(), fds.next()) else { return Err(Errno::EINVAL) };
    memory::process(request, way, &link.transfer, &process, &memory.into()).map(|()| 0)
}
