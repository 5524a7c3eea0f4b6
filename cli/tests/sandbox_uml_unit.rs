//! The daemon under its systemd unit, in a user-mode Linux. [`unit`] says more.

mod nodes;
mod support;
mod unit;

use nodes::{Guest, lane_of};
use unit::Kernel;

const GUEST: Guest = Guest {
    engine: "uml",
    backing: "memfd",
    mapping: "copies",
    courier: "ptrace",
    programs: &["errors", "lifetime", "pipeline", "swap", "gocapture"],
};

/// This kernel has no `PTRACE_O_SUSPEND_SECCOMP`.
const KERNEL: Kernel = Kernel {
    engine: "uml",
    filtered: "EPERM",
    exports: "memfd",
    mapping: "copies",
    soon_seconds: "30",
};

#[test]
fn the_unit_confines_the_daemon_and_lets_it_work() {
    unit::rows(&KERNEL, "the_unit_confines_the_daemon_and_lets_it_work");
}

#[test]
fn nodes_of_the_unit_answer_as_vivid_does() {
    lane_of(&["unit/boot", "unit/nodes"], &GUEST, "sp", "nodes_of_the_unit_answer_as_vivid_does");
}
