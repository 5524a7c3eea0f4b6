//! `V4L2_MEMORY_USERPTR`: memory of the daemon's that stands for memory of the program's.
//!
//! The device works on buffers of its own kind only. So each piece of user memory gets a buffer
//! beside it: a display's is filled from user memory at `QBUF`, a camera's is copied there before
//! `DQBUF` is answered. Between the two the program must not look anyway.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use vb2::FileId;

use super::call::Call;
use super::node::NodeShared;
use crate::courier::{Process, Worker};
use crate::device::CopyOut;
use crate::shrbuf::{Buffer, BufferId, Owner, PlaneMemory};
use crate::v4l2::UserPlane;

/// The pieces of user memory that a node's queue has: each costs memory and descriptors of the
/// daemon's, so no other is remembered.
#[derive(Debug, Default)]
pub(super) struct UserMemory(Mutex<Vec<UserPiece>>);

/// A piece of user memory, and the buffer beside it.
#[derive(Debug, Clone)]
pub(super) struct UserPiece {
    file: FileId,
    process: Arc<Process>,
    address: u64,
    length: u64,
    buffer: Buffer,
}

/// What a plane of a `QBUF` names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) address: u64,
    pub(super) length: u64,
    pub(super) output: bool,
}

/// A captured frame on its way to user memory. Without a process there is nobody it belongs to.
#[derive(Debug)]
pub(super) struct UserCopy {
    process: Option<Arc<Process>>,
    copy: CopyOut,
}

impl UserMemory {
    fn lock(&self) -> MutexGuard<'_, Vec<UserPiece>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The buffer for a piece of the caller's memory; for output with the caller's bytes in it.
    /// `None`: that memory is not there, or a camera may not write to it. It is remembered by
    /// [`settle`](Self::settle), if the queue takes it.
    ///
    /// # Errors
    /// Those of [`Worker`] that are no answer to this question.
    pub(super) fn fetch(
        &self,
        node: &NodeShared,
        worker: &mut Worker,
        call: &Call,
        wanted: Wanted,
    ) -> Result<Option<UserPiece>, Errno> {
        let process = Arc::new(worker.process(&call.site)?);
        let known = self.find(call.file, &process, wanted);
        let piece = match &known {
            // The process may have made itself another program (exec) since.
            Some(piece) => UserPiece { process, ..piece.clone() },
            None => match new_piece(node, call, process, wanted) {
                Some(piece) => piece,
                None => return Ok(None),
            },
        };
        let answer = if wanted.output {
            copy_in(worker, &piece)
        } else if known.is_none() {
            probe(worker, &piece)
        } else {
            Ok(())
        };
        match answer {
            Ok(()) => {}
            Err(Errno::EFAULT | Errno::ESRCH) => return Ok(None),
            Err(errno) => return Err(errno),
        }
        Ok(Some(piece))
    }

    /// After a call that may have changed what the queue has: remembers those of `fetched` that it
    /// has taken, and forgets what it has no longer.
    pub(super) fn settle(&self, fetched: &[Option<UserPiece>], in_queue: &[BufferId]) {
        let mut pieces = self.lock();
        for piece in fetched.iter().flatten() {
            pieces.retain(|known| known.buffer != piece.buffer);
            pieces.push(piece.clone());
        }
        pieces.retain(|piece| in_queue.contains(&piece.buffer.id()));
    }

    /// Joins captured frames with the processes that they belong to.
    pub(super) fn copies(&self, copies: Vec<CopyOut>) -> Vec<UserCopy> {
        if copies.is_empty() {
            return Vec::new();
        }
        let pieces = self.lock();
        let join = |copy: CopyOut| {
            let piece = pieces.iter().find(|piece| piece.buffer == copy.buffer);
            UserCopy { process: piece.map(|piece| Arc::clone(&piece.process)), copy }
        };
        copies.into_iter().map(join).collect()
    }

    /// An open file is gone, and what it had.
    pub(super) fn close(&self, file: FileId) {
        self.lock().retain(|piece| piece.file != file);
    }

    fn find(&self, file: FileId, process: &Process, wanted: Wanted) -> Option<UserPiece> {
        let pieces = self.lock();
        let same = |piece: &&UserPiece| {
            piece.file == file
                && piece.process.is_same(process)
                && (piece.address, piece.length) == (wanted.address, wanted.length)
        };
        pieces.iter().find(same).cloned()
    }
}

impl UserPiece {
    pub(super) fn plane(&self) -> UserPlane {
        let Self { address, length, buffer, .. } = self;
        UserPlane { address: *address, length: *length, buffer: buffer.clone() }
    }
}

fn new_piece(
    node: &NodeShared,
    call: &Call,
    process: Arc<Process>,
    wanted: Wanted,
) -> Option<UserPiece> {
    let owner = Owner { uid: call.uid(), node: node.number };
    let length = usize::try_from(wanted.length).ok().filter(|length| *length > 0)?;
    let allocated = node.services.registry.allocate(&owner, length);
    let buffer = allocated
        .inspect_err(|error| {
            tracing::info!(uid = call.uid(), "no memory beside user memory: {error}");
        })
        .ok()?;
    let Wanted { address, length, .. } = wanted;
    Some(UserPiece { file: call.file, process, address, length, buffer })
}

/// All of it has to be there, however little the frame uses, as for a driver that pins the pages.
fn copy_in(worker: &mut Worker, piece: &UserPiece) -> Result<(), Errno> {
    let length = usize::try_from(piece.length).map_err(|_| Errno::EFAULT)?;
    worker.read_process(&piece.process, piece.address, length, &mut |offset, bytes: &[u8]| {
        piece.buffer.write_at(offset, bytes).map_err(errno_of)
    })
}

/// Whether a camera can write there: what is there is read and written back, before the program
/// gives it away.
fn probe(worker: &mut Worker, piece: &UserPiece) -> Result<(), Errno> {
    copy_in(worker, piece)?;
    let length = usize::try_from(piece.length).map_err(|_| Errno::EFAULT)?;
    worker.write_process(&piece.process, piece.address, length, &mut |offset, bytes: &mut [u8]| {
        piece.buffer.read_at(offset, bytes).map_err(errno_of)
    })
}

impl UserCopy {
    /// Copies the frame to where it belongs.
    ///
    /// # Errors
    /// `EFAULT` where that is gone; those of [`Worker`].
    pub(super) fn run(&self, worker: &mut Worker) -> Result<(), Errno> {
        let process = self.process.as_ref().ok_or(Errno::EFAULT)?;
        let CopyOut { buffer, address, len } = &self.copy;
        worker.write_process(process, *address, *len, &mut |offset, bytes: &mut [u8]| {
            buffer.read_at(offset, bytes).map_err(errno_of)
        })
    }
}

fn errno_of(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}
