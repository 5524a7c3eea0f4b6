//! `REQBUFS`, `CREATE_BUFS`, `REMOVE_BUFS`.

use std::vec::Vec;

use super::rig::{DMABUF, FRAME, MMAP, OTHER, OWNER, Rig, USERPTR};
use crate::{BufType, Config, Effect, Error, PlaneHandle};

/// Memory 0, `OVERLAY` and numbers that don't exist.
const WRONG_MEMORIES: [u32; 4] = [0, 3, 99, u32::MAX];

fn orphans(rig: &mut Rig) -> usize {
    rig.effects().iter().filter(|effect| matches!(effect, Effect::Orphan(_))).count()
}

#[test]
fn reqbufs_gives_least_and_most() {
    for mut rig in Rig::each() {
        let most = if rig.buf_type == BufType::VideoCapture.raw() { 64 } else { 32 };
        assert_eq!(rig.reqbufs(OWNER, MMAP, 1), Ok(2));
        assert_eq!(rig.reqbufs(OWNER, MMAP, most), Ok(most));
        assert_eq!(rig.reqbufs(OWNER, MMAP, most + 1), Ok(most));
        assert_eq!(rig.reqbufs(OWNER, DMABUF, u32::MAX), Ok(most));
        assert_eq!(rig.queue.num_buffers(), most);
    }
}

#[test]
fn reqbufs_checks_memory_and_type_before_ownership() {
    for mut rig in Rig::each_with(MMAP, 2) {
        for memory in WRONG_MEMORIES {
            for count in [0, 2] {
                assert_eq!(rig.reqbufs(OTHER, memory, count), Err(Error::WrongMemory));
            }
        }
        let right = rig.buf_type;
        for wrong in [0, 3, 99, right ^ 3] {
            rig.buf_type = wrong;
            for count in [0, 2] {
                assert_eq!(rig.reqbufs(OTHER, MMAP, count), Err(Error::WrongType));
            }
            assert_eq!(rig.remove(OTHER, 0, 0), Err(Error::WrongType));
        }
        rig.buf_type = right;
        assert_eq!(rig.reqbufs(OTHER, MMAP, 2), Err(Error::NotOwner));
        assert_eq!(rig.queue.num_buffers(), 2);
    }
}

/// `REQBUFS(0)` with any memory that exists frees, and everything that is the queue's own comes
/// out to be orphaned.
#[test]
fn reqbufs_0_frees_whatever_memory_it_names() {
    for memory in [MMAP, USERPTR, DMABUF] {
        for mut rig in Rig::each_with(MMAP, 3) {
            let planes = rig.driver.planes;
            assert_eq!(rig.reqbufs(OWNER, memory, 0), Ok(0));
            assert_eq!(orphans(&mut rig), 3 * planes);
            assert_eq!(rig.queue.owner(), None);
            assert!(!rig.queue.is_busy());
            assert_eq!(rig.query(0), Err(Error::NoSuchBuffer));
        }
    }
}

#[test]
fn reqbufs_with_buffers_makes_new_ones() {
    let mut rig = Rig::capture().having(MMAP, 3);
    rig.qbuf(0).unwrap();
    let old = rig.query(0).unwrap();
    assert_eq!(rig.reqbufs(OWNER, MMAP, 2), Ok(2));
    assert_eq!(orphans(&mut rig), 3);
    assert_ne!(rig.query(0).unwrap(), old, "not queued any more");
    rig.reqbufs(OWNER, USERPTR, 2).unwrap();
    assert_eq!(orphans(&mut rig), 2);
    assert_eq!(rig.query(0).unwrap().planes[0].handle, PlaneHandle::UserPtr(0));
}

#[test]
fn reqbufs_while_streaming_is_busy() {
    for mut rig in Rig::each_with(MMAP, 2) {
        rig.streamon().unwrap();
        assert_eq!(rig.reqbufs(OWNER, MMAP, 2), Err(Error::Streaming));
        assert_eq!(rig.reqbufs(OWNER, MMAP, 0), Err(Error::Streaming));
        rig.streamoff().unwrap();
        assert_eq!(rig.reqbufs(OWNER, MMAP, 0), Ok(0));
    }
}

#[test]
fn reqbufs_makes_do_with_fewer_down_to_the_least() {
    let mut rig = Rig::capture();
    rig.driver.memory_left = 3;
    assert_eq!(rig.reqbufs(OWNER, MMAP, 8), Ok(3));
    rig.driver.memory_left = 1;
    assert_eq!(rig.reqbufs(OWNER, MMAP, 8), Err(Error::NoMemory));
    // The old ones are gone nevertheless, as in the kernel.
    assert_eq!(rig.queue.num_buffers(), 0);
    rig.driver.memory_left = 0;
    assert_eq!(rig.reqbufs(OTHER, MMAP, 8), Err(Error::NotOwner), "the owner stays");
    assert_eq!(rig.create(OWNER, MMAP, 1), Err(Error::NoMemory));
}

#[test]
fn create_bufs_appends_until_the_queue_is_full() {
    for mut rig in Rig::each() {
        let most = rig.queue.config().max_num_buffers;
        let nothing = rig.create(OTHER, MMAP, 0).unwrap();
        assert_eq!((nothing.index, nothing.count, nothing.max_num_buffers), (0, 0, most));
        assert_eq!(rig.queue.owner(), None);
        let one = rig.create(OWNER, MMAP, 1).unwrap();
        assert_eq!((one.index, one.count), (0, 1));
        let rest = rig.create(OWNER, MMAP, most).unwrap();
        assert_eq!((rest.index, rest.count), (1, most - 1));
        assert_eq!(rig.create(OWNER, MMAP, 1), Err(Error::Full));
        assert_eq!(rig.create(OWNER, MMAP, 0).unwrap().index, most);
        assert_eq!(rig.create(OTHER, MMAP, 1), Err(Error::NotOwner));
        assert_eq!(rig.create(OTHER, MMAP, 0).unwrap().index, most);
    }
}

#[test]
fn create_bufs_wants_the_queues_memory() {
    for mut rig in Rig::each_with(MMAP, 2) {
        assert_eq!(rig.create(OWNER, DMABUF, 1), Err(Error::WrongMemory));
        assert_eq!(rig.create(OWNER, USERPTR, 1), Err(Error::WrongMemory));
        assert!(rig.create(OWNER, DMABUF, 0).is_ok());
        for wrong in WRONG_MEMORIES {
            assert_eq!(rig.create(OTHER, wrong, 0), Err(Error::WrongMemory));
            assert_eq!(rig.create(OTHER, wrong, 1), Err(Error::WrongMemory));
        }
        assert!(rig.create(OWNER, MMAP, 1).is_ok());
    }
}

#[test]
fn create_bufs_looks_at_sizes() {
    for mut rig in Rig::each() {
        let planes = rig.driver.planes;
        let mut sizes: Vec<u32> = std::vec![FRAME; planes];
        for wrong in [0, 1, FRAME - 1] {
            sizes[planes - 1] = wrong;
            assert_eq!(rig.create_sized(OWNER, MMAP, 1, &sizes), Err(Error::WrongSizes));
        }
        assert_eq!(rig.queue.owner(), None);
        assert_eq!(rig.create_sized(OWNER, MMAP, 1, &[]), Err(Error::WrongSizes));
        assert_eq!(rig.create_sized(OWNER, MMAP, 1, &[FRAME; 9]), Err(Error::WrongSizes));
        assert_eq!(
            rig.create_sized(OWNER, MMAP, 1, &std::vec![FRAME; planes + 1]),
            Err(Error::WrongSizes)
        );
        sizes[planes - 1] = FRAME + 1;
        assert!(rig.create_sized(OWNER, MMAP, 1, &sizes).is_ok());
        assert_eq!(rig.query(0).unwrap().planes[planes - 1].length, FRAME + 1);
    }
}

#[test]
fn create_bufs_while_streaming_gives_a_buffer_that_flows() {
    for mut rig in Rig::each_with(MMAP, 2) {
        rig.streamon().unwrap();
        assert_eq!(rig.create(OWNER, MMAP, 1).unwrap().index, 2);
        rig.qbuf(2).unwrap();
        assert_eq!(rig.finish(0), Some(2));
        assert_eq!(rig.dqbuf().unwrap().index, 2);
    }
}

#[test]
fn remove_bufs_leaves_holes_that_create_bufs_fills() {
    let mut rig = Rig::capture().having(MMAP, 6);
    rig.remove(OWNER, 1, 1).unwrap();
    rig.remove(OWNER, 3, 2).unwrap();
    assert_eq!(orphans(&mut rig), 3);
    assert_eq!(rig.queue.num_buffers(), 3);
    assert_eq!(rig.qbuf(1), Err(Error::NoSuchBuffer));
    assert_eq!(rig.qbuf(2).unwrap().index, 2);
    // Two in a row fit at 3 only, four in a row behind the last.
    assert_eq!(rig.create(OWNER, MMAP, 4).unwrap().index, 6);
    assert_eq!(rig.create(OWNER, MMAP, 2).unwrap().index, 3);
    assert_eq!(rig.create(OWNER, MMAP, 1).unwrap().index, 1);
    assert_eq!(rig.queue.num_buffers(), 10);
}

/// As many as the longest gap holds, if none holds all.
#[test]
fn create_bufs_gives_what_the_longest_gap_holds() {
    let mut config = Config::new(BufType::VideoOutput);
    config.max_num_buffers = 6;
    let mut rig = Rig::with(config, 1).having(MMAP, 6);
    rig.remove(OWNER, 0, 1).unwrap();
    rig.remove(OWNER, 3, 2).unwrap();
    let made = rig.create(OWNER, MMAP, 3).unwrap();
    assert_eq!((made.index, made.count), (3, 2));
}

#[test]
fn remove_bufs_looks_at_the_range() {
    let mut rig = Rig::capture();
    assert_eq!(rig.remove(OWNER, 0, 0), Ok(()));
    assert_eq!(rig.remove(OWNER, 0, 1), Err(Error::NoSuchRange));
    let mut rig = rig.having(MMAP, 4);
    for (start, count) in
        [(4, 1), (u32::MAX, 1), (0, 5), (0, u32::MAX), (u32::MAX, 2), (3, 2), (63, 2), (64, 1)]
    {
        assert_eq!(rig.remove(OWNER, start, count), Err(Error::NoSuchRange), "{start}, {count}");
    }
    assert_eq!(rig.remove(OTHER, u32::MAX, 0), Ok(()));
    assert_eq!(rig.remove(OTHER, u32::MAX, 1), Err(Error::NotOwner));
    assert_eq!(rig.remove(OWNER, 1, 1), Ok(()));
    assert_eq!(rig.remove(OWNER, 1, 1), Err(Error::NoSuchRange));
    assert_eq!(rig.remove(OWNER, 0, 3), Err(Error::NoSuchRange));
    assert!(rig.query(0).is_ok());
}

/// More than there are is no range, whatever is queued of it.
#[test]
fn remove_bufs_counts_before_it_looks_at_buffers() {
    let mut rig = Rig::capture().having(MMAP, 2);
    rig.qbuf(0).unwrap();
    assert_eq!(rig.remove(OWNER, 0, 3), Err(Error::NoSuchRange));
    assert_eq!(rig.remove(OWNER, 0, 2), Err(Error::BufferQueued));
}

/// The driver is asked whether fewer will do.
#[test]
fn fewer_than_the_driver_needs_are_none() {
    let mut rig = Rig::capture();
    rig.driver.least = 4;
    rig.driver.memory_left = 3;
    assert_eq!(rig.reqbufs(OWNER, MMAP, 8), Err(Error::NoMemory));
    rig.driver.memory_left = 3;
    assert_eq!(rig.create(OWNER, MMAP, 8), Err(Error::NoMemory));
    assert_eq!((rig.queue.num_buffers(), rig.queue.owner()), (0, None));
    assert_eq!(orphans(&mut rig), 6);
    assert_eq!(rig.driver.living(), 0);
    rig.driver.memory_left = 4;
    assert_eq!(rig.reqbufs(OWNER, MMAP, 8), Ok(4));
}

#[test]
fn remove_bufs_of_queued_is_busy_of_prepared_is_fine() {
    for mut rig in Rig::each_with(MMAP, 3) {
        rig.qbuf(1).unwrap();
        assert_eq!(rig.remove(OWNER, 1, 1), Err(Error::BufferQueued));
        assert_eq!(rig.remove(OWNER, 0, 3), Err(Error::BufferQueued));
        rig.prepare(2).unwrap();
        assert_eq!(rig.remove(OWNER, 2, 1), Ok(()));
        rig.streamon().unwrap();
        rig.finish(0);
        assert_eq!(rig.remove(OWNER, 1, 1), Err(Error::BufferQueued), "ready");
        rig.dqbuf().unwrap();
        assert_eq!(rig.remove(OWNER, 0, 2), Ok(()));
    }
}

#[test]
fn remove_bufs_of_all_keeps_owner_and_format() {
    for mut rig in Rig::each_with(MMAP, 2) {
        rig.remove(OWNER, 0, 2).unwrap();
        assert!(rig.queue.is_busy());
        assert_eq!(rig.reqbufs(OTHER, MMAP, 2), Err(Error::NotOwner));
        assert_eq!(rig.qbuf(0), Err(Error::NoSuchBuffer));
        assert_eq!(rig.streamon(), Err(Error::NoBuffers));
        assert_eq!(rig.streamoff(), Ok(()));
        // There being no buffer, there is no memory that new ones would have to match.
        assert_eq!(rig.create(OWNER, DMABUF, 1).unwrap().index, 0);
        rig.reqbufs(OWNER, MMAP, 0).unwrap();
        assert!(!rig.queue.is_busy());
    }
}
