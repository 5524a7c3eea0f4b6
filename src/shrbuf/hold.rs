//! A reference of this process's to a buffer; dropped exactly once, by its type.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::entry::Entry;
use super::error::ExportError;
use super::export::ExportFlags;
use super::registry::Registry;

/// Whose reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Of the queue that allocated the buffer.
    Allocator,
    /// Of a queue that imported it.
    Importer,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Hold {
    entry: Arc<Entry>,
    registry: Arc<Registry>,
    kind: Kind,
}

impl Hold {
    /// The ledger counts it already.
    pub(super) fn new(entry: Arc<Entry>, registry: Arc<Registry>, kind: Kind) -> Self {
        Self { entry, registry, kind }
    }

    pub(super) fn entry(&self) -> &Arc<Entry> {
        &self.entry
    }

    pub(super) fn export(&self, flags: ExportFlags) -> Result<OwnedFd, ExportError> {
        if self.entry.is_foreign() {
            return Err(ExportError::Imported);
        }
        let fd = self.entry.export(flags)?;
        // Before anybody can have it, it must be known again.
        self.registry.ledger().index(&self.entry);
        Ok(fd)
    }

    pub(super) fn held_elsewhere(&self) -> bool {
        let imported =
            self.kind == Kind::Allocator && self.registry.ledger().importers(self.entry.id()) > 0;
        imported || self.entry.held_outside()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.registry.let_go(self.entry.id(), self.kind);
    }
}
