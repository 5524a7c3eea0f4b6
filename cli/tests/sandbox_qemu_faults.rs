//! Somebody is killed at the steps of the import of a foreign dma-buf, in a guest of the engine "qemu";
//! [`faults`] says more.

#[path = "faults/mod.rs"]
mod faults;

use faults::Size;

#[test]
fn who_is_killed_at_any_step_harms_nobody() {
    let size = Size { steps: "steps-full-kernel", rounds: "1", word: "" };
    let engine = ["--engine", "qemu"];
    faults::lane("who_is_killed_at_any_step_harms_nobody", &engine, "sp.toml", &size);
}
