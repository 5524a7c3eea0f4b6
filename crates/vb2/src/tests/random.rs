//! Random sequences of calls, each answer compared with the model's, the invariants looked at
//! after each.

use std::collections::BTreeSet;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::model::{Answer, Brought, Model, Place};
use super::rig::{DMABUF, FRAME, MMAP, Memory, Rig, USERPTR, dmabuf, userptr};
use crate::events::{ERR, IN, OUT, RDNORM, WRNORM};
use crate::{
    BufType, Completion, Config, Dequeue, Direction, Error, FileId, FileIo, PlaneRequest, Ticket,
    flags,
};

/// Small enough to be full often.
const MOST: u32 = 5;
/// Bytes of the memories that programs bring: one too small, one larger than a frame.
const SIZES: [u64; 4] = [FRAME as u64, FRAME as u64, 2 * FRAME as u64, FRAME as u64 - 1];

#[derive(Debug, Clone)]
enum Op {
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

/// Mostly the same file.
fn file() -> impl Strategy<Value = u64> {
    prop_oneof![9 => Just(1), 1 => Just(2)]
}

fn memory() -> impl Strategy<Value = u32> {
    prop::sample::select(Model::MEMORIES.to_vec())
}

/// Mostly the queue's own, which is only known when the request is made.
fn memory_of_request() -> impl Strategy<Value = Option<u32>> {
    prop_oneof![8 => Just(None), 1 => memory().prop_map(Some)]
}

fn brought() -> impl Strategy<Value = Vec<Brought>> {
    let lengths = prop_oneof![
        6 => Just(FRAME), 1 => Just(0), 1 => Just(2 * FRAME), 1 => Just(FRAME - 1)
    ];
    let plane = (0..SIZES.len(), prop::bool::weighted(0.9), lengths);
    let plane = plane.prop_map(|(memory, resolved, length)| Brought { memory, resolved, length });
    prop::collection::vec(plane, 2)
}

fn op() -> impl Strategy<Value = Op> {
    let put = || (file(), memory_of_request(), 0..MOST + 1, brought());
    prop_oneof![
        2 => (file(), memory(), 0..MOST + 2)
            .prop_map(|(file, memory, count)| Op::Reqbufs { file, memory, count }),
        2 => (file(), memory(), 0..4u32)
            .prop_map(|(file, memory, count)| Op::Create { file, memory, count }),
        1 => (file(), 0..MOST + 1, 0..3u32)
            .prop_map(|(file, start, count)| Op::Remove { file, start, count }),
        2 => put().prop_map(|(file, memory, index, brought)| {
            Op::Prepare { file, memory, index, brought }
        }),
        12 => put().prop_map(|(file, memory, index, brought)| {
            Op::Qbuf { file, memory, index, brought }
        }),
        5 => (file(), any::<bool>()).prop_map(|(file, waits)| Op::Dqbuf { file, waits }),
        1 => Just(Op::Cancel),
        3 => file().prop_map(|file| Op::Streamon { file }),
        1 => file().prop_map(|file| Op::Streamoff { file }),
        1 => file().prop_map(|file| Op::Close { file }),
        1 => Just(Op::Fail),
        6 => Just(Op::Finish),
        1 => file().prop_map(|file| Op::Poll { file }),
        3 => (file(), any::<bool>(), prop::sample::select(std::vec![0, 1000, FRAME, 9999]))
            .prop_map(|(file, waits, count)| Op::FileIo { file, waits, count }),
    ]
}

/// Queue and model side by side.
struct Pair {
    rig: Rig,
    model: Model,
    pool: Vec<Memory>,
    tickets: u64,
    /// Tickets that were parked and are not over.
    parked: BTreeSet<u64>,
}

fn errno<T>(result: Result<T, Error>) -> Result<T, i32> {
    result.map_err(Error::errno)
}

impl Pair {
    fn new(buf_type: BufType, planes: usize) -> Self {
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

    fn planes(&self, memory: u32, brought: &[Brought]) -> Vec<PlaneRequest<Memory>> {
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

    fn run(mut self, ops: &[Op]) {
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

/// Sequences long enough to stream, stop, and begin again.
fn ops() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 1..80)
}

/// Few enough for every build; `PROPTEST_CASES=5000` looks closer.
fn config() -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { cases: asked.unwrap_or(60), failure_persistence: None, ..Default::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn capture_is_as_the_model(ops in ops()) {
        Pair::new(BufType::VideoCapture, 1).run(&ops);
    }

    #[test]
    fn output_is_as_the_model(ops in ops()) {
        Pair::new(BufType::VideoOutput, 1).run(&ops);
    }

    #[test]
    fn capture_mplane_is_as_the_model(ops in ops()) {
        Pair::new(BufType::VideoCaptureMplane, 2).run(&ops);
    }

    #[test]
    fn output_mplane_is_as_the_model(ops in ops()) {
        Pair::new(BufType::VideoOutputMplane, 2).run(&ops);
    }
}

/// The random requests' memory that is the queue's own has no planes to resolve.
#[test]
fn mmap_requests_name_no_memory() {
    let pair = Pair::new(BufType::VideoCapture, 1);
    let brought = [Brought { memory: 0, resolved: true, length: FRAME }];
    pair.planes(MMAP, &brought);
    assert_eq!(pair.pool[0].others(), 0);
}
