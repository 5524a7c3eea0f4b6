//! `FUSE_DESTROY`: the file system is unmounted, and nothing will be asked any more.
//!
//! It has no structure of its own; the answer is [`EmptyReply`](crate::EmptyReply), and the next read ends the session.
