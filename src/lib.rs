//! shrbuf: shared video buffers in user space, and the bench they are tried on.

pub mod courier;
pub mod daemon;
pub mod device;
pub mod sandbox;
pub mod shrbuf;
pub mod sys;
pub mod transport;
pub mod v4l2;
