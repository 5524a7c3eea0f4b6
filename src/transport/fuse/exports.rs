//! Exported buffers as files of a private mount: the kernel passes `mmap` through to the buffer's
//! memory file, and what else a program does with a dma-buf is answered here as a dma-buf would.
//!
//! It is a mount of its own, beside the one for nodes' files: an export is opened while the buffer is
//! kept from being asked for its holders, and the thread that answers for nodes' files may be just
//! asking. The one that answers here waits for nobody.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};

use cuse_rs::{Errno, Header, Ioctl, IoctlReply, Poll, Read, ReadReply, Write, WriteReply};

use super::{Content, LastingMount, MountError, Served};
use crate::shrbuf::backing::{Handle, HandleMaker, Released};
use crate::shrbuf::{Access, ExportFlags};
use crate::sys::fdinfo::{FdInfo, FileKey};

/// Why there are no such files.
#[derive(Debug, thiserror::Error)]
pub enum ExportsError {
    /// There is no mount.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// Mappings would be of a page cache, and not of the buffers.
    #[error("the kernel has no FUSE passthrough: this needs Linux 6.9 (CONFIG_FUSE_PASSTHROUGH)")]
    Passthrough,
}

/// The mount. It lives as long as this.
#[derive(Debug)]
pub struct Exports {
    mount: LastingMount,
}

impl Exports {
    /// Makes it.
    ///
    /// # Errors
    /// See [`ExportsError`].
    pub fn start() -> Result<Self, ExportsError> {
        let mount = LastingMount::start()?;
        if mount.has_passthrough() { Ok(Self { mount }) } else { Err(ExportsError::Passthrough) }
    }
}

impl HandleMaker for Exports {
    /// The kernel opens the memory file again for each handle, and closes that before `close(2)` or
    /// `munmap(2)` of the last holder returns; the daemon hears of it later.
    fn open(
        &self,
        memory: BorrowedFd<'_>,
        len: u64,
        access: Access,
        released: Released,
    ) -> io::Result<Handle> {
        let content = Content::Passthrough(memory.try_clone_to_owned()?, len);
        let flags = ExportFlags { access, cloexec: true }.open_flags();
        let export = Arc::new(Export { released: Mutex::new(Some(released)) });
        let opened = self.mount.open(export, content, flags.cast_unsigned())?;
        let identity = FdInfo::own(opened.fd.as_fd())?.identity;
        Ok(Handle { fd: opened.fd, key: FileKey { identity, dev: opened.identity.0 } })
    }
}

/// One export.
struct Export {
    released: Mutex<Option<Released>>,
}

impl fmt::Debug for Export {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Export").finish_non_exhaustive()
    }
}

impl Served for Export {
    fn ioctl(&self, _header: &Header, request: &Ioctl<'_>, reply: IoctlReply) {
        match answer(request.cmd, request.data) {
            Ok(()) => reply.ok(0, &[]),
            Err(errno) => reply.error(errno),
        };
    }

    /// No device is at work on it.
    fn poll(&self, _header: &Header, request: &Poll) -> u32 {
        request.events & u32::from((libc::POLLIN | libc::POLLOUT).cast_unsigned())
    }

    fn read(&self, _header: &Header, _request: &Read, reply: ReadReply) {
        reply.error(Errno::EINVAL);
    }

    fn write(&self, _header: &Header, _request: &Write<'_>, reply: WriteReply) {
        reply.error(Errno::EINVAL);
    }

    fn seek_data(&self) -> Errno {
        Errno::EINVAL
    }

    fn fsync(&self) -> Errno {
        Errno::EINVAL
    }

    fn fallocate(&self) -> Errno {
        Errno::ENODEV
    }

    fn release(&self) {
        let released = self.released.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(released) = released {
            released();
        }
    }
}

/// `DMA_BUF_IOCTL_SYNC`, and both forms of `DMA_BUF_SET_NAME`, of `<linux/dma-buf.h>`.
const SYNC: u32 = 0x4008_6200;
const SET_NAME: [u32; 2] = [0x4004_6201, 0x4008_6201];

/// `DMA_BUF_SYNC_RW`, and the flags that there are besides.
const SYNC_RW: u64 = 0b011;
const SYNC_END: u64 = 0b100;

/// What a dma-buf answers. The memory is the processor's at any time, so there is nothing to be done;
/// nor is a name kept, which nobody could see.
fn answer(cmd: u32, data: &[u8]) -> Result<(), Errno> {
    if SET_NAME.contains(&cmd) {
        return Ok(());
    }
    if cmd != SYNC {
        return Err(Errno::ENOTTY);
    }
    let flags = u64::from_ne_bytes(data.try_into().map_err(|_| Errno::EFAULT)?);
    if flags & !(SYNC_RW | SYNC_END) != 0 || flags & SYNC_RW == 0 {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn ioctls_are_answered_as_a_dmabuf_answers() {
        let sync = |flags: u64| answer(SYNC, &flags.to_ne_bytes());
        for flags in [1, 2, 3, 5, 6, 7] {
            assert_eq!(sync(flags), Ok(()), "{flags}");
        }
        for flags in [0, 4, 8, 9, 1 << 63, u64::MAX] {
            assert_eq!(sync(flags), Err(Errno::EINVAL), "{flags}");
        }
        assert_eq!(answer(SYNC, &[1]), Err(Errno::EFAULT));
        for cmd in SET_NAME {
            assert_eq!(answer(cmd, b""), Ok(()));
        }
        // VIDIOC_QUERYCAP, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, and SYNC of another size.
        for cmd in [0x8068_5600, 0xc008_6202, 0x4004_6200, 0] {
            assert_eq!(answer(cmd, &[0; 8]), Err(Errno::ENOTTY), "{cmd:#x}");
        }
    }

    #[test]
    fn it_is_released_once() {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let released: Released = Box::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let export = Export { released: Mutex::new(Some(released)) };
        export.release();
        export.release();
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}
