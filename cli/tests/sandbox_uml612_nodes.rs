//! The test programs on our nodes in a user-mode Linux that passes mappings through, and has no
//! udmabuf: what is mapped is what is filled, and exports are handles. [`nodes`] says more.

mod nodes;
mod support;
#[path = "support/uml612.rs"]
mod uml612;

use nodes::{Guest, lane};

const GUEST: Guest = Guest {
    engine: "uml",
    backing: "handle",
    mapping: "passthrough",
    courier: "ptrace",
    programs: &["errors", "lifetime", "stream", "pipeline", "descriptors", "gocapture"],
};

/// "descriptors" takes two minutes, and one lane is enough.
const PLANES: Guest =
    Guest { programs: &["errors", "lifetime", "stream", "pipeline", "gocapture"], ..GUEST };

#[test]
fn single_planar_exports_by_handle_answer_as_vivids_do() {
    let name = "single_planar_exports_by_handle_answer_as_vivids_do";
    if uml612::is_there(name) {
        lane(&GUEST, "sp", name);
    }
}

#[test]
fn multi_planar_exports_by_handle_answer_as_vivids_do() {
    let name = "multi_planar_exports_by_handle_answer_as_vivids_do";
    if uml612::is_there(name) {
        lane(&PLANES, "mp", name);
    }
}
