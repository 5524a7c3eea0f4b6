//! What the queue asks of a device, by videobuf2's names: how large buffers are, where their memory
//! comes from, and what happens when streaming starts and stops.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use vb2::{ActiveId, Error, FileId, Plane, QueueOps, Setup};

use super::clock::Clock;
use super::pace::Pace;
use super::place::Place;
use super::sink::FrameSink;
use super::source::{FrameSource, Interval};
use crate::shrbuf::{Buffer, BufferId, Owner, Registry};
use crate::v4l2::Direction;
use crate::v4l2::formats::Layout;
use crate::v4l2::uapi::V4L2_FIELD_NONE;

/// Where frames come from or go to. `None` while the pacing thread has it for one frame.
pub(super) enum End {
    /// A camera's.
    Source(Option<Box<dyn FrameSource>>),
    /// A display's.
    Sink(Option<Box<dyn FrameSink>>),
}

/// What there is between `STREAMON` and `STREAMOFF`.
pub(super) struct Stream {
    pub(super) pace: Pace,
    /// The frame that is due next, counted as [`Pace`] counts.
    pub(super) next: u64,
    /// Capture: the source has no more frames.
    pub(super) ended: bool,
    /// Capture: buffers that need no filling again ([`FrameSource::fills_once`]).
    pub(super) filled: HashSet<BufferId>,
}

/// The device's side of the queue. It has what the queue's callbacks need and nothing else, so that
/// it can be lent to the queue while both are parts of one device.
pub(super) struct Driver {
    pub(super) registry: Arc<Registry>,
    pub(super) clock: Arc<dyn Clock>,
    /// Who is charged for what the present call allocates.
    pub(super) owner: Owner,
    /// Whose `REQBUFS` or `CREATE_BUFS` the present call is; `None` for `read` and `write`, whose
    /// buffers nobody maps.
    pub(super) allocator: Option<FileId>,
    /// Where the buffers of files that can be mapped lie.
    pub(super) places: BTreeMap<FileId, Arc<dyn Place>>,
    pub(super) direction: Direction,
    pub(super) layout: Layout,
    pub(super) interval: Interval,
    pub(super) end: End,
    pub(super) stream: Option<Stream>,
    /// The pace has changed: the pacing thread is to look again.
    pub(super) news: bool,
    /// Output: the buffer on the display.
    pub(super) shown: Option<ActiveId>,
}

impl Driver {
    /// Bytes that a frame has in each plane.
    pub(super) fn frame_sizes(&self) -> Vec<u32> {
        self.layout.planes.iter().map(|plane| plane.sizeimage).collect()
    }

    /// Where the buffers of the present call go.
    fn place(&self) -> Option<&Arc<dyn Place>> {
        self.places.get(&self.allocator?)
    }

    fn start_end(&mut self) -> Result<(), String> {
        let lost = || "the frame before has not come back".to_owned();
        match &mut self.end {
            End::Source(source) => {
                let source = source.as_mut().ok_or_else(lost)?;
                source.start(&self.layout, self.interval).map_err(|error| error.to_string())
            }
            End::Sink(sink) => {
                let sink = sink.as_mut().ok_or_else(lost)?;
                sink.start(&self.layout, self.interval).map_err(|error| error.to_string())
            }
        }
    }
}

impl QueueOps<Buffer> for Driver {
    fn queue_setup(&mut self, setup: &mut Setup) -> Result<(), Error> {
        let needed = self.frame_sizes();
        if setup.sizes.is_empty() {
            setup.sizes = needed;
            return Ok(());
        }
        let fits = setup.sizes.len() == needed.len()
            && setup.sizes.iter().zip(&needed).all(|(size, needed)| size >= needed);
        if fits { Ok(()) } else { Err(Error::WrongSizes) }
    }

    fn alloc(&mut self, index: u32, plane: usize, size: u32) -> Result<Buffer, Error> {
        let made = match self.place() {
            Some(place) => place.allocate(&self.owner, size as usize),
            None => self.registry.allocate(&self.owner, size as usize),
        };
        made.map_err(|error| {
            tracing::info!(uid = self.owner.uid, index, plane, "no memory for a buffer: {error}");
            Error::NoMemory
        })
    }

    fn mem_offset(&self, index: u32, plane: usize, memory: &Buffer) -> u32 {
        let place = self.place().and_then(|place| place.offset(memory));
        place.unwrap_or_else(|| vb2::cookie(index, plane))
    }

    fn memory_size(&self, memory: &Buffer) -> u64 {
        memory.len() as u64
    }

    fn in_use_elsewhere(&self, memory: &Buffer) -> bool {
        memory.held_elsewhere()
    }

    fn buf_out_validate(&mut self, field: &mut u32) -> Result<(), Error> {
        // Frames are progressive, whatever the program says of them.
        *field = V4L2_FIELD_NONE;
        Ok(())
    }

    fn buf_prepare(&mut self, _index: u32, planes: &mut [Plane<Buffer>]) -> Result<(), Error> {
        for (plane, needed) in planes.iter_mut().zip(self.frame_sizes()) {
            match self.direction {
                Direction::Capture => {
                    if plane.length() < needed {
                        return Err(Error::PlaneTooSmall);
                    }
                    plane.set_bytesused(needed);
                }
                Direction::Output => {
                    if plane.bytesused().saturating_sub(plane.data_offset()) < needed {
                        return Err(Error::PlaneTooSmall);
                    }
                }
            }
        }
        Ok(())
    }

    fn start_streaming(&mut self, _queued: u32) -> Result<(), Error> {
        self.start_end().map_err(|error| {
            tracing::warn!("streaming can't start: {error}");
            Error::DeviceFailed
        })?;
        let pace = Pace::start(self.clock.now_ns(), self.interval);
        self.stream = Some(Stream { pace, next: 0, ended: false, filled: HashSet::new() });
        self.news = true;
        Ok(())
    }

    fn stop_streaming(&mut self) {
        self.stream = None;
        self.shown = None;
        match &mut self.end {
            End::Source(Some(source)) => source.stop(),
            End::Sink(Some(sink)) => {
                if let Err(error) = sink.stop() {
                    tracing::warn!("the last frames are not all written: {error}");
                }
            }
            // Whoever has it for a frame gives it back, and the next start sets it up anew.
            End::Source(None) | End::Sink(None) => {}
        }
    }
}
