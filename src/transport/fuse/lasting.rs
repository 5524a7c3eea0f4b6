//! A private mount that is there whenever it is wanted.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cuse_rs::Errno;

use super::{Content, Mount, MountError, OpenFile, Served};

/// A mount, and a new one after the administrator has ended that
/// (`/sys/fs/fuse/connections/<minor>/abort`). Files of the one that has ended are lost to the
/// programs that have them, whose calls give `ENOTCONN`; they open the node again.
#[derive(Debug)]
pub struct LastingMount {
    current: Mutex<Arc<Mount>>,
    passthrough: bool,
}

impl LastingMount {
    /// Makes the first.
    ///
    /// # Errors
    /// See [`MountError`].
    pub fn start() -> Result<Self, MountError> {
        let mount = Mount::start()?;
        let passthrough = mount.has_passthrough();
        Ok(Self { current: Mutex::new(mount), passthrough })
    }

    /// As [`Mount::has_passthrough`].
    #[must_use]
    pub fn has_passthrough(&self) -> bool {
        self.passthrough
    }

    /// As [`Mount::open`], of the present mount, or of a new one where that has ended.
    ///
    /// # Errors
    /// Those of [`Mount::open`]; `ENODEV` where no new mount can be made.
    pub fn open(
        &self,
        served: Arc<dyn Served>,
        content: Content,
        flags: u32,
    ) -> Result<OpenFile, Errno> {
        self.live()?.open(served, content, flags)
    }

    /// As [`Mount::wake`]. A number of a mount that has ended wakes nobody, or somebody who then asks
    /// in vain.
    ///
    /// # Errors
    /// `ENODEV`: the mount is gone.
    pub fn wake(&self, kh: u64) -> io::Result<()> {
        let mount = Arc::clone(&self.lock());
        mount.wake(kh)
    }

    fn live(&self) -> Result<Arc<Mount>, Errno> {
        let mut current = self.lock();
        if !current.has_ended() {
            return Ok(Arc::clone(&current));
        }
        let next = Mount::start().map_err(|error| {
            tracing::error!("the private mount was ended, and there is no new one: {error}");
            Errno::ENODEV
        })?;
        tracing::warn!("the private mount was ended from outside: there is a new one now");
        let ended = std::mem::replace(&mut *current, Arc::clone(&next));
        drop(current);
        drop(ended); // without the lock: it waits for its thread
        Ok(next)
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Mount>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
