//! A character device that keeps bytes: `echo hello >/dev/memo; cat /dev/memo`.
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cuse_rs::*;

/// `_IOR('m', 1, uint32_t)`: how many bytes there are.
const LENGTH: u32 = 0x8004_6d01;

#[derive(Default)]
struct Pad {
    bytes: Vec<u8>,
    places: HashMap<u64, usize>, // of each open file: the kernel keeps none for a character device
    pollers: Vec<u64>,
}

struct Memo(Mutex<Pad>, Notifier<Cuse>);

impl Memo {
    fn pad(&self) -> MutexGuard<'_, Pad> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handler for Memo {
    fn open(&self, header: &Header, _: &Open, reply: OpenReply) {
        reply.opened(header.id, OpenFlags::NONE); // a number that comes only once
    }

    fn release(&self, _: &Header, request: &Release, reply: EmptyReply) {
        self.pad().places.remove(&request.fh);
        reply.ok();
    }

    fn read(&self, _: &Header, request: &Read, reply: ReadReply) {
        let Pad { bytes, places, .. } = &mut *self.pad();
        let place = places.entry(request.fh).or_default();
        let rest = bytes.get(*place..).unwrap_or_default();
        let piece = rest.get(..request.size as usize).unwrap_or(rest);
        *place += piece.len();
        reply.data(piece);
    }

    fn write(&self, _: &Header, request: &Write<'_>, reply: WriteReply) {
        let mut pad = self.pad();
        pad.bytes.extend_from_slice(request.data);
        for kh in pad.pollers.drain(..) {
            let _ = self.1.poll_wakeup(kh); // an error says that the session is over
        }
        reply.written(request.data.len() as u32);
    }

    fn ioctl(&self, _: &Header, request: &Ioctl<'_>, reply: IoctlReply) {
        match request.cmd {
            LENGTH => reply.ok(0, &(self.pad().bytes.len() as u32).to_ne_bytes()),
            _ => reply.error(Errno::ENOTTY),
        };
    }

    fn poll(&self, _: &Header, request: &Poll, reply: PollReply) {
        let mut pad = self.pad();
        if request.notify {
            pad.pollers.push(request.kh);
        }
        let place = pad.places.get(&request.fh).copied().unwrap_or(0);
        let readable = if place < pad.bytes.len() { libc::POLLIN } else { 0 };
        reply.events((libc::POLLOUT | readable) as u32);
    }
}

pub(crate) fn main() -> Result<(), Error> {
    let session = Session::<Cuse>::open(&CuseConfig::new("memo"))?;
    session.serve(&Memo(Mutex::default(), session.notifier()))
}
