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
        _ => match source.raw_os_error() {
            Some(libc::ENODEV | libc::ENXIO) => {
                format!("the node is there, but not the kernel module behind it: modprobe {module}")
            }
            Some(libc::EMFILE | libc::ENFILE) => "raise the limit: ulimit -n".to_owned(),
            _ => format!("is {path} the character device that {module}.ko makes?"),
        },
    };
    Error::Open { path: path.to_owned(), source, remedy }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_device_that_cannot_be_opened_comes_with_its_remedy() {
        let rows = [
            (libc::ENOENT, "can't open /dev/cuse: No such file", "modprobe cuse"),
            (libc::EACCES, "Permission denied", "needs root"),
            (libc::EPERM, "not permitted", "needs root"),
            (libc::ENODEV, "No such device", "modprobe cuse"),
            (libc::ENXIO, "No such device", "modprobe cuse"),
            (libc::EMFILE, "Too many open files", "ulimit"),
        ];
        for (errno, said, remedy) in rows {
            let source = io::Error::from_raw_os_error(errno);
            let kind = source.kind();
            let error = open_error("/dev/cuse", "cuse", source);
            let words = error.to_string();
            assert!(words.contains(said) && words.contains(remedy), "{words}");
            let Error::Open { source, .. } = error else { panic!("{words}") };
            assert_eq!((source.kind(), source.raw_os_error()), (kind, Some(errno)));
        }
    }

    /// A message that came before the stop stays where it is: nothing is read and thrown away.
    #[test]
    fn a_stopped_device_takes_no_message() {
        let (ours, theirs) = nix::sys::socket::socketpair(
            nix::sys::socket::AddressFamily::Unix,
            nix::sys::socket::SockType::SeqPacket,
            None,
            nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        )
        .expect("sockets");
        let device = Device::from_fd(ours).expect("a device");
        let theirs = File::from(theirs);
        let mut buffer = [0; 16];
        (&theirs).write_all(b"first").expect("it is sent");
        assert_eq!(device.receive(&mut buffer).expect("a message"), 5);
        device.send(&[IoSlice::new(b"an "), IoSlice::new(b"answer")]).expect("it is sent");
        assert_eq!((&theirs).read(&mut buffer).expect("an answer"), 9);
        (&theirs).write_all(b"second").expect("it is sent");
        device.shutdown();
        device.shutdown();
        for _ in 0..2 {
            let error = device.receive(&mut buffer).expect_err("stopped");
            assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
        }
        assert_eq!((&device.file).read(&mut buffer).expect("it is still there"), 6);
    }

    #[test]
    fn a_stop_ends_a_wait_in_another_thread() {
        let (ours, _theirs) = nix::unistd::pipe().expect("a pipe");
        let device = Device::from_fd(ours).expect("a device");
        let start = Instant::now();
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| device.receive(&mut [0; 16]));
            device.shutdown();
            waits.join().expect("its end").expect_err("stopped");
        });
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}
