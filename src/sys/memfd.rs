//! Memory files: sealed, of mode 0400, re-opened for every export.
