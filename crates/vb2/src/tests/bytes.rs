//! Sequences of calls from bytes, as the fuzz target `queue` makes them: the first byte chooses
//! the queue, then an operation's byte is followed by those of its numbers.

use std::vec::Vec;

use super::model::{Brought, Model};
use super::pair::{MOST, Op, Pair, SIZES};
use super::rig::FRAME;
use crate::BufType;

/// Longer sequences find nothing that these don't, and take their time.
const MOST_OPS: usize = 300;

/// Where a fuzzer begins: a camera that streams, a display with imports, `read`, and `write`.
pub(super) const SEEDS: [(&str, &[u8]); 4] = [
    ("camera", &[0, 0, 9, 4, 0, 0, 0, 4, 1, 0, 0, 7, 11, 5, 0x45, 11, 4, 0, 0, 0, 8, 9]),
    ("display", &[3, 0, 11, 4, 0, 0, 1, 4, 1, 0, 0, 7, 11, 11, 5, 3, 2, 0, 0, 2, 7, 9]),
    ("read", &[0, 13, 1, 12, 11, 0x4d, 2, 13, 3, 6, 10, 5, 9]),
    ("write", &[1, 13, 2, 0x4d, 2, 11, 12, 13, 3, 0x8d, 1, 9]),
];

/// Does with queue and model what the bytes say.
///
/// # Panics
/// Where the two differ, or an invariant of the queue is broken.
pub(super) fn run(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let (buf_type, planes) = match bytes.next() % 4 {
        0 => (BufType::VideoCapture, 1),
        1 => (BufType::VideoOutput, 1),
        2 => (BufType::VideoCaptureMplane, 2),
        _ => (BufType::VideoOutputMplane, 2),
    };
    let mut ops = Vec::new();
    while !bytes.0.is_empty() && ops.len() < MOST_OPS {
        ops.push(bytes.op());
    }
    Pair::new(buf_type, planes).run(&ops);
}

/// What is left; zeros beyond the end.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below `end`, and what is left of the byte.
    fn below(&mut self, end: u32) -> (u32, u32) {
        let byte = u32::from(self.next());
        (byte % end, byte / end)
    }

    fn memory(byte: u32) -> u32 {
        Model::MEMORIES[byte as usize % Model::MEMORIES.len()]
    }

    fn brought(&mut self) -> Vec<Brought> {
        const LENGTHS: [u32; 8] = [FRAME, FRAME, FRAME, FRAME, FRAME, 0, 2 * FRAME, FRAME - 1];
        let plane = |byte: u8| Brought {
            memory: usize::from(byte) % SIZES.len(),
            resolved: byte < 0xe0,
            length: LENGTHS[usize::from(byte / 4 % 8)],
        };
        [self.next(), self.next()].map(plane).to_vec()
    }

    /// Bit 7 is the other file, bit 6 a wait or another memory than the queue's.
    fn op(&mut self) -> Op {
        let byte = self.next();
        let file = if byte & 0x80 == 0 { 1 } else { 2 };
        let flag = byte & 0x40 != 0;
        match byte % 0x40 % 14 {
            0 => {
                let (memory, rest) = self.below(3);
                Op::Reqbufs { file, memory: Self::memory(memory), count: rest % (MOST + 2) }
            }
            1 => {
                let (memory, rest) = self.below(3);
                Op::Create { file, memory: Self::memory(memory), count: rest % 4 }
            }
            2 => {
                let (start, rest) = self.below(MOST + 1);
                Op::Remove { file, start, count: rest % 3 }
            }
            which @ (3 | 4) => {
                let (index, rest) = self.below(MOST + 1);
                let memory = flag.then(|| Self::memory(rest));
                let brought = self.brought();
                if which == 3 {
                    Op::Prepare { file, memory, index, brought }
                } else {
                    Op::Qbuf { file, memory, index, brought }
                }
            }
            5 => Op::Dqbuf { file, waits: flag },
            6 => Op::Cancel,
            7 => Op::Streamon { file },
            8 => Op::Streamoff { file },
            9 => Op::Close { file },
            10 => Op::Fail,
            11 => Op::Finish,
            12 => Op::Poll { file },
            _ => {
                let count = [0, 1000, FRAME, 9999][self.below(4).0 as usize];
                Op::FileIo { file, waits: flag, count }
            }
        }
    }
}
