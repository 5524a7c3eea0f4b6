//! `DQBUF`: order, waiting, and what ends it.

use super::rig::{MMAP, OTHER, OWNER, Rig};
use crate::{BufType, Completion, Dequeue, Done, Effect, Error, Ticket, flags};

#[test]
fn buffers_come_in_the_order_they_became_ready() {
    for mut rig in Rig::each_with(MMAP, 4) {
        for index in [2, 0, 3, 1] {
            rig.qbuf(index).unwrap();
        }
        rig.streamon().unwrap();
        let ids: std::vec::Vec<_> = rig.queue.active().filter_map(|view| view.active()).collect();
        for place in [0, 2, 1, 3] {
            rig.done(ids[place], &Done::default()).unwrap();
        }
        let indices = [(); 4].map(|()| rig.dqbuf().unwrap().index);
        assert_eq!(indices, [2, 3, 0, 1]);
        assert_eq!(rig.dqbuf(), Err(Error::NotReady));
    }
}

#[test]
fn a_stream_that_is_off_is_einval_waiting_or_not() {
    for mut rig in Rig::each_with(MMAP, 2) {
        rig.qbuf(0).unwrap();
        for nonblocking in [true, false] {
            assert_eq!(rig.dqbuf_as(OWNER, 7, nonblocking), Err(Error::NotStreaming));
        }
        rig.streamon().unwrap();
        rig.finish(0);
        rig.streamoff().unwrap();
        assert_eq!(rig.dqbuf_as(OWNER, 7, false), Err(Error::NotStreaming));
        assert_eq!(rig.queue.waiting(), None);
    }
}

#[test]
fn waiting_call_gets_the_next_frame() {
    for mut rig in Rig::each_with(MMAP, 2) {
        rig.streamon().unwrap();
        assert_eq!(rig.dqbuf_as(OWNER, 7, false), Ok(Dequeue::Wait));
        assert_eq!(rig.queue.waiting(), Some(Ticket(7)));
        rig.qbuf(1).unwrap();
        assert!(rig.completions().is_empty());
        rig.finish(5);
        let [(7, Ok(Completion::Dequeued(info)))] = &rig.completions()[..] else { panic!() };
        assert_eq!((info.index, info.sequence), (1, 5));
        assert_eq!(info.flags & (flags::DONE | flags::QUEUED), 0);
        assert_eq!(rig.queue.waiting(), None);
        assert_eq!(rig.dqbuf(), Err(Error::NotReady), "it is taken");
    }
}

/// Who waits already is seen before anything about the stream.
#[test]
fn second_waiter_is_busy_even_if_it_would_not_wait() {
    for mut rig in Rig::each_with(MMAP, 2) {
        rig.streamon().unwrap();
        rig.dqbuf_as(OWNER, 7, false).unwrap();
        assert_eq!(rig.dqbuf_as(OWNER, 8, false), Err(Error::AlreadyWaiting));
        assert_eq!(rig.dqbuf_as(OWNER, 8, true), Err(Error::AlreadyWaiting));
        assert_eq!(rig.dqbuf_as(OTHER, 8, true), Err(Error::NotOwner));
        assert_eq!(rig.streamon(), Ok(()), "STREAMON again");
        assert_eq!(rig.reqbufs(OWNER, MMAP, 0), Err(Error::Streaming));
        assert_eq!(rig.queue.waiting(), Some(Ticket(7)));
    }
}

#[test]
fn streamoff_close_and_failure_end_waiting() {
    for mut rig in Rig::each_with(MMAP, 2) {
        rig.streamon().unwrap();
        rig.dqbuf_as(OWNER, 7, false).unwrap();
        rig.streamoff().unwrap();
        assert_eq!(rig.completions(), [(7, Err(Error::NotStreaming))]);
        rig.streamon().unwrap();
        rig.dqbuf_as(OWNER, 8, false).unwrap();
        rig.queue.queue_error();
        assert_eq!(rig.completions(), [(8, Err(Error::DeviceFailed))]);
        rig.streamoff().unwrap();
        rig.streamon().unwrap();
        rig.dqbuf_as(OWNER, 9, false).unwrap();
        rig.close(OTHER);
        assert!(rig.completions().is_empty());
        rig.close(OWNER);
        assert_eq!(rig.completions(), [(9, Err(Error::NotStreaming))]);
    }
}

/// A signal: the caller answers, and the next frame is for somebody else.
#[test]
fn cancelled_call_does_not_complete() {
    for mut rig in Rig::each_with(MMAP, 2) {
        rig.streamon().unwrap();
        rig.dqbuf_as(OWNER, 7, false).unwrap();
        assert!(!rig.queue.cancel(Ticket(8)), "another");
        assert!(rig.queue.cancel(Ticket(7)));
        assert!(!rig.queue.cancel(Ticket(7)), "once");
        rig.qbuf(0).unwrap();
        rig.finish(0);
        assert!(rig.completions().is_empty());
        assert_eq!(rig.dqbuf().unwrap().index, 0);
        rig.dqbuf_as(OWNER, 9, false).unwrap();
        rig.qbuf(0).unwrap();
        rig.finish(0);
        assert!(!rig.queue.cancel(Ticket(9)), "complete already, though not taken out");
        assert_eq!(rig.completions().len(), 1);
    }
}

/// A wrong array of planes takes no buffer, waiting or not.
#[test]
fn wrong_array_of_planes_takes_nothing() {
    let mut rig = Rig::new(BufType::VideoCaptureMplane).having(MMAP, 2);
    rig.qbuf(0).unwrap();
    rig.streamon().unwrap();
    rig.dqbuf_with(OWNER, 7, 1, false).unwrap();
    rig.finish(0);
    assert_eq!(rig.completions(), [(7, Err(Error::WrongPlanes))]);
    for planes in [0, 1, 9] {
        assert_eq!(rig.dqbuf_with(OWNER, 7, planes, true), Err(Error::WrongPlanes));
    }
    assert!(matches!(rig.dqbuf_with(OWNER, 7, 8, true), Ok(Dequeue::Done(_))));
}

#[test]
fn nothing_follows_the_last_frame() {
    let mut rig = Rig::capture().having(MMAP, 2);
    rig.qbuf(0).unwrap();
    rig.streamon().unwrap();
    let id = rig.queue.front_active().unwrap().active().unwrap();
    rig.done(id, &Done { flags: flags::LAST, ..Done::default() }).unwrap();
    assert_ne!(rig.dqbuf().unwrap().flags & flags::LAST, 0);
    assert_eq!(rig.dqbuf(), Err(Error::LastDequeued));
    assert_eq!(rig.dqbuf_as(OWNER, 7, false), Err(Error::LastDequeued));
    rig.streamoff().unwrap();
    rig.qbuf(0).unwrap();
    rig.streamon().unwrap();
    rig.finish(0);
    assert_eq!(rig.dqbuf().unwrap().flags & flags::LAST, 0);
}

/// Pollers are told once, however much became ready.
#[test]
fn pollers_wake_once_until_effects_are_taken() {
    let mut rig = Rig::capture().having(MMAP, 3);
    (0..3).for_each(|index| assert!(rig.qbuf(index).is_ok()));
    rig.streamon().unwrap();
    rig.finish(0);
    rig.finish(1);
    assert_eq!(rig.effects(), [Effect::PollWake]);
    rig.finish(2);
    assert_eq!(rig.effects(), [Effect::PollWake]);
    assert!(rig.effects().is_empty());
}
