//! The words and numbers of errors.

use std::string::ToString;

use crate::Error;

/// A row per errno, numbers from `asm-generic/errno*.h`.
#[test]
fn errors_have_the_kernels_numbers() {
    let cases = [
        (Error::NoSuchBuffer, 22),
        (Error::NotABuffer, 22),
        (Error::NotStreaming, 22),
        (Error::Stale, 22),
        (Error::NotOwner, 16),
        (Error::FileIoActive, 16),
        (Error::AlreadyWaiting, 16),
        (Error::SeveralPlanes, 16),
        (Error::BadMemory, 14),
        (Error::NotReady, 11),
        (Error::NoMemory, 12),
        (Error::Full, 105),
        (Error::DeviceFailed, 5),
        (Error::LastDequeued, 32),
        (Error::NoRequests, 53),
        (Error::Driver(71), 71),
    ];
    for (error, errno) in cases {
        assert_eq!(error.errno(), errno, "{error:?}");
    }
}

#[test]
fn the_reason_is_in_words() {
    assert_eq!(Error::NotOwner.to_string(), "another open file owns the queue");
    assert_eq!(Error::Driver(71).to_string(), "the driver refused (errno 71)");
}
