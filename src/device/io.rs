//! `read(2)` and `write(2)`: one piece of one frame at a time.

use nix::errno::Errno;
use vb2::{FileIo, Transfer};

use super::node::{Device, Parked};
use crate::shrbuf::{Buffer, PlaneMemory};
use crate::v4l2::{Context, buffer};

/// What a `read` or `write` comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Io<T> {
    /// This.
    Done(T),
    /// It waits, and comes out as [`super::Effect::Complete`].
    Park,
}

/// One request of the kernel's: a long `read` or `write` comes in several, as long as each is
/// answered in full.
#[derive(Debug, Clone, Copy)]
pub struct Piece {
    /// Bytes of this `read` or `write` that came before.
    pub offset: u64,
    /// `O_NONBLOCK` is set.
    pub nonblock: bool,
}

impl Device {
    /// `read(2)` of up to `size` bytes. One `read` gives bytes of one frame only.
    ///
    /// # Errors
    /// As [`vb2::Queue::fileio`]: `EINVAL` on an output node, `EBUSY` where the queue is used
    /// otherwise, `EAGAIN`, `EIO`.
    pub fn read(
        &mut self,
        ctx: &Context<'_>,
        piece: Piece,
        size: u32,
    ) -> Result<Io<Vec<u8>>, Errno> {
        if piece.offset > 0 && self.frame_read {
            return Ok(Io::Done(Vec::new()));
        }
        match self.file_io(ctx, vb2::Direction::Capture, size, piece.nonblock)? {
            FileIo::Transfer(transfer) => self.read_piece(&transfer).map(Io::Done),
            FileIo::Wait => {
                self.parked.insert(ctx.ticket, Parked::Read);
                Ok(Io::Park)
            }
        }
    }

    /// `write(2)`. A frame is shown when it is whole.
    ///
    /// # Errors
    /// As [`Device::read`]; `EINVAL` on a capture node.
    pub fn write(
        &mut self,
        ctx: &Context<'_>,
        piece: Piece,
        data: &[u8],
    ) -> Result<Io<u32>, Errno> {
        let count = u32::try_from(data.len()).unwrap_or(u32::MAX);
        match self.file_io(ctx, vb2::Direction::Output, count, piece.nonblock)? {
            FileIo::Transfer(transfer) => self.write_piece(&transfer, data).map(Io::Done),
            FileIo::Wait => {
                self.parked.insert(ctx.ticket, Parked::Write { data: data.to_vec() });
                Ok(Io::Park)
            }
        }
    }

    fn file_io(
        &mut self,
        ctx: &Context<'_>,
        direction: vb2::Direction,
        count: u32,
        nonblock: bool,
    ) -> Result<FileIo<Buffer>, Errno> {
        self.driver.owner.uid = ctx.uid;
        let answer =
            self.queue.fileio(ctx.file, ctx.ticket, direction, count, nonblock, &mut self.driver);
        self.collect();
        answer.map_err(buffer::errno)
    }

    pub(super) fn read_piece(&mut self, transfer: &Transfer<Buffer>) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0; transfer.length as usize];
        transfer.memory.read_at(transfer.offset as usize, &mut bytes).map_err(errno_of)?;
        let frame = self.driver.layout.planes.first().map_or(0, |plane| plane.sizeimage);
        self.frame_read = transfer.offset + transfer.length >= frame;
        self.transferred(transfer.length)?;
        Ok(bytes)
    }

    pub(super) fn write_piece(
        &mut self,
        transfer: &Transfer<Buffer>,
        data: &[u8],
    ) -> Result<u32, Errno> {
        let taken = data.get(..transfer.length as usize).unwrap_or(data);
        transfer.memory.write_at(transfer.offset as usize, taken).map_err(errno_of)?;
        let taken = u32::try_from(taken.len()).unwrap_or(u32::MAX);
        self.transferred(taken)?;
        Ok(taken)
    }

    fn transferred(&mut self, bytes: u32) -> Result<(), Errno> {
        let done = self.queue.fileio_done(bytes, &mut self.driver);
        self.collect();
        done.map_err(buffer::errno)
    }
}

fn errno_of(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}
