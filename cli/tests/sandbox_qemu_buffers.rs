//! The tests of shared buffers on a full kernel, which has udmabuf.
#![allow(clippy::expect_used, reason = "this is test code")]

#[path = "support/buffers.rs"]
mod buffers;

#[test]
fn buffers_live_and_die_on_a_kernel_with_udmabuf() {
    match buffers::run("qemu") {
        Ok(said) => assert!(!said.contains("SKIP"), "this kernel has everything: {said}"),
        Err(reason) => println!("SKIP buffers_live_and_die_on_a_kernel_with_udmabuf: {reason}"),
    }
}
