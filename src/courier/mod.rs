//! How a descriptor, or a piece of memory, crosses between the daemon and a caller.
