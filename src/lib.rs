//! shrbuf: shared video buffers in user space, and the bench they are tried on.

/// A step at which a build with the feature `faults` may be told to kill somebody
/// (`src/sys/fault.rs`); in every other build it is nothing.
macro_rules! fault {
    ($step:literal) => {{
        #[cfg(feature = "faults")]
        $crate::sys::fault::point($step);
    }};
}

pub mod courier;
pub mod daemon;
pub mod device;
pub mod sandbox;
pub mod shrbuf;
pub mod sys;
pub mod transport;
pub mod v4l2;
