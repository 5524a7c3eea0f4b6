//! The swap: at its first `REQBUFS` or `CREATE_BUFS` of the queue's own memory, a caller's descriptor
//! becomes another file's, which can be mapped. It speaks the same ioctls on the same state.
//!
//! The call is carried out first, and the swap ends it. Where that can't be done, the allocation is
//! undone, and the caller gets the errno of [`GiveError`]: no buffers, and no ownership.

use std::os::fd::AsFd;
use std::sync::Arc;

use cuse_rs::Errno;
use vb2::{FileId, MemoryType};
use zerocopy::FromBytes;

use super::call::Call;
use super::doors::Door;
use super::fuse::{Content, Served};
use super::mapped::{MappedFile, Opened};
use super::node::NodeShared;
use super::served::MappedDoor;
use crate::courier::{GiveError, Worker};
use crate::device::Place;
use crate::shrbuf::arena::{Arena, ArenaKind};
use crate::sys::fdinfo::FdInfo;
use crate::v4l2::uapi::*;

/// Whether a call is about to make, or has made, buffers of the queue's own memory, which its caller
/// may want to map.
pub(super) fn allocates(call: &Call) -> bool {
    let (memory, count) = match call.cmd() {
        VIDIOC_REQBUFS => match v4l2_requestbuffers::read_from_prefix(&call.arg) {
            Ok((request, _)) => (request.memory, request.count),
            Err(_) => return false,
        },
        VIDIOC_CREATE_BUFS => match v4l2_create_buffers::read_from_prefix(&call.arg) {
            Ok((create, _)) => (create.memory, create.count),
            Err(_) => return false,
        },
        _ => return false,
    };
    memory == MemoryType::Mmap.raw() && count > 0
}

/// Makes the place where a file's buffers lie, if it is its first time.
pub(super) fn make_place(node: &NodeShared, file: FileId) -> Result<(), Errno> {
    if node.services.mount.is_none() {
        return Ok(());
    }
    let made = node.files.mapped_or(file, || {
        let registry = &node.services.registry;
        let arena = match node.services.mapping {
            ArenaKind::Copies => Arena::copies(registry),
            ArenaKind::Pages => Arena::pages(registry)?,
            ArenaKind::Twins => Arena::twins(registry)?,
        };
        Ok::<_, std::io::Error>(MappedFile::new(arena))
    });
    match made {
        Ok(Some(mapped)) => {
            node.device().set_place(file, mapped as Arc<dyn Place>);
            Ok(())
        }
        Ok(None) => Ok(()),
        Err(error) => {
            tracing::warn!(node = node.name, "no memory that can be mapped: {error}");
            Err(Errno::ENOMEM)
        }
    }
}

/// What a call that has allocated is to end with, if its descriptor is not such a file yet.
pub(super) fn wanted(node: &NodeShared, call: &Call) -> Option<Arc<MappedFile>> {
    if call.door == Door::Fuse || !allocates(call) || node.files.is_swapped(call.file) {
        return None;
    }
    node.files.mapped(call.file)
}

/// Ends the call with the swap.
pub(super) fn run(
    node: &Arc<NodeShared>,
    worker: &mut Worker,
    call: Call,
    mapped: &Arc<MappedFile>,
) {
    let (file, site) = (call.file, call.site);
    fault!("swap.begins");
    let opened = open(node, file, mapped);
    fault!("swap.opened");
    let replacement = match opened {
        Ok(Some(replacement)) => replacement,
        // Another thread's call came first, and its swap is being made. If that fails, it takes these
        // buffers along: so would this call's own have done.
        Ok(None) => return call.succeed(),
        Err(errno) => {
            tracing::warn!(node = node.name, "no file that can be mapped: {errno}");
            return refuse(node, call, errno);
        }
    };
    let (number, argument) = (node.device_number, call.arg.clone());
    let swapped = worker.swap(&site, number, replacement, &argument, |ready| match ready {
        Ok(()) => call.held(),
        Err(errno) => refuse(node, call, errno),
    });
    fault!("swap.done");
    match swapped {
        Ok(fd) => {
            mapped.swapped(site.caller.tid, fd);
            tracing::debug!(tid = site.caller.tid, fd, "swapped for a file that can be mapped");
        }
        // Its argument could not be written to (`EFAULT`, and the buffers stay, as in the kernel), or it
        // has died, and its file goes with it.
        Err(GiveError::Gone | GiveError::Fault) => {}
        Err(error) => {
            node.undo_allocation(file);
            tell(node, site.caller.tid, site.caller.uid, &error);
        }
    }
}

/// The swap can't begin: the allocation is undone before the caller knows of it.
pub(super) fn refuse(node: &Arc<NodeShared>, call: Call, errno: Errno) {
    node.undo_allocation(call.file);
    call.fail(errno);
}

fn tell(node: &NodeShared, tid: u32, uid: u32, error: &GiveError) {
    tracing::info!(
        node = node.name,
        tid,
        uid,
        "REQBUFS refused, since the descriptor can't be made one that can be mapped: {error} ({}); \
         a program that never maps can say so (shrbuf_will_not_map() of <shrbuf.h>)",
        error.errno()
    );
}

/// Opens the file that takes the descriptor's place. `None`: it is open already.
fn open(
    node: &Arc<NodeShared>,
    file: FileId,
    mapped: &Arc<MappedFile>,
) -> Result<Option<std::os::fd::OwnedFd>, Errno> {
    let mount = node.services.mount.as_ref().ok_or(Errno::ENODEV)?;
    let arena = mapped.arena();
    let content = match arena.kind() {
        ArenaKind::Copies => Content::Cached { size: arena.size() },
        ArenaKind::Pages | ArenaKind::Twins => {
            let backing = arena.backing_file().map_err(errno)?;
            Content::Passthrough(backing, arena.size())
        }
    };
    let flags = node.nonblocking.opened((file, Door::Cuse)).unwrap_or(libc::O_RDWR as u32);
    if !node.files.enter(file) {
        return Ok(None);
    }
    node.nonblocking.open((file, Door::Fuse), flags);
    let door: Arc<dyn Served> = Arc::new(MappedDoor::new(node, file, mapped));
    match mount.open(door, content, flags & libc::O_ACCMODE as u32) {
        Ok(opened) => {
            let file = FdInfo::own(opened.fd.as_fd()).map_err(errno)?.identity;
            mapped.set_opened(Opened { pages: opened.pages, identity: opened.identity, file });
            Ok(Some(opened.fd))
        }
        Err(errno) => {
            node.release(file, Door::Fuse);
            Err(errno)
        }
    }
}

fn errno(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

impl NodeShared {
    fn undo_allocation(self: &Arc<Self>, file: FileId) {
        let mut device = self.device();
        if device.owns_queue(file) {
            device = self.frame_done(device);
        }
        device.undo_allocation(file);
        self.let_go(device);
    }
}
