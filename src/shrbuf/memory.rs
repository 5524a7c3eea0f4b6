//! What sources and sinks see of a plane: a length, and copies in and out.

use std::io;
use std::sync::{Mutex, PoisonError};

/// One plane's memory. Copies only, so that no one can keep a pointer into memory that others
/// change at any time.
pub trait PlaneMemory: Send + Sync {
    /// Bytes, page rounded where the memory is a real buffer.
    fn len(&self) -> usize;

    /// There is not one byte.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies `bytes` to `offset`.
    ///
    /// # Errors
    /// `EINVAL` when `offset + bytes.len()` lies beyond the end (nothing is copied then);
    /// `EFAULT` when the memory behind an imported dma-buf is gone, `EACCES` when that was opened
    /// read-only, `ETIMEDOUT` when its fence does not signal.
    fn write_at(&self, offset: usize, bytes: &[u8]) -> io::Result<()>;

    /// Copies from `offset` into `bytes`.
    ///
    /// # Errors
    /// As [`PlaneMemory::write_at`]; `EACCES` never.
    fn read_at(&self, offset: usize, bytes: &mut [u8]) -> io::Result<()>;
}

/// A plane's memory from `start` on: what lies in front of a picture (`v4l2_plane.data_offset`) is
/// none of it.
#[derive(Debug, Clone)]
pub struct Behind<M> {
    /// All of it.
    pub memory: M,
    /// Bytes that are left out.
    pub start: usize,
}

impl<M: PlaneMemory> PlaneMemory for Behind<M> {
    fn len(&self) -> usize {
        self.memory.len().saturating_sub(self.start)
    }

    fn write_at(&self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        self.memory.write_at(self.start.checked_add(offset).ok_or_else(beyond)?, bytes)
    }

    fn read_at(&self, offset: usize, bytes: &mut [u8]) -> io::Result<()> {
        self.memory.read_at(self.start.checked_add(offset).ok_or_else(beyond)?, bytes)
    }
}

/// The double: bytes on the heap.
impl PlaneMemory for Mutex<Vec<u8>> {
    fn len(&self) -> usize {
        self.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn write_at(&self, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let mut memory = self.lock().unwrap_or_else(PoisonError::into_inner);
        let end = offset.checked_add(bytes.len());
        let place = end.and_then(|end| memory.get_mut(offset..end)).ok_or_else(beyond)?;
        place.copy_from_slice(bytes);
        Ok(())
    }

    fn read_at(&self, offset: usize, bytes: &mut [u8]) -> io::Result<()> {
        let memory = self.lock().unwrap_or_else(PoisonError::into_inner);
        let end = offset.checked_add(bytes.len());
        let place = end.and_then(|end| memory.get(offset..end)).ok_or_else(beyond)?;
        bytes.copy_from_slice(place);
        Ok(())
    }
}

fn beyond() -> io::Error {
    io::Error::from_raw_os_error(libc::EINVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heap_memory_copies_inside_and_refuses_outside() {
        let memory = Mutex::new(vec![0; 4]);
        memory.write_at(1, &[7, 8]).expect("inside");
        let mut bytes = [0; 4];
        memory.read_at(0, &mut bytes).expect("inside");
        assert_eq!(bytes, [0, 7, 8, 0]);
        for (offset, len) in [(3, 2), (5, 0), (usize::MAX, 1)] {
            let error = memory.write_at(offset, &vec![1; len]).expect_err("outside");
            assert_eq!(error.raw_os_error(), Some(libc::EINVAL), "{offset} {len}");
            memory.read_at(offset, &mut vec![1; len]).expect_err("outside");
        }
    }

    #[test]
    fn what_lies_in_front_is_out_of_reach() {
        let behind = Behind { memory: Mutex::new(vec![1, 2, 3, 4]), start: 3 };
        assert_eq!(behind.len(), 1);
        behind.write_at(0, &[9]).expect("inside");
        let mut byte = [0];
        behind.read_at(0, &mut byte).expect("inside");
        assert_eq!(byte, [9]);
        behind.read_at(1, &mut byte).expect_err("outside");
        behind.read_at(usize::MAX, &mut byte).expect_err("outside");
        assert_eq!(behind.memory.into_inner().unwrap_or_default(), [1, 2, 3, 9]);
        assert_eq!(Behind { memory: Mutex::new(vec![0; 2]), start: 3 }.len(), 0);
    }
}
