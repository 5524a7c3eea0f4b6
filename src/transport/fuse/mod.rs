//! A file system of our own to which no path leads: what callers' descriptors are swapped for.
//!
//! Its files can be mapped, which a character device of user space can't. Each is opened once, by the
//! daemon, and given to one caller; whoever opens it again (`/proc/self/fd/N`) gets `ENXIO`. Users
//! other than the mounter may use it (`allow_other`), since a descriptor is the only way to it.
//!
//! Nodes' files are on one such mount, and exports that are no dma-bufs on another ([`Exports`]).
//!
//! A mapping is one of two kinds ([`Content`]): of another file that the kernel passes it through to,
//! or of the page cache, in which the daemon stores frames and from which it fetches them. In both,
//! `read(2)`, `write(2)`, `ioctl(2)` and `poll(2)` come to [`Served`].
//!
//! # What must not wait for what
//!
//! One thread answers everything, so [`Served`] never waits. [`Pages::store`] and
//! [`Pages::invalidate`] wait for pages that are just being read in or written out, that is, for this
//! thread: whoever calls them holds no lock that [`Served::page_in`] or [`Served::page_out`] takes.
//!
//! The daemon may be killed at any moment, and must not stay behind as a process that waits for an
//! answer of its own. So files are opened on a thread with a descriptor table of its own
//! ([`crate::sys::own_table`]), and closing one asks nothing (`FOPEN_NOFLUSH`). What is left: killed in
//! the very moment in which `store` waits for a page that a program reads in, the daemon waits until
//! somebody writes to `/sys/fs/fuse/connections/<minor>/abort`.

mod cache;
mod exports;
mod files;
mod lasting;
mod opener;
mod pieces;

pub use cache::Pages;
pub use exports::{Exports, ExportsError};
pub use files::NAME;
pub use lasting::LastingMount;

use std::ffi::{CString, NulError};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;

use cuse_rs::{
    Device, Errno, Fuse, FuseConfig, Header, InitFlags, Ioctl, IoctlReply, Notifier, Poll, Read,
    ReadReply, Session, Stopper, Write, WriteReply,
};

use crate::sys::memfd::Memfd;
use crate::sys::mount;
use files::Files;
use opener::Opener;

/// The longest request, in bytes: what a frame is stored and fetched in. More pages the kernel
/// doesn't take.
const MAX_WRITE: u32 = 1 << 20;

/// Why there is no such mount.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// `/dev/fuse` can't be used.
    #[error(transparent)]
    Session(#[from] cuse_rs::Error),
    /// The kernel doesn't mount it.
    #[error(
        "a private FUSE mount can't be made: {0}: this needs root (CAP_SYS_ADMIN), and Linux 5.2"
    )]
    Mount(#[source] io::Error),
    /// No thread, or none that can be used.
    #[error("a thread for the private FUSE mount can't be started: {0}: this needs Linux 5.9")]
    Thread(#[source] io::Error),
    /// Files of it can't be opened.
    #[error("files of the private FUSE mount can't be opened: {0}")]
    Open(#[source] io::Error),
}

/// What is behind one file. All but the dropping is called on the mount's one reader thread, and must
/// not wait for anything that a program can hold up.
pub trait Served: Send + Sync {
    /// `ioctl(2)`. `request.fh` is the mount's own number.
    fn ioctl(&self, header: &Header, request: &Ioctl<'_>, reply: IoctlReply);

    /// `poll(2)`: the events that are there. With `request.notify`, [`Mount::wake`] is to be called
    /// with `request.kh` when there are more.
    fn poll(&self, header: &Header, request: &Poll) -> u32;

    /// A program's `read(2)`. `request.offset` is what this `read` was given before, as in a character
    /// device: 0, but for the further pieces of one longer than 1 MiB.
    fn read(&self, header: &Header, request: &Read, reply: ReadReply);

    /// A program's `write(2)`; the offset as in [`read`](Self::read).
    fn write(&self, header: &Header, request: &Write<'_>, reply: WriteReply);

    /// Bytes for the page cache: what was last stored there or came by [`page_out`](Self::page_out),
    /// as the kernel may drop any page that it has written out. Missing ones are zeros.
    fn page_in(&self, offset: u64, len: usize) -> Vec<u8> {
        let _ = (offset, len);
        Vec::new()
    }

    /// Bytes of the page cache that a program has changed, and that the kernel may drop now.
    fn page_out(&self, offset: u64, bytes: &[u8]) {
        let _ = (offset, bytes);
    }

    /// Where the cached bytes begin. Pages before it can't be had (`SIGBUS`). It should be beyond the
    /// longest frame: a `read(2)` that is answered in part is continued by the kernel from the page
    /// cache, at the place where the answer ended, and is only short if there is no page there.
    fn first_page(&self) -> u64 {
        0
    }

    /// `lseek(2)` for data or holes. Unless written, the kernel takes all of every file for data.
    fn seek_data(&self) -> Errno {
        Errno::ENOSYS
    }

    /// `fsync(2)`. Unless written, the kernel says of every file that all is well.
    fn fsync(&self) -> Errno {
        Errno::ENOSYS
    }

    /// `fallocate(2)`. Unless written, the kernel says `EOPNOTSUPP` of every file.
    fn fallocate(&self) -> Errno {
        Errno::ENOSYS
    }

    /// The last descriptor is gone, and with cached content the last mapping, too; or the mount has
    /// ended. It is called once.
    fn release(&self);
}

/// What a mapping of a file shows.
#[derive(Debug)]
pub enum Content {
    /// Another file's bytes: the kernel passes `mmap` through to it (Linux 6.9). `u64`: the length
    /// that `fstat(2)` tells, beyond which the mount's own file has nothing.
    Passthrough(OwnedFd, u64),
    /// The page cache, which is filled by [`Served::page_in`] and [`Pages::store`].
    Cached {
        /// The length, beyond which nothing can be mapped (`SIGBUS`).
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
}

/// The mount, and the threads that serve it. Dropping it ends them.
pub struct Mount {
    files: Arc<Files>,
    session: Arc<Session<Fuse>>,
    notifier: Notifier<Fuse>,
    stopper: Stopper,
    opener: Option<Opener>,
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
            max_write: MAX_WRITE,
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
            opener: None,
            reader: None,
            passthrough,
        };
        let serve = move || {
            files.served_here();
            if let Err(error) = session.serve(&*files) {
                tracing::error!("the private mount can't be served any more: {error}");
            }
            files.end();
        };
        let reader = std::thread::Builder::new().name("mapped".into()).spawn(serve);
        mount.reader = Some(reader.map_err(MountError::Thread)?);
        mount.opener = Some(Opener::start(root).map_err(MountError::Thread)?);
        Ok(Arc::new(mount))
    }

    /// Whether the kernel can pass mappings through.
    #[must_use]
    pub fn has_passthrough(&self) -> bool {
        self.passthrough
    }

    /// Whether nobody answers any more: somebody has ended the connection.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.files.is_over()
    }

    /// Opens a new file. Its requests go to `served` from now on, until its
    /// [`release`](Served::release); there is none if this fails. Of `flags`, the access mode and
    /// `O_NONBLOCK` count. Not on the mount's thread.
    ///
    /// # Errors
    /// Those of `open(2)`, and of registering the file to be passed through to; `EINVAL` for a
    /// length of 0 or more than a file can have.
    pub fn open(
        &self,
        served: Arc<dyn Served>,
        content: Content,
        flags: u32,
    ) -> Result<OpenFile, Errno> {
        let (backing, size) = match content {
            Content::Passthrough(file, size) => {
                (Some(self.session.backing(file).map_err(errno)?), size)
            }
            Content::Cached { size } => (None, size),
        };
        let cached = backing.is_none();
        let opener = self.opener.as_ref().ok_or(Errno::ENODEV)?;
        let nodeid = self.files.expect(served, size, backing)?;
        let opened = opener.open(nodeid, flags, cached);
        let opened = opened.inspect_err(|_| self.files.abandon(nodeid))?;
        let max_write = self.session.max_write();
        let pages = Pages::new(&self.files, self.notifier.clone(), nodeid, max_write);
        Ok(OpenFile { fd: opened.fd, pages, identity: opened.identity })
    }

    /// Wakes who polls the file that gave `kh` last.
    ///
    /// # Errors
    /// `ENODEV`: the mount is gone.
    pub fn wake(&self, kh: u64) -> io::Result<()> {
        self.notifier.poll_wakeup(kh)
    }
}

impl fmt::Debug for Mount {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Mount").field("passthrough", &self.passthrough).finish_non_exhaustive()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.opener = None;
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

fn errno(error: io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}
