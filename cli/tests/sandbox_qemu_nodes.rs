//! The test programs on our nodes in a QEMU guest, where exports are real dma-bufs.
//! [`nodes`] says more.

mod nodes;
mod support;

use nodes::{Guest, lane};

// "descriptors" would take many minutes under emulation.
const GUEST: Guest = Guest {
    engine: "qemu",
    backing: "udmabuf",
    programs: &["errors", "lifetime", "stream", "pipeline", "swap", "gocapture"],
};

/// The same where exports are files of the daemon's, of the program that is about exports.
const HANDLES: Guest = Guest { engine: "qemu", backing: "handle", programs: &["lifetime"] };

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
