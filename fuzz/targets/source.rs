#![no_main]
use shrbuf_fuzz::{seeds, source};
libfuzzer_sys::fuzz_target!(init: seeds::write(source::seeds()), |bytes: &[u8]| source::run(bytes));
