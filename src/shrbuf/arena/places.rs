//! What lies where in an arena.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Weak};

use super::super::buffer::BufferId;
use super::super::entry::Entry;
use crate::sys::memfd::page_size;

/// All places of one arena.
#[derive(Debug)]
pub(super) struct Places {
    space: Range<u64>,
    /// Behind the last place that was given out.
    next: u64,
    /// Behind the last page that was ever made for the page cache. The kernel reads ahead, beyond a
    /// buffer's end, and keeps the zeros that lie there.
    touched: u64,
    by_offset: BTreeMap<u64, Place>,
    by_id: HashMap<BufferId, u64>,
}

#[derive(Debug)]
struct Place {
    /// The page behind it included.
    len: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// The buffer is being made.
    Nothing,
    Buffer(Resident),
    /// Cached pages of a buffer that is gone. The place is not used again before they are gone, too.
    Stale {
        told: bool,
    },
}

impl Place {
    fn resident(&self) -> Option<&Resident> {
        match &self.content {
            Content::Buffer(resident) => Some(resident),
            Content::Nothing | Content::Stale { .. } => None,
        }
    }
}

#[derive(Debug)]
struct Resident {
    id: BufferId,
    bytes: u64,
    /// The registry has it as long as anybody holds it.
    entry: Weak<Entry>,
    cached: bool,
    looked: bool,
}

impl Places {
    pub(super) fn new(space: Range<u64>) -> Self {
        Self {
            next: space.start,
            touched: space.start,
            space,
            by_offset: BTreeMap::new(),
            by_id: HashMap::new(),
        }
    }

    /// A free place for so many bytes.
    pub(super) fn reserve(&mut self, bytes: usize) -> Option<u64> {
        self.forget_the_dead();
        let len = (bytes as u64).checked_next_multiple_of(page_size() as u64)?;
        let gaps = self.gaps();
        let behind = |start: u64| {
            let starts = gaps.iter().map(move |gap| gap.start.max(start)..gap.end);
            starts.into_iter().find(|gap| gap.end.saturating_sub(gap.start) >= len)
        };
        let offset = behind(self.next).or_else(|| behind(self.space.start))?.start;
        self.next = offset + len;
        self.by_offset.insert(offset, Place { len, content: Content::Nothing });
        Some(offset)
    }

    /// What lies between the places, and behind the last.
    pub(super) fn gaps(&self) -> Vec<Range<u64>> {
        let mut gaps = Vec::new();
        let mut at = self.space.start;
        for (offset, place) in &self.by_offset {
            if *offset > at {
                gaps.push(at..*offset);
            }
            at = offset + place.len;
        }
        if at < self.space.end {
            gaps.push(at..self.space.end);
        }
        gaps
    }

    pub(super) fn take(&mut self, offset: u64, bytes: usize, entry: &Arc<Entry>) {
        // Pages of what was there before are cached, perhaps.
        let cached = offset < self.touched;
        if let Some(place) = self.by_offset.get_mut(&offset) {
            let entry_id = entry.id();
            place.content = Content::Buffer(Resident {
                id: entry_id,
                bytes: bytes as u64,
                entry: Arc::downgrade(entry),
                cached,
                looked: false,
            });
            self.by_id.insert(entry_id, offset);
        }
    }

    pub(super) fn give_up(&mut self, offset: u64) {
        self.by_offset.remove(&offset);
    }

    fn forget_the_dead(&mut self) {
        let by_id = &mut self.by_id;
        self.by_offset.retain(|_, place| match place.resident() {
            Some(resident) if resident.entry.strong_count() == 0 => {
                let cached = resident.cached;
                by_id.remove(&resident.id);
                place.content = Content::Stale { told: false };
                cached
            }
            _ => true,
        });
    }

    /// The ranges of cached pages that are no buffer's any more, each once, until
    /// [`swept`](Self::swept) says what came of it.
    pub(super) fn take_stale(&mut self) -> Vec<Range<u64>> {
        self.forget_the_dead();
        let mut ranges = Vec::new();
        for (offset, place) in &mut self.by_offset {
            if let Content::Stale { told: told @ false } = &mut place.content {
                *told = true;
                note(&mut ranges, *offset..offset + place.len);
            }
        }
        ranges
    }

    /// The pages of a range that was told of are cached no more, or still are.
    pub(super) fn swept(&mut self, range: &Range<u64>, gone: bool) {
        self.by_offset.retain(|offset, place| match &mut place.content {
            Content::Stale { told: told @ true } if range.contains(offset) => {
                *told = false;
                !gone
            }
            _ => true,
        });
    }

    fn resident(&self, id: BufferId) -> Option<(u64, &Resident)> {
        let offset = *self.by_id.get(&id)?;
        Some((offset, self.by_offset.get(&offset)?.resident()?))
    }

    fn residents(&mut self) -> impl Iterator<Item = (u64, &mut Resident)> {
        self.by_offset.iter_mut().filter_map(|(offset, place)| match &mut place.content {
            Content::Buffer(resident) => Some((*offset, resident)),
            Content::Nothing | Content::Stale { .. } => None,
        })
    }

    /// Where a buffer lies, and whether pages of it are cached.
    pub(super) fn find(&self, id: BufferId) -> Option<(u64, bool)> {
        let (offset, resident) = self.resident(id)?;
        Some((offset, resident.cached))
    }

    pub(super) fn was_looked_at(&self, id: BufferId) -> bool {
        self.resident(id).is_some_and(|(_, resident)| resident.looked)
    }

    /// The buffers of a range, whose pages are in the page cache from now on.
    pub(super) fn cache(&mut self, range: &Range<u64>) -> Vec<(Range<u64>, Arc<Entry>)> {
        self.touched = self.touched.max(range.end);
        let mut found = Vec::new();
        for (offset, resident) in self.residents() {
            let place = offset..offset + resident.bytes;
            if overlap(&place, range)
                && let Some(entry) = resident.entry.upgrade()
            {
                resident.cached = true;
                found.push((place, entry));
            }
        }
        found
    }

    /// Notes what is mapped. Returns what is not any more, and whether that is not known of some.
    pub(super) fn looked(&mut self, ranges: &[Range<u64>], all: bool) -> (Vec<BufferId>, bool) {
        let (mut unmapped, mut doubt) = (Vec::new(), false);
        for (offset, resident) in self.residents() {
            let Some(entry) = resident.entry.upgrade() else { continue };
            let place = offset..offset + resident.bytes;
            resident.looked = true;
            if ranges.iter().any(|range| overlap(&place, range)) {
                entry.set_mapped(true);
            } else if !all {
                doubt |= entry.is_mapped();
            } else if entry.set_mapped(false) {
                unmapped.push(resident.id);
            }
        }
        (unmapped, doubt)
    }

    /// The buffers that are mapped, as far as is known.
    pub(super) fn mapped(&mut self) -> Vec<BufferId> {
        let mapped = self.residents().filter(|(_, resident)| {
            resident.entry.upgrade().is_some_and(|entry| entry.is_mapped())
        });
        mapped.map(|(_, resident)| resident.id).collect()
    }

    /// Bytes of all that is alive.
    pub(super) fn bytes(&self) -> u64 {
        let residents = self.by_offset.values().filter_map(Place::resident);
        residents.filter(|resident| resident.entry.strong_count() > 0).map(|one| one.bytes).sum()
    }
}

/// One range more, or a longer last one.
fn note(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ranges.push(range),
    }
}

fn overlap(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
}
