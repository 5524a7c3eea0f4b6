//! The buffers of one open file, each at its place in the file that is mapped.
//!
//! Three kinds. Of [`ArenaKind::Copies`] the mapped file is a page cache: each buffer has its memory
//! elsewhere, and pages of the cache are made of it when they are touched. Of [`ArenaKind::Pages`] and
//! [`ArenaKind::Twins`] the buffers are slices of the memory file that is mapped; they differ in what
//! an export is.
//!
//! No arena is shared by open files: whoever maps every page of one sees what its owner may see. A
//! place is not used again while anybody may have it mapped: new ones lie behind the old ones until
//! the file's 4 GiB (`m.mem_offset` has 32 bits) are used up, and only then where buffers have been
//! that are wholly gone, and their pages with them ([`Arena::sweep`]). Between two lies a page that is nobody's.
//!
//! The kernel tells nobody of an `mmap`. So somebody looks at `/proc/<pid>/maps` when it matters, and
//! tells the arena ([`Arena::looked`]); until the next look that holds. A buffer whose queue lets go
//! of it while it is mapped is an orphan as if it had been exported.

mod places;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::fcntl::OFlag;

use super::backing::{Memory, Slice, Twin, Udmabufs};
use super::buffer::Buffer;
use super::error::AllocError;
use super::registry::{Owner, Registry};
use crate::sys::memfd::{Memfd, page_size};
use places::Places;

/// Bytes of the mapped file: what an `m.mem_offset` can name.
const SPACE: u64 = 1 << 32;

/// Bytes of a frame at most, by a wide margin: one of 8192x4320 in 32 bits.
const LONGEST_FRAME: u64 = 256 << 20;

/// How what is mapped and the buffers' memory are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArenaKind {
    /// They are not: the page cache has copies.
    Copies,
    /// They are the same pages, and so are exports.
    Pages,
    /// They are the same pages as long as nobody exports the buffer; see `backing/twin.rs`.
    Twins,
}

/// See the module. It lives as long as the open file, and its buffers may outlive it.
#[derive(Debug)]
pub struct Arena {
    registry: Arc<Registry>,
    pages: Option<Pages>,
    places: Mutex<Places>,
}

/// What an arena of slices has.
#[derive(Debug)]
struct Pages {
    file: Arc<Memfd>,
    /// What exports are made by; `None` where the registry's backing makes them.
    udmabufs: Option<Udmabufs>,
    /// Held by who asks who has the file open: see [`Memfd::alone`].
    asking: Mutex<()>,
}

impl Pages {
    fn new(udmabufs: Option<Udmabufs>) -> io::Result<Self> {
        let len = usize::try_from(SPACE).map_err(|_| io::Error::from_raw_os_error(libc::ENOMEM))?;
        Ok(Self { file: Arc::new(Memfd::sparse(len)?), udmabufs, asking: Mutex::default() })
    }
}

impl Arena {
    /// One whose pages are copies.
    #[must_use]
    pub fn copies(registry: &Arc<Registry>) -> Arc<Self> {
        let places = Mutex::new(Places::new(LONGEST_FRAME..SPACE));
        Arc::new(Self { registry: Arc::clone(registry), pages: None, places })
    }

    /// One of slices, which are exported by udmabuf.
    ///
    /// # Errors
    /// Those of `memfd_create(2)`, and of opening `/dev/udmabuf`.
    pub fn pages(registry: &Arc<Registry>) -> io::Result<Arc<Self>> {
        Ok(Self::of(registry, Pages::new(Some(Udmabufs::open()?))?))
    }

    /// One of slices, whose exports are other memory: the registry's backing makes it.
    ///
    /// # Errors
    /// Those of `memfd_create(2)`.
    pub fn twins(registry: &Arc<Registry>) -> io::Result<Arc<Self>> {
        Ok(Self::of(registry, Pages::new(None)?))
    }

    fn of(registry: &Arc<Registry>, pages: Pages) -> Arc<Self> {
        let places = Mutex::new(Places::new(0..SPACE));
        Arc::new(Self { registry: Arc::clone(registry), pages: Some(pages), places })
    }

    /// Which of the three.
    #[must_use]
    pub fn kind(&self) -> ArenaKind {
        match &self.pages {
            None => ArenaKind::Copies,
            Some(Pages { udmabufs: Some(_), .. }) => ArenaKind::Pages,
            Some(Pages { udmabufs: None, .. }) => ArenaKind::Twins,
        }
    }

    /// Of slices: the file that `mmap` is to be passed through to, open once more.
    ///
    /// # Errors
    /// Those of `open(2)`; `EINVAL` for copies.
    pub fn backing_file(&self) -> io::Result<OwnedFd> {
        let pages = self.pages.as_ref().ok_or(io::Error::from_raw_os_error(libc::EINVAL))?;
        pages.file.reopen((OFlag::O_RDWR | OFlag::O_CLOEXEC).bits())
    }

    /// The length of the mapped file, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        SPACE
    }

    /// Below this nothing is mapped: of copies, a `read(2)` of the file that was answered in part is
    /// continued by the kernel at the place in the page cache where the answer ended.
    #[must_use]
    pub fn first_offset(&self) -> u64 {
        if self.pages.is_some() { 0 } else { LONGEST_FRAME }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new buffer, at a place of its own.
    ///
    /// # Errors
    /// As [`Registry::allocate`]; [`AllocError::System`] (`ENOSPC`) where no place is free.
    pub fn allocate(&self, owner: &Owner, len: usize) -> Result<Buffer, AllocError> {
        let full = |wanted: usize| AllocError::System {
            wanted: wanted as u64,
            source: io::Error::from_raw_os_error(libc::ENOSPC),
        };
        let offset = self.places().reserve(len.saturating_add(page_size())).ok_or(full(len))?;
        let made = match &self.pages {
            None => self.registry.allocate(owner, len),
            Some(Pages { file, udmabufs, .. }) => self.registry.allocate_by(owner, len, |bytes| {
                let memory: Box<dyn Memory> = match udmabufs {
                    Some(udmabufs) => Box::new(Slice::new(file, udmabufs, offset, bytes)?),
                    None => {
                        let backing = self.registry.backings().shared();
                        Box::new(Twin::new(file, backing, offset, bytes)?)
                    }
                };
                Ok(memory)
            }),
        };
        let mut places = self.places();
        match made {
            Ok(buffer) => {
                places.take(offset, buffer.len(), buffer.entry());
                Ok(buffer)
            }
            Err(error) => {
                places.give_up(offset);
                Err(error)
            }
        }
    }

    /// Where a buffer lies: `m.mem_offset`, in bytes. `None` where it is not of this arena.
    #[must_use]
    pub fn offset(&self, buffer: &Buffer) -> Option<u32> {
        u32::try_from(self.places().find(buffer.id())?.0).ok()
    }

    /// Bytes for the page cache: somebody has touched the mapping there. What is no buffer's is zero.
    #[must_use]
    pub fn page_in(&self, offset: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let end = offset.saturating_add(len as u64);
        let found = self.places().cache(&(offset..end));
        for (place, entry) in found {
            // From where in the buffer to where in the answer.
            let (start, stop) = (place.start.max(offset), place.end.min(end));
            let to = |at: u64| usize::try_from(at - offset).unwrap_or(len).min(len);
            let from = usize::try_from(start - place.start).unwrap_or(usize::MAX);
            let Some(part) = bytes.get_mut(to(start)..to(stop)) else { continue };
            if let Err(error) = entry.memory().plane().read_at(from, part) {
                tracing::warn!(buffer = entry.id().0, "a page can't be read: {error}");
            }
        }
        bytes
    }

    /// Bytes that somebody has written through the mapping.
    pub fn page_out(&self, offset: u64, bytes: &[u8]) {
        let end = offset.saturating_add(bytes.len() as u64);
        let found = self.places().cache(&(offset..end));
        for (place, entry) in found {
            let (start, stop) = (place.start.max(offset), place.end.min(end));
            let of = |at: u64| usize::try_from(at - offset).unwrap_or(bytes.len());
            let to = usize::try_from(start - place.start).unwrap_or(usize::MAX);
            let Some(part) = bytes.get(of(start)..of(stop)) else { continue };
            if let Err(error) = entry.memory().plane().write_at(to, part) {
                tracing::warn!(buffer = entry.id().0, "a page can't be written: {error}");
            }
        }
    }

    /// Where a buffer lies whose pages are in the page cache: some of them were touched since it was
    /// made. Such a one has to be brought in step with them.
    #[must_use]
    pub fn is_cached(&self, buffer: &Buffer) -> Option<u64> {
        if self.pages.is_some() {
            return None;
        }
        let (offset, cached) = self.places().find(buffer.id())?;
        cached.then_some(offset)
    }

    /// Has `drop_pages` drop the cached pages of buffers that are gone: memory that is of no use to
    /// anybody. It says whether they are; until then no other buffer lies there.
    pub fn sweep(&self, mut drop_pages: impl FnMut(&Range<u64>) -> bool) {
        if self.pages.is_some() {
            return;
        }
        let stale = self.places().take_stale();
        for range in stale {
            let gone = drop_pages(&range);
            self.places().swept(&range, gone);
        }
    }

    /// A look has shown that these ranges of the file are mapped, and with `all` that nothing else is.
    /// `true`: something was mapped before, and these don't tell whether it still is.
    pub fn looked(&self, ranges: &[Range<u64>], all: bool) -> bool {
        let (unmapped, doubt) = self.places().looked(ranges, all);
        for id in unmapped {
            self.registry.settle(id);
        }
        if all {
            self.tidy(ranges);
        }
        doubt
    }

    /// Whether a look came since the buffer was made.
    #[must_use]
    pub fn looked_yet(&self, buffer: &Buffer) -> bool {
        self.places().was_looked_at(buffer.id())
    }

    /// Whether anything is mapped, as far as is known.
    #[must_use]
    pub fn has_mapped(&self) -> bool {
        !self.places().mapped().is_empty()
    }

    /// Whether an orphan is here that was mapped when that was last looked at: somebody should look
    /// now and then whether it still is.
    #[must_use]
    pub fn has_mapped_orphans(&self) -> bool {
        let mapped = self.places().mapped();
        let ledger = self.registry.ledger();
        mapped.into_iter().any(|id| ledger.is_orphan(id))
    }

    /// Of slices, once the file has no descriptor any more: whether it is mapped still. Exact.
    #[must_use]
    pub fn held(&self) -> bool {
        let Some(pages) = &self.pages else { return false };
        let _one_at_a_time = pages.asking.lock().unwrap_or_else(PoisonError::into_inner);
        !pages.file.alone().unwrap_or_else(|error| {
            tracing::warn!("who maps a file is unknown: {error}");
            false
        })
    }

    /// Nobody maps anything any more.
    pub fn unmapped(&self) {
        self.looked(&[], true);
    }

    /// Of slices: gives back what somebody has written where no buffer is.
    fn tidy(&self, mapped: &[Range<u64>]) {
        let Some(pages) = &self.pages else { return };
        let places = self.places();
        let present = pages.file.present().unwrap_or(0);
        if present <= places.bytes() {
            return;
        }
        for gap in places.gaps() {
            let len = usize::try_from(gap.end - gap.start).unwrap_or(0);
            let punched = pages.file.punch(gap.start, len);
            if let Err(error) = punched {
                tracing::warn!("pages beside buffers can't be given back: {error}");
                return;
            }
        }
        tracing::debug!(
            mapped = mapped.len(),
            "pages beside buffers were written to, and are gone"
        );
    }
}
