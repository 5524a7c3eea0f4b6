//! The test programs on our nodes in a user-mode Linux, where exports are memfds.
//! [`nodes`] says more.

mod nodes;
mod support;

use nodes::{Guest, lane};

const GUEST: Guest = Guest {
    engine: "uml",
    backing: "memfd",
    mapping: "copies",
    courier: "ptrace",
    programs: &["errors", "lifetime", "stream", "pipeline", "descriptors", "swap", "gocapture"],
};

#[test]
fn single_planar_nodes_answer_as_vivid_does() {
    lane(&GUEST, "sp", "single_planar_nodes_answer_as_vivid_does");
}

#[test]
fn multi_planar_nodes_answer_as_vivid_does() {
    lane(&GUEST, "mp", "multi_planar_nodes_answer_as_vivid_does");
}
