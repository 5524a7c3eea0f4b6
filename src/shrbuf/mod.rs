//! The shared buffer: memory with a reference count, named by a file descriptor.

/// One plane's memory as sources and sinks see it: copies only, never a reference into memory that
/// a client may change.
pub trait PlaneMemory {
    /// Its size in bytes.
    fn len(&self) -> usize;

    /// Whether it has no bytes at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies `bytes` to `offset`.
    ///
    /// # Errors
    /// `InvalidInput` where that is not all inside; else the memory's own.
    fn write_at(&self, offset: usize, bytes: &[u8]) -> std::io::Result<()>;

    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    /// As [`PlaneMemory::write_at`].
    fn read_at(&self, offset: usize, bytes: &mut [u8]) -> std::io::Result<()>;
}
