//! Callers that mean harm, in a guest of the engine "uml"; [`hostile`] says more.

#[path = "hostile/mod.rs"]
mod hostile;

use hostile::Size;

#[test]
fn who_means_harm_harms_nobody_else() {
    let size = Size { rate: "100", seconds: "2", attacks: hostile::ALL, guest_seconds: "600" };
    hostile::lane("uml", "who_means_harm_harms_nobody_else", &size);
}
