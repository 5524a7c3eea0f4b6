//! A node's state, shared by its threads, and what each request does to it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cuse_rs::{Cuse, Errno, Notifier};
use vb2::{FileId, Ticket};
use zerocopy::IntoBytes;

use super::call::Call;
use super::doors::{Door, OpenFiles};
use super::errand;
use super::fuse::LastingMount;
use super::lookout::Lookout;
use super::looks;
use super::mapped::MappedFile;
use super::nonblock::{NonBlocking, Opened};
use super::parked::{Parked, ParkedCalls};
use super::pollers::{Pollers, Wake};
use super::swap;
use super::user::{UserCopy, UserMemory, UserPiece};
use super::users::{Kind, Users};
use crate::courier::Workers;
use crate::courier::ticket::{SHRBUF_IOC_EXPORT, SHRBUF_IOC_UNMAPPED, Tickets};
use crate::device::clock::Clock;
use crate::device::{Device, Effect, Outcome};
use crate::shrbuf::arena::ArenaKind;
use crate::shrbuf::{Buffer, Identity, Registry};
use crate::v4l2::uapi::*;
use crate::v4l2::{self, Answer, Context, Needs, PlaneNeed, UserPlane};

/// How long a call that takes buffers back waits for the frame that is being filled. Frames take
/// milliseconds; only the memory of an imported dma-buf can take longer.
const FRAME_DEADLINE: Duration = Duration::from_secs(2);

/// What all nodes of a daemon share.
pub struct Services {
    /// All buffers.
    pub registry: Arc<Registry>,
    /// Who reaches callers' memory and descriptors.
    pub workers: Arc<Workers>,
    /// What each user has.
    pub users: Arc<Users>,
    /// Descriptors that cooperating clients fetch.
    pub tickets: Tickets,
    /// What frames are paced by.
    pub clock: Arc<dyn Clock>,
    /// Where files that can be mapped come from. `None`: nodes can't be mapped (`ENODEV`).
    pub mount: Option<Arc<LastingMount>>,
    /// How they are mapped.
    pub mapping: ArenaKind,
    /// Who looks after mapped buffers that were let go of.
    pub lookout: Lookout,
}

/// One node.
pub(super) struct NodeShared {
    pub(super) name: String,
    /// The `N` of `videoN`.
    pub(super) number: u32,
    pub(super) services: Arc<Services>,
    pub(super) user: UserMemory,
    device: Mutex<Device>,
    /// The frame that was being filled or shown is done.
    idle: Condvar,
    /// Calls that wait for that.
    waiting: AtomicUsize,
    /// The pacing thread is to look again.
    news: Condvar,
    parked: ParkedCalls,
    pub(super) nonblocking: NonBlocking,
    /// Who has the node open, and how.
    pub(super) files: OpenFiles,
    /// The node's `st_rdev`; 0 where it isn't known.
    pub(super) device_number: u64,
    pub(super) pollers: Pollers,
    stopping: AtomicBool,
}

/// What was fetched for a call before it is dispatched.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    pub(super) imports: Vec<Option<Buffer>>,
    pub(super) user: Vec<Option<UserPlane>>,
    /// Where `user` comes from.
    pub(super) pieces: Vec<Option<UserPiece>>,
}

/// How far a call got on the thread that dispatched it.
pub(super) enum Progress {
    /// It is answered, or parked.
    Over,
    /// It would have to wait: whether it may is to be asked.
    WouldWait(Call),
    /// It is done but for what has to be written to the caller.
    Finish(Call, Finish),
    /// The queue is another file's, which may be closed at this moment.
    InTheWay(Call, FileId),
}

/// What is left to be done once the device is not locked any more.
pub(super) struct Left {
    effects: Vec<Effect>,
    wakes: Vec<Wake>,
}

impl Left {
    pub(super) fn is_empty(&self) -> bool {
        self.effects.is_empty() && self.wakes.is_empty()
    }
}

/// What has to be written to the caller before the call is answered with success.
pub(super) enum Finish {
    /// The array, and captured frames of user memory.
    Memory(Vec<UserCopy>),
    /// The array, and then this errno.
    Refusal(Errno),
    /// A descriptor.
    Descriptor(Buffer, u32),
    /// Another file in place of the descriptor on which the call was made.
    Swap(Arc<MappedFile>),
}

impl NodeShared {
    pub(super) fn new(
        name: String,
        number: u32,
        device: Device,
        services: Arc<Services>,
        notifier: Notifier<Cuse>,
    ) -> Self {
        Self {
            name,
            number,
            pollers: Pollers::new(notifier, services.mount.clone()),
            services,
            user: UserMemory::default(),
            device: Mutex::new(device),
            idle: Condvar::new(),
            waiting: AtomicUsize::new(0),
            news: Condvar::new(),
            parked: ParkedCalls::default(),
            nonblocking: NonBlocking::default(),
            device_number: device_number(number),
            files: OpenFiles::default(),
            stopping: AtomicBool::new(false),
        }
    }

    pub(super) fn device(&self) -> MutexGuard<'_, Device> {
        lock(&self.device)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    // ---- ioctl -------------------------------------------------------------------------------

    /// An ioctl, on a reader thread.
    pub(super) fn ioctl(self: &Arc<Self>, mut call: Call) {
        if call.cmd() == SHRBUF_IOC_EXPORT {
            return errand::ticket(self, call);
        }
        if call.cmd() == SHRBUF_IOC_UNMAPPED {
            self.files.will_not_map(call.file);
            return call.succeed();
        }
        match v4l2::nested(call.cmd(), &call.arg) {
            Err(errno) => return call.fail(errno),
            Ok(Some(nested)) => {
                call.nested_at = Some(nested.address);
                return errand::with_memory(self, call, nested.len);
            }
            Ok(None) => {}
        }
        fault!("ioctl.begins");
        let needs = self.needs(&call);
        // The mount's one thread brings a display's frame from the page cache: it waits for none.
        let not_here = call.door == Door::Fuse && takes_buffers_back(call.cmd());
        let fetched = if not_here { None } else { self.fetch_here(&call, &needs) };
        fault!("ioctl.fetched");
        match fetched.filter(|_| looks::wanted(self, &call).is_none()) {
            Some(fetched) => {
                // A DQBUF of a file that blocked before parks at once; see NonBlocking.
                let may_park =
                    call.cmd() == VIDIOC_DQBUF && self.nonblocking.is_known_to_block(call.opened());
                let progress = self.dispatch(call, fetched, may_park);
                errand::go_on(self, progress);
            }
            None => errand::with_planes(self, call, needs),
        }
    }

    /// Which descriptors and memory the call names, if it gets as far as looking at them.
    pub(super) fn needs(&self, call: &Call) -> Needs {
        let needs = v4l2::needs(call.cmd(), &call.arg, &call.nested);
        if needs.is_empty() || self.device().needs_planes(call.file, &call.arg) {
            needs
        } else {
            Needs::new()
        }
    }

    /// What can be had without asking anything of the caller: our own exports. `None`: a worker has
    /// to fetch more.
    pub(super) fn fetch_here(&self, call: &Call, needs: &[PlaneNeed]) -> Option<Fetched> {
        let mut fetched = Fetched::default();
        for need in needs {
            let import = match need {
                PlaneNeed::Nothing => None,
                PlaneNeed::Memory { .. } => return None,
                PlaneNeed::Descriptor(fd) => {
                    match self.services.registry.identify(call.site.caller.tid, *fd) {
                        Identity::Ours(buffer) => Some(buffer),
                        Identity::Dmabuf => return None,
                        Identity::Other => None,
                    }
                }
            };
            fetched.imports.push(import);
        }
        Some(fetched)
    }

    /// Carries a call out. With `may_park` it waits if it has to, and the reply is kept.
    pub(super) fn dispatch(
        self: &Arc<Self>,
        mut call: Call,
        fetched: Fetched,
        may_park: bool,
    ) -> Progress {
        let interrupted = may_park.then(|| self.watch_for_signals(&call));
        let ctx = Context {
            file: call.file,
            uid: call.uid(),
            ticket: call.ticket,
            // Not every kernel tells the time without a system call.
            now_ns: if tells_time(call.cmd()) { self.services.clock.now_ns() } else { 0 },
            may_park,
            imports: &fetched.imports,
            user: &fetched.user,
        };
        if swap::allocates(&call)
            && let Err(errno) = swap::make_place(self, call.file)
        {
            return self.refuse(call, errno);
        }
        let mut device = self.device();
        if takes_buffers_back(call.cmd()) && device.owns_queue(call.file) {
            device = self.frame_done(device);
        }
        let cmd = call.cmd();
        let answer = v4l2::dispatch(&mut *device, &ctx, cmd, &mut call.arg, &mut call.nested);
        let copies = self.user.copies(device.take_copy_out());
        if changes_user_memory(cmd) {
            self.user.settle(&fetched.pieces, &device.user_memory());
        }
        fault!("dispatch.done");
        // Before the caller goes on: it may ask at once who holds what.
        drop(fetched);
        match answer {
            Ok(Answer::Park) => {
                self.park(device, call, &interrupted.unwrap_or_default());
                fault!("park.parked");
                Progress::Over
            }
            Ok(answer) => {
                self.let_go(device);
                match (answer, swap::wanted(self, &call)) {
                    (Answer::Export { buffer, flags }, _) => {
                        Progress::Finish(call, Finish::Descriptor(buffer, flags))
                    }
                    (_, Some(mapped)) => Progress::Finish(call, Finish::Swap(mapped)),
                    _ if call.nested_at.is_some() || !copies.is_empty() => {
                        Progress::Finish(call, Finish::Memory(copies))
                    }
                    _ => {
                        call.succeed();
                        Progress::Over
                    }
                }
            }
            Err(errno) => {
                let other = self.in_the_way(&device, call.file, errno).filter(|_| !call.waited);
                self.let_go(device);
                if let Some(other) = other {
                    return Progress::InTheWay(call, other);
                }
                if !may_park && would_wait(call.cmd(), errno) {
                    return Progress::WouldWait(call);
                }
                self.refuse(call, errno)
            }
        }
    }

    /// A call that was refused; its array goes back too, where the kernel does so.
    fn refuse(self: &Arc<Self>, call: Call, errno: Errno) -> Progress {
        let name = v4l2::table::name(call.cmd()).unwrap_or("unknown ioctl");
        let (tid, uid) = (call.site.caller.tid, call.uid());
        if is_usual(name, errno) {
            tracing::debug!(node = self.name, tid, uid, "{name}: {errno}");
        } else {
            tracing::info!(node = self.name, tid, uid, "{name} refused: {errno}");
        }
        if call.array_changed() && v4l2::table::gives_back(call.cmd(), true) {
            return Progress::Finish(call, Finish::Refusal(errno));
        }
        call.fail(errno);
        Progress::Over
    }

    /// Whether the call waits still.
    pub(super) fn is_parked(&self, ticket: Ticket) -> bool {
        self.parked.has(ticket)
    }

    /// A call that waits has turned out not to want to.
    pub(super) fn give_up_waiting(self: &Arc<Self>, ticket: Ticket) {
        let mut device = self.device();
        let call = if device.cancel(ticket) { self.parked.take(ticket) } else { None };
        self.let_go(device);
        if let Some(Parked::Ioctl(call)) = call {
            let errno = nothing_there(call.cmd());
            call.fail(errno);
        }
    }

    /// Where a file's descriptors are found, for [`crate::courier::Worker::open_flags_on`].
    pub(super) fn descriptors_of(&self, opened: Opened) -> (u64, u64) {
        match opened {
            (_, Door::Cuse) => (self.device_number, 0),
            (file, Door::Fuse) => {
                let mapped = self.files.mapped(file).and_then(|mapped| mapped.opened());
                mapped.map_or((0, 0), |opened| (opened.file.mnt_id, opened.file.ino))
            }
        }
    }

    fn park(
        self: &Arc<Self>,
        device: MutexGuard<'_, Device>,
        call: Call,
        interrupted: &AtomicBool,
    ) {
        let ticket = call.ticket;
        if call.cmd() == VIDIOC_DQBUF {
            let now = self.services.clock.now_ns();
            self.nonblocking.parked(call.opened(), ticket, call.site, now);
        }
        self.keep(device, ticket, call.uid(), Parked::Ioctl(call), interrupted);
    }

    /// Whether a signal has come, from now on.
    pub(super) fn watch_for_signals(self: &Arc<Self>, call: &Call) -> Arc<AtomicBool> {
        let interrupted = Arc::default();
        call.on_interrupt(self.interrupter(call.ticket, &interrupted));
        interrupted
    }

    pub(super) fn interrupter(
        self: &Arc<Self>,
        ticket: Ticket,
        interrupted: &Arc<AtomicBool>,
    ) -> Box<dyn FnOnce() + Send> {
        let (node, interrupted) = (Arc::clone(self), Arc::clone(interrupted));
        Box::new(move || {
            interrupted.store(true, Ordering::Release);
            node.interrupt(ticket);
        })
    }

    fn interrupt(self: &Arc<Self>, ticket: Ticket) {
        let mut device = self.device();
        let call = if device.cancel(ticket) { self.parked.take(ticket) } else { None };
        self.let_go(device);
        if let Some(call) = call {
            call.interrupted();
        }
    }

    /// Keeps the reply of a call that the device has parked.
    pub(super) fn keep(
        self: &Arc<Self>,
        mut device: MutexGuard<'_, Device>,
        ticket: Ticket,
        uid: u32,
        parked: Parked,
        interrupted: &AtomicBool,
    ) {
        if self.is_stopping() && device.cancel(ticket) {
            self.let_go(device);
            return parked.fail(Errno::ENODEV);
        }
        // A signal that came before the call was parked has found nothing to cancel.
        if interrupted.load(Ordering::Acquire) && device.cancel(ticket) {
            self.let_go(device);
            return parked.interrupted();
        }
        match self.services.users.permit(uid, Kind::Waiting) {
            Ok(permit) => self.parked.insert(ticket, parked, permit),
            Err(errno) => {
                device.cancel(ticket);
                self.let_go(device);
                return parked.fail(errno);
            }
        }
        self.let_go(device);
    }

    // ---- frames and effects ------------------------------------------------------------------------

    /// Waits until the frame that is being filled or shown is done: its buffer can be taken back
    /// then. No other frame is begun meanwhile: the pacing thread, which may always be late, would
    /// mostly be faster than whoever waits.
    pub(super) fn frame_done<'a>(
        &'a self,
        device: MutexGuard<'a, Device>,
    ) -> MutexGuard<'a, Device> {
        if !device.is_working() {
            return device;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let waited =
            self.idle.wait_timeout_while(device, FRAME_DEADLINE, |device| device.is_working());
        let (device, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        // The pacing thread looks again when the device is free.
        self.news.notify_all();
        if timeout.timed_out() {
            tracing::warn!(node = self.name, "a frame takes longer than {FRAME_DEADLINE:?}");
        }
        device
    }

    /// Whether somebody waits for the frame to be done. Asked, and changed, under the device's lock.
    pub(super) fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Ends the use of the device, and does what it left to be done.
    pub(super) fn let_go(self: &Arc<Self>, mut device: MutexGuard<'_, Device>) {
        let left = self.take_left(&mut device);
        let news = device.take_news();
        drop(device);
        if news {
            self.news.notify_all();
        }
        self.carry_out(left);
    }

    /// Said under the device's lock; a system call only where somebody waits for it.
    pub(super) fn frame_is_done(&self) {
        if self.is_waited_for() {
            self.idle.notify_all();
        }
    }

    /// Waits for news, or until it is `timeout` later.
    pub(super) fn await_news<'a>(
        &self,
        device: MutexGuard<'a, Device>,
        timeout: Option<Duration>,
    ) -> MutexGuard<'a, Device> {
        match timeout {
            None => self.news.wait(device).unwrap_or_else(PoisonError::into_inner),
            Some(timeout) => {
                let waited = self.news.wait_timeout(device, timeout);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    /// What the device has left to be done. Who is to be woken is settled under its lock: who polls
    /// later sees the news by itself, and a wake-up would be an edge (`EPOLLET`) that never was.
    pub(super) fn take_left(&self, device: &mut Device) -> Left {
        let mut wakes = Vec::new();
        let mut effects = device.take_effects();
        effects.retain(|effect| match effect {
            Effect::Wake(file) => {
                self.pollers.take(*file, self.files.is_swapped(*file), &mut wakes);
                false
            }
            Effect::Complete { .. } => true,
        });
        Left { effects, wakes }
    }

    pub(super) fn carry_out(self: &Arc<Self>, left: Left) {
        for effect in left.effects {
            match effect {
                Effect::Wake(_) => {}
                Effect::Complete { ticket, outcome } => match self.parked.take(ticket) {
                    Some(call) => self.complete(call, outcome),
                    None => {
                        tracing::warn!(node = self.name, ticket = ticket.0, "nobody waits for it");
                    }
                },
            }
        }
        self.pollers.wake(&left.wakes);
    }

    fn complete(self: &Arc<Self>, parked: Parked, outcome: Outcome) {
        fault!("park.completes");
        match (parked, outcome) {
            (Parked::Ioctl(mut call), Outcome::Dequeued { buffer, planes, copy_out }) => {
                call.arg = buffer.as_bytes().to_vec();
                call.nested = planes.as_slice().as_bytes().to_vec();
                if call.nested_at.is_none() && copy_out.is_empty() {
                    call.succeed();
                } else {
                    errand::finish_memory(self, call, copy_out);
                }
            }
            (Parked::Ioctl(mut call), Outcome::Event(event)) => {
                call.arg = event.as_bytes().to_vec();
                call.succeed();
            }
            (Parked::Read(reply), Outcome::Read(bytes)) => drop(reply.data(&bytes)),
            (Parked::Write(reply), Outcome::Written(taken)) => drop(reply.written(taken)),
            (parked, Outcome::Failed(errno)) => parked.fail(errno),
            (parked, outcome) => {
                tracing::warn!(node = self.name, "{parked:?} can't be answered with {outcome:?}");
                parked.fail(Errno::EIO);
            }
        }
    }

    /// The node ends: whoever waits gets `ENODEV`, and nobody waits from now on.
    pub(super) fn stop(self: &Arc<Self>) {
        self.stopping.store(true, Ordering::Release);
        let device = self.device();
        let waiting = self.parked.take_all();
        self.let_go(device);
        self.news.notify_all();
        fault!("stop.waiting");
        for call in waiting {
            call.fail(Errno::ENODEV);
        }
        fault!("stop.answered");
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `st_rdev` of `/dev/video<number>`, without opening it.
fn device_number(number: u32) -> u64 {
    nix::sys::stat::stat(format!("/dev/video{number}").as_str()).map_or(0, |stat| stat.st_rdev)
}

/// Refusals that say nothing: what programs try at every start, ask again and again, or count
/// up to.
fn is_usual(name: &str, errno: Errno) -> bool {
    let asks = ["ENUM", "QUERY", "G_"].iter().any(|start| name.starts_with(start));
    match errno {
        Errno::ENOTTY | Errno::EAGAIN | Errno::ENOENT => true,
        Errno::EINVAL => asks,
        _ => false,
    }
}

/// Calls that cause events, which have a time stamp, or change the pace of frames.
fn tells_time(cmd: u32) -> bool {
    matches!(cmd, VIDIOC_S_CTRL | VIDIOC_S_EXT_CTRLS | VIDIOC_SUBSCRIBE_EVENT | VIDIOC_S_PARM)
}

/// Calls after which a buffer may be the program's that the pacing thread has in its hands.
fn takes_buffers_back(cmd: u32) -> bool {
    matches!(cmd, VIDIOC_STREAMOFF | VIDIOC_REQBUFS | VIDIOC_REMOVE_BUFS)
}

/// Calls by which the queue may take user memory or let go of it.
fn changes_user_memory(cmd: u32) -> bool {
    matches!(cmd, VIDIOC_QBUF | VIDIOC_PREPARE_BUF | VIDIOC_REQBUFS | VIDIOC_REMOVE_BUFS)
}

/// The errno that means: nothing is there yet. A file that is not `O_NONBLOCK` waits instead.
fn would_wait(cmd: u32, errno: Errno) -> bool {
    matches!(cmd, VIDIOC_DQBUF | VIDIOC_DQEVENT) && errno == nothing_there(cmd)
}

/// The same, as an answer.
pub(super) fn nothing_there(cmd: u32) -> Errno {
    if cmd == VIDIOC_DQEVENT { Errno::ENOENT } else { Errno::EAGAIN }
}
