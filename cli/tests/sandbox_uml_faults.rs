//! Somebody is killed at every step, in a guest of the engine "uml"; [`faults`] says more.

#[path = "faults/mod.rs"]
mod faults;

use faults::Size;

#[test]
fn who_is_killed_at_any_step_harms_nobody() {
    let size = Size { steps: "steps", rounds: "1", word: "" };
    faults::lane("who_is_killed_at_any_step_harms_nobody", &["--engine", "uml"], "sp.toml", &size);
}
