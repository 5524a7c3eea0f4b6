//! shrbuf: shared video buffers in user space, and the bench they are tried on.
//!
//! What stands here today is [`sandbox`], a throw-away Linux on this machine's own files, in
//! which programs meet kernels and drivers that the machine itself does not have.

pub mod sandbox;
pub mod sys;
