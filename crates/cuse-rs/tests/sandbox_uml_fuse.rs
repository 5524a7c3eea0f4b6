//! A flat folder on the kernel's own `/dev/fuse`.
#![allow(clippy::expect_used, clippy::panic, reason = "this is test code")]

#[path = "guest/folder.rs"]
mod folder;
mod guest;

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Read as _, Seek, SeekFrom, Write as _};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};

use cuse_rs::*;
use folder::{FILE, Folder, mounted};
use guest::{in_guest, until};
use nix::sys::statvfs::statvfs;
use nix::unistd::{Whence, lseek};

const ENGINE: &str = "uml";

#[test]
fn a_flat_folder_answers_what_files_are_asked() {
    in_guest(ENGINE, "a_flat_folder_answers_what_files_are_asked", || {
        let folder = Folder { size: 100, ..Folder::default() };
        mounted(&folder, &FuseConfig::default(), |session, path| {
            assert!(session.flags().contains(InitFlags::ASYNC_READ | InitFlags::PARALLEL_DIROPS));
            let root = path.parent().expect("a folder");
            let names: Vec<_> = fs::read_dir(root)
                .expect("entries")
                .map(|it| it.expect("one").file_name())
                .collect();
            assert_eq!(names, ["file"]);
            assert_eq!(
                fs::metadata(root.join("other")).expect_err("none").raw_os_error(),
                Some(libc::ENOENT)
            );
            let found = fs::metadata(path).expect("a file");
            assert_eq!((found.ino(), found.size(), found.mode()), (FILE, 100, 0o100_666));
            assert_eq!(statvfs(path).expect("numbers").files(), 42);

            let mut file = OpenOptions::new().read(true).write(true).open(path).expect("a file");
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).expect("bytes");
            assert_eq!(bytes, [b'x'; 100]);
            file.seek(SeekFrom::Start(8)).expect("a place");
            file.write_all(b"abc").expect("it is written");
            file.sync_data().expect("it is kept");
            file.set_permissions(Permissions::from_mode(0o600)).expect("its mode");
            file.set_len(50).expect("its length");
            assert_eq!(lseek(&file, 3, Whence::SeekHole).expect("a hole"), 12);
            drop(file);
            until("its release", || folder.saw("release 7"));
            for event in [
                "write 8 \"abc\"",
                "fsync true",
                "mode Some(384), size None",
                "mode None, size Some(50)",
                "lseek 3 4",
                "flush 7",
            ] {
                assert!(folder.saw(event), "{event}: {:?}", folder.events);
            }
        });
    });
}

/// Bytes go into the page cache and come back without a request for them.
#[test]
fn the_page_cache_is_filled_read_back_and_emptied() {
    in_guest(ENGINE, "the_page_cache_is_filled_read_back_and_emptied", || {
        let folder = Folder { size: 4096, cached: true, ..Folder::default() };
        let config = FuseConfig { flags: InitFlags::EXPLICIT_INVAL_DATA, ..FuseConfig::default() };
        mounted(&folder, &config, |session, path| {
            assert!(session.flags().contains(InitFlags::EXPLICIT_INVAL_DATA));
            let notifier = session.notifier();
            let unknown = notifier.store(99, 0, b"abc").expect_err("no such node");
            assert_eq!(unknown.raw_os_error(), Some(libc::ENOENT));
            let file = File::open(path).expect("a file");
            let mut bytes = [0; 3];
            notifier.store(FILE, 0, &[b'a'; 4096]).expect("it is stored");
            file.read_exact_at(&mut bytes, 0).expect("bytes");
            assert_eq!((&bytes, folder.saw("read 0")), (b"aaa", false));
            notifier.retrieve(77, FILE, 4, 3).expect("it is asked for");
            until("the bytes", || folder.saw("77: 4 \"aaa\""));

            notifier.inval_inode(FILE, 0, 0).expect("it is dropped");
            file.read_exact_at(&mut bytes, 0).expect("bytes");
            assert_eq!((&bytes, folder.saw("read 0")), (b"xxx", true));

            folder.events.lock().expect("a lock").clear();
            notifier.inval_entry(1, b"file").expect("it is dropped");
            fs::metadata(path).expect("a file");
            assert!(folder.saw("lookup"));
            drop(file);
        });
    });
}
