//! Whole devices, with their own clock and memory on the heap: what they say of themselves, and
//! frames on their way.

use std::sync::Arc;

use nix::errno::Errno;
use vb2::{FileId, Ticket};
use zerocopy::{FromBytes, IntoBytes};

use super::clock::Stepped;
use super::sink::NullSink;
use super::source::{PatternSource, read_frame_number};
use super::{Device, Effect, Frames, Outcome, Parts, Step};
use crate::shrbuf::backing::Heap;
use crate::shrbuf::{Backings, Limits, PlaneMemory, Registry};
use crate::v4l2::modes::Mode;
use crate::v4l2::uapi::*;
use crate::v4l2::{self, Answer, Context};

const MS: u64 = 1_000_000;
const INTERVAL: u64 = 40 * MS;

/// A device and the program that has it open.
struct Stand {
    device: Device,
    clock: Arc<Stepped>,
    file: FileId,
    ticket: u64,
}

impl Stand {
    fn new(frames: Frames) -> Self {
        let clock = Arc::new(Stepped::default());
        let mode = |fourcc, width, height| Mode {
            fourcc,
            width,
            height,
            intervals: vec![v4l2_fract { numerator: 1, denominator: 25 }],
        };
        let parts = Parts {
            card: "a card with a name that is far too long for its field".into(),
            number: 300,
            mplane: false,
            modes: vec![
                mode(V4L2_PIX_FMT_YUYV, 320, 180),
                mode(V4L2_PIX_FMT_YUYV, 640, 360),
                mode(V4L2_PIX_FMT_NV12, 320, 180),
            ],
            opens: 2,
            frames,
            registry: Registry::new(Limits::default(), Backings::only(Arc::new(Heap::default()))),
            clock: Arc::clone(&clock) as Arc<dyn super::clock::Clock>,
        };
        let mut device = Device::new(parts).expect("a device");
        let file = device.open().expect("an open file");
        Self { device, clock, file, ticket: 0 }
    }

    fn camera() -> Self {
        Self::new(Frames::From(Box::new(PatternSource::new("smpte").expect("a pattern"))))
    }

    fn display() -> Self {
        Self::new(Frames::To(Box::new(NullSink)))
    }

    fn call<T: FromBytes + IntoBytes + zerocopy::Immutable>(
        &mut self,
        cmd: u32,
        value: &mut T,
    ) -> Result<Answer, Errno> {
        self.ticket += 1;
        let ctx = Context {
            file: self.file,
            uid: 1000,
            ticket: Ticket(self.ticket),
            now_ns: super::clock::Clock::now_ns(&*self.clock),
            may_park: true,
            imports: &[],
            user: &[],
        };
        let mut arg = value.as_bytes().to_vec();
        let answer = v4l2::dispatch(&mut self.device, &ctx, cmd, &mut arg, &mut Vec::new());
        *value = T::read_from_bytes(&arg).expect("as long as before");
        answer
    }

    fn done<T: FromBytes + IntoBytes + zerocopy::Immutable>(&mut self, cmd: u32, value: &mut T) {
        assert_eq!(self.call(cmd, value), Ok(Answer::Done));
    }

    fn kind(&self) -> u32 {
        self.device.node().buf_type()
    }

    fn stream(&mut self, count: u32) {
        let memory = V4L2_MEMORY_MMAP;
        let mut request =
            v4l2_requestbuffers { count, type_: self.kind(), memory, ..Default::default() };
        self.done(VIDIOC_REQBUFS, &mut request);
        assert_eq!(request.count, count);
        let mut kind = self.kind();
        self.done(VIDIOC_STREAMON, &mut kind);
    }

    fn queue(&mut self, index: u32) {
        let memory = V4L2_MEMORY_MMAP;
        let mut buffer = v4l2_buffer { index, type_: self.kind(), memory, ..Default::default() };
        self.done(VIDIOC_QBUF, &mut buffer);
    }

    fn dequeue(&mut self) -> Option<v4l2_buffer> {
        let memory = V4L2_MEMORY_MMAP;
        let mut buffer = v4l2_buffer { type_: self.kind(), memory, ..Default::default() };
        match self.call(VIDIOC_DQBUF, &mut buffer).expect("it may be asked") {
            Answer::Done => Some(buffer),
            _ => None,
        }
    }

    /// Time passes, and what is due is done.
    fn pass(&mut self, ns: u64) {
        self.clock.advance(ns);
        loop {
            let now = super::clock::Clock::now_ns(&*self.clock);
            match self.device.next_step(now) {
                Step::Work(mut job) => {
                    job.run();
                    self.device.finish(job);
                }
                Step::Idle => return,
                Step::Wait(until) => {
                    assert!(until > now, "it asks to be called again at once");
                    return;
                }
            }
        }
    }
}

fn text(field: &[u8]) -> &str {
    let end = field.iter().position(|byte| *byte == 0).expect("a NUL");
    std::str::from_utf8(&field[..end]).expect("UTF-8")
}

#[test]
fn a_device_says_what_it_is() {
    for (mut stand, own, other) in [
        (Stand::camera(), V4L2_CAP_VIDEO_CAPTURE, V4L2_CAP_VIDEO_OUTPUT),
        (Stand::display(), V4L2_CAP_VIDEO_OUTPUT, V4L2_CAP_VIDEO_CAPTURE),
    ] {
        let mut cap = v4l2_capability::default();
        stand.done(VIDIOC_QUERYCAP, &mut cap);
        assert_eq!(text(&cap.driver), "shrbuf");
        assert_eq!(text(&cap.card), "a card with a name that is far ");
        assert_eq!(text(&cap.bus_info), "platform:shrbuf-300");
        assert!(cap.version >= 5 << 16);
        let wanted = own | V4L2_CAP_STREAMING | V4L2_CAP_READWRITE | V4L2_CAP_EXT_PIX_FORMAT;
        assert_eq!(cap.device_caps, wanted, "never both directions");
        assert_eq!(cap.device_caps & other, 0);
    }
}

#[test]
fn formats_have_their_own_lines_and_sizes() {
    let mut stand = Stand::camera();
    let mut format = v4l2_format { type_: stand.kind(), ..Default::default() };
    let asked = v4l2_pix_format {
        width: 600,
        height: 300,
        pixelformat: V4L2_PIX_FMT_YUYV,
        ..Default::default()
    };
    format.set_pix(&asked);
    stand.done(VIDIOC_S_FMT, &mut format);
    let pix = format.pix();
    assert_eq!((pix.width, pix.height, pix.bytesperline), (640, 360, 1280), "the nearest there is");
    assert_eq!(
        (pix.sizeimage, pix.field, pix.colorspace),
        (460_800, V4L2_FIELD_NONE, V4L2_COLORSPACE_SRGB)
    );
    format.set_pix(&v4l2_pix_format { pixelformat: V4L2_PIX_FMT_NV12, ..asked });
    stand.done(VIDIOC_S_FMT, &mut format);
    let pix = format.pix();
    assert_eq!((pix.width, pix.bytesperline, pix.sizeimage), (320, 320, 320 * 180 * 3 / 2));
}

#[test]
fn as_many_files_as_may_be_are_open() {
    let mut stand = Stand::camera();
    let second = stand.device.open().expect("a second");
    assert_eq!(stand.device.open(), Err(Errno::EBUSY));
    stand.device.close(second);
    assert!(stand.device.open().is_ok());
}

#[test]
fn a_camera_numbers_frames_by_the_clock_and_writes_the_number_into_them() {
    let mut stand = Stand::camera();
    stand.stream(2);
    stand.queue(0);
    stand.queue(1);
    stand.pass(0);
    stand.pass(INTERVAL);
    for sequence in [0, 1] {
        let buffer = stand.dequeue().expect("a frame");
        assert_eq!((buffer.index, buffer.sequence), (sequence, sequence));
        assert_eq!(buffer.timestamp.ns(), u64::from(sequence) * INTERVAL, "the nominal time");
        assert_eq!(buffer.bytesused, 320 * 180 * 2);
        let slots = stand.device.slots();
        let slot = slots.iter().find(|slot| slot.slot == buffer.index).expect("its slot");
        let planes: [&dyn PlaneMemory; 1] = [&slot.buffer];
        let layout = stand.device.picture().expect("a picture").layout;
        assert_eq!(read_frame_number(&layout, &planes).ok(), Some(Some(sequence)));
    }
    // Three frames are due and nobody has a buffer for them.
    stand.pass(3 * INTERVAL);
    stand.queue(0);
    stand.pass(INTERVAL);
    assert_eq!(stand.dequeue().expect("a frame").sequence, 5);
    assert_eq!(stand.device.counts().dropped, 3);
}

#[test]
fn a_wait_ends_with_a_frame_or_with_streamoff_once() {
    let mut stand = Stand::camera();
    stand.stream(2);
    stand.queue(0);
    assert!(stand.dequeue().is_none(), "it waits");
    let ticket = Ticket(stand.ticket);
    stand.pass(0);
    let completed: Vec<_> = stand
        .device
        .take_effects()
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::Complete { ticket, outcome } => Some((ticket, outcome)),
            Effect::Wake(_) => None,
        })
        .collect();
    assert!(matches!(&completed[..], [(done, Outcome::Dequeued { .. })] if *done == ticket));
    assert!(!stand.device.cancel(ticket), "it is over");

    assert!(stand.dequeue().is_none(), "it waits again");
    let mut kind = stand.kind();
    stand.done(VIDIOC_STREAMOFF, &mut kind);
    let failed = stand.device.take_effects().into_iter().find_map(|effect| match effect {
        Effect::Complete { outcome: Outcome::Failed(errno), .. } => Some(errno),
        _ => None,
    });
    assert_eq!(failed, Some(Errno::EINVAL));
}

#[test]
fn a_display_keeps_a_frame_until_another_follows() {
    let mut stand = Stand::display();
    stand.stream(3);
    assert!(stand.device.picture().is_err(), "nothing was shown yet");
    stand.queue(0);
    stand.pass(0);
    assert!(stand.device.picture().is_ok());
    stand.pass(5 * INTERVAL);
    assert!(stand.dequeue().is_none(), "it is on the display");
    assert!(stand.device.cancel(Ticket(stand.ticket)));
    stand.queue(1);
    stand.pass(INTERVAL);
    let buffer = stand.dequeue().expect("the first, as another followed");
    assert_eq!((buffer.index, buffer.sequence), (0, 5), "shown for the intervals 0 to 5");
    assert_eq!(stand.device.counts().frames, 2);
}

#[test]
fn an_interval_is_changed_while_streaming() {
    let mut stand = Stand::camera();
    stand.stream(2);
    let mut parm = v4l2_streamparm { type_: stand.kind(), ..Default::default() };
    stand.done(VIDIOC_G_PARM, &mut parm);
    stand.done(VIDIOC_S_PARM, &mut parm);
    assert!(stand.device.take_news(), "the pacing thread is to look again");
}
