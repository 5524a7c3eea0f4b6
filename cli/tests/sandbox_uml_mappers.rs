//! Programs that map nodes, in a guest of the engine "uml"; [`mappers`] says more.

#[path = "mappers/mod.rs"]
mod mappers;

use mappers::Size;

#[test]
fn who_maps_a_node_harms_nobody() {
    let size = Size { rounds: "10000", nodes: "64", swaps: "20", guest_seconds: "1500" };
    mappers::lane("uml", "who_maps_a_node_harms_nobody", &size);
}
