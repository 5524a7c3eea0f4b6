//! `FUSE_INIT`: the kernel's first message in a file system, and what both agree on.

use crate::abi;
use crate::error::Malformed;
use crate::flags::flags;
use crate::message::Body;

use super::cuse_init::MOST_DATA;

flags! {
    /// What both sides of a file system agree on.
    InitFlags: u64 {
        /// Several reads of one file at once: asked for always, since several threads may serve.
        ASYNC_READ = abi::FUSE_ASYNC_READ;
        /// Several lookups in one folder at once: asked for always, for the same reason.
        PARALLEL_DIROPS = abi::FUSE_PARALLEL_DIROPS;
        /// Requests of more than 128 KiB: asked for where [`FuseConfig::max_write`] is more.
        MAX_PAGES = abi::FUSE_MAX_PAGES;
        /// Cached bytes are dropped only when [`Notifier`](crate::Notifier) says so, and not when
        /// the length or a time changes: for files whose bytes are put into the cache by `store`.
        EXPLICIT_INVAL_DATA = abi::FUSE_EXPLICIT_INVAL_DATA;
        /// The flags beyond bit 31 count: asked for always, since some of them may be wanted.
        INIT_EXT = abi::FUSE_INIT_EXT;
        /// Shared mappings of files opened with `DIRECT_IO` (Linux 6.6).
        DIRECT_IO_ALLOW_MMAP = abi::FUSE_DIRECT_IO_ALLOW_MMAP;
        /// Open files that the kernel passes through to another file (Linux 6.9).
        PASSTHROUGH = abi::FUSE_PASSTHROUGH;
    }
}

/// Asked for in every session.
const ALWAYS: InitFlags =
    InitFlags(InitFlags::ASYNC_READ.0 | InitFlags::PARALLEL_DIROPS.0 | InitFlags::INIT_EXT.0);

/// The longest request of a file system: 256 pages (`FUSE_MAX_MAX_PAGES`).
const MOST_OF_ALL: u32 = 1024 * 1024;

/// The file system that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FuseConfig {
    /// The longest `write` in one request, and `retrieve`, in bytes: 4096 to 1048576.
    /// [`Session::max_write`](crate::Session::max_write) says what came of it: kernels before
    /// Linux 4.20 have 131072 at most.
    pub max_write: u32,
    /// How far the kernel may read ahead, in bytes.
    pub max_readahead: u32,
    /// What is wanted besides what always is; [`Session::flags`](crate::Session::flags) says what
    /// came of it.
    pub flags: InitFlags,
}

impl Default for FuseConfig {
    fn default() -> Self {
        Self { max_write: MOST_DATA, max_readahead: MOST_DATA, flags: InitFlags::NONE }
    }
}

impl FuseConfig {
    /// The answer, and what is agreed on.
    pub(crate) fn answer(&self, init: &Init) -> (abi::fuse_init_out, InitFlags) {
        let long = self.max_write > MOST_DATA;
        let wanted = if long { self.flags | InitFlags::MAX_PAGES } else { self.flags };
        let agreed = (wanted | ALWAYS) & init.flags;
        let most = if agreed.contains(InitFlags::MAX_PAGES) { MOST_OF_ALL } else { MOST_DATA };
        let max_write = self.max_write.min(most);
        // Counted in the smallest pages there are: larger ones hold more.
        let max_pages = if long { u16::try_from(max_write.div_ceil(4096)).unwrap_or(0) } else { 0 };
        let [low, high] = [agreed.bits() & 0xffff_ffff, agreed.bits() >> 32]
            .map(|half| u32::try_from(half).unwrap_or(0));
        let out = abi::fuse_init_out {
            major: abi::FUSE_KERNEL_VERSION,
            minor: init.minor,
            max_readahead: self.max_readahead.min(init.max_readahead),
            flags: low,
            flags2: high,
            max_write,
            time_gran: 1,
            max_pages,
            // The backing file may itself lie on a stacked file system: one level. The kernel then
            // refuses to stack another one on ours.
            max_stack_depth: u32::from(agreed.contains(InitFlags::PASSTHROUGH)),
            ..Default::default()
        };
        (out, agreed)
    }
}

/// What the kernel says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Init {
    /// The minor version that both know.
    pub(crate) minor: u32,
    pub(crate) max_readahead: u32,
    pub(crate) flags: InitFlags,
}

impl Init {
    pub(crate) fn decode(mut body: Body<'_>) -> Result<Self, Malformed> {
        let raw: abi::fuse_init_in = body.next("fuse_init_in")?;
        let extended = u64::from(raw.flags) & abi::FUSE_INIT_EXT != 0;
        let high = if extended { u64::from(raw.flags2) << 32 } else { 0 };
        Ok(Self {
            minor: version(raw.major, raw.minor)?,
            max_readahead: raw.max_readahead,
            flags: InitFlags(u64::from(raw.flags) | high),
        })
    }
}

/// The minor version that both know.
pub(crate) fn version(major: u32, minor: u32) -> Result<u32, Malformed> {
    if major != abi::FUSE_KERNEL_VERSION || minor < abi::OLDEST_MINOR {
        return Err(Malformed::Version { major, minor });
    }
    Ok(minor.min(abi::NEWEST_MINOR))
}
