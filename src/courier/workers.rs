//! The pool: threads of the daemon, each with a helper, and the bounded queue before them.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::errno::Errno;

use super::Worker;
use super::process::HelperProcess;

/// How many, how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Threads, each with one helper process. One user's jobs never run on all of them, so two
    /// is the least at which nobody can stall everybody.
    pub workers: usize,
    /// Jobs that wait or run, in all.
    pub queue: usize,
    /// Jobs that wait or run, of one user.
    pub per_uid: usize,
    /// How long one operation of a [`Worker`] may take.
    pub deadline: Duration,
}

impl Default for Limits {
    /// Three workers: each costs a thread and about 2 MB, mostly shared. A process has at most as
    /// many calls under way as threads; 256 of one user is more than the programs of a test run have
    /// that are all started at once. Those of other users don't wait for them.
    /// Two seconds are a thousand times what any operation takes, on a loaded machine too.
    fn default() -> Self {
        Self { workers: 3, queue: 1024, per_uid: 256, deadline: Duration::from_secs(2) }
    }
}

/// The program that is started under the name [`super::HELPER_NAME`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Program {
    /// The program that runs now (`/proc/self/exe`).
    #[default]
    Own,
    /// Another file, for tests.
    File(PathBuf),
    /// None: a service manager listens at this `SOCK_SEQPACKET` Unix socket, and starts a helper for
    /// each connection (`udev/shrbuf-helper.socket`).
    Socket(PathBuf),
}

/// Helpers of one user that not even SIGKILL has ended. More of them, and that user gets no jobs.
const STUCK: usize = 4;

type Job = Box<dyn FnOnce(Result<&mut Worker, Errno>) + Send>;

/// The pool. Dropping it answers all waiting jobs with `EIO`, lets the running ones end (their
/// deadlines bound that), and ends the helpers.
#[derive(Debug)]
pub struct Workers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    limits: Limits,
    state: Mutex<State>,
    /// Something to do, or the end.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(u32, Job)>,
    /// How many jobs of a user run.
    running: HashMap<u32, usize>,
    /// Helpers that don't end, and whose job it was.
    stuck: Vec<(u32, HelperProcess)>,
    closed: bool,
}

impl Workers {
    /// Starts the threads and their helpers. Call it early: a helper inherits no descriptor, and
    /// starting one copies the page tables of the process.
    ///
    /// # Errors
    /// When no thread, socket or helper is to be had.
    pub fn start(limits: Limits, program: Program) -> io::Result<Self> {
        let state = Mutex::new(State::default());
        let shared = Arc::new(Shared { limits, state, changed: Condvar::new() });
        let mut pool = Self { shared, threads: Vec::new() };
        for index in 0..limits.workers.max(1) {
            let mut worker = Worker::new(program.clone(), index, limits.deadline)?;
            let shared = Arc::clone(&pool.shared);
            let thread = std::thread::Builder::new().name(format!("worker {index}"));
            pool.threads.push(thread.spawn(move || shared.work(&mut worker))?);
        }
        Ok(pool)
    }

    /// Has `job` called exactly once: on a worker's thread with the worker, or at once, on this
    /// thread, with the errno that refuses it: `EBUSY` when this user (or everyone together) has
    /// as many jobs here as [`Limits`] allow. A job that still waits when the pool is dropped is
    /// called with `EIO`. Never blocks.
    ///
    /// A job keeps its worker until it returns: it answers its request and ends, and never waits
    /// for anything but the worker's own operations.
    pub fn submit(&self, uid: u32, job: impl FnOnce(Result<&mut Worker, Errno>) + Send + 'static) {
        self.put(uid, false, Box::new(job));
    }

    /// As [`Self::submit`], beyond the limits too: for the end of a call that has had its effect,
    /// which a refusal would lose. The caller bounds how many of these there are.
    pub fn submit_owed(
        &self,
        uid: u32,
        job: impl FnOnce(Result<&mut Worker, Errno>) + Send + 'static,
    ) {
        self.put(uid, true, Box::new(job));
    }

    /// How many jobs of a user wait or run, and how many may.
    #[must_use]
    pub fn load(&self, uid: u32) -> (usize, usize) {
        (self.shared.lock().of(uid), self.shared.limits.per_uid)
    }

    fn put(&self, uid: u32, owed: bool, job: Job) {
        if let Err((errno, job)) = self.shared.push(uid, owed, job) {
            job(Err(errno));
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let waiting = {
            let mut state = self.shared.lock();
            state.closed = true;
            std::mem::take(&mut state.waiting)
        };
        self.shared.changed.notify_all();
        for (_, job) in waiting {
            job(Err(Errno::EIO));
        }
        let own = std::thread::current().id();
        for thread in self.threads.drain(..) {
            // A job may hold what holds the pool; then the last one to let go is a worker, and
            // ends by itself. A job that panicked has been reported by now.
            if thread.thread().id() != own {
                let _ = thread.join();
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, uid: u32, owed: bool, job: Job) -> Result<(), (Errno, Job)> {
        let mut state = self.lock();
        state.reap();
        if state.closed {
            return Err((Errno::EIO, job));
        }
        if !owed && state.full(uid, &self.limits) {
            return Err((Errno::EBUSY, job));
        }
        state.waiting.push_back((uid, job));
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    fn work(&self, worker: &mut Worker) {
        while let Some((uid, job)) = self.next() {
            worker.begin();
            job(Ok(&mut *worker));
            self.done(uid, worker.left_behind());
        }
        let left_behind = worker.end();
        self.lock().stuck.extend(left_behind.into_iter().map(|process| (u32::MAX, process)));
    }

    /// Waits for the next job that may run; `None` at the end.
    fn next(&self) -> Option<(u32, Job)> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some((uid, job)) = state.pick(&self.limits) {
                *state.running.entry(uid).or_default() += 1;
                return Some((uid, job));
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn done(&self, uid: u32, left_behind: Vec<HelperProcess>) {
        let mut state = self.lock();
        if let Some(count) = state.running.get_mut(&uid) {
            *count -= 1;
            if *count == 0 {
                state.running.remove(&uid);
            }
        }
        state.stuck.extend(left_behind.into_iter().map(|process| (uid, process)));
        drop(state);
        // A job of this user may have waited for just this.
        self.changed.notify_one();
    }
}

impl State {
    fn of(&self, uid: u32) -> usize {
        let waiting = self.waiting.iter().filter(|(owner, _)| *owner == uid).count();
        waiting + self.running.get(&uid).copied().unwrap_or(0)
    }

    fn full(&self, uid: u32, limits: &Limits) -> bool {
        let all = self.waiting.len() + self.running.values().sum::<usize>();
        let stuck = self.stuck.iter().filter(|(owner, _)| *owner == uid).count();
        all >= limits.queue || self.of(uid) >= limits.per_uid || stuck >= STUCK
    }

    /// The oldest job of the user who has the fewest running, unless that is as many as one user
    /// may have: the last worker is for the others.
    fn pick(&mut self, limits: &Limits) -> Option<(u32, Job)> {
        let most = limits.workers.saturating_sub(1).max(1);
        let running = |uid: &u32| self.running.get(uid).copied().unwrap_or(0);
        let jobs = self.waiting.iter().enumerate();
        let counted = jobs.map(|(place, (uid, _))| (running(uid), place));
        let (_, place) = counted.filter(|(count, _)| *count < most).min()?;
        self.waiting.remove(place)
    }

    fn reap(&mut self) {
        self.stuck.retain_mut(|(_, process)| !process.has_ended());
    }
}

impl fmt::Debug for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("State")
            .field("waiting", &self.waiting.len())
            .field("running", &self.running)
            .field("stuck", &self.stuck)
            .field("closed", &self.closed)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(waiting: &[u32], running: &[(u32, usize)]) -> State {
        let waiting =
            waiting.iter().map(|uid| (*uid, Box::new(|_: Result<&mut Worker, Errno>| ()) as Job));
        State {
            waiting: waiting.collect(),
            running: running.iter().copied().collect(),
            ..State::default()
        }
    }

    #[test]
    fn one_user_never_has_all_workers() {
        let limits = Limits { workers: 3, ..Limits::default() };
        let uid = |mut state: State| state.pick(&limits).map(|(uid, _)| uid);
        assert_eq!(uid(state(&[1, 1], &[])), Some(1));
        assert_eq!(uid(state(&[1, 1], &[(1, 2)])), None);
        assert_eq!(uid(state(&[1, 1, 2], &[(1, 2)])), Some(2));
        assert_eq!(uid(state(&[1, 2], &[(1, 1)])), Some(2), "who has fewer goes first");
        let one = Limits { workers: 1, ..limits };
        assert!(state(&[1], &[]).pick(&one).is_some(), "a single worker works for all");
    }

    #[test]
    fn limits_are_per_user_and_in_all() {
        let limits = Limits { queue: 4, per_uid: 2, ..Limits::default() };
        assert!(state(&[1], &[(1, 1)]).full(1, &limits));
        assert!(!state(&[1], &[(1, 1)]).full(2, &limits));
        assert!(state(&[1, 2], &[(1, 1), (3, 1)]).full(4, &limits));
    }
}
