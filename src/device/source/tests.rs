//! Sources as a device uses them.

use std::fs::{self, File};
use std::io::{Seek, Write};
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::device::pixels::{FORMATS, Model, decode, laid_out, letters};

/// The test formats of most rows: two planes in one, packed, three planes apart.
const YUYV: u32 = FORMATS[0];
const GREY: u32 = FORMATS[8];

const RATE: Interval = Interval { numerator: 1, denominator: 30 };

/// A buffer's planes on the heap.
struct Buffer(Vec<Mutex<Vec<u8>>>);

impl Buffer {
    fn new(layout: &Layout) -> Self {
        Self(layout.planes.iter().map(|p| Mutex::new(vec![0; p.sizeimage as usize])).collect())
    }

    fn planes(&self) -> Vec<&dyn PlaneMemory> {
        self.0.iter().map(|plane| plane as &dyn PlaneMemory).collect()
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|plane| plane.lock().unwrap().clone()).collect()
    }
}

fn frame(sequence: u32) -> Frame {
    Frame { sequence, timestamp_ns: u64::from(sequence) * 33_366_700 }
}

/// One frame of a source, as RGB at a place.
fn pixel(
    source: &mut dyn FrameSource,
    layout: &Layout,
    sequence: u32,
    at: (usize, usize),
) -> [u8; 3] {
    let buffer = Buffer::new(layout);
    let filled = source.fill(&frame(sequence), &Adjust::default(), &buffer.planes()).unwrap();
    assert_eq!(filled, Filled::Frame);
    let picture = decode(layout, &buffer.planes()).unwrap();
    picture.into_model(Model::RGB, &Adjust::default()).at(at.0, at.1).unwrap()
}

fn near(a: [u8; 3], b: [u8; 3]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 3)
}

/// The pattern at this place of the menu carries its frame number, whatever the controls say.
fn carries_its_number(place: u32, layout: &Layout, adjust: &Adjust) {
    let pattern = PATTERNS[place as usize];
    let buffer = Buffer::new(layout);
    let mut source = PatternSource::new(pattern).unwrap();
    assert_eq!(source.test_pattern(), Some(place));
    source.start(layout, RATE).unwrap();
    let mut last = Vec::new();
    for sequence in [0, 1, 2, 299, 65_536, u32::MAX] {
        let filled = source.fill(&frame(sequence), adjust, &buffer.planes()).unwrap();
        assert_eq!(filled, Filled::Frame);
        let read = read_frame_number(layout, &buffer.planes()).unwrap();
        assert_eq!(read, Some(sequence), "{pattern} in {}", letters(layout.fourcc));
        assert_ne!(std::mem::replace(&mut last, buffer.bytes()), last);
    }
}

#[test]
fn every_pattern_carries_its_frame_number() {
    let layout = laid_out(YUYV, 160, 120, 0);
    for test_pattern in 0..6 {
        for (brightness, hflip) in [(128, false), (255, true)] {
            let adjust = Adjust { test_pattern, brightness, hflip, ..Adjust::default() };
            carries_its_number(test_pattern, &layout, &adjust);
        }
    }
}

#[test]
fn every_format_carries_the_frame_number() {
    for (fourcc, size) in FORMATS.into_iter().zip([(160, 120), (100, 32), (322, 242)].repeat(5)) {
        let layout = laid_out(fourcc, size.0, size.1, 4);
        carries_its_number(0, &layout, &Adjust::default());
    }
}

#[test]
fn a_frame_without_a_number_has_none() {
    for name in ["static", "white"] {
        let layout = laid_out(YUYV, if name == "white" { 64 } else { 640 }, 48, 0);
        let mut source = PatternSource::new(name).unwrap();
        source.start(&layout, RATE).unwrap();
        let buffer = Buffer::new(&layout);
        let filled = source.fill(&frame(7), &Adjust::default(), &buffer.planes()).unwrap();
        assert_eq!(filled, Filled::Frame);
        assert_eq!(read_frame_number(&layout, &buffer.planes()).unwrap(), None, "{name}");
    }
}

#[test]
fn the_bars_have_their_colours_and_the_box_moves_on() {
    let layout = laid_out(FORMATS[9], 640, 480, 0);
    let mut source = PatternSource::new("smpte").unwrap();
    source.start(&layout, RATE).unwrap();
    let bars = [[191; 3], [191, 191, 0], [0, 191, 191], [0, 191, 0]];
    for (place, colour) in bars.into_iter().enumerate() {
        assert_eq!(pixel(&mut source, &layout, 0, (place * 640 / 7 + 45, 200)), colour);
    }
    assert_eq!(pixel(&mut source, &layout, 0, (24, 264)), [255; 3], "the box is at the left");
    assert_eq!(pixel(&mut source, &layout, 60, (24, 264)), [191; 3], "and leaves no trace");
    assert_eq!(pixel(&mut source, &layout, 60, (264, 264)), [255; 3], "60 steps of 4 pixels on");
}

#[test]
fn the_static_pattern_is_filled_once() {
    let source = open(&SourceConfig::Pattern("static".into())).unwrap();
    assert!(source.fills_once());
    assert_eq!(source.test_pattern(), None);
    assert!(!PatternSource::new("smpte").unwrap().fills_once());
    assert_eq!(
        PatternSource::new("bars").unwrap_err().to_string(),
        "there is no test pattern \"bars\": use one of smpte, ramp, checkerboard, grid, white, \
         black, static"
    );
}

/// A PNG of one colour.
fn png_of(colour: png::ColorType, depth: png::BitDepth, pixel: &[u8], palette: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 8, 8);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    if !palette.is_empty() {
        encoder.set_palette(palette.to_vec());
    }
    let bits = colour.samples() * depth as usize;
    let data = pixel.repeat(8 * 8 * bits / 8 / pixel.len());
    encoder.write_header().unwrap().write_image_data(&data).unwrap();
    bytes
}

fn folder_with(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn file(path: &Path, repeat: bool, stamp: bool) -> SourceConfig {
    SourceConfig::File { path: path.to_path_buf(), repeat, stamp }
}

#[test]
fn png_of_every_kind_is_shown_and_letterboxed() {
    use png::BitDepth::{Eight, Four, One, Sixteen};
    use png::ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};
    let layout = laid_out(YUYV, 64, 32, 0);
    let rows: [(_, _, &[u8], &[u8], [u8; 3]); 8] = [
        (Rgb, Eight, &[200, 100, 50], &[], [200, 100, 50]),
        (Rgb, Sixteen, &[200, 9, 100, 9, 50, 9], &[], [200, 100, 50]),
        (Rgba, Eight, &[200, 100, 50, 128], &[], [100, 50, 25]),
        (Grayscale, Eight, &[77], &[], [77; 3]),
        (Grayscale, One, &[0xff], &[], [255; 3]),
        (GrayscaleAlpha, Eight, &[77, 0], &[], [0; 3]),
        (Indexed, Eight, &[1], &[0, 0, 0, 30, 60, 90], [30, 60, 90]),
        (Indexed, Four, &[0x11], &[0, 0, 0, 30, 60, 90], [30, 60, 90]),
    ];
    for (colour, depth, bytes, palette, expected) in rows {
        let (_folder, path) = folder_with("a.PNG", &png_of(colour, depth, bytes, palette));
        let mut source = open(&file(&path, true, false)).unwrap();
        assert_eq!(source.native(), Some(Native { width: 8, height: 8, interval: None }));
        source.start(&layout, RATE).unwrap();
        let middle = pixel(source.as_mut(), &layout, 0, (32, 16));
        assert!(near(middle, expected), "{colour:?} {depth:?}: {middle:?}");
        assert!(near(pixel(source.as_mut(), &layout, 1, (2, 16)), [0; 3]), "{colour:?}: the frame");
    }
}

#[test]
fn a_stamped_picture_carries_its_number() {
    let bytes = png_of(png::ColorType::Rgb, png::BitDepth::Eight, &[9, 9, 200], &[]);
    let (_folder, path) = folder_with("a.png", &bytes);
    let layout = laid_out(FORMATS[6], 320, 240, 0);
    let mut source = open(&file(&path, true, true)).unwrap();
    source.start(&layout, RATE).unwrap();
    let buffer = Buffer::new(&layout);
    for sequence in 0..3 {
        let filled = source.fill(&frame(sequence), &Adjust::default(), &buffer.planes()).unwrap();
        assert_eq!(filled, Filled::Frame);
        assert_eq!(read_frame_number(&layout, &buffer.planes()).unwrap(), Some(sequence));
    }
}

/// A clip of grey frames; frame N's luma is 50 + 20 N.
fn clip(colorspace: &str, chroma: usize, frames: u8) -> Vec<u8> {
    let mut bytes = format!("YUV4MPEG2 W8 H8 F10:1 Ip {colorspace}\n").into_bytes();
    for number in 0..frames {
        bytes.extend(b"FRAME\n");
        bytes.extend([50 + 20 * number; 64]);
        bytes.extend(vec![128; chroma]);
    }
    bytes
}

fn shown(source: &mut dyn FrameSource, layout: &Layout, sequence: u32) -> u8 {
    let buffer = Buffer::new(layout);
    let filled = source.fill(&frame(sequence), &Adjust::default(), &buffer.planes()).unwrap();
    assert_eq!(filled, Filled::Frame);
    (buffer.bytes()[32 * 8 + 16] - 50) / 20
}

#[test]
fn a_clip_of_every_kind_loops() {
    for (colorspace, chroma) in
        [("C420jpeg", 32), ("", 32), ("C422", 64), ("C444", 128), ("Cmono", 0), ("C420 XA=1", 32)]
    {
        let (_folder, path) = folder_with("a.y4m", &clip(colorspace, chroma, 3));
        let mut source = open(&file(&path, true, false)).unwrap();
        let interval = Interval { numerator: 1, denominator: 10 };
        let native = Native { width: 8, height: 8, interval: Some(interval) };
        assert_eq!(source.native(), Some(native));
        let layout = laid_out(GREY, 32, 16, 0);
        source.start(&layout, interval).unwrap();
        let seen: Vec<u8> = (0..7).map(|n| shown(source.as_mut(), &layout, n)).collect();
        assert_eq!(seen, [0, 1, 2, 0, 1, 2, 0], "{colorspace:?}");
    }
}

#[test]
fn a_clip_keeps_its_own_rate_in_a_mode_of_another() {
    let (_folder, path) = folder_with("a.y4m", &clip("C420", 32, 5));
    let layout = laid_out(GREY, 32, 16, 0);
    let mut source = open(&file(&path, true, false)).unwrap();
    let mut seen = |denominator, sequences: &[u32]| -> Vec<u8> {
        source.start(&layout, Interval { numerator: 1, denominator }).unwrap();
        sequences.iter().map(|n| shown(source.as_mut(), &layout, *n)).collect()
    };
    assert_eq!(seen(20, &[0, 1, 2, 3, 4]), [0, 0, 1, 1, 2], "twice as fast");
    assert_eq!(seen(5, &[0, 1, 2, 3]), [0, 2, 4, 1], "half as fast");
    assert_eq!(seen(10, &[0, 3, 4]), [0, 3, 4], "two frames were dropped");
    assert_eq!(seen(10, &[0, 1_000_000]), [0, 16 % 5], "after a pause");
}

#[test]
fn a_control_acts_on_a_clips_standing_frame() {
    let (_folder, path) = folder_with("a.y4m", &clip("C420", 32, 2));
    let layout = laid_out(GREY, 32, 16, 0);
    let mut source = open(&file(&path, true, false)).unwrap();
    source.start(&layout, Interval { numerator: 1, denominator: 100 }).unwrap();
    assert_eq!(shown(source.as_mut(), &layout, 0), 0);
    let buffer = Buffer::new(&layout);
    let adjust = Adjust { contrast: 0, ..Adjust::default() };
    let filled = source.fill(&frame(1), &adjust, &buffer.planes()).unwrap();
    assert_eq!((filled, buffer.bytes()[32 * 8 + 16]), (Filled::Frame, 16));
    assert_eq!(shown(source.as_mut(), &layout, 2), 0, "and back");
}

#[test]
fn a_clip_without_repeat_ends_and_one_cut_short_says_so() {
    let bytes = clip("C420", 32, 2);
    let (_folder, path) = folder_with("a.y4m", &bytes);
    let layout = laid_out(GREY, 32, 16, 0);
    let interval = Interval { numerator: 1, denominator: 10 };
    let buffer = Buffer::new(&layout);
    let mut source = open(&file(&path, false, false)).unwrap();
    source.start(&layout, interval).unwrap();
    let mut fill =
        |n| source.fill(&frame(n), &Adjust::default(), &buffer.planes()).map_err(|e| e.to_string());
    assert_eq!(fill(0), Ok(Filled::Frame));
    assert_eq!(fill(1), Ok(Filled::Frame));
    assert_eq!(fill(2), Ok(Filled::End));
    assert_eq!(fill(3), Ok(Filled::End));

    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    source.start(&layout, interval).unwrap();
    let mut fill =
        |n| source.fill(&frame(n), &Adjust::default(), &buffer.planes()).map_err(|e| e.to_string());
    assert_eq!(fill(0), Ok(Filled::Frame));
    let text = fill(1).unwrap_err();
    assert!(text.contains("it ends inside a frame"), "{text}");
}

/// The words of the errors: the thing, the cause and the remedy.
#[test]
fn a_bad_file_is_named_with_the_remedy() {
    let small = png_of(png::ColorType::Rgb, png::BitDepth::Eight, &[1, 2, 3], &[]);
    let mut damaged = small.clone();
    damaged[45] ^= 0xff;
    let wide = b"YUV4MPEG2 W8 H99999999999 F10:1\n";
    let rows: [(&str, &[u8], &str); 12] = [
        ("a.png", b"", "no sound PNG ("),
        ("a.png", b"GIF89a", "no sound PNG (Invalid PNG signature.)"),
        ("a.png", &small[..60], "convert or fetch it anew (`pngcheck` says more)"),
        ("a.png", &damaged, "no sound PNG ("),
        ("a.y4m", b"", "no sound y4m clip (it doesn't begin with YUV4MPEG2)"),
        ("a.y4m", b"YUV4MPEG2 W8 H8 F10:1\n", "(it has no frame): make one with `ffmpeg -i"),
        ("a.y4m", b"YUV4MPEG2 W8 H8 F10:1\nFRAME\nxx", "(it ends inside a frame)"),
        ("a.y4m", b"YUV4MPEG2 W8 Hx F10:1\n", "(\"x\" is no number)"),
        ("a.y4m", b"YUV4MPEG2 W8 H8 F0:0\n", "(its size or rate is 0)"),
        ("a.y4m", b"YUV4MPEG2 W8 H8 C420p10\n", "(its colour space \"420p10\" is not one of"),
        ("a.y4m", wide, ": 8x99999999999 is larger than 8192x8192: scale it down"),
        ("a.y4m", &[0xff; 99], "no sound y4m clip"),
    ];
    for (name, bytes, words) in rows {
        let (_folder, path) = folder_with(name, bytes);
        let text = open(&file(&path, true, false)).map(drop).unwrap_err().to_string();
        assert!(text.contains(words), "{name} {:?}: {text}", bytes.escape_ascii().to_string());
        assert!(text.contains(&format!("{path:?}")), "{text}");
    }
    for name in ["a.png", "a.y4m", "a.raw"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let text = open(&file(&path, true, false)).map(drop).unwrap_err().to_string();
        let words = "no such file: correct `source` in the configuration, or put the file there";
        assert_eq!(text, format!("{path:?}: {words}"));
        fs::create_dir(&path).unwrap();
        let text = open(&file(&path, true, false)).map(drop).unwrap_err().to_string();
        let words = "can't be read (is a directory): make it a file that the daemon may read";
        assert_eq!(text, format!("{path:?}: {words}"));
    }
}

#[test]
fn raw_frames_come_in_order_and_plane_by_plane() {
    let layout = laid_out(FORMATS[7], 8, 8, 0);
    let bytes: Vec<u8> = (0..192_u8).collect();
    let (_folder, path) = folder_with("a.yuv", &bytes);
    let buffer = Buffer::new(&layout);
    for repeat in [false, true] {
        let mut source = open(&file(&path, repeat, false)).unwrap();
        source.start(&layout, RATE).unwrap();
        for (sequence, part) in (0..).zip([&bytes[..96], &bytes[96..]]) {
            let filled = source.fill(&frame(sequence), &Adjust::default(), &buffer.planes());
            assert_eq!((filled.unwrap(), &buffer.bytes()[..]), (Filled::Frame, part));
        }
        let last = source.fill(&frame(2), &Adjust::default(), &buffer.planes()).unwrap();
        assert_eq!(last, if repeat { Filled::Frame } else { Filled::End });
    }
    let wrong = laid_out(YUYV, 8, 8, 0);
    let text =
        open(&file(&path, true, false)).unwrap().start(&wrong, RATE).unwrap_err().to_string();
    assert_eq!(
        text,
        format!(
            "{path:?}: 192 bytes are no whole number of frames of 128 bytes (YUYV:8x8): \
             set `modes` to what the file holds"
        )
    );
}

/// Fills until something comes: the reading thread needs its time.
fn wait_for(source: &mut RawSource, buffer: &Buffer) -> Result<Filled, String> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let filled = source.fill(&frame(0), &Adjust::default(), &buffer.planes());
        match filled {
            Ok(Filled::NotYet) if Instant::now() < deadline => std::thread::yield_now(),
            other => return other.map_err(|error| error.to_string()),
        }
    }
}

#[test]
fn a_slow_pipe_is_not_waited_for_and_keeps_its_place() {
    let layout = laid_out(GREY, 8, 8, 0);
    let buffer = Buffer::new(&layout);
    let (reader, mut writer) = io::pipe().unwrap();
    let reader = File::from(OwnedFd::from(reader));
    let mut source = RawSource::from_file(reader, Path::new("a pipe"), true).unwrap();
    source.start(&layout, RATE).unwrap();
    let filled = source.fill(&frame(0), &Adjust::default(), &buffer.planes()).unwrap();
    assert_eq!(filled, Filled::NotYet);

    writer.write_all(&[1; 64]).unwrap();
    writer.write_all(&[2; 32]).unwrap();
    assert_eq!(wait_for(&mut source, &buffer), Ok(Filled::Frame));
    assert_eq!(buffer.bytes(), [1; 64]);
    // Streaming stops and starts inside a frame: its first half is not lost.
    source.stop();
    source.start(&layout, RATE).unwrap();
    writer.write_all(&[2; 32]).unwrap();
    assert_eq!(wait_for(&mut source, &buffer), Ok(Filled::Frame));
    assert_eq!(buffer.bytes(), [2; 64]);

    writer.write_all(&[3; 10]).unwrap();
    drop(writer);
    assert_eq!(
        wait_for(&mut source, &buffer).unwrap_err(),
        "\"a pipe\": ended after 10 of the 64 bytes of a frame: \
         its writer must write whole frames of the mode's size"
    );
}

#[test]
fn a_pipes_end_stays_the_end() {
    let layout = laid_out(GREY, 8, 8, 0);
    let buffer = Buffer::new(&layout);
    let (reader, mut writer) = io::pipe().unwrap();
    let reader = File::from(OwnedFd::from(reader));
    let mut source = RawSource::from_file(reader, Path::new("a pipe"), true).unwrap();
    source.start(&layout, RATE).unwrap();
    writer.write_all(&[9; 64]).unwrap();
    drop(writer);
    let seen = [(); 3].map(|()| wait_for(&mut source, &buffer));
    assert_eq!(seen, [Ok(Filled::Frame), Ok(Filled::End), Ok(Filled::End)]);
}

#[test]
fn a_named_pipe_goes_on_with_its_next_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frames");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let layout = laid_out(GREY, 8, 8, 0);
    let buffer = Buffer::new(&layout);
    // Opened without a writer: nothing blocks.
    let mut source = RawSource::open(&path, true).unwrap();
    source.start(&layout, RATE).unwrap();
    for value in [1, 2] {
        let mut writer = OpenOptions::new().write(true).open(&path).unwrap();
        writer.write_all(&[value; 64]).unwrap();
        drop(writer);
        assert_eq!(wait_for(&mut source, &buffer), Ok(Filled::Frame));
        assert_eq!(buffer.bytes(), [value; 64]);
        assert_eq!(wait_for(&mut source, &buffer), Ok(Filled::End));
    }
}

#[test]
fn nothing_is_filled_before_the_start() {
    let layout = laid_out(GREY, 8, 8, 0);
    let buffer = Buffer::new(&layout);
    let error =
        PatternSource::new("grid").unwrap().fill(&frame(0), &Adjust::default(), &buffer.planes());
    assert_eq!(error.unwrap_err().to_string(), "the source has not been started");
}

/// Whatever a file holds, a source opens it or says why not, and then gives frames or says why not.
fn survives(name: &str, bytes: &[u8]) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    let layout = laid_out(YUYV, 16, 16, 0);
    let buffer = Buffer::new(&layout);
    let path = Path::new(name);
    let opened: Result<Box<dyn FrameSource>, _> = match ending(path).as_str() {
        "png" => ImageSource::from_file(file, path, true).map(|source| Box::new(source) as _),
        "y4m" => Y4mSource::from_file(file, path, true, true).map(|source| Box::new(source) as _),
        _ => RawSource::from_file(file, path, true).map(|source| Box::new(source) as _),
    };
    let Ok(mut source) = opened else { return };
    if source.start(&layout, RATE).is_ok() {
        for sequence in [0, 1, 40] {
            let _ = source.fill(&frame(sequence), &Adjust::default(), &buffer.planes());
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_no_panic_as_a_file(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        name in prop::sample::select(vec!["a.png", "a.y4m", "a.raw"]),
    ) {
        survives(name, &bytes);
    }

    #[test]
    fn any_bytes_changed_in_a_sound_file_are_no_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        palette in any::<bool>(),
    ) {
        let (kind, colours): (_, &[u8]) =
            if palette { (png::ColorType::Indexed, &[1, 2, 3]) } else { (png::ColorType::Rgba, &[]) };
        let picture = png_of(kind, png::BitDepth::Eight, &[0], colours);
        for (name, mut bytes) in [("a.png", picture), ("a.y4m", clip("C422", 64, 2))] {
            for (place, value) in &changes {
                let place = place.index(bytes.len());
                bytes[place] = *value;
            }
            bytes.truncate(cut.index(2 * bytes.len()));
            survives(name, &bytes);
        }
    }

    #[test]
    fn any_bytes_in_a_clips_header_are_no_panic(
        fields in "(W[0-9]{0,21} |H[0-9]{0,21} |F[0-9]{0,12}:?[0-9]{0,12} |C[a-z0-9]{0,4} |X.{0,4} ){0,8}",
    ) {
        survives("a.y4m", format!("YUV4MPEG2 {fields}\nFRAME\n0123456789").as_bytes());
    }
}
