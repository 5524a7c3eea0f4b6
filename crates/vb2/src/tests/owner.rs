//! Who owns the queue.

use super::rig::{MMAP, OTHER, OWNER, Rig};
use crate::{Effect, Error};

#[test]
fn second_opener_is_busy_before_any_index_is_looked_at() {
    for mut rig in Rig::each_with(MMAP, 2) {
        let planes = rig.mmap_planes();
        for index in [0, 99, u32::MAX] {
            let request = rig.request(MMAP, index, &planes);
            assert_eq!(rig.qbuf_as(OTHER, &request), Err(Error::NotOwner));
            assert_eq!(rig.prepare_as(OTHER, &request), Err(Error::NotOwner));
            let kind = rig.buf_type;
            assert_eq!(rig.queue.expbuf(OTHER, kind, index, 0, !0), Err(Error::NotOwner));
        }
        let request = rig.request(99, 0, &planes);
        assert_eq!(rig.qbuf_as(OTHER, &request), Err(Error::NotOwner), "nor the memory");
        assert_eq!(rig.dqbuf_as(OTHER, 7, true), Err(Error::NotOwner));
        assert_eq!(rig.queue.streamon(OTHER, 99, &mut rig.driver), Err(Error::NotOwner));
        assert_eq!(rig.queue.streamoff(OTHER, 99, &mut rig.driver), Err(Error::NotOwner));
        // It may look.
        assert!(rig.query(0).is_ok());
        assert_eq!(rig.query(99), Err(Error::NoSuchBuffer));
    }
}

#[test]
fn the_first_to_allocate_owns() {
    let mut rig = Rig::capture();
    assert!(rig.create(OTHER, MMAP, 0).is_ok());
    assert_eq!(rig.queue.owner(), None);
    assert!(rig.create(OTHER, MMAP, 1).is_ok());
    assert_eq!(rig.reqbufs(OWNER, MMAP, 2), Err(Error::NotOwner));
    assert_eq!(rig.reqbufs(OTHER, MMAP, 0), Ok(0));
    assert_eq!(rig.reqbufs(OWNER, MMAP, 2), Ok(2));
    assert_eq!(rig.queue.owner(), Some(OWNER));
}

#[test]
fn close_of_the_owner_frees_all() {
    for mut rig in Rig::each_with(MMAP, 2) {
        rig.qbuf(0).unwrap();
        rig.streamon().unwrap();
        rig.close(OTHER);
        assert_eq!(rig.reqbufs(OTHER, MMAP, 2), Err(Error::NotOwner));
        assert!(rig.queue.is_streaming());
        rig.close(OWNER);
        assert!(!rig.driver.running && !rig.queue.is_busy());
        let effects = rig.effects();
        let orphans = effects.iter().filter(|effect| matches!(effect, Effect::Orphan(_))).count();
        assert_eq!(orphans, 2 * rig.driver.planes);
        assert!(effects.contains(&Effect::PollWake));
        assert_eq!(rig.reqbufs(OTHER, MMAP, 2), Ok(2));
        rig.close(OWNER);
        assert_eq!(rig.queue.owner(), Some(OTHER), "a close that comes too late");
    }
}
