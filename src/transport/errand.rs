//! What a worker does for a call: everything that the caller could hold up.
//!
//! An errand fetches what the call needs of the caller, has it dispatched, and writes back what
//! belongs to the caller, in this order and on one worker. It may also begin after the dispatch,
//! when a call turns out to have something to be written, or to have to wait.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use nix::errno::Errno;
use vb2::FileId;
use zerocopy::{FromBytes, IntoBytes};

use super::call::Call;
use super::node::{Fetched, Finish, NodeShared, Progress};
use super::user::{UserCopy, UserPiece, Wanted};
use super::{closing, looks, swap};
use crate::courier::Worker;
use crate::courier::ticket::ExportRequest;
use crate::device::CopyOut;
use crate::shrbuf::{Buffer, ExportFlags, Identity};
use crate::v4l2::uapi::{VIDIOC_EXPBUF, v4l2_exportbuffer};
use crate::v4l2::{self, Answer, Context, Needs, PlaneNeed};

/// A call with an array of `len` bytes in the caller's memory.
pub(super) fn with_memory(node: &Arc<NodeShared>, call: Call, len: usize) {
    submit(node, call, move |node, worker, mut call| {
        let address = call.nested_at.unwrap_or(0);
        match worker.read_memory(&call.site, address, len) {
            Ok(bytes) => call.set_array(bytes),
            Err(errno) => return call.fail(of_memory(errno)),
        }
        let needs = node.needs(&call);
        fetch_and_dispatch(node, worker, call, &needs);
    });
}

/// A call whose planes are the caller's.
pub(super) fn with_planes(node: &Arc<NodeShared>, call: Call, needs: Needs) {
    submit(node, call, move |node, worker, call| fetch_and_dispatch(node, worker, call, &needs));
}

/// Goes on with a call that a reader thread has dispatched.
pub(super) fn go_on(node: &Arc<NodeShared>, progress: Progress) {
    match progress {
        Progress::Over => {}
        Progress::WouldWait(call) => {
            let on = Arc::clone(node);
            node.services.workers.submit(call.uid(), move |worker| match worker {
                Ok(worker) => proceed(&on, worker, Progress::WouldWait(call)),
                // Nobody to ask: the file is as it was opened.
                Err(_) => wait_or_refuse(&on, call, None),
            });
        }
        // The buffer has been dequeued: refused now, the frame would be lost. There are no more of
        // these than buffers.
        Progress::Finish(call, finish @ Finish::Memory(_)) => {
            let (name, on) = (node.name.clone(), Arc::clone(node));
            node.services.workers.submit_owed(call.uid(), move |worker| match worker {
                Ok(worker) => end(&on, worker, call, finish),
                Err(errno) => {
                    tracing::info!(node = name, uid = call.uid(), "no worker for a call: {errno}");
                    call.fail(errno);
                }
            });
        }
        Progress::Finish(call, Finish::Swap(mapped)) => {
            let on = Arc::clone(node);
            node.services.workers.submit(call.uid(), move |worker| match worker {
                Ok(worker) => swap::run(&on, worker, call, &mapped),
                Err(errno) => swap::refuse(&on, call, errno),
            });
        }
        Progress::Finish(call, finish) => {
            submit(node, call, |node, worker, call| end(node, worker, call, finish));
        }
        Progress::InTheWay(call, other) => wait_for_close(node, call, other),
    }
}

/// A parked `DQBUF` that is complete but for what has to be written to the caller.
pub(super) fn finish_memory(node: &Arc<NodeShared>, call: Call, copies: Vec<CopyOut>) {
    go_on(node, Progress::Finish(call, Finish::Memory(node.user.copies(copies))));
}

/// The ioctl of cooperating clients: an export that the caller fetches from the courier's socket.
pub(super) fn ticket(node: &Arc<NodeShared>, mut call: Call) {
    let Ok(mut request) = ExportRequest::read_from_bytes(&call.arg) else {
        return call.fail(Errno::ENOTTY);
    };
    let mut arg = v4l2_exportbuffer {
        type_: request.buffer_type,
        index: request.index,
        plane: request.plane,
        flags: request.flags,
        ..Default::default()
    }
    .as_bytes()
    .to_vec();
    let ctx = Context {
        file: call.file,
        uid: call.uid(),
        ticket: call.ticket,
        now_ns: node.services.clock.now_ns(),
        may_park: false,
        imports: &[],
        user: &[],
    };
    let mut device = node.device();
    let answer = v4l2::dispatch(&mut *device, &ctx, VIDIOC_EXPBUF, &mut arg, &mut Vec::new());
    node.let_go(device);
    let issued = answer.and_then(|answer| match answer {
        Answer::Export { buffer, flags } => {
            let (descriptor, _) = export(&buffer, flags)?;
            node.services.tickets.issue(call.uid(), descriptor)
        }
        _ => Err(Errno::EIO),
    });
    match issued {
        Ok(ticket) => {
            request.ticket = ticket;
            request.reserved = Default::default();
            call.arg = request.as_bytes().to_vec();
            call.succeed();
        }
        Err(errno) => call.fail(errno),
    }
}

fn submit(
    node: &Arc<NodeShared>,
    call: Call,
    errand: impl FnOnce(&Arc<NodeShared>, &mut Worker, Call) + Send + 'static,
) {
    let on = Arc::clone(node);
    node.services.workers.submit(call.uid(), move |worker| match worker {
        Ok(worker) => errand(&on, worker, call),
        Err(errno) => {
            tracing::info!(node = on.name, uid = call.uid(), "no worker for a call: {errno}");
            call.fail(errno);
        }
    });
}

/// The queue is another file's: the call is made once more when that is closed, or turns out to be open
/// still.
fn wait_for_close(node: &Arc<NodeShared>, mut call: Call, other: FileId) {
    call.waited = true;
    let (on, interrupted) = (Arc::clone(node), node.watch_for_signals(&call));
    closing::when_closed(node, call.uid(), other, interrupted, move |worker| match worker {
        Ok(worker) => again(&on, worker, call),
        Err(errno) => call.fail(errno),
    });
}

/// A call once more, from its beginning on.
fn again(node: &Arc<NodeShared>, worker: &mut Worker, call: Call) {
    let needs = node.needs(&call);
    fetch_and_dispatch(node, worker, call, &needs);
}

fn fetch_and_dispatch(node: &Arc<NodeShared>, worker: &mut Worker, call: Call, needs: &Needs) {
    let swept = looks::look_first(node, worker, &call);
    let fetched = match node.fetch_here(&call, needs) {
        Some(fetched) => fetched,
        None => match fetch(node, worker, &call, needs) {
            Ok(fetched) => fetched,
            Err(errno) => return call.fail(errno),
        },
    };
    let progress = node.dispatch(call, fetched, false);
    proceed(node, worker, progress);
    if let Some(mapped) = swept {
        mapped.sweep();
    }
}

/// The descriptors and the memory that planes name. What can't be had is `None`: which errno that
/// means depends on what else is wrong with the call.
fn fetch(
    node: &Arc<NodeShared>,
    worker: &mut Worker,
    call: &Call,
    needs: &Needs,
) -> Result<Fetched, Errno> {
    let mut fetched = Fetched::default();
    for need in needs {
        let (import, user) = match *need {
            PlaneNeed::Nothing => (None, None),
            PlaneNeed::Descriptor(fd) => (import(node, worker, call, fd)?, None),
            PlaneNeed::Memory { address, length, .. } => {
                let output = node.device().node().direction == v4l2::Direction::Output;
                let wanted = Wanted { address, length, output };
                (None, node.user.fetch(node, worker, call, wanted)?)
            }
        };
        fetched.imports.push(import);
        fetched.user.push(user.as_ref().map(UserPiece::plane));
        fetched.pieces.push(user);
    }
    Ok(fetched)
}

fn import(
    node: &NodeShared,
    worker: &mut Worker,
    call: &Call,
    fd: i32,
) -> Result<Option<Buffer>, Errno> {
    let registry = &node.services.registry;
    match registry.identify(call.site.caller.tid, fd) {
        Identity::Ours(buffer) => return Ok(Some(buffer)),
        Identity::Other => return Ok(None),
        Identity::Dmabuf => {}
    }
    let taken = worker.take(&call.site, fd);
    fault!("import.taken");
    match taken {
        Ok(taken) => Ok(registry
            .import_dmabuf(taken)
            .inspect_err(|error| tracing::info!(fd, "no import: {error}"))
            .ok()),
        Err(Errno::EINVAL) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// What comes after the dispatch, on a worker.
fn proceed(node: &Arc<NodeShared>, worker: &mut Worker, progress: Progress) {
    match progress {
        Progress::Over => {}
        Progress::Finish(call, finish) => end(node, worker, call, finish),
        Progress::WouldWait(call) => {
            wait_or_refuse(node, call, Some(worker));
        }
        Progress::InTheWay(call, other) => wait_for_close(node, call, other),
    }
}

/// Has a call wait for which nothing is there yet, unless its file is `O_NONBLOCK`.
fn wait_or_refuse(node: &Arc<NodeShared>, call: Call, mut worker: Option<&mut Worker>) {
    fault!("park.asks");
    let place = node.descriptors_of(call.opened());
    if node.nonblocking.ask(worker.as_deref_mut(), call.opened(), &call.site, place) {
        let errno = super::node::nothing_there(call.cmd());
        return call.fail(errno);
    }
    // It has parked, or something is there by now.
    if let Progress::Finish(call, finish) = node.dispatch(call, Fetched::default(), true) {
        match worker {
            Some(worker) => end(node, worker, call, finish),
            None => go_on(node, Progress::Finish(call, finish)),
        }
    }
}

/// Writes back what belongs to the caller, and answers.
fn end(node: &Arc<NodeShared>, worker: &mut Worker, call: Call, finish: Finish) {
    fault!("end.begins");
    match finish {
        Finish::Memory(copies) => {
            match write_back(worker, &call).and_then(|()| copy_out(worker, copies)) {
                Ok(()) => call.succeed(),
                Err(errno) => call.fail(of_memory(errno)),
            }
        }
        Finish::Refusal(errno) => {
            let written = write_back(worker, &call);
            call.fail(written.err().map_or(errno, of_memory));
        }
        Finish::Descriptor(buffer, flags) => give(worker, call, buffer, flags),
        Finish::Swap(mapped) => swap::run(node, worker, call, &mapped),
    }
}

fn write_back(worker: &mut Worker, call: &Call) -> Result<(), Errno> {
    match call.nested_at {
        Some(address) if call.array_changed() => {
            worker.write_memory(&call.site, address, &call.nested)
        }
        _ => Ok(()),
    }
}

fn copy_out(worker: &mut Worker, copies: Vec<UserCopy>) -> Result<(), Errno> {
    copies.iter().try_for_each(|copy| copy.run(worker))
}

fn export(buffer: &Buffer, flags: u32) -> Result<(OwnedFd, bool), Errno> {
    let wanted = ExportFlags::from_bits(flags).ok_or(Errno::EINVAL)?;
    // The daemon's own copy must not leak into a helper; what the caller's has, the caller says.
    let descriptor = buffer.export(ExportFlags { cloexec: true, ..wanted }).map_err(|error| {
        tracing::warn!("a buffer can't be exported: {error}");
        error.errno()
    })?;
    Ok((descriptor, wanted.cloexec))
}

fn give(worker: &mut Worker, mut call: Call, buffer: Buffer, flags: u32) {
    fault!("give.begins");
    let (descriptor, cloexec) = match export(&buffer, flags) {
        Ok(exported) => exported,
        Err(errno) => return call.fail(errno),
    };
    fault!("give.exported");
    let (site, id) = (call.site, buffer.id());
    // Before the caller goes on: it may let go of the buffer at once, and make others.
    drop(buffer);
    v4l2_exportbuffer::set_fd(&mut call.arg, -1);
    let argument = std::mem::take(&mut call.arg);
    let given = worker.give(&site, descriptor, cloexec, &argument, |ready| match ready {
        Ok(()) => call.held(),
        Err(errno) => call.fail(errno),
    });
    fault!("give.done");
    match given {
        Ok(fd) => tracing::debug!(tid = site.caller.tid, fd, buffer = %id, "exported"),
        Err(error) => tracing::info!(
            tid = site.caller.tid,
            uid = site.caller.uid,
            "EXPBUF refused: {error} ({})",
            error.errno()
        ),
    }
}

/// What a failure to reach the caller's memory means to the caller: for whoever is gone it means
/// nothing any more.
fn of_memory(errno: Errno) -> Errno {
    match errno {
        Errno::ESRCH => Errno::EFAULT,
        other => other,
    }
}
