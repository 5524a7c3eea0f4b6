//! What the guest's kernel prints: kept for the day it dies.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes that are kept: a kernel's last words with its call trace are about 5 KiB.
const KEPT: usize = 32 * 1024;

/// Lines shown in a message.
const SHOWN: usize = 45;

/// How long the last words may take to come through the pipe once the guest is gone.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The end of a guest's console.
#[derive(Debug)]
pub struct Console {
    tail: Arc<Mutex<VecDeque<u8>>>,
    reader: JoinHandle<()>,
}

impl Console {
    /// Starts to read `pipe`.
    #[must_use]
    pub fn watch(pipe: OwnedFd) -> Self {
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&tail);
        let reader = std::thread::spawn(move || read_all(File::from(pipe), &kept));
        Self { tail, reader }
    }

    /// The last lines. Waits a little for those that are under way from a guest that has ended.
    #[must_use]
    pub fn last_lines(&self) -> String {
        let deadline = Instant::now() + LAST_WORDS;
        while !self.reader.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = tail.iter().copied().collect();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        let from = lines.len().saturating_sub(SHOWN);
        lines.get(from..).unwrap_or_default().join("\n")
    }
}

fn read_all(mut pipe: File, kept: &Mutex<VecDeque<u8>>) {
    let mut buffer = [0u8; 4096];
    while let Ok(count) = pipe.read(&mut buffer) {
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { return };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(bytes);
        let surplus = kept.len().saturating_sub(KEPT);
        kept.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn the_last_lines_stay_and_the_first_go() {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let console = Console::watch(reader.into());
        for line in 0..10_000 {
            writeln!(writer, "line {line}").expect("a write");
        }
        drop(writer);
        let shown = console.last_lines();
        assert!(shown.ends_with("line 9999"), "{shown}");
        assert_eq!(shown.lines().count(), SHOWN);
    }
}
