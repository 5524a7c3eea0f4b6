//! A slice of a memory file that is mapped as a whole, beside exports that are other memory.
//!
//! Until its first export the slice is all the memory that there is: what is mapped and what is filled
//! are the same pages. At the first export memory of the backing's own is made, with the same bytes: its
//! *twin*. From then on the twin is the buffer, which exports and importers have, and the slice is what
//! those see who map the node. The two are brought in step when a frame is filled ([`Memory::publish`])
//! and before one is shown ([`Memory::collect`]).
//!
//! Nobody tells who has written where. So of each page of the slice a print is kept of what it was when
//! the two were last the same: where it is another now, somebody has written through the node's mapping,
//! and the slice's page holds; all other pages are the twin's.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use super::super::buffer::Segment;
use super::super::error::ExportError;
use super::super::export::ExportFlags;
use super::super::memory::PlaneMemory;
use super::slice::fresh;
use super::{Backing, Memory};
use crate::sys::fdinfo::FileKey;
use crate::sys::mapping::Mapping;
use crate::sys::memfd::{Memfd, page_size};

/// See the module.
#[derive(Debug)]
pub(in super::super) struct Twin {
    file: Arc<Memfd>,
    offset: u64,
    slice: Mapping,
    backing: Arc<dyn Backing>,
    /// From the first export on.
    twin: OnceLock<Box<dyn Memory>>,
    /// Held by who writes, and alone by who makes the twin: a frame that is just being written is to be
    /// in it as a whole.
    making: RwLock<()>,
    /// One for each page, once there is a twin.
    prints: Mutex<Vec<u64>>,
}

impl Twin {
    /// `len` bytes of `file` from `offset` on, zero and present. Exports are of `backing`.
    pub(in super::super) fn new(
        file: &Arc<Memfd>,
        backing: Arc<dyn Backing>,
        offset: u64,
        len: usize,
    ) -> io::Result<Self> {
        Ok(Self {
            file: Arc::clone(file),
            offset,
            slice: fresh(file, offset, len)?,
            backing,
            twin: OnceLock::new(),
            making: RwLock::default(),
            prints: Mutex::default(),
        })
    }

    fn twin(&self) -> Option<&dyn Memory> {
        self.twin.get().map(AsRef::as_ref)
    }

    fn prints(&self) -> MutexGuard<'_, Vec<u64>> {
        self.prints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The twin, made if there is none yet.
    fn made(&self) -> io::Result<&dyn Memory> {
        let _nobody_writes = self.making.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(twin) = self.twin() {
            return Ok(twin);
        }
        let twin = self.backing.allocate(self.slice.len())?;
        let mut prints = Vec::new();
        let mut page = vec![0; page_size()];
        for place in pages(self.slice.len()) {
            self.slice.read_at(place, &mut page)?;
            twin.plane().write_at(place, &page)?;
            prints.push(print(&page));
        }
        *self.prints() = prints;
        Ok(self.twin.get_or_init(|| twin).as_ref())
    }
}

impl PlaneMemory for Twin {
    fn len(&self) -> usize {
        self.slice.len()
    }

    fn write_at(&self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let _not_now = self.making.read().unwrap_or_else(PoisonError::into_inner);
        match self.twin() {
            Some(twin) => twin.plane().write_at(offset, bytes),
            None => self.slice.write_at(offset, bytes),
        }
    }

    fn read_at(&self, offset: usize, bytes: &mut [u8]) -> io::Result<()> {
        match self.twin() {
            Some(twin) => twin.plane().read_at(offset, bytes),
            None => self.slice.read_at(offset, bytes),
        }
    }
}

impl Memory for Twin {
    fn plane(&self) -> &dyn PlaneMemory {
        self
    }

    fn mapping(&self) -> Option<&Mapping> {
        self.twin().map_or(Some(&self.slice), Memory::mapping)
    }

    fn segments(&self) -> Vec<Segment> {
        let slice = Segment { offset: self.offset, len: self.slice.len() as u64 };
        self.twin().map_or_else(|| vec![slice], Memory::segments)
    }

    fn export(&self, flags: ExportFlags) -> Result<OwnedFd, ExportError> {
        self.made()?.export(flags)
    }

    fn held_outside(&self) -> io::Result<bool> {
        self.twin().map_or(Ok(false), Memory::held_outside)
    }

    fn is_kept_as(&self, tid: u32, fd: i32) -> Option<bool> {
        self.twin()?.is_kept_as(tid, fd)
    }

    fn files(&self) -> Vec<FileKey> {
        self.twin().map(Memory::files).unwrap_or_default()
    }

    fn shown_as(&self) -> Vec<FileKey> {
        self.twin().map(Memory::shown_as).unwrap_or_default()
    }

    fn watched(&self) -> Option<BorrowedFd<'_>> {
        self.twin()?.watched()
    }

    fn publish(&self, len: usize) -> io::Result<()> {
        let Some(twin) = self.twin() else { return Ok(()) };
        let mut prints = self.prints();
        let mut page = vec![0; page_size()];
        for (place, kept) in pages(len.min(self.slice.len())).zip(prints.iter_mut()) {
            twin.plane().read_at(place, &mut page)?;
            self.slice.write_at(place, &page)?;
            *kept = print(&page);
        }
        Ok(())
    }

    fn collect(&self, len: usize) -> io::Result<()> {
        let Some(twin) = self.twin() else { return Ok(()) };
        let mut prints = self.prints();
        let (mut ours, mut mapped) = (vec![0; page_size()], vec![0; page_size()]);
        for (place, kept) in pages(len.min(self.slice.len())).zip(prints.iter_mut()) {
            self.slice.read_at(place, &mut mapped)?;
            let now = print(&mapped);
            if now != *kept {
                twin.plane().write_at(place, &mapped)?;
                *kept = now;
                continue;
            }
            twin.plane().read_at(place, &mut ours)?;
            if ours != mapped {
                self.slice.write_at(place, &ours)?;
                *kept = print(&ours);
            }
        }
        Ok(())
    }

    fn release(&self) -> Option<Arc<Memfd>> {
        if let Err(error) = self.file.punch(self.offset, self.slice.len()) {
            tracing::warn!(%error, "pages of a memory file could not be given back at once");
        }
        self.twin()?.release()
    }
}

/// Where the pages begin that `len` bytes touch.
fn pages(len: usize) -> impl Iterator<Item = usize> {
    (0..len).step_by(page_size())
}

/// Tells a page's bytes from others, not against somebody who wants them to look the same: who does so
/// deceives only himself.
fn print(page: &[u8]) -> u64 {
    /// 2^64 by the golden ratio, odd: every bit of a word reaches many of the product's.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    page.chunks(8).fold(page.len() as u64, |sum, chunk| {
        let mut word = [0; 8];
        for (to, from) in word.iter_mut().zip(chunk) {
            *to = *from;
        }
        (sum.rotate_left(23) ^ u64::from_le_bytes(word)).wrapping_mul(SPREAD)
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::export::Access;
    use super::super::MemoryFiles;
    use super::*;

    const RDWR: ExportFlags = ExportFlags { access: Access::ReadWrite, cloexec: true };

    fn twin(pages: usize) -> (Twin, Arc<Memfd>) {
        let file = Arc::new(Memfd::sparse(64 * page_size()).expect("a file"));
        let backing = Arc::new(MemoryFiles);
        let offset = 4 * page_size() as u64;
        (Twin::new(&file, backing, offset, pages * page_size()).expect("a twin"), file)
    }

    /// What a program sees that maps the node.
    fn node(twin: &Twin, file: &Memfd) -> Mapping {
        Mapping::slice(file.own(), twin.offset, PlaneMemory::len(twin), true).expect("a mapping")
    }

    fn at(mapping: &Mapping, offset: usize) -> u8 {
        let mut byte = [0];
        mapping.read_at(offset, &mut byte).expect("inside");
        byte[0]
    }

    #[test]
    fn what_nobody_exported_is_what_is_mapped() {
        let (twin, file) = twin(2);
        let node = node(&twin, &file);
        twin.write_at(5, b"f").expect("inside");
        assert_eq!(at(&node, 5), b'f');
        node.write_at(page_size(), b"n").expect("inside");
        let mut byte = [0];
        twin.read_at(page_size(), &mut byte).expect("inside");
        assert_eq!(&byte, b"n");
        assert!(twin.files().is_empty() && !twin.held_outside().expect("nobody"));
        twin.publish(1).expect("nothing to do");
        twin.collect(1).expect("nothing to do");
        assert_eq!(file.present().expect("a number"), 2 * page_size() as u64);
    }

    /// The export has what was there, and each step brings what is new to the other side.
    #[test]
    fn an_export_and_the_mapping_agree_after_each_step() {
        let page = page_size();
        let (twin, file) = twin(3);
        let node = node(&twin, &file);
        node.write_at(page, b"before").expect("inside");
        let fd = twin.export(RDWR).expect("an export");
        let export = Mapping::new(std::os::fd::AsFd::as_fd(&fd), 3 * page, true).expect("mapped");
        assert_eq!(at(&export, page), b'b');
        assert!(twin.held_outside().expect("leases"));

        // A frame of two pages, the second not full.
        twin.write_at(0, &vec![b'F'; page + 10]).expect("inside");
        assert_eq!((at(&export, 0), at(&node, 0)), (b'F', 0), "not published yet");
        twin.publish(page + 10).expect("published");
        assert_eq!((at(&node, 0), at(&node, page + 9)), (b'F', b'F'));

        // Different pages by different ways: both are kept.
        export.write_at(7, b"e").expect("inside");
        node.write_at(page + 7, b"n").expect("inside");
        twin.collect(page + 10).expect("collected");
        for mapping in [&export, &node] {
            assert_eq!((at(mapping, 7), at(mapping, page + 7)), (b'e', b'n'));
        }
        // The mapping's page is no newer than the export's from now on.
        export.write_at(page + 7, b"E").expect("inside");
        twin.collect(page + 10).expect("collected");
        assert_eq!((at(&export, page + 7), at(&node, page + 7)), (b'E', b'E'));
        // Beyond the frame nothing is touched.
        export.write_at(2 * page, b"x").expect("inside");
        twin.collect(page + 10).expect("collected");
        assert_eq!(at(&node, 2 * page), 0);
    }

    #[test]
    fn released_pages_are_gone_on_both_sides() {
        let (twin, file) = twin(2);
        let fd = twin.export(RDWR).expect("an export");
        twin.write_at(0, &[1; 100]).expect("inside");
        assert!(twin.release().is_none());
        assert_eq!(file.present().expect("a number"), 0);
        assert_eq!(nix::sys::stat::fstat(&fd).expect("stat").st_blocks, 0);
    }

    /// A byte anywhere, and two that change places.
    #[test]
    fn prints_tell_pages_apart() {
        let page = vec![0_u8; page_size()];
        let zero = print(&page);
        for place in [0, 1, 7, 8, 4000, page.len() - 1] {
            let mut other = page.clone();
            other[place] = 1;
            assert_ne!(print(&other), zero, "byte {place}");
        }
        let [mut one, mut other] = [page.clone(), page];
        (one[0], one[8], other[0], other[8]) = (1, 2, 2, 1);
        assert_ne!(print(&one), print(&other));
    }
}
