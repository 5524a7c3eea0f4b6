//! The states of a buffer, and `STREAMON` and `STREAMOFF`.

use super::rig::{MMAP, OWNER, Rig};
use crate::{BufType, Config, Done, Error, State, flags};

const STATES: u32 = flags::QUEUED | flags::DONE | flags::PREPARED | flags::ERROR;

#[test]
fn each_state_has_its_flag() {
    for mut rig in Rig::each_with(MMAP, 2) {
        assert_eq!(rig.flags(0) & STATES, 0);
        assert_eq!(rig.prepare(0).unwrap().flags & STATES, flags::PREPARED);
        assert_eq!(rig.prepare(0), Err(Error::NotDequeued));
        assert_eq!(rig.qbuf(0).unwrap().flags & STATES, flags::QUEUED);
        assert_eq!(rig.prepare(0), Err(Error::NotDequeued));
        assert_eq!(rig.qbuf(0), Err(Error::NotDequeued));
        rig.streamon().unwrap();
        assert_eq!(rig.flags(0) & STATES, flags::QUEUED);
        assert_eq!(rig.qbuf(0), Err(Error::NotDequeued));
        rig.finish(0);
        assert_eq!(rig.flags(0) & STATES, flags::DONE);
        assert_eq!(rig.qbuf(0), Err(Error::NotDequeued));
        assert_eq!(rig.prepare(0), Err(Error::NotDequeued));
        assert_eq!(rig.dqbuf().unwrap().flags & STATES, 0);
        assert_eq!(rig.flags(0) & STATES, 0);
        assert!(rig.qbuf(0).is_ok());
    }
}

#[test]
fn an_error_is_a_flag_of_dqbuf() {
    for mut rig in Rig::each_with(MMAP, 2) {
        rig.qbuf(0).unwrap();
        rig.streamon().unwrap();
        let id = rig.queue.front_active().unwrap().active().unwrap();
        rig.done(id, &Done { error: true, ..Done::default() }).unwrap();
        assert_eq!(rig.flags(0) & STATES, flags::DONE | flags::ERROR);
        assert_eq!(rig.queue.buffer(0).unwrap().state, State::Error);
        assert_eq!(rig.dqbuf().unwrap().flags & STATES, flags::ERROR);
        assert_eq!(rig.flags(0) & STATES, 0);
    }
}

#[test]
fn streaming_twice_is_no_error() {
    for mut rig in Rig::each_with(MMAP, 2) {
        assert_eq!(rig.streamoff(), Ok(()));
        assert_eq!(rig.streamon(), Ok(()));
        assert_eq!(rig.streamon(), Ok(()));
        assert_eq!(rig.streamoff(), Ok(()));
        assert_eq!(rig.streamoff(), Ok(()));
        assert_eq!(rig.dqbuf(), Err(Error::NotStreaming));
    }
}

#[test]
fn wrong_type_stops_and_takes_nothing() {
    for mut rig in Rig::each_with(MMAP, 2) {
        rig.qbuf(0).unwrap();
        rig.streamon().unwrap();
        rig.finish(0);
        let right = core::mem::replace(&mut rig.buf_type, 99);
        assert_eq!(rig.streamoff(), Err(Error::WrongType));
        assert_eq!(rig.streamon(), Err(Error::WrongType));
        assert_eq!(rig.dqbuf(), Err(Error::WrongType));
        rig.buf_type = right;
        assert_eq!(rig.dqbuf().unwrap().index, 0);
    }
}

#[test]
fn streamoff_returns_all_in_any_state() {
    for mut rig in Rig::each_with(MMAP, 5) {
        for index in 0..4 {
            rig.qbuf(index).unwrap();
        }
        rig.prepare(4).unwrap();
        rig.streamon().unwrap();
        rig.finish(0);
        rig.finish(1);
        rig.dqbuf().unwrap();
        rig.streamoff().unwrap();
        for index in 0..5 {
            assert_eq!(rig.flags(index) & STATES, 0);
        }
        for index in [4, 3, 2, 1, 0] {
            rig.qbuf(index).unwrap();
        }
        rig.streamon().unwrap();
        rig.finish(0);
        assert_eq!(rig.dqbuf().unwrap().index, 4, "the one queued first");
    }
}

#[test]
fn streamoff_without_streamon_unprepares() {
    for mut rig in Rig::each_with(MMAP, 2) {
        rig.prepare(0).unwrap();
        rig.qbuf(1).unwrap();
        rig.streamoff().unwrap();
        assert_eq!(rig.flags(0) & STATES, 0);
        assert_eq!(rig.flags(1) & STATES, 0);
        assert!(rig.prepare(0).is_ok());
    }
}

/// A frame finished after `STREAMOFF`, its buffer queued again meanwhile, is not taken for the
/// new one.
#[test]
fn late_frame_is_stale() {
    let mut rig = Rig::capture().having(MMAP, 2);
    rig.qbuf(0).unwrap();
    rig.streamon().unwrap();
    let late = rig.queue.front_active().unwrap().active().unwrap();
    rig.streamoff().unwrap();
    assert_eq!(rig.done(late, &Done::default()), Err(Error::Stale));
    rig.qbuf(0).unwrap();
    rig.streamon().unwrap();
    assert_eq!(rig.done(late, &Done::default()), Err(Error::Stale));
    assert_eq!(rig.flags(0) & STATES, flags::QUEUED);
    let now = rig.queue.front_active().unwrap().active().unwrap();
    assert_eq!(now.index(), late.index());
    assert_eq!(rig.done(now, &Done::default()), Ok(()));
    assert_eq!(rig.done(now, &Done::default()), Err(Error::Stale), "once only");
    rig.streamoff().unwrap();
    rig.reqbufs(OWNER, MMAP, 0).unwrap();
    assert_eq!(rig.done(now, &Done::default()), Err(Error::Stale));
}

#[test]
fn driver_that_will_not_start_leaves_buffers_queued() {
    for mut rig in Rig::each_with(MMAP, 2) {
        rig.qbuf(0).unwrap();
        rig.driver.fail_start = Some(Error::Driver(5));
        assert_eq!(rig.streamon(), Err(Error::Driver(5)));
        assert!(!rig.queue.is_streaming());
        assert_eq!(rig.flags(0) & STATES, flags::QUEUED);
        rig.driver.fail_start = None;
        rig.streamon().unwrap();
        assert_eq!(rig.finish(0), Some(0));
    }
}

/// With a least number the driver starts at the `QBUF` that reaches it.
#[test]
fn driver_starts_when_enough_is_queued() {
    let mut config = Config::new(BufType::VideoCapture);
    config.min_queued_buffers = 2;
    let mut rig = Rig::with(config, 1).having(MMAP, 3);
    rig.qbuf(0).unwrap();
    rig.streamon().unwrap();
    assert!(rig.queue.is_streaming() && !rig.driver.running);
    assert_eq!(rig.queue.active_count(), 0);
    rig.driver.fail_start = Some(Error::Driver(5));
    assert_eq!(rig.qbuf(1), Err(Error::Driver(5)));
    assert_eq!(rig.flags(1) & STATES, flags::PREPARED, "given back as it was prepared");
    rig.driver.fail_start = None;
    rig.qbuf(1).unwrap();
    assert!(rig.driver.running);
    assert_eq!(rig.queue.active_count(), 2);
}

/// The API by which an output driver keeps the last frame on the screen.
#[test]
fn front_followed_keeps_the_last() {
    let mut rig = Rig::output().having(MMAP, 3);
    rig.qbuf(2).unwrap();
    rig.streamon().unwrap();
    assert!(rig.queue.front_followed().is_none());
    assert_eq!(rig.queue.front_active().unwrap().index, 2);
    rig.qbuf(0).unwrap();
    assert_eq!(rig.queue.front_followed().unwrap().index, 2);
    assert_eq!(rig.queue.active_count(), 2);
    let indices: std::vec::Vec<_> = rig.queue.active().map(|view| view.index).collect();
    assert_eq!(indices, [2, 0]);
}

#[test]
fn failed_device_answers_eio_until_streamoff() {
    for mut rig in Rig::each_with(MMAP, 3) {
        rig.qbuf(0).unwrap();
        rig.streamon().unwrap();
        rig.finish(0);
        rig.queue.queue_error();
        assert_eq!(rig.dqbuf(), Err(Error::DeviceFailed));
        assert_eq!(rig.qbuf(1), Err(Error::DeviceFailed));
        assert_eq!(rig.prepare(1), Err(Error::DeviceFailed));
        rig.streamoff().unwrap();
        assert!(rig.qbuf(1).is_ok());
    }
}
