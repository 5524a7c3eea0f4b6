//! Events: who subscribed to what, and what is pending for each open file.
//!
//! Each subscription has room for a few events. When it is full the oldest goes, and where losing
//! it would lose a change (controls, the source), its changes are added to the next.

use std::collections::VecDeque;

use nix::errno::Errno;
use zerocopy::IntoBytes;

use super::controls::Change;
use super::uapi::*;
use super::{FileId, Ticket};

/// Subscriptions of one file, at most. A device has a few dozen things to subscribe to; more can
/// only come from made-up ids. `ENOMEM` beyond.
const MAX_SUBSCRIPTIONS: usize = 256;

/// Events that a subscription to `V4L2_EVENT_EOS` holds: a stream's end and the next one's.
const EOS_ROOM: usize = 2;

/// Events that a subscription to `V4L2_EVENT_FRAME_SYNC` holds: some frames, for a program that is
/// late.
const FRAME_SYNC_ROOM: usize = 4;

/// The events of a device, for all its open files.
#[derive(Debug, Clone, Default)]
pub struct Events {
    files: Vec<File>,
    wakes: Vec<FileId>,
    completed: Vec<(Ticket, v4l2_event)>,
}

#[derive(Debug, Clone)]
struct File {
    id: FileId,
    subscriptions: Vec<Subscription>,
    pending: VecDeque<v4l2_event>,
    /// Of the next event.
    sequence: u32,
    waiting: VecDeque<Ticket>,
}

#[derive(Debug, Clone, Copy)]
struct Subscription {
    event_type: u32,
    id: u32,
    flags: u32,
}

impl Events {
    /// No subscriptions.
    pub fn new() -> Self {
        Self::default()
    }

    /// `VIDIOC_SUBSCRIBE_EVENT`. Subscribing twice changes nothing. `initial` is queued for
    /// `V4L2_EVENT_SUB_FL_SEND_INITIAL`.
    ///
    /// # Errors
    /// `ENOMEM` for more subscriptions than one file may have.
    pub fn subscribe(
        &mut self,
        file: FileId,
        sub: &v4l2_event_subscription,
        initial: Option<v4l2_event_ctrl>,
        now_ns: u64,
    ) -> Result<(), Errno> {
        let entry = self.entry(file);
        if entry.subscription(sub.type_, sub.id).is_some() {
            return Ok(());
        }
        if entry.subscriptions.len() >= MAX_SUBSCRIPTIONS {
            return Err(Errno::ENOMEM);
        }
        let (event_type, id, flags) = (sub.type_, sub.id, sub.flags);
        entry.subscriptions.push(Subscription { event_type, id, flags });
        if let Some(initial) = initial.filter(|_| flags & V4L2_EVENT_SUB_FL_SEND_INITIAL != 0) {
            self.queue_for(event_type, id, initial.as_bytes(), now_ns, |other, _| other == file);
        }
        Ok(())
    }

    /// `VIDIOC_UNSUBSCRIBE_EVENT`: what was pending of it goes too. `V4L2_EVENT_ALL` means all.
    pub fn unsubscribe(&mut self, file: FileId, event_type: u32, id: u32) {
        let Some(entry) = self.files.iter_mut().find(|entry| entry.id == file) else { return };
        if event_type == V4L2_EVENT_ALL {
            entry.subscriptions.clear();
            entry.pending.clear();
            return;
        }
        entry.subscriptions.retain(|sub| (sub.event_type, sub.id) != (event_type, id));
        entry.pending.retain(|event| (event.type_, event.id) != (event_type, id));
    }

    /// `VIDIOC_DQEVENT`: the oldest pending event.
    pub fn dequeue(&mut self, file: FileId) -> Option<v4l2_event> {
        self.files.iter_mut().find(|entry| entry.id == file)?.dequeue()
    }

    /// A `VIDIOC_DQEVENT` waits: it turns up in [`take_completed`](Self::take_completed).
    pub fn park(&mut self, file: FileId, ticket: Ticket) {
        self.entry(file).waiting.push_back(ticket);
    }

    /// The parked call is not to be completed any more. `true` if it was parked here.
    pub fn cancel(&mut self, ticket: Ticket) -> bool {
        let mut found = false;
        for entry in &mut self.files {
            let before = entry.waiting.len();
            entry.waiting.retain(|other| *other != ticket);
            found |= entry.waiting.len() != before;
        }
        found
    }

    /// The file is gone: its subscriptions and events go too. The tickets that waited are named.
    pub fn close(&mut self, file: FileId) -> Vec<Ticket> {
        self.wakes.retain(|other| *other != file);
        let Some(place) = self.files.iter().position(|entry| entry.id == file) else {
            return Vec::new();
        };
        self.files.swap_remove(place).waiting.into()
    }

    /// Whether an event is pending for the file: `POLLPRI`.
    pub fn pending(&self, file: FileId) -> bool {
        self.files.iter().any(|entry| entry.id == file && !entry.pending.is_empty())
    }

    /// Queues an event of this type and id for all that subscribed to it. `data` is the union.
    pub fn queue(&mut self, event_type: u32, id: u32, data: &[u8], now_ns: u64) {
        self.queue_for(event_type, id, data, now_ns, |_, _| true);
    }

    /// Queues `V4L2_EVENT_CTRL`; the file that made the change hears of it only with
    /// `V4L2_EVENT_SUB_FL_ALLOW_FEEDBACK`.
    pub fn control_changed(&mut self, by: Option<FileId>, change: &Change, now_ns: u64) {
        let data = change.event.as_bytes();
        self.queue_for(V4L2_EVENT_CTRL, change.id, data, now_ns, |file, flags| {
            by != Some(file) || flags & V4L2_EVENT_SUB_FL_ALLOW_FEEDBACK != 0
        });
    }

    /// Queues `V4L2_EVENT_SOURCE_CHANGE` (resolution).
    pub fn source_changed(&mut self, now_ns: u64) {
        let data = v4l2_event_src_change { changes: V4L2_EVENT_SRC_CH_RESOLUTION };
        self.queue(V4L2_EVENT_SOURCE_CHANGE, 0, data.as_bytes(), now_ns);
    }

    /// Queues `V4L2_EVENT_EOS`.
    pub fn end_of_stream(&mut self, now_ns: u64) {
        self.queue(V4L2_EVENT_EOS, 0, &[], now_ns);
    }

    /// Queues `V4L2_EVENT_FRAME_SYNC`.
    pub fn frame_sync(&mut self, sequence: u32, now_ns: u64) {
        let data = v4l2_event_frame_sync { frame_sequence: sequence };
        self.queue(V4L2_EVENT_FRAME_SYNC, 0, data.as_bytes(), now_ns);
    }

    /// What happened since the last call: files whose `poll` is to be woken.
    pub fn take_wakes(&mut self) -> Vec<FileId> {
        std::mem::take(&mut self.wakes)
    }

    /// Parked `VIDIOC_DQEVENT`s that have their event now: each is answered with these bytes.
    pub fn take_completed(&mut self) -> Vec<(Ticket, v4l2_event)> {
        std::mem::take(&mut self.completed)
    }

    fn entry(&mut self, file: FileId) -> &mut File {
        let place = self.files.iter().position(|entry| entry.id == file);
        let place = place.unwrap_or_else(|| {
            self.files.push(File::new(file));
            self.files.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found or pushed just above")]
        &mut self.files[place]
    }

    fn queue_for(
        &mut self,
        event_type: u32,
        id: u32,
        data: &[u8],
        now_ns: u64,
        hears: impl Fn(FileId, u32) -> bool,
    ) {
        let mut event = v4l2_event { type_: event_type, id, ..v4l2_event::default() };
        event.set_u(data);
        event.timestamp = now_ns.into();
        for entry in &mut self.files {
            let Some(sub) = entry.subscription(event_type, id) else { continue };
            if !hears(entry.id, sub.flags) {
                continue;
            }
            entry.push(event);
            if let Some(ticket) = entry.waiting.pop_front() {
                self.completed.extend(entry.dequeue().map(|event| (ticket, event)));
            } else if !self.wakes.contains(&entry.id) {
                self.wakes.push(entry.id);
            }
        }
    }
}

impl File {
    fn new(id: FileId) -> Self {
        Self {
            id,
            subscriptions: Vec::new(),
            pending: VecDeque::new(),
            sequence: 0,
            waiting: VecDeque::new(),
        }
    }

    fn subscription(&self, event_type: u32, id: u32) -> Option<Subscription> {
        let mut all = self.subscriptions.iter();
        all.find(|sub| (sub.event_type, sub.id) == (event_type, id)).copied()
    }

    fn dequeue(&mut self) -> Option<v4l2_event> {
        let mut event = self.pending.pop_front()?;
        event.pending = u32::try_from(self.pending.len()).unwrap_or(u32::MAX);
        Some(event)
    }

    fn push(&mut self, mut event: v4l2_event) {
        event.sequence = self.sequence;
        self.sequence = self.sequence.wrapping_add(1);
        let same = |other: &v4l2_event| (other.type_, other.id) == (event.type_, event.id);
        if self.pending.iter().filter(|other| same(other)).count() >= room(event.type_) {
            let oldest = self.pending.iter().position(same);
            let lost = oldest.and_then(|place| self.pending.remove(place));
            let next = self.pending.iter_mut().find(|other| same(other));
            if let Some(lost) = lost {
                add_changes(next.unwrap_or(&mut event), &lost);
            }
        }
        self.pending.push_back(event);
    }
}

/// How many events a subscription of this type holds.
fn room(event_type: u32) -> usize {
    match event_type {
        V4L2_EVENT_EOS => EOS_ROOM,
        V4L2_EVENT_FRAME_SYNC => FRAME_SYNC_ROOM,
        _ => 1,
    }
}

/// `changes`, the first field of both payloads that have one.
fn add_changes(event: &mut v4l2_event, lost: &v4l2_event) {
    if matches!(event.type_, V4L2_EVENT_CTRL | V4L2_EVENT_SOURCE_CHANGE) {
        event.u.iter_mut().zip(lost.u).take(4).for_each(|(to, from)| *to |= from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: FileId = FileId(1);
    const B: FileId = FileId(2);

    fn sub(type_: u32, id: u32, flags: u32) -> v4l2_event_subscription {
        v4l2_event_subscription { type_, id, flags, ..Default::default() }
    }

    fn change(value: i32) -> Change {
        let changes = V4L2_EVENT_CTRL_CH_VALUE;
        let event = v4l2_event_ctrl { changes, value64: value.into(), ..Default::default() };
        Change { id: 7, value, event }
    }

    #[test]
    fn a_file_hears_of_changes_by_others_and_of_its_own_only_if_it_asked() {
        let mut events = Events::new();
        events.subscribe(A, &sub(V4L2_EVENT_CTRL, 7, 0), None, 0).unwrap();
        let feedback = V4L2_EVENT_SUB_FL_ALLOW_FEEDBACK;
        events.subscribe(B, &sub(V4L2_EVENT_CTRL, 7, feedback), None, 0).unwrap();
        events.control_changed(Some(A), &change(1), 0);
        assert!(!events.pending(A));
        events.control_changed(Some(B), &change(2), 1_500_000_001);
        let event = events.dequeue(A).unwrap();
        assert_eq!((event.timestamp.tv_sec, event.timestamp.tv_nsec), (1, 500_000_001));
        assert_eq!((event.type_, event.id, event.ctrl().value64), (V4L2_EVENT_CTRL, 7, 2));
        assert_eq!(events.take_wakes(), [B, A]);
        assert_eq!(events.dequeue(B).unwrap().sequence, 1);
        assert_eq!(events.dequeue(B), None);
    }

    #[test]
    fn changes_that_nobody_fetches_come_together() {
        let mut events = Events::new();
        let initial = v4l2_event_ctrl { changes: 3, ..Default::default() };
        let flags = V4L2_EVENT_SUB_FL_SEND_INITIAL;
        events.subscribe(A, &sub(V4L2_EVENT_CTRL, 7, flags), Some(initial), 0).unwrap();
        for value in 1..=3 {
            events.control_changed(None, &change(value), 0);
        }
        let event = events.dequeue(A).unwrap();
        assert_eq!((event.sequence, event.pending), (3, 0));
        assert_eq!((event.ctrl().changes, event.ctrl().value64), (3, 3));
        assert_eq!(events.dequeue(A), None);
    }

    #[test]
    fn subscribing_again_sends_no_second_initial_event() {
        let mut events = Events::new();
        let again = sub(V4L2_EVENT_CTRL, 7, V4L2_EVENT_SUB_FL_SEND_INITIAL);
        events.subscribe(A, &again, Some(v4l2_event_ctrl::default()), 0).unwrap();
        assert!(events.dequeue(A).is_some());
        events.subscribe(A, &again, Some(v4l2_event_ctrl::default()), 0).unwrap();
        assert!(!events.pending(A));
    }

    #[test]
    fn unsubscribing_takes_pending_events_along() {
        let mut events = Events::new();
        events.subscribe(A, &sub(V4L2_EVENT_EOS, 0, 0), None, 0).unwrap();
        events.subscribe(A, &sub(V4L2_EVENT_SOURCE_CHANGE, 0, 0), None, 0).unwrap();
        events.end_of_stream(0);
        events.source_changed(0);
        events.unsubscribe(A, V4L2_EVENT_EOS, 0);
        let event = events.dequeue(A).unwrap();
        assert_eq!((event.type_, event.pending), (V4L2_EVENT_SOURCE_CHANGE, 0));
        assert_eq!(event.src_change().changes, V4L2_EVENT_SRC_CH_RESOLUTION);
        events.end_of_stream(0);
        events.source_changed(0);
        events.unsubscribe(A, V4L2_EVENT_ALL, 0);
        assert!(!events.pending(A));
    }

    #[test]
    fn a_full_subscription_loses_its_oldest() {
        let mut events = Events::new();
        events.subscribe(A, &sub(V4L2_EVENT_FRAME_SYNC, 0, 0), None, 0).unwrap();
        (0..6).for_each(|sequence| events.frame_sync(sequence, 0));
        let first = events.dequeue(A).unwrap();
        assert_eq!((first.u[0], first.pending, first.sequence), (2, 3, 2));
    }

    #[test]
    fn a_parked_call_gets_the_next_event_and_only_it() {
        let mut events = Events::new();
        events.subscribe(A, &sub(V4L2_EVENT_EOS, 0, 0), None, 0).unwrap();
        events.park(A, Ticket(5));
        events.park(A, Ticket(6));
        assert!(events.cancel(Ticket(5)) && !events.cancel(Ticket(5)));
        events.end_of_stream(0);
        let completed = events.take_completed();
        assert_eq!(completed.iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>(), [Ticket(6)]);
        assert!(!events.pending(A) && events.take_wakes().is_empty());
        events.park(A, Ticket(7));
        assert_eq!(events.close(A), [Ticket(7)]);
        assert_eq!(events.close(A), []);
    }

    #[test]
    fn made_up_ids_do_not_grow_without_end() {
        let mut events = Events::new();
        let answer = (0..=256)
            .map(|id| events.subscribe(A, &sub(V4L2_EVENT_SOURCE_CHANGE, id, 0), None, 0))
            .collect::<Vec<_>>();
        assert_eq!(answer.iter().filter(|answer| answer.is_err()).count(), 1);
        assert_eq!(answer.last(), Some(&Err(Errno::ENOMEM)));
    }
}
