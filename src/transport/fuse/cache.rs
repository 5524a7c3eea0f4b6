//! A file's page cache, from the daemon's side.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use cuse_rs::{Errno, Fuse, Notifier};

use super::errno;
use super::files::Files;
use crate::sys::memfd::page_size;

/// How long the kernel may take to bring all that is asked for: it waits for nobody but the mount's
/// own thread.
const PATIENCE: Duration = Duration::from_secs(2);

/// Stores bytes into a file's page cache, and fetches them. From the file's release on all of it
/// fails, with `ENOENT`; and with `EINVAL` where the file is passed through and has no such cache.
#[derive(Clone)]
pub struct Pages {
    files: Weak<Files>,
    notifier: Notifier<Fuse>,
    nodeid: u64,
    /// The longest piece, in bytes.
    piece: u32,
}

impl Pages {
    pub(super) fn new(
        files: &Arc<Files>,
        notifier: Notifier<Fuse>,
        nodeid: u64,
        piece: u32,
    ) -> Self {
        Self { files: Arc::downgrade(files), notifier, nodeid, piece }
    }

    /// Puts bytes into the cache; who maps the file sees them at once. Of a page that is not
    /// cached yet only a whole one stays: of the others, [`Served::page_in`](super::Served::page_in)
    /// must know. Not on the mount's thread, which it may wait for.
    ///
    /// # Errors
    /// `ENOENT` and `ENODEV` when the file or the mount is gone, `EINVAL` beyond the file's end or
    /// before its first page; `ENOMEM`.
    pub fn store(&self, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
        self.files(offset, bytes.len() as u64)?;
        let mut at = offset;
        for piece in bytes.chunks(self.piece.max(1) as usize) {
            self.notifier.store(self.nodeid, at, piece).map_err(errno)?;
            at += piece.len() as u64;
        }
        Ok(())
    }

    /// Hands what is cached of `len` bytes at `offset` to `sink`, piece by piece (offset, bytes) and in
    /// ascending order. Returned are the holes: what is not cached, since nobody has touched it, or
    /// since the kernel has dropped it after [`Served::page_out`](super::Served::page_out). Not on
    /// the mount's thread, which brings the bytes.
    ///
    /// # Errors
    /// As [`Self::store`]; `ETIMEDOUT` when not all has come within two seconds.
    pub fn retrieve(
        &self,
        offset: u64,
        len: u64,
        mut sink: impl FnMut(u64, &[u8]),
    ) -> Result<Vec<Range<u64>>, Errno> {
        let files = self.files(offset, len)?;
        let deadline = Instant::now() + PATIENCE;
        let (sender, receiver) = sync_channel(1);
        let mut walk = Walk::new(offset..offset + len, self.piece, page_size() as u64);
        while let Some((at, size)) = walk.next() {
            let number = files.fetches.expect(sender.clone());
            let asked = self.notifier.retrieve(number, self.nodeid, at, size).map_err(errno);
            if asked.is_err() {
                files.fetches.forget(number);
            }
            asked?;
            let left = deadline.saturating_duration_since(Instant::now());
            let bytes = receiver.recv_timeout(left).map_err(|error| {
                files.fetches.forget(number);
                match error {
                    RecvTimeoutError::Timeout => Errno::ETIMEDOUT,
                    RecvTimeoutError::Disconnected => Errno::ENODEV,
                }
            })??;
            if !bytes.is_empty() {
                sink(at, &bytes);
            }
            walk.came(bytes.len() as u64);
        }
        Ok(walk.holes)
    }

    /// Drops `len` bytes at `offset` from the cache, and from mappings: the next touch asks
    /// [`Served::page_in`](super::Served::page_in). What programs have changed is written out
    /// first, so not on the mount's thread, which it waits for.
    ///
    /// # Errors
    /// As [`Self::store`].
    pub fn invalidate(&self, offset: u64, len: u64) -> Result<(), Errno> {
        self.files(offset, len)?;
        if len == 0 {
            return Ok(()); // to the kernel, this would be all
        }
        let number = |value: u64| i64::try_from(value).map_err(|_| Errno::EINVAL);
        let (offset, len) = (number(offset)?, number(len)?);
        self.notifier.inval_inode(self.nodeid, offset, len).map_err(errno)
    }

    /// The table, if this range of the file may be used from here and now.
    fn files(&self, offset: u64, len: u64) -> Result<Arc<Files>, Errno> {
        let files = self.files.upgrade().ok_or(Errno::ENODEV)?;
        if files.is_served_here() {
            return Err(Errno::EDEADLK);
        }
        let cached = files.cached(self.nodeid)?;
        let end = offset.checked_add(len).ok_or(Errno::EINVAL)?;
        if offset < cached.start || end > cached.end {
            return Err(Errno::EINVAL);
        }
        Ok(files)
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Pages").field("nodeid", &self.nodeid).finish_non_exhaustive()
    }
}

/// Which pieces to ask for, and what was not there.
#[derive(Debug)]
struct Walk {
    left: Range<u64>,
    piece: u64,
    page: u64,
    /// Bytes of the piece that was asked for last.
    asked: u64,
    holes: Vec<Range<u64>>,
}

impl Walk {
    fn new(range: Range<u64>, piece: u32, page: u64) -> Self {
        Self { left: range, piece: u64::from(piece).max(page), page, asked: 0, holes: Vec::new() }
    }

    /// The next piece: where, and how long.
    fn next(&mut self) -> Option<(u64, u32)> {
        let rest = self.left.end.checked_sub(self.left.start).filter(|rest| *rest > 0)?;
        // Whole pages but for the first, or the kernel would have one page more than it may send.
        let room = self.piece - self.left.start % self.page;
        self.asked = rest.min(room);
        Some((self.left.start, u32::try_from(self.asked).ok()?))
    }

    /// So many bytes of it came: fewer than asked for where the next page is not cached.
    fn came(&mut self, count: u64) {
        let missing = count < self.asked;
        self.left.start += count.min(self.asked);
        if missing {
            let hole = self.left.start;
            self.left.start = self.left.end.min((hole / self.page + 1) * self.page);
            match self.holes.last_mut().filter(|last| last.end == hole) {
                Some(last) => last.end = self.left.start,
                None => self.holes.push(hole..self.left.start),
            }
        }
    }
}

type Sender = SyncSender<Result<Vec<u8>, Errno>>;

/// Who waits for bytes of the page cache, by the number that they come under.
#[derive(Debug, Default)]
pub(super) struct Fetches(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    last: u64,
    by_number: HashMap<u64, Sender>,
    over: bool,
}

impl Fetches {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expect(&self, sender: Sender) -> u64 {
        let mut waiting = self.lock();
        waiting.last += 1;
        let number = waiting.last;
        if waiting.over {
            let _ = sender.try_send(Err(Errno::ENODEV)); // it has room for one
        } else {
            waiting.by_number.insert(number, sender);
        }
        number
    }

    fn forget(&self, number: u64) {
        self.lock().by_number.remove(&number);
    }

    pub(super) fn came(&self, number: u64, bytes: &[u8]) {
        let sender = self.lock().by_number.remove(&number);
        if let Some(sender) = sender {
            let _ = sender.try_send(Ok(bytes.to_vec())); // whoever asked may have given up
        }
    }

    /// Nothing comes any more.
    pub(super) fn end(&self) {
        let mut waiting = self.lock();
        waiting.over = true;
        for (_, sender) in waiting.by_number.drain() {
            let _ = sender.try_send(Err(Errno::ENODEV));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks over a cache that has some pages of 4 bytes; pieces of 8 bytes.
    fn walked(range: Range<u64>, cached: &[u64]) -> (Vec<Range<u64>>, Vec<Range<u64>>) {
        let mut walk = Walk::new(range, 8, 4);
        let mut came = Vec::new();
        while let Some((at, size)) = walk.next() {
            let end = at + u64::from(size);
            assert!(size > 0 && end.div_ceil(4) - at / 4 <= 2, "{at} {size}");
            let there = (at..end).take_while(|byte| cached.contains(&(byte / 4))).count() as u64;
            if there > 0 {
                came.push(at..at + there);
            }
            walk.came(there);
        }
        (came, walk.holes)
    }

    #[test]
    fn what_is_cached_comes_and_the_rest_is_holes() {
        assert_eq!(walked(0..20, &[0, 1, 2, 3, 4]), (vec![0..8, 8..16, 16..20], vec![]));
        assert_eq!(walked(2..11, &[0, 1, 2]), (vec![2..8, 8..11], vec![]));
        assert_eq!(walked(0..20, &[1, 4]), (vec![4..8, 16..20], vec![0..4, 8..16]));
        assert_eq!(walked(3..21, &[2, 4]), (vec![8..12, 16..20], vec![3..8, 12..16, 20..21]));
        assert_eq!(walked(5..5, &[1]), (vec![], vec![]));
        assert_eq!(walked(1..18, &[0, 2, 4]), (vec![1..4, 8..12, 16..18], vec![4..8, 12..16]));
    }

    #[test]
    fn bytes_come_to_who_asked_and_to_nobody_after_the_end() {
        let fetches = Fetches::default();
        let (sender, receiver) = sync_channel(1);
        let [first, second] = [(); 2].map(|()| fetches.expect(sender.clone()));
        fetches.forget(first);
        fetches.came(first, b"late");
        fetches.came(second, b"bytes");
        fetches.came(second, b"twice");
        assert_eq!(receiver.try_recv(), Ok(Ok(b"bytes".to_vec())));
        receiver.try_recv().expect_err("no more");
        fetches.expect(sender.clone());
        fetches.end();
        assert_eq!(receiver.try_recv(), Ok(Err(Errno::ENODEV)));
        fetches.expect(sender);
        assert_eq!(receiver.try_recv(), Ok(Err(Errno::ENODEV)));
    }
}
