//! A double: memory on the heap, whose holders and failures a test commands.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Backing, Memory};

/// Memory on the heap. An export is `/dev/null`; whether it is held is what a test says.
#[derive(Debug, Default)]
pub struct Heap {
    fail: AtomicBool,
}

impl Heap {
    /// From now on allocations fail with `ENOMEM`, or no longer.
    pub fn fail(&self, fail: bool) {
        self.fail.store(fail, Ordering::SeqCst);
    }
}

impl Backing for Heap {
    fn name(&self) -> &'static str {
        "heap"
    }

    fn allocate(&self, len: usize) -> io::Result<Box<dyn Memory>> {
        let _ = len;
        todo!()
    }
}
