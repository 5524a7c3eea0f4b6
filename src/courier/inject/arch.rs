//! The only place that knows a processor: how a system call is made, and what comes out of it.

use super::escape::{Ending, Undo};
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
    /// `at` makes a system call with this number and these arguments by the instruction at `place`.
    fn call(at: &Registers, place: u64, number: i64, arguments: [u64; 6]) -> Registers;
    /// `at` goes on at `place`, and the kernel restarts nothing.
    fn going_on(at: &Registers, place: u64) -> Registers;
    /// [`Self::INSTRUCTION`], and what puts a thread back behind it.
    fn ending(ending: &Ending<'_>) -> Option<Vec<u8>>;
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

    fn call(at: &Registers, place: u64, number: i64, arguments: [u64; 6]) -> Registers {
        let [rdi, rsi, rdx, r10, r8, r9] = arguments;
        let rax = number.cast_unsigned();
        Registers { rip: place, rax, orig_rax: u64::MAX, rdi, rsi, rdx, r10, r8, r9, ..*at }
    }

    fn returned(at: &Registers, result: i64) -> Registers {
        Registers { rax: result.cast_unsigned(), orig_rax: u64::MAX, ..*at }
    }

    fn going_on(at: &Registers, place: u64) -> Registers {
        Registers { rip: place, orig_rax: u64::MAX, ..*at }
    }

    // No flag is changed: `mov` changes none, and the kernel restores them.
    fn ending(ending: &Ending<'_>) -> Option<Vec<u8>> {
        let mut code = Code(Self::INSTRUCTION.to_vec());
        for undo in ending.undo {
            code.undo(*undo);
        }
        // The mask is read from the argument: not every kernel's calls read what lies in the vDSO.
        let (address, bytes) = ending.argument;
        code.store(address, &ending.mask.to_le_bytes())?;
        let set_mask = [libc::SIG_SETMASK as u64, address, 0, size_of::<u64>() as u64];
        code.call(libc::SYS_rt_sigprocmask, set_mask);
        code.store(address, bytes)?;
        let Registers { rdi, rsi, rdx, r10, r8, r9, rcx, r11, .. } = *ending.registers;
        let all = [(RDI, rdi), (RSI, rsi), (RDX, rdx), (R10, r10), (8, r8), (9, r9)];
        for (register, value) in all.into_iter().chain([(RCX, rcx), (R11, r11)]) {
            code.set(register, value);
        }
        code.set(RAX, ending.result.cast_unsigned());
        code.0.extend([0xff, 0x25, 0, 0, 0, 0]); // jmp *0(%rip)
        code.0.extend(ending.registers.rip.to_le_bytes());
        Some(code.0)
    }
}

/// Registers as instructions number them.
#[cfg(target_arch = "x86_64")]
const RAX: u8 = 0;
#[cfg(target_arch = "x86_64")]
const RCX: u8 = 1;
#[cfg(target_arch = "x86_64")]
const RDX: u8 = 2;
#[cfg(target_arch = "x86_64")]
const RSI: u8 = 6;
#[cfg(target_arch = "x86_64")]
const RDI: u8 = 7;
#[cfg(target_arch = "x86_64")]
const R10: u8 = 10;
#[cfg(target_arch = "x86_64")]
const R11: u8 = 11;

/// Instructions.
#[cfg(target_arch = "x86_64")]
struct Code(Vec<u8>);

#[cfg(target_arch = "x86_64")]
impl Code {
    /// `mov $value, %register`.
    fn set(&mut self, register: u8, value: u64) {
        let (high, low) = (register >> 3, 0xb8 | register & 7);
        if let Ok(value) = u32::try_from(value) {
            // The upper half becomes zero.
            if high > 0 {
                self.0.push(0x41);
            }
            self.0.push(low);
            self.0.extend(value.to_le_bytes());
        } else {
            self.0.extend([0x48 | high, low]);
            self.0.extend(value.to_le_bytes());
        }
    }

    fn call(&mut self, number: i64, [rdi, rsi, rdx, r10]: [u64; 4]) {
        let taken = match number {
            libc::SYS_close => 1,
            libc::SYS_munmap => 2,
            libc::SYS_dup3 => 3,
            _ => 4,
        };
        let all = [(RDI, rdi), (RSI, rsi), (RDX, rdx), (R10, r10)];
        for (register, value) in all.into_iter().take(taken) {
            self.set(register, value);
        }
        self.made(number);
    }

    fn made(&mut self, number: i64) {
        self.set(RAX, number.cast_unsigned());
        self.0.extend(Native::INSTRUCTION);
    }

    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::Call(number, arguments) => self.call(number, arguments),
            Undo::CloseAt(address) => {
                self.set(RDI, address);
                self.0.extend([0x8b, 0x3f]); // mov (%rdi), %edi
                self.made(libc::SYS_close);
            }
            Undo::CloseResult => {
                self.0.extend([0x89, 0xc7]); // mov %eax, %edi
                self.made(libc::SYS_close);
            }
            Undo::UnmapResult(len) => {
                self.0.extend([0x48, 0x89, 0xc7]); // mov %rax, %rdi
                self.set(RSI, len);
                self.made(libc::SYS_munmap);
            }
        }
    }

    /// Puts `bytes`, a multiple of four, to `address`.
    fn store(&mut self, address: u64, bytes: &[u8]) -> Option<()> {
        if bytes.len() > super::escape::MOST {
            return None;
        }
        self.set(RDI, address);
        for (place, word) in bytes.chunks(size_of::<u64>()).enumerate() {
            let offset = u8::try_from(place * size_of::<u64>()).ok()?;
            if let Some(word) = word.first_chunk() {
                self.set(RAX, u64::from_le_bytes(*word));
                self.0.extend([0x48, 0x89, 0x47, offset]); // mov %rax, offset(%rdi)
            } else {
                self.set(RAX, u32::from_le_bytes(*word.first_chunk()?).into());
                self.0.extend([0x89, 0x47, offset]); // mov %eax, offset(%rdi)
            }
        }
        Some(())
    }
}

/// Length of the instruction that makes a system call, in bytes.
pub(super) const INSTRUCTION_LEN: u64 = Native::INSTRUCTION.len() as u64;

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

    fn call(at: &Registers, _place: u64, _number: i64, _arguments: [u64; 6]) -> Registers {
        *at
    }

    fn going_on(at: &Registers, _place: u64) -> Registers {
        *at
    }

    fn ending(_ending: &Ending<'_>) -> Option<Vec<u8>> {
        None
    }

    fn returned(at: &Registers, _result: i64) -> Registers {
        *at
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::super::escape::{MOST, ROOM};
    use super::super::receive::number;
    use super::super::swap::PUT_BACK;
    use super::*;
    use crate::sys::ptrace;

    /// A number that takes the longest instruction.
    const LONG: u64 = 0x7fff_1234_5678_9abc;

    fn registers() -> Registers {
        let at = ptrace::no_registers();
        Registers { rip: LONG, rdi: 3, rsi: LONG, rdx: LONG, r10: LONG, r8: LONG, r9: LONG, ..at }
    }

    /// The longest that a swap can leave to be undone.
    #[test]
    fn whatever_is_to_be_undone_there_is_room_for() {
        let add = Undo::Call(libc::SYS_epoll_ctl, [number(7), 1, number(5), LONG]);
        let mut undo = vec![Undo::Call(libc::SYS_dup3, [number(6), number(5), 0, 0])];
        undo.extend([add; PUT_BACK]);
        undo.extend([Undo::close(6), Undo::close(7)]);
        undo.push(Undo::Call(libc::SYS_munmap, [LONG, 4096, 0, 0]));
        let (mask, registers) = (u64::MAX, Registers { rcx: LONG, r11: LONG, ..registers() });
        let argument = (LONG, &[0xa5; MOST][..]);
        let ending = Ending { undo: &undo, argument, mask, registers: &registers, result: -5 };
        let code = Native::ending(&ending).expect("instructions");
        assert!(code.len() <= ROOM, "{} bytes", code.len());
    }

    #[test]
    fn the_instructions_are_the_processors() {
        let registers = registers();
        let undo = [Undo::CloseAt(0x1000), Undo::CloseResult, Undo::UnmapResult(4096)];
        let argument = (0x2000, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12][..]);
        let ending = Ending { undo: &undo, argument, mask: 4, registers: &registers, result: -5 };
        let mut expected = vec![0x0f, 0x05]; // syscall
        expected.extend([0xbf, 0, 0x10, 0, 0, 0x8b, 0x3f]); // mov $0x1000,%edi; mov (%rdi),%edi
        expected.extend([0xb8, 3, 0, 0, 0, 0x0f, 0x05]); // close
        expected.extend([0x89, 0xc7, 0xb8, 3, 0, 0, 0, 0x0f, 0x05]); // mov %eax,%edi; close
        expected.extend([0x48, 0x89, 0xc7, 0xbe, 0, 0x10, 0, 0]); // mov %rax,%rdi; mov $4096,%esi
        expected.extend([0xb8, 11, 0, 0, 0, 0x0f, 0x05]); // munmap
        expected.extend([0xbf, 0, 0x20, 0, 0, 0xb8, 4, 0, 0, 0]); // mov $0x2000,%edi; mov $4,%eax
        expected.extend([0x48, 0x89, 0x47, 0]); // mov %rax,(%rdi)
        expected.extend([0xbf, 2, 0, 0, 0, 0xbe, 0, 0x20, 0, 0, 0xba, 0, 0, 0, 0]);
        expected.extend([0x41, 0xba, 8, 0, 0, 0, 0xb8, 14, 0, 0, 0, 0x0f, 0x05]); // rt_sigprocmask
        expected.extend([0xbf, 0, 0x20, 0, 0, 0x48, 0xb8, 1, 2, 3, 4, 5, 6, 7, 8]);
        expected.extend([0x48, 0x89, 0x47, 0, 0xb8, 9, 10, 11, 12, 0x89, 0x47, 8]);
        let code = Native::ending(&ending).expect("instructions");
        assert_eq!(code[..expected.len()], expected);
        assert!(code.ends_with(&[&[0xff, 0x25, 0, 0, 0, 0][..], &LONG.to_le_bytes()].concat()));
    }
}
