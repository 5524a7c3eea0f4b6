//! A character device that keeps bytes: `echo hello >/dev/memo; cat /dev/memo`.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cuse_rs::*;

const POLLIN: u32 = 0x01;
const POLLOUT: u32 = 0x04;
/// `_IO('m', 0)`: forget all bytes.
const CLEAR: u32 = 0x6d00;
/// `_IOR('m', 1, uint32_t)`: how many bytes there are.
const LENGTH: u32 = 0x8004_6d01;

#[derive(Default)]
struct Pad {
    bytes: Vec<u8>,
    places: HashMap<u64, usize>, // of each open file: CUSE has no file position
    pollers: Vec<u64>,
}

struct Memo {
    pad: Mutex<Pad>,
    notifier: Notifier<Cuse>,
}

impl Memo {
    fn pad(&self) -> MutexGuard<'_, Pad> {
        self.pad.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handler for Memo {
    fn open(&self, header: &Header, _: &Open, reply: OpenReply) {
        reply.opened(header.unique, OpenFlags::NONE); // a number that comes only once
    }

    fn release(&self, _: &Header, request: &Release, reply: EmptyReply) {
        self.pad().places.remove(&request.fh);
        reply.ok();
    }

    fn read(&self, _: &Header, request: &Read, reply: ReadReply) {
        let mut pad = self.pad();
        let Pad { bytes, places, .. } = &mut *pad;
        let place = places.entry(request.fh).or_default();
        let rest = bytes.get(*place..).unwrap_or_default();
        let piece = rest.get(..request.size as usize).unwrap_or(rest);
        *place += piece.len();
        reply.data(piece);
    }

    fn write(&self, _: &Header, request: &Write<'_>, reply: WriteReply) {
        self.pad().bytes.extend_from_slice(request.data);
        reply.written(request.data.len() as u32);
        for kh in std::mem::take(&mut self.pad().pollers) {
            let _ = self.notifier.poll_wakeup(kh); // an error: the session is over
        }
    }

    fn ioctl(&self, _: &Header, request: &Ioctl<'_>, reply: IoctlReply) {
        let mut pad = self.pad();
        match request.cmd {
            CLEAR => {
                *pad = Pad::default();
                reply.ok(0, &[])
            }
            LENGTH => reply.ok(0, &(pad.bytes.len() as u32).to_ne_bytes()),
            _ => reply.error(Errno::ENOTTY),
        };
    }

    fn poll(&self, _: &Header, request: &Poll, reply: PollReply) {
        let mut pad = self.pad();
        if request.notify {
            pad.pollers.push(request.kh);
        }
        let place = pad.places.get(&request.fh).copied().unwrap_or(0);
        reply.events(if place < pad.bytes.len() { POLLIN | POLLOUT } else { POLLOUT });
    }
}

fn main() -> Result<(), Error> {
    let session = Session::<Cuse>::open(&CuseConfig::new("memo"))?;
    let memo = Memo { pad: Mutex::default(), notifier: session.notifier() };
    session.serve(&memo)
}
