//! What an export is that can neither be read nor mapped: a file of the plane's length without memory.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::export::{Access, ExportFlags};
use crate::sys::fdinfo::FileKey;
use crate::sys::memfd::Memfd;

/// One plane's. The file is made when it is asked for, which is next to never.
#[derive(Debug, Default)]
pub(super) struct Token(Mutex<Option<(Memfd, FileKey)>>);

impl Token {
    fn lock(&self) -> MutexGuard<'_, Option<(Memfd, FileKey)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A descriptor for writing only. Access mode 3 gets one, too: that can't be mapped either, but a
    /// lease sees it, while it would not see a file opened with 3.
    pub(super) fn export(&self, len: usize, cloexec: bool) -> io::Result<OwnedFd> {
        let flags = ExportFlags { access: Access::WriteOnly, cloexec }.open_flags();
        let mut token = self.lock();
        let (file, _) = match &*token {
            Some(made) => made,
            None => {
                let file = Memfd::token(len)?;
                let key = FileKey::own(file.own())?;
                token.insert((file, key))
            }
        };
        file.reopen(flags)
    }

    /// Whether nobody else has a descriptor of it.
    pub(super) fn alone(&self) -> io::Result<bool> {
        self.lock().as_ref().map_or(Ok(true), |(file, _)| file.alone())
    }

    /// The file, if there is one.
    pub(super) fn key(&self) -> Option<FileKey> {
        self.lock().as_ref().map(|(_, key)| *key)
    }
}
