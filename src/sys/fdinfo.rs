//! What `/proc` says of a descriptor.
