//! Which requests of a file with a position belong to one `read(2)` or `write(2)`.
//!
//! A passed-through file can't be a stream, so its requests come with the file's position, where
//! those of a character device begin at 0. The kernel makes several requests of a call that is longer
//! than one may be: of the same thread, one after the other, each but the last of full length. (Two
//! calls of exactly that length can't be told from one of twice the length, and are taken for it.)

use std::sync::{Mutex, PoisonError};

/// The last request of a file.
#[derive(Debug)]
pub(super) struct Pieces {
    last: Mutex<Option<Last>>,
    longest: u64,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    tid: u32,
    /// Where its call began, and where it ended.
    start: u64,
    end: u64,
    full: bool,
}

/// What a full request may lack: memory that does not begin with a page needs one page more.
const PAGE: u64 = 4096;

impl Pieces {
    /// Of a file whose requests have at most `longest` bytes.
    pub(super) fn new(longest: u32) -> Self {
        Self { last: Mutex::default(), longest: u64::from(longest) }
    }

    /// How many bytes the call of this request has had before.
    pub(super) fn before(&self, tid: u32, offset: u64, size: u64) -> u64 {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let goes_on = last.filter(|last| last.full && last.tid == tid && last.end == offset);
        let start = goes_on.map_or(offset, |last| last.start);
        let full = size > self.longest.saturating_sub(PAGE);
        *last = Some(Last { tid, start, end: offset.saturating_add(size), full });
        offset - start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_call_goes_on_and_others_begin_anew() {
        let pieces = Pieces::new(16384);
        assert_eq!(pieces.before(7, 100, 50), 0);
        assert_eq!(pieces.before(7, 150, 16384), 0, "the one before was not full");
        assert_eq!(pieces.before(7, 150 + 16384, 12289), 16384);
        assert_eq!(pieces.before(7, 150 + 16384 + 12289, 1), 16384 + 12289);
        assert_eq!(pieces.before(7, 28824, 16384), 0);
        assert_eq!(pieces.before(8, 28824 + 16384, 10), 0, "another thread");
        assert_eq!(pieces.before(8, 0, 16384), 0);
        assert_eq!(pieces.before(8, 5000, 10), 0, "taken in part");
        assert_eq!(pieces.before(8, u64::MAX, 10), 0);
    }
}
