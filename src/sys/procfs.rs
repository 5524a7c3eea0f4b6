//! What `/proc` says of a thread.
