//! The shared buffer: memory with a reference count, named by a file descriptor.
//!
//! [`Registry::allocate`] makes a [`Buffer`]; cloning one is `get`, dropping one is `put`.
//! [`Buffer::export`] gives a descriptor that embodies a reference of its own, and
//! [`Registry::identify`] (or [`Registry::import_dmabuf`]) finds the buffer behind a descriptor
//! again. A buffer whose allocator let go while others hold it is an *orphan*: it stays, and stays
//! charged to the uid that allocated it, until an exact check says that nobody holds it.
//!
//! No address of this process, no offset and no descriptor number leaves this room: what is told
//! to the outside are ids, lengths and counts.

pub mod arena;
pub mod backing;
mod buffer;
mod entry;
mod error;
mod export;
mod foreign;
mod guess;
mod hold;
pub mod holders;
mod ledger;
mod limits;
mod memory;
mod reaper;
mod registry;
mod table;
#[cfg(test)]
mod tests;

pub use backing::Backings;
pub use buffer::{Buffer, BufferId, Segment};
pub use error::{AllocError, ExportError, ImportError};
pub use export::{Access, ExportFlags};
pub use limits::{Charge, Limit, Limits};
pub use memory::{Behind, PlaneMemory};
pub use reaper::Reaper;
pub use registry::{Accounting, Identity, Owner, Registry};
pub use table::{Row, State, Viewer};
