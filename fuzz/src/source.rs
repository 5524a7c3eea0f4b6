//! What lies in a file or comes out of a pipe: y4m clips, raw frames and PNG pictures.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use shrbuf::device::source::{
    Adjust, Filled, Frame, FrameSource, ImageSource, Interval, Layout, PlaneMemory, RawSource,
    Y4mSource,
};
use shrbuf::v4l2::formats::FORMATS;

use super::seeds::Seeds;

/// A pipe takes so many bytes without a reader.
const PIPE: usize = 65536;
/// Until a pipe's thread has read what is there.
const SOON: Duration = Duration::from_secs(20);
const RATE: Interval = Interval { numerator: 1, denominator: 30 };
/// A frame's place in the stream: the first, the next, a late one, and the same again.
const FRAMES: [u32; 5] = [0, 1, 2, 40, 40];

/// Bytes that a source must not touch, behind each plane.
const BEHIND: usize = 64;
const UNTOUCHED: u8 = 0xa5;

struct Planes(Vec<(usize, Mutex<Vec<u8>>)>);

impl Planes {
    fn new(layout: &Layout) -> Self {
        let plane = |size: usize| (size, Mutex::new(vec![UNTOUCHED; size + BEHIND]));
        Self(layout.planes.iter().map(|plane_| plane(plane_.sizeimage as usize)).collect())
    }

    fn check(&self) {
        for (size, plane) in &self.0 {
            let bytes = plane.lock().expect("nobody has panicked");
            assert!(bytes[*size..].iter().all(|byte| *byte == UNTOUCHED), "beyond the frame");
        }
    }
}

/// The first byte says what it is and how it is shown, the second in which format.
pub fn run(bytes: &[u8]) {
    let (&[first, second], bytes) = bytes.split_first_chunk().unwrap_or((&[0, 0], &[]));
    let (repeat, stamp) = (first & 4 != 0, first & 8 != 0);
    let format = &FORMATS[usize::from(second) % FORMATS.len()];
    let side = if first & 16 == 0 { 16 } else { 48 };
    let Some(layout) = Layout::new(format.fourcc, side, 16) else { return };
    let name = Path::new("a file");
    let source: Option<Box<dyn FrameSource>> = match first & 3 {
        0 => Y4mSource::from_file(file(bytes), name, repeat, stamp).ok().map(|s| Box::new(s) as _),
        1 => RawSource::from_file(file(bytes), name, repeat).ok().map(|s| Box::new(s) as _),
        2 => ImageSource::from_file(file(bytes), name, stamp).ok().map(|s| Box::new(s) as _),
        _ => return pipe(&bytes[..bytes.len().min(PIPE)], &layout),
    };
    let Some(mut source) = source else { return };
    let native = source.native();
    assert!(native.is_none_or(|native| native.width.max(native.height) <= 8192));
    // Twice: streaming stops and starts again.
    for _ in 0..2 {
        if source.start(&layout, RATE).is_err() {
            return;
        }
        for sequence in FRAMES {
            let (planes, filled) = fill(source.as_mut(), &layout, sequence);
            planes.check();
            if first & 3 == 1 {
                let whole = bytes.len() as u64 / layout.sizeimage();
                let Ok(filled) = filled else { panic!("a raw frame that is there is given") };
                assert!(filled == Filled::Frame || (!repeat && whole <= FRAMES.len() as u64));
            }
        }
        source.stop();
    }
}

fn fill(
    source: &mut dyn FrameSource,
    layout: &Layout,
    sequence: u32,
) -> (Planes, Result<Filled, String>) {
    let planes = Planes::new(layout);
    let frame = Frame { sequence, timestamp_ns: u64::from(sequence) * 33_366_700 };
    let memory: Vec<&dyn PlaneMemory> = planes.0.iter().map(|(_, plane)| plane as _).collect();
    let filled = source.fill(&frame, &Adjust::default(), &memory);
    (planes, filled.map_err(|error| error.to_string()))
}

/// Raw frames come out as they went in, then one word about the rest.
fn pipe(bytes: &[u8], layout: &Layout) {
    let (reader, mut writer) = io::pipe().expect("a pipe");
    writer.write_all(bytes).expect("there is room");
    drop(writer);
    let file = File::from(OwnedFd::from(reader));
    let Ok(mut source) = RawSource::from_file(file, Path::new("a pipe"), false) else { return };
    source.start(layout, RATE).expect("a pipe can be read");
    let size = layout.sizeimage() as usize;
    let mut frames = bytes.chunks_exact(size);
    let deadline = Instant::now() + SOON;
    loop {
        match fill(&mut source, layout, 0) {
            (planes, Ok(Filled::Frame)) => {
                planes.check();
                let expected = frames.next().expect("no more frames than went in");
                let got = planes.0.iter().flat_map(|(size, plane)| {
                    plane.lock().expect("nobody has panicked")[..*size].to_vec()
                });
                assert!(got.eq(expected.iter().copied()), "another frame than went in");
            }
            (_, Ok(Filled::NotYet)) => {
                assert!(Instant::now() < deadline, "a pipe's end is not seen");
                std::thread::yield_now();
            }
            (_, Ok(Filled::End)) => {
                assert_eq!(bytes.len() % size, 0, "a part of a frame is told");
                break;
            }
            (_, Err(_)) => {
                assert!(!frames.remainder().is_empty(), "there is no part of a frame");
                break;
            }
        }
    }
    assert!(frames.next().is_none(), "a frame is lost");
}

fn file(bytes: &[u8]) -> File {
    let flags = nix::sys::memfd::MFdFlags::MFD_CLOEXEC;
    let file = nix::sys::memfd::memfd_create("a file", flags).expect("memory");
    let mut file = File::from(file);
    file.write_all(bytes).expect("memory");
    file.rewind().expect("a file");
    file
}

/// Clips of each kind of chroma, raw frames in a file and in a pipe, and a picture.
pub fn seeds() -> Seeds {
    let mut seeds = Seeds::new();
    let rows =
        [("C420", 96), ("C422", 128), ("C444", 192), ("Cmono", 64), ("XCOLORRANGE=FULL", 96)];
    for (name, size) in rows {
        let mut clip = format!("YUV4MPEG2 W8 H8 F30:1 {name}\n").into_bytes();
        for frame in 0..3 {
            clip.extend(b"FRAME\n");
            clip.extend(vec![frame * 40; size]);
        }
        for first in [0, 4 + 8] {
            seeds.push((format!("{name}-{first}"), [&[first, 0], &clip[..]].concat()));
        }
        seeds.push((format!("{name}-cut"), [&[0, 0], &clip[..clip.len() - 7]].concat()));
    }
    for (name, first) in [("file", 1), ("loop", 1 + 4), ("pipe", 3)] {
        for (format, row) in FORMATS.iter().enumerate() {
            let Some(layout) = Layout::new(row.fourcc, 16, 16) else { continue };
            let frames = vec![format as u8; 2 * layout.sizeimage() as usize];
            seeds
                .push((format!("{name}-{format}"), [&[first, format as u8], &frames[..]].concat()));
        }
    }
    seeds.push(("picture".into(), [&[2, 0], PICTURE].concat()));
    seeds
}

/// One pixel, red.
const PICTURE: &[u8] = &[
    0x89, b'P', b'N', b'G', 13, 10, 26, 10, 0, 0, 0, 13, b'I', b'H', b'D', b'R', 0, 0, 0, 1, 0, 0,
    0, 1, 8, 2, 0, 0, 0, 0x90, 0x77, 0x53, 0xde, 0, 0, 0, 12, b'I', b'D', b'A', b'T', 0x08, 0xd7,
    0x63, 0xf8, 0xcf, 0xc0, 0, 0, 3, 1, 1, 0, 0x18, 0xdd, 0x8d, 0xb0, 0, 0, 0, 0, b'I', b'E', b'N',
    b'D', 0xae, 0x42, 0x60, 0x82,
];
