//! Windows: how much of a stream may be under way. Used on both sides.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::wire::WINDOW;

/// What the other side still takes of one stream.
#[derive(Debug)]
pub struct Window {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
enum State {
    /// So many bytes may still be sent.
    Open(usize),
    /// Nobody reads the stream any more.
    Closed,
}

impl Window {
    /// A window of so many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self { state: Mutex::new(State::Open(bytes)), changed: Condvar::new() }
    }

    /// Waits until something may be sent, and takes at most `most` bytes of the window; `None`
    /// when the stream is closed.
    pub fn take(&self, most: usize) -> Option<usize> {
        let state = self.locked();
        let waited = self.changed.wait_while(state, |state| matches!(state, State::Open(0)));
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            State::Open(left) => {
                let taken = most.min(*left);
                *left -= taken;
                Some(taken)
            }
            State::Closed => None,
        }
    }

    /// The other side has taken `count` bytes, or we give back what we did not use.
    pub fn give(&self, count: usize) {
        if let State::Open(left) = &mut *self.locked() {
            *left = left.saturating_add(count);
        }
        self.changed.notify_all();
    }

    /// Nobody reads the stream any more.
    pub fn close(&self) {
        *self.locked() = State::Closed;
        self.changed.notify_all();
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        // A poisoned lock means that another thread panicked; the number is still a number.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A window of [`WINDOW`] bytes, as every stream has one.
impl Default for Window {
    fn default() -> Self {
        Self::new(WINDOW as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_full_window_waits_until_the_other_side_has_taken_something() {
        let window = Arc::new(Window::default());
        assert_eq!(window.take(usize::MAX), Some(WINDOW as usize));
        let waiting = std::thread::spawn({
            let window = Arc::clone(&window);
            move || window.take(100)
        });
        window.give(7);
        assert_eq!(waiting.join().expect("the thread ends"), Some(7));
    }

    #[test]
    fn a_closed_window_gives_nothing_to_whoever_waits() {
        let window = Arc::new(Window::default());
        window.take(usize::MAX);
        let waiting = std::thread::spawn({
            let window = Arc::clone(&window);
            move || window.take(1)
        });
        window.close();
        assert_eq!(waiting.join().expect("the thread ends"), None);
    }
}
