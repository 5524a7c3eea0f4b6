//! The control socket over nodes that are a double: what is answered, and what a client can't do
//! to the daemon.
#![allow(clippy::unwrap_used, clippy::panic, reason = "this is test code")]

mod double;

use std::fs;
use std::io::{BufRead, BufReader, IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::time::Duration;

use double::{Machine, row, soon};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use shrbuf::daemon::config::raw::RawDevice;
use shrbuf::daemon::control::client::{Client, ClientError};
use shrbuf::daemon::control::handle;
use shrbuf::daemon::control::server::Patience;
use shrbuf::daemon::control::wire::{Answer, ErrorKind, LONGEST_REQUEST, Request};
use shrbuf::daemon::nodes::StartError;
use shrbuf::daemon::serve::Options;
use shrbuf::daemon::supervisor::Viewer;

fn device(json: &str) -> RawDevice {
    serde_json::from_str(json).unwrap()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, ClientError>, wanted: ErrorKind) -> String {
    match answer.unwrap_err() {
        ClientError::Refused { kind, message } if kind == wanted => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn nodes_are_listed_added_and_removed() {
    let machine = Machine::new();
    let daemon = machine.daemon();
    let client = machine.client();
    let names = |client: &Client| -> Vec<(String, u32)> {
        client.list().unwrap().into_iter().map(|node| (node.name, node.number)).collect()
    };
    assert_eq!(names(&client), [("display-sim".into(), 256), ("video-sim".into(), 257)]);
    let added = client
        .add(device(r#"{"name":"second","role":"capture","modes":["GREY:64x64@5/1"],"number":9}"#))
        .unwrap();
    assert_eq!((added.number, added.mode.as_str()), (9, "GREY:64x64@5/1"));
    assert_eq!(fs::read_link(machine.at("dev/second")).unwrap().to_str(), Some("video9"));
    client.remove("second".into(), false).unwrap();
    assert_eq!(names(&client).len(), 2);
    assert!(!machine.at("dev/second").is_symlink());
    daemon.stop();
    assert_eq!(machine.left(), Vec::<String>::new());
    let calls = machine.calls();
    assert_eq!(calls[calls.len() - 2..], ["stop video-sim", "stop display-sim"]);
}

#[test]
fn what_can_t_be_done_says_why_and_what_to_do() {
    let machine = Machine::new();
    let _daemon = machine.daemon();
    let client = machine.client();
    let add = |json: &str| client.add(device(json));
    let check = |message: String, words: &[&str]| {
        assert_eq!(message.lines().count(), 2, "what, and the remedy: {message}");
        for word in words {
            assert!(message.contains(word), "no '{word}' in {message}");
        }
    };
    let loopback = r#"{"name":"loop","role":"capture","source":{"output":"display-sim"}}"#;
    add(loopback).unwrap();
    let display = || client.remove("display-sim".into(), true);
    check(refused(display(), ErrorKind::InUse), &["'display-sim' is the source of 'loop'"]);
    check(refused(add(loopback), ErrorKind::InUse), &["a node 'loop' already", "another name"]);
    let nothing = r#"{"name":"b","role":"capture","source":{"output":"video-sim"}}"#;
    check(refused(add(nothing), ErrorKind::NoSuchNode), &["no output node 'video-sim'"]);
    let taken = r#"{"name":"b","role":"capture","number":256}"#;
    check(refused(add(taken), ErrorKind::InUse), &["/dev/video256", "another number"]);
    let name = r#"{"name":"B","role":"capture"}"#;
    check(refused(add(name), ErrorKind::Unfit), &["name: 'B' is no name", "small letters"]);
    let remove = client.remove("none".into(), false);
    check(refused(remove, ErrorKind::NoSuchNode), &["no node 'none'", "shrbuf list"]);
    check(refused(client.snapshot("none".into()), ErrorKind::NoSuchNode), &["shrbuf list"]);
    let blank = refused(client.snapshot("video-sim".into()), ErrorKind::Failed);
    assert!(blank.contains("no frame yet"), "{blank}");
    machine.double.script.lock().unwrap().opens = 2;
    let open = || client.remove("loop".into(), false);
    check(refused(open(), ErrorKind::InUse), &["open in 2 places", "--force", "ENODEV"]);
    client.remove("loop".into(), true).unwrap();
    fs::write(machine.at("dev/theirs"), "").unwrap();
    let foreign = refused(add(r#"{"name":"theirs","role":"output"}"#), ErrorKind::Failed);
    check(foreign, &["is not ours", "another name"]);
    let what = || StartError::Environment { what: "/dev/cuse".into(), remedy: "modprobe".into() };
    machine.double.script.lock().unwrap().fail = Some(what());
    let failed = add(r#"{"name":"c","role":"output"}"#).unwrap_err();
    assert_eq!(failed.exit_status(), 77);
    assert!(!machine.at("run/shrbuf/nodes/video258").exists(), "nothing of it is left");
}

/// Somebody else's device appears between the look and the start.
#[test]
fn the_next_number_is_taken_where_one_is_gone() {
    let machine = Machine::new();
    machine.double.script.lock().unwrap().taken = vec![256, 257];
    let _daemon = machine.daemon();
    let numbers: Vec<u32> =
        machine.client().list().unwrap().iter().map(|node| node.number).collect();
    assert_eq!(numbers, [258, 259]);
    let fixed = device(r#"{"name":"c","role":"output","number":257}"#);
    let message = refused(machine.client().add(fixed), ErrorKind::Failed);
    assert!(message.contains("number 257 is in use"), "{message}");
    assert_eq!(fs::read_dir(machine.at("run/shrbuf/nodes")).unwrap().count(), 2);
}

#[test]
fn a_source_comes_as_a_descriptor_and_no_path_is_opened() {
    let machine = Machine::new();
    let _daemon = machine.daemon();
    let clip = machine.at("clip.y4m");
    let client = machine.client();
    let with = |name: &str| {
        device(&format!(r#"{{"name":"clip","role":"capture","source":{{"file":{name:?}}}}}"#))
    };
    let missing = client.add(with(clip.to_str().unwrap())).unwrap_err();
    assert!(missing.to_string().contains("clip.y4m: No such file"), "{missing}");
    fs::write(&clip, "YUV4MPEG2 ").unwrap();
    client.add(with(clip.to_str().unwrap())).unwrap();
    client.remove("clip".into(), false).unwrap();
    // The same without the descriptor, though the daemon could open the path.
    let request = Request::Add { device: Box::new(with(clip.to_str().unwrap())) };
    let message = refused(client.ask(&request, &[]), ErrorKind::Unfit);
    assert!(
        message.contains("no open descriptor came") && message.contains("SCM_RIGHTS"),
        "{message}"
    );
    let write_only = fs::OpenOptions::new().write(true).open(&clip).unwrap();
    let message = refused(client.ask(&request, &[write_only.as_fd()]), ErrorKind::Unfit);
    assert!(message.contains("not open for reading"), "{message}");
    let folder = fs::File::open(machine.at("dev")).unwrap();
    let message = refused(client.ask(&request, &[folder.as_fd()]), ErrorKind::Unfit);
    assert!(message.contains("is a folder"), "{message}");
    let file = fs::File::open(&clip).unwrap();
    let both = [file.as_fd(), file.as_fd()];
    let message = refused(client.ask(&request, &both), ErrorKind::Malformed);
    assert!(message.contains("more descriptors"), "{message}");
}

#[test]
fn a_picture_comes_as_a_sealed_file() {
    let machine = Machine::new();
    machine.double.script.lock().unwrap().picture = Some(b"\x89PNG picture".to_vec());
    let _daemon = machine.daemon();
    let mut file = machine.client().snapshot("display-sim".into()).unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, b"\x89PNG picture");
    assert!(file.write_all(b"x").is_err(), "it can't grow");
    assert!(file.set_len(0).is_err(), "nor shrink");
    std::io::Seek::rewind(&mut file).unwrap();
    assert!(file.write_all(b"x").is_err(), "nor change");
}

/// Who is not root sees what is theirs.
#[test]
fn others_see_only_their_own_holders_and_change_nothing() {
    let machine = Machine::new();
    {
        let mut script = machine.double.script.lock().unwrap();
        script.rows = vec![
            row(1, "video-sim", 1000, &[1000, 1001]),
            row(2, "video-sim", 1001, &[1001]),
            row(3, "display-sim", 1001, &[1000]),
        ];
        script.orphans = vec![row(4, "gone", 1000, &[]), row(5, "gone", 0, &[0])];
    }
    let daemon = machine.daemon();
    let ask = |viewer, line: &str| {
        handle::line(daemon.supervisor(), viewer, line.as_bytes(), Vec::new()).0
    };
    let table = |viewer, line| match ask(viewer, line) {
        Answer::Buffers { buffers } => buffers
            .into_iter()
            .map(|row| (row.id, row.holders.iter().map(|holder| holder.uid).collect::<Vec<_>>()))
            .collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let all = r#"{"request":"buffers"}"#;
    let theirs = table(Viewer::User(1000), all);
    assert_eq!(theirs, [(3, vec![1000]), (1, vec![1000]), (4, vec![])]);
    assert_eq!(table(Viewer::Privileged, all).len(), 5);
    let one = r#"{"request":"buffers","node":"video-sim"}"#;
    assert_eq!(table(Viewer::Privileged, one).len(), 2);
    for change in [
        r#"{"request":"add","device":{"name":"c","role":"output"}}"#,
        r#"{"request":"remove","node":"video-sim"}"#,
    ] {
        let Answer::Error { kind: ErrorKind::Forbidden, message } = ask(Viewer::User(1000), change)
        else {
            panic!("{change}")
        };
        assert!(message.contains("only root") && message.contains("sudo"), "{message}");
    }
}

/// One line each, and the connection goes on.
#[test]
fn what_is_no_request_is_answered_and_the_next_one_is_understood() {
    let machine = Machine::new();
    let _daemon = machine.daemon();
    let mut stream = machine.stream();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let deep = "[".repeat(10_000);
    for line in [
        &b""[..],
        b"hello",
        b"{}",
        b"[]",
        b"\xff\xfe",
        br#"{"request":"nonsense"}"#,
        br#"{"request":"list","more":1}"#,
        br#"{"request":"remove"}"#,
        br#"{"request":"remove","node":7}"#,
        br#"{"request":"add","device":{"name":"a","role":"capture","colour":"red"}}"#,
        br#"{"request":"list"}{"request":"list"}"#,
        deep.as_bytes(),
    ] {
        stream.write_all(line).unwrap();
        stream.write_all(b"\n").unwrap();
        let mut answer = String::new();
        answers.read_line(&mut answer).unwrap();
        let said = String::from_utf8_lossy(line);
        assert!(answer.contains(r#""kind":"malformed""#), "{said}: {answer}");
        assert!(answer.contains("docs/CONTROL.md"), "{said}: {answer}");
    }
    stream.write_all(b"{\"request\":\"hello\"}\n").unwrap();
    let mut answer = String::new();
    answers.read_line(&mut answer).unwrap();
    assert!(answer.contains(r#""protocol":1"#), "{answer}");
}

/// What the server says until it closes.
fn to_the_end(mut stream: &std::os::unix::net::UnixStream) -> String {
    let mut text = String::new();
    // A server that closes with bytes of ours unread resets the connection, after its answer.
    let _ = stream.read_to_string(&mut text);
    text
}

#[test]
fn a_line_without_end_is_cut_off() {
    let machine = Machine::new();
    let _daemon = machine.daemon();
    let mut stream = machine.stream();
    let piece = vec![b' '; LONGEST_REQUEST];
    let _ = stream.write_all(&piece).and_then(|()| stream.write_all(&piece));
    let mut answer = String::new();
    let _ = BufReader::new(&stream).read_line(&mut answer);
    assert!(answer.contains("too-long") && answer.contains("65536"), "{answer}");
    assert_eq!(machine.client().list().unwrap().len(), 2, "others are served");
}

fn impatient(machine: &Machine) -> Options {
    let slow = Duration::from_millis(20);
    Options { patience: Patience { idle: slow, slow }, ..machine.options() }
}

#[test]
fn who_is_slow_loses_the_connection() {
    let machine = Machine::new();
    let _daemon = machine.start(&impatient(&machine)).unwrap();
    let idle = machine.stream();
    assert_eq!(to_the_end(&idle), "", "nothing was begun, and nothing is to be said");
    let mut slow = machine.stream();
    slow.write_all(b"{\"request\":").unwrap();
    let answer = to_the_end(&slow);
    assert!(answer.contains("too-slow"), "{answer}");
}

/// A table of some megabytes does not fit in a socket.
#[test]
fn who_does_not_read_holds_up_nobody() {
    let machine = Machine::new();
    machine.double.script.lock().unwrap().rows =
        (0..20_000).map(|id| row(id, "video-sim", 0, &[0])).collect();
    let daemon = machine.start(&impatient(&machine)).unwrap();
    let mut deaf = machine.stream();
    deaf.write_all(b"{\"request\":\"buffers\"}\n").unwrap();
    machine.client().list().unwrap();
    daemon.stop();
    drop(deaf);
    assert_eq!(machine.left(), Vec::<String>::new());
}

#[test]
fn there_are_only_so_many_connections() {
    let machine = Machine::new();
    let _daemon = machine.daemon();
    let mut streams = Vec::new();
    let refusal = loop {
        let mut stream = machine.stream();
        // One that is refused may be closed already.
        let _ = stream.write_all(b"{\"request\":\"hello\"}\n");
        let mut answer = String::new();
        BufReader::new(&stream).read_line(&mut answer).unwrap();
        if !answer.contains("protocol") {
            break answer;
        }
        streams.push(stream);
        assert!(streams.len() < 100, "no end of connections");
    };
    assert!(refusal.contains("busy") && refusal.contains("connections"), "{refusal}");
    assert_eq!(streams.len(), 8);
    streams.pop();
    soon("there is room again", || machine.client().list().is_ok());
}

#[test]
fn there_are_only_so_many_requests() {
    let machine = Machine::new();
    let _daemon = machine.daemon();
    let mut stream = machine.stream();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let mut count = 0;
    let refusal = loop {
        let mut answer = String::new();
        let sent = stream.write_all(b"{\"request\":\"hello\"}\n");
        if answers.read_line(&mut answer).unwrap_or_default() == 0 || sent.is_err() {
            break answer;
        }
        if !answer.contains("protocol") {
            break answer;
        }
        count += 1;
        assert!(count < 1_000_000, "no end of requests");
    };
    assert!(refusal.contains("busy") && refusal.contains("requests"), "{refusal}");
    assert!(count >= 30, "a burst is allowed: {count}");
}

/// A hundred descriptors with one byte: none stays open.
#[test]
fn a_flood_of_descriptors_is_refused_and_closed() {
    let machine = Machine::new();
    let daemon = machine.daemon();
    let (mine, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let stream = machine.stream();
    let numbers = vec![mine.as_raw_fd(); 100];
    sendmsg::<()>(
        stream.as_raw_fd(),
        &[IoSlice::new(b"{")],
        &[ControlMessage::ScmRights(&numbers)],
        MsgFlags::empty(),
        None,
    )
    .unwrap();
    drop(mine);
    let answer = to_the_end(&stream);
    assert!(answer.contains("malformed") && answer.contains("at most 2 descriptors"), "{answer}");
    // Whoever still had one of the hundred would keep this from its end.
    let _ = to_the_end(&theirs);
    daemon.stop();
}

/// Exports of cooperating clients have a socket of their own.
#[test]
fn the_courier_s_socket_is_beside_the_control_socket() {
    let machine = Machine::new();
    let daemon = machine.daemon();
    let path = machine.at("run/courier.sock");
    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
    daemon.stop();
    assert!(!path.exists());
}

#[test]
fn a_second_daemon_is_told_of_the_first() {
    let machine = Machine::new();
    let daemon = machine.daemon();
    let error = machine.start(&machine.options()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&format!("(process {})", std::process::id())), "{text}");
    assert!(text.contains("runs already") && text.contains("--socket"), "{text}");
    assert_eq!(error.exit_status(), 1);
    assert_eq!(machine.client().list().unwrap().len(), 2, "the first is undisturbed");
    daemon.stop();
    machine.daemon().stop();
}

#[test]
fn what_a_killed_daemon_left_is_no_hindrance() {
    let machine = Machine::new();
    let socket = machine.options().socket;
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let daemon = machine.daemon();
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);
    machine.client().list().unwrap();
    daemon.stop();
    fs::write(&socket, "a file").unwrap();
    let error = machine.start(&machine.options()).unwrap_err().to_string();
    assert!(error.contains("is no socket"), "{error}");
    assert_eq!(machine.left(), ["run/control.sock"]);
}

/// Whoever may make files beside the socket doesn't have root write into others.
#[test]
fn a_lock_that_is_a_link_is_not_followed() {
    let machine = Machine::new();
    let theirs = machine.at("theirs");
    fs::write(&theirs, "theirs").unwrap();
    std::os::unix::fs::symlink(&theirs, machine.at("run/control.sock.lock")).unwrap();
    let error = machine.start(&machine.options()).unwrap_err().to_string();
    assert!(error.contains("open ") && error.contains("control.sock.lock"), "{error}");
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs");
}

#[test]
fn a_daemon_that_can_t_start_leaves_nothing() {
    let machine = Machine::new();
    let config = machine.at("shrbuf.toml");
    fs::write(&config, "[[device]]\nname = \"a\"\nrole = \"output\"\n[[device]]\nname = \"b\"\nrole = \"output\"\nnumber = 7\n").unwrap();
    machine.double.script.lock().unwrap().taken = vec![7];
    let options = Options { config: Some(config), ..machine.options() };
    let error = machine.start(&options).unwrap_err();
    assert!(error.to_string().contains("number 7 is in use"), "{error}");
    assert_eq!(machine.calls(), ["start a 256", "stop a"]);
    assert_eq!(machine.left(), Vec::<String>::new());
}

#[test]
fn without_a_daemon_the_client_says_how_to_start_one() {
    let machine = Machine::new();
    let error = Client::connect(&machine.options().socket).unwrap_err().to_string();
    assert!(error.contains("no daemon listens at") && error.contains("shrbuf daemon"), "{error}");
}

/// The manual's examples are requests.
#[test]
fn the_examples_of_the_manual_are_understood() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/CONTROL.md")).unwrap();
    let requests: Vec<&str> =
        text.lines().filter(|line| line.starts_with("{\"request\"")).collect();
    assert!(requests.len() >= 6, "{requests:?}");
    for line in requests {
        serde_json::from_str::<Request>(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
    let answers: Vec<&str> = text.lines().filter(|line| line.starts_with("{\"answer\"")).collect();
    assert!(answers.len() >= 6, "{answers:?}");
    for line in answers {
        serde_json::from_str::<Answer>(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
    for kind in [
        "malformed",
        "too-long",
        "too-slow",
        "busy",
        "forbidden",
        "no-such-node",
        "unfit",
        "in-use",
        "environment",
        "failed",
    ] {
        assert!(text.contains(&format!("`{kind}`")), "docs/CONTROL.md lacks {kind}");
        serde_json::from_str::<ErrorKind>(&format!("{kind:?}")).unwrap();
    }
}
