//! What the sandbox tests share: a caller (root, an ordinary user) with folders of his own, and
//! ways to start `shrbuf sandbox` and to see what is left of it.
#![allow(clippy::expect_used, clippy::panic, reason = "this is test code")]
#![allow(dead_code, reason = "each lane uses its own part of this")]

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::unistd::geteuid;
use tempfile::TempDir;

/// Somebody who exists in no password file: what he may do is what anybody may.
const ORDINARY: u32 = 54321;

/// No guest takes so long; one that hangs is ended then, and the test fails.
const RUN_SECONDS: &str = "240";

/// For what must happen soon. Under emulation on a busy machine it took seconds.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// The user who runs the tests, with his own cache.
    Me,
    /// An ordinary user with an empty home (the tests must be run by root for that, or it is the
    /// one who runs them).
    Ordinary,
}

/// A caller and his folders, gone at the end of the test.
#[derive(Debug)]
pub(crate) struct Caller {
    pub who: Who,
    engine: &'static str,
    folder: TempDir,
    /// Where he calls from.
    pub present: PathBuf,
    /// A home for caches; `Me` has his own.
    home: PathBuf,
    program: PathBuf,
    memory: Option<&'static str>,
    /// For his `SHRBUF_KERNEL`.
    pub(crate) kernel: Option<PathBuf>,
}

impl Caller {
    pub(crate) fn new(engine: &'static str, who: Who) -> Self {
        let folder = tempfile::Builder::new().prefix("shrbuf test ü ").tempdir().expect("a folder");
        let base = fs::canonicalize(folder.path()).expect("its path");
        fs::set_permissions(&base, Permissions::from_mode(0o755)).expect("its mode");
        let program = base.join("shrbuf");
        // The checkout may lie where only its owner may look. A process of its own copies: what other
        // threads start would inherit a descriptor of this one's, and the copy be busy (ETXTBSY).
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_shrbuf")).arg(&program).status();
        assert!(copied.expect("cp").success(), "a copy of the program");
        let caller = Self {
            who,
            engine,
            present: base.join("present"),
            home: base.join("home"),
            folder,
            program,
            memory: None,
            kernel: None,
        };
        caller.make_folder(&caller.present);
        caller.make_folder(&caller.home);
        caller
    }

    /// With this much memory for his guests.
    pub(crate) fn with_memory(mut self, memory: &'static str) -> Self {
        self.memory = Some(memory);
        self
    }

    /// Gives him a copy of `image` and its modules that he may read.
    pub(crate) fn take_kernel(&mut self, image: &Path) {
        let base = self.folder.path().join("kernel");
        self.make_folder(&base.join("boot"));
        self.make_folder(&base.join("lib/modules"));
        let name = image.file_name().expect("a name");
        let release = name.to_str().and_then(|name| name.strip_prefix("vmlinuz-"));
        let tree = image.ancestors().nth(2).expect("TREE/boot/vmlinuz-RELEASE");
        let modules = tree.join("lib/modules").join(release.expect("vmlinuz-RELEASE"));
        copy_tree(image, &base.join("boot"));
        copy_tree(&modules, &base.join("lib/modules"));
        self.kernel = Some(base.join("boot").join(name));
    }

    /// A folder of this caller's.
    pub(crate) fn make_folder(&self, path: &Path) {
        fs::create_dir_all(path).expect("a folder");
        if self.changes_user() {
            chown(path, Some(ORDINARY), Some(ORDINARY)).expect("its owner");
        }
    }

    pub(crate) fn engine(&self) -> &str {
        self.engine
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    fn changes_user(&self) -> bool {
        self.who == Who::Ordinary && geteuid().is_root()
    }

    /// The user id under which his files lie.
    pub(crate) fn uid(&self) -> u32 {
        if self.changes_user() { ORDINARY } else { geteuid().as_raw() }
    }

    /// `program` with `args`, run as this caller in his present folder.
    pub(crate) fn command<I: AsRef<OsStr>>(
        &self,
        program: &str,
        args: impl IntoIterator<Item = I>,
    ) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=10", RUN_SECONDS]);
        if self.changes_user() {
            let id = ORDINARY.to_string();
            command.args([
                "setpriv",
                "--reuid",
                &id,
                "--regid",
                &id,
                "--clear-groups",
                "--inh-caps=-all",
            ]);
        }
        command.arg(program).args(args).current_dir(&self.present);
        if self.who == Who::Ordinary {
            command
                .env("HOME", &self.home)
                .env_remove("XDG_CACHE_HOME")
                .env_remove("XDG_RUNTIME_DIR");
        }
        if let Some(kernel) = &self.kernel {
            command.env("SHRBUF_KERNEL", kernel);
        }
        command.env("TMPDIR", &self.home);
        command
    }

    /// `shrbuf sandbox` with these words before the `--` and after it.
    pub(crate) fn sandbox(&self, options: &[&str], words: &[&str]) -> Command {
        let mut args = vec!["sandbox", "--engine", self.engine];
        if let Some(memory) = self.memory {
            args.extend(["--memory", memory]);
        }
        args.extend(options);
        args.push("--");
        args.extend(words);
        self.command(self.program.to_str().expect("a name in UTF-8"), args)
    }

    pub(crate) fn program(&self) -> &str {
        self.program.to_str().expect("a name in UTF-8")
    }

    /// Runs a shell script in a guest.
    pub(crate) fn script(&self, options: &[&str], script: &str) -> Ran {
        ran(self.sandbox(options, &["sh", "-c", script]))
    }
}

/// A copy that anybody may read, without using space where that can be had.
fn copy_tree(from: &Path, into: &Path) {
    let copy = |option: &str| {
        let mut command = Command::new("cp");
        command.args(["-R", "--preserve=mode,timestamps", option]).arg(from).arg(into);
        command.stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    assert!(copy("--link") || copy("--reflink=auto"), "can't copy {}", from.display());
}

/// What came of a call.
#[derive(Debug)]
pub(crate) struct Ran {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn expect(self, status: i32, out: &str) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        assert_eq!(self.out, out, "{self:#?}");
        self
    }

    /// Fails unless standard error has all of `words`.
    #[track_caller]
    pub(crate) fn complains(self, status: i32, words: &[&str]) -> Self {
        assert_eq!(self.status, status, "{self:#?}");
        for word in words {
            assert!(self.err.contains(word), "no '{word}' in {self:#?}");
        }
        self
    }
}

/// As a shell shows it.
pub(crate) fn status_of(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or_default())
}

#[track_caller]
pub(crate) fn ran(command: Command) -> Ran {
    ran_with_input(command, b"")
}

#[track_caller]
pub(crate) fn ran_with_input(mut command: Command, input: &[u8]) -> Ran {
    let output = with_input(&mut command, input);
    Ran {
        status: status_of(&output),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[track_caller]
pub(crate) fn with_input(command: &mut Command, input: &[u8]) -> Output {
    let mut child = piped(command);
    let mut pipe = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || {
        // The other side may end before it has read all.
        let _ = pipe.write_all(&input);
    });
    let output = child.wait_with_output().expect("its output");
    writer.join().expect("the writer");
    output
}

#[track_caller]
pub(crate) fn piped(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the program starts")
}

/// A process, and when it was started: numbers are used again.
pub(crate) type Identity = (u32, String);

/// All processes below `pid`, at this moment.
pub(crate) fn descendants(pid: u32) -> Vec<Identity> {
    let mut found = Vec::new();
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return found };
    for task in tasks.flatten() {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_ascii_whitespace().filter_map(|text| text.parse().ok()) {
            found.extend(started(child).map(|start| (child, start)));
            found.extend(descendants(child));
        }
    }
    found
}

/// The 22nd field of `/proc/PID/stat` (the name in the second may have anything in it).
fn started(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19).map(str::to_owned)
}

/// Waits until none of them is there any more.
#[track_caller]
pub(crate) fn all_gone(processes: &[Identity]) {
    soon("all processes are gone", || {
        processes.iter().all(|(pid, start)| started(*pid).as_ref() != Some(start))
    });
}

#[track_caller]
pub(crate) fn soon(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + SOON;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {SOON:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Every path below `folder`.
pub(crate) fn listed(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        found.push(entry.path());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(listed(&entry.path()));
        }
    }
    found
}
