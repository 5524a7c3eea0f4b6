//! Callers that mean harm, in a guest of the engine "qemu", where exports are dma-bufs and the kernel
//! tells which call a thread sits in; [`hostile`] says more. What is the same on any kernel is left to
//! the lane `uml`.

#[path = "hostile/mod.rs"]
mod hostile;

use hostile::Size;

const ATTACKS: &[&str] = &[
    "replaces",
    "swapped",
    "execs",
    "unserved",
    "mapped-mute",
    "queues-mute",
    "reopens",
    "pages",
    "orphans",
];

#[test]
fn who_means_harm_harms_nobody_else() {
    let size = Size { rate: "25", seconds: "3", attacks: ATTACKS, guest_seconds: "600" };
    hostile::lane("qemu", "who_means_harm_harms_nobody_else", &size);
}
