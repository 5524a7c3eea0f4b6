//! What can be mapped of one open file: its buffers' places, and the steps that keep programs'
//! mappings and buffers the same where they are not the same memory.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::fuse::{self, Pages};
use crate::courier::HELPER_NAME;
use crate::device::Place;
use crate::shrbuf::arena::Arena;
use crate::shrbuf::{AllocError, Buffer, Owner, PlaneMemory};
use crate::sys::fdinfo::{self, FileIdentity, Seen};

/// Bytes that are copied in one go.
const PIECE: usize = 1 << 20;

/// Threads whose processes are looked at first.
const CALLERS: usize = 4;

/// The file, from its first `REQBUFS` on.
#[derive(Debug)]
pub(super) struct MappedFile {
    arena: Arc<Arena>,
    /// Since the descriptor was swapped.
    opened: RwLock<Option<Arc<Opened>>>,
    seen: Mutex<Callers>,
}

/// The file on the private mount.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) pages: Pages,
    /// Device and inode, as `/proc/<pid>/maps` shows them.
    pub(super) identity: (u64, u64),
    /// The same file as descriptors show it.
    pub(super) file: FileIdentity,
}

#[derive(Debug, Default)]
struct Callers {
    /// Threads that made calls lately, the newest first.
    threads: VecDeque<u32>,
    /// The descriptor that was swapped: thread and number.
    swapped: Option<(u32, i32)>,
}

impl MappedFile {
    pub(super) fn new(arena: Arc<Arena>) -> Arc<Self> {
        Arc::new(Self { arena, opened: RwLock::default(), seen: Mutex::default() })
    }

    pub(super) fn arena(&self) -> &Arc<Arena> {
        &self.arena
    }

    pub(super) fn opened(&self) -> Option<Arc<Opened>> {
        self.opened.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The file was opened on the mount.
    pub(super) fn set_opened(&self, opened: Opened) {
        *self.opened.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(opened));
    }

    fn callers(&self) -> MutexGuard<'_, Callers> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread's descriptor `fd` is this file now.
    pub(super) fn swapped(&self, tid: u32, fd: i32) {
        self.callers().swapped = Some((tid, fd));
    }

    /// Threads whose mappings are looked at first, `tid` among them.
    pub(super) fn callers_with(&self, tid: u32) -> Vec<u32> {
        let mut callers = self.callers();
        callers.threads.retain(|known| *known != tid);
        callers.threads.push_front(tid);
        callers.threads.truncate(CALLERS);
        callers.threads.iter().copied().collect()
    }

    /// Whether the process that the descriptor was swapped in has it still.
    pub(super) fn is_open_there(&self) -> bool {
        let (Some((tid, fd)), Some(opened)) = (self.callers().swapped, self.opened()) else {
            return false;
        };
        Seen::of(tid, fd).is_ok_and(|seen| seen.identity == opened.file)
    }

    /// Whether any process has a descriptor of it; one that is in a socket is not seen, and a helper that
    /// has it for the moment of a swap does not count.
    pub(super) fn is_open_anywhere(&self) -> bool {
        self.opened()
            .is_some_and(|opened| fdinfo::has_anybody(opened.file, fuse::NAME, HELPER_NAME))
    }

    /// Gives back cached pages of buffers that are gone. It may wait for the mount's thread.
    pub(super) fn sweep(&self) {
        let Some(opened) = self.opened() else { return };
        self.arena.sweep(|range| {
            let gone = opened.pages.invalidate(range.start, range.end - range.start);
            gone.inspect_err(|errno| tracing::debug!("cached pages can't be dropped: {errno}"))
                .is_ok()
        });
    }

    /// Copies of pieces of a buffer that is cached, one after the other.
    fn pieces(
        &self,
        buffer: &Buffer,
        len: usize,
    ) -> Option<(Arc<Opened>, u64, impl Iterator<Item = Range<usize>> + use<>)> {
        let offset = self.arena.is_cached(buffer)?;
        let opened = self.opened()?;
        let len = len.min(buffer.len());
        let pieces = (0..len).step_by(PIECE).map(move |start| start..len.min(start + PIECE));
        Some((opened, offset, pieces))
    }
}

impl Place for MappedFile {
    fn allocate(&self, owner: &Owner, len: usize) -> Result<Buffer, AllocError> {
        self.arena.allocate(owner, len)
    }

    fn offset(&self, buffer: &Buffer) -> Option<u32> {
        self.arena.offset(buffer)
    }

    fn publish(&self, buffer: &Buffer, len: usize) {
        let Some((opened, offset, pieces)) = self.pieces(buffer, len) else { return };
        let mut bytes = vec![0; len.min(PIECE)];
        for piece in pieces {
            let Some(bytes) = bytes.get_mut(..piece.len()) else { return };
            let read = buffer.read_at(piece.start, bytes);
            if let Err(error) = read {
                tracing::warn!(buffer = %buffer.id(), "a frame can't be read: {error}");
                return;
            }
            if let Err(errno) = opened.pages.store(offset + piece.start as u64, bytes) {
                // Whoever mapped it is gone.
                tracing::debug!(buffer = %buffer.id(), "a frame can't be shown: {errno}");
                return;
            }
        }
    }

    fn collect(&self, buffer: &Buffer, len: usize) {
        let Some((opened, offset, pieces)) = self.pieces(buffer, len) else { return };
        for piece in pieces {
            let wanted = (offset + piece.start as u64, piece.len() as u64);
            let taken = opened.pages.retrieve(wanted.0, wanted.1, |at, bytes| {
                let within = at.saturating_sub(offset);
                let written = buffer.write_at(usize::try_from(within).unwrap_or(usize::MAX), bytes);
                if let Err(error) = written {
                    tracing::warn!(buffer = %buffer.id(), "a frame can't be taken: {error}");
                }
            });
            if let Err(errno) = taken {
                tracing::debug!(buffer = %buffer.id(), "a frame can't be had: {errno}");
                return;
            }
        }
    }
}
