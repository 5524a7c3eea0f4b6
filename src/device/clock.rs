//! The clock that frames are paced by.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Nanoseconds of `CLOCK_MONOTONIC`, the clock of `V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC`.
pub trait Clock: Send + Sync {
    /// Now.
    fn now_ns(&self) -> u64;
}

/// The system's.
#[derive(Debug, Clone, Copy, Default)]
pub struct Monotonic;

impl Clock for Monotonic {
    fn now_ns(&self) -> u64 {
        // CLOCK_MONOTONIC is always there.
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
        u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The double: stands still until it is told otherwise.
#[derive(Debug, Default)]
pub struct Stepped(Mutex<u64>);

impl Stepped {
    /// Lets time pass.
    pub fn advance(&self, ns: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += ns;
    }
}

impl Clock for Stepped {
    fn now_ns(&self) -> u64 {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_never_goes_back() {
        let first = Monotonic.now_ns();
        assert!(first > 0 && Monotonic.now_ns() >= first);
    }

    #[test]
    fn the_double_stands_still_until_told() {
        let clock = Stepped::default();
        assert_eq!(clock.now_ns(), 0);
        clock.advance(7);
        assert_eq!(clock.now_ns(), 7);
    }
}
