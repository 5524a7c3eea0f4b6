//! The only place that knows a processor: how a system call is made, and what comes out of it.

use crate::sys::ptrace::Registers;

/// What the injection needs to know of a processor.
pub(super) trait Architecture {
    /// Whether the rest is real.
    const SUPPORTED: bool;
    /// The instruction that makes a system call.
    const INSTRUCTION: &'static [u8];

    /// Where the thread goes on.
    fn instruction(registers: &Registers) -> u64;
    /// Its stack pointer.
    fn stack(registers: &Registers) -> u64;
    /// The system call that it comes from: number and arguments.
    fn made(registers: &Registers) -> (i64, [u64; 6]);
    /// What that gave.
    fn result(registers: &Registers) -> i64;
    /// `at`, standing behind a system call instruction, makes that instruction once more with
    /// this number and these arguments.
    fn call(at: &Registers, number: i64, arguments: [u64; 6]) -> Registers;
    /// `at` comes back from its system call with `result`, and the kernel restarts nothing.
    fn returned(at: &Registers, result: i64) -> Registers;
}

/// This machine's processor.
pub(super) struct Native;

#[cfg(target_arch = "x86_64")]
impl Architecture for Native {
    const SUPPORTED: bool = true;
    const INSTRUCTION: &'static [u8] = &[0x0f, 0x05]; // syscall

    fn instruction(registers: &Registers) -> u64 {
        registers.rip
    }

    fn stack(registers: &Registers) -> u64 {
        registers.rsp
    }

    fn made(registers: &Registers) -> (i64, [u64; 6]) {
        let Registers { rdi, rsi, rdx, r10, r8, r9, .. } = *registers;
        (registers.orig_rax.cast_signed(), [rdi, rsi, rdx, r10, r8, r9])
    }

    fn result(registers: &Registers) -> i64 {
        registers.rax.cast_signed()
    }

    fn call(at: &Registers, number: i64, arguments: [u64; 6]) -> Registers {
        let [rdi, rsi, rdx, r10, r8, r9] = arguments;
        let rip = at.rip.wrapping_sub(Self::INSTRUCTION.len() as u64);
        let rax = number.cast_unsigned();
        Registers { rip, rax, orig_rax: u64::MAX, rdi, rsi, rdx, r10, r8, r9, ..*at }
    }

    fn returned(at: &Registers, result: i64) -> Registers {
        Registers { rax: result.cast_unsigned(), orig_rax: u64::MAX, ..*at }
    }
}

/// To be made real: `svc #0`, number in x8, arguments in x0…x5, result in x0; the number of a
/// running call is changed through `NT_ARM_SYSTEM_CALL`.
#[cfg(not(target_arch = "x86_64"))]
impl Architecture for Native {
    const SUPPORTED: bool = false;
    const INSTRUCTION: &'static [u8] = &[];

    fn instruction(_registers: &Registers) -> u64 {
        0
    }

    fn stack(_registers: &Registers) -> u64 {
        0
    }

    fn made(_registers: &Registers) -> (i64, [u64; 6]) {
        (-1, [0; 6])
    }

    fn result(_registers: &Registers) -> i64 {
        -1
    }

    fn call(at: &Registers, _number: i64, _arguments: [u64; 6]) -> Registers {
        *at
    }

    fn returned(at: &Registers, _result: i64) -> Registers {
        *at
    }
}
