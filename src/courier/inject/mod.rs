//! Giving a descriptor to a caller that contains no code of ours. Runs in the helper.
//!
//! The caller sits in an `ioctl` of ours. It is seized, told to stop, and its call answered; so
//! it stands still on its way back to user space, where it is made to receive the descriptor
//! ([`receive`]), and is then put back as it was, with the number in its struct. Nothing of the
//! caller is written but that struct of 64 bytes, which the call writes anyway, and what lies behind
//! the vDSO's image. In the same way a caller's descriptor is replaced by another ([`swap`]).
//!
//! The daemon's answer is a failure ([`held::HELD`]): a call that nobody comes back for has failed, and
//! only at the very end it is made a success. When the daemon dies before it has answered, the call
//! fails by itself and the caller is let go untouched. When it dies later, the helper goes on to the
//! end. When the helper dies, the caller puts itself back ([`escape`]).

mod arch;
mod escape;
mod held;
mod receive;
mod swap;

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use zerocopy::IntoBytes;

use super::helper::{Link, Next};
use super::reason::GiveError;
use super::site::{self, Site};
use super::wire::{Reply, Request};
use crate::sys::process_vm;
use crate::sys::procfs::{self, Status, Syscall};
use crate::sys::ptrace::{self, Stop};
use arch::{Architecture, Native};
use held::Held;
use receive::Receiver;

pub(super) use held::HELD;
pub(super) use swap::swap;

/// Size of `struct v4l2_exportbuffer` in bytes.
const SCRATCH: usize = 64;

/// Where the number belongs in it.
const FD: usize = 16;

/// How long a thread that is to be let go untouched may take to stop.
const LET_GO: Duration = Duration::from_millis(500);

/// Whether this processor's registers are known.
pub(super) const SUPPORTED: bool = Native::SUPPORTED;

/// A thread of which this helper is the tracer.
struct Seized {
    /// Where and how it was made, if the kernel tells.
    call: Option<Syscall>,
    tgid: u32,
    /// Whether its system calls are filtered for all that.
    filtered: bool,
    /// The struct as it was before the call.
    before: Vec<u8>,
}

/// What a caller got.
struct Given {
    fd: i32,
    /// Its call's argument.
    argument: Vec<u8>,
    /// Calls that are left to be made once that is certain.
    last: Vec<held::Call>,
}

/// [`super::wire::Operation::Give`].
pub(super) fn give(link: &Link, request: &Request, fds: Vec<OwnedFd>, deadline: Instant) -> Next {
    let Some(descriptor) = fds.into_iter().next() else {
        link.say(&GiveError::Helper.reply(), &[]);
        return Next::Request;
    };
    let answer = match link.laid_out(SCRATCH) {
        Ok(answer) => answer,
        Err(error) => return over(link, Err(error.into()), Next::Request),
    };
    match seize(request, SCRATCH, deadline) {
        Ok(seized) => {
            let seized = &seized;
            let job = move |held: &Held| receive(request, seized, held, &descriptor, answer);
            hold(link, request, seized, deadline, job)
        }
        Err((error, next)) => {
            drop(descriptor);
            over(link, Err(error), next)
        }
    }
}

/// Says what came out of it.
fn say(link: &Link, given: Result<i32, GiveError>) {
    fault!("hold.tells");
    link.say(&given.map_or_else(GiveError::reply, |fd| Reply::value(fd.into())), &[]);
    fault!("hold.told");
}

/// The same, at the end of it.
fn over(link: &Link, given: Result<i32, GiveError>, next: Next) -> Next {
    say(link, given);
    ptrace::reap();
    next
}

/// Becomes the tracer of the thread, if it sits in the call, whose argument has `size` bytes.
fn seize(request: &Request, size: usize, deadline: Instant) -> Result<Seized, (GiveError, Next)> {
    let no = |error: GiveError| (error, Next::Request);
    if !SUPPORTED {
        return Err(no(GiveError::Processor));
    }
    let mut before = vec![0; size];
    let status = site::check(request, deadline).map_err(|error| no(error.into()))?.status;
    process_vm::read(request.tid, request.arg, &mut before).map_err(|error| no(error.into()))?;
    fault!("seize.begins");
    let filtered = attach(request.tid, &status).map_err(no)?;
    fault!("seize.seized");
    // From here on the number can't come to mean another thread.
    match site::check(request, deadline) {
        Ok(Site { call, status }) => Ok(Seized { call, tgid: status.tgid, filtered, before }),
        Err(error) => {
            let next = let_go(request.tid, Instant::now() + LET_GO);
            Err((error.into(), next))
        }
    }
}

/// Seizes, with the thread's filters suspended where it has some. Says whether they are in force.
fn attach(tid: u32, status: &Status) -> Result<bool, GiveError> {
    use nix::errno::Errno;
    if status.tracer != 0 {
        return Err(GiveError::Traced(status.tracer));
    }
    match ptrace::seize(tid, true) {
        Ok(()) => return Ok(false),
        Err(Errno::EPERM | Errno::EINVAL) if status.filtered => {
            return Err(why_not(tid).unwrap_or(GiveError::Filtered));
        }
        Err(Errno::EPERM | Errno::EINVAL) => {}
        Err(error) => return Err(error.into()),
    }
    match ptrace::seize(tid, false) {
        Ok(()) => Ok(procfs::status(tid).is_ok_and(|status| status.filtered)),
        Err(Errno::EPERM) => Err(why_not(tid).unwrap_or(GiveError::Forbidden)),
        Err(error) => Err(error.into()),
    }
}

/// Whether it is a tracer that came first.
fn why_not(tid: u32) -> Option<GiveError> {
    let tracer = procfs::status(tid).ok()?.tracer;
    (tracer != 0).then_some(GiveError::Traced(tracer))
}

/// Has the call answered, and does `job` to the thread that is held then, and comes back from its
/// call with what that gave: a descriptor of its own, and its argument, which `job` has written. Before the caller goes on, `job` is dropped, so that a descriptor in it
/// is the caller's or nobody's: the caller may ask at once who holds the buffer. And before that the
/// daemon is told: a success that it doesn't hear of it would undo behind the caller's back.
fn hold(
    link: &Link,
    request: &Request,
    seized: &Seized,
    deadline: Instant,
    job: impl FnOnce(&Held) -> Result<Given, GiveError>,
) -> Next {
    let tid = request.tid;
    if let Err(error) = ptrace::interrupt(tid) {
        held::bury(tid);
        return over(link, Err(error.into()), Next::Request);
    }
    fault!("hold.interrupted");
    link.say(&Reply::seized(), &[]);
    fault!("hold.said");
    let held = match held::wait_for_its_turn(tid, deadline) {
        Ok(Stop::Held) => Held::take(request, seized.call.as_ref(), &seized.before, link.number())
            .map_err(|error| (error, 0)),
        Ok(Stop::Signal(signal)) => Err((GiveError::Unexpected, signal)),
        Ok(Stop::Syscall | Stop::Ended) => Err((GiveError::Unexpected, 0)),
        // Nothing was changed, and the end of this process lets go of it.
        Err(GiveError::TimedOut) => return over(link, Err(GiveError::TimedOut), Next::End),
        Err(error) => Err((error, 0)),
    };
    fault!("hold.stopped");
    let held = match held {
        Ok(held) => held,
        Err((error, signal)) => {
            drop(job);
            // It stands still, untouched, or is gone.
            if ptrace::detach(tid, signal).is_err() {
                held::bury(tid);
            }
            return over(link, Err(error), Next::Request);
        }
    };
    fault!("hold.held");
    let given = job(&held); // and it is gone
    fault!("hold.done");
    let told = given.as_ref().map(|given| given.fd).map_err(|error| *error);
    if told == Err(GiveError::TimedOut) {
        return over(link, told, Next::End); // it doesn't stand still
    }
    say(link, told);
    if let Ok(given) = &given
        && held.finish(&given.last, &given.argument) == Err(GiveError::TimedOut)
    {
        return Next::End; // it ends by itself as it should
    }
    let end = given.as_ref().map(|given| given.argument.as_slice()).map_err(|error| error.errno());
    if held.release(end).is_err() {
        held::bury(tid);
    }
    fault!("hold.released");
    ptrace::reap();
    Next::Request
}

/// The caller receives the descriptor, and its struct is as `answer` with the number, or as before.
fn receive(
    request: &Request,
    seized: &Seized,
    held: &Held,
    descriptor: &OwnedFd,
    answer: Vec<u8>,
) -> Result<Given, GiveError> {
    if seized.filtered {
        return Err(GiveError::Filtered); // set by another thread, after the first look
    }
    let mut after = answer;
    let (tid, tgid) = (request.tid, seized.tgid);
    let receiver = Receiver { held, tid, tgid, scratch: request.arg, last: None };
    let given = receiver.receive(descriptor, request.number != 0);
    fault!("receive.received");
    let fd = match given {
        Ok(fd) => fd,
        Err(GiveError::TimedOut) => return Err(GiveError::TimedOut),
        Err(error) => {
            // Whatever becomes of that: what went wrong first is told.
            let _ = process_vm::write(tid, request.arg, &seized.before);
            return Err(error);
        }
    };
    if let Some(place) = after.get_mut(FD..FD + size_of::<i32>()) {
        place.copy_from_slice(fd.as_bytes());
    }
    match process_vm::write(tid, request.arg, &after) {
        Ok(()) => Ok(Given { fd, argument: after, last: Vec::new() }),
        Err(error) => {
            receiver.close(fd, &[])?;
            Err(error.into())
        }
    }
}

/// Lets go of a thread that turned out to be in no call of ours, as soon as it stops.
fn let_go(tid: u32, deadline: Instant) -> Next {
    if ptrace::interrupt(tid).is_ok() {
        match held::wait(tid, deadline) {
            Ok(Stop::Signal(signal)) => {
                if ptrace::detach(tid, signal).is_ok() {
                    return Next::Request;
                }
            }
            Ok(_) => {
                if ptrace::detach(tid, 0).is_ok() {
                    return Next::Request;
                }
            }
            Err(GiveError::TimedOut) => return Next::End,
            Err(_) => {}
        }
    }
    held::bury(tid);
    Next::Request
}
