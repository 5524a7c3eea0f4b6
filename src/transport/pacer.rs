//! The thread that paces a node's frames.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use super::node::NodeShared;
use super::nonblock;
use crate::device::{Device, Step};
use crate::sys::heap;

/// Runs until the node ends.
pub(super) fn run(node: &Arc<NodeShared>) {
    let mut device = node.device();
    let mut worked = false;
    while !node.is_stopping() {
        if node.is_waited_for() {
            device = wait(node, device, None);
            continue;
        }
        let now = node.services.clock.now_ns();
        nonblock::ask_overdue(node, now);
        match device.next_step(now) {
            Step::Idle if std::mem::take(&mut worked) => {
                node.let_go(device);
                heap::give_back();
                device = node.device();
            }
            Step::Idle => device = wait(node, device, None),
            Step::Wait(until) => {
                device = wait(node, device, Some(Duration::from_nanos(until.saturating_sub(now))));
            }
            Step::Work(mut job) => {
                worked = true;
                node.let_go(device);
                job.run();
                device = node.device();
                device.finish(job);
                node.frame_is_done();
                node.let_go(device);
                device = node.device();
            }
        }
    }
}

/// Waits, unless the step before has left something to be done: that comes first.
fn wait<'a>(
    node: &'a Arc<NodeShared>,
    mut device: MutexGuard<'a, Device>,
    timeout: Option<Duration>,
) -> MutexGuard<'a, Device> {
    let left = node.take_left(&mut device);
    if left.is_empty() {
        return node.await_news(device, timeout);
    }
    drop(device);
    node.carry_out(left);
    node.device()
}
