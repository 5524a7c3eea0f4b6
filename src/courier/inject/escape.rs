//! What a held thread does by itself when nobody comes back for it.
//!
//! The end of its tracer, by SIGKILL say, lets a thread go wherever it stands: between two calls that
//! are not its own, with all signals blocked. Nobody could stop it in time. So while it is held it
//! stands in front of a few instructions that put it back: they undo what the calls so far have done,
//! restore its signal mask and its registers, and end its own call with an errno. They are written
//! anew for each call, before it is made, with all numbers in them, and lie where every process has a
//! page that can be executed and is used by nobody: behind the end of the vDSO's ELF image, of which
//! the process then has a copy of its own. A process without a vDSO, or with too little room there, is
//! held without them.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use super::arch::{Architecture, INSTRUCTION_LEN, Native};
use crate::sys::process_vm;
use crate::sys::ptrace::Registers;

/// Room for one helper's instructions, in bytes. Of the daemon's three helpers each has a room of its
/// own in a process whose threads they hold at the same time, if there are three: the vDSO of Linux 6.18
/// leaves 1504 bytes, that of Debian's 6.12 less. Where there are fewer, helpers share them, which matters
/// only if one is killed that holds a thread while another holds one of the same process.
pub(super) const ROOM: usize = 496;

/// One step of undoing, after the call that was to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Undo {
    /// A system call.
    Call(i64, [u64; 4]),
    /// `close` of the number that lies at this address; -1 is none.
    CloseAt(u64),
    /// `close` of what the call gave.
    CloseResult,
    /// `munmap` of so many bytes at what the call gave.
    UnmapResult(u64),
}

impl Undo {
    /// `close` of this number.
    pub(super) fn close(fd: i32) -> Self {
        Self::Call(libc::SYS_close, [super::receive::number(fd), 0, 0, 0])
    }
}

/// How a thread ends that was left alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ending<'a> {
    /// What is done first.
    pub(super) undo: &'a [Undo],
    /// The argument of its own call: where it is, and how it begins then, 8 to [`MOST`] bytes.
    pub(super) argument: (u64, &'a [u8]),
    /// The signals that it blocks.
    pub(super) mask: u64,
    /// Its registers, but for the result.
    pub(super) registers: &'a Registers,
    /// What its own call gives.
    pub(super) result: i64,
}

/// As much of an argument is put back, in bytes: a `struct v4l2_exportbuffer`.
pub(super) const MOST: usize = 64;

/// The place of the instructions in one process.
#[derive(Debug)]
pub(super) struct Home {
    at: u64,
    memory: File,
}

impl Home {
    /// The room number `room` in the process of `tid`, if there is that much.
    pub(super) fn find(tid: u32, room: usize) -> Option<Self> {
        if !Native::SUPPORTED {
            return None;
        }
        let (start, end) = vdso(&fs::read(format!("/proc/{tid}/maps")).ok()?)?;
        let mut image = vec![0; usize::try_from(end.checked_sub(start)?).ok()?.min(1 << 16)];
        process_vm::read(tid, start, &mut image).ok()?;
        let used = start.checked_add(image_len(&image)?)?;
        let free = usize::try_from(end.checked_sub(used)?).ok()?;
        let room = room.checked_rem(free / ROOM)?; // none where there is no room
        let behind = u64::try_from(ROOM.checked_mul(room.checked_add(1)?)?).ok()?;
        let at = end.checked_sub(behind)?;
        let memory = File::options().write(true).open(format!("/proc/{tid}/mem")).ok()?;
        Some(Self { at, memory })
    }

    /// The instruction with which calls are made.
    pub(super) fn call(&self) -> u64 {
        self.at
    }

    /// What comes behind it.
    pub(super) fn ending(&self) -> u64 {
        self.at.wrapping_add(INSTRUCTION_LEN)
    }

    /// Writes the instructions. The thread, which stands still, is to find them wherever it goes on.
    /// `false`: the kernel doesn't let us.
    pub(super) fn write(&self, ending: &Ending<'_>) -> bool {
        let code = Native::ending(ending).filter(|code| code.len() <= ROOM);
        code.is_some_and(|code| self.memory.write_all_at(&code, self.at).is_ok())
    }
}

/// The range of the vDSO among a process's mappings.
fn vdso(maps: &[u8]) -> Option<(u64, u64)> {
    maps.split(|byte| *byte == b'\n').find_map(|line| {
        let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let addresses = std::str::from_utf8(words.next()?).ok()?;
        // Access, offset, device, inode: a file may have any name.
        if words.nth(3)? != b"0" || words.next()? != b"[vdso]" || words.next().is_some() {
            return None;
        }
        let (start, end) = addresses.split_once('-')?;
        let hex = |text| u64::from_str_radix(text, 16).ok();
        Some((hex(start)?, hex(end)?))
    })
}

/// How long an ELF image is: to the end of its section headers or of its last segment.
fn image_len(image: &[u8]) -> Option<u64> {
    let bytes = |at: u64, len: usize| {
        let at = usize::try_from(at).ok()?;
        image.get(at..at.checked_add(len)?)
    };
    let word = |at: u64| Some(u64::from_le_bytes(*bytes(at, 8)?.first_chunk()?));
    let half = |at: u64| Some(u64::from(u16::from_le_bytes(*bytes(at, 2)?.first_chunk()?)));
    if bytes(0, 5)? != b"\x7fELF\x02" {
        return None;
    }
    let (segments, sections) = (word(32)?, word(40)?);
    let mut len = sections.checked_add(half(58)?.checked_mul(half(60)?)?)?;
    for number in 0..half(56)? {
        let header = segments.checked_add(number.checked_mul(half(54)?)?)?;
        let (offset, size) = (header.checked_add(8)?, header.checked_add(32)?);
        len = len.max(word(offset)?.checked_add(word(size)?)?);
    }
    Some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vdso_is_found_by_its_name() {
        let maps = b"7ffd1000-7ffd3000 r-xp 0 00:00 0   [vdso]\n7ffe-7fff r-xp 0 00:00 0 [x]\n";
        assert_eq!(vdso(maps), Some((0x7ffd_1000, 0x7ffd_3000)));
        assert_eq!(vdso(b"1-2 r-xp 0 00:01 7 [vdso]\n1-2 r-xp 0 00:01 7 /x [vdso]\n1-2\n"), None);
    }

    #[test]
    fn an_image_ends_with_its_headers_or_its_last_segment() {
        let mut image = vec![0; 256];
        image[..5].copy_from_slice(b"\x7fELF\x02");
        assert_eq!(image_len(&image), Some(0));
        image[32] = 64; // one segment header
        (image[54], image[56]) = (56, 1);
        (image[40], image[58], image[60]) = (100, 64, 2);
        assert_eq!(image_len(&image), Some(228));
        (image[64 + 8], image[64 + 32]) = (200, 40);
        assert_eq!(image_len(&image), Some(240));
        assert_eq!(image_len(&image[..70]), None);
        assert_eq!(image_len(b"\x7fELF\x01"), None);
    }
}
