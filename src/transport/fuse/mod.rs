//! A file system of our own to which no path leads: what callers' descriptors are swapped for.
//!
//! Its files can be mapped, which a character device of user space can't. Each is opened once, by the
//! daemon, and given to one caller; whoever opens it again (`/proc/self/fd/N`) gets `ENXIO`. Users
//! other than the mounter may use it (`allow_other`), since a descriptor is the only way to it.

mod cache;
mod files;

pub use cache::Pages;

use std::ffi::{CString, NulError};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;

use cuse_rs::{
    Device, Errno, Fuse, FuseConfig, Header, InitFlags, Ioctl, IoctlReply, Notifier, Poll, Read,
    ReadReply, Session, Stopper, Write, WriteReply,
};
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, fstat};

use crate::sys::fdinfo::{FdInfo, FileIdentity};
use crate::sys::memfd::Memfd;
use crate::sys::mount;
use files::Files;

/// Why there is no such mount.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// `/dev/fuse` can't be used.
    #[error(transparent)]
    Session(#[from] cuse_rs::Error),
    /// The kernel doesn't mount it.
    #[error("a private FUSE mount can't be made: {0} (it needs CAP_SYS_ADMIN, and Linux 5.2)")]
    Mount(#[source] io::Error),
    /// No thread.
    #[error("a thread for the private FUSE mount can't be started: {0}")]
    Thread(#[source] io::Error),
}

/// What is behind one file. All but the dropping is called on the mount's one reader thread, and must
/// not wait for anything that a program can hold up.
pub trait Served: Send + Sync {
    /// `ioctl(2)`
    fn ioctl(&self, header: &Header, request: &Ioctl<'_>, reply: IoctlReply);
    /// `poll(2)`: the events that are there.
    fn poll(&self, header: &Header, request: &Poll) -> u32;
    /// A program's `read(2)`.
    fn read(&self, header: &Header, request: &Read, reply: ReadReply);
    /// A program's `write(2)`.
    fn write(&self, header: &Header, request: &Write<'_>, reply: WriteReply);
    /// Bytes for the page cache: a program has touched its mapping.
    fn page_in(&self, offset: u64, len: usize) -> Vec<u8>;
    /// Bytes of the page cache that a program has changed.
    fn page_out(&self, offset: u64, bytes: &[u8]);
    /// The last descriptor is gone, and with cached content the last mapping, too.
    fn release(&self);
}

/// What a mapping of a file shows.
#[derive(Debug)]
pub enum Content {
    /// Another file's bytes: the kernel passes `mmap` through to it (Linux 6.9). `u64`: the length
    /// that `fstat(2)` tells, beyond which nothing can be mapped.
    Passthrough(OwnedFd, u64),
    /// The page cache, which is filled by [`Served::page_in`] and [`Pages::store`].
    Cached {
        /// The length.
        size: u64,
    },
}

/// A file that was opened, to be given away.
#[derive(Debug)]
pub struct OpenFile {
    /// The only descriptor.
    pub fd: OwnedFd,
    /// Its page cache.
    pub pages: Pages,
    /// Device and inode, as `/proc/<pid>/maps` shows them.
    pub identity: (u64, u64),
    /// The same as descriptors show it.
    pub file: FileIdentity,
}

/// The mount, and the thread that serves it. Dropping it ends both.
pub struct Mount {
    files: Arc<Files>,
    session: Arc<Session<Fuse>>,
    notifier: Notifier<Fuse>,
    stopper: Stopper,
    root: OwnedFd,
    reader: Option<JoinHandle<()>>,
    passthrough: bool,
}

impl Mount {
    /// Makes it.
    ///
    /// # Errors
    /// See [`MountError`].
    pub fn start() -> Result<Arc<Self>, MountError> {
        let device = Device::open::<Fuse>()?;
        let root = detached(&device).map_err(MountError::Mount)?;
        let wanted = FuseConfig {
            flags: InitFlags::EXPLICIT_INVAL_DATA | InitFlags::PASSTHROUGH,
            ..FuseConfig::default()
        };
        let session = Arc::new(Session::<Fuse>::new(device, &wanted)?);
        let passthrough = passes_through(&session);
        let files = Arc::new(Files::default());
        let mut mount = Self {
            files: Arc::clone(&files),
            notifier: session.notifier(),
            stopper: session.stopper(),
            session: Arc::clone(&session),
            root,
            reader: None,
            passthrough,
        };
        let serve = move || {
            if let Err(error) = session.serve(&*files) {
                tracing::error!("the private mount can't be served any more: {error}");
            }
        };
        let reader = std::thread::Builder::new().name("mapped".into()).spawn(serve);
        mount.reader = Some(reader.map_err(MountError::Thread)?);
        Ok(Arc::new(mount))
    }

    /// Whether the kernel can pass mappings through.
    #[must_use]
    pub fn has_passthrough(&self) -> bool {
        self.passthrough
    }

    /// Opens a new file with this access mode. Its requests go to `served` from now on.
    ///
    /// # Errors
    /// Those of `open(2)`, and of registering the file to be passed through to.
    pub fn open(
        &self,
        served: Arc<dyn Served>,
        content: Content,
        access: u32,
    ) -> Result<OpenFile, Errno> {
        let raw = |error: io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
        let (backing, size) = match content {
            Content::Passthrough(file, size) => {
                (Some(self.session.backing(file).map_err(raw)?), size)
            }
            Content::Cached { size } => (None, size),
        };
        // Past the page cache, so that read(2) and write(2) come to us; mappings are of the cache.
        let direct = if backing.is_some() { OFlag::empty() } else { OFlag::O_DIRECT };
        let access = OFlag::from_bits_truncate(access.cast_signed()) & OFlag::O_ACCMODE;
        let (nodeid, name) = self.files.expect(served, size, backing);
        let opened =
            openat(&self.root, name.as_str(), access | direct | OFlag::O_CLOEXEC, Mode::empty());
        self.files.expected(nodeid);
        let fd = opened.inspect_err(|_| self.files.abandon(nodeid))?;
        let stat = fstat(&fd)?;
        let pages = Pages::new(&self.files, self.notifier.clone(), nodeid);
        let file = FdInfo::own(fd.as_fd()).map_err(raw)?.identity;
        Ok(OpenFile { fd, pages, identity: (stat.st_dev, stat.st_ino), file })
    }

    /// Wakes who polls the file that gave `kh` last.
    ///
    /// # Errors
    /// `ENODEV`: the mount is gone.
    pub fn wake(&self, kh: u64) -> io::Result<()> {
        self.notifier.poll_wakeup(kh)
    }
}

impl std::fmt::Debug for Mount {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Mount").field("passthrough", &self.passthrough).finish_non_exhaustive()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.stopper.stop();
        if self.reader.take().is_some_and(|reader| reader.join().is_err()) {
            tracing::error!("the private mount's thread has panicked");
        }
    }
}

/// Mounts the connection, without a path.
fn detached(device: &Device) -> io::Result<OwnedFd> {
    let options = device.mount_options(0, 0);
    let text = |text: &str| CString::new(text).map_err(|error: NulError| io::Error::from(error));
    let mut pairs = vec![(text("source")?, Some(text("shrbuf")?)), (text("allow_other")?, None)];
    for option in options.split(',') {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        pairs.push((text(key)?, Some(text(value)?)));
    }
    let pairs: Vec<_> =
        pairs.iter().map(|(key, value)| (key.as_c_str(), value.as_deref())).collect();
    mount::detached(c"fuse", &pairs)
}

/// Whether the kernel has agreed, and takes memory files.
fn passes_through(session: &Session<Fuse>) -> bool {
    if !session.flags().contains(InitFlags::PASSTHROUGH) {
        return false;
    }
    let tried = Memfd::new(1).and_then(|file| session.backing(file.own()).map(drop));
    tried.inspect_err(|error| tracing::info!("mmap can't be passed through: {error}")).is_ok()
}
