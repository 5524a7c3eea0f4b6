//! How the allocator keeps memory that was freed.
//!
//! A moving picture takes and frees the same megabytes with every frame. By default glibc gives such
//! pieces back to the kernel at once, or doesn't, as the order of the first ones will have it; the page
//! faults of getting them anew cost more than the picture does, in user-mode Linux ten times as much.

/// Bytes of the largest piece that comes from the heap: glibc's own bound for 64 bits
/// (`DEFAULT_MMAP_THRESHOLD_MAX`).
const LARGEST: libc::c_int = 32 << 20;

/// Bytes at a heap's end that are kept: a few frames of 4K in every stage of their making.
const KEPT: libc::c_int = 256 << 20;

/// Has freed memory kept for the next frame. See [`give_back`].
pub fn keep_what_is_freed() {
    for (parameter, value) in [(libc::M_MMAP_THRESHOLD, LARGEST), (libc::M_TRIM_THRESHOLD, KEPT)] {
        // SAFETY: sets a number of the allocator's, under its own lock.
        if unsafe { libc::mallopt(parameter, value) } == 0 {
            tracing::warn!(parameter, value, "the allocator keeps its own thresholds");
        }
    }
}

/// Gives all that is free back to the kernel: no frame follows.
pub fn give_back() {
    // SAFETY: frees only what nobody uses, under the allocator's own locks.
    unsafe { libc::malloc_trim(0) };
}
