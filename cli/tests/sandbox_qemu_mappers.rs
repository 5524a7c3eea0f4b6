//! Programs that map nodes, in a guest of the engine "qemu"; [`mappers`] says more.

#[path = "mappers/mod.rs"]
mod mappers;

use mappers::Size;

#[test]
fn who_maps_a_node_harms_nobody() {
    let size = Size { rounds: "500", nodes: "16", swaps: "3", guest_seconds: "1200" };
    mappers::lane("qemu", "who_maps_a_node_harms_nobody", &size);
}
