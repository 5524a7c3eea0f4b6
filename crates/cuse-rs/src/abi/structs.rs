//! The structures of `<linux/fuse.h>`, in the kernel's spelling.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// One structure of the wire as a table, to be laid beside the kernel's header.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// The structure's name.
    pub name: &'static str,
    /// Its size in bytes.
    pub size: usize,
    /// Name, offset and size of each field.
    pub fields: &'static [(&'static str, usize, usize)],
}

const fn size_of_field<S, F>(_: fn(&S) -> &F) -> usize {
    size_of::<F>()
}

macro_rules! wire {
    ($(struct $name:ident { $($field:ident: $type:ty,)* })*) => {
        $(
            #[doc = concat!("`struct ", stringify!($name), "`.")]
            #[repr(C)]
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
            #[expect(missing_docs, reason = "the kernel's header tells what each field means")]
            pub struct $name { $(pub $field: $type,)* }
        )*

        /// Every structure of this module.
        pub const STRUCTS: &[Layout] = &[$(Layout {
            name: stringify!($name),
            size: size_of::<$name>(),
            fields: &[$((
                stringify!($field),
                std::mem::offset_of!($name, $field),
                size_of_field(|it: &$name| &it.$field),
            ),)*],
        },)*];
    };
}

wire! {
    struct fuse_attr {
        ino: u64,
        size: u64,
        blocks: u64,
        atime: u64,
        mtime: u64,
        ctime: u64,
        atimensec: u32,
        mtimensec: u32,
        ctimensec: u32,
        mode: u32,
        nlink: u32,
        uid: u32,
        gid: u32,
        rdev: u32,
        blksize: u32,
        flags: u32,
    }
    struct fuse_kstatfs {
        blocks: u64,
        bfree: u64,
        bavail: u64,
        files: u64,
        ffree: u64,
        bsize: u32,
        namelen: u32,
        frsize: u32,
        padding: u32,
        spare: [u32; 6],
    }
    struct fuse_entry_out {
        nodeid: u64,
        generation: u64,
        entry_valid: u64,
        attr_valid: u64,
        entry_valid_nsec: u32,
        attr_valid_nsec: u32,
        attr: fuse_attr,
    }
    struct fuse_forget_in {
        nlookup: u64,
    }
    struct fuse_forget_one {
        nodeid: u64,
        nlookup: u64,
    }
    struct fuse_batch_forget_in {
        count: u32,
        dummy: u32,
    }
    struct fuse_getattr_in {
        getattr_flags: u32,
        dummy: u32,
        fh: u64,
    }
    struct fuse_attr_out {
        attr_valid: u64,
        attr_valid_nsec: u32,
        dummy: u32,
        attr: fuse_attr,
    }
    struct fuse_setattr_in {
        valid: u32,
        padding: u32,
        fh: u64,
        size: u64,
        lock_owner: u64,
        atime: u64,
        mtime: u64,
        ctime: u64,
        atimensec: u32,
        mtimensec: u32,
        ctimensec: u32,
        mode: u32,
        unused4: u32,
        uid: u32,
        gid: u32,
        unused5: u32,
    }
    struct fuse_open_in {
        flags: u32,
        open_flags: u32,
    }
    struct fuse_open_out {
        fh: u64,
        open_flags: u32,
        backing_id: i32,
    }
    struct fuse_release_in {
        fh: u64,
        flags: u32,
        release_flags: u32,
        lock_owner: u64,
    }
    struct fuse_flush_in {
        fh: u64,
        unused: u32,
        padding: u32,
        lock_owner: u64,
    }
    struct fuse_read_in {
        fh: u64,
        offset: u64,
        size: u32,
        read_flags: u32,
        lock_owner: u64,
        flags: u32,
        padding: u32,
    }
    struct fuse_write_in {
        fh: u64,
        offset: u64,
        size: u32,
        write_flags: u32,
        lock_owner: u64,
        flags: u32,
        padding: u32,
    }
    struct fuse_write_out {
        size: u32,
        padding: u32,
    }
    struct fuse_statfs_out {
        st: fuse_kstatfs,
    }
    struct fuse_fsync_in {
        fh: u64,
        fsync_flags: u32,
        padding: u32,
    }
    struct fuse_init_in {
        major: u32,
        minor: u32,
        max_readahead: u32,
        flags: u32,
        flags2: u32,
        unused: [u32; 11],
    }
    struct fuse_init_out {
        major: u32,
        minor: u32,
        max_readahead: u32,
        flags: u32,
        max_background: u16,
        congestion_threshold: u16,
        max_write: u32,
        time_gran: u32,
        max_pages: u16,
        map_alignment: u16,
        flags2: u32,
        max_stack_depth: u32,
        request_timeout: u16,
        unused: [u16; 11],
    }
    struct cuse_init_in {
        major: u32,
        minor: u32,
        unused: u32,
        flags: u32,
    }
    struct cuse_init_out {
        major: u32,
        minor: u32,
        unused: u32,
        flags: u32,
        max_read: u32,
        max_write: u32,
        dev_major: u32,
        dev_minor: u32,
        spare: [u32; 10],
    }
    struct fuse_interrupt_in {
        unique: u64,
    }
    struct fuse_ioctl_in {
        fh: u64,
        flags: u32,
        cmd: u32,
        arg: u64,
        in_size: u32,
        out_size: u32,
    }
    struct fuse_ioctl_iovec {
        base: u64,
        len: u64,
    }
    struct fuse_ioctl_out {
        result: i32,
        flags: u32,
        in_iovs: u32,
        out_iovs: u32,
    }
    struct fuse_poll_in {
        fh: u64,
        kh: u64,
        flags: u32,
        events: u32,
    }
    struct fuse_poll_out {
        revents: u32,
        padding: u32,
    }
    struct fuse_notify_poll_wakeup_out {
        kh: u64,
    }
    struct fuse_in_header {
        len: u32,
        opcode: u32,
        unique: u64,
        nodeid: u64,
        uid: u32,
        gid: u32,
        pid: u32,
        total_extlen: u16,
        padding: u16,
    }
    struct fuse_out_header {
        len: u32,
        error: i32,
        unique: u64,
    }
    struct fuse_dirent {
        ino: u64,
        off: u64,
        namelen: u32,
        r#type: u32,
    }
    struct fuse_notify_inval_inode_out {
        ino: u64,
        off: i64,
        len: i64,
    }
    struct fuse_notify_inval_entry_out {
        parent: u64,
        namelen: u32,
        flags: u32,
    }
    struct fuse_notify_delete_out {
        parent: u64,
        child: u64,
        namelen: u32,
        padding: u32,
    }
    struct fuse_notify_store_out {
        nodeid: u64,
        offset: u64,
        size: u32,
        padding: u32,
    }
    struct fuse_notify_retrieve_out {
        notify_unique: u64,
        nodeid: u64,
        offset: u64,
        size: u32,
        padding: u32,
    }
    struct fuse_notify_retrieve_in {
        dummy1: u64,
        offset: u64,
        size: u32,
        dummy2: u32,
        dummy3: u64,
        dummy4: u64,
    }
    struct fuse_backing_map {
        fd: i32,
        flags: u32,
        padding: u64,
    }
    struct fuse_lseek_in {
        fh: u64,
        offset: u64,
        whence: u32,
        padding: u32,
    }
    struct fuse_lseek_out {
        offset: u64,
    }
}
