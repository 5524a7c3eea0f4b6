//! Who has mapped what: a look at `/proc/<pid>/maps`, since nobody tells of an `mmap`.
//!
//! It is taken before calls whose answer depends on it: those that let go of buffers (whoever maps one
//! then keeps it as it is), and those that say `V4L2_BUF_FLAG_MAPPED`. A buffer that was found to be
//! mapped is taken to be so until the next look; `QBUF` and `DQBUF` of such a one cost nothing.

use std::sync::Arc;

use zerocopy::FromBytes;

use super::call::Call;
use super::mapped::MappedFile;
use super::node::NodeShared;
use crate::courier::Worker;
use crate::v4l2::uapi::*;

/// Whose mappings are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Those of the processes that use the file.
    Callers,
    /// Everybody's.
    All,
}

/// The look that has to come before a call, if any.
pub(super) fn wanted(node: &NodeShared, call: &Call) -> Option<Look> {
    let look = match call.cmd() {
        VIDIOC_REQBUFS | VIDIOC_REMOVE_BUFS => Look::All,
        VIDIOC_QUERYBUF | VIDIOC_QBUF | VIDIOC_PREPARE_BUF => Look::Callers,
        _ => return None,
    };
    let mapped = node.files.mapped(call.file).filter(|mapped| mapped.opened().is_some())?;
    let device = node.device();
    if !device.has_own_buffers(call.file) {
        return None;
    }
    if matches!(call.cmd(), VIDIOC_QBUF | VIDIOC_PREPARE_BUF) {
        // At the first time only: a program maps its buffers before it queues them.
        let (buffer, _) = v4l2_buffer::read_from_prefix(&call.arg).ok()?;
        let planes = device.memory_of(buffer.index);
        if planes.iter().all(|plane| mapped.arena().looked_yet(plane)) {
            return None;
        }
    }
    Some(look)
}

/// Looks, if the call wants it. Returns the file that is to be swept after the call, which may let go
/// of buffers.
pub(super) fn look_first(
    node: &Arc<NodeShared>,
    worker: &mut Worker,
    call: &Call,
) -> Option<Arc<MappedFile>> {
    let (look, mapped) = (wanted(node, call)?, node.files.mapped(call.file)?);
    look_at(worker, &mapped, call.site.caller.tid, look);
    if look != Look::All {
        return None;
    }
    if mapped.arena().has_mapped() {
        // The call may let go of what was found to be mapped.
        node.services.lookout.watch().file(&mapped);
    }
    Some(mapped)
}

/// Looks at everybody's mappings of a file.
pub(super) fn look_at_all(worker: &mut Worker, mapped: &MappedFile) {
    let Some(opened) = mapped.opened() else { return };
    let (dev, ino) = opened.identity;
    match worker.maps(&[], dev, ino) {
        Ok(ranges) => {
            mapped.arena().looked(&ranges, true);
            mapped.sweep();
        }
        Err(errno) => tracing::warn!("who maps a file can't be seen: {errno}"),
    }
}

fn look_at(worker: &mut Worker, mapped: &MappedFile, tid: u32, look: Look) {
    let Some(opened) = mapped.opened() else { return };
    let (dev, ino) = opened.identity;
    let callers = mapped.callers_with(tid);
    if look == Look::Callers {
        match worker.maps(&callers, dev, ino) {
            // What was mapped and is not any more may be mapped by somebody else.
            Ok(ranges) if mapped.arena().looked(&ranges, false) => {}
            Ok(_) => return,
            Err(errno) => return tracing::warn!(tid, "who maps a file can't be seen: {errno}"),
        }
    }
    look_at_all(worker, mapped);
}
