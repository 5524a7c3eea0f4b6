//! One frame after the other: what the pacing thread is to do, and what becomes of it.
//!
//! The thread asks [`Device::next_step`] under the device's lock, does the [`Job`] without it, and
//! brings it back to [`Device::finish`]. So filling a frame holds up no program's call.

use std::sync::Arc;

use vb2::{ActiveId, Done, Plane};

use super::driver::End;
use super::node::Device;
use super::pixels::Adjust;
use super::place::Place;
use super::sink::FrameSink;
use super::source::{Filled, Frame, FrameSource};
use crate::shrbuf::{Behind, Buffer, PlaneMemory};
use crate::v4l2::uapi::{V4L2_BUF_FLAG_LAST, V4L2_FIELD_NONE};

/// Buffers of which it is remembered that they need no filling again: the planes of the largest
/// queue. Beyond, a client brings ever new ones, and all are filled once more.
const REMEMBERED: usize = 64 * vb2::MAX_PLANES;

/// What the pacing thread is to do.
pub enum Step {
    /// Nothing until the device is told something (`STREAMON`).
    Idle,
    /// Nothing before this moment of `CLOCK_MONOTONIC`, in nanoseconds.
    Wait(u64),
    /// This, now, without the lock.
    Work(Job),
}

/// One frame to be filled or shown.
pub struct Job {
    id: ActiveId,
    frame: Frame,
    planes: Vec<Behind<Buffer>>,
    /// The bytes that a frame has in each of them.
    sizes: Vec<u32>,
    /// Where programs have mapped them.
    place: Option<Arc<dyn Place>>,
    work: Work,
}

enum Work {
    Fill { source: Box<dyn FrameSource>, adjust: Adjust, filled: Result<Filled, String> },
    Show { sink: Box<dyn FrameSink> },
}

impl Job {
    /// Does it: the one place where frames are written and read.
    pub fn run(&mut self) {
        let (place, mapped) = (self.place.as_deref(), each_mapped(&self.planes, &self.sizes));
        let planes: Vec<&dyn PlaneMemory> =
            self.planes.iter().map(|plane| plane as &dyn PlaneMemory).collect();
        match &mut self.work {
            Work::Fill { source, adjust, filled } => {
                *filled =
                    source.fill(&self.frame, adjust, &planes).map_err(|error| error.to_string());
                if filled.as_ref().is_ok_and(|filled| *filled == Filled::Frame) {
                    mapped.for_each(|(plane, len)| publish(place, plane, len));
                }
            }
            Work::Show { sink } => {
                mapped.for_each(|(plane, len)| collect(place, plane, len));
                // A dropped frame has been told by the sink itself, once.
                if let Err(error) = sink.show(&self.frame, &planes) {
                    tracing::warn!(sequence = self.frame.sequence, "a frame is lost: {error}");
                }
            }
        }
    }
}

/// The frame's planes, and how much of each it takes.
fn each_mapped<'a>(
    planes: &'a [Behind<Buffer>],
    sizes: &'a [u32],
) -> impl Iterator<Item = (&'a Buffer, usize)> {
    let pairs = planes.iter().zip(sizes);
    pairs.map(|(plane, size)| (&plane.memory, plane.start.saturating_add(*size as usize)))
}

/// Programs that have mapped the plane see what was filled.
fn publish(place: Option<&dyn Place>, plane: &Buffer, len: usize) {
    if let Err(error) = plane.publish(len) {
        tracing::warn!(buffer = %plane.id(), "a frame can't be shown to who maps it: {error}");
    }
    if let Some(place) = place {
        place.publish(plane, len);
    }
}

/// What programs have written through their mappings of the plane is what is shown.
fn collect(place: Option<&dyn Place>, plane: &Buffer, len: usize) {
    if let Err(error) = plane.collect(len) {
        tracing::warn!(buffer = %plane.id(), "a frame can't be had from who maps it: {error}");
    }
    if let Some(place) = place {
        place.collect(plane, len);
    }
}

impl Device {
    /// What is to be done at `now_ns`.
    pub fn next_step(&mut self, now_ns: u64) -> Step {
        if self.working {
            return Step::Idle;
        }
        let Some(stream) = &mut self.driver.stream else { return Step::Idle };
        let due = stream.pace.due_ns(stream.next);
        if now_ns < due {
            return Step::Wait(due);
        }
        let number = stream.pace.latest(now_ns);
        self.counts.dropped =
            self.counts.dropped.saturating_add(number.saturating_sub(stream.next));
        stream.next = number.saturating_add(1);
        let sequence = (number & u64::from(u32::MAX)) as u32;
        let frame = Frame { sequence, timestamp_ns: stream.pace.due_ns(number) };
        let after = stream.pace.due_ns(stream.next);
        self.events.frame_sync(sequence, now_ns);
        let job = match self.driver.end {
            End::Source(_) => self.capture_frame(frame),
            End::Sink(_) => self.output_frame(Frame { timestamp_ns: now_ns, ..frame }),
        };
        match job {
            Some(job) => {
                self.working = true;
                Step::Work(job)
            }
            None => Step::Wait(after),
        }
    }

    /// Takes back what was done, by which the buffer may become ready.
    pub fn finish(&mut self, job: Job) {
        self.working = false;
        match job.work {
            Work::Fill { source, filled, .. } => {
                let fills_once = source.fills_once();
                if let End::Source(place) = &mut self.driver.end {
                    *place = Some(source);
                }
                if fills_once && let Some(stream) = &mut self.driver.stream {
                    if stream.filled.len() >= REMEMBERED {
                        stream.filled.clear();
                    }
                    stream.filled.extend(job.planes.iter().map(|plane| plane.memory.id()));
                }
                self.filled(job.id, &job.frame, filled);
            }
            Work::Show { sink } => {
                if let End::Sink(place) = &mut self.driver.end {
                    *place = Some(sink);
                }
            }
        }
    }

    fn capture_frame(&mut self, frame: Frame) -> Option<Job> {
        let stream = self.driver.stream.as_ref()?;
        let next = self.queue.front_active().filter(|_| !stream.ended);
        let Some((id, planes)) = next.and_then(|view| Some((view.active()?, memory(view.planes))))
        else {
            self.counts.dropped += 1;
            return None;
        };
        if !planes.is_empty()
            && planes.iter().all(|plane| stream.filled.contains(&plane.memory.id()))
        {
            self.filled(id, &frame, Ok(Filled::Frame));
            return None;
        }
        let (adjust, place) = (self.adjust, self.owners_place());
        let sizes = self.driver.frame_sizes();
        let End::Source(source) = &mut self.driver.end else { return None };
        let source = source.take()?;
        let work = Work::Fill { source, adjust, filled: Ok(Filled::NotYet) };
        Some(Job { id, frame, planes, sizes, place, work })
    }

    fn filled(&mut self, id: ActiveId, frame: &Frame, filled: Result<Filled, String>) {
        let sizes = self.driver.frame_sizes();
        let nothing = vec![0; sizes.len()];
        let mut done = Done {
            bytesused: &sizes,
            sequence: frame.sequence,
            timestamp_ns: frame.timestamp_ns,
            field: Some(V4L2_FIELD_NONE),
            ..Done::default()
        };
        match filled {
            Ok(Filled::Frame) => {
                self.counts.frames += 1;
                self.last_captured = Some(id.index());
            }
            Ok(Filled::NotYet) => {
                self.counts.dropped += 1;
                return;
            }
            Ok(Filled::End) => {
                // As a decoder ends: an empty buffer that says it is the last, then EPIPE.
                done.bytesused = &nothing;
                done.flags = V4L2_BUF_FLAG_LAST;
                if let Some(stream) = &mut self.driver.stream {
                    stream.ended = true;
                }
                self.events.end_of_stream(self.driver.clock.now_ns());
            }
            Err(error) => {
                tracing::warn!(sequence = frame.sequence, "a frame can't be filled: {error}");
                done.error = true;
            }
        }
        // Stale where streaming was stopped meanwhile: then the frame is nobody's.
        if self.queue.buffer_done(id, &done, &self.driver).is_ok() {
            self.collect();
        }
    }

    /// A buffer stays on the display until another follows, and at least one interval. It comes
    /// back with the number of the interval that has just ended: the first of a stream has 0, and
    /// `v4l2-compliance` warns of any other.
    fn output_frame(&mut self, frame: Frame) -> Option<Job> {
        let on_display = self.driver.shown;
        let followed = self.queue.front_followed().and_then(|view| view.active());
        if let Some(id) = followed.filter(|id| Some(*id) == on_display) {
            let done = Done {
                sequence: frame.sequence.wrapping_sub(1),
                timestamp_ns: frame.timestamp_ns,
                ..Done::default()
            };
            if self.queue.buffer_done(id, &done, &self.driver).is_ok() {
                self.collect();
            }
        }
        let front =
            self.queue.front_active().and_then(|view| Some((view.active()?, memory(view.planes))));
        let (id, planes) = front.filter(|(id, _)| Some(*id) != on_display)?;
        self.driver.shown = Some(id);
        self.counts.frames += 1;
        let (place, sizes) = (self.owners_place(), self.driver.frame_sizes());
        let End::Sink(sink) = &mut self.driver.end else { return None };
        let work = Work::Show { sink: sink.take()? };
        Some(Job { id, frame, planes, sizes, place, work })
    }
}

/// The pictures' memory of all planes; empty where one has none.
pub(super) fn memory(planes: &[Plane<Buffer>]) -> Vec<Behind<Buffer>> {
    let picture = |plane: &Plane<Buffer>| {
        Some(Behind { memory: plane.memory()?.clone(), start: plane.data_offset() as usize })
    };
    planes.iter().map(picture).collect::<Option<_>>().unwrap_or_default()
}
