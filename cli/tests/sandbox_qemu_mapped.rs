//! The private FUSE mount in a guest of the engine "qemu"; [`mapped`] says more.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "this is test code"
)]

#[path = "mapped/mod.rs"]
mod mapped;

#[test]
fn files_of_the_private_mount_are_mapped() {
    mapped::lane("qemu", "files_of_the_private_mount_are_mapped", true);
}

/// No test: the process that another test kills.
#[test]
fn serving() {
    mapped::serve_if_told();
}
