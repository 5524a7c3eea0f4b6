//! A file's page cache, from the daemon's side.

use std::fmt;
use std::io;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Weak};
use std::time::Duration;

use cuse_rs::{Errno, Fuse, Notifier};

use super::files::Files;
use crate::sys::memfd::page_size;

/// Bytes that are asked for at once: what the mount's `max_write` allows.
const PIECE: u64 = 128 << 10;

/// How long the kernel may take to answer: it waits for nobody's memory, but for the mount's thread.
const PATIENCE: Duration = Duration::from_secs(2);

/// Stores bytes into a file's page cache, and gets them back. After the file's release both fail with
/// `ENOENT`.
pub struct Pages {
    files: Weak<Files>,
    notifier: Notifier<Fuse>,
    nodeid: u64,
}

impl Pages {
    pub(super) fn new(files: &Arc<Files>, notifier: Notifier<Fuse>, nodeid: u64) -> Self {
        Self { files: Arc::downgrade(files), notifier, nodeid }
    }

    /// Puts bytes into the cache, whoever maps the file sees them at once. Not on the mount's thread:
    /// it waits for pages that are being read in.
    ///
    /// # Errors
    /// `ENOENT` and `ENODEV` when the file or the mount is gone; `ENOMEM`.
    pub fn store(&self, offset: u64, bytes: &[u8]) -> Result<(), Errno> {
        self.notifier.store(self.nodeid, offset, bytes).map_err(errno)
    }

    /// Hands all that is cached of `len` bytes at `offset` to `sink`, piece by piece (offset, bytes),
    /// in ascending order. What was never touched is not cached, and left out. Not on the mount's
    /// thread, which brings the answer.
    ///
    /// # Errors
    /// As [`Self::store`]; `ETIMEDOUT` without an answer within two seconds.
    pub fn retrieve(
        &self,
        offset: u64,
        len: u64,
        mut sink: impl FnMut(u64, &[u8]),
    ) -> Result<(), Errno> {
        let files = self.files.upgrade().ok_or(Errno::ENODEV)?;
        let (mut at, end) = (offset, offset.saturating_add(len));
        while at < end {
            let wanted = PIECE.min(end - at);
            let (sender, receiver) = sync_channel(1);
            let number = files.ask(sender);
            let size = u32::try_from(wanted).unwrap_or(0);
            let asked = self.notifier.retrieve(number, self.nodeid, at, size);
            if let Err(error) = asked {
                files.forget_question(number);
                return Err(errno(error));
            }
            let Ok(bytes) = receiver.recv_timeout(PATIENCE) else {
                files.forget_question(number);
                return Err(Errno::ETIMEDOUT);
            };
            sink(at, &bytes);
            let came = bytes.len() as u64;
            // It ends at the first page that is not cached: on behind that.
            let step = if came < wanted { came + page_size() as u64 } else { came };
            at = at.saturating_add(step);
        }
        Ok(())
    }
}

fn errno(error: io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

impl fmt::Debug for Pages {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Pages").field("nodeid", &self.nodeid).finish_non_exhaustive()
    }
}
