//! Looks, now and then, whether what was let go of while it was mapped is mapped still: nobody tells of
//! a `munmap`. Nothing is looked at while there is no such buffer and no such file.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use super::looks;
use super::mapped::MappedFile;
use super::node::NodeShared;
use crate::courier::Workers;

/// Between two looks: as short as a person's patience, far longer than a look takes.
const BETWEEN: Duration = Duration::from_millis(250);

/// Before the first look, and twice as long before each further one until that. The kernel lets go of
/// the file behind a passed-through one only after it has told of the last `close(2)`, but soon.
const FIRST: Duration = Duration::from_millis(4);

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

    fn run(&self, workers: &Workers) {
        let mut state = self.lock();
        let mut pause = FIRST;
        while !state.over {
            if state.files.is_empty() && state.nodes.is_empty() {
                pause = FIRST;
                state = self.0.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let waited = self.0.bell.wait_timeout_while(state, pause, |state| !state.over);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            pause = BETWEEN.min(pause * 2);
            let (files, nodes) =
                (std::mem::take(&mut state.files), std::mem::take(&mut state.nodes));
            drop(state);
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
            files.iter().for_each(|mapped| state.add_file(mapped));
            nodes.iter().for_each(|node| state.add_node(node));
        }
    }
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
        out.debug_struct("State").field("files", &files).field("nodes", &nodes).finish()
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
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that looks after mapped buffers has panicked");
        }
    }
}
