//! Whether anybody else has a memory file open.
