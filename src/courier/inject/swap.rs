//! Putting another file under the number on which a call was made. Runs in the helper.
//!
//! The thread is held behind its call ([`super::hold`]). It maps a page to work in (the argument of
//! `REQBUFS` has 20 bytes, and below a stack there may be nothing, or another stack), receives the
//! replacement under a free number ([`super::receive`]), puts it under the old file's number with
//! `dup3`, and closes and unmaps what it was given for that. So it has as many descriptors as before,
//! and the limit is raised for the moment where it has no free number.
//!
//! The old file is kept under a spare number until the daemon was told: so long all can be undone, by
//! the thread itself if the helper is lost. After that the call is a success, whatever happens.
//!
//! What the process had registered of the old file with its epoll instances is taken out before and
//! registered of the new file afterwards. A registration with `EPOLLONESHOT` that has had its event
//! can't be told to an instance: it comes back waiting for `EPOLLERR` and `EPOLLHUP`.
//!
//! Duplicates of the old file stay what they are. Where there are none, it is closed in the middle of
//! this, which waits for the daemon's answer to `RELEASE`.

use std::os::fd::OwnedFd;
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::escape::Undo;
use super::held::{Call, Held};
use super::receive::{Receiver, number, settled};
use super::{Given, Seized, hold, over, seize};
use crate::courier::helper::{Link, Next};
use crate::courier::reason::GiveError;
use crate::courier::wire::{Request, TRANSFER};
use crate::courier::{calling, site};
use crate::sys::epoll::{self, Registration};
use crate::sys::process_vm;

/// What the thread maps to work in, in bytes.
const ROOM: u64 = 4096;

/// So many registrations of the old file are put back if the helper is lost: more don't fit into
/// [`super::escape::ROOM`].
pub(super) const PUT_BACK: usize = 4;

/// Where in the page their events lie for that, and how far from each other.
const EVENTS: u64 = 1024;
const EVENT: u64 = 16;

/// With so many epoll instances a file may be registered: each costs two calls of the caller's
/// while it is held.
const MOST: usize = 64;

/// [`crate::courier::wire::Operation::Swap`].
pub(in crate::courier) fn swap(
    link: &Link,
    request: &Request,
    fds: Vec<OwnedFd>,
    deadline: Instant,
) -> Next {
    match fds.into_iter().next() {
        Some(replacement) => begin(link, request, replacement, deadline),
        None => over(link, Err(GiveError::Helper), Next::Request),
    }
}

fn begin(link: &Link, request: &Request, replacement: OwnedFd, deadline: Instant) -> Next {
    let size = usize::try_from(request.len).ok().filter(|size| *size <= TRANSFER);
    let looked = size
        .ok_or(GiveError::Fault)
        .and_then(|size| Ok((link.laid_out(size)?, look(request, deadline)?)));
    let (answer, instances) = match looked {
        Ok(found) => found,
        Err(error) => return over(link, Err(error), Next::Request),
    };
    let seized = match seize(request, answer.len(), deadline) {
        Ok(seized) => seized,
        Err((error, next)) => return over(link, Err(error), next),
    };
    let seized = &seized;
    hold(link, request, seized, deadline, move |held| {
        // Where it can't be written, the call has its effect, and the file stays.
        process_vm::write(request.tid, request.arg, &seized.before)
            .map_err(|_| GiveError::Fault)?;
        let swapped = replace(request, seized, held, &replacement, &instances);
        match swapped {
            Err(error) if !ends(error) => {
                // Whatever becomes of that: what went wrong first is told.
                let _ = process_vm::write(request.tid, request.arg, &seized.before);
                Err(error)
            }
            Ok((fd, last)) => {
                // That it can be written was seen.
                let _ = process_vm::write(request.tid, request.arg, &answer);
                Ok(Given { fd, argument: answer, last })
            }
            Err(error) => Err(error),
        }
    })
}

/// Before anything has begun: is it the node's descriptor, and which epoll instances are there? Each
/// of them is asked, so that one that is stalled stalls nothing but this helper.
fn look(request: &Request, deadline: Instant) -> Result<Vec<i32>, GiveError> {
    let call = site::check(request, deadline)?.call;
    match calling::descriptor(request.tid, call.as_ref(), request.address) {
        // ENODATA: that is seen when it is held.
        Ok(_) | Err(Errno::ENODATA) => {}
        Err(Errno::EBADF) => return Err(GiveError::OtherFile),
        Err(error) => return Err(error.into()),
    }
    let instances = epoll::instances(request.tid)?;
    for instance in &instances {
        let _ = epoll::registrations(request.tid, *instance);
    }
    Ok(instances)
}

/// Has the held thread do it. Unless it is gone or doesn't stop any more, it is done wholly or not
/// at all.
fn replace(
    request: &Request,
    seized: &Seized,
    held: &Held,
    replacement: &OwnedFd,
    instances: &[i32],
) -> Result<(i32, Vec<Call>), GiveError> {
    if seized.filtered {
        return Err(GiveError::Filtered); // set by another thread, after the first look
    }
    let (tid, tgid) = (request.tid, seized.tgid);
    let target = held.descriptor()?;
    let old = calling::file(tid, target, request.address).map_err(|error| match error {
        Errno::EBADF => GiveError::OtherFile,
        other => other.into(),
    })?;
    flagged_as(replacement, old.flags)?;
    let registered = registered(tid, target, instances)?;
    let scratch = map(held)?;
    let last = Some(Undo::Call(libc::SYS_munmap, [scratch, ROOM, 0, 0]));
    let receiver = Receiver { held, tid, tgid, scratch, last };
    let swap = Swap { receiver, target, cloexec: old.cloexec, registered };
    let swapped = swap.run(replacement);
    if let Ok(spare) = swapped {
        let close = (libc::SYS_close, [number(spare), 0, 0, 0]);
        let unmap = (libc::SYS_munmap, [scratch, ROOM, 0, 0]);
        return Ok((target, vec![close, unmap]));
    }
    if swapped.is_err_and(ends) {
        return swapped.map(|_| (target, Vec::new()));
    }
    settled(held.call(libc::SYS_munmap, &[scratch, ROOM], &[]))?;
    swapped.map(|_| (target, Vec::new()))
}

/// Whether nothing can be done to the thread any more.
fn ends(error: GiveError) -> bool {
    matches!(error, GiveError::TimedOut | GiveError::Gone)
}

/// What `F_SETFL` can set of a V4L2 node's file.
const STATUS: OFlag = OFlag::O_NONBLOCK.union(OFlag::O_APPEND);

/// The new file has the old one's status flags of this moment. Above all it waits where that does.
fn flagged_as(replacement: &OwnedFd, flags: u32) -> Result<(), GiveError> {
    let own = OFlag::from_bits_retain(fcntl(replacement, FcntlArg::F_GETFL)?);
    let old = OFlag::from_bits_retain(flags.cast_signed());
    let wanted = (own - STATUS) | (old & STATUS);
    if wanted != own {
        fcntl(replacement, FcntlArg::F_SETFL(wanted))?;
    }
    Ok(())
}

/// Where the number is registered, and how.
fn registered(
    tid: u32,
    target: i32,
    instances: &[i32],
) -> Result<Vec<(i32, Registration)>, GiveError> {
    let mut found = Vec::new();
    for instance in instances {
        // One that was closed meanwhile has none.
        let all = epoll::registrations(tid, *instance).unwrap_or_default();
        let own = all.into_iter().filter(|registration| registration.fd == target);
        found.extend(own.map(|registration| (*instance, registration)));
        if found.len() > MOST {
            return Err(GiveError::Registered);
        }
    }
    Ok(found)
}

/// A page of the thread's own, to work in.
fn map(held: &Held) -> Result<u64, GiveError> {
    let (access, kind) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    let arguments = [0, ROOM, number(access), number(kind), number(-1), 0];
    Ok(held.call(libc::SYS_mmap, &arguments, &[Undo::UnmapResult(ROOM)])?.cast_unsigned())
}

struct Swap<'a> {
    receiver: Receiver<'a>,
    target: i32,
    cloexec: bool,
    registered: Vec<(i32, Registration)>,
}

impl Swap<'_> {
    /// Returns the spare number under which the old file is, for as long as this can be undone.
    fn run(&self, replacement: &OwnedFd) -> Result<i32, GiveError> {
        let (pair, raised) = self.receiver.pair_beside(self.target)?;
        let received = self.receiver.receive_over(&pair, replacement, true);
        let swapped = received.and_then(|received| self.with(received));
        if let Some(raised) = raised {
            self.receiver.lower(&raised);
        }
        swapped
    }

    /// Puts what was `received` under the number, and closes it where it was.
    fn with(&self, received: i32) -> Result<i32, GiveError> {
        let put = self.put_kept(received);
        let undo = match put {
            Ok(spare) => self.put_back(spare, None)?,
            Err(error) if ends(error) => return put,
            Err(_) => self.with_last(&[]),
        };
        settled(self.receiver.held.call(libc::SYS_close, &[number(received)], &undo))?;
        put
    }

    fn flags(&self) -> u64 {
        number(if self.cloexec { libc::O_CLOEXEC } else { 0 })
    }

    fn with_last(&self, undo: &[Undo]) -> Vec<Undo> {
        undo.iter().copied().chain(self.receiver.last).collect()
    }

    fn put(&self, from: i32, undo: &[Undo]) -> Result<(), GiveError> {
        let arguments = [number(from), number(self.target), self.flags()];
        self.receiver.held.call_served(libc::SYS_dup3, &arguments, undo).map(drop)
    }

    /// As [`Self::put`], and the registrations go along. The old file is kept under a spare number
    /// (the pair's other one is free by now), which is returned.
    fn put_kept(&self, received: i32) -> Result<i32, GiveError> {
        let arguments = [number(self.target), number(libc::F_DUPFD_CLOEXEC), 0];
        let undo = self.with_last(&[Undo::CloseResult, Undo::close(received)]);
        let spare = self.receiver.held.call(libc::SYS_fcntl, &arguments, &undo)?;
        let spare = i32::try_from(spare).map_err(|_| GiveError::Unexpected)?;
        let undo = self.put_back(spare, Some(received))?;
        let (removed, swapped) = self.remove(&undo);
        let swapped = swapped.and_then(|()| self.put(received, &undo)).and_then(|()| {
            self.add(&removed, &undo).or_else(|error| {
                if !ends(error) {
                    self.put(spare, &undo)?;
                }
                Err(error)
            })
        });
        match swapped {
            Err(error) if ends(error) => return Err(error),
            Err(_) => self.restore(&removed, &undo)?,
            Ok(()) => return Ok(spare),
        }
        let undo = self.with_last(&[Undo::close(received)]);
        settled(self.receiver.held.call_served(libc::SYS_close, &[number(spare)], &undo))?;
        swapped.map(|()| spare)
    }

    /// How the thread gets the old file and its registrations back by itself.
    fn put_back(&self, spare: i32, received: Option<i32>) -> Result<Vec<Undo>, GiveError> {
        let target = number(self.target);
        let mut undo = vec![Undo::Call(libc::SYS_dup3, [number(spare), target, self.flags(), 0])];
        let mut event = self.receiver.scratch.wrapping_add(EVENTS);
        for (instance, registration) in self.registered.iter().take(PUT_BACK) {
            process_vm::write(self.receiver.tid, event, &registration.event())?;
            let arguments = [number(*instance), number(libc::EPOLL_CTL_ADD), target, event];
            undo.push(Undo::Call(libc::SYS_epoll_ctl, arguments));
            event = event.wrapping_add(EVENT);
        }
        let numbers = [Some(spare), received].into_iter().flatten();
        undo.extend(numbers.map(Undo::close).chain(self.receiver.last));
        Ok(undo)
    }

    /// Takes the old file out of the instances; says out of which.
    fn remove(&self, undo: &[Undo]) -> (Vec<(i32, Registration)>, Result<(), GiveError>) {
        let mut removed = Vec::new();
        for (instance, registration) in &self.registered {
            match self.control(libc::EPOLL_CTL_DEL, *instance, undo) {
                Ok(()) => removed.push((*instance, *registration)),
                // It was another file's registration under this number, or the same instance under
                // another.
                Err(GiveError::Call(_)) => {}
                Err(error) => return (removed, Err(error)),
            }
        }
        (removed, Ok(()))
    }

    fn add(&self, removed: &[(i32, Registration)], undo: &[Undo]) -> Result<(), GiveError> {
        for (instance, registration) in removed {
            process_vm::write(self.receiver.tid, self.receiver.scratch, &registration.event())?;
            self.control(libc::EPOLL_CTL_ADD, *instance, undo)?;
        }
        Ok(())
    }

    /// Puts back of the old file what can be put back: where that fails, another has put it there, or
    /// the instance is closed.
    fn restore(&self, removed: &[(i32, Registration)], undo: &[Undo]) -> Result<(), GiveError> {
        for one in removed {
            if let Err(error) = self.add(std::slice::from_ref(one), undo)
                && ends(error)
            {
                return Err(error);
            }
        }
        Ok(())
    }

    fn control(&self, operation: i32, instance: i32, undo: &[Undo]) -> Result<(), GiveError> {
        let event = self.receiver.scratch;
        let arguments = [number(instance), number(operation), number(self.target), event];
        self.receiver.held.call_served(libc::SYS_epoll_ctl, &arguments, undo).map(drop)
    }
}
