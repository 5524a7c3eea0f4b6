//! What is true of a queue after every call.

use std::vec::Vec;

use super::rig::Rig;
use crate::{MemoryType, PlaneBacking, State};

/// Panics if something is not as it must be.
pub(super) fn check(rig: &Rig) {
    let queue = &rig.queue;
    let views: Vec<_> = queue.buffers().collect();
    assert_eq!(views.len(), usize::try_from(queue.num_buffers()).unwrap());
    assert!(queue.num_buffers() <= queue.config.max_num_buffers);

    let mut queued = 0;
    let mut done = 0;
    for view in &views {
        let in_queue = queue.queued.iter().filter(|&&index| index == view.index).count();
        let in_done = queue.done.iter().filter(|&&index| index == view.index).count();
        // No slot in two states, and none in a list that its state doesn't name.
        let expected = match view.state {
            State::Dequeued { .. } => (0, 0),
            State::Queued { .. } => {
                assert!(!queue.started, "queued, but not with the driver that runs");
                (1, 0)
            }
            State::Active { .. } => {
                assert!(queue.started, "with a driver that doesn't run");
                (1, 0)
            }
            State::Done | State::Error => (0, 1),
            State::Preparing => panic!("preparing between two calls"),
        };
        assert_eq!((in_queue, in_done), expected, "buffer {}: {:?}", view.index, view.state);
        queued += in_queue;
        done += in_done;
        assert_eq!(view.planes.len(), rig.driver.planes);
        for plane in view.planes {
            let fits = match (plane.backing(), queue.memory()) {
                (PlaneBacking::Mmap { .. }, Some(MemoryType::Mmap)) => true,
                (PlaneBacking::UserPtr { .. }, Some(MemoryType::UserPtr)) => true,
                (PlaneBacking::DmaBuf { .. }, Some(MemoryType::DmaBuf)) => true,
                // An import that isn't there is only with a buffer that is not on its way.
                (PlaneBacking::None, Some(_)) => {
                    matches!(view.state, State::Dequeued { prepared: false })
                }
                _ => false,
            };
            assert!(fits, "{:?} in a queue of {:?}", plane.backing(), queue.memory());
            assert!(plane.bytesused() <= plane.length());
        }
    }
    // The lists hold nothing else.
    assert_eq!((queue.queued.len(), queue.done.len()), (queued, done));

    assert_eq!(queue.memory().is_some(), !views.is_empty());
    assert_eq!(queue.started, rig.driver.running);
    assert!(!queue.started || queue.streaming);
    assert!(queue.owner().is_some() || (!queue.streaming && views.is_empty()));
    assert!(queue.waiting().is_none() || (queue.streaming && queue.done.is_empty()));
    assert!(!queue.is_fileio() || queue.streaming);
    let offsets: Vec<u32> = views
        .iter()
        .flat_map(|view| view.planes)
        .filter_map(|plane| match plane.backing() {
            PlaneBacking::Mmap { offset, .. } => Some(*offset),
            _ => None,
        })
        .collect();
    for (place, offset) in offsets.iter().enumerate() {
        assert_eq!(offset % 4096, 0);
        assert!(!offsets[..place].contains(offset), "two planes at {offset}");
    }
}
