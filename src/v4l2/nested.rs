//! What of the caller's memory and descriptors a call needs besides its argument.

use nix::errno::Errno;

/// An array in the caller's memory, to be read before the call and written after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nested {
    /// Where it lies in the caller's memory. It may be any number, 0 too.
    pub address: u64,
    /// Bytes; more than 0.
    pub len: usize,
}

/// What one plane of a buffer is to be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaneNeed {
    /// Nothing of the caller's.
    Nothing,
    /// The dma-buf that this descriptor of the caller's names.
    Descriptor(i32),
    /// The caller's own memory.
    Memory {
        /// Its address.
        address: u64,
        /// Bytes that the caller promises.
        length: u64,
        /// Bytes that the caller says are used (output; 0: all).
        bytesused: u64,
    },
}

/// What the planes of a `QBUF` or `PREPARE_BUF` need, by plane; empty for every other call.
pub type Needs = Vec<PlaneNeed>;

/// Whether the call comes with an array in the caller's memory. Asked before [`dispatch`].
///
/// # Errors
/// `EINVAL` for more than `VIDEO_MAX_PLANES` planes or `V4L2_CID_MAX_CTRLS` controls, whatever
/// else is wrong. A bad address shows when it is read: `EFAULT`.
///
/// [`dispatch`]: super::dispatch
pub fn nested(cmd: u32, arg: &[u8]) -> Result<Option<Nested>, Errno> {
    let _ = (cmd, arg);
    todo!()
}

/// Which descriptors and memory a call names. Asked before [`dispatch`](super::dispatch), with
/// the nested array already read.
pub fn needs(cmd: u32, arg: &[u8], nested: &[u8]) -> Needs {
    let _ = (cmd, arg, nested);
    todo!()
}
