//! Events: who subscribed to what, and what is pending for each open file.

use super::uapi::*;
use super::{FileId, Ticket};

/// The events of a device, for all its open files.
#[derive(Debug, Default)]
pub struct Events {}

impl Events {
    /// No subscriptions.
    pub fn new() -> Self {
        Self::default()
    }

    /// The file is gone: its subscriptions and events go too. The tickets that waited are named.
    pub fn close(&mut self, file: FileId) -> Vec<Ticket> {
        let _ = file;
        todo!()
    }

    /// Whether an event is pending for the file: `POLLPRI`.
    pub fn pending(&self, file: FileId) -> bool {
        let _ = file;
        todo!()
    }

    /// Queues an event of this type and id for all that subscribed to it. `data` is the union.
    pub fn queue(&mut self, event_type: u32, id: u32, data: &[u8], now_ns: u64) {
        let _ = (event_type, id, data, now_ns);
        todo!()
    }

    /// Queues `V4L2_EVENT_SOURCE_CHANGE` (resolution).
    pub fn source_changed(&mut self, now_ns: u64) {
        let _ = now_ns;
        todo!()
    }

    /// Queues `V4L2_EVENT_EOS`.
    pub fn end_of_stream(&mut self, now_ns: u64) {
        let _ = now_ns;
        todo!()
    }

    /// Queues `V4L2_EVENT_FRAME_SYNC`.
    pub fn frame_sync(&mut self, sequence: u32, now_ns: u64) {
        let _ = (sequence, now_ns);
        todo!()
    }

    /// The parked call is not to be completed any more. `true` if it was parked here.
    pub fn cancel(&mut self, ticket: Ticket) -> bool {
        let _ = ticket;
        todo!()
    }

    /// What happened since the last call: files whose `poll` is to be woken.
    pub fn take_wakes(&mut self) -> Vec<FileId> {
        todo!()
    }

    /// Parked `VIDIOC_DQEVENT`s that have their event now: each is answered with these bytes.
    pub fn take_completed(&mut self) -> Vec<(Ticket, v4l2_event)> {
        todo!()
    }
}
