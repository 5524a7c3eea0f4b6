//! What is told of a device to people: its mode, its buffers, its picture.

use std::io;
use std::sync::Mutex;

use nix::errno::Errno;
use zerocopy::FromBytes;

use super::frame::memory;
use super::node::{DISPLAY_PATTERNS, Device};
use super::pixels::Adjust;
use super::sink::snapshot;
use super::source::{Frame, FrameSource, Interval, PatternSource};
use super::status::BufferState;
use crate::shrbuf::{Behind, Buffer, BufferId, PlaneMemory};
use crate::v4l2::formats::Layout;
use crate::v4l2::uapi::v4l2_buffer;

/// One plane of one buffer of the queue.
#[derive(Debug, Clone)]
pub struct SlotView {
    /// `v4l2_buffer.index`.
    pub slot: u32,
    /// The plane in it.
    pub plane: u32,
    /// Where it is on its way.
    pub state: BufferState,
    /// Its memory.
    pub buffer: Buffer,
}

/// A picture that can be read: what the device shows, or captured last.
#[derive(Debug, Clone)]
pub struct Picture {
    /// How it lies in memory.
    pub layout: Layout,
    /// The memory.
    pub planes: Vec<Behind<Buffer>>,
    /// What a display's controls make of it; a camera's have had their effect.
    pub adjust: Adjust,
}

impl Picture {
    /// It as a PNG file's bytes.
    ///
    /// # Errors
    /// As [`snapshot`]; for a display that shows a test pattern, those of its source.
    pub fn png(&self) -> io::Result<Vec<u8>> {
        let Self { layout, planes, adjust } = self;
        let pattern = usize::try_from(adjust.test_pattern).unwrap_or(0);
        let Some(name) = DISPLAY_PATTERNS.get(pattern).filter(|_| pattern > 0) else {
            let planes: Vec<&dyn PlaneMemory> =
                planes.iter().map(|plane| plane as &dyn PlaneMemory).collect();
            return snapshot(layout, &planes, adjust);
        };
        let drawn: Vec<Mutex<Vec<u8>>> = layout
            .planes
            .iter()
            .map(|plane| Mutex::new(vec![0; plane.sizeimage as usize]))
            .collect();
        let planes: Vec<&dyn PlaneMemory> =
            drawn.iter().map(|plane| plane as &dyn PlaneMemory).collect();
        let mut source = PatternSource::new(name).map_err(io::Error::other)?;
        source
            .start(layout, Interval { numerator: 1, denominator: 1 })
            .map_err(io::Error::other)?;
        let own =
            Adjust { test_pattern: adjust.test_pattern.saturating_sub(1), ..Adjust::default() };
        let frame = Frame { sequence: 0, timestamp_ns: 0 };
        let _ = source.fill(&frame, &own, &planes).map_err(io::Error::other)?;
        snapshot(layout, &planes, adjust)
    }
}

impl Device {
    /// The mode that is set, as it is typed: `YUYV:640x480@30/1`.
    #[must_use]
    pub fn mode_text(&self) -> String {
        let Layout { fourcc, width, height, .. } = &self.driver.layout;
        let code = fourcc.to_le_bytes();
        let code = String::from_utf8_lossy(&code);
        let interval = self.driver.interval;
        let (frames, seconds) = (interval.denominator, interval.numerator);
        format!("{}:{width}x{height}@{frames}/{seconds}", code.trim_end())
    }

    /// Between `STREAMON` and `STREAMOFF`.
    #[must_use]
    pub fn is_streaming(&self) -> bool {
        self.queue.is_streaming()
    }

    /// The queue's buffers, imported ones too.
    #[must_use]
    pub fn slots(&self) -> Vec<SlotView> {
        let mut slots = Vec::new();
        for view in self.queue.buffers() {
            let state = match view.state {
                vb2::State::Dequeued { .. } => BufferState::Dequeued,
                vb2::State::Preparing => BufferState::Preparing,
                vb2::State::Queued { .. } => BufferState::Queued,
                vb2::State::Active { .. } => BufferState::Active,
                vb2::State::Done => BufferState::Done,
                vb2::State::Error => BufferState::Error,
            };
            for (plane, buffer) in (0..).zip(view.planes.iter().map(vb2::Plane::memory)) {
                let Some(buffer) = buffer.cloned() else { continue };
                slots.push(SlotView { slot: view.index, plane, state, buffer });
            }
        }
        slots
    }

    /// Whether a `QBUF` or `PREPARE_BUF` of this argument gets as far as looking at its planes: what
    /// they name need not be fetched otherwise.
    #[must_use]
    pub fn needs_planes(&self, file: vb2::FileId, arg: &[u8]) -> bool {
        v4l2_buffer::read_from_bytes(arg).is_ok_and(|buffer| {
            self.queue.needs_planes(file, buffer.type_, buffer.index, buffer.memory)
        })
    }

    /// The buffers in the queue that stand for memory of programs.
    #[must_use]
    pub fn user_memory(&self) -> Vec<BufferId> {
        let planes = self.queue.buffers().flat_map(|view| view.planes);
        let found = planes.filter_map(|plane| match plane.backing() {
            vb2::PlaneBacking::UserPtr { memory, .. } => Some(memory.id()),
            vb2::PlaneBacking::None
            | vb2::PlaneBacking::Mmap { .. }
            | vb2::PlaneBacking::DmaBuf { .. } => None,
        });
        found.collect()
    }

    /// The picture on the display, or the last one captured.
    ///
    /// # Errors
    /// `ENODATA` where there is none: nothing was shown yet, or its buffer is gone.
    pub fn picture(&self) -> Result<Picture, Errno> {
        let index = self.driver.shown.map(vb2::ActiveId::index).or(self.last_captured);
        let view = index.and_then(|index| self.queue.buffer(index)).ok_or(Errno::ENODATA)?;
        let planes = memory(view.planes);
        if planes.is_empty() {
            return Err(Errno::ENODATA);
        }
        let adjust = match self.node.direction {
            crate::v4l2::Direction::Capture => Adjust::default(),
            crate::v4l2::Direction::Output => self.adjust,
        };
        Ok(Picture { layout: self.driver.layout.clone(), planes, adjust })
    }
}
