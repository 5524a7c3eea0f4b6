//! `FUSE_IOCTL`: a command, restricted (the kernel copies the argument) or not (the handler says
//! which memory it wants, and is asked again).

use std::io::IoSlice;

use nix::errno::Errno;
use zerocopy::IntoBytes;

use crate::abi;
use crate::error::Malformed;
use crate::flags::flags;
use crate::message::Body;
use crate::reply::{Delivery, reply};

/// A command to an open file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ioctl<'a> {
    /// The open file.
    pub fh: u64,
    /// Who asks, and what may be answered.
    pub flags: IoctlFlags,
    /// The command, as given to `ioctl(2)`.
    pub cmd: u32,
    /// The argument: mostly an address in the caller's memory.
    pub arg: u64,
    /// Bytes from the caller's memory: restricted, `_IOC_SIZE(cmd)` from `arg` if `cmd` has
    /// `_IOC_WRITE`; otherwise what [`IoctlReply::retry`] asked for.
    pub data: &'a [u8],
    /// At most so many bytes can be answered.
    pub out_size: u32,
}

impl<'a> Ioctl<'a> {
    pub(crate) fn decode(mut body: Body<'a>) -> Result<Self, Malformed> {
        let raw: abi::fuse_ioctl_in = body.next("fuse_ioctl_in")?;
        Ok(Self {
            fh: raw.fh,
            flags: IoctlFlags(raw.flags),
            cmd: raw.cmd,
            arg: raw.arg,
            data: body.bytes(raw.in_size)?,
            out_size: raw.out_size,
        })
    }
}

flags! {
    /// Who asks, and what may be answered.
    IoctlFlags: u32 {
        /// A 32-bit caller on a 64-bit kernel.
        COMPAT = abi::FUSE_IOCTL_COMPAT;
        /// [`IoctlReply::retry`] may be answered.
        UNRESTRICTED = abi::FUSE_IOCTL_UNRESTRICTED;
        /// The command's structures are those of 32 bits.
        BITS_32 = abi::FUSE_IOCTL_32BIT;
        /// The file is a folder.
        DIR = abi::FUSE_IOCTL_DIR;
        /// An x32 caller: 32-bit pointers, 64-bit times.
        COMPAT_X32 = abi::FUSE_IOCTL_COMPAT_X32;
    }
}

/// A piece of the caller's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Its address.
    pub base: u64,
    /// Its length in bytes.
    pub len: u64,
}

reply! {
    /// The answer to `IOCTL`.
    IoctlReply { flags: IoctlFlags, out_size: u32 }
}

impl IoctlReply {
    /// `ioctl(2)` returns `result`, and the kernel writes `out` to the caller's memory. `result` is
    /// handed on as it is: `-EINTR` with bytes in `out` is an error *and* a change of memory, and
    /// `-512` (`ERESTARTSYS`) starts the call again after a signal.
    ///
    /// More than [`Ioctl::out_size`] bytes is a mistake, and answers `EIO`.
    pub fn ok(self, result: i32, out: &[u8]) -> Delivery {
        if out.len() > self.out_size as usize {
            let (length, size) = (out.len(), self.out_size);
            return self
                .responder
                .mistake(format_args!("{length} bytes, and the caller takes {size}"));
        }
        let head = abi::fuse_ioctl_out { result, ..Default::default() };
        self.responder.parts(&[IoSlice::new(head.as_bytes()), IoSlice::new(out)])
    }

    /// The kernel is to ask again, with the bytes of `input` as [`Ioctl::data`] and room for `output`:
    /// together at most 256 pieces, and 128 KiB each way. A restricted request can't be asked again:
    /// then it is a mistake, and answers `EIO`; too many pieces answer `ENOMEM`, as the kernel would.
    pub fn retry(self, input: &[Piece], output: &[Piece]) -> Delivery {
        if !self.flags.contains(IoctlFlags::UNRESTRICTED) {
            return self.responder.mistake(format_args!("a restricted ioctl can't be asked again"));
        }
        if input.len() + output.len() > abi::FUSE_IOCTL_MAX_IOV {
            return self.responder.error(Errno::ENOMEM);
        }
        let pieces: Vec<abi::fuse_ioctl_iovec> = input
            .iter()
            .chain(output)
            .map(|piece| abi::fuse_ioctl_iovec { base: piece.base, len: piece.len })
            .collect();
        let head = abi::fuse_ioctl_out {
            result: 0,
            flags: abi::FUSE_IOCTL_RETRY,
            in_iovs: u32::try_from(input.len()).unwrap_or(0),
            out_iovs: u32::try_from(output.len()).unwrap_or(0),
        };
        self.responder.parts(&[IoSlice::new(head.as_bytes()), IoSlice::new(pieces.as_bytes())])
    }
}
