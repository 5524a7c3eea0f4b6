//! Which ranges of a file processes have mapped. The look itself is the helper's: reading somebody's
//! `/proc/<pid>/maps` waits for the lock of that process's memory. Who keeps that for ever is passed
//! over, and told to have let go of what he has mapped.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;

use super::wire::Request;
use crate::sys::maps;

/// Ranges that are told of at most: a node has 64 buffers of at most 8 planes.
pub(super) const MOST: usize = 4096;

/// Bytes of a range in the transfer file.
pub(super) const RANGE: usize = 16;

/// [`super::wire::Operation::Maps`]: numbers of processes in the transfer file, ranges afterwards.
pub(super) fn maps(request: &Request, transfer: &File) -> Result<i64, Errno> {
    let count = usize::try_from(request.number).unwrap_or_default();
    let mut numbers = vec![0; count.min(MOST) * size_of::<u32>()];
    transfer.read_exact_at(&mut numbers, 0).map_err(|_| Errno::EIO)?;
    let named: Vec<u32> = numbers
        .chunks_exact(size_of::<u32>())
        .filter_map(|bytes| Some(u32::from_ne_bytes(*bytes.first_chunk()?)))
        .collect();
    let pids = if named.is_empty() { maps::processes() } else { named };
    let mut found = Vec::new();
    let seen =
        maps::look(pids, |_, text| maps::add(text, request.address, request.arg, &mut found));
    seen.map_err(|_| Errno::EAGAIN)?;
    let merged = merge(found);
    if merged.len() > MOST {
        return Err(Errno::E2BIG);
    }
    let bytes: Vec<u8> = merged
        .iter()
        .flat_map(|range| [range.start, range.end])
        .flat_map(u64::to_ne_bytes)
        .collect();
    transfer.write_all_at(&bytes, 0).map_err(|_| Errno::EIO)?;
    i64::try_from(merged.len()).map_err(|_| Errno::E2BIG)
}

/// The ranges of the transfer file.
pub(super) fn ranges(bytes: &[u8]) -> Vec<Range<u64>> {
    let pair = |bytes: &[u8]| {
        let (start, end) = bytes.split_first_chunk()?;
        Some(u64::from_ne_bytes(*start)..u64::from_ne_bytes(*end.first_chunk()?))
    };
    bytes.chunks_exact(RANGE).filter_map(pair).collect()
}

fn merge(mut found: Vec<Range<u64>>) -> Vec<Range<u64>> {
    found.sort_by_key(|range| (range.start, range.end));
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in found {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_its_ends() {
        let bytes: Vec<u8> =
            [1_u64, 2, 3, u64::MAX].into_iter().flat_map(u64::to_ne_bytes).collect();
        assert_eq!(ranges(&bytes), [1..2, 3..u64::MAX]);
        assert_eq!(ranges(&bytes[..20]), ranges(&bytes[..16]));
    }

    #[test]
    fn ranges_are_merged_where_they_touch() {
        let merged = merge(vec![8..12, 0..4, 4..6, 10..11, 20..21]);
        assert_eq!(merged, [0..6, 8..12, 20..21]);
    }
}
