//! `/dev/cuse` and `/dev/fuse`.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::{Channel, sys};
use crate::error::Error;
use crate::kind::Kind;

/// A connection to the kernel.
///
/// Readers wait for the device and for a stop signal at once, and then read without blocking; so a
/// request is either read and served, or stays in the kernel.
#[derive(Debug)]
pub struct Device {
    file: File,
    stop: EventFd,
}

impl Device {
    /// Opens `/dev/cuse` for [`Cuse`](crate::Cuse), `/dev/fuse` for [`Fuse`](crate::Fuse).
    ///
    /// # Errors
    /// [`Error::Open`], with the remedy in its text.
    pub fn open<K: Kind>() -> Result<Self, Error> {
        let opened =
            OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(K::PATH);
        let failed = |source| open_error(K::PATH, K::MODULE, source);
        Self::with(opened.map_err(failed)?).map_err(failed)
    }

    /// A device that somebody else opened: handed over by a privileged process, or by the one who mounted.
    ///
    /// # Errors
    /// Those of `fcntl(2)` and `eventfd(2)`.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        Self::with(File::from(fd))
    }

    fn with(file: File) -> io::Result<Self> {
        use nix::fcntl::{FcntlArg, OFlag, fcntl};
        let flags = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?);
        fcntl(&file, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
        let stop = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self { file, stop })
    }

    /// The data for `mount(2)` with the type `fuse` (or `fsconfig(2)`, pair by pair): this connection, a root folder, its owner.
    /// More options may be appended: `allow_other`, `default_permissions`.
    #[must_use]
    pub fn mount_options(&self, uid: u32, gid: u32) -> String {
        let fd = self.file.as_raw_fd();
        format!("fd={fd},rootmode=40000,user_id={uid},group_id={gid}")
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Channel for Device {
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut both = [
            PollFd::new(self.stop.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.file.as_fd(), PollFlags::POLLIN),
        ];
        poll(&mut both, PollTimeout::NONE)?;
        let [stop, _] = both;
        if stop.any().unwrap_or(true) {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        (&self.file).read(buffer)
    }

    fn send(&self, parts: &[IoSlice<'_>]) -> io::Result<()> {
        // The kernel takes a message whole or not at all.
        (&self.file).write_vectored(parts).map(drop)
    }

    fn shutdown(&self) {
        // The counter is never read: it stays readable for all readers.
        if let Err(error) = self.stop.write(1) {
            tracing::warn!("the stop signal can't be given: {error}");
        }
    }

    fn is_over(&self) -> bool {
        let mut device = [PollFd::new(self.file.as_fd(), PollFlags::empty())];
        let found = poll(&mut device, PollTimeout::ZERO);
        let [device] = device;
        let error = PollFlags::POLLERR | PollFlags::POLLHUP | PollFlags::POLLNVAL;
        found.is_err() || device.revents().is_none_or(|events| events.intersects(error))
    }

    fn backing_open(&self, file: BorrowedFd<'_>) -> io::Result<i32> {
        sys::backing_open(self.as_fd(), file)
    }

    fn backing_close(&self, id: i32) -> io::Result<()> {
        sys::backing_close(self.as_fd(), id)
    }
}

fn open_error(path: &str, module: &str, source: io::Error) -> Error {
    let remedy = match source.kind() {
        ErrorKind::NotFound => format!("load the kernel module: modprobe {module}"),
        ErrorKind::PermissionDenied => {
            format!(
                "this needs root, or the right to open {path}; in a container, the device must be let in"
            )
        }
        _ if source.raw_os_error() == Some(libc::ENODEV)
            || source.raw_os_error() == Some(libc::ENXIO) =>
        {
            format!("the node is there, but not the kernel module behind it: modprobe {module}")
        }
        _ => "see the message of the system".to_owned(),
    };
    Error::Open { path: path.to_owned(), source, remedy }
}
