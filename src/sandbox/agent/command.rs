//! Runs the command inside the guest and carries its streams.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::pty::openpty;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Pid;

use super::{Paced, Sender};
use crate::sandbox::flow::Window;
use crate::sandbox::wire::{Frame, MAX_DATA, Outcome, Start, StreamKind, WindowSize};
use crate::sandbox::{Context, Error};
use crate::sys::process::new_session;
use crate::sys::terminal::set_size;

/// The agent's ends of the command's streams.
struct Streams {
    /// Where bytes for the command go: a pipe, or the terminal's other side.
    input: Option<File>,
    /// Where bytes of the command come from, with the number under which they are sent on.
    /// Number 0 stands for the terminal, which has one output whatever is connected to it.
    outputs: Vec<(u8, File)>,
    terminal: Option<File>,
}

/// Runs the command to its end. Everything it wrote has been sent when this returns.
pub(super) fn run(start: &Start, receiver: BufReader<Paced>, sender: &Sender) -> Outcome {
    match launch(start) {
        Ok((command, streams)) => attend(command, streams, receiver, sender),
        Err(outcome) => outcome,
    }
}

fn launch(start: &Start) -> Result<(Pid, Streams), Outcome> {
    let unfit = |error: Error| Outcome::Unfit(error.to_string());
    let Some((program, args)) = start.argv.split_first() else {
        return Err(Outcome::NotStarted(127, "no command was given".into()));
    };
    let mut command = Command::new(program);
    command.args(args).env_clear().envs(start.env.iter().map(|(name, value)| (name, value)));
    let streams = connect(&mut command, start).map_err(unfit)?;
    let terminal = start.streams.iter().position(|kind| *kind == StreamKind::Terminal);
    new_session(&mut command, terminal.and_then(|stream| i32::try_from(stream).ok()));
    match command.spawn() {
        Ok(child) => Ok((Pid::from_raw(child.id().cast_signed()), streams)),
        Err(error) => Err(not_started(Path::new(program), &error, path_of(start))),
    }
}

fn path_of(start: &Start) -> Option<&OsStr> {
    start.env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str())
}

/// The statuses that shells give: 127 not found, 126 found but not startable. The system's answer
/// alone does not tell: a folder of PATH that may not be searched makes it `EACCES`, too.
fn not_started(program: &Path, error: &io::Error, path: Option<&OsStr>) -> Outcome {
    let by_name =
        program.components().count() == 1 && !program.as_os_str().as_bytes().contains(&b'/');
    let found = match path {
        _ if !by_name => program.exists(),
        Some(path) => std::env::split_paths(path).any(|folder| folder.join(program).exists()),
        None => error.kind() != io::ErrorKind::NotFound,
    };
    if found {
        return Outcome::NotStarted(126, format!("{}: {error}", program.display()));
    }
    let hint = if by_name && path.is_none() { " (PATH is not set)" } else { "" };
    Outcome::NotStarted(127, format!("{}: command not found{hint}", program.display()))
}

fn connect(command: &mut Command, start: &Start) -> Result<Streams, Error> {
    let mut streams = Streams { input: None, outputs: Vec::new(), terminal: None };
    let mut slave = None;
    if start.streams.contains(&StreamKind::Terminal) {
        let pty = openpty(None, None).context(|| "open a pseudo terminal".into())?;
        let master = File::from(pty.master);
        if let Some(WindowSize { rows, columns }) = start.window {
            set_size(&master, rows, columns).context(|| "set the terminal's size".into())?;
        }
        let duplicate = |file: &File| file.try_clone().context(|| "duplicate a terminal".into());
        streams.outputs.push((0, duplicate(&master)?));
        streams.terminal = Some(duplicate(&master)?);
        streams.input = Some(master);
        slave = Some(pty.slave);
    }
    let [stdin, stdout, stderr] = start.streams;
    match (stdin, &slave) {
        (StreamKind::Terminal, Some(slave)) => command.stdin(stdio(slave)?),
        _ => {
            let (ours, theirs) = pipe()?;
            streams.input = Some(theirs);
            command.stdin(Stdio::from(ours))
        }
    };
    for (number, kind) in [(1, stdout), (2, stderr)] {
        let end = match (kind, &slave) {
            (StreamKind::Terminal, Some(slave)) => stdio(slave)?,
            _ => {
                let (ours, theirs) = pipe()?;
                streams.outputs.push((number, ours));
                Stdio::from(theirs)
            }
        };
        if number == 1 {
            command.stdout(end)
        } else {
            command.stderr(end)
        };
    }
    Ok(streams)
}

fn stdio(slave: &OwnedFd) -> Result<Stdio, Error> {
    Ok(slave.try_clone().context(|| "duplicate a terminal".into())?.into())
}

fn pipe() -> Result<(File, File), Error> {
    let (reader, writer) = io::pipe().context(|| "make a pipe".into())?;
    Ok((File::from(OwnedFd::from(reader)), File::from(OwnedFd::from(writer))))
}

fn attend(command: Pid, streams: Streams, receiver: BufReader<Paced>, sender: &Sender) -> Outcome {
    let windows: HashMap<u8, Arc<Window>> =
        streams.outputs.iter().map(|(number, _)| (*number, Arc::default())).collect();
    let senders: Vec<JoinHandle<()>> = streams
        .outputs
        .into_iter()
        .filter_map(|(number, file)| {
            let window = Arc::clone(windows.get(&number)?);
            let sender = sender.clone();
            Some(std::thread::spawn(move || send_output(number, file, &window, &sender)))
        })
        .collect();
    let (input, pieces) = channel();
    let feeder = sender.clone();
    std::thread::spawn(move || feed(streams.input, &pieces, &feeder));
    let terminal = streams.terminal;
    std::thread::spawn(move || obey(receiver, &input, command, terminal.as_ref(), &windows));
    let outcome = reap(command);
    // The guest ends with its command, as a container does; what is left holds the streams open.
    let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
    for thread in senders {
        let _ = thread.join();
    }
    outcome
}

/// Process 1 reaps everybody; it is the command's end that counts.
fn reap(command: Pid) -> Outcome {
    loop {
        match wait() {
            Ok(WaitStatus::Exited(pid, status)) if pid == command => {
                return Outcome::Exited(status);
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == command => {
                return Outcome::Signaled(signal as i32);
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Outcome::Unfit(format!("wait for the command: {errno}")),
        }
    }
}

/// Sends what the command writes, as fast as the other side takes it.
fn send_output(number: u8, mut file: File, window: &Window, sender: &Sender) {
    let mut buffer = vec![0u8; MAX_DATA];
    loop {
        // Leaving drops our end of the pipe: the command then gets its SIGPIPE.
        let Some(room) = window.take(buffer.len()) else { return };
        let Some(place) = buffer.get_mut(..room) else { return };
        match file.read(place) {
            // The terminal's other side answers EIO when nobody holds it any more.
            Ok(0) | Err(_) => break,
            Ok(count) => {
                window.give(room - count);
                let bytes = place.get(..count).unwrap_or_default().to_vec();
                if sender.send(&Frame::Data(number, bytes)).is_err() {
                    return;
                }
            }
        }
    }
    let _ = sender.send(&Frame::End(number));
}

/// Writes to the command what the tool sends. `None` in the queue is the end of the input.
fn feed(input: Option<File>, pieces: &Receiver<Option<Vec<u8>>>, sender: &Sender) {
    let Some(mut input) = input else { return };
    let mut broken = false;
    while let Ok(Some(bytes)) = pieces.recv() {
        // A command that no longer reads must not stop the one who writes: take it and drop it.
        broken = broken || input.write_all(&bytes).is_err();
        let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if sender.send(&Frame::Credit(0, count)).is_err() {
            return;
        }
    }
}

/// Does what the tool says until the channel ends.
fn obey(
    mut receiver: BufReader<Paced>,
    input: &std::sync::mpsc::Sender<Option<Vec<u8>>>,
    command: Pid,
    terminal: Option<&File>,
    windows: &HashMap<u8, Arc<Window>>,
) {
    while let Ok(Some(frame)) = Frame::read_from(&mut receiver) {
        match frame {
            Frame::Data(0, bytes) => {
                let _ = input.send(Some(bytes));
            }
            Frame::End(0) => {
                let _ = input.send(None);
            }
            Frame::Credit(number, count) => {
                if let Some(window) = windows.get(&number) {
                    window.give(count as usize);
                }
            }
            Frame::Signal(number) => {
                if let Ok(signal) = Signal::try_from(number) {
                    let _ = killpg(command, signal);
                }
            }
            Frame::Window(size) => {
                if let Some(terminal) = terminal {
                    let _ = set_size(terminal, size.rows, size.columns);
                }
            }
            Frame::End(number) => {
                if let Some(window) = windows.get(&number) {
                    window.close();
                }
            }
            // Nothing else is for the guest.
            Frame::Ready | Frame::Start(_) | Frame::Done(_) | Frame::Taken(_) | Frame::Data(..) => {
            }
        }
    }
}
