//! `EXPBUF`, and what `mmap` of the node finds at an offset.

use crate::slot::{Plane, PlaneBacking};
use crate::{Error, FileId, MemoryType, Queue};

/// A plane of the queue's own memory, found by its offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedPlane<M> {
    /// The buffer's number.
    pub index: u32,
    /// The plane's.
    pub plane: usize,
    /// Bytes of the plane; `mmap` may take up to these, rounded up to pages.
    pub length: u32,
    /// Its memory.
    pub memory: M,
}

impl<M: Clone + PartialEq> Queue<M> {
    /// `VIDIOC_EXPBUF` up to the descriptor: which memory it is to name. `flags` are the program's,
    /// to be used by whoever makes the descriptor.
    ///
    /// # Errors
    /// In this order: [`Error::NotOwner`] (`EBUSY`); [`Error::NoSuchBuffer`],
    /// [`Error::WrongMemory`], [`Error::WrongFlags`], [`Error::WrongType`],
    /// [`Error::WrongPlanes`] (`EINVAL`); [`Error::FileIoActive`] (`EBUSY`).
    pub fn expbuf(
        &self,
        file: FileId,
        buf_type: u32,
        index: u32,
        plane: u32,
        flags: u32,
    ) -> Result<M, Error> {
        self.check_owner(file)?;
        let slot = self.slot(index)?;
        if self.memory != Some(MemoryType::Mmap) {
            return Err(Error::WrongMemory);
        }
        if flags & !EXPORT_FLAGS != 0 {
            return Err(Error::WrongFlags);
        }
        self.check_type(buf_type)?;
        let plane = usize::try_from(plane).ok().and_then(|plane| slot.planes.get(plane));
        let memory = plane.ok_or(Error::WrongPlanes)?.memory().ok_or(Error::WrongMemory)?;
        self.check_no_fileio()?;
        Ok(memory.clone())
    }

    /// What `mmap` at this offset is about, for any opener.
    ///
    /// # Errors
    /// [`Error::FileIoActive`] (`EBUSY`); [`Error::NoSuchOffset`] (`EINVAL`), on a queue of
    /// imports too.
    pub fn plane_at_offset(&self, offset: u64) -> Result<MappedPlane<M>, Error> {
        self.check_no_fileio()?;
        let found = self.buffers().find_map(|view| {
            let mut planes = view.planes.iter().enumerate();
            planes.find_map(|(number, plane)| mapped(plane, view.index, number, offset))
        });
        found.ok_or(Error::NoSuchOffset)
    }
}

fn mapped<M: Clone>(
    plane: &Plane<M>,
    index: u32,
    number: usize,
    wanted: u64,
) -> Option<MappedPlane<M>> {
    match &plane.backing {
        PlaneBacking::Mmap { memory, offset } if u64::from(*offset) == wanted => {
            Some(MappedPlane { index, plane: number, length: plane.length, memory: memory.clone() })
        }
        PlaneBacking::Mmap { .. }
        | PlaneBacking::None
        | PlaneBacking::UserPtr { .. }
        | PlaneBacking::DmaBuf { .. } => None,
    }
}

/// `O_ACCMODE | O_CLOEXEC`, as on most architectures.
const EXPORT_FLAGS: u32 = 0o3 | 0o200_0000;
