//! What holds for a guest of either engine.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::support::{
    Caller, Who, all_gone, descendants, listed, piped, ran, ran_with_input, soon, with_input,
};

/// The statuses are those that shells, `env` and `timeout` give.
pub(crate) fn the_status_is_the_commands_own(caller: &Caller) {
    caller.script(&[], "exit 7").expect(7, "");
    caller.script(&[], "kill -9 $$").expect(128 + 9, "");
    ran(caller.sandbox(&[], &["no-such-command"])).complains(127, &["no-such-command"]);
    fs::write(caller.present.join("plain"), "no program").expect("a file");
    ran(caller.sandbox(&[], &["./plain"])).complains(126, &["./plain"]);
}

pub(crate) fn both_device_nodes_are_there(caller: &Caller) {
    let script = "ls -l /dev/cuse /dev/fuse | cut -c 1; id -u; pwd; echo \"$WORD\"";
    let mut command = caller.sandbox(&[], &["sh", "-c", script]);
    command.env("WORD", "a word & more");
    let present = caller.present.to_str().expect("a name in UTF-8");
    ran(command).expect(0, &format!("c\nc\n0\n{present}\na word & more\n"));
}

pub(crate) fn streams_stay_apart_and_are_live(caller: &Caller) {
    let mut child =
        piped(&mut caller.sandbox(&[], &["sh", "-c", "echo first; read x; echo $x; echo bad >&2"]));
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    // It comes while the command still waits for its input.
    out.read_line(&mut line).expect("a line");
    assert_eq!(line, "first\n");
    child.stdin.take().expect("a pipe").write_all(b"second\n").expect("a write");
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("the rest");
    assert_eq!(rest, "second\n");
    let output = child.wait_with_output().expect("its end");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b"bad\n"[..]));
}

/// `mebibytes` of all byte values, in and out.
pub(crate) fn bytes_come_through_as_they_are(caller: &Caller, mebibytes: usize) {
    let block: Vec<u8> = (0..1 << 20).map(|place: u32| (place ^ (place >> 8)) as u8).collect();
    let input = block.repeat(mebibytes.min(2));
    let script =
        format!("cat >bytes; for i in $(seq {}); do cat bytes; done", mebibytes.div_ceil(2));
    let output = with_input(&mut caller.sandbox(&[], &["sh", "-c", &script]), &input);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout.len(), input.len() * mebibytes.div_ceil(2));
    assert!(output.stdout.chunks(block.len()).all(|piece| piece == block));
}

pub(crate) fn many_lines_come_in_order(caller: &Caller) {
    let answer = caller.script(&[], "seq 1 100000");
    let expected: String = (1..=100_000).map(|number| format!("{number}\n")).collect();
    assert_eq!(answer.status, 0);
    assert!(answer.out == expected, "{} bytes of {}", answer.out.len(), expected.len());
    // And a reader who has enough ends the command.
    let words =
        format!("'{}' sandbox --engine {} -- yes | head -n 1", caller.program(), caller.engine());
    ran(caller.command("sh", ["-c", &words])).expect(0, "y\n");
}

pub(crate) fn only_the_named_folders_keep_what_is_written(caller: &Caller) {
    let named = caller.folder().join("named, with a comma");
    caller.make_folder(&named);
    let other = caller.folder().join("other");
    caller.make_folder(&other);
    let script = "echo kept >kept && echo kept >\"$NAMED/kept\" && mkdir sub && mv kept sub/ \
                  && echo lost >\"$OTHER/lost\" && echo lost >/etc/shrbuf-lost && cat /etc/shrbuf-lost";
    let name = named.to_str().expect("a name in UTF-8");
    let mut command = caller.sandbox(&["--writable", name], &["sh", "-c", script]);
    command.env("NAMED", &named).env("OTHER", &other);
    ran(command).expect(0, "lost\n");
    for kept in [caller.present.join("sub/kept"), named.join("kept")] {
        assert_eq!(fs::read_to_string(&kept).expect("the file"), "kept\n");
        assert_eq!(
            fs::metadata(&kept).expect("the file").uid(),
            caller.uid(),
            "{}",
            kept.display()
        );
    }
    assert!(listed(&other).is_empty());
    assert!(!Path::new("/etc/shrbuf-lost").exists());
}

pub(crate) fn a_planted_link_is_not_followed(caller: &Caller) {
    let target = caller.folder().join("target");
    caller.make_folder(&target);
    symlink(&target, caller.present.join("planted")).expect("a link");
    ran(caller.sandbox(&["--writable", "planted"], &["true"]))
        .complains(2, &["planted", "symbolic link"]);
    // Nor by whoever makes the folders writable: the link now lies on the way.
    caller.script(&[], "echo x >planted/file; echo done").expect(0, "done\n");
    assert!(listed(&target).is_empty());
}

/// `mount` is a shell line that gives the guest the machine's files at `/m`, in the way of its
/// engine, writable if it could be.
pub(crate) fn nothing_else_of_the_machine_can_be_changed(caller: &Caller, mount: &str) {
    let victim = caller.folder().join("victim");
    caller.make_folder(&victim);
    for name in ["file", "mode", "time"] {
        fs::write(victim.join(name), "safe").expect("a file");
        if caller.uid() != nix::unistd::geteuid().as_raw() {
            std::os::unix::fs::chown(victim.join(name), Some(caller.uid()), None)
                .expect("its owner");
        }
    }
    caller.make_folder(&caller.home().join(".ssh"));
    let before = fs::metadata(victim.join("time")).expect("the file").mtime();
    let script = format!(
        "set -u; mkdir /m; {mount} || {{ echo NOT MOUNTED; exit 9; }}
        test -e \"/m$VICTIM/file\" && echo mounted
        try() {{ \"$@\" 2>/dev/null && echo \"ESCAPED: $*\"; }}
        write() {{ try sh -c 'echo x >\"$1\"' sh \"$1\"; }}
        write /m/root/shrbuf-escape; write /m/etc/shrbuf-escape; write \"/m$HOME/.ssh/shrbuf-escape\"
        write \"/m$VICTIM/../shrbuf-escape\"; write \"/m$VICTIM/file\"; write \"/m$PWD/../shrbuf-escape\"
        write ../shrbuf-escape; write /m/proc/sysrq-trigger; echo x 2>/dev/null >/m/dev/shm/shrbuf-escape
        try mkdir \"/m$VICTIM/new\"; try rm \"/m$VICTIM/file\"; try mv \"/m$VICTIM/file\" \"/m$VICTIM/moved\"
        try ln \"/m$VICTIM/file\" \"/m$VICTIM/hard\"; try ln -s / \"/m$VICTIM/soft\"
        try chmod 777 \"/m$VICTIM/mode\"; try chown 1 \"/m$VICTIM/mode\"; try touch -d @1 \"/m$VICTIM/time\"
        try truncate -s 0 \"/m$VICTIM/file\"; try mknod \"/m$VICTIM/null\" c 1 3; try mknod null c 1 3
        mount -o remount,rw /m 2>/dev/null; write \"/m$VICTIM/file\"
        ln -s \"$VICTIM\" link; echo x >link/file; echo done"
    );
    let mut command = caller.sandbox(&[], &["sh", "-c", &script]);
    command.env("VICTIM", &victim).env("HOME", caller.home());
    let answer = ran(command);
    // Overlaid files can be written, and are lost: `../` and the link are such.
    let escaped: Vec<&str> =
        answer.out.lines().filter(|line| line.starts_with("ESCAPED")).collect();
    let only_lost = escaped.iter().all(|line| line.ends_with("sh ../shrbuf-escape"));
    assert!(
        answer.out.starts_with("mounted\n") && answer.out.ends_with("done\n") && only_lost,
        "{answer:#?}"
    );
    for name in ["file", "mode", "time"] {
        let found = fs::metadata(victim.join(name)).expect("the file");
        assert_eq!(fs::read_to_string(victim.join(name)).expect("the file"), "safe");
        assert_eq!((found.mode() & 0o777, found.uid()), (0o644, caller.uid()), "{name}");
    }
    assert_eq!(fs::metadata(victim.join("time")).expect("the file").mtime(), before);
    assert_eq!(listed(&victim).len(), 3);
    assert!(listed(&caller.home().join(".ssh")).is_empty());
    for place in [caller.folder(), Path::new("/root"), Path::new("/etc"), Path::new("/dev/shm")] {
        assert!(!place.join("shrbuf-escape").exists(), "{}", place.display());
    }
    let null = fs::symlink_metadata(caller.present.join("null"));
    assert!(null.is_err() || null.is_ok_and(|found| found.is_file()), "a device file came out");
}

pub(crate) fn out_of_time_is_124(caller: &Caller) {
    // What is made once would take its part of the time.
    caller.script(&[], "true").expect(0, "");
    let script = "echo up; sleep 1000";
    let mut child = piped(&mut caller.sandbox(&["--timeout", "10"], &["sh", "-c", script]));
    let processes = seen_up(&mut child, "up");
    let output = child.wait_with_output().expect("its end");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(124), "{said}");
    assert!(said.contains("within 10 s"), "{said}");
    all_gone(&processes);
}

/// Nor does a guest that no longer answers, with input for it under way, outlast its time.
pub(crate) fn a_guest_that_hangs_is_out_of_time(caller: &Caller) {
    caller.script(&[], "true").expect(0, "");
    let script = "echo up; cat >/dev/null";
    let mut child = piped(&mut caller.sandbox(&["--timeout", "10"], &["sh", "-c", script]));
    let processes = seen_up(&mut child, "up");
    for (pid, _) in &processes {
        let program = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if ["linux.uml", "qemu-system-x86"].iter().any(|name| program.starts_with(name)) {
            kill(Pid::from_raw(i32::try_from(*pid).expect("a number")), Signal::SIGSTOP)
                .expect("a stop");
        }
    }
    let mut input = child.stdin.take().expect("a pipe");
    let writer = std::thread::spawn(move || input.write_all(&[b'x'; 4 << 20]));
    kill(tool_of(child.id()), Signal::SIGINT).expect("a signal");
    let output = child.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(124), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(writer.join().expect("the writer").is_err(), "nobody can have read all that");
    all_gone(&processes);
}

pub(crate) fn a_guest_that_dies_is_125_with_its_last_words(caller: &Caller) {
    caller
        .script(&[], "echo before; sleep 1; echo c >/proc/sysrq-trigger; sleep 1000")
        .complains(125, &["the guest died", "sysrq"]);
}

pub(crate) fn inside_a_sandbox_there_is_none(caller: &Caller) {
    let answer = ran(caller.sandbox(&[], &[caller.program(), "sandbox", "--", "true"]));
    answer.complains(77, &["a sandbox already"]);
}

pub(crate) fn signals_reach_the_command(caller: &Caller) {
    for (signal, status) in [(Signal::SIGINT, 41), (Signal::SIGTERM, 42)] {
        let script =
            "trap 'exit 41' INT; trap 'exit 42' TERM; echo up; while :; do sleep 0.1; done";
        let mut child = piped(&mut caller.sandbox(&[], &["sh", "-c", script]));
        let processes = seen_up(&mut child, "up");
        kill(tool_of(child.id()), signal).expect("a signal");
        let output = child.wait_with_output().expect("its end");
        assert_eq!(output.status.code(), Some(status), "{signal}");
        all_gone(&processes);
    }
}

/// Whatever ends the caller, and whenever.
pub(crate) fn no_guest_outlives_its_caller(caller: &Caller) {
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGHUP] {
        let script = "trap '' TERM HUP INT; echo up; while :; do sleep 0.1; done";
        let mut child = piped(&mut caller.sandbox(&[], &["sh", "-c", script]));
        let processes = seen_up(&mut child, "up");
        kill(tool_of(child.id()), signal).expect("a signal");
        let output = child.wait_with_output().expect("its end");
        assert_eq!(super::support::status_of(&output), 128 + signal as i32);
        all_gone(&processes);
    }
    // While the guest still starts.
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        let mut child = piped(&mut caller.sandbox(&[], &["sleep", "1000"]));
        soon("the keeper has started a guest", || descendants(child.id()).len() >= 3);
        let processes = descendants(child.id());
        kill(tool_of(child.id()), signal).expect("a signal");
        let status = child.wait().expect("its end");
        assert!(!status.success());
        all_gone(&processes);
    }
    let cache = caller.home().join(".cache");
    let left: Vec<_> =
        listed(caller.home()).into_iter().filter(|path| !path.starts_with(&cache)).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The tool itself: `timeout` starts it, and would pass on what it gets only in part.
fn tool_of(timeout: u32) -> Pid {
    let children = fs::read_to_string(format!("/proc/{timeout}/task/{timeout}/children"))
        .expect("its children");
    let first = children.split_ascii_whitespace().next().expect("a child");
    Pid::from_raw(first.parse().expect("a number"))
}

/// Waits for `word` on standard output, and returns the processes that are there then.
fn seen_up(child: &mut std::process::Child, word: &str) -> Vec<super::support::Identity> {
    let mut seen = Vec::new();
    let out = child.stdout.as_mut().expect("a pipe");
    let mut byte = [0u8; 1];
    while seen != format!("{word}\n").as_bytes() {
        assert_eq!(
            out.read(&mut byte).expect("a byte"),
            1,
            "ended after {}",
            String::from_utf8_lossy(&seen)
        );
        seen.extend(byte);
    }
    let processes = descendants(child.id());
    assert!(processes.len() >= 3, "the tool, its keeper, the guest: {processes:?}");
    processes
}

pub(crate) fn a_terminal_has_its_size_and_its_ctrl_c(caller: &Caller) {
    let line = format!(
        "stty rows 33 cols 101; exec '{}' sandbox --engine {}",
        caller.program(),
        caller.engine()
    );
    let words = format!("{line} -- sh -c 'stty size; test -t 0 && test -t 2 && echo tty'");
    let mut child = piped(&mut caller.command("script", ["-qec", &words, "/dev/null"]));
    // The end of its input would become a character of the terminal's.
    let input = child.stdin.take();
    let output = child.wait_with_output().expect("its end");
    drop(input);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "33 101\r\ntty\r\n");
    // The shell says when it is ready for the key.
    let words = format!(
        "{line} -- sh -c 'trap \"echo got; exit 9\" INT; echo up; while :; do sleep 0.1; done'"
    );
    let mut child = piped(&mut caller.command("script", ["-qec", &words, "/dev/null"]));
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut seen = String::new();
    out.read_line(&mut seen).expect("a line");
    assert_eq!(seen, "up\r\n");
    child.stdin.as_mut().expect("a pipe").write_all(b"\x03").expect("a key");
    out.read_to_string(&mut seen).expect("the rest");
    assert!(seen.ends_with("got\r\n"), "{seen:?}");
    assert_eq!(child.wait().expect("its end").code(), Some(9));
}

pub(crate) fn a_home_that_cannot_be_written_is_no_hindrance(caller: &Caller) {
    let mut command = caller.sandbox(&[], &["echo", "ran"]);
    command
        .env("HOME", "/proc/no-home")
        .env_remove("XDG_CACHE_HOME")
        .env("XDG_RUNTIME_DIR", caller.home());
    ran(command).expect(0, "ran\n");
}

pub(crate) fn callers_at_once_do_not_disturb_each_other(caller: &Caller) {
    let cache = caller.folder().join("cache");
    caller.make_folder(&cache);
    let start = |word: &str| {
        let mut command = caller.sandbox(&[], &["sh", "-c", &format!("cat; echo {word}")]);
        piped(command.env("XDG_CACHE_HOME", &cache))
    };
    let children = ["one", "two", "three"].map(|word| (word, start(word)));
    for (word, mut child) in children {
        drop(child.stdin.take());
        let output = child.wait_with_output().expect("its end");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{word}\n"), "{said}");
    }
    let unfinished: Vec<_> =
        listed(&cache).into_iter().filter(|path| path.ends_with("-making")).collect();
    assert!(unfinished.is_empty(), "{unfinished:?}");
}

pub(crate) fn a_module_that_is_not_there_is_named(caller: &Caller) {
    ran(caller.sandbox(&["--module", "no_such_module,x=1"], &["true"]))
        .complains(125, &["no_such_module"]);
}

pub(crate) fn a_missing_kernel_is_77_with_what_helps(caller: &Caller, variable: &str) {
    let mut command = caller.sandbox(&[], &["true"]);
    command.env(variable, "/no/such/kernel");
    ran(command).complains(77, &[variable, "/no/such/kernel", "unset"]);
}

pub(crate) fn input_reaches_a_command_that_takes_its_time(caller: &Caller) {
    let input = "line\n".repeat(50_000);
    let answer =
        ran_with_input(caller.sandbox(&[], &["sh", "-c", "sleep 1; wc -l"]), input.as_bytes());
    answer.expect(0, "50000\n");
    // Nor does one that never reads keep the tool.
    let answer = ran_with_input(caller.sandbox(&[], &["echo", "done"]), input.as_bytes());
    answer.expect(0, "done\n");
}

/// Whether the caller can be had, else why not.
pub(crate) fn callers() -> Vec<Who> {
    if nix::unistd::geteuid().is_root() {
        vec![Who::Me, Who::Ordinary]
    } else {
        vec![Who::Ordinary]
    }
}
