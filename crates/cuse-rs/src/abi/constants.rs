//! The numbers of `<linux/fuse.h>`, in the kernel's spelling.

macro_rules! constants {
    ($($name:ident: $type:ty = $value:expr;)*) => {
        $(
            #[doc = concat!("`", stringify!($name), "`.")]
            pub const $name: $type = $value;
        )*

        /// Every number of this module by its name.
        #[expect(trivial_numeric_casts, reason = "one table for numbers of several types")]
        pub const CONSTANTS: &[(&str, u64)] = &[$((stringify!($name), $name as u64),)*];
    };
}

constants! {
    FUSE_KERNEL_VERSION: u32 = 7;
    FUSE_ROOT_ID: u64 = 1;
    FUSE_MIN_READ_BUFFER: usize = 8192;
    CUSE_INIT_INFO_MAX: usize = 4096;
    FUSE_IOCTL_MAX_IOV: usize = 256;

    FUSE_LOOKUP: u32 = 1;
    FUSE_FORGET: u32 = 2;
    FUSE_GETATTR: u32 = 3;
    FUSE_SETATTR: u32 = 4;
    FUSE_OPEN: u32 = 14;
    FUSE_READ: u32 = 15;
    FUSE_WRITE: u32 = 16;
    FUSE_STATFS: u32 = 17;
    FUSE_RELEASE: u32 = 18;
    FUSE_FSYNC: u32 = 20;
    FUSE_FLUSH: u32 = 25;
    FUSE_INIT: u32 = 26;
    FUSE_OPENDIR: u32 = 27;
    FUSE_READDIR: u32 = 28;
    FUSE_RELEASEDIR: u32 = 29;
    FUSE_INTERRUPT: u32 = 36;
    FUSE_DESTROY: u32 = 38;
    FUSE_IOCTL: u32 = 39;
    FUSE_POLL: u32 = 40;
    FUSE_NOTIFY_REPLY: u32 = 41;
    FUSE_BATCH_FORGET: u32 = 42;
    FUSE_FALLOCATE: u32 = 43;
    FUSE_LSEEK: u32 = 46;
    CUSE_INIT: u32 = 4096;

    FUSE_NOTIFY_POLL: i32 = 1;
    FUSE_NOTIFY_INVAL_INODE: i32 = 2;
    FUSE_NOTIFY_INVAL_ENTRY: i32 = 3;
    FUSE_NOTIFY_STORE: i32 = 4;
    FUSE_NOTIFY_RETRIEVE: i32 = 5;
    FUSE_NOTIFY_DELETE: i32 = 6;

    FATTR_MODE: u32 = 1 << 0;
    FATTR_UID: u32 = 1 << 1;
    FATTR_GID: u32 = 1 << 2;
    FATTR_SIZE: u32 = 1 << 3;
    FATTR_ATIME: u32 = 1 << 4;
    FATTR_MTIME: u32 = 1 << 5;
    FATTR_FH: u32 = 1 << 6;
    FATTR_ATIME_NOW: u32 = 1 << 7;
    FATTR_MTIME_NOW: u32 = 1 << 8;
    FATTR_LOCKOWNER: u32 = 1 << 9;
    FATTR_CTIME: u32 = 1 << 10;
    FATTR_KILL_SUIDGID: u32 = 1 << 11;

    FOPEN_DIRECT_IO: u32 = 1 << 0;
    FOPEN_KEEP_CACHE: u32 = 1 << 1;
    FOPEN_NONSEEKABLE: u32 = 1 << 2;
    FOPEN_CACHE_DIR: u32 = 1 << 3;
    FOPEN_STREAM: u32 = 1 << 4;
    FOPEN_NOFLUSH: u32 = 1 << 5;
    FOPEN_PARALLEL_DIRECT_WRITES: u32 = 1 << 6;
    FOPEN_PASSTHROUGH: u32 = 1 << 7;

    FUSE_ASYNC_READ: u64 = 1 << 0;
    FUSE_ATOMIC_O_TRUNC: u64 = 1 << 3;
    FUSE_AUTO_INVAL_DATA: u64 = 1 << 12;
    FUSE_WRITEBACK_CACHE: u64 = 1 << 16;
    FUSE_PARALLEL_DIROPS: u64 = 1 << 18;
    FUSE_ABORT_ERROR: u64 = 1 << 21;
    FUSE_MAX_PAGES: u64 = 1 << 22;
    FUSE_EXPLICIT_INVAL_DATA: u64 = 1 << 25;
    FUSE_INIT_EXT: u64 = 1 << 30;
    FUSE_DIRECT_IO_ALLOW_MMAP: u64 = 1 << 36;
    FUSE_PASSTHROUGH: u64 = 1 << 37;
    FUSE_NO_EXPORT_SUPPORT: u64 = 1 << 38;

    CUSE_UNRESTRICTED_IOCTL: u32 = 1 << 0;

    FUSE_RELEASE_FLUSH: u32 = 1 << 0;
    FUSE_RELEASE_FLOCK_UNLOCK: u32 = 1 << 1;
    FUSE_GETATTR_FH: u32 = 1 << 0;
    FUSE_WRITE_CACHE: u32 = 1 << 0;
    FUSE_WRITE_LOCKOWNER: u32 = 1 << 1;
    FUSE_WRITE_KILL_SUIDGID: u32 = 1 << 2;
    FUSE_READ_LOCKOWNER: u32 = 1 << 1;
    FUSE_IOCTL_COMPAT: u32 = 1 << 0;
    FUSE_IOCTL_UNRESTRICTED: u32 = 1 << 1;
    FUSE_IOCTL_RETRY: u32 = 1 << 2;
    FUSE_IOCTL_32BIT: u32 = 1 << 3;
    FUSE_IOCTL_DIR: u32 = 1 << 4;
    FUSE_IOCTL_COMPAT_X32: u32 = 1 << 5;
    FUSE_POLL_SCHEDULE_NOTIFY: u32 = 1 << 0;
    FUSE_FSYNC_FDATASYNC: u32 = 1 << 0;
    FUSE_EXPIRE_ONLY: u32 = 1 << 0;
    FUSE_DEV_IOC_BACKING_OPEN: u64 = nix::request_code_write!(229, 1, size_of::<super::fuse_backing_map>());
    FUSE_DEV_IOC_BACKING_CLOSE: u64 = nix::request_code_write!(229, 2, size_of::<u32>());
}
