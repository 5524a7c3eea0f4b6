//! The backing `handle`, over doubles of what makes the files.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, fchmod};

use super::*;
use crate::shrbuf::backing::{Handle, HandleMaker, Handles, Released};
use crate::sys::fdinfo::FileKey;
use crate::sys::memfd::Memfd;

/// A handle is a re-open of the memory file: its life is the kernel's, its inode isn't its own.
#[derive(Debug)]
struct Reopens;

impl HandleMaker for Reopens {
    fn open(
        &self,
        memory: BorrowedFd<'_>,
        _len: u64,
        access: Access,
        _released: Released,
    ) -> io::Result<Handle> {
        let fd = reopen(memory, access)?;
        let key = FileKey::own(fd.as_fd())?;
        Ok(Handle { fd, key })
    }
}

/// The file's mode binds who is not root.
fn reopen(memory: BorrowedFd<'_>, access: Access) -> io::Result<OwnedFd> {
    let flags = OFlag::from_bits_retain(flags(access).open_flags());
    let path = format!("/proc/self/fd/{}", memory.as_raw_fd());
    fchmod(memory, Mode::S_IRUSR | Mode::S_IWUSR)?;
    let opened = open(path.as_str(), flags, Mode::empty());
    fchmod(memory, Mode::S_IRUSR)?;
    Ok(opened?)
}

/// The registries' tests run over it, too.
pub(super) fn backings() -> Backings {
    Backings::only(Arc::new(Handles::probe(Arc::new(Reopens)).expect("leases")))
}

/// A handle is an inode of its own, with which the memory file is open until the test says that it is
/// closed.
#[derive(Debug, Default)]
struct Inodes {
    open: Mutex<Vec<Open>>,
    /// Closed as soon as they are made, and by nobody else.
    short_lived: bool,
}

struct Open {
    _inode: Memfd,
    _memory: OwnedFd,
    released: Released,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Open").finish_non_exhaustive()
    }
}

impl Inodes {
    fn open(&self) -> std::sync::MutexGuard<'_, Vec<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The `nth` of those that are open is closed.
    fn close(&self, nth: usize) {
        let closed = self.open().remove(nth);
        (closed.released)();
    }
}

impl HandleMaker for Inodes {
    fn open(
        &self,
        memory: BorrowedFd<'_>,
        len: u64,
        access: Access,
        released: Released,
    ) -> io::Result<Handle> {
        let inode = Memfd::token(len as usize)?;
        let fd = inode.reopen(flags(Access::WriteOnly).open_flags())?;
        let key = FileKey::own(fd.as_fd())?;
        let open = Open { _inode: inode, _memory: reopen(memory, access)?, released };
        if self.short_lived {
            (open.released)();
        } else {
            self.open().push(open);
        }
        Ok(Handle { fd, key })
    }
}

fn over(maker: &Arc<Inodes>) -> Arc<Registry> {
    // Not probed: the trial would wait for a close that no test says.
    let allocator = Backings::only(Arc::new(Handles::unproved(Arc::clone(maker) as _)));
    registry(allocator)
}

#[test]
fn each_handle_is_recognised_while_it_is_open_and_then_forgotten() {
    let maker = Arc::new(Inodes::default());
    let registry = over(&maker);
    let buffers = [(); 2].map(|()| registry.allocate(&OWNER, 1).expect("a buffer"));
    let alone = registry.ledger().known_files();
    let fds: Vec<OwnedFd> = (0..6).map(|n| export(&buffers[n % 2], Access::ReadWrite)).collect();
    for (n, fd) in fds.iter().enumerate() {
        assert_eq!(identify(&registry, fd), Identity::Ours(buffers[n % 2].clone()), "{n}");
    }
    assert_eq!(registry.ledger().known_files(), alone + 6);
    (0..5).for_each(|_| maker.close(0));
    assert!(!buffers[0].held_elsewhere() && buffers[1].held_elsewhere());
    for (n, fd) in fds.iter().enumerate() {
        let Some(id) = known(&registry, fd, &buffers) else { continue };
        assert_eq!(id, n % 2, "never another's");
    }
    // With the next export of each nothing is left of those that were.
    let again = [0, 1].map(|n| export(&buffers[n], Access::ReadOnly));
    assert_eq!(registry.ledger().known_files(), alone + 3);
    for (n, fd) in fds.iter().enumerate() {
        assert_eq!(known(&registry, fd, &buffers), (n == 5).then_some(1), "{n}");
    }
    drop(buffers);
    assert_eq!(registry.accounting().orphaned, 2);
    (0..3).for_each(|_| maker.close(0));
    drop(again);
    assert!(nothing_left(&registry));
    assert_eq!(registry.ledger().known_files(), 0);
}

fn known(registry: &Arc<Registry>, fd: &OwnedFd, buffers: &[Buffer; 2]) -> Option<usize> {
    match identify(registry, fd) {
        Identity::Ours(buffer) => buffers.iter().position(|one| *one == buffer),
        _ => None,
    }
}

/// A closed handle may be mapped still, and its name is kept for the table: not for ever, and not
/// of any number.
#[test]
fn closed_handles_are_shown_until_nobody_holds_the_buffer() {
    let maker = Arc::new(Inodes::default());
    let registry = over(&maker);
    let buffer = registry.allocate(&OWNER, 1).expect("a buffer");
    let memory = || buffer.entry().memory();
    let fds: Vec<OwnedFd> = (0..200).map(|_| export(&buffer, Access::ReadOnly)).collect();
    let keys = |fd: &OwnedFd| FileKey::own(fd.as_fd()).expect("a key");
    assert!(fds.iter().all(|fd| memory().shown_as().contains(&keys(fd))));
    (0..199).for_each(|_| maker.close(0));
    assert_eq!(memory().files().len(), 2, "the memory file, and the one that is open");
    assert!(memory().shown_as().contains(&keys(&fds[198])));
    assert!(memory().shown_as().len() < 100);
    assert!(buffer.held_elsewhere());
    maker.close(0);
    assert!(!buffer.held_elsewhere());
    assert_eq!(memory().shown_as().len(), 1);
}

/// `released` says that its descriptors are closed; a mapping holds the buffer all the same.
#[test]
fn a_released_handle_that_is_mapped_is_a_holder() {
    let maker = Arc::new(Inodes::default());
    let registry = over(&maker);
    let buffer = registry.allocate(&OWNER, 1).expect("a buffer");
    drop(export(&buffer, Access::ReadWrite));
    let Open { _memory: mapped, released, .. } = maker.open().remove(0);
    released();
    assert!(buffer.held_elsewhere(), "whatever the maker has said");
    drop(buffer);
    assert_eq!(registry.accounting().orphaned, 1);
    drop(mapped);
    assert!(nothing_left(&registry));
}

/// It may be closed before it is known here: nothing stays behind.
#[test]
fn a_handle_that_is_closed_at_once_is_not_remembered() {
    let maker = Arc::new(Inodes { short_lived: true, ..Inodes::default() });
    let registry = over(&maker);
    let buffer = registry.allocate(&OWNER, 1).expect("a buffer");
    let alone = registry.ledger().known_files();
    drop(export(&buffer, Access::ReadWrite));
    assert_eq!(registry.ledger().known_files(), alone);
    assert!(!buffer.held_elsewhere());
}

/// A descriptor that can't be made costs nothing but the call.
#[test]
fn what_the_maker_says_is_what_the_export_says() {
    #[derive(Debug)]
    struct Never;
    impl HandleMaker for Never {
        fn open(&self, _: BorrowedFd<'_>, _: u64, _: Access, _: Released) -> io::Result<Handle> {
            Err(Errno::ENODEV.into())
        }
    }
    let refused = Handles::probe(Arc::new(Never)).expect_err("no file");
    assert_eq!(refused.raw_os_error(), Some(libc::ENODEV));
    let registry = registry(Backings::only(Arc::new(Handles::unproved(Arc::new(Never)))));
    let buffer = registry.allocate(&OWNER, 1).expect("a buffer");
    let error = buffer.export(flags(Access::ReadWrite)).expect_err("no file");
    assert_eq!(error.errno(), Errno::ENODEV);
    assert!(!buffer.held_elsewhere());
    drop(buffer);
    assert!(nothing_left(&registry));
}

/// A maker whose files don't hold the memory file, or hold it for ever, is of no use.
#[test]
fn a_maker_whose_files_are_no_holders_is_refused() {
    for short_lived in [true, false] {
        let maker = Arc::new(Inodes { short_lived, ..Inodes::default() });
        let refused = Handles::probe(maker).expect_err("not exact");
        assert_eq!(refused.raw_os_error(), Some(libc::EOPNOTSUPP), "{short_lived}");
    }
}
