//! `ptrace(2)`: holding another thread still, and looking into and changing its registers.
//!
//! Everything here must be called from the one thread that seized. A seized thread is let go by
//! [`detach`], which works only while it stands still, or by the end of the seizing thread.

use std::io;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};

/// The registers of a thread.
pub type Registers = libc::user_regs_struct;

/// `PTRACE_O_SUSPEND_SECCOMP`: the thread's filters sleep while it is seized.
const SUSPEND_SECCOMP: libc::c_int = 1 << 21;

/// `PTRACE_GETSIGMASK`, `PTRACE_SETSIGMASK`.
const GETSIGMASK: libc::c_uint = 0x420a;
const SETSIGMASK: libc::c_uint = 0x420b;

/// Size of the kernel's signal set in bytes.
const SIGNAL_SET: usize = 8;

/// Why a seized thread stands still, or that it doesn't exist any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// At the beginning or the end of a system call.
    Syscall,
    /// By [`interrupt`], or with its whole process (`SIGSTOP` and the like).
    Held,
    /// It is about to get this signal.
    Signal(i32),
    /// It has ended.
    Ended,
}

fn pid(tid: u32) -> Result<libc::pid_t, Errno> {
    match libc::pid_t::try_from(tid) {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(Errno::ESRCH),
    }
}

/// `PTRACE_SEIZE`: becomes the tracer of `tid`, which runs on. With `suspend_seccomp` its system
/// call filters are suspended.
///
/// # Errors
/// `EPERM` when it is traced already, or the right is missing (also for the suspension);
/// `EINVAL` when the kernel knows no suspension; `ESRCH`.
pub fn seize(tid: u32, suspend_seccomp: bool) -> Result<(), Errno> {
    let options = libc::PTRACE_O_TRACESYSGOOD | if suspend_seccomp { SUSPEND_SECCOMP } else { 0 };
    // SAFETY: PTRACE_SEIZE takes plain numbers: the thread, 0 and the options.
    let answer = unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid(tid)?, 0, options) };
    Errno::result(answer).map(drop)
}

/// `PTRACE_INTERRUPT`: `tid` is to stop at its next way back to user space.
///
/// # Errors
/// `ESRCH` when it is gone or not seized.
pub fn interrupt(tid: u32) -> Result<(), Errno> {
    // SAFETY: PTRACE_INTERRUPT takes the thread's number only.
    let answer = unsafe { libc::ptrace(libc::PTRACE_INTERRUPT, pid(tid)?, 0, 0) };
    Errno::result(answer).map(drop)
}

/// `PTRACE_SYSCALL`: lets `tid` run to the next beginning or end of a system call, with `signal`
/// delivered (0: none).
///
/// # Errors
/// `ESRCH` when it is gone or doesn't stand still.
pub fn run_to_syscall(tid: u32, signal: i32) -> Result<(), Errno> {
    // SAFETY: PTRACE_SYSCALL takes plain numbers: the thread, 0 and the signal.
    let answer = unsafe { libc::ptrace(libc::PTRACE_SYSCALL, pid(tid)?, 0, signal) };
    Errno::result(answer).map(drop)
}

/// `PTRACE_CONT`: lets `tid` run on, with `signal` delivered (0: none).
///
/// # Errors
/// `ESRCH` when it is gone or doesn't stand still.
pub fn run(tid: u32, signal: i32) -> Result<(), Errno> {
    // SAFETY: PTRACE_CONT takes plain numbers: the thread, 0 and the signal.
    let answer = unsafe { libc::ptrace(libc::PTRACE_CONT, pid(tid)?, 0, signal) };
    Errno::result(answer).map(drop)
}

/// `PTRACE_DETACH`: `tid` is free and runs on, with `signal` delivered (0: none).
///
/// # Errors
/// `ESRCH` when it is gone or doesn't stand still.
pub fn detach(tid: u32, signal: i32) -> Result<(), Errno> {
    // SAFETY: PTRACE_DETACH takes plain numbers: the thread, 0 and the signal.
    let answer = unsafe { libc::ptrace(libc::PTRACE_DETACH, pid(tid)?, 0, signal) };
    Errno::result(answer).map(drop)
}

/// Registers that are all zero, for tests.
#[cfg(test)]
pub(crate) fn no_registers() -> Registers {
    let found = std::mem::MaybeUninit::<Registers>::zeroed();
    // SAFETY: all fields are plain numbers, for which zero is one.
    unsafe { found.assume_init() }
}

/// The registers of `tid`, which stands still.
///
/// # Errors
/// `ESRCH` when it is gone or doesn't stand still.
pub fn registers(tid: u32) -> Result<Registers, Errno> {
    let mut found = std::mem::MaybeUninit::<Registers>::zeroed();
    registers_call(Direction::Get, pid(tid)?, found.as_mut_ptr())?;
    // SAFETY: all fields are plain numbers, and all bytes were zero before the kernel wrote.
    Ok(unsafe { found.assume_init() })
}

/// Gives `tid`, which stands still, these registers.
///
/// # Errors
/// `ESRCH` when it is gone or doesn't stand still.
pub fn set_registers(tid: u32, registers: &Registers) -> Result<(), Errno> {
    let mut copy = *registers;
    registers_call(Direction::Set, pid(tid)?, &raw mut copy)
}

#[derive(Clone, Copy)]
enum Direction {
    Get,
    Set,
}

/// User-mode Linux has these calls only.
#[cfg(target_arch = "x86_64")]
fn registers_call(
    direction: Direction,
    pid: libc::pid_t,
    registers: *mut Registers,
) -> Result<(), Errno> {
    let request = match direction {
        Direction::Get => libc::PTRACE_GETREGS,
        Direction::Set => libc::PTRACE_SETREGS,
    };
    // SAFETY: `registers` points to a whole `user_regs_struct` of the caller's.
    let answer = unsafe { libc::ptrace(request, pid, 0, registers) };
    Errno::result(answer).map(drop)
}

/// Other architectures have register sets.
#[cfg(not(target_arch = "x86_64"))]
fn registers_call(
    direction: Direction,
    pid: libc::pid_t,
    registers: *mut Registers,
) -> Result<(), Errno> {
    const NT_PRSTATUS: libc::c_int = 1;
    let request = match direction {
        Direction::Get => libc::PTRACE_GETREGSET,
        Direction::Set => libc::PTRACE_SETREGSET,
    };
    let mut part = libc::iovec { iov_base: registers.cast(), iov_len: size_of::<Registers>() };
    // SAFETY: `part` describes a whole `user_regs_struct` of the caller's.
    let answer = unsafe { libc::ptrace(request, pid, NT_PRSTATUS, &raw mut part) };
    Errno::result(answer).map(drop)
}

/// The signals that `tid`, which stands still, blocks.
///
/// # Errors
/// `ESRCH` when it is gone or doesn't stand still.
pub fn blocked_signals(tid: u32) -> Result<u64, Errno> {
    let mut mask = 0_u64;
    // SAFETY: `mask` is as large as said, and ours.
    let answer = unsafe { libc::ptrace(GETSIGMASK, pid(tid)?, SIGNAL_SET, &raw mut mask) };
    Errno::result(answer).map(|_| mask)
}

/// Has `tid`, which stands still, block these signals (`SIGKILL` and `SIGSTOP` excepted).
///
/// # Errors
/// `ESRCH` when it is gone or doesn't stand still.
pub fn block_signals(tid: u32, mask: u64) -> Result<(), Errno> {
    // SAFETY: `mask` is as large as said, and ours; the kernel only reads it.
    let answer = unsafe { libc::ptrace(SETSIGMASK, pid(tid)?, SIGNAL_SET, &raw const mask) };
    Errno::result(answer).map(drop)
}

/// The word at `address` of `tid`, which stands still; memory that can only be executed is read
/// too.
///
/// # Errors
/// `EIO` or `EFAULT` when nothing is there; `ESRCH` when it is gone or doesn't stand still.
pub fn peek(tid: u32, address: u64) -> Result<u64, Errno> {
    let mut word = 0_u64;
    let request = libc::PTRACE_PEEKDATA;
    // The library's function would return the word itself; the system call stores it.
    // SAFETY: `word` is ours and as large as the kernel's word.
    let answer =
        unsafe { libc::syscall(libc::SYS_ptrace, request, pid(tid)?, address, &raw mut word) };
    Errno::result(answer).map(|_| word)
}

/// How `tid` stands still, if it does by now.
///
/// # Errors
/// `ECHILD` when it is not seized by this thread (any more).
pub fn stop_of(tid: u32) -> Result<Option<Stop>, Errno> {
    let mut status = 0;
    let flags = libc::__WALL | libc::WNOHANG;
    // SAFETY: `status` is ours.
    let answer = unsafe { libc::waitpid(pid(tid)?, &raw mut status, flags) };
    if Errno::result(answer)? == 0 {
        return Ok(None);
    }
    if !libc::WIFSTOPPED(status) {
        return Ok(Some(Stop::Ended));
    }
    let (signal, event) = (libc::WSTOPSIG(status), status >> 16);
    Ok(Some(match (signal, event) {
        (_, libc::PTRACE_EVENT_STOP) => Stop::Held,
        (signal, _) if signal == libc::SIGTRAP | 0x80 => Stop::Syscall,
        (signal, _) => Stop::Signal(signal),
    }))
}

/// Takes note of what ended unnoticed, so that no zombie remains.
pub fn reap() {
    let flags = libc::__WALL | libc::WNOHANG;
    loop {
        // SAFETY: no status is asked for.
        let answer = unsafe { libc::waitpid(-1, std::ptr::null_mut(), flags) };
        if answer <= 0 {
            return;
        }
    }
}

/// Blocks `SIGCHLD` on this thread, as [`wait_for_change`] needs.
///
/// # Errors
/// None that `pthread_sigmask(3)` has.
pub fn watch_for_changes() -> io::Result<()> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGCHLD);
    Ok(set.thread_block()?)
}

/// Waits until a seized thread may have stopped, but no longer than `most`.
pub fn wait_for_change(most: Duration) {
    let mut set = SigSet::empty();
    set.add(Signal::SIGCHLD);
    let time = libc::timespec {
        tv_sec: libc::time_t::try_from(most.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: most.subsec_nanos().into(),
    };
    // The answer doesn't matter: whoever calls looks again, and at the clock.
    // SAFETY: the set and the time live through the call; no information is asked for.
    unsafe { libc::sigtimedwait(set.as_ref(), std::ptr::null_mut(), &raw const time) };
}
