//! `process_vm_readv(2)`, `process_vm_writev(2)`.
