//! Queue and model side by side: each answer compared, the invariants looked at after each call.

use std::collections::BTreeSet;
use std::vec::Vec;

use super::model::{Answer, Brought, Model, Place};
use super::rig::{DMABUF, FRAME, Memory, Rig, USERPTR, dmabuf, userptr};
use crate::events::{ERR, IN, OUT, RDNORM, WRNORM};
use crate::{
    BufType, Completion, Config, Dequeue, Direction, Error, FileId, FileIo, PlaneRequest, Ticket,
    flags,
};

/// Small enough to be full often.
pub(super) const MOST: u32 = 5;
/// Bytes of the memories that programs bring: one too small, one larger than a frame.
pub(super) const SIZES: [u64; 4] = [FRAME as u64, FRAME as u64, 2 * FRAME as u64, FRAME as u64 - 1];

/// A call of a program's, or what the driver does.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Reqbufs { file: u64, memory: u32, count: u32 },
    Create { file: u64, memory: u32, count: u32 },
    Remove { file: u64, start: u32, count: u32 },
    Prepare { file: u64, memory: Option<u32>, index: u32, brought: Vec<Brought> },
    Qbuf { file: u64, memory: Option<u32>, index: u32, brought: Vec<Brought> },
    Dqbuf { file: u64, waits: bool },
    Cancel,
    Streamon { file: u64 },
    Streamoff { file: u64 },
    Close { file: u64 },
    Fail,
    Finish,
    Poll { file: u64 },
    FileIo { file: u64, waits: bool, count: u32 },
}

/// Both, and the memory that programs bring.
pub(super) struct Pair {
    rig: Rig,
    model: Model,
    pub(super) pool: Vec<Memory>,
    tickets: u64,
    /// Tickets that were parked and are not over.
    parked: BTreeSet<u64>,
}

fn errno<T>(result: Result<T, Error>) -> Result<T, i32> {
    result.map_err(Error::errno)
}

impl Pair {
    pub(super) fn new(buf_type: BufType, planes: usize) -> Self {
        let config = Config { max_num_buffers: MOST, ..Config::new(buf_type) };
        let model = Model {
            output: buf_type.is_output(),
            planes,
            most: MOST,
            sizes: SIZES.to_vec(),
            buffers: Vec::new(),
            memory: 0,
            owner: None,
            streaming: false,
            failed: false,
            queued_once: false,
            waiting: None,
            fileio: None,
            clock: 0,
            completed: Vec::new(),
        };
        Self {
            rig: Rig::with(config, planes),
            model,
            pool: SIZES.map(Memory::new).to_vec(),
            tickets: 0,
            parked: BTreeSet::new(),
        }
    }

    pub(super) fn planes(&self, memory: u32, brought: &[Brought]) -> Vec<PlaneRequest<Memory>> {
        let plane = |brought: &Brought| {
            let resolved = brought.resolved.then(|| &self.pool[brought.memory]);
            match memory {
                DMABUF => dmabuf(3, resolved, brought.length),
                USERPTR => {
                    let address = 0x1000 * (brought.memory as u64 + 1);
                    userptr(address, resolved, brought.length)
                }
                _ => self.rig.mmap_planes().remove(0),
            }
        };
        brought.iter().take(self.model.planes).map(plane).collect()
    }

    fn put(
        &mut self,
        queue: bool,
        file: u64,
        memory: Option<u32>,
        index: u32,
        brought: &[Brought],
    ) -> (Answer, Answer) {
        let memory = memory.unwrap_or(self.model.memory);
        let planes = self.planes(memory, brought);
        let request = self.rig.request(memory, index, &planes);
        let (got, want) = if queue {
            let got = self.rig.qbuf_as(FileId(file), &request);
            (got, self.model.qbuf(file, memory, index, brought))
        } else {
            let got = self.rig.prepare_as(FileId(file), &request);
            (got, self.model.prepare(file, memory, index, brought))
        };
        (errno(got).map(|info| info.index), want)
    }

    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    fn fileio(&mut self, file: u64, waits: bool, count: u32) -> (Answer, Answer) {
        let ticket = self.ticket();
        let output = self.model.output;
        let direction = if output { Direction::Output } else { Direction::Capture };
        let queue = &mut self.rig.queue;
        let driver = &mut self.rig.driver;
        let got = queue.fileio(FileId(file), Ticket(ticket), direction, count, !waits, driver);
        let want = self.model.fileio(file, waits.then_some(ticket), count);
        let got = errno(got).map(|answer| match answer {
            FileIo::Transfer(transfer) => Some(transfer.length),
            FileIo::Wait => None,
        });
        assert_eq!(got, want);
        match got {
            Err(error) => (Err(error), Err(error)),
            Ok(None) => {
                self.parked.insert(ticket);
                (Ok(0), Ok(0))
            }
            Ok(Some(length)) => {
                let got = self.rig.queue.fileio_done(length, &mut self.rig.driver);
                (errno(got).map(|()| 0), self.model.copied(length))
            }
        }
    }

    fn dqbuf(&mut self, file: u64, waits: bool) -> (Answer, Answer) {
        let ticket = self.ticket();
        let got = errno(self.rig.dqbuf_as(FileId(file), ticket, !waits)).map(|got| match got {
            Dequeue::Done(info) => Some(info.index),
            Dequeue::Wait => None,
        });
        let want = self.model.dqbuf(file, waits.then_some(ticket));
        if got == Ok(None) {
            self.parked.insert(ticket);
        }
        let number = |answer: Option<u32>| answer.unwrap_or(u32::MAX);
        (got.map(number), want.map(number))
    }

    fn poll(&mut self, file: u64) -> (Answer, Answer) {
        let ready = if self.model.output { OUT | WRNORM } else { IN | RDNORM };
        let want = match self.model.poll(file) {
            Some(true) => ready,
            Some(false) => ERR,
            None => 0,
        };
        (Ok(self.rig.poll(FileId(file), ready)), Ok(want))
    }

    /// What queue and model answer.
    fn call(&mut self, op: &Op) -> (Answer, Answer) {
        let number = |got: Result<(), Error>| errno(got).map(|()| 0);
        let ops = &mut self.rig.driver;
        let kind = self.rig.buf_type;
        match *op {
            Op::Reqbufs { file, memory, count } => (
                errno(self.rig.reqbufs(FileId(file), memory, count)),
                self.model.reqbufs(file, memory, count),
            ),
            Op::Create { file, memory, count } => (
                errno(self.rig.create(FileId(file), memory, count)).map(|created| created.index),
                self.model.create(file, memory, count),
            ),
            Op::Remove { file, start, count } => (
                number(self.rig.remove(FileId(file), start, count)),
                self.model.remove(file, start, count),
            ),
            Op::Prepare { file, memory, index, ref brought } => {
                self.put(false, file, memory, index, brought)
            }
            Op::Qbuf { file, memory, index, ref brought } => {
                self.put(true, file, memory, index, brought)
            }
            Op::Dqbuf { file, waits } => self.dqbuf(file, waits),
            Op::Cancel => {
                let waiting = self.model.waiting.take();
                let ticket = waiting.unwrap_or(u64::MAX);
                let got = self.rig.queue.cancel(Ticket(ticket));
                self.parked.remove(&ticket);
                (Ok(u32::from(got)), Ok(u32::from(waiting.is_some())))
            }
            Op::Streamon { file } => (
                number(self.rig.queue.streamon(FileId(file), kind, ops)),
                self.model.streamon(file),
            ),
            Op::Streamoff { file } => (
                number(self.rig.queue.streamoff(FileId(file), kind, ops)),
                self.model.streamoff(file),
            ),
            Op::Close { file } => {
                self.rig.close(FileId(file));
                self.model.close(file);
                (Ok(0), Ok(0))
            }
            Op::Fail => {
                if self.model.streaming {
                    self.rig.queue.queue_error();
                    self.model.fail();
                }
                (Ok(0), Ok(0))
            }
            Op::Finish => {
                let (got, want) = (self.rig.finish(0), self.model.finish());
                (Ok(got.unwrap_or(u32::MAX)), Ok(want.unwrap_or(u32::MAX)))
            }
            Op::Poll { file } => self.poll(file),
            Op::FileIo { file, waits, count } => self.fileio(file, waits, count),
        }
    }

    /// Parked calls complete as the model says, each once.
    fn check_completions(&mut self) {
        let pool = &self.rig.queue;
        let indices: Vec<_> = pool.buffers().map(|view| view.index).collect();
        let want = core::mem::take(&mut self.model.completed);
        let got = self.rig.completions();
        assert_eq!(got.len(), want.len());
        for ((ticket, got), (expected, want)) in got.into_iter().zip(want) {
            assert_eq!(ticket, expected);
            assert!(self.parked.remove(&ticket), "ticket {ticket} was over already");
            match got {
                Ok(Completion::Dequeued(info)) => assert_eq!(Ok(info.index), want),
                Ok(Completion::Transfer(_)) => assert!(want.is_ok_and(|i| indices.contains(&i))),
                Err(error) => assert_eq!(Err(error.errno()), want),
            }
        }
        assert_eq!(self.model.waiting.into_iter().collect::<BTreeSet<_>>(), self.parked);
        assert_eq!(self.rig.queue.waiting().map(|ticket| ticket.0), self.model.waiting);
    }

    /// Every buffer is where the model has it, every memory held as often as the model says.
    fn check_state(&self) {
        super::invariants::check(&self.rig);
        assert_eq!(self.rig.queue.num_buffers(), self.model.count());
        assert_eq!(self.rig.queue.owner().map(|file| file.0), self.model.owner);
        assert_eq!(self.rig.queue.is_streaming(), self.model.streaming);
        let states = flags::QUEUED | flags::DONE | flags::PREPARED;
        for (index, buffer) in (0..).zip(&self.model.buffers) {
            let got = self.rig.query(index).map(|info| info.flags & states).ok();
            let want = buffer.as_ref().map(|buffer| match buffer.place {
                Place::Idle => 0,
                Place::Prepared => flags::PREPARED,
                Place::Queued(_) => flags::QUEUED,
                Place::Ready(_) => flags::DONE,
            });
            assert_eq!(got, want, "buffer {index}");
        }
        let next = self.rig.queue.front_active().map(|view| view.index as usize);
        assert_eq!(next, self.model.next_active());
        for (number, memory) in self.pool.iter().enumerate() {
            assert_eq!(memory.others(), self.model.holders(number), "memory {number}");
        }
        assert_eq!(self.rig.driver.living(), self.model.own_planes(), "the queue's own planes");
    }

    /// Carries out all of them, closes both files, and looks whether everything was given back.
    pub(super) fn run(mut self, ops: &[Op]) {
        for op in ops {
            let (got, want) = self.call(op);
            assert_eq!(got, want, "{op:?}");
            self.check_completions();
            self.check_state();
        }
        for file in [1, 2] {
            let _ = self.call(&Op::Close { file });
        }
        self.check_completions();
        self.check_state();
        assert!(self.parked.is_empty(), "everyone was answered");
        assert_eq!(self.rig.driver.living(), 0);
        assert!(self.pool.iter().all(|memory| memory.others() == 0));
    }
}
