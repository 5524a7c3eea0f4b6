//! `poll` in each state. What it starts is in `fileio`.

use super::rig::{DMABUF, MMAP, OTHER, OWNER, Rig};
use crate::events::{ERR, IN, OUT, PRI, RDNORM, WRNORM};
use crate::{Done, flags};

const ALL: u32 = IN | OUT | PRI | RDNORM | WRNORM;

fn ready(rig: &Rig) -> u32 {
    if rig.is_output() { OUT | WRNORM } else { IN | RDNORM }
}

#[test]
fn before_streamon_and_after_streamoff_it_is_an_error() {
    for mut rig in Rig::each_with(MMAP, 2) {
        assert_eq!(rig.poll(OWNER, ALL), ERR);
        rig.qbuf(0).unwrap();
        assert_eq!(rig.poll(OWNER, ALL), ERR);
        rig.streamon().unwrap();
        rig.finish(0);
        rig.streamoff().unwrap();
        assert_eq!(rig.poll(OWNER, ALL), ERR);
    }
}

#[test]
fn other_directions_are_no_matter() {
    for mut rig in Rig::each_with(MMAP, 2) {
        let other = if rig.is_output() { IN | RDNORM } else { OUT | WRNORM };
        for requested in [other, PRI, 0] {
            assert_eq!(rig.poll(OWNER, requested), 0);
        }
        let mine = if rig.is_output() { [OUT, WRNORM] } else { [IN, RDNORM] };
        for one in mine {
            assert_eq!(rig.poll(OWNER, one), ERR);
        }
    }
}

/// A camera: there's nothing to wait for. A display: a buffer may still come.
#[test]
fn nothing_queued_since_streamon() {
    for mut rig in Rig::each_with(MMAP, 2) {
        let nothing = if rig.is_output() { 0 } else { ERR };
        rig.streamon().unwrap();
        assert_eq!(rig.poll(OWNER, ALL), nothing);
        rig.qbuf(0).unwrap();
        assert_eq!(rig.poll(OWNER, ALL), 0);
        rig.finish(0);
        assert_eq!(rig.poll(OWNER, ALL), ready(&rig));
        assert_eq!(rig.poll(OTHER, ALL), ready(&rig), "anybody sees it");
        rig.dqbuf().unwrap();
        assert_eq!(rig.poll(OWNER, ALL), 0, "all dequeued: waits");
        rig.streamoff().unwrap();
        rig.streamon().unwrap();
        assert_eq!(rig.poll(OWNER, ALL), nothing);
    }
}

/// Buffers queued before `STREAMON` count.
#[test]
fn queued_before_streamon() {
    for mut rig in Rig::each_with(MMAP, 2) {
        rig.qbuf(0).unwrap();
        rig.streamon().unwrap();
        assert_eq!(rig.poll(OWNER, ALL), 0);
    }
}

#[test]
fn failed_device_and_last_frame() {
    for mut rig in Rig::each_with(MMAP, 2) {
        rig.qbuf(0).unwrap();
        rig.streamon().unwrap();
        let id = rig.queue.front_active().unwrap().active().unwrap();
        rig.done(id, &Done { flags: flags::LAST, ..Done::default() }).unwrap();
        rig.dqbuf().unwrap();
        // DQBUF will say EPIPE.
        assert_eq!(rig.poll(OWNER, ALL), if rig.is_output() { 0 } else { ready(&rig) });
        rig.queue.queue_error();
        assert_eq!(rig.poll(OWNER, ALL), ERR);
    }
}

/// New buffers of whatever memory: nothing was queued of them.
#[test]
fn reqbufs_begins_anew() {
    let mut rig = Rig::capture().having(MMAP, 2);
    rig.qbuf(0).unwrap();
    rig.reqbufs(OWNER, DMABUF, 2).unwrap();
    rig.streamon().unwrap();
    assert_eq!(rig.poll(OWNER, ALL), ERR);
}
