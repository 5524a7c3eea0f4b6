//! The verbs as they are typed, where no daemon runs and nothing is to be had: statuses and words.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "this is test code")]

use std::fs;
use std::process::{Command, Output, Stdio};

fn shrbuf(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shrbuf"));
    command.env_remove("SHRBUF_SOCKET").args(words).output().expect("the program starts")
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn without_a_daemon_the_verbs_fail_with_1_and_say_how_to_start_one() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("none.sock");
    let socket = socket.to_str().unwrap();
    for words in [
        &["list"][..],
        &["list", "--json"],
        &["buffers"],
        &["add", "a", "output"],
        &["remove", "a"],
        &["snapshot", "a", "/none/such.png"],
    ] {
        let words = [words, &["--socket", socket]].concat();
        let output = shrbuf(&words);
        let (out, err) = texts(&output);
        assert_eq!((output.status.code(), out.as_str()), (Some(1), ""), "{words:?}: {err}");
        let start = format!("shrbuf {}: no daemon listens at {socket}", words[0]);
        assert!(err.starts_with(&start) && err.contains("shrbuf daemon"), "{err}");
    }
}

#[test]
fn the_variable_names_the_socket() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shrbuf"));
    let output = command.arg("list").env("SHRBUF_SOCKET", "/none/such.sock").output().unwrap();
    assert!(texts(&output).1.contains("/none/such.sock"));
}

#[test]
fn what_makes_no_sense_is_2() {
    for words in [
        &["nonsense"][..],
        &["run"],
        &["run", "ls"],
        &["add", "a"],
        &["add", "a", "camera"],
        &["add", "a", "capture", "--pattern", "smpte", "--file", "a.y4m"],
        &["add", "a", "capture", "--pattern", "nonsense"],
        &["add", "a", "capture", "--repeat"],
        &["completions", "nonsense"],
        &["snapshot", "a"],
    ] {
        assert_eq!(shrbuf(words).status.code(), Some(2), "{words:?}");
    }
}

#[test]
fn a_configuration_that_is_wrong_is_2_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("shrbuf.toml");
    fs::write(&config, "[[device]]\nname = \"a\"\nrole = \"camera\"\n").unwrap();
    let socket = folder.path().join("control.sock");
    let words =
        ["daemon", "--config", config.to_str().unwrap(), "--socket", socket.to_str().unwrap()];
    let output = shrbuf(&words);
    let (_, err) = texts(&output);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("shrbuf.toml:3: device[0].role: unknown variant `camera`"), "{err}");
    assert!(!socket.exists());
}

#[test]
fn the_doctor_says_the_same_in_both_ways() {
    let plain = shrbuf(&["doctor"]);
    let json = shrbuf(&["doctor", "--json"]);
    assert_eq!(plain.status.code(), json.status.code());
    let findings: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let (text, _) = texts(&plain);
    let findings = findings.as_array().unwrap();
    assert!(findings.len() >= 8);
    for finding in findings {
        assert!(text.contains(finding["what"].as_str().unwrap()), "{finding} is not in\n{text}");
    }
    let missing = findings.iter().any(|finding| finding["verdict"] == "missing");
    assert_eq!(plain.status.code(), Some(i32::from(missing)));
}

#[test]
fn every_verb_has_a_page_and_a_completion() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    assert!(shrbuf(&["man", pages.to_str().unwrap()]).status.success());
    let (help, _) = texts(&shrbuf(&["help"]));
    let (_, commands) = help.split_once("Commands:\n").unwrap();
    let verbs: Vec<&str> = commands
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|verb| !["", "help"].contains(verb))
        .collect();
    assert!(verbs.len() >= 11, "{verbs:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (script, _) = texts(&shrbuf(&["completions", shell]));
        for verb in &verbs {
            assert!(script.contains(verb), "{shell} lacks {verb}");
        }
    }
    for verb in verbs {
        let page = fs::read_to_string(pages.join(format!("shrbuf-{verb}.1"))).expect(verb);
        assert!(page.starts_with(".ie") || page.contains(".TH"), "{page}");
    }
}

/// `shrbuf completions bash | head -1`
#[test]
fn a_reader_who_goes_is_no_panic() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shrbuf"));
    let mut child = command
        .args(["completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(texts(&output).1, "");
    assert_ne!(output.status.code(), Some(101));
}
