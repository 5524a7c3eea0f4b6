#![no_main]
use shrbuf_fuzz::{device, seeds};
libfuzzer_sys::fuzz_target!(init: seeds::write(device::seeds()), |bytes: &[u8]| device::run(bytes));
