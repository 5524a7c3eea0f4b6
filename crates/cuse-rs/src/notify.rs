//! What is told to the kernel unasked.

use std::fmt;
use std::io::{self, IoSlice};
use std::marker::PhantomData;
use std::sync::{Arc, Weak};

use zerocopy::IntoBytes;

use crate::abi;
use crate::connection::Connection;
use crate::kind::{Fuse, Kind};

/// Tells the kernel news of a session. Any thread may use it, at any time, with one exception:
/// `inval_*`, `store` and `retrieve` wait for pages that are being read, so who answers `READ` must
/// not call them before the answer. It does not keep the session alive.
pub struct Notifier<K> {
    connection: Weak<Connection>,
    kind: PhantomData<fn() -> K>,
}

impl<K: Kind> Notifier<K> {
    pub(crate) fn new(connection: &Arc<Connection>) -> Self {
        Self { connection: Arc::downgrade(connection), kind: PhantomData }
    }

    /// Wakes who polls the open file that gave `kh` in its newest `POLL`; they ask again. No error
    /// if nobody does.
    ///
    /// # Errors
    /// `ENODEV`: the session is gone. (One that the kernel has ended and nobody has dropped may take
    /// it in silence.)
    pub fn poll_wakeup(&self, kh: u64) -> io::Result<()> {
        Waker { connection: Weak::clone(&self.connection), kh }.wake()
    }

    fn notify(&self, code: i32, parts: &[&[u8]]) -> io::Result<()> {
        notify(&self.connection, code, parts)
    }
}

fn notify(connection: &Weak<Connection>, code: i32, parts: &[&[u8]]) -> io::Result<()> {
    let parts: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
    let over = || io::Error::from_raw_os_error(libc::ENODEV);
    let connection = connection.upgrade().ok_or_else(over)?;
    // A message with the number 0 answers nothing; its error field says what it is.
    connection.send(0, code, &parts)
}

/// Who polls an open file, of whatever kind of session; from
/// [`PollReply::waker`](crate::PollReply::waker). It does not keep the session alive.
#[derive(Clone)]
pub struct Waker {
    connection: Weak<Connection>,
    kh: u64,
}

impl Waker {
    pub(crate) fn new(connection: &Arc<Connection>, kh: u64) -> Self {
        Self { connection: Arc::downgrade(connection), kh }
    }

    /// Wakes them; they ask again. No error if nobody polls any more.
    ///
    /// # Errors
    /// As [`Notifier::poll_wakeup`].
    pub fn wake(&self) -> io::Result<()> {
        let out = abi::fuse_notify_poll_wakeup_out { kh: self.kh };
        notify(&self.connection, abi::FUSE_NOTIFY_POLL, &[out.as_bytes()])
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waker").field("kh", &self.kh).finish_non_exhaustive()
    }
}

impl Notifier<Fuse> {
    /// What is cached of a node's attributes is not valid any more, nor are its bytes from `offset`
    /// on: `len` of them, or all for 0. A negative `offset` spares the bytes.
    ///
    /// # Errors
    /// `ENOENT`: the kernel doesn't know the node. `ENODEV`: the connection is over.
    pub fn inval_inode(&self, nodeid: u64, offset: i64, len: i64) -> io::Result<()> {
        let out = abi::fuse_notify_inval_inode_out { ino: nodeid, off: offset, len };
        self.notify(abi::FUSE_NOTIFY_INVAL_INODE, &[out.as_bytes()])
    }

    /// What is cached of a name in the folder `parent` is not valid any more.
    ///
    /// # Errors
    /// `ENOENT`: the kernel doesn't know the folder or the name. `ENAMETOOLONG`. `ENODEV`: the
    /// connection is over.
    pub fn inval_entry(&self, parent: u64, name: &[u8]) -> io::Result<()> {
        let namelen = length(name, libc::ENAMETOOLONG)?;
        let out = abi::fuse_notify_inval_entry_out { parent, namelen, flags: 0 };
        self.notify(abi::FUSE_NOTIFY_INVAL_ENTRY, &[out.as_bytes(), name, b"\0"])
    }

    /// Puts bytes into the page cache of a node. The file grows if they lie beyond its end.
    ///
    /// # Errors
    /// `ENOENT`: the kernel doesn't know the node. `ENOMEM`. `ENODEV`: the connection is over.
    pub fn store(&self, nodeid: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let size = length(bytes, libc::EFBIG)?;
        let out = abi::fuse_notify_store_out { nodeid, offset, size, padding: 0 };
        self.notify(abi::FUSE_NOTIFY_STORE, &[out.as_bytes(), bytes])
    }

    /// Asks for bytes in the page cache of a node. They come to
    /// [`FileSystem::retrieved`](crate::FileSystem::retrieved) under `notify_unique`, a number of
    /// the caller's choice; at most `max_write` of them.
    ///
    /// # Errors
    /// `ENOENT`: the kernel doesn't know the node. `ENODEV`: the connection is over.
    pub fn retrieve(
        &self,
        notify_unique: u64,
        nodeid: u64,
        offset: u64,
        size: u32,
    ) -> io::Result<()> {
        let out = abi::fuse_notify_retrieve_out { notify_unique, nodeid, offset, size, padding: 0 };
        self.notify(abi::FUSE_NOTIFY_RETRIEVE, &[out.as_bytes()])
    }
}

fn length(bytes: &[u8], errno: i32) -> io::Result<u32> {
    u32::try_from(bytes.len()).map_err(|_| io::Error::from_raw_os_error(errno))
}

impl<K> Clone for Notifier<K> {
    fn clone(&self) -> Self {
        Self { connection: Weak::clone(&self.connection), kind: PhantomData }
    }
}

impl<K> fmt::Debug for Notifier<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").finish_non_exhaustive()
    }
}
