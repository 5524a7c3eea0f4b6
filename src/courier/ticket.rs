//! Tickets: how a cooperating client says which descriptor is to be sent to it.
//!
//! The client asks its open node, by an ioctl of ours, for a ticket to an exported buffer, and
//! presents it on the courier's socket. So the proof of what may be exported is the open file
//! itself, as with `VIDIOC_EXPBUF`, and yet no descriptor of a node ever reaches the daemon: a
//! daemon that is killed while one lies in its socket would wait for itself for ever.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// `_IOWR('s', 0x52, struct shrbuf_export)`: a ticket to an exported buffer.
pub const SHRBUF_IOC_EXPORT: u32 = 0xc030_7352;

/// `_IO('s', 0x53)`: this open file will not be mapped, so its descriptor is not swapped for one
/// that can be (see `src/transport/swap.rs`): what a program says that must not be traced.
pub const SHRBUF_IOC_UNMAPPED: u32 = 0x0000_7353;

/// How long a ticket is good: a client redeems it at once, and a scheduler's delay is far below.
pub const LIFETIME: Duration = Duration::from_secs(5);

/// Tickets that wait at most, of one user: one for each thread of a busy client.
const PER_UID: usize = 32;

/// Tickets that wait at most: each holds a descriptor of the daemon's.
const ALL: usize = 256;

/// A ticket: random, so that nobody guesses another's.
pub type Ticket = [u8; 16];

/// `struct shrbuf_export`: the argument of [`SHRBUF_IOC_EXPORT`], 48 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct ExportRequest {
    /// As `v4l2_exportbuffer.type`.
    pub buffer_type: u32,
    /// As there.
    pub index: u32,
    /// As there.
    pub plane: u32,
    /// As there.
    pub flags: u32,
    /// Answer: the ticket, good for one descriptor, for five seconds, for this user.
    pub ticket: Ticket,
    /// Zero; comes back zeroed.
    pub reserved: [u32; 4],
}

/// The tickets that wait to be redeemed. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Tickets {
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Waiting(HashMap<Ticket, Deposit>);

/// What a ticket stands for.
#[derive(Debug)]
struct Deposit {
    uid: u32,
    descriptor: OwnedFd,
    until: Instant,
}

impl Tickets {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps `descriptor` for the user until the ticket is redeemed or [`LIFETIME`] is over.
    /// This is what the transport calls for [`SHRBUF_IOC_EXPORT`] where for `VIDIOC_EXPBUF` it
    /// would call [`super::Worker::give`]; the answer goes into [`ExportRequest::ticket`].
    ///
    /// # Errors
    /// `EMFILE` when this user has 32 tickets that nobody redeemed, `ENFILE` when all have 256;
    /// `EIO` when there are no random numbers.
    pub fn issue(&self, uid: u32, descriptor: OwnedFd) -> Result<Ticket, Errno> {
        let ticket = random()?;
        self.issue_at(Instant::now(), ticket, uid, descriptor)?;
        Ok(ticket)
    }

    fn issue_at(
        &self,
        now: Instant,
        ticket: Ticket,
        uid: u32,
        descriptor: OwnedFd,
    ) -> Result<(), Errno> {
        let mut waiting = self.lock();
        waiting.expire(now);
        if waiting.0.values().filter(|deposit| deposit.uid == uid).count() >= PER_UID {
            return Err(Errno::EMFILE);
        }
        if waiting.0.len() >= ALL {
            return Err(Errno::ENFILE);
        }
        waiting.0.insert(ticket, Deposit { uid, descriptor, until: now + LIFETIME });
        Ok(())
    }

    /// What `ticket` stands for, once, if it was issued to this user.
    ///
    /// # Errors
    /// `EACCES` when it was issued to another user (it stays good) or to nobody, or is spent or
    /// too old: which of these it is, is nobody's business.
    pub fn redeem(&self, uid: u32, ticket: &Ticket) -> Result<OwnedFd, Errno> {
        self.redeem_at(Instant::now(), uid, ticket)
    }

    fn redeem_at(&self, now: Instant, uid: u32, ticket: &Ticket) -> Result<OwnedFd, Errno> {
        let mut waiting = self.lock();
        waiting.expire(now);
        if waiting.0.get(ticket).is_none_or(|deposit| deposit.uid != uid) {
            return Err(Errno::EACCES);
        }
        waiting.0.remove(ticket).map(|deposit| deposit.descriptor).ok_or(Errno::EACCES)
    }

    /// Lets go of what nobody has redeemed in time. The server calls it; a ticket that expires
    /// holds its buffer a second longer at most.
    pub fn expire(&self) {
        self.lock().expire(Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn expire(&mut self, now: Instant) {
        self.0.retain(|_, deposit| deposit.until > now);
    }
}

/// Tickets are keys, and stay out of every log.
impl fmt::Debug for Waiting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} tickets", self.0.len())
    }
}

fn random() -> Result<Ticket, Errno> {
    let mut ticket = Ticket::default();
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut ticket));
    read.map_err(|_| Errno::EIO)?;
    Ok(ticket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor() -> OwnedFd {
        File::open("/dev/null").expect("a file").into()
    }

    #[test]
    fn the_command_is_the_structs() {
        let size = u32::try_from(size_of::<ExportRequest>()).expect("small");
        assert_eq!(SHRBUF_IOC_EXPORT, 3 << 30 | size << 16 | u32::from(b's') << 8 | 0x52);
        assert_eq!(std::mem::offset_of!(ExportRequest, ticket), 16);
    }

    #[test]
    fn a_ticket_is_good_once_for_its_user() {
        let tickets = Tickets::new();
        let ticket = tickets.issue(7, descriptor()).expect("a ticket");
        assert_eq!(tickets.redeem(8, &ticket).map(drop), Err(Errno::EACCES));
        assert_eq!(tickets.redeem(7, &Ticket::default()).map(drop), Err(Errno::EACCES));
        assert_eq!(tickets.redeem(7, &ticket).map(drop), Ok(()));
        assert_eq!(tickets.redeem(7, &ticket).map(drop), Err(Errno::EACCES));
    }

    #[test]
    fn a_ticket_grows_old() {
        let (tickets, now) = (Tickets::new(), Instant::now());
        tickets.issue_at(now, [1; 16], 7, descriptor()).expect("a ticket");
        let later = now + LIFETIME;
        assert_eq!(tickets.redeem_at(later, 7, &[1; 16]).map(drop), Err(Errno::EACCES));
        assert_eq!(format!("{:?}", tickets.lock()), "0 tickets");
    }

    #[test]
    fn tickets_are_limited_per_user_and_in_all() {
        let tickets = Tickets::new();
        for _ in 0..PER_UID {
            tickets.issue(0, descriptor()).expect("a ticket");
        }
        assert_eq!(tickets.issue(0, descriptor()).map(drop), Err(Errno::EMFILE));
        for place in PER_UID..ALL {
            let uid = u32::try_from(place / PER_UID).expect("small");
            tickets.issue(uid, descriptor()).expect("a ticket");
        }
        assert_eq!(tickets.issue(99, descriptor()).map(drop), Err(Errno::ENFILE));
    }
}
