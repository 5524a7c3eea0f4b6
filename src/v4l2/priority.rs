//! Priorities: who may change a device while others use it (`struct v4l2_prio_state`).

use nix::errno::Errno;

use super::FileId;
use super::uapi::*;

/// The priorities of a device's open files.
#[derive(Debug, Clone, Default)]
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
        self.close(file);
        self.files.push((file, V4L2_PRIORITY_INTERACTIVE));
    }

    /// A file was closed.
    pub fn close(&mut self, file: FileId) {
        self.files.retain(|(other, _)| *other != file);
    }

    /// `VIDIOC_G_PRIORITY`: the highest of all; `V4L2_PRIORITY_UNSET` when there are no files.
    pub fn max(&self) -> u32 {
        self.files.iter().map(|(_, value)| *value).max().unwrap_or(V4L2_PRIORITY_UNSET)
    }

    /// Whether the file may make changes.
    ///
    /// # Errors
    /// `EBUSY`: another has a higher priority.
    pub fn check(&self, file: FileId) -> Result<(), Errno> {
        if self.of(file) < self.max() { Err(Errno::EBUSY) } else { Ok(()) }
    }

    /// `VIDIOC_S_PRIORITY`.
    ///
    /// # Errors
    /// `EINVAL` for what is no priority.
    pub fn change(&mut self, file: FileId, priority: u32) -> Result<(), Errno> {
        if !(V4L2_PRIORITY_BACKGROUND..=V4L2_PRIORITY_RECORD).contains(&priority) {
            return Err(Errno::EINVAL);
        }
        match self.files.iter_mut().find(|(other, _)| *other == file) {
            Some((_, value)) => *value = priority,
            None => self.files.push((file, priority)),
        }
        Ok(())
    }

    fn of(&self, file: FileId) -> u32 {
        let found = self.files.iter().find(|(other, _)| *other == file);
        found.map_or(V4L2_PRIORITY_INTERACTIVE, |(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: FileId = FileId(1);
    const B: FileId = FileId(2);

    #[test]
    fn who_has_less_than_another_may_not_change() {
        let mut priority = Priority::new();
        assert_eq!(priority.max(), V4L2_PRIORITY_UNSET);
        priority.open(A);
        priority.open(B);
        assert_eq!(priority.max(), V4L2_PRIORITY_INTERACTIVE);
        assert_eq!(priority.change(B, V4L2_PRIORITY_RECORD), Ok(()));
        assert_eq!(priority.check(A), Err(Errno::EBUSY));
        assert_eq!(priority.check(B), Ok(()));
        for wrong in [0, 4, 42, u32::MAX] {
            assert_eq!(priority.change(B, wrong), Err(Errno::EINVAL), "{wrong}");
        }
        priority.close(B);
        assert_eq!(priority.check(A), Ok(()));
    }
}
