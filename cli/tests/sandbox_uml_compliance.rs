//! `v4l2-compliance` on our nodes in a user-mode Linux.
//! [`reports`] says more.

#[path = "nodes/reports.rs"]
mod reports;

#[test]
fn single_planar_nodes_are_compliant() {
    reports::compliant("uml", "sp", "single_planar_nodes_are_compliant");
}

#[test]
fn multi_planar_nodes_are_compliant() {
    reports::compliant("uml", "mp", "multi_planar_nodes_are_compliant");
}
