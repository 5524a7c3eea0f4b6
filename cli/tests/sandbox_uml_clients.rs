//! Stock programs (v4l2-ctl, ffmpeg, GStreamer) on our nodes in a user-mode Linux.
//! [`clients`] says more.
//!
//! Holds `e2e/clients-v4l2ctl`, `e2e/clients-ffmpeg`, `e2e/clients-gstreamer`.

mod clients;

use clients::{Guest, lane};

const GUEST: Guest = Guest { engine: "uml", frames: 30, cell_seconds: 60 };

#[test]
fn stock_programs_use_single_planar_nodes() {
    lane(&GUEST, "sp", "stock_programs_use_single_planar_nodes");
}

#[test]
fn stock_programs_use_multi_planar_nodes() {
    lane(&GUEST, "mp", "stock_programs_use_multi_planar_nodes");
}
