#![no_main]
use shrbuf_fuzz::{control, seeds};
libfuzzer_sys::fuzz_target!(init: seeds::write(control::seeds()), |bytes: &[u8]| control::run(bytes));
