//! The test programs on our nodes in a QEMU guest, where exports are real dma-bufs.
//! [`nodes`] says more.

mod nodes;
mod support;

use nodes::{Guest, lane};

// "descriptors" would take many minutes under emulation.
const GUEST: Guest = Guest {
    engine: "qemu",
    backing: "udmabuf",
    mapping: "passthrough",
    courier: "ptrace",
    programs: &["errors", "lifetime", "stream", "pipeline", "swap", "gocapture"],
};

/// The same where exports are files of the daemon's, of the program that is about exports. What is
/// exported is not what is mapped then, though mappings are passed through.
const HANDLES: Guest = Guest {
    engine: "qemu",
    backing: "handle",
    mapping: "passthrough",
    courier: "ptrace",
    programs: &["lifetime"],
};

/// The same where exports are memory files.
const TWINS: Guest = Guest {
    engine: "qemu",
    backing: "memfd",
    mapping: "passthrough",
    courier: "ptrace",
    programs: &["lifetime", "stream", "pipeline"],
};

#[test]
fn single_planar_twins_answer_as_vivids_do() {
    lane(&TWINS, "sp", "single_planar_twins_answer_as_vivids_do");
}

#[test]
fn multi_planar_twins_answer_as_vivids_do() {
    lane(&TWINS, "mp", "multi_planar_twins_answer_as_vivids_do");
}

#[test]
fn single_planar_exports_by_handle_answer_as_vivids_do() {
    lane(&HANDLES, "sp", "single_planar_exports_by_handle_answer_as_vivids_do");
}

#[test]
fn multi_planar_exports_by_handle_answer_as_vivids_do() {
    lane(&HANDLES, "mp", "multi_planar_exports_by_handle_answer_as_vivids_do");
}

#[test]
fn single_planar_nodes_answer_as_vivid_does() {
    lane(&GUEST, "sp", "single_planar_nodes_answer_as_vivid_does");
}

#[test]
fn multi_planar_nodes_answer_as_vivid_does() {
    lane(&GUEST, "mp", "multi_planar_nodes_answer_as_vivid_does");
}
