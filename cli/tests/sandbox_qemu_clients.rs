//! Stock programs (v4l2-ctl, ffmpeg, GStreamer) on our nodes in a QEMU guest, where exports are real dma-bufs.
//! [`clients`] says more.
//!
//! Holds `e2e/clients-v4l2ctl`, `e2e/clients-ffmpeg`, `e2e/clients-gstreamer`.

mod clients;

use clients::{Guest, lane};

const GUEST: Guest = Guest { engine: "qemu", frames: 30, cell_seconds: 200 };

#[test]
fn stock_programs_use_single_planar_nodes() {
    lane(&GUEST, "sp", "stock_programs_use_single_planar_nodes");
}

#[test]
fn stock_programs_use_multi_planar_nodes() {
    lane(&GUEST, "mp", "stock_programs_use_multi_planar_nodes");
}
