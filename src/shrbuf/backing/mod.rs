//! Where buffers' memory comes from, and what an export of it is.
//!
//! | backing | an `O_RDWR` export is | other exports are |
//! | --- | --- | --- |
//! | `memfd` | a re-open of the plane's own sealed memory file | the same |
//! | `handle` | a file made elsewhere that shows that file, which can't be read or written | the same |
//! | `udmabuf` | a real dma-buf over that file's pages | re-opens of the file |
//! | `heap` | (double, for tests) | |

mod handle;
mod heap;
mod memfd;
mod slice;
mod token;
mod twin;
mod udmabuf;

pub use handle::{Handle, HandleMaker, Handles, Released};
pub use heap::Heap;
pub use memfd::MemoryFiles;
pub(super) use slice::Slice;
pub(super) use twin::Twin;
pub use udmabuf::Udmabufs;

use std::fmt::Debug;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::buffer::Segment;
use super::error::ExportError;
use super::export::ExportFlags;
use super::memory::PlaneMemory;
use crate::sys::fdinfo::FileKey;
use crate::sys::mapping::Mapping;
use crate::sys::memfd::Memfd;

/// A way of making memory.
pub trait Backing: Debug + Send + Sync {
    /// Its name in the configuration and in `shrbuf doctor`.
    fn name(&self) -> &'static str;

    /// New memory of `len` bytes (a multiple of the page size, not 0), zero and present.
    ///
    /// # Errors
    /// What the kernel says: `ENOMEM`, `EMFILE`, `ENOSPC`.
    fn allocate(&self, len: usize) -> io::Result<Box<dyn Memory>>;
}

/// One plane's memory.
pub trait Memory: Debug + Send + Sync {
    /// For copies in and out.
    fn plane(&self) -> &dyn PlaneMemory;

    /// Bytes.
    fn len(&self) -> usize {
        self.plane().len()
    }

    /// There is not one byte.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// This process's own mapping, where touching it can't fault.
    fn mapping(&self) -> Option<&Mapping>;

    /// Its pieces in order.
    fn segments(&self) -> Vec<Segment>;

    /// A descriptor that is a reference of its own.
    ///
    /// # Errors
    /// See [`ExportError`].
    fn export(&self, flags: ExportFlags) -> Result<OwnedFd, ExportError>;

    /// Whether anybody outside this process holds an export or a mapping of one, exactly. The
    /// caller lets no [`Memory::export`] run meanwhile.
    ///
    /// # Errors
    /// What the kernel says; the caller then takes it as held.
    fn held_outside(&self) -> io::Result<bool>;

    /// Whether descriptor `fd` of thread `tid` is the very file that this process keeps of the memory
    /// and has given out. `None` where there is none such (each export of a memory file is a file of
    /// its own, and keeping one would be a holder) or the kernel does not tell.
    fn is_kept_as(&self, _tid: u32, _fd: i32) -> Option<bool> {
        None
    }

    /// The files by which an export may come back.
    fn files(&self) -> Vec<FileKey>;

    /// The files by which `/proc` may show who holds it: those, and some that are closed and may be
    /// mapped still.
    fn shown_as(&self) -> Vec<FileKey> {
        self.files()
    }

    /// A file whose closing (inotify `IN_CLOSE`) tells that a holder let go, if there is one.
    fn watched(&self) -> Option<BorrowedFd<'_>>;

    /// The first `len` bytes are a new frame. Where what programs map of the node is other memory than
    /// this, they see the frame from now on. (The page cache is no memory: see
    /// [`Arena`](super::arena::Arena).)
    ///
    /// # Errors
    /// That a copy was not possible.
    fn publish(&self, _len: usize) -> io::Result<()> {
        Ok(())
    }

    /// A frame of `len` bytes that a program may have written through such a mapping: it is here from
    /// now on.
    ///
    /// # Errors
    /// That a copy was not possible.
    fn collect(&self, _len: usize) -> io::Result<()> {
        Ok(())
    }

    /// Gives the pages back, called once when nobody holds the memory: dropping it alone would
    /// leave them to those who have only the file's name (`O_PATH`), which no count shows. What
    /// comes back is a file whose pages may be pinned still: they are free once that, dropped by
    /// everybody else here, says [`Memfd::unpinned`].
    fn release(&self) -> Option<Arc<Memfd>> {
        None
    }
}

/// The backing in use, and what spoke against the better ones.
#[derive(Debug, Clone)]
pub struct Backings {
    chosen: Arc<dyn Backing>,
    refused: Vec<(&'static str, String)>,
}

impl Backings {
    /// The best that this machine has: `udmabuf`, else `handle`, else `memfd`. `handles` is asked
    /// only where it matters, and says in words why there are none.
    #[must_use]
    pub fn probe(handles: impl FnOnce() -> Result<Handles, String>) -> Self {
        let memfd = Self::memfd();
        match Udmabufs::probe() {
            Ok(udmabufs) => Self { chosen: Arc::new(udmabufs), ..memfd },
            Err(error) => memfd.without_udmabuf(&error, handles()),
        }
    }

    fn without_udmabuf(mut self, error: &io::Error, handles: Result<Handles, String>) -> Self {
        let reason = format!(
            "{}: {error} (modprobe udmabuf; exports are then no dma-bufs for other drivers)",
            crate::sys::udmabuf::PATH
        );
        self.refused.push(("udmabuf", reason));
        match handles {
            Ok(handles) => self.chosen = Arc::new(handles),
            Err(reason) => self.refused.push(("handle", reason)),
        }
        self
    }

    /// Memory files only.
    #[must_use]
    pub fn memfd() -> Self {
        let refused = MemoryFiles::probe().err().map(|error| {
            let reason = format!(
                "who holds a buffer can't be told, so orphans are never freed: {error} (sysctl fs.leases-enable=1)"
            );
            ("memfd", reason)
        });
        Self { chosen: Arc::new(MemoryFiles), refused: refused.into_iter().collect() }
    }

    /// This one, whatever it is: for tests and for a configuration that names one.
    #[must_use]
    pub fn only(backing: Arc<dyn Backing>) -> Self {
        Self { chosen: backing, refused: Vec::new() }
    }

    /// The one in use.
    #[must_use]
    pub fn chosen(&self) -> &dyn Backing {
        self.chosen.as_ref()
    }

    /// The same, to be kept.
    pub(super) fn shared(&self) -> Arc<dyn Backing> {
        Arc::clone(&self.chosen)
    }

    /// Better ones that this machine does not have, each with the reason and the remedy.
    #[must_use]
    pub fn refused(&self) -> &[(&'static str, String)] {
        &self.refused
    }
}
