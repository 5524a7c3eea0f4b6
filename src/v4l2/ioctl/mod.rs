//! What the core does around each ioctl: one file per group.
