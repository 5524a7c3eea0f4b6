//! A device: a camera or a display, whatever carries its node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nix::errno::Errno;
use vb2::{BufType, Completion, Config, Effect as QueueEffect, FileId, Queue, Ticket};

use super::clock::Clock;
use super::driver::{Driver, End};
use super::effect::{CopyOut, Effect, Outcome};
use super::pixels::Adjust;
use super::sink::FrameSink;
use super::source::{FrameSource, Interval, PATTERNS};
use super::spec::Role;
use crate::shrbuf::{Buffer, Owner, Registry};
use crate::v4l2::controls::Controls;
use crate::v4l2::events::Events;
use crate::v4l2::modes::{Mode, ModeList, Sizes};
use crate::v4l2::priority::Priority;
use crate::v4l2::uapi::{V4L2_CID_TEST_PATTERN, v4l2_buffer, v4l2_plane};
use crate::v4l2::{Direction, Node, buffer};

/// What a device is made of.
pub struct Parts {
    /// `v4l2_capability.card`.
    pub card: String,
    /// The `N` of `videoN`: also names the device in `bus_info`, and the node in the registry.
    pub number: u32,
    /// Whether it speaks the multi-planar API.
    pub mplane: bool,
    /// What it offers, the default first.
    pub modes: Vec<Mode>,
    /// Most files that may be open at a time.
    pub opens: usize,
    /// Where frames come from or go to.
    pub frames: Frames,
    /// Where buffers come from.
    pub registry: Arc<Registry>,
    /// What frames are paced by.
    pub clock: Arc<dyn Clock>,
}

/// Where frames come from or go to: it decides what kind of device it is.
pub enum Frames {
    /// A camera.
    From(Box<dyn FrameSource>),
    /// A display.
    To(Box<dyn FrameSink>),
}

/// A camera or a display. Its methods never wait: one lock around it is enough for any number of
/// callers. After each call [`Device::take_effects`] tells what is left to be done outside.
pub struct Device {
    pub(super) card: String,
    /// `v4l2_capability.bus_info`.
    pub(super) bus_info: String,
    pub(super) number: u32,
    pub(super) node: Node,
    pub(super) modes: ModeList,
    pub(super) queue: Queue<Buffer>,
    pub(super) driver: Driver,
    pub(super) controls: Controls,
    pub(super) events: Events,
    pub(super) priority: Priority,
    pub(super) adjust: Adjust,
    pub(super) counts: Counts,
    /// The pacing thread has a frame in its hands.
    pub(super) working: bool,
    pub(super) parked: BTreeMap<Ticket, Parked>,
    pub(super) effects: Vec<Effect>,
    pub(super) copy_out: Vec<CopyOut>,
    /// The last `read` has reached the end of a frame.
    pub(super) frame_read: bool,
    /// Capture: the buffer that was filled last.
    pub(super) last_captured: Option<u32>,
    opens: usize,
    files: BTreeSet<FileId>,
    next_file: u64,
}

/// What a display can show instead of its frames: `V4L2_CID_TEST_PATTERN`, whose first entry is none.
pub const DISPLAY_PATTERNS: &[&str] =
    &["Disabled", "smpte", "ramp", "checkerboard", "grid", "white", "black"];

/// Frames since the device was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Captured or shown.
    pub frames: u64,
    /// Due, and no buffer was there for it.
    pub dropped: u64,
}

/// What a parked call was given, to be filled in when it completes.
pub(super) enum Parked {
    Dequeue { buffer: v4l2_buffer, planes: Vec<v4l2_plane> },
    Read,
    Write { data: Vec<u8> },
}

impl Device {
    /// A device that nobody has opened.
    ///
    /// # Errors
    /// `EINVAL` for modes that can't be; see [`ModeList::new`].
    pub fn new(parts: Parts) -> Result<Self, Errno> {
        let pattern = match &parts.frames {
            Frames::From(source) => source.test_pattern(),
            Frames::To(_) => None,
        };
        let (direction, end, mut controls) = match parts.frames {
            Frames::From(source) => {
                (Direction::Capture, End::Source(Some(source)), Controls::camera(&PATTERNS))
            }
            Frames::To(sink) => {
                (Direction::Output, End::Sink(Some(sink)), Controls::camera(DISPLAY_PATTERNS))
            }
        };
        let mut adjust = Adjust::default();
        if let Some(pattern) = pattern {
            // The source's own choice is what the control says at first.
            controls.set(V4L2_CID_TEST_PATTERN, i32::try_from(pattern).unwrap_or(0))?;
            adjust.test_pattern = pattern;
        }
        let node = Node { direction, mplane: parts.mplane };
        let sizes = match direction {
            Direction::Capture => Sizes::Discrete,
            Direction::Output => Sizes::Any,
        };
        let modes = ModeList::new(node, sizes, parts.modes)?;
        let layout = modes.default_layout();
        let interval = interval(modes.nearest_interval(&layout, Default::default()));
        let driver = Driver {
            registry: parts.registry,
            clock: parts.clock,
            owner: Owner { uid: 0, node: parts.number },
            allocator: None,
            places: BTreeMap::new(),
            direction,
            layout,
            interval,
            end,
            stream: None,
            news: false,
            shown: None,
        };
        Ok(Self {
            card: parts.card,
            bus_info: format!("platform:shrbuf-{}", parts.number),
            number: parts.number,
            node,
            modes,
            queue: Queue::new(Config::new(buf_type(node))),
            driver,
            controls,
            events: Events::new(),
            priority: Priority::new(),
            adjust,
            counts: Counts::default(),
            working: false,
            parked: BTreeMap::new(),
            effects: Vec::new(),
            copy_out: Vec::new(),
            frame_read: false,
            last_captured: None,
            opens: parts.opens,
            files: BTreeSet::new(),
            next_file: 1,
        })
    }

    /// `open(2)`.
    ///
    /// # Errors
    /// `EBUSY` when as many files are open as may be.
    pub fn open(&mut self) -> Result<FileId, Errno> {
        if self.files.len() >= self.opens {
            return Err(Errno::EBUSY);
        }
        let file = FileId(self.next_file);
        self.next_file += 1;
        self.files.insert(file);
        self.priority.open(file);
        Ok(file)
    }

    /// The last descriptor of an open file is gone: its buffers go, or are orphans now.
    pub fn close(&mut self, file: FileId) {
        if !self.files.remove(&file) {
            return;
        }
        self.queue.close(file, &mut self.driver);
        self.driver.places.remove(&file);
        self.priority.close(file);
        for ticket in self.events.close(file) {
            self.effects.push(Effect::Complete { ticket, outcome: Outcome::Failed(Errno::ENODEV) });
        }
        self.collect();
    }

    /// Whether the pacing thread has to look again since the last time.
    pub fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.driver.news)
    }

    /// The files that are open.
    pub fn files(&self) -> impl ExactSizeIterator<Item = FileId> + '_ {
        self.files.iter().copied()
    }

    /// `poll(2)` of an open file; `requested` and the answer are bits of `poll(2)`.
    pub fn poll(&mut self, file: FileId, uid: u32, requested: u32) -> u32 {
        self.driver.owner.uid = uid;
        let pending = if self.events.pending(file) { vb2::events::PRI } else { 0 };
        let ready = self.queue.poll(file, requested, &mut self.driver);
        self.collect();
        ready | pending
    }

    /// A parked call is not to wait any longer (a signal, the end of the caller). `true`: it was
    /// parked, and is the caller's to answer now; else it has come out as an effect.
    pub fn cancel(&mut self, ticket: Ticket) -> bool {
        let queued = self.queue.cancel(ticket);
        let parked = self.parked.remove(&ticket).is_some() || self.events.cancel(ticket);
        queued || parked
    }

    /// What the calls before have left to be done, in order, once the device is not locked.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        for (ticket, event) in self.events.take_completed() {
            self.effects
                .push(Effect::Complete { ticket, outcome: Outcome::Event(Box::new(event)) });
        }
        self.effects.extend(self.events.take_wakes().into_iter().map(Effect::Wake));
        std::mem::take(&mut self.effects)
    }

    /// What the call that was just answered leaves to be copied to user memory first.
    pub fn take_copy_out(&mut self) -> Vec<CopyOut> {
        std::mem::take(&mut self.copy_out)
    }

    /// Which way frames go.
    #[must_use]
    pub fn role(&self) -> Role {
        match self.node.direction {
            Direction::Capture => Role::Capture,
            Direction::Output => Role::Output,
        }
    }

    /// What kind of node it is.
    #[must_use]
    pub fn node(&self) -> Node {
        self.node
    }

    /// Frames so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Whose the queue's buffers are.
    #[must_use]
    pub fn queue_owner(&self) -> Option<FileId> {
        self.queue.owner()
    }

    /// The queue's buffers are this file's.
    #[must_use]
    pub fn owns_queue(&self, file: FileId) -> bool {
        self.queue.owner() == Some(file)
    }

    /// The pacing thread has a frame in its hands: buffers can't be taken back from it now.
    #[must_use]
    pub fn is_working(&self) -> bool {
        self.working
    }

    /// Turns what the queue has left to be done into the device's own effects.
    pub(super) fn collect(&mut self) {
        for effect in self.queue.take_effects() {
            match effect {
                QueueEffect::Complete { ticket, result } => {
                    let outcome = match result {
                        Ok(completion) => self.complete(ticket, completion),
                        Err(error) => Outcome::Failed(buffer::errno(error)),
                    };
                    self.parked.remove(&ticket);
                    self.effects.push(Effect::Complete { ticket, outcome });
                }
                QueueEffect::PollWake => {
                    let files = self.files.iter().copied().map(Effect::Wake);
                    self.effects.extend(files);
                }
                // Whoever still holds it keeps it; the registry counts it as an orphan.
                QueueEffect::Orphan(memory) => drop(memory),
            }
        }
    }

    fn complete(&mut self, ticket: Ticket, completion: Completion<Buffer>) -> Outcome {
        let parked = self.parked.remove(&ticket);
        match (completion, parked) {
            (Completion::Dequeued(info), Some(Parked::Dequeue { mut buffer, mut planes })) => {
                self.describe(&info, &mut buffer, &mut planes);
                let copy_out = self.take_copy_out();
                Outcome::Dequeued { buffer: Box::new(buffer), planes, copy_out }
            }
            (Completion::Transfer(transfer), Some(Parked::Read)) => {
                self.read_piece(&transfer).map_or_else(Outcome::Failed, Outcome::Read)
            }
            (Completion::Transfer(transfer), Some(Parked::Write { data })) => {
                self.write_piece(&transfer, &data).map_or_else(Outcome::Failed, Outcome::Written)
            }
            _ => {
                tracing::warn!(ticket = ticket.0, "a call completes that nobody remembers");
                Outcome::Failed(Errno::EIO)
            }
        }
    }
}

/// The queue's type of a node.
fn buf_type(node: Node) -> BufType {
    match (node.direction, node.mplane) {
        (Direction::Capture, false) => BufType::VideoCapture,
        (Direction::Capture, true) => BufType::VideoCaptureMplane,
        (Direction::Output, false) => BufType::VideoOutput,
        (Direction::Output, true) => BufType::VideoOutputMplane,
    }
}

pub(super) fn interval(fract: crate::v4l2::uapi::v4l2_fract) -> Interval {
    Interval { numerator: fract.numerator.max(1), denominator: fract.denominator.max(1) }
}
