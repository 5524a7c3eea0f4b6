//! The dispatch over whole devices: a camera with a test pattern and a display without a sink, two
//! open files, and time that passes.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use nix::errno::Errno;
use shrbuf::device::clock::{Clock, Stepped};
use shrbuf::device::sink::NullSink;
use shrbuf::device::source::PatternSource;
use shrbuf::device::{Device, Effect, Frames, Io, Outcome, Parts, Piece, Step};
use shrbuf::shrbuf::backing::Heap;
use shrbuf::shrbuf::{Accounting, Backings, Buffer, Limits, Owner, Registry};
use shrbuf::v4l2::modes::Mode;
use shrbuf::v4l2::table::TABLE;
use shrbuf::v4l2::uapi::*;
use shrbuf::v4l2::{self, Answer, Context, PlaneNeed, UserPlane};
use vb2::{FileId, Ticket};

use super::bytes::Bytes;
use super::call::{self, Call};
use super::seeds::Seeds;

/// Longer sequences find nothing that these don't, and take their time.
const MOST_CALLS: usize = 200;

const INTERVAL: u64 = 40_000_000;
/// Bytes of the buffers that programs bring: a page, which holds the smallest frame, and less than
/// a frame of the other sizes.
const BROUGHT: usize = 4096;
/// What one user may have: little, so that it is met.
const BYTES: u64 = 1 << 20;

/// One for all runs: each has a descriptor that is slow to close.
fn registry() -> &'static Arc<Registry> {
    static REGISTRY: OnceLock<Arc<Registry>> = OnceLock::new();
    let limits = Limits {
        buffer_bytes: BYTES / 4,
        node_buffers: 64,
        node_bytes: BYTES,
        uid_buffers: 96,
        uid_bytes: BYTES,
        uid_orphaned_bytes: BYTES / 2,
    };
    let heap = || Backings::only(Arc::new(Heap::default()));
    REGISTRY.get_or_init(|| Registry::new(limits, heap()))
}

struct Stand {
    device: Device,
    clock: Arc<Stepped>,
    files: Vec<FileId>,
    /// Closed already.
    gone: FileId,
    tickets: u64,
    /// Calls that wait.
    parked: BTreeSet<Ticket>,
    brought: [Buffer; 2],
}

impl Stand {
    fn new(first: u8) -> Self {
        let (output, mplane) = (first & 1 != 0, first & 2 != 0);
        let mode = |fourcc, width, height| Mode {
            fourcc,
            width,
            height,
            intervals: vec![
                v4l2_fract { numerator: 1, denominator: 25 },
                v4l2_fract { numerator: 1, denominator: 50 },
            ],
        };
        let mut modes = vec![mode(V4L2_PIX_FMT_YUYV, 16, 16), mode(V4L2_PIX_FMT_NV12, 32, 32)];
        if mplane {
            modes.insert(0, mode(V4L2_PIX_FMT_NV12M, 16, 16));
        }
        let pattern = if first & 4 != 0 { "static" } else { "grid" };
        let frames = match output {
            true => Frames::To(Box::new(NullSink)),
            false => Frames::From(Box::new(PatternSource::new(pattern).expect("a pattern"))),
        };
        let clock = Arc::new(Stepped::default());
        let owner = Owner { uid: 1, node: 1 };
        let brought = [0; 2].map(|_| registry().allocate(&owner, BROUGHT).expect("memory"));
        let parts = Parts {
            card: "a card".into(),
            number: 300,
            mplane,
            modes,
            opens: 3,
            frames,
            registry: Arc::clone(registry()),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
        };
        let mut device = Device::new(parts).expect("a device");
        let [one, two, gone] = [0; 3].map(|_| device.open().expect("an open file"));
        device.close(gone);
        let parked = BTreeSet::new();
        Self { device, clock, files: vec![one, two], gone, tickets: 0, parked, brought }
    }

    fn file(&self, which: u8) -> FileId {
        // Now and then one that is closed: a call may be on its way when a file is closed.
        self.files.get(usize::from(which & 1)).copied().unwrap_or(self.gone)
    }

    /// One step, as the bytes say.
    fn step(&mut self, bytes: &mut Bytes<'_>) {
        let first = bytes.byte();
        let file = self.file(first);
        self.tickets += 1;
        match first / 2 % 16 {
            0 => self.pass(u64::from(bytes.number()) * INTERVAL / 4),
            1 => self.read(file, bytes),
            2 => self.write(file, bytes),
            3 => self.poll(file, bytes.byte()),
            4 => {
                let which = usize::from(bytes.byte()) % self.parked.len().max(1);
                if let Some(ticket) = self.parked.iter().nth(which).copied() {
                    assert!(self.device.cancel(ticket), "it is parked, and nobody took it");
                    self.parked.remove(&ticket);
                }
            }
            5 => {
                self.device.close(file);
                self.files.retain(|other| *other != file);
                if let Ok(file) = self.device.open() {
                    self.files.push(file);
                }
            }
            6 => drop((self.device.slots(), self.device.picture().is_ok())),
            _ => self.call(file, bytes),
        }
        self.effects();
    }

    fn call(&mut self, file: FileId, bytes: &mut Bytes<'_>) {
        let call = Call::read(bytes, self.device.node());
        let Ok(mut call) = call else { return };
        let needs = v4l2::needs(call.cmd, &call.arg, &call.array);
        let bring = |place: u64| self.brought.get(place as usize % 4).cloned();
        let mut imports = Vec::new();
        let mut user = Vec::new();
        for need in &needs {
            match *need {
                PlaneNeed::Descriptor(fd) => imports.push(bring(u64::from(fd.unsigned_abs()))),
                PlaneNeed::Memory { address, length, .. } => {
                    let buffer = bring(address / 4096);
                    user.push(buffer.map(|buffer| UserPlane { address, length, buffer }));
                }
                PlaneNeed::Nothing => {}
            }
        }
        let lengths = (call.arg.len(), call.array.len());
        let ctx = Context {
            file,
            uid: 1000,
            ticket: Ticket(self.tickets),
            may_park: call.waits,
            now_ns: self.clock.now_ns(),
            imports: &imports,
            user: &user,
        };
        let answer =
            v4l2::dispatch(&mut self.device, &ctx, call.cmd, &mut call.arg, &mut call.array);
        call.check(lengths, &answer);
        match answer {
            Ok(Answer::Park) => {
                assert!(call.waits, "it was not to wait");
                assert!(self.parked.insert(Ticket(self.tickets)));
            }
            Ok(Answer::Export { flags, .. }) => assert_eq!(flags & !0o2_000_003, 0),
            Ok(Answer::Done) | Err(_) => {}
        }
        for copy in self.device.take_copy_out() {
            assert!(copy.len <= copy.buffer.len(), "more than there is");
        }
    }

    fn context(&self, file: FileId) -> Context<'static> {
        Context {
            file,
            uid: 1000,
            ticket: Ticket(self.tickets),
            may_park: true,
            now_ns: self.clock.now_ns(),
            imports: &[],
            user: &[],
        }
    }

    fn read(&mut self, file: FileId, bytes: &mut Bytes<'_>) {
        let (size, flags) = (bytes.number(), bytes.byte());
        let piece = Piece { offset: u64::from(flags & 2), nonblock: flags & 1 != 0 };
        let ctx = self.context(file);
        match self.device.read(&ctx, piece, size) {
            Ok(Io::Done(got)) => assert!(got.len() <= size as usize),
            Ok(Io::Park) => self.park(piece),
            Err(errno) => sane(errno, piece),
        }
    }

    fn write(&mut self, file: FileId, bytes: &mut Bytes<'_>) {
        let (size, flags) = (bytes.number() % 0x10000, bytes.byte());
        let piece = Piece { offset: u64::from(flags & 2), nonblock: flags & 1 != 0 };
        let ctx = self.context(file);
        match self.device.write(&ctx, piece, &vec![flags; size as usize]) {
            Ok(Io::Done(taken)) => assert!(taken <= size),
            Ok(Io::Park) => self.park(piece),
            Err(errno) => sane(errno, piece),
        }
    }

    fn park(&mut self, piece: Piece) {
        assert!(!piece.nonblock, "it was not to wait");
        assert!(self.parked.insert(Ticket(self.tickets)));
    }

    fn poll(&mut self, file: FileId, asked: u8) {
        let asked = u32::from(asked) << if asked & 1 != 0 { 0 } else { 4 };
        let ready = self.device.poll(file, 1000, asked);
        assert_eq!(ready & !0xffff, 0, "no bits of poll(2): {ready:#x}");
    }

    /// Time passes, and what is due is done.
    fn pass(&mut self, ns: u64) {
        self.clock.advance(ns);
        let now = self.clock.now_ns();
        for _ in 0..8 {
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
        panic!("frames without end at one moment");
    }

    /// Each parked call completes once.
    fn effects(&mut self) {
        for effect in self.device.take_effects() {
            let Effect::Complete { ticket, outcome } = effect else { continue };
            assert!(self.parked.remove(&ticket), "{ticket:?} is completed, and was not parked");
            if let Outcome::Failed(errno) = outcome {
                let known = [Errno::EINVAL, Errno::EIO, Errno::EPIPE, Errno::ENODEV, Errno::EBUSY];
                assert!(known.contains(&errno), "a parked call ends with {errno}");
            }
        }
    }

    /// Nobody waits for ever, and nothing is left.
    fn end(mut self) {
        for file in std::mem::take(&mut self.files) {
            self.device.close(file);
        }
        self.effects();
        assert!(self.parked.is_empty(), "{:?} wait for ever", self.parked);
        let Self { device, brought, .. } = self;
        drop(device);
        drop(brought);
        assert_eq!(registry().accounting(), Accounting::default(), "something is left");
    }
}

fn sane(errno: Errno, piece: Piece) {
    let known = [Errno::EINVAL, Errno::EBUSY, Errno::EIO, Errno::ENOMEM, Errno::EPIPE];
    let again = piece.nonblock && errno == Errno::EAGAIN;
    assert!(again || known.contains(&errno), "read or write answers {errno}");
}

/// The first byte chooses the device; steps follow.
pub fn run(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let mut stand = Stand::new(bytes.byte());
    for _ in 0..MOST_CALLS {
        if bytes.is_empty() {
            break;
        }
        stand.step(&mut bytes);
    }
    stand.end();
}

/// A step that is an ioctl of the first file.
const CALL: u8 = 14;

fn place(cmd: u32) -> u8 {
    TABLE.iter().position(|row| row.cmd == cmd).unwrap_or_default() as u8
}

/// `QBUF` of one index; `device` is the run's first byte, `fits` says which memory.
fn queued(device: u8, fits: u8, index: u8) -> Vec<u8> {
    let mut seed = vec![CALL, place(VIDIOC_QBUF)];
    // Words 2, 18 and 16 of a v4l2_buffer, and 0 to 2 of a v4l2_plane: bytesused, length, m.
    let plane = |at: [u8; 3], bytesused: u32| {
        let [low, high, ..] = bytesused.to_le_bytes();
        [&[at[0], 0xff, low, high, 0, 0][..], &[at[1], 0xfd, 1, at[2], 1]].concat()
    };
    if device & 2 == 0 {
        seed.extend([fits | (4 * call::PATCH), 0, index]);
        seed.extend(plane([2, 18, 16], 512)); // YUYV, 16x16
    } else {
        seed.extend([fits | call::PATCH, 0, index, 6]);
        seed.extend(plane([0, 1, 2], 256)); // NM12, 16x16
        seed.extend(plane([16, 17, 18], 128));
    }
    seed
}

/// Buffers of a kind of memory go round, and stop.
fn stream(device: u8, memory: u8) -> Vec<u8> {
    let fits = call::FITS | memory;
    let array = |count: u8| (device & 2 != 0).then_some(count);
    let mut seed = vec![device, CALL, place(VIDIOC_REQBUFS), fits | call::PATCH, 0, 3];
    (0..3).for_each(|index| seed.extend(queued(device, fits, index)));
    seed.extend([CALL, place(VIDIOC_STREAMON), call::FITS]);
    seed.extend([CALL, place(VIDIOC_DQBUF), fits | call::WAITS]);
    seed.extend(array(0));
    for index in 0..3 {
        seed.extend([0, 6]); // an interval and a half
        seed.extend([CALL, place(VIDIOC_DQBUF), fits]);
        seed.extend(array(0));
        seed.extend(queued(device, fits, index));
        seed.extend([6, 0x41]); // poll
    }
    seed.extend([CALL, place(VIDIOC_EXPBUF), call::FITS]);
    seed.extend([CALL, place(VIDIOC_STREAMOFF), call::FITS]);
    seed
}

/// Streams of each kind of memory on each kind of device, `read` and `write`, and each ioctl.
pub fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    for device in 0..4 {
        for (name, memory) in [("mmap", 0), ("userptr", call::USERPTR), ("dmabuf", call::DMABUF)] {
            seeds.push((format!("stream-{name}-{device}"), stream(device, memory)));
        }
        let mut io = vec![device];
        let size = [0xff, 0, 2, 0, 0];
        for waits in [0, 1] {
            io.push(2 * (1 + device % 2)); // read of a camera, write to a display
            io.extend(size);
            io.extend([waits, 0, 4]); // and time
        }
        io.extend([6, 0x41, 10]); // poll, close
        seeds.push((format!("io-{device}"), io));
        for (place, row) in TABLE.iter().enumerate() {
            let shape = call::FITS | call::WAITS | call::PATCH;
            let seed = vec![device, CALL, place as u8, shape, 3, 1, 1, 0, 5];
            seeds.push((format!("{}-{device}", row.name), seed));
        }
    }
    seeds
}
