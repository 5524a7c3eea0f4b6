#![no_main]
use shrbuf_fuzz::seeds;
use vb2::fuzzing;

fn all() -> seeds::Seeds {
    fuzzing::SEEDS.iter().map(|(name, seed)| ((*name).into(), seed.to_vec())).collect()
}

libfuzzer_sys::fuzz_target!(init: seeds::write(all()), |bytes: &[u8]| fuzzing::queue(bytes));
