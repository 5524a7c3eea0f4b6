//! Who holds which buffer, as a table for people.

use super::buffer::BufferId;
use super::holders::{Files, Holder};
use super::ledger::Slot;
use super::registry::{Owner, Registry};

/// Who looks at the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    /// Sees the holders of every uid.
    Root,
    /// Sees the holders that run under this uid only; the rows themselves (ids, lengths, counts)
    /// are shown to everybody.
    Uid(u32),
}

impl From<u32> for Viewer {
    fn from(uid: u32) -> Self {
        if uid == 0 { Self::Root } else { Self::Uid(uid) }
    }
}

/// What became of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its allocator has it.
    Live,
    /// Its allocator let go; importers, exports or mappings keep it.
    Orphan,
    /// Nobody can use it any more, but somebody keeps its pages by a name (`O_PATH`) of its
    /// dma-buf; whose that is can't be found out.
    Pinned,
    /// Somebody else's dma-buf, kept as long as it is imported.
    Foreign,
}

/// One buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub id: BufferId,
    /// Who is charged for it; `None` for a foreign dma-buf.
    pub owner: Option<Owner>,
    /// Bytes, page rounded.
    pub len: u64,
    /// What became of it.
    pub state: State,
    /// Descriptors given out since nobody outside held it; 0 when nobody does now (exact).
    pub exports: u64,
    /// References of importers in this process (queues of the nodes).
    pub importers: u64,
    /// Processes that hold an export or a mapping of one: names only. A descriptor in flight in
    /// a socket has no holder here, and a process may have let go since it was looked at.
    pub holders: Vec<Holder>,
}

impl Registry {
    /// All buffers by id, with the names of their holders. Reads `/proc` of every process, so it
    /// costs milliseconds: for a worker thread, never one that serves requests. Orphans that
    /// nobody holds any more are freed first.
    #[must_use]
    pub fn table(&self, viewer: Viewer) -> Vec<Row> {
        self.reap();
        let (slots, remains) = {
            let ledger = self.ledger();
            (ledger.rows(), ledger.remains().cloned().collect::<Vec<_>>())
        };
        let mut files = Files::default();
        for slot in &slots {
            for key in slot.entry.memory().shown_as() {
                files.add(key, slot.entry.id());
            }
        }
        let only = match viewer {
            Viewer::Root => None,
            Viewer::Uid(uid) => Some(uid),
        };
        let mut holders = files.holders(only);
        let row = |slot: Slot| Row {
            id: slot.entry.id(),
            owner: slot.entry.owner(),
            len: slot.entry.memory().len() as u64,
            state: match slot.entry.owner() {
                None => State::Foreign,
                Some(_) if slot.allocated => State::Live,
                Some(_) => State::Orphan,
            },
            exports: if slot.entry.is_foreign() { 0 } else { slot.entry.exports() },
            importers: slot.importers,
            holders: holders.remove(&slot.entry.id()).unwrap_or_default(),
        };
        let mut table: Vec<Row> = slots.into_iter().map(row).collect();
        table.extend(remains.into_iter().map(|remains| Row {
            id: remains.id,
            owner: Some(remains.owner),
            len: remains.bytes,
            state: State::Pinned,
            exports: 0,
            importers: 0,
            holders: Vec::new(),
        }));
        table.sort_by_key(|row| row.id);
        table
    }
}
