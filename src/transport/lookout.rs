//! Looks, now and then, whether what was let go of while it was mapped is mapped still: nobody tells of
//! a `munmap`. Nothing is looked at while there is no such buffer.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use super::looks;
use super::mapped::MappedFile;
use crate::courier::Workers;

/// Between two looks: as short as a person's patience, far longer than a look takes.
const BETWEEN: Duration = Duration::from_millis(250);

/// Whose jobs these are, for the workers' fairness.
const ROOT: u32 = 0;

/// The thread. Dropping it ends it.
#[derive(Debug)]
pub struct Lookout {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct State {
    files: Vec<Weak<MappedFile>>,
    over: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, workers: &Workers) {
        let mut state = self.lock();
        while !state.over {
            if state.files.is_empty() {
                state = self.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let waited = self.bell.wait_timeout_while(state, BETWEEN, |state| !state.over);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            let files = std::mem::take(&mut state.files);
            drop(state);
            let mut left: Vec<_> = files.iter().filter_map(Weak::upgrade).collect();
            left.retain(|mapped| mapped.arena().has_mapped_orphans());
            for mapped in &left {
                let mapped = Arc::clone(mapped);
                workers.submit(ROOT, move |worker| {
                    if let Ok(worker) = worker {
                        looks::look_at_all(worker, &mapped);
                    }
                });
            }
            state = self.lock();
            for mapped in left {
                watch(&mut state, &mapped);
            }
        }
    }
}

fn watch(state: &mut State, mapped: &Arc<MappedFile>) {
    let mapped = Arc::downgrade(mapped);
    if !state.files.iter().any(|known| known.ptr_eq(&mapped)) {
        state.files.push(mapped);
    }
}

impl Lookout {
    /// Starts it.
    ///
    /// # Errors
    /// That no thread can be had.
    pub fn start(workers: Arc<Workers>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let on = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("lookout".into());
        let thread = Some(thread.spawn(move || on.run(&workers))?);
        Ok(Self { shared, thread })
    }

    /// Buffers of this file may have been let go of while they were mapped.
    pub(super) fn watch(&self, mapped: &Arc<MappedFile>) {
        watch(&mut self.shared.lock(), mapped);
        self.shared.bell.notify_all();
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.bell.notify_all();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that looks after mapped buffers has panicked");
        }
    }
}
