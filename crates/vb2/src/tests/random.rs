//! Random sequences of calls, each answer compared with the model's, the invariants looked at
//! after each.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::model::{Brought, Model};
use super::pair::{MOST, Op, Pair, SIZES};
use super::rig::{FRAME, MMAP};
use crate::BufType;

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
