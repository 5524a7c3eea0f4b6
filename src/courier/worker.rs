//! A worker: what can be done to a caller, each with a deadline.

use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use zerocopy::FromZeros;

use super::process::{Helper, HelperProcess};
use super::wire::{DONE, Operation, Reply, Request, SEIZED, TRANSFER};
use super::{CallSite, FileOn, GiveError, Process, Program, inject, looks};
use crate::sys::procfs;

/// The most that [`Worker::read_memory`] and [`Worker::write_memory`] move in one go, in bytes:
/// far above what a control or a plane array can be, and a bound on what a caller's numbers
/// make the daemon allocate.
const MOST: usize = 16 << 20;

/// As many operations' time a whole job may take: it moves large memory in pieces, and each is an
/// operation that usually takes a thousandth of what it may.
const OPERATIONS: u32 = 4;

/// How much longer than the helper itself the daemon waits for an injection to begin.
const GRACE: Duration = Duration::from_secs(2);

/// The same for its end, so that the helper can put the caller back by itself: also one that gets no
/// processor for a while, and at last none, or that waits for the daemon in the middle of it.
const FINISH: Duration = Duration::from_secs(20);

/// How often it is looked whether a caller that is to be seized dies meanwhile: nearly all are held
/// within a hundredth of that.
const LOOK: Duration = Duration::from_millis(50);

/// How long a caller that was left alone may take to put itself back: some ten system calls.
const SETTLED: Duration = Duration::from_millis(20);

/// A thread's helper, as a job sees it.
///
/// All operations answer `ESRCH` when the thread has died or sits in this call no more (there is
/// nobody to answer then), `ETIMEDOUT` when the deadline passed (the helper is killed and
/// replaced), `EPERM` when the kernel forbids it (Yama, a security module, a user namespace),
/// and `EIO` when the helper was lost.
#[derive(Debug)]
pub struct Worker {
    program: Program,
    /// Which worker it is, from 0.
    number: usize,
    deadline: Duration,
    /// When the present job is out of time.
    until: Instant,
    helper: Option<Helper>,
    /// Helpers that did not end when they were told to.
    left_behind: Vec<HelperProcess>,
}

impl Worker {
    /// What a call is answered with whose caller is held, before it is made what it is to be.
    pub const HELD: Errno = inject::HELD;

    /// Reads `len` bytes at `address` of the caller.
    ///
    /// # Errors
    /// `EFAULT` when not all of it can be read; `EINVAL` over 16 MiB; see [`Worker`].
    pub fn read_memory(
        &mut self,
        site: &CallSite,
        address: u64,
        len: usize,
    ) -> Result<Vec<u8>, Errno> {
        if len > MOST {
            return Err(Errno::EINVAL);
        }
        let mut bytes = vec![0; len];
        let mut at = address;
        for piece in bytes.chunks_mut(TRANSFER) {
            self.ask(&at_site(Operation::Read, site, at, piece.len()), &[])?;
            self.fetch(piece)?;
            at = at.checked_add(piece.len() as u64).ok_or(Errno::EFAULT)?;
        }
        Ok(bytes)
    }

    /// Writes `bytes` at `address` of the caller.
    ///
    /// # Errors
    /// As [`Self::read_memory`]. With `EFAULT` some of it may have been written.
    pub fn write_memory(
        &mut self,
        site: &CallSite,
        address: u64,
        bytes: &[u8],
    ) -> Result<(), Errno> {
        if bytes.len() > MOST {
            return Err(Errno::EINVAL);
        }
        let mut at = address;
        for piece in bytes.chunks(TRANSFER) {
            self.ask_with(&at_site(Operation::Write, site, at, piece.len()), &[], piece)?;
            at = at.checked_add(piece.len() as u64).ok_or(Errno::EFAULT)?;
        }
        Ok(())
    }

    /// The caller's process, to be kept with a USERPTR buffer.
    ///
    /// # Errors
    /// See [`Worker`].
    pub fn process(&mut self, site: &CallSite) -> Result<Process, Errno> {
        let (reply, fds) = self.ask(&at_site(Operation::Process, site, 0, 0), &[])?;
        let mut fds = fds.into_iter();
        let (Some(pidfd), Some(memory)) = (fds.next(), fds.next()) else { return Err(Errno::EIO) };
        let tgid = u32::try_from(reply.value).map_err(|_| Errno::EIO)?;
        Ok(Process { pidfd, memory, tgid })
    }

    /// Reads `len` bytes at `address` of `process` and hands them to `sink`, piece by piece in
    /// ascending order (offset, bytes).
    ///
    /// # Errors
    /// `EFAULT` when not all of it can be read; what `sink` answers; see [`Worker`].
    pub fn read_process(
        &mut self,
        process: &Process,
        address: u64,
        len: usize,
        mut sink: impl FnMut(usize, &[u8]) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let mut piece = vec![0; len.min(TRANSFER)];
        for (offset, at, size) in pieces(address, len)? {
            let bytes = piece.get_mut(..size).ok_or(Errno::EINVAL)?;
            self.ask_process(Operation::ReadProcess, process, at, size, &[])?;
            self.fetch(bytes)?;
            sink(offset, bytes)?;
        }
        Ok(())
    }

    /// Writes `len` bytes at `address` of `process`; `source` fills the pieces, in ascending
    /// order (offset, bytes to fill).
    ///
    /// # Errors
    /// As [`Self::read_process`]. With `EFAULT` some of it may have been written.
    pub fn write_process(
        &mut self,
        process: &Process,
        address: u64,
        len: usize,
        mut source: impl FnMut(usize, &mut [u8]) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        let mut piece = vec![0; len.min(TRANSFER)];
        for (offset, at, size) in pieces(address, len)? {
            let bytes = piece.get_mut(..size).ok_or(Errno::EINVAL)?;
            source(offset, bytes)?;
            self.ask_process(Operation::WriteProcess, process, at, size, bytes)?;
        }
        Ok(())
    }

    /// The flags (`O_NONBLOCK`, access mode, …) that the descriptor on which the call was made
    /// has now.
    ///
    /// # Errors
    /// `EBADF` when another thread closed it meanwhile; see [`Worker`], and for kernels without
    /// `/proc/<tid>/syscall` (user-mode Linux) [`Self::open_flags_on`].
    pub fn open_flags(&mut self, site: &CallSite) -> Result<u32, Errno> {
        self.open_flags_on(site, 0, 0)
    }

    /// As [`Self::open_flags`]; where the kernel has no `/proc/<tid>/syscall` (user-mode Linux),
    /// it is the thread's descriptors on the character device `device` (`st_rdev` of the node)
    /// that are looked at, with 0 those on any CUSE device; with `ino` those of that inode on the
    /// mount `device`.
    ///
    /// # Errors
    /// `ENODATA` where it has several such, and they differ; see [`Self::open_flags`].
    pub fn open_flags_on(&mut self, site: &CallSite, device: u64, ino: u64) -> Result<u32, Errno> {
        let request = Request { len: ino, ..at_site(Operation::OpenFlags, site, device, 0) };
        let (reply, _) = self.ask(&request, &[])?;
        u32::try_from(reply.value).map_err(|_| Errno::EIO)
    }

    /// The descriptor on which the call is made: its number, its flags and whether `exec` closes it.
    /// Nothing is stopped for that. `device` is the node's `st_rdev`.
    ///
    /// # Errors
    /// `EBADF` when it is not on `device` (another thread closed or replaced it meanwhile);
    /// `ENODATA` where the kernel doesn't tell which one it is (user-mode Linux), and several of
    /// the caller's are on `device`; see [`Worker`].
    pub fn file_on(&mut self, site: &CallSite, device: u64) -> Result<FileOn, Errno> {
        let (reply, _) = self.ask(&at_site(Operation::FileOn, site, device, 0), &[])?;
        FileOn::of_value(reply.value)
    }

    /// Takes the caller's descriptor `fd`, if it is a memory file or a dma-buf. Every other kind
    /// is left alone: already closing a descriptor may hang on somebody's file system.
    ///
    /// # Errors
    /// `EINVAL` for every other kind, closed and negative numbers included; see [`Worker`].
    pub fn take(&mut self, site: &CallSite, fd: i32) -> Result<OwnedFd, Errno> {
        let request = Request { number: fd, ..at_site(Operation::Take, site, 0, 0) };
        let (_, fds) = self.ask(&request, &[])?;
        fds.into_iter().next().ok_or(Errno::EIO)
    }

    /// Has the caller, which sits in a call whose argument is a `struct v4l2_exportbuffer`,
    /// receive `descriptor` under the lowest free number. Returns that number. `argument` is the struct
    /// as the caller is to see it, but for the number.
    ///
    /// `answer` is called exactly once: with `Ok` when the thread is held, and the call is to be
    /// answered with [`HELD`](Self::HELD) and no bytes; or with the errno that the call is to be
    /// answered with. After `Ok` the helper makes it a success with `argument` and the number, or the
    /// errno of [`GiveError::errno`]; if it is lost, the caller finds its call failed with `HELD` and
    /// all else as before. Whatever comes out of it, nothing is left for the daemon to do.
    ///
    /// # Errors
    /// [`GiveError`], which says what to do about it; worth one line in the log.
    pub fn give(
        &mut self,
        site: &CallSite,
        descriptor: OwnedFd,
        cloexec: bool,
        argument: &[u8],
        answer: impl FnOnce(Result<(), Errno>),
    ) -> Result<i32, GiveError> {
        let request = Request { number: cloexec.into(), ..at_site(Operation::Give, site, 0, 0) };
        self.inject(&request, descriptor, argument, answer)
    }

    /// Has the caller, which sits in a call that is to give it `argument`, find `replacement`
    /// under the number on which it made the call, which is open on `device` (the node's `st_rdev`).
    /// Returns that number.
    ///
    /// `O_NONBLOCK` as it is at this moment, close-on-exec, and what was registered with epoll are
    /// carried over; `O_ASYNC` isn't. The access mode is that of `replacement`: see
    /// [`Self::file_on`]. Duplicates of the old file stay what they are; without any it is closed in
    /// the middle of this, which waits for the answer to its `RELEASE`; and a registration with epoll
    /// asks `replacement` whether it is ready. So this must not run on a thread that answers the
    /// requests of either file.
    ///
    /// `answer` is called exactly once, as in [`Self::give`]. When something fails after `Ok`, the
    /// call fails with the errno of [`GiveError::errno`] and the argument as it was, and what the call
    /// did is for the daemon to undo; but for [`GiveError::Fault`], where the call is done and only its
    /// answer can't be written.
    ///
    /// # Errors
    /// [`GiveError`], which says what to do about it; worth one line in the log.
    pub fn swap(
        &mut self,
        site: &CallSite,
        device: u64,
        replacement: OwnedFd,
        argument: &[u8],
        answer: impl FnOnce(Result<(), Errno>),
    ) -> Result<i32, GiveError> {
        let request = at_site(Operation::Swap, site, device, argument.len());
        self.inject(&request, replacement, argument, answer)
    }

    /// The ranges of the file `ino` on the device `dev` that processes have mapped, in ascending
    /// order: those of `pids` (threads will do), or of all when there is none.
    ///
    /// # Errors
    /// `E2BIG` for more than 4096 ranges; see [`Worker`].
    pub fn maps(&mut self, pids: &[u32], dev: u64, ino: u64) -> Result<Vec<Range<u64>>, Errno> {
        let numbers: Vec<u8> = pids.iter().flat_map(|pid| pid.to_ne_bytes()).collect();
        let number = i32::try_from(pids.len()).map_err(|_| Errno::E2BIG)?;
        let request = Request { number, arg: ino, ..plain(Operation::Maps, dev, 0) };
        let (reply, _) = self.ask_with(&request, &[], &numbers)?;
        let count = usize::try_from(reply.value).map_err(|_| Errno::EIO)?;
        let mut bytes = vec![0; count.min(looks::MOST) * looks::RANGE];
        self.fetch(&mut bytes)?;
        Ok(looks::ranges(&bytes))
    }

    /// An injection: held, answered, done.
    fn inject(
        &mut self,
        request: &Request,
        descriptor: OwnedFd,
        argument: &[u8],
        answer: impl FnOnce(Result<(), Errno>),
    ) -> Result<i32, GiveError> {
        let mut answer = Some(answer);
        let mut answer = move |with| answer.take().into_iter().for_each(|answer| answer(with));
        fault!("inject.begins");
        let first = self.seized(request, &descriptor, argument, &mut answer);
        drop(descriptor); // the helper has its own
        fault!("inject.held");
        match first {
            Ok((reply, _)) if reply.stage == SEIZED => answer(Ok(())),
            Ok((reply, _)) => {
                let error = GiveError::of_reply(&reply);
                answer(Err(error.errno()));
                return Err(error);
            }
            Err(error) => {
                answer(Err(Errno::EIO));
                return Err(lost(error));
            }
        }
        fault!("inject.answered");
        let last = match &self.helper {
            Some(helper) => helper.answer(self.deadline + FINISH),
            None => Err(Errno::EIO),
        };
        fault!("inject.done");
        match last {
            Ok((Reply { stage: DONE, errno: 0, value, .. }, _)) => {
                i32::try_from(value).map_err(|_| GiveError::Helper)
            }
            Ok((reply, _)) => Err(GiveError::of_reply(&reply)),
            Err(error) => {
                self.replace();
                // The next helper of this number writes where the caller may be just now.
                std::thread::sleep(SETTLED);
                Err(lost(error))
            }
        }
    }

    /// The helper's first answer to an injection.
    ///
    /// A thread that is killed while it sits in its call dies when that is answered, and no earlier. If
    /// another thread of its process kills it by running another program, then that one waits for its
    /// death, and what seizes it waits for the `exec`. So the call of a dying thread is answered here.
    fn seized(
        &mut self,
        request: &Request,
        descriptor: &OwnedFd,
        argument: &[u8],
        answer: &mut dyn FnMut(Result<(), Errno>),
    ) -> Result<(Reply, Vec<OwnedFd>), Errno> {
        self.send(request, &[descriptor.as_fd()], argument)?;
        let until = Instant::now() + self.deadline + GRACE;
        let first = loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.helper()?.answer(left.min(LOOK)) {
                Err(Errno::ETIMEDOUT) if left > LOOK => {
                    if procfs::is_dying(request.tid) {
                        answer(Err(Errno::EIO));
                    }
                }
                first => break first,
            }
        };
        if first.is_err() {
            self.replace();
        }
        first
    }

    /// Whether [`Self::give`] can work at all on this processor. Where it can't, `EXPBUF` is
    /// better not offered (`ENOTTY`).
    #[must_use]
    pub fn can_give() -> bool {
        inject::SUPPORTED
    }

    /// The helper's process number, for tests that kill it.
    ///
    /// # Errors
    /// `EIO` when there is none, and none can be started.
    pub fn helper_id(&mut self) -> Result<u32, Errno> {
        self.helper().map(Helper::id)
    }

    pub(super) fn new(
        program: Program,
        number: usize,
        deadline: Duration,
    ) -> std::io::Result<Self> {
        let helper = Some(Helper::start(&program, number)?);
        let until = Instant::now() + deadline * OPERATIONS;
        Ok(Self { program, number, deadline, until, helper, left_behind: Vec::new() })
    }

    /// A job begins: all it asks for together may take as long as [`OPERATIONS`] operations.
    pub(super) fn begin(&mut self) {
        self.until = Instant::now() + self.deadline * OPERATIONS;
    }

    /// Lets the helper end. Those that were left behind are handed over.
    pub(super) fn end(&mut self) -> Vec<HelperProcess> {
        self.left_behind.extend(self.helper.take().and_then(Helper::end));
        self.left_behind()
    }

    /// Hands over the helpers that did not end when they were told to.
    pub(super) fn left_behind(&mut self) -> Vec<HelperProcess> {
        std::mem::take(&mut self.left_behind)
    }

    /// One request that has one answer.
    fn ask(
        &mut self,
        request: &Request,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(Reply, Vec<OwnedFd>), Errno> {
        self.ask_with(request, fds, &[])
    }

    /// As [`Self::ask`], with `bytes` in the transfer file.
    fn ask_with(
        &mut self,
        request: &Request,
        fds: &[BorrowedFd<'_>],
        bytes: &[u8],
    ) -> Result<(Reply, Vec<OwnedFd>), Errno> {
        // All that a job asks for together has a bound, too: a client that answers each page just
        // in time would hold its worker for as long as it has pages.
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Errno::ETIMEDOUT);
        }
        fault!("worker.asks");
        let answer = self.round(request, fds, bytes, self.deadline.min(left));
        fault!("worker.has");
        let (reply, fds) = answer?;
        if reply.errno == 0 { Ok((reply, fds)) } else { Err(Errno::from_raw(reply.errno)) }
    }

    fn ask_process(
        &mut self,
        operation: Operation,
        process: &Process,
        address: u64,
        len: usize,
        bytes: &[u8],
    ) -> Result<(), Errno> {
        let number = process.tgid.cast_signed();
        let request = Request { number, ..plain(operation, address, len) };
        self.ask_with(&request, &[process.pidfd.as_fd(), process.memory.as_fd()], bytes).map(drop)
    }

    /// Sends a request, with `bytes` in the transfer file, and waits for the first answer. Without one
    /// the helper is replaced.
    fn round(
        &mut self,
        request: &Request,
        fds: &[BorrowedFd<'_>],
        bytes: &[u8],
        most: Duration,
    ) -> Result<(Reply, Vec<OwnedFd>), Errno> {
        self.send(request, fds, bytes)?;
        let answer = self.helper()?.answer(most);
        if answer.is_err() {
            self.replace();
        }
        answer
    }

    /// Sends a request, with `bytes` in the transfer file.
    fn send(
        &mut self,
        request: &Request,
        fds: &[BorrowedFd<'_>],
        bytes: &[u8],
    ) -> Result<(), Errno> {
        let deadline = u32::try_from(self.deadline.as_millis()).unwrap_or(u32::MAX);
        let request = Request { deadline, ..*request };
        // A helper that ended since its last job (killed by somebody, or by itself with a
        // thread that would not stop) is found out here, before anything has begun.
        self.lay_out(bytes)?;
        if self.helper()?.ask(&request, fds).is_err() {
            self.replace();
            self.lay_out(bytes)?;
            self.helper()?.ask(&request, fds).map_err(|_| Errno::EIO)?;
        }
        Ok(())
    }

    fn helper(&mut self) -> Result<&Helper, Errno> {
        if self.helper.is_none() {
            let started = Helper::start(&self.program, self.number);
            self.helper = Some(started.map_err(|error| {
                tracing::warn!("no helper process can be started: {error}");
                Errno::EIO
            })?);
        }
        self.helper.as_ref().ok_or(Errno::EIO)
    }

    /// Ends the helper by force; the next request starts another.
    fn replace(&mut self) {
        if let Some(helper) = self.helper.take() {
            tracing::warn!("helper process {} is replaced", helper.id());
            self.left_behind.extend(helper.kill());
        }
    }

    /// Takes what the helper put into the transfer file.
    fn fetch(&self, bytes: &mut [u8]) -> Result<(), Errno> {
        let helper = self.helper.as_ref().ok_or(Errno::EIO)?;
        helper.transfer.read_exact_at(bytes, 0).map_err(|_| Errno::EIO)
    }

    /// Puts into the transfer file what the helper is to write.
    fn lay_out(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        self.helper()?.transfer.write_all_at(bytes, 0).map_err(|_| Errno::EIO)
    }
}

fn lost(error: Errno) -> GiveError {
    if error == Errno::ETIMEDOUT { GiveError::TimedOut } else { GiveError::Helper }
}

fn plain(operation: Operation, address: u64, len: usize) -> Request {
    let operation = operation as u32;
    Request { operation, address, len: len as u64, ..Request::new_zeroed() }
}

fn at_site(operation: Operation, site: &CallSite, address: u64, len: usize) -> Request {
    let (tid, uid) = (site.caller.tid, site.caller.uid);
    Request { tid, uid, cmd: site.cmd, arg: site.arg, ..plain(operation, address, len) }
}

/// The pieces of a transfer: offset, address, size.
fn pieces(address: u64, len: usize) -> Result<impl Iterator<Item = (usize, u64, usize)>, Errno> {
    address.checked_add(len as u64).ok_or(Errno::EFAULT)?;
    let piece = move |offset: usize| {
        (offset, address.wrapping_add(offset as u64), TRANSFER.min(len - offset))
    };
    Ok((0..len).step_by(TRANSFER).map(piece))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_the_whole_once() {
        let found: Vec<_> = pieces(100, 2 * TRANSFER + 1).expect("pieces").collect();
        let step = TRANSFER as u64;
        let expected = [
            (0, 100, TRANSFER),
            (TRANSFER, 100 + step, TRANSFER),
            (2 * TRANSFER, 100 + 2 * step, 1),
        ];
        assert_eq!(found, expected);
        assert_eq!(pieces(7, 0).expect("pieces").count(), 0);
        assert_eq!(pieces(u64::MAX, 1).map(|_| ()), Err(Errno::EFAULT));
    }
}
