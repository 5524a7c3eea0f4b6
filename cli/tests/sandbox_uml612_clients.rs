//! Stock programs (v4l2-ctl, ffmpeg, GStreamer) on our nodes in a user-mode Linux that passes mappings
//! through. [`clients`] says more.

mod clients;
#[path = "support/uml612.rs"]
mod uml612;

use clients::{Guest, lane};

const GUEST: Guest = Guest { engine: "uml", frames: 30, cell_seconds: 60 };

#[test]
fn stock_programs_use_single_planar_nodes() {
    let name = "stock_programs_use_single_planar_nodes";
    if uml612::is_there(name) {
        lane(&GUEST, "sp", name);
    }
}

#[test]
fn stock_programs_use_multi_planar_nodes() {
    let name = "stock_programs_use_multi_planar_nodes";
    if uml612::is_there(name) {
        lane(&GUEST, "mp", name);
    }
}
