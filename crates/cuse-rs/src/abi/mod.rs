//! The wire as `<linux/fuse.h>` has it: plain structures and numbers, in the kernel's spelling and in
//! the machine's byte order. `tests/layout.rs` lays them beside the newest header.

mod constants;
mod structs;

pub use constants::*;
pub use structs::*;

/// The newest minor version of protocol 7 that this crate was written for.
pub const NEWEST_MINOR: u32 = 45;

/// The oldest minor version that is served: Linux 5.4. Older ones lay out some structures otherwise.
pub const OLDEST_MINOR: u32 = 31;

/// The kernel's name of an opcode, for messages.
#[must_use]
pub fn opcode_name(opcode: u32) -> &'static str {
    let named = OPCODES.iter().find(|(number, _)| *number == opcode);
    named.map_or("an unknown opcode", |(_, name)| name)
}

macro_rules! opcodes {
    ($($name:ident)*) => {
        const OPCODES: &[(u32, &str)] = &[$(($name, stringify!($name)),)*];
    };
}

opcodes! {
    FUSE_LOOKUP FUSE_FORGET FUSE_GETATTR FUSE_SETATTR FUSE_OPEN FUSE_READ FUSE_WRITE FUSE_STATFS
    FUSE_RELEASE FUSE_FSYNC FUSE_FLUSH FUSE_INIT FUSE_OPENDIR FUSE_READDIR FUSE_RELEASEDIR
    FUSE_INTERRUPT FUSE_DESTROY FUSE_IOCTL FUSE_POLL FUSE_NOTIFY_REPLY FUSE_BATCH_FORGET
    FUSE_FALLOCATE FUSE_LSEEK CUSE_INIT
}
