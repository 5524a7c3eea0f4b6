//! Which frame is due when: nominal times, from the moment streaming starts.

use super::source::Interval;

const NS_PER_SECOND: u128 = 1_000_000_000;

/// The pace of a stream. Frame 0 is due at once, frame n n intervals later. What nobody had a
/// buffer for is not made up for: the number goes on with the clock, so a program sees from
/// `v4l2_buffer.sequence` how many it has missed. Numbers here have 64 bits: those of
/// `v4l2_buffer.sequence`, their lower half, come again after 49 days of 1000 frames a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// When frame `base` is due.
    start_ns: u64,
    base: u64,
    interval: Interval,
}

impl Pace {
    /// Streaming starts at `now_ns`.
    #[must_use]
    pub fn start(now_ns: u64, interval: Interval) -> Self {
        Self { start_ns: now_ns, base: 0, interval }
    }

    /// The nominal time of a frame.
    #[must_use]
    pub fn due_ns(&self, number: u64) -> u64 {
        let frames = u128::from(number.saturating_sub(self.base));
        let offset = frames * NS_PER_SECOND * u128::from(self.interval.numerator)
            / u128::from(self.interval.denominator.max(1));
        self.start_ns.saturating_add(u64::try_from(offset).unwrap_or(u64::MAX))
    }

    /// The last frame that is due by `now_ns`; the base where none is yet.
    #[must_use]
    pub fn latest(&self, now_ns: u64) -> u64 {
        let passed = u128::from(now_ns.saturating_sub(self.start_ns));
        let interval = NS_PER_SECOND * u128::from(self.interval.numerator.max(1));
        // One more nanosecond, since due_ns() rounds down.
        let frames =
            ((passed + 1) * u128::from(self.interval.denominator)).saturating_sub(1) / interval;
        self.base.saturating_add(u64::try_from(frames).unwrap_or(u64::MAX))
    }

    /// Another interval from `now_ns` on (`VIDIOC_S_PARM` while streaming): `next` is due one new
    /// interval after the frame before it was, or at once where that has passed.
    pub fn change(&mut self, next: u64, now_ns: u64, interval: Interval) {
        if next == self.base {
            // No frame has been due yet: the first one comes when it would have come.
            self.interval = interval;
            return;
        }
        let last = next.saturating_sub(1);
        *self = Self { start_ns: self.due_ns(last).min(now_ns), base: last, interval };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THIRTY: Interval = Interval { numerator: 1, denominator: 30 };

    #[test]
    fn frames_are_due_at_nominal_times_that_do_not_drift() {
        let pace = Pace::start(1000, THIRTY);
        assert_eq!(pace.due_ns(0), 1000);
        assert_eq!(pace.due_ns(1), 1000 + 33_333_333);
        assert_eq!(pace.due_ns(30), 1000 + 1_000_000_000, "no rounding adds up");
    }

    #[test]
    fn the_latest_frame_is_the_one_whose_time_has_come() {
        let pace = Pace::start(0, THIRTY);
        for sequence in [0, 1, 2, 29, 30, 31, 1_000_000] {
            let due = pace.due_ns(sequence);
            assert_eq!(pace.latest(due), sequence, "at its time");
            assert_eq!(pace.latest(due + 1), sequence, "after it");
            if sequence > 0 {
                assert_eq!(pace.latest(due - 1), sequence - 1, "before it");
            }
        }
    }

    /// Whoever is told that the next frame was due long ago asks again at once, for ever.
    #[test]
    fn numbers_beyond_32_bits_have_their_own_time() {
        let mut pace = Pace::start(0, THIRTY);
        for number in [u64::from(u32::MAX), 1 << 32, (1 << 32) + 1, 1 << 33] {
            let due = pace.due_ns(number);
            assert_eq!(pace.latest(due), number);
            assert!(pace.due_ns(number + 1) > due);
        }
        let due = pace.due_ns(1 << 32);
        pace.change((1 << 32) + 1, due, Interval { numerator: 1, denominator: 10 });
        assert_eq!(pace.due_ns((1 << 32) + 1), due + 100_000_000);
    }

    #[test]
    fn another_rate_before_the_first_frame_holds_it_up_no_longer() {
        let mut pace = Pace::start(7, THIRTY);
        pace.change(0, 9, Interval { numerator: 1, denominator: 10 });
        assert_eq!((pace.due_ns(0), pace.due_ns(1)), (7, 100_000_007));
    }

    #[test]
    fn another_rate_goes_on_with_the_numbers() {
        let mut pace = Pace::start(0, THIRTY);
        let tenth = Interval { numerator: 1, denominator: 10 };
        pace.change(4, pace.due_ns(3) + 5, tenth);
        assert_eq!(pace.due_ns(4), 3 * 33_333_333 + 1 + 100_000_000);
        assert_eq!(pace.latest(pace.due_ns(4)), 4);
        assert_eq!(pace.latest(pace.due_ns(4) - 1), 3);
    }
}
