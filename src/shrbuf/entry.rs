//! One buffer's memory and what was given out of it.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::backing::Memory;
use super::buffer::BufferId;
use super::error::ExportError;
use super::export::ExportFlags;
use super::registry::Owner;

/// Where a buffer comes from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    /// From [`super::Registry::allocate`].
    Allocated(Owner),
    /// An imported dma-buf of somebody else.
    Foreign,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Entry {
    id: BufferId,
    origin: Origin,
    memory: Box<dyn Memory>,
    /// Descriptors given out since nobody outside held one. The lock keeps exporting and asking
    /// who holds apart: a descriptor in the making would be missed, or a lease in its way.
    gate: Mutex<u64>,
    /// Somebody had it mapped through the node when that was last looked at.
    mapped: AtomicBool,
}

impl Entry {
    pub(super) fn new(id: BufferId, origin: Origin, memory: Box<dyn Memory>) -> Self {
        Self { id, origin, memory, gate: Mutex::new(0), mapped: AtomicBool::new(false) }
    }

    pub(super) fn id(&self) -> BufferId {
        self.id
    }

    pub(super) fn memory(&self) -> &dyn Memory {
        self.memory.as_ref()
    }

    pub(super) fn owner(&self) -> Option<Owner> {
        match self.origin {
            Origin::Allocated(owner) => Some(owner),
            Origin::Foreign => None,
        }
    }

    pub(super) fn is_foreign(&self) -> bool {
        matches!(self.origin, Origin::Foreign)
    }

    pub(super) fn export(&self, flags: ExportFlags) -> Result<OwnedFd, ExportError> {
        let mut exports = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let fd = self.memory.export(flags)?;
        *exports += 1;
        Ok(fd)
    }

    /// Whether anybody outside this process holds it. What was never given out is not asked for.
    pub(super) fn held_outside(&self) -> bool {
        self.is_mapped() || self.exports() > 0
    }

    /// Whether it is mapped through the node, as far as is known.
    pub(super) fn is_mapped(&self) -> bool {
        self.mapped.load(Ordering::Acquire)
    }

    /// A look has shown whether it is mapped; what was known before.
    pub(super) fn set_mapped(&self, mapped: bool) -> bool {
        self.mapped.swap(mapped, Ordering::AcqRel)
    }

    /// Descriptors given out, 0 when nobody outside holds one now.
    pub(super) fn exports(&self) -> u64 {
        let mut exports = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        if *exports > 0 || self.is_foreign() {
            match self.memory.held_outside() {
                Ok(true) if self.is_foreign() => return 1,
                Ok(true) => {}
                Ok(false) => *exports = 0,
                // No answer is no reason to free what somebody may use.
                Err(error) => tracing::warn!(buffer = self.id.0, %error, "holders are unknown"),
            }
        }
        *exports
    }
}
