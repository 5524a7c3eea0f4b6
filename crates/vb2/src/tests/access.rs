//! `EXPBUF`, and what `mmap` finds at an offset.

use super::rig::{DMABUF, FRAME, MMAP, OWNER, Rig, USERPTR};
use crate::{Error, PlaneHandle};

const CLOEXEC: u32 = 0o200_0000;

fn expbuf(rig: &Rig, index: u32, plane: u32, flags: u32) -> Result<(), Error> {
    rig.queue.expbuf(OWNER, rig.buf_type, index, plane, flags).map(|_| ())
}

#[test]
fn expbuf_wants_an_existing_plane_and_known_flags() {
    for mut rig in Rig::each() {
        assert_eq!(expbuf(&rig, 0, 0, 0), Err(Error::NoSuchBuffer));
        let mut rig = {
            rig.reqbufs(OWNER, MMAP, 3).unwrap();
            rig
        };
        let last = u32::try_from(rig.driver.planes).unwrap() - 1;
        for flags in [0, 1, 2, 3, CLOEXEC, CLOEXEC | 2] {
            assert_eq!(expbuf(&rig, 2, last, flags), Ok(()));
        }
        for flags in [0o4000, 0o100, 0o401_0000, 1 << 31] {
            assert_eq!(expbuf(&rig, 0, 0, flags), Err(Error::WrongFlags));
        }
        for plane in [last + 1, 8, u32::MAX] {
            assert_eq!(expbuf(&rig, 0, plane, 0), Err(Error::WrongPlanes));
        }
        for index in [3, u32::MAX] {
            assert_eq!(expbuf(&rig, index, 0, 0), Err(Error::NoSuchBuffer));
        }
        for kind in [0, 3, 99, rig.buf_type ^ 3] {
            assert_eq!(rig.queue.expbuf(OWNER, kind, 0, 0, 0), Err(Error::WrongType));
        }
        rig.remove(OWNER, 1, 1).unwrap();
        assert_eq!(expbuf(&rig, 1, 0, 0), Err(Error::NoSuchBuffer));
        assert_eq!(expbuf(&rig, 2, 0, 0), Ok(()));
        for memory in [USERPTR, DMABUF] {
            rig.reqbufs(OWNER, memory, 2).unwrap();
            assert_eq!(expbuf(&rig, 0, 0, 0), Err(Error::WrongMemory));
        }
    }
}

#[test]
fn expbuf_gives_the_planes_memory_in_every_state() {
    let mut rig = Rig::capture().having(MMAP, 2);
    let memory = rig.queue.expbuf(OWNER, rig.buf_type, 0, 0, 0).unwrap();
    assert_eq!(rig.queue.buffer(0).unwrap().planes[0].memory(), Some(&memory));
    rig.qbuf(0).unwrap();
    rig.streamon().unwrap();
    assert_eq!(rig.queue.expbuf(OWNER, rig.buf_type, 0, 0, 0), Ok(memory));
}

#[test]
fn mmap_finds_the_plane_at_its_cookie_only() {
    for rig in Rig::each_with(MMAP, 3) {
        for index in 0..3 {
            let info = rig.query(index).unwrap();
            for (plane, about) in info.planes.iter().enumerate() {
                let PlaneHandle::MemOffset(offset) = about.handle else { panic!() };
                let found = rig.queue.plane_at_offset(u64::from(offset)).unwrap();
                assert_eq!((found.index, found.plane, found.length), (index, plane, FRAME));
                let beside = rig.queue.plane_at_offset(u64::from(offset) + 1);
                assert_eq!(beside, Err(Error::NoSuchOffset));
            }
        }
        assert_eq!(rig.queue.plane_at_offset(1 << 40), Err(Error::NoSuchOffset));
    }
    for rig in Rig::each_with(DMABUF, 2) {
        assert_eq!(rig.queue.plane_at_offset(0), Err(Error::NoSuchOffset));
    }
}
