//! USERPTR: the program's memory, for which something stands in the device.

use super::rig::{FRAME, MMAP, Memory, OWNER, Rig, USERPTR, userptr};
use crate::{BufferInfo, Error, PlaneHandle};

/// Queues buffer 0: good memory in all planes but the last.
fn queue(
    rig: &mut Rig,
    address: u64,
    memory: Option<&Memory>,
    length: u32,
) -> Result<BufferInfo, Error> {
    let good = Memory::new(u64::from(FRAME));
    let mut planes = std::vec![userptr(0x1000, Some(&good), FRAME); rig.driver.planes];
    planes[rig.driver.planes - 1] = userptr(address, memory, length);
    rig.qbuf_as(OWNER, &rig.request(USERPTR, 0, &planes))
}

#[test]
fn unreachable_is_efault_and_too_small_einval() {
    for mut rig in Rig::each_with(USERPTR, 2) {
        let memory = Memory::new(u64::from(FRAME));
        assert_eq!(queue(&mut rig, 0, Some(&memory), FRAME), Err(Error::BadMemory));
        assert_eq!(queue(&mut rig, 0x2000, None, FRAME), Err(Error::BadMemory));
        // Its length is looked at before the memory is.
        assert_eq!(queue(&mut rig, 0x2000, None, FRAME - 1), Err(Error::PlaneTooSmall));
        assert_eq!(queue(&mut rig, 0x2000, Some(&memory), FRAME + 1), Err(Error::BadMemory));
        assert_eq!(queue(&mut rig, 0x2000, None, 0), Err(Error::PlaneTooSmall));
        assert_eq!(memory.others(), 0);
        assert!(queue(&mut rig, 0x2000, Some(&memory), FRAME).is_ok());
        assert_eq!(memory.others(), 1);
    }
}

#[test]
fn memory_may_change_every_time() {
    for mut rig in Rig::each_with(USERPTR, 2) {
        let last = rig.driver.planes - 1;
        let mut before = Memory::new(u64::from(FRAME));
        queue(&mut rig, 0x2000, Some(&before), FRAME).unwrap();
        rig.streamon().unwrap();
        for round in 1..6 {
            rig.finish(0);
            let info = rig.dqbuf().unwrap();
            assert_eq!(info.planes[last].handle, PlaneHandle::UserPtr(0x2000 * round));
            let now = Memory::new(u64::from(FRAME));
            queue(&mut rig, 0x2000 * (round + 1), Some(&now), FRAME).unwrap();
            assert_eq!((before.others(), now.others()), (0, 1));
            before = now;
        }
        rig.streamoff().unwrap();
        assert_eq!(before.others(), 1);
        rig.reqbufs(OWNER, MMAP, 2).unwrap();
        assert_eq!(before.others(), 0);
    }
}

/// The kernel has pinned the pages of an address it knows; here what stands for them stays, and a
/// fresh one takes its place.
#[test]
fn same_address_again_is_known_to_be_good() {
    let mut rig = Rig::output().having(USERPTR, 2);
    let (one, two) = (Memory::new(u64::from(FRAME)), Memory::new(u64::from(FRAME)));
    queue(&mut rig, 0x2000, Some(&one), FRAME).unwrap();
    rig.streamoff().unwrap();
    queue(&mut rig, 0x2000, None, FRAME).unwrap();
    assert_eq!(one.others(), 1);
    rig.streamoff().unwrap();
    queue(&mut rig, 0x2000, Some(&one), FRAME).unwrap();
    assert_eq!(one.others(), 1);
    rig.streamoff().unwrap();
    queue(&mut rig, 0x2000, Some(&two), FRAME).unwrap();
    assert_eq!((one.others(), two.others()), (0, 1));
}

#[test]
fn user_memory_is_for_a_queue_of_it() {
    let mut rig = Rig::output();
    let memory = Memory::new(u64::from(FRAME));
    assert_eq!(queue(&mut rig, 0x2000, Some(&memory), FRAME), Err(Error::NoSuchBuffer));
    let mut rig = rig.having(MMAP, 2);
    assert_eq!(queue(&mut rig, 0x2000, Some(&memory), FRAME), Err(Error::WrongMemory));
    let mut rig = rig.having(USERPTR, 2);
    assert!(queue(&mut rig, 0x2000, Some(&memory), FRAME).is_ok());
    assert_eq!(rig.qbuf(1), Err(Error::WrongMemory));
}

/// What is used of user memory lies within the length the program gives.
#[test]
fn output_bytesused_is_held_against_the_given_length() {
    let mut rig = Rig::output().having(USERPTR, 2);
    let memory = Memory::new(u64::from(FRAME));
    let mut plane = userptr(0x2000, Some(&memory), FRAME);
    plane.bytesused = FRAME + 1;
    let answer = rig.qbuf_as(OWNER, &rig.request(USERPTR, 0, &[plane.clone()]));
    assert_eq!(answer, Err(Error::WrongBytesUsed));
    plane.bytesused = FRAME;
    assert!(rig.qbuf_as(OWNER, &rig.request(USERPTR, 0, &[plane])).is_ok());
}
