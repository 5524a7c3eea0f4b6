//! The private FUSE mount in a user-mode Linux that passes mappings through; [`mapped`] says more.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "this is test code"
)]

#[path = "mapped/mod.rs"]
mod mapped;
#[path = "support/uml612.rs"]
mod uml612;

#[test]
fn files_of_the_private_mount_are_mapped() {
    let name = "files_of_the_private_mount_are_mapped";
    if uml612::is_there(name) {
        mapped::lane("uml", name, true);
    }
}

/// No test: the process that another test kills.
#[test]
fn serving() {
    mapped::serve_if_told();
}
