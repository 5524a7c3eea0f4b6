//! Files that the kernel passes reads, writes and mappings through to.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Weak};

use crate::connection::Connection;
use crate::kind::Fuse;
use crate::session::Session;

/// A file registered with the kernel. Dropping takes it back; open files that use it go on.
pub struct BackingId {
    connection: Weak<Connection>,
    id: i32,
}

impl BackingId {
    pub(crate) fn id(&self) -> i32 {
        self.id
    }
}

impl Session<Fuse> {
    /// Registers `file`, for [`OpenReply::passthrough`](crate::OpenReply::passthrough). Memfds and regular files will do;
    /// one id per inode as long as it is open. Needs [`InitFlags::PASSTHROUGH`](crate::InitFlags::PASSTHROUGH).
    ///
    /// # Errors
    /// `EPERM`: no `CAP_SYS_ADMIN`, or passthrough was not agreed on. `EINVAL`, `EOPNOTSUPP`: not a file of a kind that can be passed
    /// through to. `ELOOP`: it lies too deep in stacked file systems. `ENOTTY`: Linux before 6.9.
    pub fn backing(&self, file: impl AsFd) -> io::Result<BackingId> {
        let connection = self.connection();
        let id = connection.channel().backing_open(file.as_fd())?;
        Ok(BackingId { connection: Arc::downgrade(connection), id })
    }
}

impl Drop for BackingId {
    fn drop(&mut self) {
        // Without a connection, the kernel has taken all of its ids back.
        let Some(connection) = self.connection.upgrade() else { return };
        if let Err(error) = connection.channel().backing_close(self.id) {
            tracing::debug!(id = self.id, "a backing id can't be taken back: {error}");
        }
    }
}

impl fmt::Debug for BackingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BackingId").field(&self.id).finish()
    }
}
