//! The flags, timestamps and timecodes of buffers.

use super::rig::{MMAP, OWNER, Rig};
use crate::{BufType, Config, Done, Timecode, flags};

const TIMECODE: Timecode = Timecode {
    kind: 3,
    flags: 0,
    frames: 1,
    seconds: 2,
    minutes: 3,
    hours: 4,
    userbits: [5, 6, 7, 8],
};

#[test]
fn flags_of_the_queue_are_not_the_programs_to_set() {
    for mut rig in Rig::each_with(MMAP, 2) {
        let planes = rig.mmap_planes();
        let mut request = rig.request(MMAP, 0, &planes);
        // Everything but what would be an error.
        request.flags = !flags::REQUEST_FD;
        let info = rig.qbuf_as(OWNER, &request).unwrap();
        let wrong = flags::MAPPED
            | flags::DONE
            | flags::ERROR
            | flags::PREPARED
            | flags::IN_REQUEST
            | flags::NO_CACHE_CLEAN
            | flags::NO_CACHE_INVALIDATE
            | flags::M2M_HOLD_CAPTURE_BUF
            | flags::TSTAMP_SRC_MASK;
        assert_eq!(info.flags & wrong, 0, "{:#x}", info.flags);
        assert_ne!(info.flags & flags::QUEUED, 0);
        assert_eq!(info.flags & flags::TIMESTAMP_MASK, flags::TIMESTAMP_MONOTONIC);
        let of_output =
            flags::KEYFRAME | flags::PFRAME | flags::BFRAME | flags::TIMECODE | flags::LAST;
        assert_eq!(info.flags & of_output, if rig.is_output() { of_output } else { 0 });
    }
}

#[test]
fn mapped_is_what_the_driver_says_of_its_own_memory() {
    for mut rig in Rig::each_with(MMAP, 2) {
        assert_eq!(rig.flags(0) & flags::MAPPED, 0);
        let last = rig.driver.planes - 1;
        let held = rig.queue.buffer(0).unwrap().planes[last].memory().unwrap().address();
        rig.driver.held.insert(held);
        assert_ne!(rig.flags(0) & flags::MAPPED, 0, "one plane is enough");
        assert_eq!(rig.flags(1) & flags::MAPPED, 0);
        assert_ne!(rig.qbuf(0).unwrap().flags & flags::MAPPED, 0);
    }
}

#[test]
fn monotonic_timestamps_are_the_drivers() {
    for mut rig in Rig::each_with(MMAP, 2) {
        let planes = rig.mmap_planes();
        let mut request = rig.request(MMAP, 0, &planes);
        request.timestamp_ns = 77;
        request.timecode = TIMECODE;
        request.flags = flags::TIMECODE;
        let info = rig.qbuf_as(OWNER, &request).unwrap();
        assert_eq!(info.timestamp_ns, 0);
        assert_eq!(info.timecode, if rig.is_output() { TIMECODE } else { Timecode::default() });
        rig.streamon().unwrap();
        rig.finish(3);
        let info = rig.dqbuf().unwrap();
        assert_eq!((info.timestamp_ns, info.sequence), (3000, 3));
        // They stay with the buffer until it is queued again.
        assert_eq!(rig.query(0).unwrap().sequence, 3);
        let info = rig.qbuf(0).unwrap();
        assert_eq!((info.timestamp_ns, info.sequence), (0, 0));
    }
}

#[test]
fn copied_timestamps_go_through() {
    let mut config = Config::new(BufType::VideoOutput);
    config.timestamp_flags = flags::TIMESTAMP_COPY;
    let mut rig = Rig::with(config, 1).having(MMAP, 2);
    let planes = rig.mmap_planes();
    let mut request = rig.request(MMAP, 0, &planes);
    request.timestamp_ns = 77;
    request.flags = flags::TSTAMP_SRC_SOE;
    rig.qbuf_as(OWNER, &request).unwrap();
    rig.streamon().unwrap();
    rig.finish(3);
    let info = rig.dqbuf().unwrap();
    assert_eq!(info.timestamp_ns, 77);
    assert_eq!(info.flags & flags::TIMESTAMP_MASK, flags::TIMESTAMP_COPY);
    assert_eq!(info.flags & flags::TSTAMP_SRC_MASK, flags::TSTAMP_SRC_SOE);
}

#[test]
fn driver_sets_what_a_frame_is() {
    let mut rig = Rig::new(BufType::VideoCaptureMplane).having(MMAP, 2);
    rig.qbuf(0).unwrap();
    rig.streamon().unwrap();
    let id = rig.queue.front_active().unwrap().active().unwrap();
    let done = Done {
        bytesused: &[100, u32::MAX],
        data_offset: &[10],
        field: Some(4),
        flags: flags::KEYFRAME | flags::QUEUED | flags::MAPPED,
        ..Done::default()
    };
    rig.done(id, &done).unwrap();
    let info = rig.dqbuf().unwrap();
    assert_eq!((info.planes[0].bytesused, info.planes[0].data_offset), (100, 10));
    assert_eq!(info.planes[1].bytesused, info.planes[1].length, "never above the plane");
    assert_eq!(info.field, 4);
    assert_eq!(info.flags, flags::KEYFRAME | flags::TIMESTAMP_MONOTONIC);
}
