//! Memory files that can be given to strangers: sealed, not to be opened by name, with an exact
//! answer to "does anybody else have it open?".

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, OFlag, SealFlag, fallocate, fcntl, open};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{SysconfVar, ftruncate, sysconf};

use super::lease;

/// What the files are called in `/proc/<pid>/maps`. For people: any process can name one so.
pub const NAME: &std::ffi::CStr = c"shrbuf";

/// Mode of a file that holders can't open by `/proc/<pid>/fd`: nobody may write, the owner may
/// read. Who got it read-only keeps it read-only.
const MODE: Mode = Mode::S_IRUSR;

/// Whoever maps the file can rely on its pages.
const SIZE_SEALS: SealFlag = SealFlag::F_SEAL_SHRINK.union(SealFlag::F_SEAL_GROW);

/// A memory file, sealed against growing, shrinking and further seals; mode 0400.
#[derive(Debug)]
pub struct Memfd {
    /// Not what `memfd_create` returned, which no lease is given on.
    own: OwnedFd,
    len: usize,
}

impl Memfd {
    /// A file of `len` zero bytes, rounded up to pages, all of them present.
    ///
    /// # Errors
    /// `EINVAL` for 0 bytes; `ENOMEM`, `ENOSPC`, `EMFILE` where there is no room.
    pub fn new(len: usize) -> io::Result<Self> {
        Self::made(len, true, SIZE_SEALS | SealFlag::F_SEAL_SEAL)
    }

    /// The same, but further seals can be set by whoever has it open for writing: nobody else
    /// may get it so before [`Memfd::forbid_seals`].
    ///
    /// # Errors
    /// As [`Memfd::new`].
    pub fn with_open_seals(len: usize) -> io::Result<Self> {
        Self::made(len, true, SIZE_SEALS)
    }

    /// A file of that length which has no memory and can get none: it is only somebody's to have.
    ///
    /// # Errors
    /// As [`Memfd::new`].
    pub fn token(len: usize) -> io::Result<Self> {
        Self::made(len, false, SIZE_SEALS | SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SEAL)
    }

    /// A file of that length in which nothing is present: [`Memfd::fill`] and [`Memfd::punch`] say
    /// what is.
    ///
    /// # Errors
    /// As [`Memfd::new`].
    pub fn sparse(len: usize) -> io::Result<Self> {
        Self::made(len, false, SIZE_SEALS | SealFlag::F_SEAL_SEAL)
    }

    fn made(len: usize, present: bool, seals: SealFlag) -> io::Result<Self> {
        let len = page_rounded(len).ok_or(Errno::EINVAL)?;
        let size = libc::off_t::try_from(len).map_err(|_| Errno::ENOMEM)?;
        let created = create()?;
        ftruncate(&created, size)?;
        if present {
            fallocate(&created, FallocateFlags::empty(), 0, size)?;
        }
        fcntl(&created, FcntlArg::F_ADD_SEALS(seals))?;
        let own = open_again(created.as_fd(), libc::O_RDWR | libc::O_CLOEXEC)?;
        fchmod(&own, MODE)?;
        lease::hush(own.as_fd())?;
        Ok(Self { own, len })
    }

    /// The file as this process has it; mappings and duplicates of it are no other holder.
    #[must_use]
    pub fn own(&self) -> BorrowedFd<'_> {
        self.own.as_fd()
    }

    /// Bytes, a multiple of the page size.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a memory file has at least one page")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Another description of the file, with these flags of `open(2)`.
    ///
    /// # Errors
    /// Those of `open(2)`; `EMFILE` when this process has no descriptor left.
    pub fn reopen(&self, flags: i32) -> io::Result<OwnedFd> {
        match open_again(self.own(), flags) {
            // Without CAP_DAC_OVERRIDE the mode binds us too. Opening the door for a moment
            // costs nothing: whoever may come in is our own user, who could chmod it as well.
            Err(error) if error.raw_os_error() == Some(libc::EACCES) => {
                fchmod(&self.own, MODE | Mode::S_IWUSR)?;
                let opened = open_again(self.own(), flags);
                fchmod(&self.own, MODE)?;
                opened
            }
            other => other,
        }
    }

    /// Whether nobody else can read, write or map it; see [`lease::alone`], also for threads.
    ///
    /// # Errors
    /// Those of [`lease::alone`].
    pub fn alone(&self) -> io::Result<bool> {
        lease::alone(self.own())
    }

    /// Forbids further seals, of a file made [`Memfd::with_open_seals`].
    ///
    /// # Errors
    /// `EPERM` where that was done before.
    pub fn forbid_seals(&self) -> io::Result<()> {
        fcntl(&self.own, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SEAL))?;
        Ok(())
    }

    /// Gives all pages from `kept` bytes on back; they then read as zero.
    ///
    /// # Errors
    /// Those of `fallocate(2)`; `EPERM` once [`Memfd::unpinned`] said yes.
    pub fn empty(&self, kept: usize) -> io::Result<()> {
        let number = |len: usize| libc::off_t::try_from(len).map_err(|_| Errno::EINVAL);
        let rest = self.len.saturating_sub(kept);
        if rest == 0 {
            return Ok(());
        }
        let how = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        Ok(fallocate(&self.own, how, number(kept)?, number(rest)?)?)
    }

    /// Makes a range present, and zero where it was not.
    ///
    /// # Errors
    /// Those of `fallocate(2)`: `ENOMEM`, `ENOSPC`.
    pub fn fill(&self, offset: u64, len: usize) -> io::Result<()> {
        self.allocate(FallocateFlags::empty(), offset, len)
    }

    /// Gives the pages of a range back; they then read as zero.
    ///
    /// # Errors
    /// Those of `fallocate(2)`.
    pub fn punch(&self, offset: u64, len: usize) -> io::Result<()> {
        let how = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        self.allocate(how, offset, len)
    }

    fn allocate(&self, how: FallocateFlags, offset: u64, len: usize) -> io::Result<()> {
        let offset = libc::off_t::try_from(offset).map_err(|_| Errno::EINVAL)?;
        let len = libc::off_t::try_from(len).map_err(|_| Errno::EINVAL)?;
        Ok(fallocate(&self.own, how, offset, len)?)
    }

    /// Bytes that are present.
    ///
    /// # Errors
    /// Those of `fstat(2)`.
    pub fn present(&self) -> io::Result<u64> {
        let stat = nix::sys::stat::fstat(&self.own)?;
        Ok(u64::try_from(stat.st_blocks).unwrap_or(0) * 512)
    }

    /// Whether nobody pins a page that the file still has, as a dma-buf over it does. The only way
    /// to ask is to forbid writing for ever; so this is asked when the file is no more of use.
    /// Waits for pins of a moment, up to 155 ms; not while the file is mapped for writing (`false`
    /// at once). The seals must be open.
    ///
    /// # Errors
    /// `EPERM` when they are not.
    pub fn unpinned(&self) -> io::Result<bool> {
        match fcntl(&self.own, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_WRITE)) {
            Ok(_) => Ok(true),
            Err(Errno::EBUSY) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// `len` rounded up to whole pages; `None` for 0 and for what has no address.
#[must_use]
pub fn page_rounded(len: usize) -> Option<usize> {
    let rounded = len.checked_next_multiple_of(page_size())?;
    (rounded > 0 && isize::try_from(rounded).is_ok()).then_some(rounded)
}

/// Bytes of a page.
#[must_use]
pub fn page_size() -> usize {
    let asked = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    asked.and_then(|size| usize::try_from(size).ok()).filter(|size| *size > 0).unwrap_or(4096)
}

/// Never executable where the kernel knows of that (Linux 6.3): a seal that would let a holder
/// turn a frame into a program is then out of reach.
fn create() -> nix::Result<OwnedFd> {
    /// `MFD_NOEXEC_SEAL` of `<linux/memfd.h>`.
    const NOEXEC_SEAL: MFdFlags = MFdFlags::from_bits_retain(0x8);
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    match memfd_create(NAME, flags | NOEXEC_SEAL) {
        Err(Errno::EINVAL) => memfd_create(NAME, flags),
        other => other,
    }
}

fn open_again(fd: BorrowedFd<'_>, flags: i32) -> io::Result<OwnedFd> {
    let path = PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    Ok(open(&path, OFlag::from_bits_retain(flags), Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd::{Whence, lseek};
    use std::time::{Duration, Instant};

    #[test]
    fn lengths_are_rounded_up_to_pages() {
        let page = page_size();
        for (len, expected) in [(1, page), (page, page), (page + 1, 2 * page)] {
            let file = Memfd::new(len).expect("a file");
            assert_eq!(file.len(), expected);
            let end = lseek(file.own(), 0, Whence::SeekEnd).expect("seek");
            assert_eq!(usize::try_from(end).ok(), Some(expected));
        }
        assert_eq!(page_rounded(0), None);
        assert_eq!(page_rounded(usize::MAX), None);
        assert_eq!(Memfd::new(0).expect_err("none").raw_os_error(), Some(libc::EINVAL));
    }

    /// A holder could else cut the file under our mapping, or forbid us to write.
    #[test]
    fn a_writable_holder_can_neither_resize_nor_seal() {
        let file = Memfd::new(1).expect("a file");
        let export = file.reopen(libc::O_RDWR).expect("a description");
        assert_eq!(ftruncate(&export, 0), Err(Errno::EPERM));
        assert_eq!(ftruncate(&export, 1 << 20), Err(Errno::EPERM));
        let seal = FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_WRITE);
        assert_eq!(fcntl(&export, seal), Err(Errno::EPERM));
    }

    /// Each access mode on its own is seen, and so are those that are only mapped or in flight.
    #[test]
    fn alone_sees_every_description_that_can_be_used() {
        let file = Memfd::new(1).expect("a file");
        assert!(file.alone().expect("leases"));
        for flags in [libc::O_RDONLY, libc::O_WRONLY, libc::O_RDWR] {
            let export = file.reopen(flags).expect("a description");
            assert!(!file.alone().expect("leases"), "flags {flags}");
            drop(export);
            assert!(alone_soon(&file), "flags {flags}");
        }
        let duplicate = file.own().try_clone_to_owned().expect("dup");
        assert!(alone_soon(&file), "our own duplicate");
        drop(duplicate);
    }

    /// Another test may be starting a process just now, which has all our descriptors until it
    /// gets to its `exec`.
    fn alone_soon(file: &Memfd) -> bool {
        let deadline = Instant::now() + Duration::from_secs(5);
        while !file.alone().expect("leases") {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::yield_now();
        }
        true
    }

    #[test]
    fn a_token_has_its_length_and_no_memory() {
        let file = Memfd::token(5000).expect("a file");
        let export = file.reopen(libc::O_WRONLY).expect("a description");
        assert!(!file.alone().expect("leases"));
        assert_eq!(nix::unistd::write(&export, &[1]), Err(Errno::EPERM));
        let end = lseek(&export, 0, Whence::SeekEnd).expect("seek");
        assert_eq!(usize::try_from(end).ok(), page_rounded(5000));
        assert_eq!(nix::sys::stat::fstat(&export).expect("stat").st_blocks, 0);
    }

    /// A mapping for writing stands in for a pin: the kernel gives one answer to both.
    #[test]
    fn unpinned_is_said_once_nothing_has_the_pages() {
        let file = Memfd::with_open_seals(1).expect("a file");
        let mapping = crate::sys::mapping::Mapping::new(file.own(), file.len(), true);
        assert!(!file.unpinned().expect("seals are open"));
        drop(mapping);
        assert!(file.unpinned().expect("seals are open"));
        let closed = Memfd::new(1).expect("a file").unpinned().expect_err("closed");
        assert_eq!(closed.raw_os_error(), Some(libc::EPERM));
    }

    #[test]
    fn mode_is_0400_after_each_reopen() {
        let file = Memfd::new(1).expect("a file");
        let _export = file.reopen(libc::O_RDWR).expect("a description");
        let mode = nix::sys::stat::fstat(file.own()).expect("stat").st_mode;
        assert_eq!(mode & 0o7777, 0o400);
    }
}
