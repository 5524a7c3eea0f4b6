//! Whole frames out of a pipe: a thread reads ahead, so that whoever paces the frames never waits
//! for who writes them.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Frames that are read ahead: one to give while the next one comes. Beyond, the writer waits.
const READ_AHEAD: usize = 2;

/// What comes out of the pipe.
#[derive(Debug)]
pub(super) enum Given {
    Frame(Vec<u8>),
    /// The writer has gone after so many bytes of a frame; they are dropped.
    Partial(usize),
    /// The writer has gone after a whole frame.
    End,
    /// Reading has failed for good.
    Failed(io::Error),
}

/// The reading end and its thread, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Pipe {
    size: usize,
    shared: Arc<Shared>,
    /// Its closing wakes the thread.
    wake: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
    named: bool,
    ended: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Something was taken, or all is over.
    room: Condvar,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Given>,
    spare: Vec<Vec<u8>>,
    over: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pipe {
    /// Frames of `size` bytes. Where a writer leaves a named pipe, `again` is opened for the next.
    pub(super) fn start(file: File, again: Option<PathBuf>, size: usize) -> io::Result<Self> {
        let (woken, wake) = io::pipe()?;
        let shared = Arc::new(Shared::default());
        let named = again.is_some();
        let reader = Reader { file, again, size, woken, shared: Arc::clone(&shared) };
        let thread =
            thread::Builder::new().name("raw-source".into()).spawn(move || reader.run())?;
        Ok(Self { size, shared, wake: Some(wake), thread: Some(thread), named, ended: false })
    }

    pub(super) fn frame_size(&self) -> usize {
        self.size
    }

    /// What came, if anything did. After the end of an unnamed pipe, always the end; a named one
    /// may get another writer.
    pub(super) fn take(&mut self) -> Option<Given> {
        let given = self.shared.lock().ready.pop_front();
        self.shared.room.notify_one();
        if let Some(given) = &given {
            self.ended = matches!(given, Given::End) && !self.named;
        }
        given.or_else(|| self.ended.then_some(Given::End))
    }

    /// A frame's memory, for the next one.
    pub(super) fn give_back(&self, bytes: Vec<u8>) {
        self.shared.lock().spare.push(bytes);
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.room.notify_one();
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // A thread that has panicked has said so itself.
            let _ = thread.join();
        }
    }
}

struct Reader {
    file: File,
    again: Option<PathBuf>,
    size: usize,
    woken: PipeReader,
    shared: Arc<Shared>,
}

impl Reader {
    fn run(mut self) {
        let mut frame = Vec::new();
        let mut have = 0;
        loop {
            match self.wait() {
                Ok(true) => {}
                Ok(false) => return,
                Err(cause) => {
                    self.hand_over(Given::Failed(cause));
                    return;
                }
            }
            frame.resize(self.size, 0);
            match self.file.read(frame.get_mut(have..).unwrap_or_default()) {
                Ok(0) => {
                    let given = if have == 0 { Given::End } else { Given::Partial(have) };
                    have = 0;
                    // First, so that the end of a writer who comes on hearing this is seen too.
                    let goes_on = self.reopen();
                    if !self.hand_over(given) || !goes_on {
                        return;
                    }
                }
                Ok(count) => {
                    have += count;
                    if have < self.size {
                        continue;
                    }
                    have = 0;
                    let spare = self.shared.lock().spare.pop().unwrap_or_default();
                    if !self.hand_over(Given::Frame(std::mem::replace(&mut frame, spare))) {
                        return;
                    }
                }
                Err(cause) if is_passing(&cause) => {}
                Err(cause) => {
                    self.hand_over(Given::Failed(cause));
                    return;
                }
            }
        }
    }

    /// Waits for bytes. `false`: all is over.
    fn wait(&self) -> io::Result<bool> {
        let mut waited = [
            PollFd::new(self.file.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.woken.as_fd(), PollFlags::POLLIN),
        ];
        loop {
            match poll(&mut waited, PollTimeout::NONE) {
                Ok(_) => break,
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        let [_, woken] = &waited;
        Ok(woken.any() != Some(true))
    }

    /// Queues what came, when there is room. `false`: all is over.
    fn hand_over(&self, given: Given) -> bool {
        let mut state = self.shared.lock();
        while !state.over && state.ready.len() >= READ_AHEAD {
            state = self.shared.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let goes_on = !state.over;
        state.ready.push_back(given);
        goes_on
    }

    /// A new end of the named pipe: on the old one, "the writer has gone" would be said for ever.
    /// The old one stays until then, lest what the next writer has written is lost.
    fn reopen(&mut self) -> bool {
        let Some(path) = &self.again else { return false };
        match super::open_file(path) {
            Ok(file) => {
                self.file = file;
                true
            }
            Err(_) => false,
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
