//! DMABUF: what is refused, and how long the queue holds what it took.

use std::vec::Vec;

use super::rig::{DMABUF, FRAME, MMAP, Memory, OWNER, Rig, dmabuf};
use crate::{BufferInfo, Error, PlaneHandle};

const SIZE: u64 = FRAME as u64;

/// Memory for each plane of a buffer.
fn set(rig: &Rig) -> Vec<Memory> {
    (0..rig.driver.planes).map(|_| Memory::new(SIZE)).collect()
}

/// Queues a set, the length not given.
fn queue(rig: &mut Rig, index: u32, set: &[Memory]) -> Result<BufferInfo, Error> {
    queue_length(rig, index, set, FRAME)
}

fn queue_length(
    rig: &mut Rig,
    index: u32,
    set: &[Memory],
    length: u32,
) -> Result<BufferInfo, Error> {
    let planes: Vec<_> = set.iter().map(|memory| dmabuf(9, Some(memory), length)).collect();
    rig.qbuf_as(OWNER, &rig.request(DMABUF, index, &planes))
}

fn assert_held(set: &[Memory], others: usize, when: &str) {
    for memory in set {
        assert_eq!(memory.others(), others, "{when}");
    }
}

#[test]
fn what_is_no_buffer_is_refused_in_any_plane() {
    for mut rig in Rig::each_with(DMABUF, 2) {
        let good = set(&rig);
        for bad in 0..good.len() {
            for length in [0, FRAME] {
                let mut planes: Vec<_> =
                    good.iter().map(|memory| dmabuf(9, Some(memory), length)).collect();
                planes[bad] = dmabuf(-1, None, length);
                let request = rig.request(DMABUF, 0, &planes);
                // A multi-planar output frame of length 0 would be an empty one.
                assert_eq!(rig.qbuf_as(OWNER, &request), Err(Error::NotABuffer));
            }
        }
        assert_held(&good, 0, "nothing is kept of a refusal");
        assert!(queue(&mut rig, 0, &good).is_ok(), "the queue is unharmed");
    }
}

#[test]
fn too_small_is_einval_and_a_false_length_efault() {
    for mut rig in Rig::each_with(DMABUF, 2) {
        for plane in 0..rig.driver.planes {
            let mut small = set(&rig);
            small[plane] = Memory::new(SIZE - 1);
            let output = rig.is_output();
            for (length, error) in [
                (FRAME - 1, Error::PlaneTooSmall),
                (FRAME, Error::BadMemory),
                (0, Error::PlaneTooSmall),
            ] {
                let mut planes: Vec<_> =
                    small.iter().map(|memory| dmabuf(9, Some(memory), FRAME)).collect();
                planes[plane].length = length;
                let answer = rig.qbuf_as(OWNER, &rig.request(DMABUF, 0, &planes));
                assert_eq!(answer, Err(error), "length {length}, output {output}");
                drop(planes);
                assert_held(&small, 0, "nothing leaks");
            }
        }
        let good = set(&rig);
        assert!(queue(&mut rig, 0, &good).is_ok());
    }
}

/// With length 0 the dma-buf's own counts, but an output frame is then empty.
#[test]
fn length_0_is_the_whole_buffer() {
    for mut rig in Rig::each_with(DMABUF, 2) {
        let large: Vec<_> = (0..rig.driver.planes).map(|_| Memory::new(2 * SIZE)).collect();
        if rig.is_output() {
            assert_eq!(queue_length(&mut rig, 0, &large, 0), Err(Error::PlaneTooSmall));
        } else {
            let info = queue_length(&mut rig, 0, &large, 0).unwrap();
            assert_eq!(info.planes[0].length, 2 * FRAME);
        }
        assert!(queue(&mut rig, 1, &large).is_ok());
    }
}

#[test]
fn memory_must_be_the_queues() {
    let mut rig = Rig::capture().having(MMAP, 2);
    let good = set(&rig);
    assert_eq!(queue(&mut rig, 0, &good), Err(Error::WrongMemory));
    let mut rig = rig.having(DMABUF, 2);
    assert_eq!(rig.qbuf(0), Err(Error::WrongMemory));
    let planes = rig.mmap_planes();
    let request = rig.request(DMABUF, 0, &planes);
    assert_eq!(rig.qbuf_as(OWNER, &request), Err(Error::NotABuffer), "nothing was resolved");
    assert!(queue(&mut rig, 0, &good).is_ok());
}

#[test]
fn import_is_held_until_the_buffer_goes() {
    for mut rig in Rig::each_with(DMABUF, 3) {
        let sets = [set(&rig), set(&rig), set(&rig)];
        for (index, set) in (0..).zip(&sets) {
            queue(&mut rig, index, set).unwrap();
            assert_held(set, 1, "queued");
        }
        rig.streamon().unwrap();
        assert_eq!(rig.finish(0), Some(0));
        rig.dqbuf().unwrap();
        assert_held(&sets[0], 1, "after DQBUF");
        rig.streamoff().unwrap();
        assert_held(&sets[1], 1, "after STREAMOFF");
        rig.remove(OWNER, 1, 1).unwrap();
        assert_held(&sets[1], 0, "after REMOVE_BUFS");
        assert_held(&sets[0], 1, "of another");
        rig.reqbufs(OWNER, MMAP, 0).unwrap();
        assert_held(&sets[0], 0, "after REQBUFS(0)");
        assert_held(&sets[2], 0, "after REQBUFS(0)");
        assert!(rig.completions().is_empty());
    }
}

#[test]
fn import_is_let_go_by_close_and_other_memory() {
    for mut rig in Rig::each_with(DMABUF, 2) {
        let one = set(&rig);
        queue(&mut rig, 0, &one).unwrap();
        rig.reqbufs(OWNER, MMAP, 2).unwrap();
        assert_held(&one, 0, "REQBUFS of MMAP");
        rig.reqbufs(OWNER, DMABUF, 2).unwrap();
        queue(&mut rig, 0, &one).unwrap();
        rig.streamon().unwrap();
        rig.close(OWNER);
        assert_held(&one, 0, "closed while streaming");
    }
}

#[test]
fn another_at_the_same_index_replaces() {
    for mut rig in Rig::each_with(DMABUF, 2) {
        let (one, two) = (set(&rig), set(&rig));
        queue(&mut rig, 0, &one).unwrap();
        rig.streamoff().unwrap();
        queue(&mut rig, 0, &two).unwrap();
        assert_held(&one, 0, "replaced");
        assert_held(&two, 1, "replacing");
    }
}

#[test]
fn same_again_is_kept_once_with_its_new_number() {
    for mut rig in Rig::each_with(DMABUF, 2) {
        let one = set(&rig);
        for _ in 0..20 {
            queue(&mut rig, 0, &one).unwrap();
            rig.streamoff().unwrap();
        }
        assert_held(&one, 1, "20 times");
        let planes: Vec<_> = one.iter().map(|memory| dmabuf(33, Some(memory), FRAME)).collect();
        let info = rig.qbuf_as(OWNER, &rig.request(DMABUF, 0, &planes)).unwrap();
        assert_eq!(info.planes[0].handle, PlaneHandle::Fd(33));
    }
}

#[test]
fn same_with_another_length_has_that_length() {
    for mut rig in Rig::each_with(DMABUF, 2) {
        let large: Vec<_> = (0..rig.driver.planes).map(|_| Memory::new(2 * SIZE)).collect();
        for length in [FRAME, 2 * FRAME, FRAME] {
            let info = queue_length(&mut rig, 0, &large, length).unwrap();
            assert_eq!(info.planes[0].length, length);
            assert_held(&large, 1, "once");
            rig.streamoff().unwrap();
        }
    }
}

#[test]
fn refusal_lets_go_of_the_index() {
    for mut rig in Rig::each_with(DMABUF, 2) {
        let (one, two) = (set(&rig), set(&rig));
        queue(&mut rig, 0, &one).unwrap();
        queue(&mut rig, 1, &two).unwrap();
        rig.streamoff().unwrap();
        let planes = std::vec![dmabuf(-1, None, FRAME); one.len()];
        let answer = rig.qbuf_as(OWNER, &rig.request(DMABUF, 0, &planes));
        assert_eq!(answer, Err(Error::NotABuffer));
        assert_held(&one, 0, "refused there");
        assert_held(&two, 1, "at the other index");
        assert_eq!(rig.query(0).unwrap().planes[0].handle, PlaneHandle::Fd(0));
    }
}

/// A wrong index or memory, or a buffer that is queued, costs nothing.
#[test]
fn refusal_before_the_planes_keeps_the_import() {
    for mut rig in Rig::each_with(DMABUF, 2) {
        let (one, two) = (set(&rig), set(&rig));
        queue(&mut rig, 0, &one).unwrap();
        assert_eq!(queue(&mut rig, 0, &two), Err(Error::NotDequeued));
        assert_eq!(queue(&mut rig, 7, &two), Err(Error::NoSuchBuffer));
        assert_eq!(rig.qbuf(0), Err(Error::WrongMemory));
        assert_held(&one, 1, "kept");
        assert_held(&two, 0, "not taken");
    }
}

#[test]
fn one_memory_under_two_indices_and_for_all_planes() {
    for mut rig in Rig::each_with(DMABUF, 2) {
        let memory = Memory::new(SIZE);
        let planes = rig.driver.planes;
        let all = std::vec![memory.clone(); planes];
        queue(&mut rig, 0, &all).unwrap();
        queue(&mut rig, 1, &all).unwrap();
        drop(all);
        assert_eq!(memory.others(), 2 * planes);
        rig.streamoff().unwrap();
        let other = set(&rig);
        queue(&mut rig, 0, &other).unwrap();
        assert_eq!(memory.others(), planes);
    }
}

#[test]
fn dqbuf_corrects_the_memory_and_gives_the_number() {
    for mut rig in Rig::each_with(DMABUF, 2) {
        let one = set(&rig);
        queue(&mut rig, 0, &one).unwrap();
        rig.streamon().unwrap();
        rig.finish(0);
        let info = rig.dqbuf().unwrap();
        assert_eq!(info.memory.raw(), DMABUF);
        assert!(info.planes.iter().all(|plane| plane.handle == PlaneHandle::Fd(9)));
    }
}

/// `PREPARE_BUF` takes the import; `QBUF` then doesn't look at what it brings.
#[test]
fn prepared_import_is_what_is_queued() {
    for mut rig in Rig::each_with(DMABUF, 2) {
        let (one, two) = (set(&rig), set(&rig));
        let planes: Vec<_> = one.iter().map(|memory| dmabuf(9, Some(memory), FRAME)).collect();
        rig.prepare_as(OWNER, &rig.request(DMABUF, 0, &planes)).unwrap();
        drop(planes);
        assert_held(&one, 1, "prepared");
        queue(&mut rig, 0, &two).unwrap();
        assert_held(&one, 1, "queued");
        assert_held(&two, 0, "not looked at");
    }
}

/// A shorter buffer after a longer one: what is used of it lies in it.
#[test]
fn bytesused_is_held_against_the_new_length() {
    let mut rig = Rig::output().having(DMABUF, 2);
    let (long, short) = (Memory::new(2 * SIZE), Memory::new(SIZE));
    queue_length(&mut rig, 0, &[long], 2 * FRAME).unwrap();
    rig.streamoff().unwrap();
    let mut plane = dmabuf(9, Some(&short), FRAME);
    plane.bytesused = 2 * FRAME;
    let answer = rig.qbuf_as(OWNER, &rig.request(DMABUF, 0, &[plane]));
    assert_eq!(answer, Err(Error::WrongBytesUsed));
    assert_eq!(short.others(), 0);
}
