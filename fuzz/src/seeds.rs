//! Where fuzzers begin: made here, so that no binary file lies in the repository.

use std::path::PathBuf;
use std::{env, fs};

/// Names, and what they hold.
pub type Seeds = Vec<(String, Vec<u8>)>;

/// Writes them into the folder that `FUZZ_SEEDS` names, before libFuzzer reads it.
///
/// # Panics
/// Where that can't be done.
pub fn write(seeds: Seeds) {
    let Some(folder) = env::var_os("FUZZ_SEEDS").map(PathBuf::from) else { return };
    for (name, seed) in seeds {
        fs::write(folder.join(&name), seed).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
