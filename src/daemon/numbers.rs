//! Which `videoN` are free.

use std::fs;
use std::path::{Path, PathBuf};

/// The first number that is taken without being asked for. The kernel's own video devices stay
/// below: `videobuf2` drivers have 256 minors.
pub const FIRST: u32 = 256;

/// Numbers below this are the ones that browsers look at, and the ones that a webcam plugged in
/// later gets.
pub const SCANNED_BY_BROWSERS: u32 = 64;

/// Looks for video devices of whatever kind.
#[derive(Debug, Clone)]
pub struct Numbers {
    dev: PathBuf,
    classes: [PathBuf; 2],
}

impl Numbers {
    /// Of the machine whose files are below `root` (`/`, or a test's folder).
    #[must_use]
    pub fn below(root: &Path) -> Self {
        let class = |name| root.join("sys/class").join(name);
        Self { dev: root.join("dev"), classes: [class("cuse"), class("video4linux")] }
    }

    /// Says whose a number is, if it is somebody's.
    #[must_use]
    pub fn owner(&self, number: u32) -> Option<String> {
        let name = format!("video{number}");
        let [cuse, kernel] = &self.classes;
        let there = |folder: &Path| folder.join(&name).symlink_metadata().is_ok();
        if there(kernel) {
            let card = fs::read_to_string(kernel.join(&name).join("name")).unwrap_or_default();
            return Some(format!("/dev/{name} is a device of the kernel's ({})", card.trim()));
        }
        if there(cuse) {
            return Some(format!("/dev/{name} is a CUSE device that is there already"));
        }
        there(&self.dev).then(|| format!("/dev/{name} is there already"))
    }

    /// The first free number from [`FIRST`] up that is not in `taken`.
    #[must_use]
    pub fn first_free(&self, taken: &[u32]) -> Option<u32> {
        (FIRST..=u32::MAX).find(|number| !taken.contains(number) && self.owner(*number).is_none())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "this is test code")]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_free_where_no_class_and_no_node_has_it() {
        let root = tempfile::tempdir().unwrap();
        for path in ["dev", "sys/class/cuse/video257", "sys/class/video4linux/video258"] {
            fs::create_dir_all(root.path().join(path)).unwrap();
        }
        fs::write(root.path().join("dev/video256"), "").unwrap();
        fs::write(root.path().join("sys/class/video4linux/video258/name"), "Integrated\n").unwrap();
        let numbers = Numbers::below(root.path());
        assert_eq!(numbers.first_free(&[]), Some(259));
        assert_eq!(numbers.first_free(&[259, 260]), Some(261));
        assert_eq!(numbers.owner(259), None);
        assert!(numbers.owner(258).unwrap().contains("Integrated"));
        assert!(numbers.owner(257).unwrap().contains("CUSE"));
    }
}
