//! Sinks as a device uses them.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::*;
use crate::device::pixels::{
    Adjust, FORMATS, Model, Picture, decode, encode, laid_out, letters, model,
};
use crate::device::source::{self, Filled, FrameSource, PatternSource, SourceConfig, Y4mSource};

const YUYV: u32 = FORMATS[0];
const GREY: u32 = FORMATS[8];
const RATE: Interval = Interval { numerator: 1, denominator: 30 };

type Planes = Vec<Mutex<Vec<u8>>>;

fn frame(sequence: u32) -> Frame {
    Frame { sequence, timestamp_ns: 0 }
}

fn memory(planes: Vec<Vec<u8>>) -> Planes {
    planes.into_iter().map(Mutex::new).collect()
}

fn views(planes: &Planes) -> Vec<&dyn PlaneMemory> {
    planes.iter().map(|plane| plane as &dyn PlaneMemory).collect()
}

fn of_colour(layout: &Layout, colour: [u8; 3]) -> Planes {
    let picture =
        Picture::filled(layout.width as usize, layout.height as usize, Model::RGB, colour);
    memory(encode(picture, layout, &Adjust::default()).unwrap())
}

/// Shows until the thread behind a pipe has taken or lost a frame.
fn show_until(
    sink: &mut dyn FrameSink,
    planes: &Planes,
    wanted: impl Fn(&Result<Shown, SinkError>) -> bool,
) -> Result<Shown, SinkError> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let shown = sink.show(&frame(0), &views(planes));
        if wanted(&shown) || Instant::now() > deadline {
            return shown;
        }
        std::thread::yield_now();
    }
}

#[test]
fn null_takes_everything() {
    let mut sink = open(&SinkConfig::default()).unwrap();
    sink.start(&laid_out(YUYV, 8, 8, 0), RATE).unwrap();
    assert_eq!(sink.show(&frame(0), &[]).unwrap(), Shown::Whole);
    sink.stop().unwrap();
}

#[test]
fn raw_frames_follow_each_other_over_streams() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.yuv");
    fs::write(&path, "what was there before").unwrap();
    let layout = laid_out(FORMATS[7], 8, 8, 0);
    let mut sink = open(&SinkConfig::File { path: path.clone() }).unwrap();
    let mut expected = Vec::new();
    for value in [1_u8, 2] {
        sink.start(&layout, RATE).unwrap();
        let planes: Vec<Vec<u8>> =
            (0..).zip(&layout.planes).map(|(n, p)| vec![value + n; p.sizeimage as usize]).collect();
        expected.extend(planes.concat());
        assert_eq!(sink.show(&frame(0), &views(&memory(planes))).unwrap(), Shown::Whole);
        sink.stop().unwrap();
    }
    assert_eq!(fs::read(&path).unwrap(), expected);
    let before = sink.show(&frame(0), &[]).unwrap_err().to_string();
    assert_eq!(before, "the sink has not been started");
}

/// What the y4m sink writes, the y4m source shows again: byte for byte where no colour is converted.
#[test]
fn a_clip_in_every_format_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    for fourcc in FORMATS {
        let layout = laid_out(fourcc, 48, 32, 0);
        let path = folder.path().join(format!("{}.y4m", letters(fourcc)));
        let mut pattern = PatternSource::new("smpte").unwrap();
        pattern.start(&layout, RATE).unwrap();
        let mut sink = open(&SinkConfig::File { path: path.clone() }).unwrap();
        sink.start(&layout, RATE).unwrap();
        let blank =
            || memory(layout.planes.iter().map(|p| vec![0; p.sizeimage as usize]).collect());
        let shown: Vec<Planes> = (0..3).map(|_| blank()).collect();
        for (sequence, planes) in (0..).zip(&shown) {
            let filled = pattern.fill(&frame(sequence), &Adjust::default(), &views(planes));
            assert_eq!(filled.unwrap(), Filled::Frame);
            assert_eq!(sink.show(&frame(sequence), &views(planes)).unwrap(), Shown::Whole);
        }
        drop(sink);
        let mut clip = Y4mSource::open(&path, false, false).unwrap();
        clip.start(&layout, RATE).unwrap();
        for (sequence, planes) in (0..).zip(&shown) {
            let again = blank();
            let filled = clip.fill(&frame(sequence), &Adjust::default(), &views(&again));
            assert_eq!(filled.unwrap(), Filled::Frame);
            let bytes = |planes: &Planes| -> Vec<u8> {
                planes.iter().flat_map(|plane| plane.lock().unwrap().clone()).collect()
            };
            let pairs = bytes(planes).into_iter().zip(bytes(&again));
            let off = pairs.map(|(was, is)| was.abs_diff(is)).max().unwrap();
            let rounding = if model(&layout) == Model::RGB { 3 } else { 0 };
            assert!(off <= rounding, "{} frame {sequence}: off by {off}", letters(fourcc));
        }
    }
}

#[test]
fn a_clip_stays_in_its_mode() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.y4m");
    let mut sink = open(&SinkConfig::File { path: path.clone() }).unwrap();
    sink.start(&laid_out(YUYV, 8, 8, 0), RATE).unwrap();
    sink.stop().unwrap();
    sink.start(&laid_out(YUYV, 8, 8, 0), RATE).unwrap();
    let text = sink.start(&laid_out(GREY, 16, 8, 0), RATE).unwrap_err().to_string();
    let words = "the clip is YUYV:8x8@30/1 already and can't become GREY:16x8@30/1: \
                 name another file, or set this mode";
    assert_eq!(text, format!("{path:?}: {words}"));
}

/// `/dev/full` answers as a full disk does.
#[test]
fn a_full_disk_is_said_once_with_the_remedy_and_the_device_goes_on() {
    let layout = laid_out(YUYV, 8, 8, 0);
    let planes = of_colour(&layout, [9; 3]);
    for y4m in [false, true] {
        let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let name = Path::new("/var/frames");
        let mut sink: Box<dyn FrameSink> = if y4m {
            Box::new(Y4mSink::from_file(file, name).unwrap())
        } else {
            Box::new(RawSink::from_file(file, name).unwrap())
        };
        sink.start(&layout, RATE).unwrap();
        let text = sink.show(&frame(0), &views(&planes)).unwrap_err().to_string();
        assert_eq!(
            text,
            "\"/var/frames\": the disk is full: free some space, and frames are written again; \
             those until then are lost"
        );
        assert_eq!(sink.show(&frame(1), &views(&planes)).unwrap(), Shown::Dropped);
    }
}

#[test]
fn a_file_that_cant_be_made_is_named_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing/out.raw");
    let text = open(&SinkConfig::File { path: path.clone() }).map(drop).unwrap_err().to_string();
    let cause = "No such file or directory (os error 2)";
    let words = "name a file in a folder that the daemon may write";
    assert_eq!(text, format!("{path:?}: can't be written ({cause}): {words}"));
}

#[test]
fn a_pipe_gets_whole_frames_and_a_slow_reader_is_not_waited_for() {
    let layout = laid_out(GREY, 640, 480, 0);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let file = File::from(OwnedFd::from(writer));
    let mut sink = RawSink::from_file(file, Path::new("a pipe")).unwrap();
    sink.start(&layout, RATE).unwrap();
    // A pipe holds 64 KiB of the 300 of a frame, so two frames wait and the rest are dropped.
    let shown: Vec<Shown> = (1_u8..6)
        .map(|value| {
            let planes = memory(vec![vec![value; 640 * 480]]);
            sink.show(&frame(0), &views(&planes)).unwrap()
        })
        .collect();
    assert_eq!(shown, [Shown::Whole, Shown::Whole, Shown::Dropped, Shown::Dropped, Shown::Dropped]);
    let mut bytes = vec![0; 640 * 480];
    for value in [1, 2] {
        reader.read_exact(&mut bytes).unwrap();
        assert!(bytes.iter().all(|byte| *byte == value), "frame {value}");
    }
    drop(reader);
    let planes = memory(vec![vec![6; 640 * 480]]);
    let gone = show_until(&mut sink, &planes, Result::is_err).unwrap_err().to_string();
    let words = "its reader has gone: start the reader and then the device again";
    assert_eq!(gone, format!("\"a pipe\": {words}"));
    assert_eq!(sink.show(&frame(9), &views(&planes)).unwrap(), Shown::Dropped, "said once");
}

#[test]
fn a_sink_that_ends_writes_what_waits_but_not_for_ever() {
    let layout = laid_out(GREY, 640, 480, 0);
    let (_reader, writer) = std::io::pipe().unwrap();
    let file = File::from(OwnedFd::from(writer));
    let mut sink = RawSink::from_file(file, Path::new("a pipe")).unwrap();
    sink.start(&layout, RATE).unwrap();
    assert_eq!(sink.show(&frame(0), &views(&of_colour(&layout, [0; 3]))).unwrap(), Shown::Whole);
    let before = Instant::now();
    drop(sink);
    assert!(before.elapsed() < Duration::from_secs(5), "nobody reads");
}

#[test]
fn each_reader_of_a_named_pipe_gets_a_clip_from_its_header_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.y4m");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let layout = laid_out(GREY, 8, 8, 0);
    let planes = of_colour(&layout, [7; 3]);
    let mut sink = open(&SinkConfig::File { path: path.clone() }).unwrap();
    sink.start(&layout, RATE).unwrap();
    assert_eq!(sink.show(&frame(0), &views(&planes)).unwrap(), Shown::Dropped, "nobody reads");
    for _ in 0..2 {
        let open = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path);
        let mut reader = open.unwrap();
        let mut begin = [0; 10];
        let deadline = Instant::now() + Duration::from_secs(10);
        while reader.read_exact(&mut begin).is_err() && Instant::now() < deadline {
            let shown = sink.show(&frame(0), &views(&planes));
            assert!(shown.is_ok(), "{shown:?}");
        }
        assert_eq!(&begin, b"YUV4MPEG2 ");
        drop(reader);
        // Until the sink has noticed, it is still there to who opens the pipe.
        let gone = || {
            let open = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path);
            open.unwrap().read(&mut [0; 64]).is_ok_and(|count| count == 0)
        };
        while !gone() && Instant::now() < deadline {}
    }
}

#[test]
fn a_snapshot_is_a_png_of_what_is_shown() {
    for fourcc in FORMATS {
        let layout = laid_out(fourcc, 32, 16, 4);
        let planes = of_colour(&layout, [200, 100, 50]);
        let file = snapshot(&layout, &views(&planes), &Adjust::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shot.png");
        fs::write(&path, file).unwrap();
        let config = SourceConfig::File { path, repeat: true, stamp: false };
        let mut image = source::open(&config).unwrap();
        let rgb = laid_out(FORMATS[9], 32, 16, 0);
        image.start(&rgb, RATE).unwrap();
        let again = of_colour(&rgb, [0; 3]);
        let filled = image.fill(&frame(0), &Adjust::default(), &views(&again)).unwrap();
        assert_eq!(filled, Filled::Frame);
        let seen = decode(&rgb, &views(&again)).unwrap().at(31, 15).unwrap();
        let expected = if fourcc == GREY { [124; 3] } else { [200, 100, 50] };
        let off = seen.iter().zip(expected).map(|(a, b)| a.abs_diff(b)).max().unwrap();
        assert!(off <= 3, "{}: {seen:?}", letters(fourcc));
    }
    let layout = laid_out(YUYV, 32, 16, 0);
    assert!(snapshot(&layout, &views(&memory(vec![vec![0; 9]])), &Adjust::default()).is_err());
}
