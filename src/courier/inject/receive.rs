//! What the held thread is made to do: receive one descriptor under its lowest free number.
//!
//! 1. `socketpair`: the two lowest free numbers, say *n* < *m*. The helper duplicates *n*
//!    (`pidfd_getfd`), checks that it is one end of a pair of that process, and puts the message
//!    with the descriptor into it.
//! 2. `close(n)`; the helper's duplicate keeps that end open.
//! 3. `recvmsg(m)`: the kernel gives what is received the lowest free number, so *n*.
//! 4. `close(m)`.
//!
//! A pair leads nowhere else: no name that others could connect to, no socket of the caller's
//! that is connected to root, and nothing but the caller itself at its other end, which the
//! credentials of the socket prove. What another thread of the caller can do meanwhile to *n*
//! and *m* it does to itself: the buffer is that process's to have anyhow.
//!
//! The kernel's own `EXPBUF` needs one free number, this needs two. So when there are not two,
//! the limit is raised by two for the moment; the numbers that the pair gets then tell whether
//! there is one free number (*n* lies below the old limit) or none.

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{AddressFamily, getsockname, getsockopt, sockopt};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use super::escape::Undo;
use super::held::Held;
use crate::courier::reason::GiveError;
use crate::sys::pidfd::{self, DescriptorLimit};
use crate::sys::{process_vm, procfs, scm_rights};

/// A thread that is held, and what it takes to let it receive.
pub(super) struct Receiver<'a> {
    pub(super) held: &'a Held,
    pub(super) tid: u32,
    pub(super) tgid: u32,
    /// 64 bytes of the caller's that may be overwritten.
    pub(super) scratch: u64,
    /// What is undone last if the thread is left alone.
    pub(super) last: Option<Undo>,
}

/// What `recvmsg` is given: `struct msghdr`. Its own first bytes take the control message; the
/// kernel has read them by then, and doesn't look at them again.
#[derive(Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct MessageHeader {
    name: u64,
    name_len: u64,
    parts: u64,
    parts_len: u64,
    control: u64,
    control_len: u64,
    flags: u64,
}

/// What lies at its beginning afterwards: `struct cmsghdr` and one descriptor.
#[derive(Debug, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
struct Received {
    len: u64,
    level: i32,
    kind: i32,
    fd: i32,
    padding: i32,
}

/// The pair's numbers.
pub(super) struct Pair {
    low: i32,
    high: i32,
}

/// A limit that was raised for the moment.
pub(super) struct Raised {
    old: DescriptorLimit,
    new: DescriptorLimit,
    /// Keeps other helpers from it.
    _alone: Flock<File>,
}

/// How long to wait for another helper that does so: an injection takes a millisecond.
const TURN: Duration = Duration::from_millis(500);

/// Between two tries.
const NAP: Duration = Duration::from_micros(200);

impl Receiver<'_> {
    /// The caller receives `descriptor`; returns the number it got.
    ///
    /// # Errors
    /// [`GiveError`]; unless the caller is gone or doesn't stop any more, it has no more
    /// descriptors than before.
    pub(super) fn receive(&self, descriptor: &OwnedFd, cloexec: bool) -> Result<i32, GiveError> {
        match self.pair() {
            Err(GiveError::Call(Errno::EMFILE)) => {}
            made => return self.receive_over(&made?, descriptor, cloexec),
        }
        let (pair, raised) = self.pair_above(0)?;
        let received = if u64::try_from(pair.low).is_ok_and(|low| low < raised.old.soft) {
            self.receive_over(&pair, descriptor, cloexec)
        } else {
            let closed = self.close(pair.high, &[Undo::close(pair.low)]);
            closed.and(self.close(pair.low, &[])).and(Err(GiveError::TableFull))
        };
        self.lower(&raised);
        received
    }

    /// Makes the pair, wherever there is room for it: for a number `target` that the process has
    /// already, and which is to be replaced.
    ///
    /// # Errors
    /// [`GiveError`].
    pub(super) fn pair_beside(&self, target: i32) -> Result<(Pair, Option<Raised>), GiveError> {
        // A limit may have been lowered below a number that is in use; then nothing can be put
        // under that number. (Without CAP_SYS_RESOURCE it can't be seen, but neither be raised.)
        let limit = pidfd::descriptor_limit(self.tgid, None);
        let is_below = |soft| u64::try_from(target).is_ok_and(|target| target < soft);
        if limit.is_err() || limit.is_ok_and(|limit| is_below(limit.soft)) {
            match self.pair() {
                Err(GiveError::Call(Errno::EMFILE)) => {}
                made => return Ok((made?, None)),
            }
        }
        // So many open, so many numbers below that are not all taken.
        let open = procfs::count_descriptors(self.tid)?;
        let above = u64::try_from(target).unwrap_or(0).saturating_add(1);
        let (pair, raised) = self.pair_above(above.max(open.saturating_add(2)))?;
        Ok((pair, Some(raised)))
    }

    /// Makes the pair after raising the limit by two, or to `least` if that is more.
    fn pair_above(&self, least: u64) -> Result<(Pair, Raised), GiveError> {
        let alone = self.alone()?;
        let old = pidfd::descriptor_limit(self.tgid, None).map_err(|_| GiveError::TableFull)?;
        let raised = Raised { old, new: raised(old, least), _alone: alone };
        // EPERM: above the machine's `fs.nr_open`.
        pidfd::descriptor_limit(self.tgid, Some(raised.new)).map_err(|_| GiveError::TableFull)?;
        match self.pair() {
            Ok(pair) => Ok((pair, raised)),
            Err(error) => {
                self.lower(&raised);
                Err(match error {
                    GiveError::Call(Errno::EMFILE) => GiveError::TableFull,
                    other => other,
                })
            }
        }
    }

    /// The lock of the process's limit: that of a file which the process's own user can open, too, and
    /// nobody else.
    fn alone(&self) -> Result<Flock<File>, GiveError> {
        let path = format!("/proc/{}/mem", self.tgid);
        let mut file = File::open(path).map_err(|_| GiveError::TableFull)?;
        let until = Instant::now() + TURN;
        loop {
            file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(locked) => return Ok(locked),
                Err((file, Errno::EWOULDBLOCK)) if Instant::now() < until => file,
                Err(_) => return Err(GiveError::TableFull),
            };
            std::thread::sleep(NAP);
        }
    }

    /// Puts the limit back, unless the process has set another meanwhile.
    pub(super) fn lower(&self, raised: &Raised) {
        if pidfd::descriptor_limit(self.tgid, None) == Ok(raised.new) {
            // It fails only when the process is gone.
            let _ = pidfd::descriptor_limit(self.tgid, Some(raised.old));
        }
    }

    fn pair(&self) -> Result<Pair, GiveError> {
        let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
        let arguments = [number(libc::AF_UNIX), number(kind), 0, self.scratch];
        // What it doesn't make is not to be closed.
        let mut made = [-1_i32; 2];
        process_vm::write(self.tid, self.scratch, made.as_bytes())?;
        let high = self.scratch.wrapping_add(size_of::<i32>() as u64);
        let undo = [Undo::CloseAt(self.scratch), Undo::CloseAt(high)];
        self.held.call(libc::SYS_socketpair, &arguments, &self.with_last(&undo))?;
        process_vm::read(self.tid, self.scratch, made.as_mut_bytes())?;
        let [low, high] = made;
        Ok(Pair { low: low.min(high), high: low.max(high) })
    }

    /// The caller receives `descriptor` over the pair, which is closed then.
    ///
    /// # Errors
    /// As [`Self::receive`].
    pub(super) fn receive_over(
        &self,
        pair: &Pair,
        descriptor: &OwnedFd,
        cloexec: bool,
    ) -> Result<i32, GiveError> {
        let filled = self.fill(pair.low, descriptor);
        // The end that was filled lives on in this process until the message was received.
        let filled = self.close(pair.low, &[Undo::close(pair.high)]).and(filled);
        let received = filled.and_then(|_end| self.receive_from(pair.high, cloexec));
        if received == Err(GiveError::TimedOut) {
            return received; // it doesn't stand still
        }
        let given = received.ok().map(Undo::close);
        match (self.close(pair.high, given.as_slice()), received) {
            (Ok(()), received) => received,
            (Err(error), _) => Err(error),
        }
    }

    /// Puts the message into the caller's end `fd` of the pair.
    fn fill(&self, fd: i32, descriptor: &OwnedFd) -> Result<OwnedFd, GiveError> {
        // Another thread of the caller can have put something else there. So first a look that
        // asks no file system, …
        let link = fs::read_link(format!("/proc/{}/fd/{fd}", self.tid));
        if !link.is_ok_and(|link| link.to_string_lossy().starts_with("socket:")) {
            return Err(GiveError::Unexpected);
        }
        let end = match pidfd::open_thread(self.tid) {
            Ok(thread) => pidfd::getfd(thread, fd)?,
            Err(_) => pidfd::getfd(pidfd::open(self.tgid)?, fd)?,
        };
        // … then the proof: both ends belong to the caller.
        let address = getsockname::<nix::sys::socket::SockaddrStorage>(end.as_raw_fd())?;
        let family = nix::sys::socket::SockaddrLike::family(&address);
        let peer = getsockopt(&end, sockopt::PeerCredentials)?;
        if family != Some(AddressFamily::Unix) || peer.pid().cast_unsigned() != self.tgid {
            return Err(GiveError::Unexpected);
        }
        scm_rights::send(&end, &[0], &[descriptor.as_fd()])?;
        Ok(end)
    }

    /// The caller receives what lies in its end `fd`.
    fn receive_from(&self, fd: i32, cloexec: bool) -> Result<i32, GiveError> {
        let header = MessageHeader {
            control: self.scratch,
            control_len: size_of::<Received>() as u64,
            // There are no parts. Where this lies the number comes, and none until then.
            parts: u64::MAX,
            ..MessageHeader::new_zeroed()
        };
        process_vm::write(self.tid, self.scratch, header.as_bytes())?;
        let cloexec = if cloexec { libc::MSG_CMSG_CLOEXEC } else { 0 };
        let flags = number(libc::MSG_DONTWAIT | cloexec);
        let came = self.scratch.wrapping_add(std::mem::offset_of!(Received, fd) as u64);
        let undo = self.with_last(&[Undo::CloseAt(came), Undo::close(fd)]);
        self.held.call(libc::SYS_recvmsg, &[number(fd), self.scratch, flags], &undo)?;
        let mut received = Received::new_zeroed();
        process_vm::read(self.tid, self.scratch, received.as_mut_bytes())?;
        let expected = (libc::SOL_SOCKET, libc::SCM_RIGHTS);
        // Other threads can have taken all numbers meanwhile: then no control message came.
        if (received.level, received.kind) == expected && received.len == RECEIVED_LEN {
            Ok(received.fd)
        } else {
            Err(GiveError::TableFull)
        }
    }

    pub(super) fn close(&self, fd: i32, undo: &[Undo]) -> Result<(), GiveError> {
        // Whatever it was that was closed: it is.
        settled(self.held.call(libc::SYS_close, &[number(fd)], &self.with_last(undo)))
    }

    fn with_last(&self, undo: &[Undo]) -> Vec<Undo> {
        undo.iter().copied().chain(self.last).collect()
    }
}

/// `CMSG_LEN(sizeof(int))`.
const RECEIVED_LEN: u64 = 20;

/// Room for the pair, and for all numbers below `least`.
fn raised(limit: DescriptorLimit, least: u64) -> DescriptorLimit {
    let soft = limit.soft.saturating_add(2).max(least);
    DescriptorLimit { soft, hard: limit.hard.max(soft) }
}

/// Of a call that has its effect even where it says that it failed, or none that matters.
pub(super) fn settled(called: Result<i64, GiveError>) -> Result<(), GiveError> {
    match called {
        Ok(_) | Err(GiveError::Call(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// A number as a register holds it.
pub(super) fn number(value: i32) -> u64 {
    i64::from(value).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structs_are_the_kernels() {
        assert_eq!(size_of::<MessageHeader>(), size_of::<libc::msghdr>());
        assert_eq!(
            std::mem::offset_of!(MessageHeader, control),
            std::mem::offset_of!(libc::msghdr, msg_control)
        );
        assert_eq!(
            std::mem::offset_of!(MessageHeader, control_len),
            std::mem::offset_of!(libc::msghdr, msg_controllen)
        );
        assert!(size_of::<Received>() <= std::mem::offset_of!(MessageHeader, control));
        assert_eq!(std::mem::offset_of!(MessageHeader, parts), std::mem::offset_of!(Received, fd));
        assert!(size_of::<MessageHeader>() <= super::super::SCRATCH);
        assert_eq!(RECEIVED_LEN as usize, size_of::<libc::cmsghdr>() + size_of::<i32>());
    }

    #[test]
    fn a_raised_limit_keeps_what_it_can() {
        let limit = |soft, hard| DescriptorLimit { soft, hard };
        assert_eq!(raised(limit(10, 100), 0), limit(12, 100));
        assert_eq!(raised(limit(10, 10), 12), limit(12, 12));
        assert_eq!(raised(limit(10, 15), 20), limit(20, 20));
        assert_eq!(raised(limit(u64::MAX, u64::MAX), 9), limit(u64::MAX, u64::MAX));
    }
}
