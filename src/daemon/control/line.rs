//! Lines with descriptors over a stream socket, bounded in length and time.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

use crate::sys::process::adopt;

/// Bytes that are read at a time.
const PIECE: usize = 4096;

/// Most descriptors that the kernel passes in one message (`SCM_MAX_FD`). There is room for all of
/// them, so that none is open here without an owner when the rest is refused.
const KERNEL_MOST: usize = 253;

/// Why a line did not come.
#[derive(Debug)]
pub enum LineError {
    /// The other side has closed, between two lines.
    Closed,
    /// Longer than allowed.
    TooLong,
    /// Nothing, or not all of it, in time.
    TooSlow {
        /// Whether part of a line was there.
        begun: bool,
    },
    /// More descriptors than allowed, or some where none are.
    Descriptors,
    /// The socket fails.
    Io(io::Error),
}

/// Reads lines.
#[derive(Debug)]
pub struct Lines<'a> {
    stream: &'a UnixStream,
    longest: usize,
    most_descriptors: usize,
    bytes: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

impl<'a> Lines<'a> {
    /// Lines of at most `longest` bytes, with at most `most_descriptors` each. With 0 the kernel
    /// drops what comes: this process never has it.
    #[must_use]
    pub fn new(stream: &'a UnixStream, longest: usize, most_descriptors: usize) -> Self {
        Self { stream, longest, most_descriptors, bytes: Vec::new(), descriptors: Vec::new() }
    }

    /// The next line without its newline, and what came with it. `idle` is how long the first byte
    /// may take, `slow` how long the line may take from then on.
    ///
    /// # Errors
    /// See [`LineError`]; only [`LineError::Closed`] between lines is no reason to complain.
    pub fn next(
        &mut self,
        idle: Duration,
        slow: Duration,
    ) -> Result<(Vec<u8>, Vec<OwnedFd>), LineError> {
        let begun = !self.bytes.is_empty();
        let mut deadline = Instant::now() + if begun { slow } else { idle };
        let mut searched = 0;
        loop {
            let fresh = self.bytes.get(searched..).unwrap_or_default();
            if let Some(place) = fresh.iter().position(|byte| *byte == b'\n') {
                let rest = self.bytes.split_off(searched + place + 1);
                let mut line = std::mem::replace(&mut self.bytes, rest);
                if line.len() > self.longest {
                    return Err(LineError::TooLong);
                }
                line.pop();
                return Ok((line, std::mem::take(&mut self.descriptors)));
            }
            if self.bytes.len() >= self.longest {
                return Err(LineError::TooLong);
            }
            searched = self.bytes.len();
            let first = searched == 0;
            if self.receive(deadline)? == 0 {
                return Err(if first {
                    LineError::Closed
                } else {
                    LineError::Io(ErrorKind::UnexpectedEof.into())
                });
            }
            if first {
                deadline = Instant::now() + slow;
            }
        }
    }

    fn receive(&mut self, deadline: Instant) -> Result<usize, LineError> {
        let begun = !self.bytes.is_empty();
        let slow = LineError::TooSlow { begun };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(slow);
        }
        self.stream.set_read_timeout(Some(left)).map_err(LineError::Io)?;
        let mut piece = [0; PIECE];
        let mut control = match self.most_descriptors {
            0 => None,
            _ => Some(nix::cmsg_space!([RawFd; KERNEL_MOST])),
        };
        let (count, numbers, truncated) = {
            let mut buffers = [IoSliceMut::new(&mut piece)];
            let flags = MsgFlags::MSG_CMSG_CLOEXEC;
            let fd = self.stream.as_raw_fd();
            match recvmsg::<()>(fd, &mut buffers, control.as_deref_mut(), flags) {
                Ok(message) => {
                    let truncated = message.flags.contains(MsgFlags::MSG_CTRUNC);
                    let mut numbers = Vec::new();
                    if self.most_descriptors > 0 {
                        for piece in message.cmsgs().into_iter().flatten() {
                            if let ControlMessageOwned::ScmRights(fds) = piece {
                                numbers.extend(fds);
                            }
                        }
                    }
                    (message.bytes, numbers, truncated)
                }
                Err(Errno::EAGAIN) => return Err(slow),
                Err(Errno::EINTR) => return self.receive(deadline),
                Err(error) => return Err(LineError::Io(error.into())),
            }
        };
        // All of them are taken over before any error, so that none stays open.
        for number in numbers {
            self.descriptors.extend(adopt(number));
        }
        if truncated || self.descriptors.len() > self.most_descriptors {
            return Err(LineError::Descriptors);
        }
        self.bytes.extend(piece.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// Sends a line, with descriptors, within `slow`.
///
/// # Errors
/// `TimedOut` when the other side does not read; otherwise those of `sendmsg(2)`.
pub fn send(
    stream: &UnixStream,
    line: &[u8],
    descriptors: &[BorrowedFd<'_>],
    slow: Duration,
) -> io::Result<()> {
    let deadline = Instant::now() + slow;
    let mut line = line.to_vec();
    line.push(b'\n');
    let numbers: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
    let mut sent = 0;
    while let Some(rest) = line.get(sent..).filter(|rest| !rest.is_empty()) {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_write_timeout(Some(left))?;
        let rights = [ControlMessage::ScmRights(&numbers)];
        let with_it: &[ControlMessage<'_>] =
            if sent == 0 && !numbers.is_empty() { &rights } else { &[] };
        let flags = MsgFlags::MSG_NOSIGNAL;
        match sendmsg::<()>(stream.as_raw_fd(), &[IoSlice::new(rest)], with_it, flags, None) {
            Ok(count) => sent += count,
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Err(ErrorKind::TimedOut.into()),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
