//! The shared buffer: memory with a reference count, named by a file descriptor.
