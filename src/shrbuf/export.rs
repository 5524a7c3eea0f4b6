//! With which rights a buffer is exported.

/// Access mode of an exported descriptor, the two lowest bits of `v4l2_exportbuffer.flags`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// `O_RDONLY`: can be mapped for reading only.
    ReadOnly,
    /// `O_WRONLY`: can't be mapped (a mapping has to be readable).
    WriteOnly,
    /// `O_RDWR`.
    ReadWrite,
    /// 3, which Linux knows without a name: can't be mapped, read or written, only passed on and
    /// imported.
    Neither,
}

/// How a buffer is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExportFlags {
    /// What the descriptor allows.
    pub access: Access,
    /// Whether the returned descriptor is closed on `exec`. Who passes it on by `SCM_RIGHTS`
    /// should ask for `true`: what the receiver gets is for the receiver to say.
    pub cloexec: bool,
}

impl ExportFlags {
    /// Reads `v4l2_exportbuffer.flags`. `None` (`EINVAL`) for any flag but the access mode and
    /// `O_CLOEXEC`.
    #[must_use]
    pub fn from_bits(flags: u32) -> Option<Self> {
        let flags = i32::try_from(flags).ok()?;
        if flags & !(libc::O_ACCMODE | libc::O_CLOEXEC) != 0 {
            return None;
        }
        let access = match flags & libc::O_ACCMODE {
            libc::O_RDONLY => Access::ReadOnly,
            libc::O_WRONLY => Access::WriteOnly,
            libc::O_RDWR => Access::ReadWrite,
            _ => Access::Neither,
        };
        Some(Self { access, cloexec: flags & libc::O_CLOEXEC != 0 })
    }

    /// As flags of `open(2)`.
    #[must_use]
    pub fn open_flags(self) -> i32 {
        let access = match self.access {
            Access::ReadOnly => libc::O_RDONLY,
            Access::WriteOnly => libc::O_WRONLY,
            Access::ReadWrite => libc::O_RDWR,
            Access::Neither => libc::O_ACCMODE,
        };
        access | if self.cloexec { libc::O_CLOEXEC } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_expbuf_are_access_and_cloexec_and_nothing_else() {
        let cloexec = libc::O_CLOEXEC.cast_unsigned();
        for bits in [0, 1, 2, 3, cloexec, cloexec | 2, cloexec | 3] {
            let flags = ExportFlags::from_bits(bits).expect("known flags");
            assert_eq!(flags.open_flags().cast_unsigned(), bits);
        }
        for bits in [libc::O_NONBLOCK, libc::O_CREAT, libc::O_PATH | libc::O_RDWR, -1] {
            assert_eq!(ExportFlags::from_bits(bits.cast_unsigned()), None, "{bits:o}");
        }
    }
}
