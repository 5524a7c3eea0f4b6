#![no_main]
use shrbuf_fuzz::{seeds, wire};
libfuzzer_sys::fuzz_target!(init: seeds::write(wire::seeds()), |bytes: &[u8]| wire::run(bytes));
