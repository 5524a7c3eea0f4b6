//! What needs a kernel that passes files through (Linux 6.9).
#![allow(clippy::expect_used, clippy::panic, reason = "this is test code")]

#[path = "guest/folder.rs"]
mod folder;
mod guest;

use std::fs::File;
use std::os::unix::fs::FileExt;

use cuse_rs::*;
use folder::{Folder, mounted};
use guest::{client, in_guest, succeeds};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::ftruncate;

/// The client's mapping is the memory of a memfd, while its reads still come to the handler.
#[test]
fn a_mapping_is_passed_through_to_a_memfd() {
    in_guest("qemu", "a_mapping_is_passed_through_to_a_memfd", || {
        let folder = Folder { size: 4096, ..Folder::default() };
        let config = FuseConfig { flags: InitFlags::PASSTHROUGH, ..FuseConfig::default() };
        let memory = memfd_create(c"arena", MFdFlags::MFD_CLOEXEC).expect("a memfd");
        ftruncate(&memory, 4096).expect("its length");
        mounted(&folder, &config, |session, path| {
            assert!(session.flags().contains(InitFlags::PASSTHROUGH));
            let backing = session.backing(&memory).expect("an id");
            *folder.backing.lock().expect("a lock") = Some(backing);
            let memory = File::from(memory);
            memory.write_all_at(b"M", 0).expect("it is written");
            succeeds(client("mapped", path.to_str().expect("a path")));
            let mut byte = [0];
            memory.read_exact_at(&mut byte, 1).expect("a byte");
            assert_eq!(&byte, b"W");
            *folder.backing.lock().expect("a lock") = None;
            let (pipe, _other) = nix::unistd::pipe().expect("a pipe");
            let wrong = session.backing(&pipe).expect_err("not a file");
            println!("a pipe: {wrong}");
        });
    });
}
