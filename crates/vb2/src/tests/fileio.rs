//! `read`, `write`, and `poll` that starts them.

use super::rig::{FRAME, MMAP, OTHER, OWNER, Rig};
use crate::events::{ERR, IN, OUT, PRI, RDNORM, WRNORM};
use crate::{
    BufType, Completion, Config, Direction, Done, Effect, Error, FileId, FileIo, Ticket, Transfer,
};

impl Rig {
    fn direction(&self) -> Direction {
        if self.is_output() { Direction::Output } else { Direction::Capture }
    }

    fn fileio(&mut self, file: FileId, count: u32, nonblocking: bool) -> Result<(u32, u32), Error> {
        let direction = self.direction();
        let answer =
            self.queue.fileio(file, Ticket(7), direction, count, nonblocking, &mut self.driver);
        super::invariants::check(self);
        match answer? {
            FileIo::Transfer(Transfer { offset, length, .. }) => Ok((offset, length)),
            FileIo::Wait => panic!("waits"),
        }
    }

    fn copied(&mut self, bytes: u32) {
        self.queue.fileio_done(bytes, &mut self.driver).unwrap();
        super::invariants::check(self);
    }

    fn poll_ready(&self) -> u32 {
        if self.is_output() { OUT | WRNORM } else { IN | RDNORM }
    }
}

/// One queue of each direction whose frames have one plane; one of them multi-planar.
fn single() -> [Rig; 3] {
    [Rig::capture(), Rig::output(), Rig::with(Config::new(BufType::VideoCaptureMplane), 1)]
}

fn assert_busy(rig: &mut Rig) {
    assert_eq!(rig.reqbufs(OWNER, MMAP, 2), Err(Error::FileIoActive));
    assert_eq!(rig.reqbufs(OWNER, MMAP, 0), Err(Error::FileIoActive));
    assert_eq!(rig.create(OWNER, MMAP, 1), Err(Error::FileIoActive));
    assert!(rig.create(OWNER, MMAP, 0).is_ok());
    assert_eq!(rig.remove(OWNER, 0, 1), Err(Error::FileIoActive));
    assert_eq!(rig.qbuf(0), Err(Error::FileIoActive));
    assert_eq!(rig.prepare(0), Err(Error::FileIoActive));
    assert_eq!(rig.dqbuf(), Err(Error::FileIoActive));
    assert_eq!(rig.streamon(), Err(Error::FileIoActive));
    assert_eq!(rig.streamoff(), Err(Error::FileIoActive));
    let kind = rig.buf_type;
    assert_eq!(rig.queue.expbuf(OWNER, kind, 0, 0, 0), Err(Error::FileIoActive));
    assert_eq!(rig.queue.plane_at_offset(0), Err(Error::FileIoActive));
    assert_eq!(rig.reqbufs(OTHER, MMAP, 2), Err(Error::FileIoActive));
    assert_eq!(rig.fileio(OTHER, FRAME, true), Err(Error::NotOwner));
}

#[test]
fn poll_starts_it_and_owns_the_queue() {
    for mut rig in single() {
        let other = if rig.is_output() { IN } else { OUT };
        assert_eq!(rig.poll(OWNER, other | PRI), 0);
        assert!(!rig.queue.is_fileio());
        let want = if rig.is_output() { rig.poll_ready() } else { 0 };
        assert_eq!(rig.poll(OWNER, rig.poll_ready()), want);
        assert_eq!(rig.queue.owner(), Some(OWNER));
        assert_busy(&mut rig);
        if !rig.is_output() {
            rig.finish(0);
            assert_eq!(rig.poll(OWNER, IN), IN | RDNORM);
        }
        rig.close(OTHER);
        assert!(rig.queue.is_fileio());
        rig.close(OWNER);
        assert_eq!(rig.reqbufs(OTHER, MMAP, 2), Ok(2));
    }
}

#[test]
fn several_planes_have_none_and_leave_nothing() {
    for buf_type in [BufType::VideoCaptureMplane, BufType::VideoOutputMplane] {
        let mut rig = Rig::new(buf_type);
        assert_eq!(rig.fileio(OWNER, FRAME, true), Err(Error::SeveralPlanes));
        assert_eq!(rig.poll(OWNER, rig.poll_ready()), ERR);
        // A wake-up would make every poller poll again, for ever.
        assert!(rig.effects().is_empty());
        assert!(!rig.queue.is_busy());
        assert_eq!(rig.queue.owner(), None);
        assert_eq!(rig.reqbufs(OTHER, MMAP, 2), Ok(2));
    }
}

#[test]
fn queue_without_file_io_or_of_the_other_direction() {
    let mut config = Config::new(BufType::VideoCapture);
    config.file_io = false;
    let mut rig = Rig::with(config, 1);
    assert_eq!(rig.fileio(OWNER, FRAME, true), Err(Error::NoFileIo));
    assert_eq!(rig.poll(OWNER, IN), ERR);
    let mut rig = Rig::capture();
    let answer =
        rig.queue.fileio(OWNER, Ticket(7), Direction::Output, FRAME, true, &mut rig.driver);
    assert_eq!(answer, Err(Error::NoFileIo));
    assert_eq!(rig.streamoff(), Ok(()));
}

#[test]
fn buffers_of_the_program_exclude_it() {
    for mut rig in [Rig::capture().having(MMAP, 2), Rig::output().having(MMAP, 2)] {
        assert_eq!(rig.fileio(OWNER, FRAME, true), Err(Error::HasBuffers));
        rig.qbuf(0).unwrap();
        rig.streamon().unwrap();
        assert_eq!(rig.fileio(OWNER, FRAME, true), Err(Error::HasBuffers));
        rig.finish(0);
        assert!(rig.dqbuf().is_ok());
        rig.streamoff().unwrap();
        rig.reqbufs(OWNER, MMAP, 0).unwrap();
        assert!(matches!(rig.fileio(OWNER, FRAME, true), Ok(_) | Err(Error::NotReady)));
    }
}

#[test]
fn read_gives_frames_in_parts() {
    let mut rig = Rig::capture();
    assert_eq!(rig.fileio(OWNER, 1000, true), Err(Error::NotReady));
    assert_busy(&mut rig);
    rig.finish(0);
    for part in 0..4 {
        assert_eq!(rig.fileio(OWNER, 1000, true), Ok((part * 1000, 1000)));
        // A copy that fails is tried again from the same place.
        assert_eq!(rig.fileio(OWNER, 1000, true), Ok((part * 1000, 1000)));
        rig.copied(1000);
    }
    assert_eq!(rig.queue.active_count(), 1);
    assert_eq!(rig.fileio(OWNER, 1000, true), Ok((4000, FRAME - 4000)));
    rig.copied(FRAME - 4000);
    assert_eq!(rig.queue.active_count(), 2, "read to its end, it is queued again");
    assert_eq!(rig.fileio(OWNER, 1000, true), Err(Error::NotReady));
    rig.finish(1);
    assert_eq!(rig.fileio(OWNER, 2 * FRAME, true), Ok((0, FRAME)), "one frame at a time");
}

#[test]
fn read_leaves_out_what_lies_in_front() {
    let mut rig = Rig::with(Config::new(BufType::VideoCaptureMplane), 1);
    assert_eq!(rig.fileio(OWNER, FRAME, true), Err(Error::NotReady));
    let id = rig.queue.front_active().unwrap().active().unwrap();
    rig.done(id, &Done { data_offset: &[96], ..Done::default() }).unwrap();
    assert_eq!(rig.fileio(OWNER, FRAME, true), Ok((96, FRAME - 96)));
}

#[test]
fn read_waits_and_is_completed_once() {
    let mut rig = Rig::capture();
    let direction = rig.direction();
    let read = |rig: &mut Rig, ticket| {
        rig.queue.fileio(OWNER, Ticket(ticket), direction, 1000, false, &mut rig.driver)
    };
    assert_eq!(read(&mut rig, 7), Ok(FileIo::Wait));
    assert_eq!(read(&mut rig, 8), Err(Error::AlreadyWaiting));
    rig.finish(0);
    let completions = rig.completions();
    let [(7, Ok(Completion::Transfer(transfer)))] = &completions[..] else { panic!() };
    assert_eq!((transfer.offset, transfer.length), (0, 1000));
    rig.copied(1000);
    assert_eq!(rig.fileio(OWNER, 1000, true), Ok((1000, 1000)));
    rig.copied(0);
    // Cancelled, and the frame is for the next call.
    rig.copied(FRAME);
    assert_eq!(read(&mut rig, 9), Ok(FileIo::Wait));
    assert!(rig.queue.cancel(Ticket(9)));
    rig.finish(1);
    assert!(rig.completions().is_empty());
    assert_eq!(rig.fileio(OWNER, 10, true), Ok((0, 10)));
    assert_eq!(read(&mut rig, 10).map(|_| ()), Ok(()));
    rig.copied(FRAME);
    assert_eq!(read(&mut rig, 11), Ok(FileIo::Wait));
    rig.close(OWNER);
    assert_eq!(rig.completions(), [(11, Err(Error::NotStreaming))]);
}

#[test]
fn write_fills_fresh_buffers_then_waits_for_shown_ones() {
    let mut rig = Rig::output();
    for _ in 0..2 {
        assert_eq!(rig.poll(OWNER, OUT), OUT | WRNORM);
        assert_eq!(rig.fileio(OWNER, FRAME / 2, true), Ok((0, FRAME / 2)));
        rig.copied(FRAME / 2);
        assert_eq!(rig.fileio(OWNER, FRAME, true), Ok((FRAME / 2, FRAME / 2)));
        rig.copied(FRAME / 2);
    }
    assert_eq!(rig.queue.active_count(), 2);
    assert_eq!(rig.poll(OWNER, OUT), 0);
    assert_eq!(rig.fileio(OWNER, FRAME, true), Err(Error::NotReady));
    let front = rig.queue.front_followed().unwrap();
    assert_eq!(front.planes[0].bytesused(), FRAME, "the whole frame, as it was written");
    rig.finish(0);
    assert_eq!(rig.poll(OWNER, OUT), OUT | WRNORM);
    assert_eq!(rig.fileio(OWNER, FRAME, true), Ok((0, FRAME)));
    rig.copied(FRAME);
    assert_eq!(rig.queue.active_count(), 2);
}

#[test]
fn poll_by_another_takes_nothing_from_an_owner_without_buffers() {
    for mut rig in [Rig::capture(), Rig::output()] {
        rig.reqbufs(OWNER, MMAP, 2).unwrap();
        rig.remove(OWNER, 0, 2).unwrap();
        assert_eq!(rig.poll(OTHER, rig.poll_ready()), ERR);
        assert_eq!(rig.queue.owner(), Some(OWNER));
        rig.poll(OWNER, rig.poll_ready());
        assert!(rig.queue.is_fileio(), "the owner's own starts it");
    }
}

#[test]
fn file_io_without_memory_is_refused() {
    let mut rig = Rig::capture();
    rig.driver.memory_left = 1;
    assert_eq!(rig.fileio(OWNER, FRAME, true), Err(Error::NoMemory));
    rig.driver.memory_left = 1;
    assert_eq!(rig.poll(OWNER, IN), ERR);
    assert!(!rig.effects().contains(&Effect::PollWake));
    assert_eq!(rig.queue.owner(), None);
}
