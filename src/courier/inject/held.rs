//! A thread that is held at the end of its `ioctl`, and can be made to make system calls.

use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::arch::{Architecture, INSTRUCTION_LEN, Native};
use super::escape::{Ending, Home, MOST, Undo};
use crate::courier::reason::GiveError;
use crate::courier::site;
use crate::courier::wire::Request;
use crate::sys::procfs::{self, Syscall};
use crate::sys::ptrace::{self, Registers, Stop};

/// How long a call in the caller may take before it is interrupted, and then again before the
/// caller is given up. None of them waits for anything but the caller's own memory.
const CALL: Duration = Duration::from_millis(500);

/// As [`CALL`], for those that wait for the daemon besides: the last close of a node's file for the
/// answer to `RELEASE`, an epoll for that to `POLL`. When the daemon dies, both end at once.
const SERVED: Duration = Duration::from_secs(2);

/// How much longer, all in all, a caller is waited for that would go on and gets no processor: it is
/// given up in the middle of a call that is not its own, which others' load must not bring about. The
/// daemon is more patient than that; see `FINISH` in `src/courier/worker.rs`.
const STARVED: Duration = Duration::from_secs(8);

/// How long to wait for what is left of a caller that dies.
const DEATH: Duration = Duration::from_millis(200);

/// How often to look for a stop whose signal was taken for that of another.
const LOOK: Duration = Duration::from_millis(10);

/// All signals.
const ALL: u64 = u64::MAX;

/// Waits until `tid` stands still.
///
/// # Errors
/// [`GiveError::Gone`] when it has ended; [`GiveError::TimedOut`].
pub(super) fn wait(tid: u32, deadline: Instant) -> Result<Stop, GiveError> {
    loop {
        // The signal comes with the stop, and is waited for first: to look first would nearly
        // always be in vain, eight times an injection.
        let left = deadline.saturating_duration_since(Instant::now());
        ptrace::wait_for_change(left.min(LOOK));
        match ptrace::stop_of(tid)? {
            Some(Stop::Ended) => return Err(GiveError::Gone),
            Some(stop) => return Ok(stop),
            None if left.is_zero() => return Err(GiveError::TimedOut),
            None => {}
        }
    }
}

/// As [`wait`], and longer while the thread waits for nothing but a processor.
///
/// # Errors
/// As [`wait`].
pub(super) fn wait_for_its_turn(tid: u32, deadline: Instant) -> Result<Stop, GiveError> {
    let last = deadline + STARVED;
    let mut until = deadline;
    loop {
        match wait(tid, until) {
            Err(GiveError::TimedOut) if until < last && procfs::is_runnable(tid) => {
                until = last.min(Instant::now() + CALL);
            }
            waited => return waited,
        }
    }
}

/// After an `ESRCH`: waits for the end of a thread that is dying, so that no zombie remains.
pub(super) fn bury(tid: u32) {
    let deadline = Instant::now() + DEATH;
    while let Ok(Stop::Held | Stop::Syscall | Stop::Signal(_)) = wait(tid, deadline) {
        if ptrace::run(tid, 0).is_err() {
            return;
        }
    }
}

/// A thread that stands still behind its call, all its signals blocked. [`Held::release`] puts
/// it back.
#[derive(Debug)]
pub(super) struct Held {
    tid: u32,
    /// As it came out of its call.
    registers: Registers,
    /// The signals that it blocks itself.
    mask: u64,
    /// Until when it is waited for where it gets no processor.
    until: Instant,
    /// Where it makes calls, and what puts it back if this process ends before that.
    home: Option<Home>,
    /// Where its argument is, and what it was.
    argument: u64,
    before: Vec<u8>,
}

/// A system call: number and arguments.
pub(super) type Call = (i64, [u64; 4]);

/// What a call that is held was answered with, and ends with if nobody says otherwise.
pub(in crate::courier) const HELD: Errno = Errno::EIO;

impl Held {
    /// Takes over the request's thread, which stands still, if it does so behind the request's
    /// call, which was answered with [`HELD`]. `seen` is where and how it made that call, if that is
    /// known, `before` its argument then, `room` this helper's number.
    ///
    /// # Errors
    /// [`GiveError::Gone`] when the call failed by itself (nobody answered it);
    /// [`GiveError::Unexpected`] when it stands elsewhere. Nothing was changed then.
    pub(super) fn take(
        request: &Request,
        seen: Option<&Syscall>,
        before: &[u8],
        room: usize,
    ) -> Result<Self, GiveError> {
        let tid = request.tid;
        let registers = ptrace::registers(tid)?;
        let (number, arguments) = Native::made(&registers);
        let (instruction, stack) = (Native::instruction(&registers), Native::stack(&registers));
        site::is_this(request, number, arguments).map_err(|_| GiveError::Unexpected)?;
        if seen.is_some_and(|seen| (seen.instruction, seen.stack) != (instruction, stack)) {
            return Err(GiveError::Unexpected);
        }
        is_call(ptrace::peek(tid, instruction.wrapping_sub(INSTRUCTION_LEN))?)?;
        if Native::result(&registers) != failed(HELD) {
            return Err(GiveError::Gone);
        }
        let mask = ptrace::blocked_signals(tid)?;
        let (argument, before) = (request.arg, before.to_vec());
        let home = Home::find(tid, room);
        let until = Instant::now() + STARVED;
        let mut held = Self { tid, registers, mask, until, home, argument, before };
        if held.ends(&[], failed(HELD), &held.before) {
            let parked = held.home.as_ref().map(Home::ending);
            if let Some(ending) = parked {
                ptrace::set_registers(tid, &Native::going_on(&held.registers, ending))?;
            }
        } else {
            held.home = None;
        }
        fault!("hold.home");
        ptrace::block_signals(tid, ALL)?;
        fault!("hold.blocked");
        Ok(held)
    }

    /// If this process ends, the thread does `undo` behind the next call, and comes back from its own
    /// with `result` and `argument`. Whether that can be arranged.
    fn ends(&self, undo: &[Undo], result: i64, argument: &[u8]) -> bool {
        let argument = (self.argument, argument.get(..MOST).unwrap_or(argument));
        let (mask, registers) = (self.mask, &self.registers);
        let ending = Ending { undo, argument, mask, registers, result };
        self.home.as_ref().is_some_and(|home| home.write(&ending))
    }

    /// The descriptor on which the thread made its call.
    ///
    /// # Errors
    /// [`GiveError::OtherFile`] for a negative number, which no call succeeds on.
    pub(super) fn descriptor(&self) -> Result<i32, GiveError> {
        let (_, [descriptor, ..]) = Native::made(&self.registers);
        // The kernel takes the lower half of the register.
        i32::try_from(descriptor & 0xffff_ffff).map_err(|_| GiveError::OtherFile)
    }

    /// Has the thread make a system call; arguments that are not given are 0. `undo` is what is to be
    /// done after it if this process ends before the next one.
    ///
    /// # Errors
    /// [`GiveError::Call`] with what the call failed with; [`GiveError::Gone`];
    /// [`GiveError::TimedOut`], after which the thread doesn't stand still.
    pub(super) fn call(
        &self,
        number: i64,
        arguments: &[u64],
        undo: &[Undo],
    ) -> Result<i64, GiveError> {
        self.call_within(CALL, number, arguments, undo)
    }

    /// As [`Self::call`], for a call that may wait for the daemon.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub(super) fn call_served(
        &self,
        number: i64,
        arguments: &[u64],
        undo: &[Undo],
    ) -> Result<i64, GiveError> {
        self.call_within(SERVED, number, arguments, undo)
    }

    fn call_within(
        &self,
        patience: Duration,
        number: i64,
        arguments: &[u64],
        undo: &[Undo],
    ) -> Result<i64, GiveError> {
        // First: a descriptor too many is better than another thread's that is closed.
        self.ends(undo, failed(HELD), &self.before);
        self.make(patience, number, arguments)
    }

    /// From here on the call is a success with `argument`, whatever happens; `last` is still to be done.
    ///
    /// # Errors
    /// As [`Self::call`], but for what the calls fail with.
    pub(super) fn finish(&self, last: &[Call], argument: &[u8]) -> Result<(), GiveError> {
        let undo: Vec<Undo> = last.iter().map(|call| Undo::Call(call.0, call.1)).collect();
        self.ends(&undo, 0, argument);
        fault!("finish.begins");
        for (done, (number, arguments)) in last.iter().enumerate() {
            self.ends(undo.get(done + 1..).unwrap_or_default(), 0, argument);
            match self.make(SERVED, *number, arguments) {
                Ok(_) | Err(GiveError::Call(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn make(&self, patience: Duration, number: i64, arguments: &[u64]) -> Result<i64, GiveError> {
        let mut all = [0; 6];
        for (place, argument) in all.iter_mut().zip(arguments) {
            *place = *argument;
        }
        let own = Native::instruction(&self.registers).wrapping_sub(INSTRUCTION_LEN);
        let place = self.home.as_ref().map_or(own, Home::call);
        ptrace::set_registers(self.tid, &Native::call(&self.registers, place, number, all))?;
        fault!("call.set");
        self.to_syscall(patience)?; // the beginning
        fault!("call.began");
        self.to_syscall(patience)?; // the end
        fault!("call.ended");
        let result = Native::result(&ptrace::registers(self.tid)?);
        match i32::try_from(result) {
            Ok(errno @ -4095..0) => Err(GiveError::Call(Errno::from_raw(-errno))),
            _ => Ok(result),
        }
    }

    fn to_syscall(&self, patience: Duration) -> Result<(), GiveError> {
        let mut interrupted = false;
        ptrace::run_to_syscall(self.tid, 0)?;
        loop {
            match wait(self.tid, Instant::now() + patience) {
                Ok(Stop::Syscall) => return Ok(()),
                // A stop of the whole process; it takes effect when we let go.
                Ok(Stop::Held) => ptrace::run_to_syscall(self.tid, 0)?,
                // All are blocked; one that comes nevertheless is an exception that this
                // processor raised, and to be delivered.
                Ok(Stop::Signal(signal)) => ptrace::run_to_syscall(self.tid, signal)?,
                Ok(Stop::Ended) => return Err(GiveError::Gone),
                Err(GiveError::TimedOut) if !interrupted => {
                    ptrace::interrupt(self.tid)?;
                    interrupted = true;
                }
                Err(GiveError::TimedOut)
                    if Instant::now() < self.until && procfs::is_runnable(self.tid) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Lets the thread go: it comes back from its call, whose argument is as it is to be by now, with
    /// that or with an errno, and is otherwise as it was.
    ///
    /// # Errors
    /// [`GiveError::Gone`].
    pub(super) fn release(self, end: Result<&[u8], Errno>) -> Result<(), GiveError> {
        let result = end.map_or_else(failed, |_| 0);
        // From here on it ends so by itself, too.
        self.ends(&[], result, end.unwrap_or(&self.before));
        fault!("release.begins");
        ptrace::block_signals(self.tid, self.mask)?;
        fault!("release.mask");
        ptrace::set_registers(self.tid, &Native::returned(&self.registers, result))?;
        fault!("release.registers");
        Ok(ptrace::detach(self.tid, 0)?)
    }
}

/// As a system call gives it back.
fn failed(errno: Errno) -> i64 {
    -i64::from(errno as i32)
}

/// Whether `word`, as it lies in memory, begins with the instruction that makes a system call.
///
/// # Errors
/// [`GiveError::ForeignCall`].
fn is_call(word: u64) -> Result<(), GiveError> {
    let is = word.to_ne_bytes().starts_with(Native::INSTRUCTION);
    if is { Ok(()) } else { Err(GiveError::ForeignCall) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn only_the_native_instruction_is_one() {
        assert_eq!(is_call(u64::from_ne_bytes([0x0f, 0x05, 0xc3, 0, 0, 0, 0, 0])), Ok(()));
        let int80 = u64::from_ne_bytes([0xcd, 0x80, 0xc3, 0, 0, 0, 0, 0]);
        assert_eq!(is_call(int80), Err(GiveError::ForeignCall));
    }
}
