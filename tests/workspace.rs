//! Rules of the workspace that no compiler checks: the lint table is inherited by every crate, the
//! rooms of `src/` know only the rooms below them, and the documents tell the truth about the tree.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which rooms of `src/` a room may use (docs: the arrows point down only). `cli` is the command's
/// own crate and sees the library from outside.
const MAY_USE: [(&str, &[&str]); 8] = [
    ("sys", &[]),
    ("shrbuf", &["sys"]),
    ("v4l2", &["shrbuf", "sys"]),
    ("device", &["v4l2", "shrbuf", "sys"]),
    ("courier", &["sys"]),
    ("transport", &["device", "courier", "v4l2", "shrbuf", "sys"]),
    ("daemon", &["transport", "device", "courier", "v4l2", "shrbuf", "sys"]),
    ("sandbox", &["sys"]),
];

/// What the command's own crate may use of the library.
/// `courier` only to start its helper.
const CLI_MAY_USE: [&str; 3] = ["courier", "daemon", "sandbox"];

/// The room with the system calls that need `unsafe`.
const UNSAFE_ROOM: &str = "src/sys/";

/// The one module of the wire crate that makes the calls which nix doesn't offer.
const UNSAFE_MODULE: &str = "crates/cuse-rs/src/channel/sys.rs";

/// A longer file holds more than one idea.
const LONGEST_FILE: usize = 600;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> Result<String, String> {
    let path = root().join(path);
    fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

/// All files below `folder` whose names end in one of `endings`, relative to the root.
fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let Ok(listed) = fs::read_dir(root().join(folder)) else { return Vec::new() };
    let mut found = Vec::new();
    for entry in listed.flatten() {
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(files(&path, endings));
        } else if endings.iter().any(|ending| path.ends_with(ending)) {
            found.push(PathBuf::from(path));
        }
    }
    found
}

fn rust_files() -> Vec<PathBuf> {
    let folders = ["src", "cli", "crates", "tests", "fuzz/src", "fuzz/targets"];
    folders.iter().flat_map(|folder| files(folder, &[".rs"])).collect()
}

/// Lines of a program that are no comment, with their numbers.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|letter| !is_name(letter)).any(|piece| piece == word)
}

/// The names that follow `prefix` in a program: `crate::sys::mount` has `sys` after `crate::`, and
/// `crate::{sys, sandbox::Error}` has `sys` and `sandbox`.
fn names_after(text: &str, prefix: &str) -> BTreeSet<String> {
    let code: String = code_lines(text).flat_map(|(_, line)| [line, "\n"]).collect();
    let mut names = BTreeSet::new();
    for (place, _) in code.match_indices(prefix) {
        if code[..place].ends_with(|letter| is_name(letter) || letter == ':') {
            continue; // the end of a longer path
        }
        let rest = &code[place + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(group) => names.extend(heads_of_group(group)),
            None => names.extend(head(rest)),
        }
    }
    names
}

fn head(path: &str) -> Option<String> {
    let name: String = path.trim_start().chars().take_while(|letter| is_name(*letter)).collect();
    // Rooms are modules; a capital is a type or a constant of the root.
    name.starts_with(|letter: char| letter.is_ascii_lowercase()).then_some(name)
}

/// The first names of the paths in `{a::b, c::{d, e}}`, whose opening brace is gone.
fn heads_of_group(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut heads) = (0, 0, Vec::new());
    for (place, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                heads.extend(head(&group[start..place]));
                start = place + 1;
            }
            '}' => depth -= 1,
            _ => {}
        }
        if letter == '}' && start == place + 1 {
            break;
        }
    }
    heads
}

/// Words in backticks that begin with a name of the root's and have a slash: paths.
fn paths_named(text: &str) -> BTreeSet<&str> {
    let words = text.split('`').skip(1).step_by(2);
    let is_path = |word: &&str| {
        let first = word.split('/').next().unwrap_or_default();
        word.contains('/')
            && word.chars().all(|letter| is_name(letter) || "./-".contains(letter))
            && !first.is_empty()
            && root().join(first).is_dir()
    };
    words.filter(is_path).filter(|word| !word.starts_with("target/")).collect()
}

#[test]
fn every_crate_inherits_the_lints() {
    let answer = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&answer.stdout).expect("metadata");
    let crates = metadata["packages"].as_array().expect("packages");
    assert!(crates.len() >= 2, "the root and the command at least: {crates:?}");
    for member in crates {
        let manifest = member["manifest_path"].as_str().expect("a path");
        let text = fs::read_to_string(manifest).expect("a manifest");
        let table = text.lines().skip_while(|line| line.trim() != "[lints]").skip(1);
        let inherits = table
            .take_while(|line| !line.starts_with('['))
            .any(|line| line.replace(' ', "") == "workspace=true");
        assert!(inherits, "{manifest} has no [lints] with workspace = true");
    }
}

/// What a program does to memory is looked for in one place.
#[test]
fn unsafe_code_is_in_its_room() {
    for path in rust_files() {
        let lifted = path.starts_with(UNSAFE_ROOM) || path == Path::new(UNSAFE_MODULE);
        if lifted || path == Path::new("tests/workspace.rs") {
            continue;
        }
        let text = read(&path).expect("a file");
        // What forbids it has none.
        let lines = code_lines(&text).filter(|(_, line)| *line != "#![forbid(unsafe_code)]");
        for (number, line) in lines {
            assert!(
                !has_word(line, "unsafe") && !has_word(line, "unsafe_code"),
                "{}:{number} has unsafe code outside {UNSAFE_ROOM} and {UNSAFE_MODULE}: {line}",
                path.display()
            );
        }
    }
}

#[test]
fn every_room_knows_only_those_below_it() {
    let rooms: Vec<&str> = MAY_USE.iter().map(|(room, _)| *room).collect();
    for (room, below) in MAY_USE {
        let mut sources = files(&format!("src/{room}"), &[".rs"]);
        sources.extend(
            files("src", &[".rs"])
                .into_iter()
                .filter(|path| path == Path::new(&format!("src/{room}.rs"))),
        );
        for path in sources {
            for used in names_after(&read(&path).expect("a file"), "crate::") {
                let fits = used == room || below.contains(&used.as_str());
                assert!(fits, "{}: src/{room} may not use crate::{used}", path.display());
            }
        }
    }
    for entry in fs::read_dir(root().join("src")).expect("src").flatten() {
        let name = entry.file_name().to_string_lossy().trim_end_matches(".rs").to_owned();
        assert!(name == "lib" || rooms.contains(&name.as_str()), "src/{name} is no known room");
    }
}

/// docs/DESIGN.md has a row for each room: what it holds, and what of it stands or "to come".
#[test]
fn the_rooms_of_the_design_stand_or_are_to_come() {
    let design = read("docs/DESIGN.md").expect("a file");
    let rows = design.lines().filter(|line| line.starts_with("| `"));
    let mut count = 0;
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, room, _, stands, _] = cells[..] else { continue };
        let path = room.trim_matches('`');
        if !path.ends_with('/') {
            continue;
        }
        count += 1;
        assert_eq!(root().join(path).is_dir(), stands != "to come", "docs/DESIGN.md: {row}");
    }
    assert!(count >= MAY_USE.len(), "docs/DESIGN.md has {count} rooms only");
}

#[test]
fn the_command_uses_the_top_rooms_only() {
    for path in files("cli/src", &[".rs"]) {
        for used in names_after(&read(&path).expect("a file"), "shrbuf::") {
            assert!(
                CLI_MAY_USE.contains(&used.as_str()),
                "{} may not use shrbuf::{used}",
                path.display()
            );
        }
    }
}

/// The programs judge us; so they know nothing of us.
#[test]
fn the_test_programs_know_nothing_of_shrbuf() {
    let programs = files("tests/programs", &[".c", ".h", ".go"]);
    assert!(!programs.is_empty());
    for path in programs {
        let text = read(&path).expect("a file").to_lowercase();
        assert!(!text.contains("shrbuf"), "{} names shrbuf", path.display());
    }
}

#[test]
fn no_file_is_too_long() {
    let mut all = rust_files();
    all.extend(files("tests", &[".c", ".h", ".go"]));
    all.extend(files("tools", &[""]));
    for path in all {
        let lines = read(&path).expect("a file").lines().count();
        assert!(lines <= LONGEST_FILE, "{} has {lines} lines", path.display());
    }
}

#[test]
fn the_readme_lists_the_targets_of_make_help() {
    let answer = Command::new("make").arg("help").current_dir(root()).output().expect("make runs");
    let help = String::from_utf8(answer.stdout).expect("text");
    let targets: Vec<&str> = help.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(targets.contains(&"test"), "{help}");
    let readme = read("README.md").expect("a file");
    for target in targets {
        assert!(readme.contains(&format!("`make {target}`")), "README.md lacks make {target}");
    }
}

#[test]
fn the_paths_in_the_documents_exist() {
    for document in ["README.md", "CONTRIBUTING.md"] {
        let text = read(document).expect("a file");
        for path in paths_named(&text) {
            assert!(root().join(path).exists(), "{document} names {path}, which is not there");
        }
    }
}

/// A skip is allowed in a lane, by name, with a reason.
#[test]
fn the_allowed_skips_have_lane_name_and_reason() {
    let text = read("tests/skips.txt").expect("a file");
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.splitn(3, ' ');
        let lane = words.next().unwrap_or_default();
        let name = words.next().unwrap_or_default();
        let reason = words.next().unwrap_or_default();
        assert!(["pure", "uml", "uml612", "qemu"].contains(&lane), "no such lane: {line}");
        assert!(name.len() > 1 && name.ends_with(':') && !reason.is_empty(), "{line}");
    }
}

#[test]
fn names_after_a_prefix_are_found_in_groups_too() {
    let text = "use crate::{sys::{mount, process}, sandbox, Error};\n// crate::no\nlet a = crate::v4l2::Table;";
    let expected = ["sandbox", "sys", "v4l2"].map(str::to_owned);
    assert_eq!(names_after(text, "crate::"), BTreeSet::from(expected));
    assert_eq!(names_after("fn a() { my_crate::sys() }", "crate::"), BTreeSet::new());
}
