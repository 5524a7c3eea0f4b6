//! Between the caller's streams and the guest's.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};

use super::console::Console;
use super::flow::Window;
use super::machine::Guest;
use super::terminal::{self, Caller};
use super::wire::{Frame, MAX_DATA, Outcome, Start, StreamKind, WindowSize};
use super::{Context, Error};

/// How long a command may take to end after SIGTERM or SIGHUP before the guest is ended.
const GRACE: Duration = Duration::from_secs(5);

/// So many SIGINT (a person who presses Ctrl-C again and again) end the guest.
const PATIENCE: u32 = 3;

/// Signals of the caller that are for the command.
const PASSED_ON: [Signal; 5] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGWINCH];

/// Blocks the signals that [`run`] takes care of, in this thread and in all that it starts.
///
/// # Errors
/// Those of `sigprocmask(2)`.
pub fn block_signals() -> Result<SigSet, Error> {
    let signals: SigSet = PASSED_ON.into_iter().collect();
    signals.thread_block().context(|| "block signals".into())?;
    Ok(signals)
}

/// What the main thread hears of.
#[derive(Debug)]
enum Event {
    Frame(Frame),
    GuestGone,
    Signal(Signal),
}

/// Gives out the events of one run: signals from the first moment on, frames later.
#[derive(Debug)]
pub struct Events {
    sender: mpsc::Sender<Event>,
    receiver: Receiver<Event>,
    starting: Arc<AtomicBool>,
}

impl Events {
    /// Starts to listen for `signals`, which must be blocked. Until [`Events::started`] a signal
    /// ends this process: there is no command yet to pass it on to, and the keeper ends the guest.
    #[must_use]
    pub fn listen(signals: SigSet) -> Self {
        let (sender, receiver) = mpsc::channel();
        let told = sender.clone();
        let starting = Arc::new(AtomicBool::new(true));
        let early = Arc::clone(&starting);
        std::thread::spawn(move || {
            while let Ok(signal) = signals.wait() {
                if early.load(Ordering::SeqCst) && signal != Signal::SIGWINCH {
                    std::process::exit(128 + signal as i32);
                }
                if told.send(Event::Signal(signal)).is_err() {
                    return;
                }
            }
        });
        Self { sender, receiver, starting }
    }

    /// From now on signals are for the command.
    pub fn started(&self) {
        self.starting.store(false, Ordering::SeqCst);
    }
}

/// How a run ended, when nothing was wrong with the guest.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// The command ended.
    Command(Outcome),
    /// The caller was told to end by this signal, and the command did not.
    Told(i32),
}

/// The sending side of the channel: a queue, so that a guest that hangs holds up only the thread
/// that writes to it, and neither a deadline nor a signal. What is queued is bounded by the window
/// of the input.
#[derive(Debug, Clone)]
struct Channel(mpsc::Sender<Vec<u8>>);

impl Channel {
    fn open(stream: UnixStream, pace: Option<Arc<Window>>) -> Self {
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || write_all_frames(stream, pace.as_deref(), &receiver));
        Self(sender)
    }

    fn send(&self, frame: &Frame) -> io::Result<()> {
        let mut bytes = Vec::new();
        frame.write_to(&mut bytes)?;
        self.0.send(bytes).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

/// Ends when the guest is gone. With `pace` no more is under way than there is room for.
fn write_all_frames(mut stream: UnixStream, pace: Option<&Window>, frames: &Receiver<Vec<u8>>) {
    while let Ok(bytes) = frames.recv() {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let Some(room) = pace.map_or(Some(rest.len()), |pace| pace.take(rest.len())) else {
                return;
            };
            let (now, later) = rest.split_at(room);
            if stream.write_all(now).is_err() {
                return;
            }
            rest = later;
        }
    }
}

/// Sends `start` and carries streams, signals and window sizes until the command has ended and
/// all its output is written.
///
/// # Errors
/// [`Error::GuestDied`] when the channel closed before, [`Error::TimedOut`] at the deadline.
pub fn run(
    guest: &Guest,
    start: &Start,
    caller: &Caller,
    events: Events,
    limit: Option<(Instant, u64)>,
) -> Result<End, Error> {
    let clone = || guest.stream.try_clone().context(|| "duplicate the channel".into());
    let pace = guest.pace.map(|bytes| Arc::new(Window::new(bytes)));
    let channel = Channel::open(clone()?, pace.clone());
    read_frames(clone()?, pace, events.sender.clone());
    let json = serde_json::to_vec(start).map_err(io::Error::other);
    let json = json.context(|| "write what to start".into())?;
    // A guest that died is noticed below, by the end of its stream.
    let _ = channel.send(&Frame::Start(json));
    let input = Arc::new(Window::default());
    send_input(caller, Arc::clone(&input), channel.clone())?;
    let outputs = Outputs::new(caller, &channel)?;
    let mut relay = Relay { channel, caller, input, outputs, limit, grace: None, interrupts: 0 };
    let end = relay.attend(&events.receiver, &guest.console);
    relay.outputs.finish(end.is_ok());
    end
}

struct Relay<'a> {
    channel: Channel,
    caller: &'a Caller,
    input: Arc<Window>,
    outputs: Outputs,
    limit: Option<(Instant, u64)>,
    /// Since SIGTERM or SIGHUP was passed on: when patience ends, and the signal.
    grace: Option<(Instant, Signal)>,
    interrupts: u32,
}

impl Relay<'_> {
    fn attend(&mut self, events: &Receiver<Event>, console: &Console) -> Result<End, Error> {
        loop {
            match self.next(events) {
                Ok(Event::Frame(Frame::Done(json))) => return read_outcome(&json),
                Ok(Event::Frame(frame)) => self.take(frame),
                Ok(Event::Signal(signal)) => {
                    if self.pass_on(signal) {
                        return Ok(End::Told(signal as i32));
                    }
                }
                Ok(Event::GuestGone) | Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::GuestDied {
                        what: "the guest died before the command ended".into(),
                        console: console.last_lines(),
                    });
                }
                Err(RecvTimeoutError::Timeout) => {
                    if let Some(end) = self.out_of_time() {
                        return end;
                    }
                }
            }
        }
    }

    fn next(&self, events: &Receiver<Event>) -> Result<Event, RecvTimeoutError> {
        let limit = self.limit.map(|(deadline, _)| deadline);
        let grace = self.grace.map(|(deadline, _)| deadline);
        match limit.into_iter().chain(grace).min() {
            Some(first) => events.recv_timeout(first.saturating_duration_since(Instant::now())),
            None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
        }
    }

    fn out_of_time(&self) -> Option<Result<End, Error>> {
        let now = Instant::now();
        match (self.grace, self.limit) {
            (Some((deadline, signal)), _) if deadline <= now => Some(Ok(End::Told(signal as i32))),
            (_, Some((deadline, seconds))) if deadline <= now => {
                Some(Err(Error::TimedOut(seconds)))
            }
            _ => None,
        }
    }

    fn take(&mut self, frame: Frame) {
        match frame {
            Frame::Data(stream, bytes) => self.outputs.write(stream, bytes),
            Frame::Credit(0, count) => self.input.give(count as usize),
            // The end of an output is known by Done; nothing else is for the host.
            Frame::End(_)
            | Frame::Credit(..)
            | Frame::Taken(_)
            | Frame::Ready
            | Frame::Start(_)
            | Frame::Signal(_)
            | Frame::Window(_)
            | Frame::Done(_) => {}
        }
    }

    /// Passes a signal on; true when it is time to end the guest instead.
    fn pass_on(&mut self, signal: Signal) -> bool {
        match signal {
            Signal::SIGWINCH => {
                if let Some(size) = self.caller.window() {
                    let _ = self.channel.send(&Frame::Window(size));
                }
                return false;
            }
            Signal::SIGINT => self.interrupts += 1,
            _ if self.grace.is_none() => self.grace = Some((Instant::now() + GRACE, signal)),
            _ => {}
        }
        let _ = self.channel.send(&Frame::Signal(signal as i32));
        self.interrupts >= PATIENCE
    }
}

fn read_outcome(json: &[u8]) -> Result<End, Error> {
    let outcome = serde_json::from_slice(json).map_err(io::Error::other);
    Ok(End::Command(outcome.context(|| "read how the command ended".into())?))
}

fn read_frames(stream: UnixStream, pace: Option<Arc<Window>>, events: mpsc::Sender<Event>) {
    std::thread::spawn(move || {
        let mut reader = BufReader::with_capacity(64 * 1024, stream);
        while let Ok(Some(frame)) = Frame::read_from(&mut reader) {
            match (&pace, frame) {
                (Some(pace), Frame::Taken(count)) => pace.give(count as usize),
                (_, frame) => {
                    if events.send(Event::Frame(frame)).is_err() {
                        return;
                    }
                }
            }
        }
        // Whoever waits for room in the channel would wait for ever.
        pace.iter().for_each(|pace| pace.close());
        let _ = events.send(Event::GuestGone);
    });
}

/// Reads the caller's standard input in a thread of its own, which ends with the process: a
/// read from a terminal can't be called off.
fn send_input(caller: &Caller, window: Arc<Window>, channel: Channel) -> Result<(), Error> {
    if !caller.may_read_input() {
        let _ = channel.send(&Frame::End(0));
        return Ok(());
    }
    let mut input = duplicate(io::stdin().as_fd())?;
    std::thread::spawn(move || {
        let mut buffer = vec![0u8; MAX_DATA];
        while let Some(room) = window.take(buffer.len()) {
            let Some(place) = buffer.get_mut(..room) else { return };
            let count = match input.read(place) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                    window.give(room);
                    continue;
                }
                Err(_) => break,
            };
            let bytes = place.get(..count).unwrap_or_default().to_vec();
            window.give(room - count);
            if count == 0 || channel.send(&Frame::Data(0, bytes)).is_err() {
                break;
            }
        }
        let _ = channel.send(&Frame::End(0));
    });
    Ok(())
}

fn duplicate(stream: BorrowedFd<'_>) -> Result<File, Error> {
    let copy: io::Result<OwnedFd> = stream.try_clone_to_owned();
    Ok(copy.context(|| "duplicate a standard stream".into())?.into())
}

/// The threads that write to the caller: one a stream, so that a slow reader of one holds up
/// neither the other nor a signal. Their queues hold no more than a window of the stream.
struct Outputs {
    queues: [Option<mpsc::Sender<Vec<u8>>>; 3],
    threads: Vec<JoinHandle<()>>,
}

impl Outputs {
    fn new(caller: &Caller, channel: &Channel) -> Result<Self, Error> {
        let mut outputs = Self { queues: [None, None, None], threads: Vec::new() };
        let wanted = [
            (0, caller.terminal().then(|| terminal::screen(caller))),
            (1, (caller.kind(1) == StreamKind::Pipe).then(|| duplicate(io::stdout().as_fd()))),
            (2, (caller.kind(2) == StreamKind::Pipe).then(|| duplicate(io::stderr().as_fd()))),
        ];
        for (place, (number, file)) in outputs.queues.iter_mut().zip(wanted) {
            let Some(file) = file else { continue };
            let (sender, receiver) = mpsc::channel();
            let (file, channel) = (file?, channel.clone());
            *place = Some(sender);
            let write = move || write_output(number, file, &receiver, &channel);
            outputs.threads.push(std::thread::spawn(write));
        }
        Ok(outputs)
    }

    fn write(&self, stream: u8, bytes: Vec<u8>) {
        if let Some(Some(queue)) = self.queues.get(usize::from(stream)) {
            let _ = queue.send(bytes);
        }
    }

    /// With `wait`, returns when all is written.
    fn finish(&mut self, wait: bool) {
        self.queues = [None, None, None];
        for thread in self.threads.drain(..) {
            if wait {
                let _ = thread.join();
            }
        }
    }
}

fn write_output(number: u8, mut file: File, pieces: &Receiver<Vec<u8>>, channel: &Channel) {
    while let Ok(bytes) = pieces.recv() {
        if file.write_all(&bytes).is_err() {
            // Nobody reads: the command is to get its SIGPIPE.
            let _ = channel.send(&Frame::End(number));
            return;
        }
        let count = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let _ = channel.send(&Frame::Credit(number, count));
    }
}

/// For [`Caller::window`].
impl From<(u16, u16)> for WindowSize {
    fn from((rows, columns): (u16, u16)) -> Self {
        Self { rows, columns }
    }
}
