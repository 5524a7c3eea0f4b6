//! The caller's standard streams, and the terminal among them.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp};

use super::wire::{StreamKind, WindowSize};
use super::{Context, Error};
use crate::sys::terminal::size;

/// What the caller's standard streams are.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    kinds: [StreamKind; 3],
    background: bool,
}

impl Caller {
    /// Looks at the three standard streams of this process.
    #[must_use]
    pub fn look() -> Self {
        let kind = |terminal| if terminal { StreamKind::Terminal } else { StreamKind::Pipe };
        let stdin = io::stdin();
        // In the background, reading from the terminal or changing it would stop us.
        let background = stdin.is_terminal() && tcgetpgrp(&stdin) != Ok(getpgrp());
        Self {
            kinds: [
                kind(stdin.is_terminal() && !background),
                kind(io::stdout().is_terminal()),
                kind(io::stderr().is_terminal()),
            ],
            background,
        }
    }

    /// What stream `number` (0 to 2) is.
    #[must_use]
    pub fn kind(&self, number: usize) -> StreamKind {
        self.kinds.get(number).copied().unwrap_or(StreamKind::Pipe)
    }

    /// All three.
    #[must_use]
    pub fn kinds(&self) -> [StreamKind; 3] {
        self.kinds
    }

    /// Whether one of them is a terminal.
    #[must_use]
    pub fn terminal(&self) -> bool {
        self.kinds.contains(&StreamKind::Terminal)
    }

    /// Whether standard input may be read: not a terminal's when we are in the background.
    #[must_use]
    pub fn may_read_input(&self) -> bool {
        !self.background
    }

    /// Size of the terminal.
    #[must_use]
    pub fn window(&self) -> Option<WindowSize> {
        let [stdin, stdout, stderr] = self.kinds;
        let of = |kind, size: io::Result<(u16, u16)>| {
            (kind == StreamKind::Terminal).then_some(size).and_then(Result::ok)
        };
        of(stdout, size(io::stdout()))
            .or_else(|| of(stdin, size(io::stdin())))
            .or_else(|| of(stderr, size(io::stderr())))
            .map(WindowSize::from)
    }
}

/// Where the terminal's output goes: the first of stdout, stderr, stdin that is the terminal.
///
/// # Errors
/// [`Error::Io`] when it can't be duplicated.
pub(super) fn screen(caller: &Caller) -> Result<File, Error> {
    let [_, stdout, stderr] = caller.kinds();
    let copy = if stdout == StreamKind::Terminal {
        io::stdout().as_fd().try_clone_to_owned()
    } else if stderr == StreamKind::Terminal {
        io::stderr().as_fd().try_clone_to_owned()
    } else {
        io::stdin().as_fd().try_clone_to_owned()
    };
    Ok(copy.context(|| "duplicate the terminal".into())?.into())
}

/// The caller's terminal in raw mode, put back as it was when dropped: the guest's terminal
/// does the echo, the editing and Ctrl-C.
#[derive(Debug)]
pub struct RawMode(Option<Termios>);

impl RawMode {
    /// Raw mode, when standard input is a terminal that is ours to change.
    ///
    /// # Errors
    /// Those of `tcsetattr(3)`.
    pub fn enter(caller: &Caller) -> Result<Self, Error> {
        if caller.kind(0) != StreamKind::Terminal {
            return Ok(Self(None));
        }
        let before = tcgetattr(io::stdin()).context(|| "read the terminal's mode".into())?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(io::stdin(), SetArg::TCSADRAIN, &raw)
            .context(|| "set the terminal's mode".into())?;
        Ok(Self(Some(before)))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, before);
        }
    }
}
