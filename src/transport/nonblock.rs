//! Is a file `O_NONBLOCK` now? No request tells: it may have been set by `fcntl(2)` since the file
//! was opened. A worker can find out, at many times the price of an ioctl.
//!
//! So a file that was found to block is taken to block still, and its next call parks without a
//! question. Only if that call has waited longer than a frame usually takes is the question asked, and
//! a file that has become `O_NONBLOCK` meanwhile gets its `EAGAIN` then: late once, but never not.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vb2::{FileId, Ticket};

use super::doors::Door;
use super::node::NodeShared;
use crate::courier::{CallSite, Worker};

/// How long a call waits before it is asked about, in nanoseconds: longer than a frame at 25 a second,
/// shorter than a person notices.
const PATIENCE_NS: u64 = 50_000_000;

/// An open file description: a file by one of its doors.
pub(super) type Opened = (FileId, Door);

/// What is known of a node's open files.
#[derive(Debug, Default)]
pub(super) struct NonBlocking(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// What each file was opened with.
    opened: HashMap<Opened, u32>,
    /// Files that blocked when they were last asked about.
    blocking: HashSet<Opened>,
    /// Calls that were parked lately, the oldest first.
    unasked: VecDeque<Unasked>,
}

/// A call that may have to be asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unasked {
    due_ns: u64,
    file: Opened,
    ticket: Ticket,
    site: CallSite,
}

impl NonBlocking {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn open(&self, file: Opened, flags: u32) {
        self.lock().opened.insert(file, flags);
    }

    pub(super) fn close(&self, file: Opened) {
        let mut state = self.lock();
        state.opened.remove(&file);
        state.blocking.remove(&file);
        state.unasked.retain(|call| call.file != file);
    }

    /// What it was opened with.
    pub(super) fn opened(&self, file: Opened) -> Option<u32> {
        self.lock().opened.get(&file).copied()
    }

    /// Whether the file may be taken to block without a question.
    pub(super) fn is_known_to_block(&self, file: Opened) -> bool {
        self.lock().blocking.contains(&file)
    }

    /// Asks, by `worker` if there is one; `place` is what [`NodeShared::descriptors_of`] says. Where nothing tells, the file is as it was opened: on
    /// kernels that don't say which descriptor a call was made on, if the caller has several that
    /// differ.
    pub(super) fn ask(
        &self,
        worker: Option<&mut Worker>,
        file: Opened,
        site: &CallSite,
        place: (u64, u64),
    ) -> bool {
        let asked = worker.and_then(|worker| {
            let flags = worker.open_flags_on(site, place.0, place.1);
            flags.inspect_err(|errno| tracing::debug!("is a file O_NONBLOCK? {errno}")).ok()
        });
        let mut state = self.lock();
        let flags = asked.or_else(|| state.opened.get(&file).copied()).unwrap_or_default();
        let nonblocking = flags & libc::O_NONBLOCK as u32 != 0;
        if nonblocking {
            state.blocking.remove(&file);
        } else if asked.is_some() && state.opened.contains_key(&file) {
            state.blocking.insert(file);
        }
        nonblocking
    }

    /// A call was parked. One that was asked about just now is asked about once more if it waits long.
    pub(super) fn parked(&self, file: Opened, ticket: Ticket, site: CallSite, now_ns: u64) {
        let due_ns = now_ns.saturating_add(PATIENCE_NS);
        self.lock().unasked.push_back(Unasked { due_ns, file, ticket, site });
    }

    /// The calls that have waited so long that they are to be asked about.
    fn overdue(&self, now_ns: u64) -> Vec<Unasked> {
        let mut state = self.lock();
        let count = state.unasked.iter().take_while(|call| call.due_ns <= now_ns).count();
        state.unasked.drain(..count).collect()
    }
}

/// Asks about the calls that have waited long. Called whenever a frame is due.
pub(super) fn ask_overdue(node: &Arc<NodeShared>, now_ns: u64) {
    for call in node.nonblocking.overdue(now_ns) {
        if !node.is_parked(call.ticket) {
            continue;
        }
        let on = Arc::clone(node);
        node.services.workers.submit(call.site.caller.uid, move |worker| {
            // Nobody to ask now: it waits on, and is asked about with its next call.
            let Ok(worker) = worker else { return };
            if on.nonblocking.ask(Some(worker), call.file, &call.site, on.descriptors_of(call.file))
            {
                on.give_up_waiting(call.ticket);
            }
        });
    }
}
