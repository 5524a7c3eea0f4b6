#![no_main]
use shrbuf_fuzz::{config, seeds};
libfuzzer_sys::fuzz_target!(init: seeds::write(config::seeds()), |bytes: &[u8]| config::run(bytes));
