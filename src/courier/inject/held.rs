//! A thread that is held at the end of its `ioctl`, and can be made to make system calls.

use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::arch::{Architecture, Native};
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
}

impl Held {
    /// Takes over the request's thread, which stands still, if it does so behind the request's
    /// call, which succeeded. `seen` is where and how it made that call, if that is known.
    ///
    /// # Errors
    /// [`GiveError::Gone`] when the call failed by itself (nobody answered it);
    /// [`GiveError::Unexpected`] when it stands elsewhere. Nothing was changed then.
    pub(super) fn take(request: &Request, seen: Option<&Syscall>) -> Result<Self, GiveError> {
        let tid = request.tid;
        let registers = ptrace::registers(tid)?;
        let (number, arguments) = Native::made(&registers);
        let (instruction, stack) = (Native::instruction(&registers), Native::stack(&registers));
        site::is_this(request, number, arguments).map_err(|_| GiveError::Unexpected)?;
        if seen.is_some_and(|seen| (seen.instruction, seen.stack) != (instruction, stack)) {
            return Err(GiveError::Unexpected);
        }
        is_call(ptrace::peek(tid, instruction.wrapping_sub(INSTRUCTION_LEN))?)?;
        if Native::result(&registers) != 0 {
            return Err(GiveError::Gone);
        }
        let mask = ptrace::blocked_signals(tid)?;
        ptrace::block_signals(tid, ALL)?;
        Ok(Self { tid, registers, mask, until: Instant::now() + STARVED })
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

    /// Has the thread make a system call; arguments that are not given are 0.
    ///
    /// # Errors
    /// [`GiveError::Call`] with what the call failed with; [`GiveError::Gone`];
    /// [`GiveError::TimedOut`], after which the thread doesn't stand still.
    pub(super) fn call(&self, number: i64, arguments: &[u64]) -> Result<i64, GiveError> {
        self.call_within(CALL, number, arguments)
    }

    /// As [`Self::call`], for a call that may wait for the daemon.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub(super) fn call_served(&self, number: i64, arguments: &[u64]) -> Result<i64, GiveError> {
        self.call_within(SERVED, number, arguments)
    }

    fn call_within(
        &self,
        patience: Duration,
        number: i64,
        arguments: &[u64],
    ) -> Result<i64, GiveError> {
        let mut all = [0; 6];
        for (place, argument) in all.iter_mut().zip(arguments) {
            *place = *argument;
        }
        ptrace::set_registers(self.tid, &Native::call(&self.registers, number, all))?;
        self.to_syscall(patience)?; // the beginning
        self.to_syscall(patience)?; // the end
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

    /// Lets the thread go: it comes back from its call with `result`, and is otherwise as it was.
    ///
    /// # Errors
    /// [`GiveError::Gone`].
    pub(super) fn release(self, result: i64) -> Result<(), GiveError> {
        ptrace::set_registers(self.tid, &Native::returned(&self.registers, result))?;
        ptrace::block_signals(self.tid, self.mask)?;
        Ok(ptrace::detach(self.tid, 0)?)
    }
}

/// Length of the instruction that makes a system call, in bytes.
pub(super) const INSTRUCTION_LEN: u64 = Native::INSTRUCTION.len() as u64;

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
