//! Another file behind the descriptor on which a held thread made its call.
//!
//! The thread receives the file as it would receive any descriptor, and moves it onto the old number by
//! `dup3`, which closes the old file there. It receives on its own stack, below what it uses there (the
//! red zone of 128 bytes included); those bytes are put back.
//!
//! The kernel's epoll knows a registration by file *and* number. So what is registered at the number is
//! taken out before, and put in again after.

use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::held::Held;
use super::receive::Receiver;
use super::{SCRATCH, Seized};
use crate::courier::reason::GiveError;
use crate::courier::wire::Request;
use crate::sys::process_vm;
use crate::sys::procfs::{self, Registration};

/// Bytes below the stack pointer that are not the stack's end yet: the red zone of the System V ABI.
const RED_ZONE: u64 = 128;

/// `EPOLL_CTL_*`, as a register holds them.
const ADD: u64 = 1;
const DEL: u64 = 2;

/// The epoll registrations of the number: instance, and what for.
type Registered = Vec<(u64, Registration)>;

/// The thread's descriptor becomes `replacement`. Returns its number.
pub(super) fn exchange(
    request: &Request,
    seized: &Seized,
    held: &Held,
    replacement: &OwnedFd,
) -> Result<i32, GiveError> {
    let done = try_exchange(request, seized, held, replacement);
    if done.is_err() && done != Err(GiveError::TimedOut) {
        // As it was before the call; when that fails, the caller is dying.
        let _ = process_vm::write(request.tid, request.arg, &seized.before);
    }
    done
}

fn try_exchange(
    request: &Request,
    seized: &Seized,
    held: &Held,
    replacement: &OwnedFd,
) -> Result<i32, GiveError> {
    if seized.filtered {
        return Err(GiveError::Filtered); // set by another thread, after the first look
    }
    let tid = request.tid;
    let [target, ..] = held.arguments();
    // The kernel takes the lower half of the register.
    let target = i32::try_from(target & 0xffff_ffff).map_err(|_| GiveError::NotTheNode)?;
    let nodes = procfs::descriptors_on(tid, request.address)?;
    if !nodes.contains(&target) {
        return Err(GiveError::NotTheNode);
    }
    let flags = OFlag::from_bits_retain(procfs::descriptor(tid, target)?.flags.cast_signed());
    let own = OFlag::from_bits_retain(fcntl(replacement, FcntlArg::F_GETFL)?);
    let wanted = (own - OFlag::O_NONBLOCK) | (flags & OFlag::O_NONBLOCK);
    if wanted != own {
        fcntl(replacement, FcntlArg::F_SETFL(wanted))?;
    }
    let scratch = held.stack().wrapping_sub(RED_ZONE + 2 * SCRATCH as u64) & !0xf;
    let mut saved = [0; SCRATCH];
    process_vm::read(tid, scratch, &mut saved)?;
    let receiver = Receiver { held, tid, tgid: seized.tgid, scratch };
    let moved = move_over(&receiver, target, flags.contains(OFlag::O_CLOEXEC), replacement);
    if moved == Err(GiveError::TimedOut) {
        return Err(GiveError::TimedOut); // it doesn't stand still
    }
    process_vm::write(tid, scratch, &saved)?;
    moved.map(|()| target)
}

/// Receives, with the epoll registrations of the number carried over.
fn move_over(
    receiver: &Receiver<'_>,
    target: i32,
    cloexec: bool,
    replacement: &OwnedFd,
) -> Result<(), GiveError> {
    let taken = take_out(receiver, target)?;
    let moved = receiver.receive_over_target(replacement, target, cloexec);
    if moved == Err(GiveError::TimedOut) {
        return moved;
    }
    put_in(receiver, target, &taken)?;
    moved
}

/// Takes the number out of all epoll instances of the process.
fn take_out(receiver: &Receiver<'_>, target: i32) -> Result<Registered, GiveError> {
    let mut taken = Registered::new();
    for epoll in procfs::epolls(receiver.tid).unwrap_or_default() {
        // One of them at most is of this file: a number that was used before leaves what cannot be
        // taken out.
        for registration in procfs::registrations(receiver.tid, epoll, target).unwrap_or_default() {
            let instance = u64::from(epoll.cast_unsigned());
            let number = u64::from(target.cast_unsigned());
            match receiver.held.call(libc::SYS_epoll_ctl, [instance, DEL, number, 0]) {
                Ok(_) => taken.push((instance, registration)),
                Err(GiveError::Call(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(taken)
}

fn put_in(receiver: &Receiver<'_>, target: i32, taken: &Registered) -> Result<(), GiveError> {
    for (instance, Registration { events, data }) in taken {
        // struct epoll_event, which is packed on x86-64 (EPOLL_PACKED).
        let mut event = events.to_ne_bytes().to_vec();
        event.extend(data.to_ne_bytes());
        process_vm::write(receiver.tid, receiver.scratch, &event)?;
        let number = u64::from(target.cast_unsigned());
        let arguments = [*instance, ADD, number, receiver.scratch];
        match receiver.held.call(libc::SYS_epoll_ctl, arguments) {
            // What another thread has done meanwhile holds.
            Ok(_) | Err(GiveError::Call(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
