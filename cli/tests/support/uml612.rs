//! The lane `uml612`: user-mode Linux again, of a kernel that passes mappings of FUSE files through,
//! which `make test-uml612` names (`tools/uml-kernel`).

/// What names another kernel to the engine `uml`.
const KERNEL: &str = "SHRBUF_UML";

/// Whether there is such a kernel; where there is none, the test `name` is skipped, and says so. What
/// the kernel can do the tests find out.
pub(crate) fn is_there(name: &str) -> bool {
    let there = std::env::var_os(KERNEL).is_some_and(|kernel| !kernel.is_empty());
    if !there {
        println!("SKIP {name}: {KERNEL} names no kernel; make test-uml612 does");
    }
    there
}
