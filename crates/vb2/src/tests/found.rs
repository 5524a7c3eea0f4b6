//! What the fuzz target `queue` begins with, and what it has found.

use std::fs;
use std::path::Path;

use super::bytes;

#[test]
fn the_seeds_of_the_fuzz_target_are_as_the_model() {
    for (_, seed) in bytes::SEEDS {
        bytes::run(seed);
    }
}

/// Every file of `fuzz/found/queue/` has been a difference once.
#[test]
fn what_the_fuzz_target_has_found_is_as_the_model() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/found/queue");
    for file in fs::read_dir(folder).into_iter().flatten() {
        let path = file.unwrap().path();
        std::eprintln!("{}", path.display()); // seen where it fails
        bytes::run(&fs::read(&path).unwrap());
    }
}

/// Each kind of operation, of either file, and every number's end.
#[test]
fn any_bytes_are_a_sequence_of_calls() {
    for first in 0..=u8::MAX {
        for rest in [0, 1, 0x3f, 0x7f, 0xff] {
            bytes::run(&[0, 0, 9, first, rest, rest, rest, first]);
        }
    }
}
