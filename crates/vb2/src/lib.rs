//! videobuf2's queue as a pure state machine.
#![no_std]
#![forbid(unsafe_code)]
