//! `FUSE_SETATTR`: `chmod`, `chown`, `truncate`, `utimens`.

use std::time::Duration;

use crate::abi;
use crate::error::Malformed;
use crate::message::Body;

/// What is to be changed of the node `header.nodeid`. What is `None` stays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Setattr {
    /// The open file, where one is named (`ftruncate`).
    pub fh: Option<u64>,
    /// The permission bits.
    pub mode: Option<u32>,
    /// The owner.
    pub uid: Option<u32>,
    /// The group.
    pub gid: Option<u32>,
    /// The length in bytes.
    pub size: Option<u64>,
    /// When it was last read.
    pub atime: Option<Time>,
    /// When it was last written.
    pub mtime: Option<Time>,
}

/// A time to be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// The moment of the change.
    Now,
    /// A time since the epoch; earlier ones are the epoch.
    At(Duration),
}

impl Setattr {
    pub(crate) fn decode(mut body: Body<'_>) -> Result<Self, Malformed> {
        let raw: abi::fuse_setattr_in = body.next("fuse_setattr_in")?;
        let has = |bit| raw.valid & bit != 0;
        let time = |at: u32, now: u32, seconds: u64, nanoseconds: u32| match (has(at), has(now)) {
            (_, true) => Some(Time::Now),
            (true, false) => Some(Time::At(since_epoch(seconds, nanoseconds))),
            (false, false) => None,
        };
        Ok(Self {
            fh: has(abi::FATTR_FH).then_some(raw.fh),
            mode: has(abi::FATTR_MODE).then_some(raw.mode),
            uid: has(abi::FATTR_UID).then_some(raw.uid),
            gid: has(abi::FATTR_GID).then_some(raw.gid),
            size: has(abi::FATTR_SIZE).then_some(raw.size),
            atime: time(abi::FATTR_ATIME, abi::FATTR_ATIME_NOW, raw.atime, raw.atimensec),
            mtime: time(abi::FATTR_MTIME, abi::FATTR_MTIME_NOW, raw.mtime, raw.mtimensec),
        })
    }
}

/// The wire has seconds as a signed number in an unsigned field.
fn since_epoch(seconds: u64, nanoseconds: u32) -> Duration {
    match i64::try_from(seconds) {
        Ok(_) => {
            Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanoseconds.into()))
        }
        Err(_) => Duration::ZERO,
    }
}
