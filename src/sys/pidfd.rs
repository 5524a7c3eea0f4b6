//! `pidfd_open(2)`, `pidfd_getfd(2)`.
