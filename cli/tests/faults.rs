//! Faults on demand are in no binary but the tests' own, and the lists have every step.
#![allow(clippy::expect_used, reason = "this is test code")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const LISTS: [&str; 2] = ["tests/faults/steps", "tests/faults/steps-full-kernel"];

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: PathBuf, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// What nobody can ask for can't happen.
#[test]
fn the_default_binary_has_no_faults() {
    let binary = fs::read(env!("CARGO_BIN_EXE_shrbuf")).expect("the binary");
    for word in ["SHRBUF_FAULTS", "hold.told", "shutdown.withdrawn"] {
        let has = binary.windows(word.len()).any(|bytes| bytes == word.as_bytes());
        assert_eq!(has, cfg!(feature = "faults"), "{word}");
    }
}

#[test]
fn the_lists_have_every_step_and_no_other() {
    let mut files = Vec::new();
    sources(here().join("../src"), &mut files);
    let mut named = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(file).expect("a source");
        for (_, rest) in
            text.match_indices("fault!(\"").map(|(at, found)| text.split_at(at + found.len()))
        {
            named.insert(rest.split('"').next().expect("a name").to_owned());
        }
    }
    let mut listed = BTreeSet::new();
    for list in LISTS {
        let text = fs::read_to_string(here().join(list)).expect("a list");
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            listed.insert(line.split(' ').nth(1).expect("SCENARIO STEP NTH WHO...").to_owned());
        }
    }
    assert!(named.len() > 50, "{named:?}");
    assert_eq!(named, listed);
}
