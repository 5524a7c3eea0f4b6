//! `CUSE_INIT`: the kernel's first message in a character device, and the node that it then makes.

use crate::abi;
use crate::error::{Error, Malformed};
use crate::message::Body;

use super::init::version;

/// What `CUSE_INIT` may carry after its structure: `DEVNAME=`, the name, NUL.
const LONGEST_NAME: usize = 255; // NAME_MAX: devtmpfs makes a file of this name

/// Data of one `read` or `write`, in bytes: 32 pages, the most that the kernel sends in one request
/// of a character device (`FUSE_DEFAULT_MAX_PAGES_PER_REQ`). A greater number is no error and has no effect.
pub(crate) const MOST_DATA: u32 = 128 * 1024;

/// The character device that is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CuseConfig {
    /// The node's name in `/dev`.
    pub name: String,
    /// Its major and minor number; without, the kernel chooses.
    pub device: Option<(u32, u32)>,
    /// Every ioctl comes as a number and an address, and the handler fetches its argument by
    /// [`retry`](crate::IoctlReply::retry). Restricted (the default), the kernel copies what the
    /// command's own bits say, in one round trip, and answers `EFAULT` for a bad address.
    pub unrestricted_ioctl: bool,
    /// The longest `read` in one request, in bytes (4096 to 131072; longer ones come in pieces).
    pub max_read: u32,
    /// The longest `write` in one request, in bytes (4096 to 131072; longer ones come in pieces).
    pub max_write: u32,
}

impl CuseConfig {
    /// `/dev/NAME`, with numbers of the kernel's choice, restricted ioctls and the longest requests.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let (max_read, max_write) = (MOST_DATA, MOST_DATA);
        Self { name: name.into(), device: None, unrestricted_ioctl: false, max_read, max_write }
    }

    /// # Errors
    /// [`Error::Config`]: the name would not come out in `/dev` as it is.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let name = &self.name;
        let wrong = |what: &str| Err(Error::Config(format!("the device name {name:?} {what}")));
        if name.is_empty() || name == "." || name == ".." {
            return wrong("is no file name");
        }
        if name.len() > LONGEST_NAME {
            return wrong("is longer than 255 bytes");
        }
        if name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/' || c == '!') {
            return wrong("has a blank, a control character, '/' or '!' in it");
        }
        Ok(())
    }

    /// The answer: the structure, then the name as the kernel parses it.
    pub(crate) fn answer(&self, minor: u32) -> (abi::cuse_init_out, Vec<u8>) {
        let (dev_major, dev_minor) = self.device.unwrap_or((0, 0));
        let flags = if self.unrestricted_ioctl { abi::CUSE_UNRESTRICTED_IOCTL } else { 0 };
        let out = abi::cuse_init_out {
            major: abi::FUSE_KERNEL_VERSION,
            minor,
            flags,
            max_read: self.max_read,
            max_write: self.max_write,
            dev_major,
            dev_minor,
            ..Default::default()
        };
        (out, format!("DEVNAME={}\0", self.name).into_bytes())
    }
}

/// What the kernel says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CuseInit {
    /// The minor version that both know.
    pub(crate) minor: u32,
}

impl CuseInit {
    pub(crate) fn decode(mut body: Body<'_>) -> Result<Self, Malformed> {
        let raw: abi::cuse_init_in = body.next("cuse_init_in")?;
        Ok(Self { minor: version(raw.major, raw.minor)? })
    }
}
