//! Looks, now and then, whether what was let go of while it was mapped is mapped still: nobody tells of
//! a `munmap`. Nothing is looked at while there is no such buffer and no such file. It also goes on with
//! the calls that wait for a file to close.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::closing::Closing;
use super::looks;
use super::mapped::MappedFile;
use super::node::NodeShared;
use crate::courier::Workers;

/// Between two looks: as short as a person's patience, far longer than a look takes.
const BETWEEN: Duration = Duration::from_millis(250);

/// Before the first look, and twice as long before each further one until that. The kernel lets go of
/// the file behind a passed-through one only after it has told of the last `close(2)`, but soon.
const FIRST: Duration = Duration::from_millis(4);

/// Between two looks whether a file is closed that calls wait for. Of some such files nobody tells.
const BETWEEN_CALLS: Duration = Duration::from_millis(10);

/// Whose jobs these are, for the workers' fairness.
const ROOT: u32 = 0;

/// The thread. Dropping it ends it.
#[derive(Debug)]
pub struct Lookout {
    watch: Watch,
    thread: Option<JoinHandle<()>>,
}

/// What tells the thread that there is something to look after.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Default)]
struct State {
    /// With buffers that their queue has let go of. Kept here, as nobody else may have them.
    files: Vec<Arc<MappedFile>>,
    /// With files that mappings alone keep open.
    nodes: Vec<Weak<NodeShared>>,
    /// Calls that wait for a file to close.
    closing: Vec<Closing>,
    over: bool,
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Buffers of this file are, or will be, let go of while they are mapped.
    pub(super) fn file(&self, mapped: &Arc<MappedFile>) {
        self.lock().add_file(mapped);
        self.0.bell.notify_all();
    }

    /// A file of this node has no descriptor any more, and is mapped.
    pub(super) fn node(&self, node: &Arc<NodeShared>) {
        self.lock().add_node(node);
        self.0.bell.notify_all();
    }

    /// This call waits for a file to close.
    pub(super) fn closing(&self, closing: Closing) {
        self.lock().closing.push(closing);
        self.0.bell.notify_all();
    }

    /// A file has been closed: calls may wait for that.
    pub(super) fn ring(&self) {
        if !self.lock().closing.is_empty() {
            self.0.bell.notify_all();
        }
    }

    fn run(&self, workers: &Workers) {
        let mut pace = Looks::default();
        let mut state = self.lock();
        while !state.over {
            let next = pace.next(state.files.is_empty() && state.nodes.is_empty());
            let wake = if state.closing.is_empty() {
                next
            } else {
                let soon = Instant::now() + BETWEEN_CALLS;
                Some(next.map_or(soon, |next| next.min(soon)))
            };
            state = match wake {
                None => self.0.bell.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(wake) => {
                    let left = wake.saturating_duration_since(Instant::now());
                    let waited = self.0.bell.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            if state.over {
                break;
            }
            // Nothing of theirs is done under the lock: it may ring, and what they let go of may be the
            // last that keeps the daemon's parts alive.
            let closing = std::mem::take(&mut state.closing);
            let (files, nodes) = if pace.are_due() {
                (std::mem::take(&mut state.files), std::mem::take(&mut state.nodes))
            } else {
                Default::default()
            };
            drop(state);
            let closing = go_on(closing);
            let nodes: Vec<_> = nodes.iter().filter_map(Weak::upgrade).filter(see_off).collect();
            let files: Vec<_> =
                files.into_iter().filter(|mapped| mapped.arena().has_mapped_orphans()).collect();
            for mapped in &files {
                let mapped = Arc::clone(mapped);
                workers.submit(ROOT, move |worker| {
                    if let Ok(worker) = worker {
                        looks::look_at_all(worker, &mapped);
                    }
                });
            }
            state = self.lock();
            state.closing.extend(closing);
            files.iter().for_each(|mapped| state.add_file(mapped));
            nodes.iter().for_each(|node| state.add_node(node));
        }
    }
}

/// When to look at what is mapped.
struct Looks {
    next: Option<Instant>,
    pause: Duration,
}

impl Default for Looks {
    fn default() -> Self {
        Self { next: None, pause: FIRST }
    }
}

impl Looks {
    /// When the next look is to be taken; `None` while there is nothing to look at.
    fn next(&mut self, nothing: bool) -> Option<Instant> {
        if nothing {
            *self = Self::default();
        } else if self.next.is_none() {
            self.next = Some(Instant::now() + self.pause);
        }
        self.next
    }

    /// Whether it is to be taken now. Each is put off further than the one before.
    fn are_due(&mut self) -> bool {
        let now = Instant::now();
        let due = self.next.is_some_and(|next| next <= now);
        if due {
            self.pause = BETWEEN.min(self.pause * 2);
            self.next = Some(now + self.pause);
        }
        due
    }
}

/// Goes on with the calls that have waited long enough; returns the others.
fn go_on(closing: Vec<Closing>) -> Vec<Closing> {
    let mut waiting = Vec::with_capacity(closing.len());
    for mut call in closing {
        if call.is_over() {
            call.go_on();
        } else {
            waiting.push(call);
        }
    }
    waiting
}

/// Closes what can be closed; whether something is left.
fn see_off(node: &Arc<NodeShared>) -> bool {
    node.see_off();
    !node.files.lingering().is_empty()
}

impl State {
    fn add_file(&mut self, mapped: &Arc<MappedFile>) {
        if !self.files.iter().any(|known| Arc::ptr_eq(known, mapped)) {
            self.files.push(Arc::clone(mapped));
        }
    }

    fn add_node(&mut self, node: &Arc<NodeShared>) {
        let node = Arc::downgrade(node);
        if !self.nodes.iter().any(|known| known.ptr_eq(&node)) {
            self.nodes.push(node);
        }
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (files, nodes) = (self.files.len(), self.nodes.len());
        let closing = self.closing.len();
        out.debug_struct("State")
            .field("files", &files)
            .field("nodes", &nodes)
            .field("closing", &closing)
            .finish()
    }
}

impl Lookout {
    /// Starts it.
    ///
    /// # Errors
    /// That no thread can be had.
    pub fn start(workers: Arc<Workers>) -> std::io::Result<Self> {
        let watch = Watch::default();
        let on = watch.clone();
        let thread = std::thread::Builder::new().name("lookout".into());
        let thread = Some(thread.spawn(move || on.run(&workers))?);
        Ok(Self { watch, thread })
    }

    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        {
            let mut state = self.watch.lock();
            state.over = true;
            state.files.clear();
        }
        self.watch.0.bell.notify_all();
        // What it let go of may have been the last that kept it: then it ends by itself.
        let own = std::thread::current().id();
        let thread = self.thread.take().filter(|thread| thread.thread().id() != own);
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that looks after mapped buffers has panicked");
        }
    }
}
