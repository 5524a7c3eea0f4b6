//! The CUSE and FUSE wire protocol.
