//! The fuzz targets without a fuzzer: where they begin, and what they have found.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    unreachable_pub,
    reason = "this is test code, and a part of another crate"
)]

use std::fs;
use std::path::Path;

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

#[test]
fn the_seeds_of_every_target_go_through() {
    for target in fuzz::TARGETS {
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{}", target.name);
        for (name, seed) in seeds {
            eprintln!("{}/{name}", target.name); // seen where it fails
            (target.run)(&seed);
        }
    }
}

/// Every file of `fuzz/found/` has stopped its target once. Those of `queue` are `vb2`'s own tests.
#[test]
fn what_was_found_goes_through() {
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/found");
    let known = |name: &str| name == "queue" || fuzz::TARGETS.iter().any(|t| t.name == name);
    for folder in fs::read_dir(&found).into_iter().flatten() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        if name == "README.md" {
            continue;
        }
        assert!(known(&name), "fuzz/found/{name} belongs to no target");
    }
    for target in fuzz::TARGETS {
        for file in fs::read_dir(found.join(target.name)).into_iter().flatten() {
            let path = file.unwrap().path();
            eprintln!("{}", path.display()); // seen where it fails
            (target.run)(&fs::read(&path).unwrap());
        }
    }
}
