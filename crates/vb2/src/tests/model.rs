//! The queue once more, as plainly as can be: what a call answers, and where each buffer is then.
//! No lists: who comes first is a number at the buffer.

use std::vec::Vec;

use super::rig::{DMABUF, FRAME, MMAP, USERPTR};

/// What a call answers: a number it gives (an index, a count), or an errno.
pub(super) type Answer = Result<u32, i32>;

pub(super) const EIO: i32 = 5;
pub(super) const EAGAIN: i32 = 11;
pub(super) const EFAULT: i32 = 14;
pub(super) const EBUSY: i32 = 16;
pub(super) const EINVAL: i32 = 22;
pub(super) const ENOBUFS: i32 = 105;

/// A program's memory for one plane: which of the test's, whether it is resolved, and the length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Brought {
    pub(super) memory: usize,
    pub(super) resolved: bool,
    pub(super) length: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Idle,
    Prepared,
    Queued(u64),
    Ready(u64),
}

#[derive(Debug, Clone)]
pub(super) struct Buffer {
    pub(super) place: Place,
    /// Which memory of the test's with which length, per plane.
    pub(super) imports: Vec<Option<(usize, u32)>>,
}

/// Partly read or written: buffer and position.
type Piece = (usize, u32);

#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) output: bool,
    pub(super) planes: usize,
    pub(super) most: u32,
    /// Bytes of the test's memories.
    pub(super) sizes: Vec<u64>,
    pub(super) buffers: Vec<Option<Buffer>>,
    pub(super) memory: u32,
    pub(super) owner: Option<u64>,
    pub(super) streaming: bool,
    pub(super) failed: bool,
    pub(super) queued_once: bool,
    pub(super) waiting: Option<u64>,
    /// File I/O: the current piece, and how many buffers were used.
    pub(super) fileio: Option<(Option<Piece>, u32)>,
    pub(super) clock: u64,
    /// Calls that completed: ticket and what it gave.
    pub(super) completed: Vec<(u64, Answer)>,
}

impl Model {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.buffers.iter().flatten().count()).unwrap()
    }

    fn owned(&self, file: u64) -> Result<(), i32> {
        let free = self.fileio.is_none() && self.owner.is_none_or(|owner| owner == file);
        if free { Ok(()) } else { Err(EBUSY) }
    }

    fn buffer(&mut self, index: u32) -> Result<&mut Buffer, i32> {
        self.buffers.get_mut(index as usize).and_then(Option::as_mut).ok_or(EINVAL)
    }

    /// The buffer whose place has the least number.
    fn first(&self, number: impl Fn(Place) -> Option<u64>) -> Option<usize> {
        let numbered = self
            .buffers
            .iter()
            .enumerate()
            .filter_map(|(index, buffer)| Some((number(buffer.as_ref()?.place)?, index)));
        numbered.min().map(|(_, index)| index)
    }

    pub(super) fn ready(&self) -> Option<usize> {
        self.first(|place| if let Place::Ready(at) = place { Some(at) } else { None })
    }

    pub(super) fn next_active(&self) -> Option<usize> {
        let first = self.first(|place| if let Place::Queued(at) = place { Some(at) } else { None });
        first.filter(|_| self.streaming)
    }

    fn put(&mut self, first: u32, count: u32) {
        for index in first..first + count {
            let buffer = Buffer { place: Place::Idle, imports: std::vec![None; self.planes] };
            let index = index as usize;
            self.buffers.resize(self.buffers.len().max(index + 1), None);
            self.buffers[index] = Some(buffer);
        }
    }

    fn end_stream(&mut self) {
        self.streaming = false;
        self.failed = false;
        self.buffers.iter_mut().flatten().for_each(|buffer| buffer.place = Place::Idle);
        self.complete(Err(EINVAL));
    }

    fn complete(&mut self, answer: Answer) {
        if let Some(ticket) = self.waiting.take() {
            self.completed.push((ticket, answer));
        }
    }

    fn remake(&mut self, memory: u32, count: u32) -> Answer {
        if self.streaming {
            return Err(EBUSY);
        }
        self.buffers.clear();
        let count = if count == 0 { 0 } else { count.clamp(2, self.most) };
        if count != 0 {
            self.queued_once = false;
        }
        self.memory = memory;
        self.put(0, count);
        Ok(count)
    }

    pub(super) fn reqbufs(&mut self, file: u64, memory: u32, count: u32) -> Answer {
        self.owned(file)?;
        let count = self.remake(memory, count)?;
        self.owner = (count != 0).then_some(file);
        Ok(count)
    }

    /// The index of the first.
    pub(super) fn create(&mut self, file: u64, memory: u32, count: u32) -> Answer {
        if count == 0 {
            return Ok(self.count());
        }
        self.owned(file)?;
        if self.count() == self.most {
            return Err(ENOBUFS);
        }
        if self.count() == 0 {
            // A call may still wait for buffers that were removed meanwhile.
            if self.waiting.is_some() {
                return Err(EBUSY);
            }
            self.memory = memory;
            self.queued_once = false;
        } else if self.memory != memory {
            return Err(EINVAL);
        }
        self.owner = Some(file);
        // The longest gap that is needed, the first of these.
        for count in (1..=count.min(self.most - self.count())).rev() {
            for first in 0..=self.most - count {
                let taken = |index: u32| matches!(self.buffers.get(index as usize), Some(Some(_)));
                if !(first..first + count).any(taken) {
                    self.put(first, count);
                    return Ok(first);
                }
            }
        }
        panic!("no gap");
    }

    pub(super) fn remove(&mut self, file: u64, start: u32, count: u32) -> Answer {
        if count == 0 {
            return Ok(0);
        }
        self.owned(file)?;
        if count > self.count() || start + count > self.most {
            return Err(EINVAL);
        }
        for index in start..start + count {
            let place = self.buffer(index)?.place;
            if matches!(place, Place::Queued(_) | Place::Ready(_)) {
                return Err(EBUSY);
            }
        }
        for index in start..start + count {
            self.buffers[index as usize] = None;
        }
        Ok(0)
    }

    /// Takes what a program brings; errno if it is refused.
    fn bring(&mut self, index: u32, brought: &[Brought]) -> Result<(), i32> {
        let (memory, sizes) = (self.memory, self.sizes.clone());
        let output = self.output;
        let imports = &mut self.buffer(index)?.imports;
        let mut fits = true;
        for (import, &Brought { memory: which, resolved, length }) in
            imports.iter_mut().zip(brought)
        {
            // An output frame is as long as the program says: nothing, if it says 0.
            fits &= !output || length >= FRAME;
            let size = sizes[which];
            let long = if length == 0 && memory == DMABUF { size as u32 } else { length };
            let same = *import == Some((which, long));
            let no_buffer = memory == DMABUF && !resolved;
            let error = if no_buffer || (!same && long < FRAME) {
                Some(EINVAL)
            } else if !same && (!resolved || size < u64::from(long)) {
                Some(EFAULT)
            } else {
                None
            };
            if let Some(error) = error {
                imports.fill(None);
                return Err(error);
            }
            *import = Some((which, long));
        }
        if fits {
            return Ok(());
        }
        imports.fill(None);
        Err(EINVAL)
    }

    fn get_ready(&mut self, index: u32, brought: &[Brought]) -> Result<(), i32> {
        if self.failed {
            return Err(EIO);
        }
        if self.memory != MMAP {
            self.bring(index, brought)?;
        }
        self.buffer(index)?.place = Place::Prepared;
        Ok(())
    }

    pub(super) fn prepare(
        &mut self,
        file: u64,
        memory: u32,
        index: u32,
        brought: &[Brought],
    ) -> Answer {
        self.owned(file)?;
        if self.buffer(index)?.place != Place::Idle || memory != self.memory {
            return Err(EINVAL);
        }
        self.get_ready(index, brought)?;
        Ok(index)
    }

    pub(super) fn qbuf(
        &mut self,
        file: u64,
        memory: u32,
        index: u32,
        brought: &[Brought],
    ) -> Answer {
        self.owned(file)?;
        let place = self.buffer(index)?.place;
        if memory != self.memory {
            return Err(EINVAL);
        }
        if self.failed {
            return Err(EIO);
        }
        match place {
            Place::Prepared => {}
            Place::Idle => self.get_ready(index, brought)?,
            Place::Queued(_) | Place::Ready(_) => return Err(EINVAL),
        }
        let now = self.tick();
        self.buffer(index)?.place = Place::Queued(now);
        self.queued_once = true;
        Ok(index)
    }

    fn next_done(&mut self, ticket: Option<u64>) -> Result<Option<usize>, i32> {
        if self.waiting.is_some() {
            return Err(EBUSY);
        }
        if !self.streaming {
            return Err(EINVAL);
        }
        if self.failed {
            return Err(EIO);
        }
        let ready = self.ready();
        if ready.is_none() {
            self.waiting = Some(ticket.ok_or(EAGAIN)?);
        }
        Ok(ready)
    }

    /// `DQBUF`: without a ticket it doesn't wait. No index: it waits.
    pub(super) fn dqbuf(&mut self, file: u64, ticket: Option<u64>) -> Result<Option<u32>, i32> {
        self.owned(file)?;
        let Some(index) = self.next_done(ticket)? else { return Ok(None) };
        self.buffers[index].as_mut().unwrap().place = Place::Idle;
        Ok(Some(index as u32))
    }

    pub(super) fn streamon(&mut self, file: u64) -> Answer {
        self.owned(file)?;
        if !self.streaming && self.count() == 0 {
            return Err(EINVAL);
        }
        self.streaming = true;
        Ok(0)
    }

    pub(super) fn streamoff(&mut self, file: u64) -> Answer {
        self.owned(file)?;
        self.end_stream();
        self.queued_once = false;
        Ok(0)
    }

    pub(super) fn close(&mut self, file: u64) {
        if self.owner == Some(file) {
            self.end_stream();
            self.buffers.clear();
            self.fileio = None;
            self.owner = None;
        }
    }

    pub(super) fn fail(&mut self) {
        self.failed = true;
        self.complete(Err(EIO));
    }

    /// The driver finishes the buffer queued first.
    pub(super) fn finish(&mut self) -> Option<u32> {
        let index = self.next_active()?;
        let now = self.tick();
        let fileio = self.fileio;
        let waits = self.waiting.is_some();
        let buffer = self.buffers[index].as_mut().unwrap();
        buffer.place = if waits { Place::Idle } else { Place::Ready(now) };
        if let Some((_, used)) = fileio.filter(|_| waits) {
            self.fileio = Some((Some((index, 0)), used));
        }
        self.complete(Ok(index as u32));
        Some(index as u32)
    }

    /// `POLLIN` or `POLLOUT` asked for: `Some(true)` ready, `Some(false)` error, `None` waits.
    pub(super) fn poll(&mut self, file: u64) -> Option<bool> {
        if self.count() == 0 && self.fileio.is_none() {
            let other = self.owner.is_some_and(|owner| owner != file);
            if other || self.start_fileio(file).is_err() {
                return Some(false);
            }
            if self.output {
                return Some(true);
            }
        }
        if !self.streaming || self.failed || (!self.output && !self.queued_once) {
            return Some(false);
        }
        let idle = self.buffers.iter().flatten().any(|buffer| buffer.place == Place::Idle);
        let may_write = self.output && self.fileio.is_some() && idle;
        (may_write || self.ready().is_some()).then_some(true)
    }

    fn start_fileio(&mut self, file: u64) -> Result<(), i32> {
        if self.streaming || self.count() != 0 || self.planes != 1 {
            return Err(EBUSY);
        }
        let count = self.remake(MMAP, 1)?;
        let used = if self.output { 0 } else { count };
        for index in 0..used {
            let now = self.tick();
            self.buffer(index)?.place = Place::Queued(now);
            self.queued_once = true;
        }
        (self.fileio, self.streaming, self.owner) = (Some((None, used)), true, Some(file));
        Ok(())
    }

    /// `read` or `write`, everything asked for being copied. Bytes; none if it waits.
    pub(super) fn fileio(
        &mut self,
        file: u64,
        ticket: Option<u64>,
        count: u32,
    ) -> Result<Option<u32>, i32> {
        if self.owner.is_some_and(|owner| owner != file) || self.waiting.is_some() {
            return Err(EBUSY);
        }
        if self.fileio.is_none() {
            self.start_fileio(file)?;
        }
        let Some((piece, used)) = self.fileio else { return Err(EINVAL) };
        let fresh = (used < self.count()).then_some((used as usize, 0));
        if piece.is_none() && fresh.is_some() {
            self.fileio = Some((fresh, used + 1));
        } else if piece.is_none() {
            let Some(index) = self.next_done(ticket)? else { return Ok(None) };
            self.buffers[index].as_mut().unwrap().place = Place::Idle;
            self.fileio = Some((Some((index, 0)), used));
        }
        let (_, position) = self.fileio.unwrap().0.unwrap();
        Ok(Some(count.min(FRAME - position)))
    }

    /// So many bytes of the piece are copied.
    pub(super) fn copied(&mut self, bytes: u32) -> Answer {
        let Some((Some((index, position)), used)) = self.fileio else { return Ok(0) };
        let position = position + bytes;
        self.fileio = Some((Some((index, position)), used));
        if position == FRAME {
            if self.failed {
                return Err(EIO);
            }
            let now = self.tick();
            self.buffers[index].as_mut().unwrap().place = Place::Queued(now);
            self.queued_once = true;
            self.fileio = Some((None, used));
        }
        Ok(0)
    }

    /// How many planes hold a memory of the test's.
    pub(super) fn holders(&self, memory: usize) -> usize {
        let imports = self.buffers.iter().flatten().flat_map(|buffer| &buffer.imports);
        imports.filter(|import| import.is_some_and(|(held, _)| held == memory)).count()
    }

    /// Whether the queue makes its own memory.
    pub(super) fn own_planes(&self) -> usize {
        if self.memory == MMAP { self.count() as usize * self.planes } else { 0 }
    }

    /// A memory that a request may name.
    pub(super) const MEMORIES: [u32; 3] = [MMAP, USERPTR, DMABUF];
}
