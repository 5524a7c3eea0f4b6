//! `QBUF` and `PREPARE_BUF`: wrong indices, memories, planes, `bytesused`, fields.

use super::rig::{DMABUF, FRAME, MMAP, OWNER, Rig, USERPTR};
use crate::{BufType, BufferInfo, Error, flags};

#[test]
fn wrong_index_type_and_memory_are_refused() {
    for mut rig in Rig::each_with(MMAP, 2) {
        for index in [2, u32::MAX] {
            assert_eq!(rig.query(index), Err(Error::NoSuchBuffer));
            assert_eq!(rig.qbuf(index), Err(Error::NoSuchBuffer));
            assert_eq!(rig.prepare(index), Err(Error::NoSuchBuffer));
        }
        let planes = rig.mmap_planes();
        for memory in [USERPTR, DMABUF, 3, 0, 99] {
            let request = rig.request(memory, 0, &planes);
            assert_eq!(rig.qbuf_as(OWNER, &request), Err(Error::WrongMemory));
            assert_eq!(rig.prepare_as(OWNER, &request), Err(Error::WrongMemory));
        }
        for wrong in [0, 3, 99, rig.buf_type ^ 3] {
            let mut request = rig.request(MMAP, 0, &planes);
            request.buf_type = wrong;
            assert_eq!(rig.qbuf_as(OWNER, &request), Err(Error::WrongType));
            assert_eq!(rig.prepare_as(OWNER, &request), Err(Error::WrongType));
            assert_eq!(rig.queue.querybuf(wrong, 0, 8, &rig.driver), Err(Error::WrongType));
        }
    }
}

#[test]
fn before_reqbufs_there_is_no_buffer() {
    for mut rig in Rig::each() {
        assert_eq!(rig.query(0), Err(Error::NoSuchBuffer));
        assert_eq!(rig.qbuf(0), Err(Error::NoSuchBuffer));
        assert_eq!(rig.prepare(0), Err(Error::NoSuchBuffer));
        assert_eq!(rig.dqbuf(), Err(Error::NotStreaming));
        assert_eq!(rig.streamon(), Err(Error::NoBuffers));
        assert_eq!(rig.streamoff(), Ok(()));
    }
}

/// Only a multi-planar program has an array that could be wrong.
#[test]
fn array_of_planes_is_long_enough_and_not_too_long() {
    for mut rig in Rig::each_with(MMAP, 2) {
        if !rig.queue.config().buf_type.is_multiplanar() {
            continue;
        }
        let plane = rig.mmap_planes().remove(0);
        let planes = std::vec![plane; 9];
        for length in [0, 1, 9] {
            let request = rig.request(MMAP, 0, &planes[..length]);
            assert_eq!(rig.qbuf_as(OWNER, &request), Err(Error::WrongPlanes));
            assert_eq!(rig.prepare_as(OWNER, &request), Err(Error::WrongPlanes));
            let length = u32::try_from(length).unwrap();
            let answer = rig.queue.querybuf(rig.buf_type, 0, length, &rig.driver);
            assert_eq!(answer, Err(Error::WrongPlanes));
        }
        let request = rig.request(MMAP, 0, &planes[..8]);
        assert_eq!(rig.qbuf_as(OWNER, &request).unwrap().planes.len(), 2);
    }
}

fn try_used(
    rig: &mut Rig,
    prepare: bool,
    plane: usize,
    bytesused: u32,
    data_offset: u32,
) -> Result<BufferInfo, Error> {
    let mut planes = rig.mmap_planes();
    planes[plane].bytesused = bytesused;
    planes[plane].data_offset = data_offset;
    let request = rig.request(MMAP, 0, &planes);
    if prepare { rig.prepare_as(OWNER, &request) } else { rig.qbuf_as(OWNER, &request) }
}

#[test]
fn output_bytesused_is_a_frame_at_least_and_a_plane_at_most() {
    for mut rig in Rig::each_with(MMAP, 2).into_iter().filter(Rig::is_output) {
        for prepare in [false, true] {
            for plane in 0..rig.driver.planes {
                for small in [1, FRAME / 2] {
                    let answer = try_used(&mut rig, prepare, plane, small, 0);
                    assert_eq!(answer, Err(Error::PlaneTooSmall));
                }
                for large in [FRAME + 1, u32::MAX] {
                    let answer = try_used(&mut rig, prepare, plane, large, 0);
                    assert_eq!(answer, Err(Error::WrongBytesUsed));
                }
            }
            assert_eq!(rig.flags(0) & (flags::QUEUED | flags::PREPARED), 0);
            let full = try_used(&mut rig, prepare, 0, 0, 0).unwrap();
            assert_eq!(full.planes[0].bytesused, FRAME);
            rig.streamoff().unwrap();
            assert!(try_used(&mut rig, prepare, 0, FRAME, 0).is_ok());
            rig.streamoff().unwrap();
        }
    }
}

#[test]
fn output_bytesused_comes_back_as_given() {
    for mut rig in Rig::each().into_iter().filter(Rig::is_output) {
        let sizes = std::vec![FRAME + 4096; rig.driver.planes];
        rig.create_sized(OWNER, MMAP, 1, &sizes).unwrap();
        assert_eq!(try_used(&mut rig, false, 0, FRAME, 0).unwrap().planes[0].bytesused, FRAME);
        rig.streamon().unwrap();
        rig.finish(1);
        assert_eq!(rig.dqbuf().unwrap().planes[0].bytesused, FRAME);
    }
}

#[test]
fn output_data_offset_leaves_a_frame_behind_it() {
    let mut rig = Rig::new(BufType::VideoOutputMplane).having(MMAP, 2);
    for (offset, error) in [
        (FRAME, Error::WrongBytesUsed),
        (u32::MAX, Error::WrongBytesUsed),
        (FRAME / 2, Error::PlaneTooSmall),
    ] {
        assert_eq!(try_used(&mut rig, false, 0, 0, offset), Err(error));
    }
    assert!(try_used(&mut rig, false, 0, 0, 0).is_ok());
    let mut single = Rig::output().having(MMAP, 2);
    let info = try_used(&mut single, false, 0, 0, u32::MAX).unwrap();
    assert_eq!(info.planes[0].data_offset, 0, "a single-planar buffer has none");
}

#[test]
fn capture_bytesused_of_the_program_is_ignored() {
    for mut rig in Rig::each_with(MMAP, 2).into_iter().filter(|rig| !rig.is_output()) {
        let info = try_used(&mut rig, true, 0, u32::MAX, u32::MAX).unwrap();
        assert_eq!((info.planes[0].bytesused, info.planes[0].data_offset), (FRAME, 0));
        rig.streamoff().unwrap();
        assert!(try_used(&mut rig, false, 0, 1, 0).is_ok());
    }
}

#[test]
fn output_field_is_the_programs_unless_the_driver_says() {
    for mut rig in Rig::each_with(MMAP, 2) {
        let planes = rig.mmap_planes();
        let mut request = rig.request(MMAP, 0, &planes);
        request.field = flags::FIELD_ALTERNATE;
        let output = rig.is_output();
        assert_eq!(rig.qbuf_as(OWNER, &request).err(), output.then_some(Error::WrongField));
        rig.streamoff().unwrap();
        request.field = 99;
        assert_eq!(rig.qbuf_as(OWNER, &request).unwrap().field, if output { 99 } else { 0 });
        rig.streamoff().unwrap();
        rig.driver.field = Some(1);
        assert_eq!(rig.qbuf_as(OWNER, &request).unwrap().field, u32::from(output));
    }
}

#[test]
fn request_flag_is_refused() {
    for mut rig in Rig::each_with(MMAP, 2) {
        let planes = rig.mmap_planes();
        let mut request = rig.request(MMAP, 0, &planes);
        request.flags = flags::REQUEST_FD;
        assert_eq!(rig.prepare_as(OWNER, &request), Err(Error::RequestNotForPrepare));
        assert_eq!(rig.qbuf_as(OWNER, &request), Err(Error::NoRequests));
    }
}

#[test]
fn needs_planes_only_where_they_will_be_looked_at() {
    let mut rig = Rig::capture().having(DMABUF, 2);
    let kind = rig.buf_type;
    assert!(rig.queue.needs_planes(OWNER, kind, 0, DMABUF));
    assert!(!rig.queue.needs_planes(super::rig::OTHER, kind, 0, DMABUF));
    assert!(!rig.queue.needs_planes(OWNER, 2, 0, DMABUF));
    assert!(!rig.queue.needs_planes(OWNER, kind, 2, DMABUF));
    assert!(!rig.queue.needs_planes(OWNER, kind, 0, MMAP));
    let memory = super::rig::Memory::new(u64::from(FRAME));
    let planes = [super::rig::dmabuf(5, Some(&memory), 0)];
    rig.prepare_as(OWNER, &rig.request(DMABUF, 0, &planes)).unwrap();
    assert!(!rig.queue.needs_planes(OWNER, kind, 0, DMABUF), "prepared");
}
