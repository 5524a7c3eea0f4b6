//! Tests of the queue's rules, one file per group, and of random sequences of calls.
//!
//! The rows of `tests/oracle/*.txt` (what vivid answers) that the queue alone decides are here
//! once more, without a kernel.

mod access;
mod allocate;
mod bytes;
mod contents;
mod dequeue;
mod errors;
mod fields;
mod fileio;
mod found;
mod import;
mod invariants;
mod model;
mod owner;
mod pair;
mod poll;
mod random;
mod rig;
mod states;
mod userptr;
