//! `ptrace(2)`.
