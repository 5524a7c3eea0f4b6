//! Whether nodes can be made here: `/dev/cuse`.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;

/// What `/dev/cuse` is to this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cuse {
    /// It can be opened.
    Usable,
    /// It is not there, or nothing in the kernel stands behind it.
    Missing,
    /// Somebody else may.
    Forbidden,
    /// Another problem, in the system's words.
    Broken(String),
}

/// Where it is.
pub const DEVICE: &str = "/dev/cuse";

impl Cuse {
    /// Looks, by opening it: that also loads the module where the kernel can do so by itself.
    #[must_use]
    pub fn look(device: &Path) -> Self {
        match OpenOptions::new().read(true).write(true).open(device) {
            Ok(_) => Self::Usable,
            Err(error) => match (error.kind(), error.raw_os_error()) {
                (ErrorKind::NotFound, _) | (_, Some(libc::ENXIO | libc::ENODEV)) => Self::Missing,
                (ErrorKind::PermissionDenied, _) => Self::Forbidden,
                _ => Self::Broken(error.to_string()),
            },
        }
    }

    /// Looks for whoever wants to make nodes: names in `/dev` are root's besides.
    #[must_use]
    pub fn for_nodes(device: &Path) -> Self {
        match Self::look(device) {
            Self::Usable if !nix::unistd::geteuid().is_root() => Self::Forbidden,
            other => other,
        }
    }

    /// What is wrong, for people; `None` where it is usable.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Usable => None,
            Self::Missing => Some(format!(
                "{DEVICE} is not there (`modprobe cuse` as root, if the kernel has it)"
            )),
            Self::Forbidden => Some("nodes in /dev are made by root only (use sudo)".into()),
            Self::Broken(why) => Some(format!("{DEVICE} can't be opened: {why}")),
        }
    }
}
