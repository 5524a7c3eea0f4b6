//! `v4l2-compliance` on our nodes in a QEMU guest, where exports are real dma-bufs.
//! [`reports`] says more.
//!
//! Holds `e2e/compliance-capture`, `e2e/compliance-output`, `e2e/compliance-rows`.

#[path = "nodes/reports.rs"]
mod reports;

#[test]
fn single_planar_nodes_are_compliant() {
    reports::compliant("qemu", "sp", "single_planar_nodes_are_compliant");
}

#[test]
fn multi_planar_nodes_are_compliant() {
    reports::compliant("qemu", "mp", "multi_planar_nodes_are_compliant");
}
