//! Priorities: who may change a device while others use it (`struct v4l2_prio_state`).

use nix::errno::Errno;

use super::FileId;

/// The priorities of a device's open files.
#[derive(Debug, Default)]
pub struct Priority {
    files: Vec<(FileId, u32)>,
}

impl Priority {
    /// No files.
    pub fn new() -> Self {
        Self::default()
    }

    /// A file was opened: it has `V4L2_PRIORITY_DEFAULT` (interactive).
    pub fn open(&mut self, file: FileId) {
        let _ = file;
        todo!()
    }

    /// A file was closed.
    pub fn close(&mut self, file: FileId) {
        let _ = file;
        todo!()
    }

    /// `VIDIOC_G_PRIORITY`: the highest of all; `V4L2_PRIORITY_UNSET` when there are no files.
    pub fn max(&self) -> u32 {
        todo!()
    }

    /// Whether the file may make changes.
    ///
    /// # Errors
    /// `EBUSY`: another has a higher priority.
    pub fn check(&self, file: FileId) -> Result<(), Errno> {
        let _ = file;
        todo!()
    }

    /// `VIDIOC_S_PRIORITY`.
    ///
    /// # Errors
    /// `EINVAL` for what is no priority.
    pub fn change(&mut self, file: FileId, priority: u32) -> Result<(), Errno> {
        let _ = (file, priority);
        todo!()
    }
}
