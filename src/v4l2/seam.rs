//! Stand-ins until the queue's crate and the shared buffers are here.

/// One open file of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u64);

/// One call that may be parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// One plane's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buffer;
