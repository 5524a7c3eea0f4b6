//! All buffers of this process: who is charged for them, and which descriptor names which.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::backing::{Backings, Memory};
use super::buffer::{Buffer, BufferId};
use super::entry::{Entry, Origin};
use super::error::{AllocError, ImportError};
use super::foreign::Foreign;
use super::guess::Guesses;
use super::hold::{Hold, Kind};
use super::ledger::{Fate, Ledger, Remains};
use super::limits::{Charge, Limits};
use super::reaper::ring;
use crate::sys::dmabuf;
use crate::sys::fdinfo::{FdInfo, FileIdentity, Seen};
use crate::sys::memfd::page_rounded;

/// Who allocates, and is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The client's user.
    pub uid: u32,
    /// The node, by a number that the daemon gives (the `N` of `videoN`).
    pub node: u32,
}

/// What a caller's descriptor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A buffer known here, as an importer's reference: an export of ours, or a dma-buf of
    /// somebody else that is imported already.
    Ours(Buffer),
    /// A dma-buf not seen before: fetch it in a worker and call [`Registry::import_dmabuf`].
    Dmabuf,
    /// Anything else, closed descriptors included: `EINVAL`, never fetched.
    Other,
}

/// Sums over all buffers. All zero when every client has let go of everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accounting {
    /// Bytes of all buffers allocated here that are not free yet.
    pub bytes: u64,
    /// Number of those buffers.
    pub buffers: u64,
    /// Of those, the ones whose allocator let go.
    pub orphaned: u64,
    /// Descriptors given out for buffers that somebody outside still holds (exact zero; else an
    /// upper bound, since a holder of several may have closed some).
    pub exports: u64,
    /// Importers' references, to our buffers and to foreign dma-bufs.
    pub imports: u64,
}

/// All buffers of this process.
///
/// Locks: the ledger's, then an entry's gate; never the other way, and neither while a client
/// or a file system is asked for anything.
#[derive(Debug)]
pub struct Registry {
    limits: Limits,
    backings: Backings,
    ledger: Mutex<Ledger>,
    guesses: Guesses,
    /// Tells when a file of an orphan was closed. `None` where the kernel gives no more of these:
    /// orphans are then found by looking, once a second.
    closings: Option<Inotify>,
    /// Wakes the reaper's thread.
    bell: Mutex<Option<UnixStream>>,
}

impl Registry {
    /// An empty one.
    #[must_use]
    pub fn new(limits: Limits, backings: Backings) -> Arc<Self> {
        let closings = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)
            .inspect_err(|errno| tracing::warn!(%errno, "no inotify: orphans are freed later"))
            .ok();
        Arc::new(Self {
            limits,
            backings,
            ledger: Mutex::default(),
            guesses: Guesses::default(),
            closings,
            bell: Mutex::default(),
        })
    }

    /// The backing in use and what spoke against better ones.
    #[must_use]
    pub fn backings(&self) -> &Backings {
        &self.backings
    }

    /// A new buffer of at least `len` bytes, all zero and all present: touching it later neither
    /// waits nor fails. Frees orphans first where a limit is met.
    ///
    /// # Errors
    /// See [`AllocError::errno`]: `ENOMEM` over a limit or without memory, `EINVAL` for 0 bytes.
    pub fn allocate(self: &Arc<Self>, owner: &Owner, len: usize) -> Result<Buffer, AllocError> {
        self.allocate_by(owner, len, |bytes| self.backings.chosen().allocate(bytes))
    }

    /// The same, of memory that `make` makes: of whole pages, so many bytes of them.
    pub(super) fn allocate_by(
        self: &Arc<Self>,
        owner: &Owner,
        len: usize,
        make: impl FnOnce(usize) -> io::Result<Box<dyn Memory>>,
    ) -> Result<Buffer, AllocError> {
        let bytes = page_rounded(len).ok_or(AllocError::Length(len as u64))?;
        let wanted = bytes as u64;
        self.charge(*owner, wanted)?;
        let made = make(bytes);
        let mut ledger = self.ledger();
        match made {
            Ok(memory) => {
                let entry = ledger.insert(Origin::Allocated(*owner), memory);
                Ok(Buffer::new(Hold::new(entry, Arc::clone(self), Kind::Allocator)))
            }
            Err(source) => {
                ledger.refund(*owner, wanted);
                Err(AllocError::System { wanted, source })
            }
        }
    }

    /// What descriptor `fd` of thread `tid` is. Asks the kernel's tables only ([`Seen`], or where the
    /// descriptor is what it was before, [`kcmp`](crate::sys::kcmp)): never blocks on a file system or
    /// on a client, never fetches the descriptor; fit for a thread that serves requests.
    #[must_use]
    pub fn identify(self: &Arc<Self>, tid: u32, fd: i32) -> Identity {
        if let Some(buffer) = self.import_as_before(tid, fd) {
            return Identity::Ours(buffer);
        }
        let seen = match Seen::of(tid, fd) {
            Ok(seen) => seen,
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH)) => {
                return Identity::Other;
            }
            // Ours to mend: no descriptor left to look with, or no right to look.
            Err(error) => {
                tracing::warn!(tid, fd, %error, "a descriptor can't be looked at");
                return Identity::Other;
            }
        };
        // A mere name is told apart from a dma-buf opened with access mode 3 once it is fetched.
        let known = if seen.is_open { self.import_known(seen.identity) } else { None };
        match known {
            Some(buffer) => {
                if self.is_kept_as(buffer.id(), tid, fd) {
                    self.guesses.add(tid, fd, buffer.id());
                }
                Identity::Ours(buffer)
            }
            None if seen.looks_like_dmabuf() => Identity::Dmabuf,
            None => Identity::Other,
        }
    }

    /// An importer's reference to the dma-buf `fd`, which may be one of ours that came back. What
    /// is no dma-buf is recognised without asking a file system, but *closing* it may ask one: for
    /// a worker thread.
    ///
    /// # Errors
    /// See [`ImportError`]: `EINVAL`.
    pub fn import_dmabuf(self: &Arc<Self>, fd: OwnedFd) -> Result<Buffer, ImportError> {
        let info = FdInfo::own(fd.as_fd())?;
        if info.is_path() {
            return Err(ImportError::NotDmabuf);
        }
        if let Some(buffer) = self.import_known(info.identity) {
            return Ok(buffer);
        }
        if !dmabuf::is_dmabuf(fd.as_fd())? {
            return Err(ImportError::NotDmabuf);
        }
        let memory = Foreign::new(fd, info)?;
        let mut ledger = self.ledger();
        // Another worker may have been faster.
        let entry = match ledger.find(info.identity) {
            Some(entry) => entry,
            None => ledger.insert(Origin::Foreign, Box::new(memory)),
        };
        Ok(self.importer(&mut ledger, entry))
    }

    /// Frees the orphans that nobody holds any more; how many. A person who pins a dma-buf's
    /// pages by its name can make this wait for 155 ms (see [`Memfd::unpinned`]): not for a thread
    /// that serves requests.
    ///
    /// [`Memfd::unpinned`]: crate::sys::memfd::Memfd::unpinned
    pub fn reap(&self) -> usize {
        self.reap_orphans() + self.bury()
    }

    /// Without waiting.
    fn reap_orphans(&self) -> usize {
        // The question is a system call for each: asked without the ledger's lock first, so that
        // many orphans don't keep others waiting, and again with it before anything is freed.
        let orphans = self.ledger().abandoned();
        let free = orphans.into_iter().filter(|entry| !entry.held_outside());
        free.filter(|entry| self.settle(entry.id())).count()
    }

    /// The sums, after [`Registry::reap`], for whose threads it is too.
    #[must_use]
    pub fn accounting(&self) -> Accounting {
        self.reap();
        let mut sums = Accounting::default();
        let rows = {
            let ledger = self.ledger();
            for remains in ledger.remains() {
                sums.buffers += 1;
                sums.orphaned += 1;
                sums.bytes += remains.bytes;
            }
            ledger.rows()
        };
        for row in rows {
            sums.imports += row.importers;
            if row.entry.owner().is_some() {
                sums.buffers += 1;
                sums.bytes += row.entry.memory().len() as u64;
                sums.orphaned += u64::from(!row.allocated);
                sums.exports += row.entry.exports();
            }
        }
        sums
    }

    /// What is charged to a uid, orphans included.
    #[must_use]
    pub fn charged_to_uid(&self, uid: u32) -> Charge {
        self.ledger().uid(uid)
    }

    /// What of that are orphans: buffers that their allocator let go of.
    #[must_use]
    pub fn orphaned_of_uid(&self, uid: u32) -> Charge {
        self.ledger().orphaned(uid)
    }

    /// The uids that anything is charged to.
    #[must_use]
    pub fn charged_uids(&self) -> Vec<u32> {
        self.ledger().uids()
    }

    /// A node's own bound instead of [`Limits::node_bytes`].
    pub fn limit_node(&self, node: u32, bytes: u64) {
        self.ledger().limit_node(node, bytes);
    }

    /// The bounds.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// What is charged to a node: buffers that their allocators still have.
    #[must_use]
    pub fn charged_to_node(&self, node: u32) -> Charge {
        self.ledger().node(node)
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Readable when a file of an orphan was closed.
    pub(super) fn closings(&self) -> Option<BorrowedFd<'_>> {
        self.closings.as_ref().map(AsFd::as_fd)
    }

    /// Takes the events away: what they say is only "look again".
    pub(super) fn clear_closings(&self) {
        while self.closings.as_ref().is_some_and(|closings| closings.read_events().is_ok()) {}
    }

    pub(super) fn ring_when_orphaned(&self, bell: UnixStream) {
        *self.bell.lock().unwrap_or_else(PoisonError::into_inner) = Some(bell);
    }

    pub(super) fn forget_bell(&self) {
        *self.bell.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// A reference was dropped.
    pub(super) fn let_go(&self, id: BufferId, kind: Kind) {
        let abandoned = self.ledger().let_go(id, kind);
        if abandoned && !self.settle(id) {
            let bell = self.bell.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(bell) = bell.as_ref() {
                ring(bell);
            }
        }
    }

    /// Frees an abandoned buffer if nobody outside holds it, else has its files watched.
    pub(super) fn settle(&self, id: BufferId) -> bool {
        let removed = {
            let mut ledger = self.ledger();
            match ledger.remove_if_free(id) {
                Fate::Kept => return false,
                Fate::Free(entry) => entry,
                Fate::Abandoned => {
                    if !ledger.first_watch(id) || !self.watch(&ledger, id) {
                        return false;
                    }
                    // Whoever let go before the watch stood made no event.
                    match ledger.remove_if_free(id) {
                        Fate::Free(entry) => entry,
                        Fate::Kept | Fate::Abandoned => return false,
                    }
                }
            }
        };
        let left = removed.memory().release();
        let Some(owner) = removed.owner() else { return true };
        let bytes = removed.memory().len() as u64;
        // Charged until the pages are really back.
        match left {
            None => self.ledger().refund_uid(owner.uid, bytes),
            Some(file) => {
                self.ledger().add_remains(Remains { id, owner, bytes, file });
                return false;
            }
        }
        true
    }

    /// Refunds what was pinned and is not any more, up to the first that still is: to be told so
    /// takes the kernel a while.
    fn bury(&self) -> usize {
        let waiting = self.ledger().remains().count();
        let next = || self.ledger().next_remains();
        let free = |remains: &Remains| {
            remains.file.unpinned().unwrap_or_else(|error| {
                tracing::warn!(buffer = remains.id.0, %error, "who pins a buffer is unknown");
                false
            })
        };
        let asked = std::iter::from_fn(next).take(waiting);
        asked.take_while(free).filter(|remains| self.ledger().bury(remains.id)).count()
    }

    fn watch(&self, ledger: &Ledger, id: BufferId) -> bool {
        let (Some(closings), Some(entry)) = (&self.closings, ledger.get(id)) else { return false };
        let Some(file) = entry.memory().watched() else { return false };
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let watched = closings.add_watch(path.as_str(), AddWatchFlags::IN_CLOSE);
        watched.inspect_err(|errno| tracing::debug!(%errno, "an orphan can't be watched")).is_ok()
    }

    fn charge(&self, owner: Owner, bytes: u64) -> Result<(), AllocError> {
        let first = self.ledger().charge(&self.limits, owner, bytes);
        if first.is_err() && self.reap_orphans() > 0 {
            let second = self.ledger().charge(&self.limits, owner, bytes);
            return second.map_err(|limit| AllocError::Limit { limit, wanted: bytes });
        }
        first.map_err(|limit| AllocError::Limit { limit, wanted: bytes })
    }

    /// The buffer that the descriptor was when it was last looked at, if it is so still.
    fn import_as_before(self: &Arc<Self>, tid: u32, fd: i32) -> Option<Buffer> {
        let id = self.guesses.of(tid, fd)?;
        if !self.is_kept_as(id, tid, fd) {
            self.guesses.forget(tid, fd);
            return None;
        }
        let mut ledger = self.ledger();
        // The thread may have closed it since, and the buffer be free.
        let entry = Arc::clone(ledger.get(id)?);
        Some(self.importer(&mut ledger, entry))
    }

    fn is_kept_as(&self, id: BufferId, tid: u32, fd: i32) -> bool {
        let entry = self.ledger().get(id).cloned();
        entry.is_some_and(|entry| entry.memory().is_kept_as(tid, fd) == Some(true))
    }

    fn import_known(self: &Arc<Self>, identity: FileIdentity) -> Option<Buffer> {
        let mut ledger = self.ledger();
        let entry = ledger.find(identity)?;
        Some(self.importer(&mut ledger, entry))
    }

    fn importer(self: &Arc<Self>, ledger: &mut Ledger, entry: Arc<Entry>) -> Buffer {
        ledger.add_importer(entry.id());
        Buffer::new(Hold::new(entry, Arc::clone(self), Kind::Importer))
    }
}
