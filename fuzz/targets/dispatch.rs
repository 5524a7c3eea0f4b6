#![no_main]
use shrbuf_fuzz::{dispatch, seeds};
libfuzzer_sys::fuzz_target!(init: seeds::write(dispatch::seeds()), |bytes: &[u8]| dispatch::run(bytes));
