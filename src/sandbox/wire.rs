//! The language between the tool on this machine and the first process of the guest.
//!
//! A frame is one byte of kind, four bytes of length (little endian) and that many bytes. Each
//! of the three standard streams has a window of its own, so that a reader who sleeps on one of
//! them holds up neither the other two nor a signal.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Bytes of one stream that may be under way without having been taken by the other side.
/// Large enough to keep an emulated serial line busy, small enough to lie in a guest's memory.
pub const WINDOW: u32 = 256 * 1024;

/// Longest payload of one frame. A longer one means that the two sides have lost step.
pub const MAX_FRAME: usize = 16 * 1024 * 1024;

/// Longest piece of stream data in one frame, so that streams take turns.
pub const MAX_DATA: usize = 32 * 1024;

/// Bytes that may be under way to a user-mode guest without having been read there.
///
/// Its serial line loses its interrupt for good once the terminal layer has *throttled* it
/// (`line_throttle` in `arch/um/drivers/line.c`), which happens when fewer than 128 of 4096
/// bytes are free (`n_tty_check_throttle`). So it never comes to that.
pub const PACE: usize = 3072;

/// How the guest reaches this machine's files.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub enum RootSource {
    /// User-mode Linux: the host's files by `hostfs`.
    Hostfs,
    /// QEMU: one 9p export with this tag for `/` (read-only), and one per writable folder, in
    /// the order of [`Start::writable`].
    NineP {
        /// Tag of the read-only export of `/`.
        root: String,
        /// Tags of the writable folders.
        writable: Vec<String>,
    },
}

/// A module to load before the command starts.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Module {
    /// A module's name, or the absolute path of a `.ko` file.
    pub name: OsString,
    /// Its parameters as the kernel takes them, separated by spaces.
    pub parameters: OsString,
}

/// What each of the standard streams is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
pub enum StreamKind {
    /// A pipe, a file, anything without a line discipline.
    Pipe,
    /// The caller's terminal: all streams of this kind share one pseudo terminal in the guest.
    Terminal,
}

/// Rows and columns of a terminal, in characters.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
pub struct WindowSize {
    /// Lines.
    pub rows: u16,
    /// Characters in a line.
    pub columns: u16,
}

/// Everything that the guest's first process must know to run the command.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Start {
    /// How to reach this machine's files.
    pub root: RootSource,
    /// Folders that stay writable.
    pub writable: Vec<PathBuf>,
    /// Folder of the kernel's modules on this machine.
    pub modules_dir: PathBuf,
    /// Modules to load, in order.
    pub modules: Vec<Module>,
    /// The folder in which the command starts.
    pub cwd: PathBuf,
    /// The command and its arguments.
    pub argv: Vec<OsString>,
    /// Its whole environment.
    pub env: Vec<(OsString, OsString)>,
    /// Standard input, output and error.
    pub streams: [StreamKind; 3],
    /// Size of the caller's terminal, when one of the streams is one.
    pub window: Option<WindowSize>,
    /// Name of the machine.
    pub hostname: OsString,
    /// The present time, nanoseconds since 1970 (a guest from a snapshot wakes in the past).
    pub realtime_ns: u64,
    /// Fresh random bytes for the guest's pool (two guests from one snapshot must differ).
    pub entropy: Vec<u8>,
}

/// How the command ended.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub enum Outcome {
    /// It ended by itself with this status.
    Exited(i32),
    /// This signal ended it.
    Signaled(i32),
    /// It could not be started: the status (126 or 127) and the reason.
    NotStarted(i32, String),
    /// The guest could not be made ready for it; the reason.
    Unfit(String),
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Guest: the first process runs and waits for `Start`.
    Ready,
    /// Host: [`Start`] as JSON.
    Start(Vec<u8>),
    /// Host: bytes of standard input (0). Guest: bytes of stream 1 or 2, or of the terminal (0).
    Data(u8, Vec<u8>),
    /// Guest: the stream has ended. Host: standard input (0) has ended, or nobody reads stream
    /// 1 or 2 any more.
    End(u8),
    /// Either side: so many more bytes of the stream have been taken.
    Credit(u8, u32),
    /// Host: send this signal to the command's process group.
    Signal(i32),
    /// Host: the terminal has another size.
    Window(WindowSize),
    /// Guest, where the channel is [paced](PACE): so many bytes have been read from it.
    Taken(u32),
    /// Guest: [`Outcome`] as JSON; everything before it has been sent and written out.
    Done(Vec<u8>),
}

const READY: u8 = 1;
const START: u8 = 2;
const DATA: u8 = 3;
const END: u8 = 4;
const CREDIT: u8 = 5;
const SIGNAL: u8 = 6;
const WINDOW_SIZE: u8 = 7;
const DONE: u8 = 8;
const TAKEN: u8 = 9;

impl Frame {
    /// Writes the frame in one call.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_to(&self, writer: &mut impl Write) -> io::Result<()> {
        let (kind, parts): (u8, [&[u8]; 2]) = match self {
            Self::Ready => (READY, [&[], &[]]),
            Self::Start(json) => (START, [json, &[]]),
            Self::Data(stream, bytes) => (DATA, [&[*stream], bytes]),
            Self::End(stream) => (END, [&[*stream], &[]]),
            Self::Credit(stream, count) => (CREDIT, [&[*stream], &count.to_le_bytes()]),
            Self::Signal(number) => (SIGNAL, [&number.to_le_bytes(), &[]]),
            Self::Window(size) => {
                (WINDOW_SIZE, [&size.rows.to_le_bytes(), &size.columns.to_le_bytes()])
            }
            Self::Taken(count) => (TAKEN, [&count.to_le_bytes(), &[]]),
            Self::Done(json) => (DONE, [json, &[]]),
        };
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let length = u32::try_from(length).map_err(|_| lost_step("frame too long"))?;
        let mut message = Vec::with_capacity(length as usize + 5);
        message.push(kind);
        message.extend_from_slice(&length.to_le_bytes());
        parts.iter().for_each(|part| message.extend_from_slice(part));
        writer.write_all(&message)
    }

    /// Reads the next frame; `None` when the stream has ended between two frames.
    ///
    /// # Errors
    /// Those of the reader; `InvalidData` for bytes that are no frame.
    pub fn read_from(reader: &mut impl Read) -> io::Result<Option<Self>> {
        let mut kind = [0u8; 1];
        if reader.read(&mut kind)? == 0 {
            return Ok(None);
        }
        let mut length = [0u8; 4];
        reader.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length) as usize;
        if length > MAX_FRAME {
            return Err(lost_step("frame too long"));
        }
        let mut payload = vec![0u8; length];
        reader.read_exact(&mut payload)?;
        let [kind] = kind;
        Self::decode(kind, payload).map(Some)
    }

    fn decode(kind: u8, payload: Vec<u8>) -> io::Result<Self> {
        match (kind, payload.as_slice()) {
            (READY, []) => Ok(Self::Ready),
            (START, _) => Ok(Self::Start(payload)),
            (DATA, [stream, bytes @ ..]) => Ok(Self::Data(*stream, bytes.to_vec())),
            (END, [stream]) => Ok(Self::End(*stream)),
            (CREDIT, [stream, a, b, c, d]) => {
                Ok(Self::Credit(*stream, u32::from_le_bytes([*a, *b, *c, *d])))
            }
            (SIGNAL, [a, b, c, d]) => Ok(Self::Signal(i32::from_le_bytes([*a, *b, *c, *d]))),
            (WINDOW_SIZE, [a, b, c, d]) => Ok(Self::Window(WindowSize {
                rows: u16::from_le_bytes([*a, *b]),
                columns: u16::from_le_bytes([*c, *d]),
            })),
            (TAKEN, [a, b, c, d]) => Ok(Self::Taken(u32::from_le_bytes([*a, *b, *c, *d]))),
            (DONE, _) => Ok(Self::Done(payload)),
            _ => Err(lost_step("not a frame of the sandbox")),
        }
    }
}

fn lost_step(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_frame_reads_back_as_written() {
        let frames = [
            Frame::Ready,
            Frame::Start(b"{}".to_vec()),
            Frame::Data(1, vec![0, 255, b'\n']),
            Frame::Data(2, Vec::new()),
            Frame::End(0),
            Frame::Credit(2, 70_000),
            Frame::Signal(2),
            Frame::Taken(3072),
            Frame::Window(WindowSize { rows: 24, columns: 300 }),
            Frame::Done(b"x".to_vec()),
        ];
        let mut bytes = Vec::new();
        for frame in &frames {
            frame.write_to(&mut bytes).expect("writing to memory");
        }
        let mut reader = bytes.as_slice();
        for frame in &frames {
            assert_eq!(Frame::read_from(&mut reader).expect("a frame").as_ref(), Some(frame));
        }
        assert_eq!(Frame::read_from(&mut reader).expect("the end"), None);
    }

    #[test]
    fn bytes_that_are_no_frame_are_an_error_and_no_panic() {
        for bytes in [
            &[99u8, 0, 0, 0, 0][..],
            &[3, 0, 0, 0, 0],
            &[5, 1, 0, 0, 0, 1],
            &[1, 255, 255, 255, 255],
            &[8, 4, 0, 0, 0, 1],
        ] {
            assert!(Frame::read_from(&mut &*bytes).is_err(), "{bytes:?}");
        }
    }

    proptest! {
        /// What reads as a frame is written back as the same bytes; the rest is an error.
        #[test]
        fn any_bytes_are_frames_or_an_error(
            kind in 0..12u8,
            payload in prop::collection::vec(any::<u8>(), 0..64),
            length in prop_oneof![8 => Just(None), 1 => any::<u32>().prop_map(Some)],
        ) {
            let length = length.unwrap_or(u32::try_from(payload.len()).unwrap_or(u32::MAX));
            let bytes = [&[kind][..], &length.to_le_bytes(), &payload].concat();
            let mut reader = bytes.as_slice();
            if let Ok(Some(frame)) = Frame::read_from(&mut reader) {
                let mut written = Vec::new();
                frame.write_to(&mut written).expect("writing to memory");
                prop_assert_eq!(&bytes[..bytes.len() - reader.len()], &written[..]);
            }
        }
    }
}
