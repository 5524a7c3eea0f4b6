//! The names of those who hold a buffer: a look through `/proc`, good for people, not for
//! decisions (it misses descriptors in flight, and is out of date at once).

/// How a process holds a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// By this descriptor.
    Descriptor(i32),
    /// By a mapping.
    Mapping,
}

/// One way in which one process holds a buffer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// Process id as this process sees it.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// Its name (`comm`), which it may choose itself: printable characters only.
    pub name: String,
    /// Descriptor or mapping.
    pub how: How,
}
