//! A queue with a driver that can be told what to do, and short names for calls.

use std::collections::HashSet;
use std::rc::{Rc, Weak};
use std::vec;
use std::vec::Vec;

use super::invariants;
use crate::{
    ActiveId, Allocated, BufType, BufferInfo, BufferRequest, Completion, Config, Create, Created,
    Dequeue, Done, Effect, Error, FileId, MemoryType, Plane, PlaneRequest, PlaneSource, Queue,
    QueueOps, Setup, Ticket, Timecode,
};

/// Bytes of a frame, in each plane.
pub(super) const FRAME: u32 = 4096;

pub(super) const MMAP: u32 = MemoryType::Mmap.raw();
pub(super) const USERPTR: u32 = MemoryType::UserPtr.raw();
pub(super) const DMABUF: u32 = MemoryType::DmaBuf.raw();

/// The open files of the tests.
pub(super) const OWNER: FileId = FileId(1);
pub(super) const OTHER: FileId = FileId(2);

/// A plane's memory. Its references are counted: those of the queue are what is above the test's.
#[derive(Debug, Clone)]
pub(super) struct Memory(Rc<u64>);

impl Memory {
    pub(super) fn new(size: u64) -> Self {
        Self(Rc::new(size))
    }

    /// How many others hold it.
    pub(super) fn others(&self) -> usize {
        Rc::strong_count(&self.0) - 1
    }

    pub(super) fn address(&self) -> *const u64 {
        Rc::as_ptr(&self.0)
    }
}

impl PartialEq for Memory {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Memory {}

/// A driver whose frames have `planes` planes of [`FRAME`] bytes.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) planes: usize,
    pub(super) output: bool,
    /// How many more planes can be made.
    pub(super) memory_left: usize,
    /// Fewer buffers the driver can't work with: it asks for so many.
    pub(super) least: u32,
    pub(super) held: HashSet<*const u64>,
    pub(super) fail_start: Option<Error>,
    pub(super) running: bool,
    /// The field that `buf_out_validate` sets.
    pub(super) field: Option<u32>,
    made: Vec<Weak<u64>>,
}

impl Driver {
    /// How many of the planes made are still there.
    pub(super) fn living(&self) -> usize {
        self.made.iter().filter(|memory| memory.strong_count() != 0).count()
    }

    fn check(&self, fits: bool) -> Result<(), Error> {
        if fits { Ok(()) } else { Err(Error::PlaneTooSmall) }
    }
}

impl QueueOps<Memory> for Driver {
    fn queue_setup(&mut self, setup: &mut Setup) -> Result<(), Error> {
        setup.count = setup.count.max(self.least);
        if setup.sizes.is_empty() {
            setup.sizes = vec![FRAME; self.planes];
        }
        let fits =
            setup.sizes.len() == self.planes && setup.sizes.iter().all(|&size| size >= FRAME);
        if fits { Ok(()) } else { Err(Error::WrongSizes) }
    }

    fn alloc(&mut self, _index: u32, _plane: usize, size: u32) -> Result<Memory, Error> {
        self.memory_left = self.memory_left.checked_sub(1).ok_or(Error::NoMemory)?;
        let memory = Memory::new(u64::from(size));
        self.made.push(Rc::downgrade(&memory.0));
        Ok(memory)
    }

    fn memory_size(&self, memory: &Memory) -> u64 {
        *memory.0
    }

    fn in_use_elsewhere(&self, memory: &Memory) -> bool {
        self.held.contains(&memory.address())
    }

    fn buf_out_validate(&mut self, field: &mut u32) -> Result<(), Error> {
        *field = self.field.unwrap_or(*field);
        Ok(())
    }

    fn buf_prepare(&mut self, _index: u32, planes: &mut [Plane<Memory>]) -> Result<(), Error> {
        assert_eq!(planes.len(), self.planes);
        for plane in planes {
            if self.output {
                self.check(plane.bytesused() >= FRAME.saturating_add(plane.data_offset()))?;
            } else {
                self.check(plane.length() >= FRAME)?;
                plane.set_bytesused(FRAME);
            }
        }
        Ok(())
    }

    fn start_streaming(&mut self, _queued: u32) -> Result<(), Error> {
        assert!(!self.running, "started twice");
        self.fail_start.map_or(Ok(()), Err)?;
        self.running = true;
        Ok(())
    }

    fn stop_streaming(&mut self) {
        assert!(self.running, "stopped without being started");
        self.running = false;
    }
}

/// A queue and its driver. Every call is followed by a look at the queue's invariants.
#[derive(Debug)]
pub(super) struct Rig {
    pub(super) queue: Queue<Memory>,
    pub(super) driver: Driver,
    pub(super) buf_type: u32,
}

impl Rig {
    pub(super) fn with(config: Config, planes: usize) -> Self {
        let driver = Driver {
            planes,
            output: config.buf_type.is_output(),
            memory_left: usize::MAX,
            least: 0,
            held: HashSet::new(),
            fail_start: None,
            running: false,
            field: None,
            made: Vec::new(),
        };
        Self { queue: Queue::new(config), driver, buf_type: config.buf_type.raw() }
    }

    pub(super) fn new(buf_type: BufType) -> Self {
        let planes = if buf_type.is_multiplanar() { 2 } else { 1 };
        Self::with(Config::new(buf_type), planes)
    }

    pub(super) fn capture() -> Self {
        Self::new(BufType::VideoCapture)
    }

    pub(super) fn output() -> Self {
        Self::new(BufType::VideoOutput)
    }

    /// One queue of each type.
    pub(super) fn each() -> [Self; 4] {
        [
            BufType::VideoCapture,
            BufType::VideoOutput,
            BufType::VideoCaptureMplane,
            BufType::VideoOutputMplane,
        ]
        .map(Self::new)
    }

    /// The same with `count` buffers of [`OWNER`].
    pub(super) fn each_with(memory: u32, count: u32) -> [Self; 4] {
        Self::each().map(|rig| rig.having(memory, count))
    }

    pub(super) fn having(mut self, memory: u32, count: u32) -> Self {
        assert_eq!(self.reqbufs(OWNER, memory, count), Ok(count));
        self.effects();
        self
    }

    pub(super) fn is_output(&self) -> bool {
        self.driver.output
    }

    fn checked<T>(&self, result: T) -> T {
        invariants::check(self);
        result
    }

    pub(super) fn reqbufs(&mut self, file: FileId, memory: u32, count: u32) -> Result<u32, Error> {
        let result = self.queue.reqbufs(file, self.buf_type, memory, count, &mut self.driver);
        self.checked(result.map(|Allocated { count }| count))
    }

    pub(super) fn create(
        &mut self,
        file: FileId,
        memory: u32,
        count: u32,
    ) -> Result<Created, Error> {
        let sizes = vec![FRAME; self.driver.planes];
        self.create_sized(file, memory, count, &sizes)
    }

    pub(super) fn create_sized(
        &mut self,
        file: FileId,
        memory: u32,
        count: u32,
        sizes: &[u32],
    ) -> Result<Created, Error> {
        let num_planes = u32::try_from(sizes.len()).unwrap();
        let create = Create { buf_type: self.buf_type, memory, count, num_planes, sizes };
        let result = self.queue.create_bufs(file, &create, &mut self.driver);
        self.checked(result)
    }

    pub(super) fn remove(&mut self, file: FileId, start: u32, count: u32) -> Result<(), Error> {
        let result = self.queue.remove_bufs(file, self.buf_type, start, count);
        self.checked(result)
    }

    pub(super) fn query(&self, index: u32) -> Result<BufferInfo, Error> {
        let planes = u32::try_from(self.driver.planes).unwrap();
        self.queue.querybuf(self.buf_type, index, planes, &self.driver)
    }

    pub(super) fn flags(&self, index: u32) -> u32 {
        self.query(index).unwrap().flags
    }

    /// A request of the queue's own memory, nothing said of the frame.
    pub(super) fn mmap_planes(&self) -> Vec<PlaneRequest<Memory>> {
        let plane =
            PlaneRequest { bytesused: 0, data_offset: 0, length: 0, source: PlaneSource::Mmap };
        vec![plane; self.driver.planes]
    }

    pub(super) fn request<'a>(
        &self,
        memory: u32,
        index: u32,
        planes: &'a [PlaneRequest<Memory>],
    ) -> BufferRequest<'a, Memory> {
        BufferRequest {
            buf_type: self.buf_type,
            index,
            memory,
            flags: 0,
            field: 1,
            timestamp_ns: 0,
            timecode: Timecode::default(),
            planes,
        }
    }

    pub(super) fn qbuf_as(
        &mut self,
        file: FileId,
        request: &BufferRequest<'_, Memory>,
    ) -> Result<BufferInfo, Error> {
        let result = self.queue.qbuf(file, request, &mut self.driver);
        self.checked(result)
    }

    pub(super) fn prepare_as(
        &mut self,
        file: FileId,
        request: &BufferRequest<'_, Memory>,
    ) -> Result<BufferInfo, Error> {
        let result = self.queue.prepare_buf(file, request, &mut self.driver);
        self.checked(result)
    }

    pub(super) fn qbuf(&mut self, index: u32) -> Result<BufferInfo, Error> {
        let planes = self.mmap_planes();
        self.qbuf_as(OWNER, &self.request(MMAP, index, &planes))
    }

    pub(super) fn prepare(&mut self, index: u32) -> Result<BufferInfo, Error> {
        let planes = self.mmap_planes();
        self.prepare_as(OWNER, &self.request(MMAP, index, &planes))
    }

    pub(super) fn streamon(&mut self) -> Result<(), Error> {
        let result = self.queue.streamon(OWNER, self.buf_type, &mut self.driver);
        self.checked(result)
    }

    pub(super) fn streamoff(&mut self) -> Result<(), Error> {
        let result = self.queue.streamoff(OWNER, self.buf_type, &mut self.driver);
        self.checked(result)
    }

    pub(super) fn dqbuf_as(
        &mut self,
        file: FileId,
        ticket: u64,
        nonblocking: bool,
    ) -> Result<Dequeue, Error> {
        let planes = u32::try_from(self.driver.planes).unwrap();
        self.dqbuf_with(file, ticket, planes, nonblocking)
    }

    pub(super) fn dqbuf_with(
        &mut self,
        file: FileId,
        ticket: u64,
        planes: u32,
        nonblocking: bool,
    ) -> Result<Dequeue, Error> {
        let result = self.queue.dqbuf(
            file,
            Ticket(ticket),
            self.buf_type,
            planes,
            nonblocking,
            &self.driver,
        );
        self.checked(result)
    }

    /// `DQBUF` with `O_NONBLOCK`.
    pub(super) fn dqbuf(&mut self) -> Result<BufferInfo, Error> {
        match self.dqbuf_as(OWNER, 0, true)? {
            Dequeue::Done(info) => Ok(info),
            Dequeue::Wait => panic!("a call with O_NONBLOCK waits"),
        }
    }

    pub(super) fn close(&mut self, file: FileId) {
        self.queue.close(file, &mut self.driver);
        self.checked(());
    }

    pub(super) fn poll(&mut self, file: FileId, requested: u32) -> u32 {
        let result = self.queue.poll(file, requested, &mut self.driver);
        self.checked(result)
    }

    /// The driver finishes a buffer.
    pub(super) fn done(&mut self, id: ActiveId, done: &Done<'_>) -> Result<(), Error> {
        let result = self.queue.buffer_done(id, done, &self.driver);
        self.checked(result)
    }

    /// The driver finishes the buffer in front; its number.
    pub(super) fn finish(&mut self, sequence: u32) -> Option<u32> {
        let id = self.queue.front_active()?.active()?;
        let done = Done { sequence, timestamp_ns: u64::from(sequence) * 1000, ..Done::default() };
        self.done(id, &done).unwrap();
        Some(id.index())
    }

    pub(super) fn effects(&mut self) -> Vec<Effect<Memory>> {
        self.queue.take_effects()
    }

    /// The calls that are complete, by ticket.
    pub(super) fn completions(&mut self) -> Vec<(u64, Result<Completion<Memory>, Error>)> {
        let effects = self.effects().into_iter();
        let complete = effects.filter_map(|effect| match effect {
            Effect::Complete { ticket, result } => Some((ticket.0, result)),
            Effect::PollWake | Effect::Orphan(_) => None,
        });
        complete.collect()
    }
}

/// A plane that imports `memory` with `length`.
pub(super) fn dmabuf(fd: i32, memory: Option<&Memory>, length: u32) -> PlaneRequest<Memory> {
    let source = PlaneSource::DmaBuf { fd, memory: memory.cloned() };
    PlaneRequest { bytesused: 0, data_offset: 0, length, source }
}

/// A plane at `address`.
pub(super) fn userptr(address: u64, memory: Option<&Memory>, length: u32) -> PlaneRequest<Memory> {
    let source = PlaneSource::UserPtr { address, memory: memory.cloned() };
    PlaneRequest { bytesused: 0, data_offset: 0, length, source }
}
