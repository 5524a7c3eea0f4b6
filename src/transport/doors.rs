//! The doors of an open file: the character device's file that `open(2)` gave, and, once its
//! descriptor was swapped, the file that can be mapped. Both lead to the same state; the file is
//! closed when the last of them is, and nobody maps it any more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vb2::FileId;

use super::mapped::MappedFile;
use super::users::Permit;

/// Through which of its doors a request for a file came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Door {
    /// The character device.
    Cuse,
    /// The file that can be mapped.
    Fuse,
}

/// What is left of a file when a door has closed.
#[derive(Debug)]
pub(super) enum Left {
    /// The other door, or the mappings, which keep it open: it is to be looked at again.
    Open,
    /// Mappings alone, perhaps.
    Mappings(Arc<MappedFile>),
    /// Nothing: it is closed.
    Nothing,
}

/// A node's open files.
#[derive(Debug, Default)]
pub(super) struct OpenFiles {
    files: Mutex<HashMap<FileId, Doors>>,
}

#[derive(Debug, Default)]
struct Doors {
    cuse: bool,
    fuse: bool,
    /// What can be mapped of it, since its first `REQBUFS`.
    mapped: Option<Arc<MappedFile>>,
    /// Its owner has said that it never maps.
    unmapped: bool,
    /// Somebody is closing it.
    closing: bool,
    /// It counts as one of its opener's.
    _permit: Option<Permit>,
}

impl Doors {
    /// Whether mappings alone keep it open, if anything does.
    fn lingers(&self) -> bool {
        !self.cuse && !self.fuse && !self.closing
    }
}

impl OpenFiles {
    fn lock(&self) -> MutexGuard<'_, HashMap<FileId, Doors>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn opened(&self, file: FileId, permit: Permit) {
        let doors = Doors { cuse: true, _permit: Some(permit), ..Doors::default() };
        self.lock().insert(file, doors);
    }

    /// What can be mapped of a file, if anything was made.
    pub(super) fn mapped(&self, file: FileId) -> Option<Arc<MappedFile>> {
        self.lock().get(&file)?.mapped.clone()
    }

    /// The same, made by `make` where there is none yet. `None`: the file is closed, or will never be
    /// mapped.
    pub(super) fn mapped_or<E>(
        &self,
        file: FileId,
        make: impl FnOnce() -> Result<Arc<MappedFile>, E>,
    ) -> Result<Option<Arc<MappedFile>>, E> {
        let mut files = self.lock();
        let Some(doors) = files.get_mut(&file).filter(|doors| !doors.unmapped) else {
            return Ok(None);
        };
        if doors.mapped.is_none() {
            doors.mapped = Some(make()?);
        }
        Ok(doors.mapped.clone())
    }

    /// The file's owner never maps: its descriptor needs no swap.
    pub(super) fn will_not_map(&self, file: FileId) {
        if let Some(doors) = self.lock().get_mut(&file) {
            doors.unmapped = true;
        }
    }

    /// The second door is about to be given out. `false`: it is open already, or the file closed.
    pub(super) fn enter(&self, file: FileId) -> bool {
        match self.lock().get_mut(&file) {
            Some(doors) if !doors.fuse && (doors.cuse || doors.mapped.is_some()) => {
                doors.fuse = true;
                true
            }
            _ => false,
        }
    }

    /// Whether the second door is open.
    pub(super) fn is_swapped(&self, file: FileId) -> bool {
        self.lock().get(&file).is_some_and(|doors| doors.fuse)
    }

    /// Whether the character device's file is open. The kernel tells of its close before `close(2)`
    /// returns.
    pub(super) fn is_open_by_device(&self, file: FileId) -> bool {
        self.lock().get(&file).is_some_and(|doors| doors.cuse)
    }

    /// A door has closed.
    pub(super) fn leave(&self, file: FileId, door: Door) -> Left {
        let mut files = self.lock();
        let Some(doors) = files.get_mut(&file) else { return Left::Open };
        match door {
            Door::Cuse => doors.cuse = false,
            Door::Fuse => doors.fuse = false,
        }
        if doors.cuse || doors.fuse {
            return Left::Open;
        }
        match &doors.mapped {
            Some(mapped) => Left::Mappings(Arc::clone(mapped)),
            None => {
                files.remove(&file);
                Left::Nothing
            }
        }
    }

    /// Whether only mappings may keep it open.
    pub(super) fn lingers(&self, file: FileId) -> bool {
        self.lock().get(&file).is_some_and(Doors::lingers)
    }

    /// Files that only mappings may keep open.
    pub(super) fn lingering(&self) -> Vec<(FileId, Arc<MappedFile>)> {
        let files = self.lock();
        let lingering = files.iter().filter(|(_, doors)| doors.lingers());
        lingering.filter_map(|(file, doors)| Some((*file, doors.mapped.clone()?))).collect()
    }

    /// All that can be mapped.
    pub(super) fn all_mapped(&self) -> Vec<Arc<MappedFile>> {
        self.lock().values().filter_map(|doors| doors.mapped.clone()).collect()
    }

    /// A file that only mappings kept open is to be closed. `false`: somebody does so already.
    pub(super) fn begin_close(&self, file: FileId) -> bool {
        let mut files = self.lock();
        let Some(doors) = files.get_mut(&file).filter(|doors| doors.lingers()) else {
            return false;
        };
        doors.closing = true;
        true
    }

    /// It is.
    pub(super) fn forget(&self, file: FileId) {
        self.lock().remove(&file);
    }

    /// Whether the file is closed for good.
    pub(super) fn is_closed(&self, file: FileId) -> bool {
        !self.lock().contains_key(&file)
    }
}

#[cfg(test)]
mod tests {
    use super::super::users::{Kind, UserLimits, Users};
    use super::*;
    use crate::shrbuf::arena::Arena;
    use crate::shrbuf::{Backings, Limits, Registry};

    const ONE: FileId = FileId(1);
    const OTHER: FileId = FileId(2);

    fn permit() -> Permit {
        let users = Users::new(UserLimits { opens: 1, waiting: 0 });
        users.permit(1000, Kind::Open).expect("within the limit")
    }

    fn both() -> OpenFiles {
        let files = OpenFiles::default();
        files.opened(ONE, permit());
        files.opened(OTHER, permit());
        files
    }

    /// What can be mapped of a file, made where there is none yet.
    fn mapped(files: &OpenFiles, file: FileId) -> Option<Arc<MappedFile>> {
        let make = || {
            let registry = Registry::new(Limits::default(), Backings::memfd());
            Ok::<_, ()>(MappedFile::new(Arena::copies(&registry)))
        };
        files.mapped_or(file, make).expect("it can be made")
    }

    /// Whoever maps all of an arena sees all buffers in it.
    #[test]
    fn each_file_has_an_arena_of_its_own() {
        let files = both();
        let [one, other] = [ONE, OTHER].map(|file| mapped(&files, file).expect("an arena"));
        assert!(!Arc::ptr_eq(&one, &other));
        for (file, its) in [(ONE, one), (OTHER, other)] {
            assert!(Arc::ptr_eq(&mapped(&files, file).expect("as before"), &its));
            assert!(Arc::ptr_eq(&files.mapped(file).expect("as before"), &its));
        }
        assert!(mapped(&files, FileId(3)).is_none(), "nobody has it open");
        files.opened(FileId(3), permit());
        files.will_not_map(FileId(3));
        assert!(mapped(&files, FileId(3)).is_none(), "it never maps");
    }

    #[test]
    fn a_file_is_open_by_any_door_and_by_its_mappings() {
        let files = both();
        assert!(matches!(files.leave(ONE, Door::Cuse), Left::Nothing), "never mapped");
        assert!(files.is_closed(ONE));
        let its = mapped(&files, OTHER).expect("an arena");
        assert!(files.enter(OTHER) && !files.enter(OTHER), "the second door is one");
        assert!(matches!(files.leave(OTHER, Door::Cuse), Left::Open));
        let Left::Mappings(left) = files.leave(OTHER, Door::Fuse) else {
            panic!("somebody may map it")
        };
        assert!(Arc::ptr_eq(&left, &its));
        assert!(!files.is_closed(OTHER));
        assert_eq!(files.lingering().len(), 1);
    }

    #[test]
    fn a_file_is_closed_once() {
        let files = both();
        mapped(&files, ONE).expect("an arena");
        assert!(!files.begin_close(ONE), "it has a descriptor");
        assert!(matches!(files.leave(ONE, Door::Cuse), Left::Mappings(_)));
        assert!(files.begin_close(ONE));
        assert!(!files.begin_close(ONE), "somebody does so already");
        assert!(files.lingering().is_empty());
        assert!(!files.is_closed(ONE));
        files.forget(ONE);
        assert!(files.is_closed(ONE));
    }
}
