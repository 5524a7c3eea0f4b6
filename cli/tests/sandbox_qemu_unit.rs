//! The daemon under its systemd unit, on a full kernel: udmabuf, FUSE passthrough, and callers with a system
//! call filter, which only a helper without one can suspend. [`unit`] says more.

mod support;
mod unit;

use unit::Kernel;

const KERNEL: Kernel = Kernel {
    engine: "qemu",
    filtered: "done",
    exports: "udmabuf",
    mapping: "passthrough",
    soon_seconds: "120",
};

#[test]
fn the_unit_confines_the_daemon_and_lets_it_work() {
    unit::rows(&KERNEL, "the_unit_confines_the_daemon_and_lets_it_work");
}
