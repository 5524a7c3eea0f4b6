//! A thread that frees orphans soon after their last holder let go.

use std::io;
use std::sync::Arc;

use super::registry::Registry;

/// The thread; dropping it ends it and waits for it.
#[derive(Debug)]
pub struct Reaper {}

impl Reaper {
    /// Starts it.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(registry: Arc<Registry>) -> io::Result<Self> {
        let _ = registry;
        todo!()
    }
}
