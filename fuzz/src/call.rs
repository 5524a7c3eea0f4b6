//! An ioctl as the kernel hands it on: a number, an argument of the size that the number says, and
//! the array that the argument names.

use std::mem::offset_of;

use nix::errno::Errno;
use shrbuf::v4l2::table::{TABLE, row};
use shrbuf::v4l2::uapi::*;
use shrbuf::v4l2::{self, Node};

use super::bytes::Bytes;

pub struct Call {
    pub cmd: u32,
    pub arg: Vec<u8>,
    /// What the caller's memory holds, as long as the argument says.
    pub array: Vec<u8>,
    /// It may wait.
    pub waits: bool,
}

/// In the byte behind the command: the argument begins as one that fits the node.
pub const FITS: u8 = 0x80;
/// It may wait.
pub const WAITS: u8 = 0x40;
/// So many words of the argument follow, each with its place: `2 * PATCH` are two.
pub const PATCH: u8 = 1;
/// The memory of buffers, where it fits.
pub const USERPTR: u8 = 0x10;
pub const DMABUF: u8 = 0x20;
/// All that is left is the argument.
const ALL: u8 = 0x0f;

impl Call {
    /// `Err`: refused before anybody is asked, as the transport does it.
    pub fn read(bytes: &mut Bytes<'_>, node: Node) -> Result<Self, (u32, Errno)> {
        let cmd = TABLE.get(usize::from(bytes.byte())).map_or_else(|| bytes.word(), |row| row.cmd);
        let shape = bytes.byte();
        let mut arg = vec![0; ioc_size(cmd)];
        if shape & FITS != 0 {
            fit(cmd, &mut arg, node, [1, 2, 4, 9][usize::from(shape / USERPTR % 4)]);
        }
        if shape & 0x0f == ALL {
            fill(&mut arg, bytes);
        } else {
            patch(&mut arg, bytes, shape & 0x0f);
        }
        let mut array = match v4l2::nested(cmd, &arg) {
            Ok(named) => {
                let len = named.map_or(0, |named| named.len);
                assert!(named.is_none_or(|_| len > 0 && len <= 20480), "{len} bytes are wanted");
                vec![0; len]
            }
            Err(errno) => return Err((cmd, errno)),
        };
        if !array.is_empty() {
            match bytes.byte() {
                ALL => fill(&mut array, bytes),
                count => patch(&mut array, bytes, count % ALL),
            }
        }
        Ok(Self { cmd, arg, array, waits: shape & WAITS != 0 })
    }

    /// What must be so of every answer.
    pub fn check<T>(&self, lengths: (usize, usize), answer: &Result<T, Errno>) {
        assert_eq!(lengths, (self.arg.len(), self.array.len()), "the lengths stay");
        if let Err(errno) = answer {
            super::errnos::check(self.cmd, *errno);
        }
        assert!(row(self.cmd).is_some() || matches!(answer, Err(Errno::ENOTTY)));
    }
}

fn put(arg: &mut [u8], place: usize, value: u32) {
    if let Some(field) = arg.get_mut(place..place + 4) {
        field.copy_from_slice(&value.to_ne_bytes());
    }
}

/// The node's own type, and a kind of memory.
fn fit(cmd: u32, arg: &mut [u8], node: Node, memory: u32) {
    let (kind, of_memory) = match cmd {
        VIDIOC_ENUM_FMT => (offset_of!(v4l2_fmtdesc, type_), None),
        VIDIOC_REQBUFS => {
            (offset_of!(v4l2_requestbuffers, type_), Some(offset_of!(v4l2_requestbuffers, memory)))
        }
        VIDIOC_CREATE_BUFS => {
            (offset_of!(v4l2_create_buffers, format), Some(offset_of!(v4l2_create_buffers, memory)))
        }
        VIDIOC_REMOVE_BUFS => (offset_of!(v4l2_remove_buffers, type_), None),
        VIDIOC_QUERYBUF | VIDIOC_QBUF | VIDIOC_DQBUF | VIDIOC_PREPARE_BUF => {
            if node.mplane {
                put(arg, offset_of!(v4l2_buffer, length), 2);
            }
            (offset_of!(v4l2_buffer, type_), Some(offset_of!(v4l2_buffer, memory)))
        }
        VIDIOC_G_FMT | VIDIOC_S_FMT | VIDIOC_TRY_FMT | VIDIOC_G_PARM | VIDIOC_S_PARM
        | VIDIOC_EXPBUF | VIDIOC_STREAMON | VIDIOC_STREAMOFF => (0, None),
        VIDIOC_G_EXT_CTRLS | VIDIOC_S_EXT_CTRLS | VIDIOC_TRY_EXT_CTRLS => {
            return put(arg, offset_of!(v4l2_ext_controls, count), 1);
        }
        _ => return,
    };
    put(arg, kind, node.buf_type());
    if let Some(place) = of_memory {
        put(arg, place, memory);
    }
}

fn patch(arg: &mut [u8], bytes: &mut Bytes<'_>, count: u8) {
    for _ in 0..count {
        let place = usize::from(bytes.byte()) * 4;
        put(arg, place, bytes.number());
    }
}

fn fill(arg: &mut [u8], bytes: &mut Bytes<'_>) {
    let all = bytes.take(arg.len());
    if let Some(front) = arg.get_mut(..all.len()) {
        front.copy_from_slice(all);
    }
}
