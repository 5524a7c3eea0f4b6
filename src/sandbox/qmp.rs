//! QEMU's machine protocol, as far as a snapshot needs it.
//!
//! Source: QEMU's `docs/interop/qmp-spec.rst`. Each message is one line of JSON: a greeting, then
//! answers (`return` or `error`) to our commands in their order, with `event`s in between.

use std::io::{BufRead, BufReader, ErrorKind, IoSlice, Write};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde_json::{Value, json};

use super::{Context, Error};

/// A connection to one QEMU.
#[derive(Debug)]
pub(super) struct Qmp {
    writer: UnixStream,
    reader: BufReader<UnixStream>,
    deadline: Instant,
}

impl Qmp {
    /// Reads the greeting and leaves the negotiation mode. Everything that is done on this
    /// connection must be done within `limit`.
    pub(super) fn greet(stream: UnixStream, limit: Duration) -> Result<Self, Error> {
        let reader = stream.try_clone().context(|| "duplicate QEMU's monitor".into())?;
        let deadline = Instant::now() + limit;
        let mut qmp = Self { writer: stream, reader: BufReader::new(reader), deadline };
        qmp.message()?;
        qmp.command("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Has QEMU do something and returns its answer.
    pub(super) fn command(&mut self, name: &str, arguments: &Value) -> Result<Value, Error> {
        let mut line = json!({ "execute": name, "arguments": arguments }).to_string();
        line.push('\n');
        self.writer.write_all(line.as_bytes()).context(|| format!("tell QEMU to {name}"))?;
        loop {
            let answer = self.message()?;
            if let Some(error) = answer.get("error") {
                return Err(Error::Guest(format!("QEMU refuses to {name}: {error}")));
            }
            if let Some(value) = answer.get("return") {
                return Ok(value.clone());
            }
        }
    }

    /// Gives QEMU a descriptor, under a name that later commands can use.
    pub(super) fn give(&mut self, name: &str, fd: BorrowedFd<'_>) -> Result<(), Error> {
        // The descriptor travels with the first byte of the command that asks for it: a space,
        // which means nothing to a reader of JSON.
        let numbers = [fd.as_raw_fd()];
        let rights = [ControlMessage::ScmRights(&numbers)];
        let bytes = [IoSlice::new(b" ")];
        let flags = MsgFlags::MSG_NOSIGNAL;
        sendmsg::<()>(self.writer.as_raw_fd(), &bytes, &rights, flags, None)
            .context(|| "give QEMU a descriptor".into())?;
        self.command("getfd", &json!({ "fdname": name })).map(|_| ())
    }

    /// Waits until `done` says so of the answer to `name`.
    pub(super) fn until(
        &mut self,
        name: &str,
        mut done: impl FnMut(&Value) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        /// Between two questions; QEMU has no event for everything.
        const PAUSE: Duration = Duration::from_millis(10);
        loop {
            let answer = self.command(name, &json!({}))?;
            if done(&answer)? {
                return Ok(());
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn message(&mut self) -> Result<Value, Error> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        // A timeout of zero would mean none.
        let left = left.max(Duration::from_millis(1));
        self.writer.set_read_timeout(Some(left)).context(|| "limit the wait for QEMU".into())?;
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => Err(Error::Guest("QEMU has ended".into())),
            Ok(_) => serde_json::from_str(&line)
                .map_err(|error| Error::Guest(format!("QEMU says '{}': {error}", line.trim()))),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err(Error::Guest("QEMU does not answer".into()))
            }
            Err(error) => Err(error).context(|| "read from QEMU's monitor".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A QEMU that says these lines, whatever it is told.
    fn qemu(lines: &'static str) -> UnixStream {
        let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
        std::thread::spawn(move || {
            theirs.write_all(lines.as_bytes()).expect("a write");
            let mut told = BufReader::new(theirs);
            while told.read_line(&mut String::new()).is_ok_and(|count| count > 0) {}
        });
        ours
    }

    const LIMIT: Duration = Duration::from_secs(60);

    #[test]
    fn events_between_the_answers_are_passed_over() {
        let stream = qemu(
            "{\"QMP\": {}}\n{\"return\": {}}\n{\"event\": \"STOP\"}\n{\"return\": {\"status\": \"running\"}}\n",
        );
        let mut qmp = Qmp::greet(stream, LIMIT).expect("a greeting");
        let answer = qmp.command("query-status", &json!({})).expect("an answer");
        assert_eq!(answer, json!({ "status": "running" }));
    }

    #[test]
    fn a_refusal_says_what_was_refused() {
        let stream = qemu("{\"QMP\": {}}\n{\"return\": {}}\n{\"error\": {\"desc\": \"no\"}}\n");
        let mut qmp = Qmp::greet(stream, LIMIT).expect("a greeting");
        let error = qmp.command("migrate", &json!({})).expect_err("a refusal");
        assert!(error.to_string().contains("migrate"), "{error}");
    }

    #[test]
    fn silence_noise_and_the_end_are_errors() {
        assert!(Qmp::greet(qemu("noise\n"), LIMIT).is_err());
        assert!(Qmp::greet(qemu("{\"QMP\": {}}\n"), Duration::from_millis(50)).is_err());
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        drop(theirs);
        assert!(Qmp::greet(ours, LIMIT).is_err());
    }
}
