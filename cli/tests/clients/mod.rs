//! Stock programs of an ordinary user on our nodes: as many frames as were asked for, whole, and
//! with rising numbers burnt into them (`shrbuf::device::source::read_frame_number`). A camera's
//! frames are what the program has put into a file, a display's what its sink has got.
#![allow(clippy::expect_used, clippy::panic, reason = "this is test code")]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use shrbuf::device::source::{Layout, PlaneMemory, read_frame_number};

/// A kind of guest, and what is asked of the programs there.
pub(crate) struct Guest {
    pub engine: &'static str,
    /// Of each cell.
    pub frames: usize,
    /// What one cell may take, on a busy machine.
    pub cell_seconds: u32,
}

/// What one guest may take.
const GUEST_SECONDS: &str = "1500";

/// As in `in-guest`.
const SIZE: (u32, u32) = (320, 180);

/// Frames that a display was given and may not have shown: those that `STREAMOFF` found queued.
/// v4l2-ctl has four buffers.
const LEFT_BEHIND: usize = 4;

/// The packages, and where `in-guest` has their programs from.
const TREES: [(&str, &str, &[&str]); 3] = [
    ("trixie", "v4l-utils", &["v4l-utils"]),
    ("own", "ffmpeg", &["ffmpeg"]),
    (
        "own",
        "gstreamer",
        &["gstreamer1.0-tools", "gstreamer1.0-plugins-base", "gstreamer1.0-plugins-good"],
    ),
];

/// The first of them makes the numbered frames that displays are given.
const CELLS: [&str; 16] = [
    "v4l2ctl-capture-mmap",
    "v4l2ctl-capture-user",
    "v4l2ctl-capture-dmabuf",
    "v4l2ctl-output-mmap",
    "v4l2ctl-output-user",
    "v4l2ctl-output-dmabuf",
    "ffmpeg-capture-raw",
    "ffmpeg-capture-mp4",
    "ffmpeg-output",
    "gst-src-rw",
    "gst-src-mmap",
    "gst-src-userptr",
    "gst-src-dmabuf",
    "gst-sink-mmap",
    "gst-sink-userptr",
    "gst-share-dmabuf",
];

/// Neither ffmpeg nor `read` knows several planes.
fn is_of(cell: &str, lane: &str) -> bool {
    lane == "sp" || !(cell.starts_with("ffmpeg-") || cell == "gst-src-rw")
}

fn shows(cell: &str) -> bool {
    cell.contains("-output") || cell.starts_with("gst-sink-") || cell.starts_with("gst-share-")
}

/// All cells of a lane, `sp` or `mp`, for the test `name`.
pub(crate) fn lane(guest: &Guest, lane: &str, name: &str) {
    if let Err(why) = trees() {
        return println!("SKIP {name}: {why}");
    }
    let cells: Vec<&str> = CELLS.into_iter().filter(|cell| is_of(cell, lane)).collect();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{lane}", guest.engine));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    let Some((statuses, said)) = in_guest(guest, lane, &cells, &folder) else {
        return println!("SKIP {name}: no guest of {} starts here", guest.engine);
    };
    println!("{} {lane}, {} frames each:", guest.engine, guest.frames);
    let mut failed = Vec::new();
    for cell in cells {
        let verdict = match statuses.get(cell) {
            Some((0, _)) => frames_of(guest, lane, cell, &folder),
            Some((status, _)) => Err(format!("ended with {status}")),
            None => Err("was not run".to_owned()),
        };
        let seconds = statuses.get(cell).map_or(0, |(_, seconds)| *seconds);
        match verdict {
            Ok(what) => println!("  PASS {cell}: {what}, {seconds} s"),
            Err(why) => {
                println!("  FAIL {cell}: {why}, {seconds} s");
                let words = fs::read_to_string(folder.join(format!("{cell}.log")));
                failed.push(format!("{cell}: {why}\n{}", words.unwrap_or_default()));
            }
        }
    }
    assert!(failed.is_empty(), "{} cells failed:\n{}\n{said}", failed.len(), failed.join("\n"));
    fs::remove_dir_all(&folder).expect("the folder is ours");
}

/// The programs, made ready before a guest starts: it has no network.
fn trees() -> Result<(), String> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    let suites = cache.unwrap_or_else(home).join("shrbuf/suites");
    for (suite, tree, packages) in TREES {
        let got = Command::new("tools/debian-suite")
            .args([suite, "--with-dependencies"])
            .args(packages)
            .arg(suites.join(suite).join(tree))
            .current_dir(root())
            .stdin(Stdio::null())
            .output()
            .expect("a script runs");
        if !got.status.success() {
            let said = String::from_utf8_lossy(&got.stderr).replace('\n', " ");
            return Err(format!("{suite}'s {tree} is not to be had: {said}"));
        }
    }
    Ok(())
}

/// Each cell's status and seconds.
type Statuses = BTreeMap<String, (i32, u32)>;

/// How the cells ended, and what else was said; `None` where there is no guest.
fn in_guest(
    guest: &Guest,
    lane: &str,
    cells: &[&str],
    folder: &Path,
) -> Option<(Statuses, String)> {
    let shrbuf = env!("CARGO_BIN_EXE_shrbuf");
    let output = Command::new(shrbuf)
        .args(["sandbox", "--engine", guest.engine, "--timeout", GUEST_SECONDS, "--writable"])
        .arg(folder)
        .args(["--", "cli/tests/clients/in-guest", shrbuf, lane])
        .args([guest.frames.to_string(), guest.cell_seconds.to_string()])
        .arg(folder)
        .args(cells)
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .expect("the command runs");
    let [out, err] =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    if output.status.code() == Some(77) {
        return None;
    }
    assert!(output.status.success(), "{out}{err}");
    let mut statuses = Statuses::new();
    for line in out.lines().filter_map(|line| line.strip_prefix("== ")) {
        let words: Vec<&str> = line.split(' ').collect();
        let [cell, status, seconds] = words.as_slice() else { panic!("{line}") };
        let numbers = (status.parse().expect("a status"), seconds.parse().expect("seconds"));
        statuses.insert((*cell).to_owned(), numbers);
    }
    Some((statuses, err))
}

/// What a cell's frames are, or what is wrong with them. v4l2sink shows its first frame twice: to
/// preroll, and when it plays.
fn frames_of(guest: &Guest, lane: &str, cell: &str, folder: &Path) -> Result<String, String> {
    let code = if lane == "sp" { *b"YUYV" } else { *b"NM12" };
    let layout = Layout::new(u32::from_le_bytes(code), SIZE.0, SIZE.1).expect("a format");
    let lengths: Vec<usize> = layout.planes.iter().map(|plane| plane.sizeimage as usize).collect();
    let whole: usize = lengths.iter().sum();
    let bytes = fs::read(folder.join(format!("{cell}.raw"))).map_err(|error| error.to_string())?;
    if bytes.len() % whole != 0 {
        return Err(format!("{} bytes are no frames of {whole}", bytes.len()));
    }
    let frames: Vec<&[u8]> = bytes.chunks(whole).collect();
    let mut numbers = Vec::new();
    for (place, frame) in frames.iter().enumerate() {
        let mut rest = *frame;
        let mut planes = Vec::new();
        for length in &lengths {
            let (plane, behind) = rest.split_at(*length);
            planes.push(Bytes(plane));
            rest = behind;
        }
        let planes: Vec<&dyn PlaneMemory> =
            planes.iter().map(|plane| plane as &dyn PlaneMemory).collect();
        let number = read_frame_number(&layout, &planes).map_err(|error| error.to_string())?;
        numbers.push(number.ok_or(format!("no number is to be read in frame {place}"))?);
    }
    let twice = (cell.starts_with("gst-sink-") || cell.starts_with("gst-share-"))
        && numbers.first() == numbers.get(1);
    if twice {
        numbers.remove(0);
    }
    if !numbers.is_sorted_by(|one, next| one < next) {
        return Err(format!("the numbers don't rise: {numbers:?}"));
    }
    let least = if shows(cell) { guest.frames - LEFT_BEHIND } else { guest.frames };
    if !(least..=guest.frames).contains(&numbers.len()) {
        return Err(format!("{} frames: {numbers:?}", numbers.len()));
    }
    let [first, .., last] = numbers.as_slice() else { return Err("too few frames".to_owned()) };
    Ok(format!("{} frames, {first} to {last}", numbers.len()))
}

/// A plane that is only read.
struct Bytes<'a>(&'a [u8]);

impl PlaneMemory for Bytes<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn write_at(&self, _offset: usize, _bytes: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn read_at(&self, offset: usize, bytes: &mut [u8]) -> io::Result<()> {
        let found = self.0.get(offset..offset + bytes.len());
        bytes.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
