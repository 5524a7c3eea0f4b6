//! What `QBUF` and `PREPARE_BUF` have in common: taking a request's planes into a buffer.
