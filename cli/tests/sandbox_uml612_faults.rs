//! Somebody is killed at every step of a swap for a file whose mappings are passed through, in a
//! user-mode Linux of a newer kernel; [`faults`] says more.

#[path = "faults/mod.rs"]
mod faults;
#[path = "support/uml612.rs"]
mod uml612;

use faults::Size;

#[test]
fn who_is_killed_at_any_step_harms_nobody() {
    let name = "who_is_killed_at_any_step_harms_nobody";
    if uml612::is_there(name) {
        let size = Size { steps: "steps", rounds: "1", word: "swap" };
        faults::lane(name, &["--engine", "uml"], "sp.toml", &size);
    }
}
