//! Whether a session is a character device or a file system.

/// [`Cuse`] or [`Fuse`].
pub trait Kind: sealed::Sealed + Send + Sync + 'static {
    /// The device node that such a session is served through.
    const PATH: &'static str;
    /// The kernel module behind it.
    const MODULE: &'static str;
}

/// A character device in user space: one session is one node in `/dev`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cuse {}

/// A file system in user space: one session is one mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fuse {}

impl Kind for Cuse {
    const PATH: &'static str = "/dev/cuse";
    const MODULE: &'static str = "cuse";
}

impl Kind for Fuse {
    const PATH: &'static str = "/dev/fuse";
    const MODULE: &'static str = "fuse";
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Cuse {}
    impl Sealed for super::Fuse {}
}
