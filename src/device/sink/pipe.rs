//! Whole frames into a pipe: a thread writes them, so that whoever shows frames never waits for who
//! reads them.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Shown;

/// Frames that wait for the reader: one while the one before is being written. Beyond, frames are
/// dropped.
const WAITING: usize = 2;

/// How long the last frames may take when the sink ends: a reader that is there has them in
/// milliseconds, and one that has stopped must not hold up the daemon.
const LINGER: Duration = Duration::from_millis(200);

/// The writing end and its thread, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Pipe {
    shared: Arc<Shared>,
    begun: bool,
    /// That the pipe is broken was said.
    told: bool,
    /// A byte, or its closing, wakes the thread.
    wake: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Vec<u8>>,
    /// When the thread has to be done.
    over: Option<Instant>,
    broken: Option<Errno>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pipe {
    pub(super) fn start(file: File) -> io::Result<Self> {
        let flags = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?);
        fcntl(&file, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        let (woken, wake) = io::pipe()?;
        let shared = Arc::new(Shared::default());
        let writer = Writer { file, woken, shared: Arc::clone(&shared) };
        let thread = thread::Builder::new().name("pipe-sink".into()).spawn(move || writer.run())?;
        Ok(Self { shared, begun: false, told: false, wake: Some(wake), thread: Some(thread) })
    }

    pub(super) fn has_room(&self) -> bool {
        let state = self.shared.lock();
        state.broken.is_none() && state.waiting.len() < WAITING
    }

    /// Whether the reader has gone, or writing has failed.
    pub(super) fn is_broken(&self) -> bool {
        self.shared.lock().broken.is_some()
    }

    /// Hands over a frame, with `beginning` before the first one.
    pub(super) fn put(&mut self, beginning: &[u8], parts: &[&[u8]]) -> io::Result<Shown> {
        let mut state = self.shared.lock();
        if let Some(errno) = state.broken {
            let told = std::mem::replace(&mut self.told, true);
            return if told { Ok(Shown::Dropped) } else { Err(errno.into()) };
        }
        if state.waiting.len() >= WAITING {
            return Ok(Shown::Dropped);
        }
        let beginning = if self.begun { &[] } else { beginning };
        state.waiting.push_back([&[beginning], parts].concat().concat());
        self.begun = true;
        drop(state);
        // It holds thousands of bytes, and no more are in it than frames were put since it was read.
        self.wake.as_ref().map_or(Ok(()), |mut wake| wake.write_all(&[0]))?;
        Ok(Shown::Whole)
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.shared.lock().over = Some(Instant::now() + LINGER);
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            // A thread that has panicked has said so itself.
            let _ = thread.join();
        }
    }
}

struct Writer {
    file: File,
    woken: PipeReader,
    shared: Arc<Shared>,
}

impl Writer {
    fn run(mut self) {
        let written = self.write_all_frames();
        let shared = Arc::clone(&self.shared);
        // Closed before it is called broken: what this reader has not read is not for the next.
        drop(self);
        shared.lock().broken = written.err();
    }

    fn write_all_frames(&mut self) -> Result<(), Errno> {
        loop {
            while let Some(frame) = self.next() {
                self.write(&frame)?;
                // Only now is there room: what waits and what is being written are WAITING together.
                self.shared.lock().waiting.pop_front();
            }
            if self.shared.lock().over.is_some() {
                return Ok(());
            }
            // Also while there is nothing to write: a reader that leaves is noticed before the next
            // one comes, who would else get the rest of a frame.
            self.wait(PollFlags::empty())?;
        }
    }

    fn next(&self) -> Option<Vec<u8>> {
        self.shared.lock().waiting.front_mut().map(std::mem::take)
    }

    fn write(&mut self, frame: &[u8]) -> Result<(), Errno> {
        let mut rest = frame;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(PollFlags::POLLOUT)?;
                }
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(errno(&cause)),
            }
        }
        Ok(())
    }

    /// Waits for `events` at the pipe or something to do, and when all is over no longer than
    /// [`LINGER`].
    fn wait(&mut self, events: PollFlags) -> Result<(), Errno> {
        let over = self.shared.lock().over;
        let left = over.map(|over| over.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(Errno::ETIMEDOUT);
        }
        // Rounded up, lest the last millisecond is spent polling.
        let milliseconds = |left: Duration| u16::try_from(left.as_millis()).unwrap_or(u16::MAX - 1);
        let timeout = left.map_or(PollTimeout::NONE, |left| (milliseconds(left) + 1).into());
        let mut waited = [
            PollFd::new(self.file.as_fd(), events),
            PollFd::new(self.woken.as_fd(), PollFlags::POLLIN),
        ];
        // When all is over, its closed end would say so for ever.
        let count = if left.is_some() { 1 } else { 2 };
        match poll(waited.get_mut(..count).unwrap_or_default(), timeout) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(()),
            Err(errno) => return Err(errno),
        }
        let [pipe, woken] = waited.map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
        if pipe.contains(PollFlags::POLLERR) {
            return Err(Errno::EPIPE);
        }
        if woken.contains(PollFlags::POLLIN) {
            self.woken.read(&mut [0; 64]).map_err(|cause| errno(&cause))?;
        }
        Ok(())
    }
}

fn errno(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}
