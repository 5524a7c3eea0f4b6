//! A channel without a kernel, for tests of handlers: messages are given in, answers are looked at.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::Channel;

/// A kernel made of bytes. Clones are the same one: keep one, and give one to the session.
#[derive(Debug, Clone, Default)]
pub struct Script {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<io::Result<Vec<u8>>>,
    sent: Vec<Vec<u8>>,
    refusals: VecDeque<i32>,
    over: bool,
    stopped: bool,
}

impl Script {
    /// A connection over which nothing has come yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message that will be read.
    pub fn message(&self, bytes: &[u8]) -> &Self {
        self.state().messages.push_back(Ok(bytes.to_vec()));
        self.shared.news.notify_all();
        self
    }

    /// A `read` that will fail with this errno.
    pub fn failure(&self, errno: i32) -> &Self {
        self.state().messages.push_back(Err(io::Error::from_raw_os_error(errno)));
        self.shared.news.notify_all();
        self
    }

    /// The next answer will be refused with this errno.
    pub fn refuse(&self, errno: i32) -> &Self {
        self.state().refusals.push_back(errno);
        self
    }

    /// When all messages are read, `read` answers `ENODEV`.
    pub fn end(&self) -> &Self {
        self.state().over = true;
        self.shared.news.notify_all();
        self
    }

    /// What was sent since the last time.
    #[must_use]
    pub fn sent(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.state().sent)
    }
}

impl Channel for Script {
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.state();
        loop {
            if state.stopped {
                return Err(io::Error::from_raw_os_error(libc::ENODEV));
            }
            if let Some(next) = state.messages.pop_front() {
                let bytes = next?;
                let wrong = || io::Error::from_raw_os_error(libc::EINVAL);
                buffer.get_mut(..bytes.len()).ok_or_else(wrong)?.copy_from_slice(&bytes);
                return Ok(bytes.len());
            }
            if state.over {
                return Err(io::Error::from_raw_os_error(libc::ENODEV));
            }
            state = self.shared.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn send(&self, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let mut state = self.state();
        if let Some(errno) = state.refusals.pop_front() {
            return Err(io::Error::from_raw_os_error(errno));
        }
        state.sent.push(parts.iter().flat_map(|part| part.iter().copied()).collect());
        self.shared.news.notify_all();
        Ok(())
    }

    fn shutdown(&self) {
        self.state().stopped = true;
        self.shared.news.notify_all();
    }

    fn is_over(&self) -> bool {
        let state = self.state();
        state.over && state.messages.is_empty()
    }
}
