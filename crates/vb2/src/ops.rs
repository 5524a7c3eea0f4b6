//! What the queue asks of the driver, by the names of the kernel's `struct vb2_ops` and
//! `struct vb2_mem_ops`.

use alloc::vec::Vec;

use crate::{Error, MemoryType, Plane};

/// `queue_setup`'s arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// The memory of the buffers to be.
    pub memory: MemoryType,
    /// How many buffers are wanted, within the queue's limits. The driver may change it.
    pub count: u32,
    /// How many buffers the queue has already.
    pub allocated: u32,
    /// Bytes of each plane. Empty (`REQBUFS`): the driver fills in those of its format. Given
    /// (`CREATE_BUFS`): the driver looks whether a frame fits, and refuses with
    /// [`Error::WrongSizes`] if not, or if the number of planes is not the format's.
    pub sizes: Vec<u32>,
}

/// The driver behind a queue. It is lent to each call that may need it.
pub trait QueueOps<M> {
    /// Says what buffers of the present format need. See [`Setup`].
    ///
    /// # Errors
    /// Whatever the program is to see; usually [`Error::WrongSizes`] (`EINVAL`).
    fn queue_setup(&mut self, setup: &mut Setup) -> Result<(), Error>;

    /// Makes the memory of one plane of `size` bytes (not rounded to pages).
    ///
    /// # Errors
    /// Any: the queue makes do with the buffers it has (and asks `queue_setup` whether they will
    /// do), or answers [`Error::NoMemory`] (`ENOMEM`) if these are none, or for `REQBUFS` fewer
    /// than the least number. Planes of an unfinished buffer are dropped.
    fn alloc(&mut self, index: u32, plane: usize, size: u32) -> Result<M, Error>;

    /// Bytes of a memory: a dma-buf's size. What is imported can't be longer than this.
    fn memory_size(&self, memory: &M) -> u64;

    /// Whether someone besides this queue holds the memory (a mapping, an export, an importer):
    /// `num_users` above one. It becomes `V4L2_BUF_FLAG_MAPPED`, and is asked of the queue's own
    /// memory only. Note that the caller's own clones count too, if the answer counts clones.
    fn in_use_elsewhere(&self, memory: &M) -> bool;

    /// The offset that `mmap` of this plane takes: unique in the queue and page-aligned. By
    /// default the kernel's (6.12) cookie, made of index and plane, for pages of 4096 bytes. A
    /// driver whose nodes are mapped from one file gives the place in that file.
    fn mem_offset(&self, index: u32, plane: usize, memory: &M) -> u32 {
        let _ = memory;
        cookie(index, plane)
    }

    /// Output only, at `QBUF` and `PREPARE_BUF` before the memory is looked at: may refuse or set
    /// the frame's field.
    ///
    /// # Errors
    /// Whatever the program is to see.
    fn buf_out_validate(&mut self, field: &mut u32) -> Result<(), Error> {
        let _ = field;
        Ok(())
    }

    /// At `QBUF` (or `PREPARE_BUF` before it), the planes being in place: looks whether the frame
    /// fits. An output driver compares each plane's [`Plane::bytesused`] with the frame plus
    /// [`Plane::data_offset`]; a capture driver compares [`Plane::length`] with the frame, and says
    /// by [`Plane::set_bytesused`] what it will write (until then it is 0).
    ///
    /// # Errors
    /// [`Error::PlaneTooSmall`] (`EINVAL`) usually. Imports of this buffer are let go of then.
    fn buf_prepare(&mut self, index: u32, planes: &mut [Plane<M>]) -> Result<(), Error> {
        let _ = (index, planes);
        Ok(())
    }

    /// Streaming starts; `queued` buffers are with the driver already. Called once the least
    /// number of buffers is queued ([`crate::Config::min_queued_buffers`]).
    ///
    /// # Errors
    /// Whatever `STREAMON` (or the `QBUF` that brought the last buffer) is to answer; the buffers
    /// stay queued.
    fn start_streaming(&mut self, queued: u32) -> Result<(), Error> {
        let _ = queued;
        Ok(())
    }

    /// Streaming ends; when this returns the driver has no buffer any more.
    fn stop_streaming(&mut self) {}
}

/// The kernel's (6.12) `mmap` offset of a plane, for pages of 4096 bytes.
pub fn cookie(index: u32, plane: usize) -> u32 {
    let plane = u32::try_from(plane).unwrap_or(0);
    (index << 15) | (plane << 12)
}
