//! What of the caller's memory and descriptors a call needs besides its argument.
//!
//! The kernel's core reads an array before all else, so a bad one is seen before an unknown
//! type, another owner or a low priority.

use nix::errno::Errno;
use zerocopy::FromBytes;

use super::uapi::*;

/// An array in the caller's memory, to be read before the call and written after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nested {
    /// Where it lies in the caller's memory. It may be any number, 0 too.
    pub address: u64,
    /// Bytes; more than 0.
    pub len: usize,
}

/// What one plane of a buffer is to be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaneNeed {
    /// Nothing of the caller's.
    Nothing,
    /// The dma-buf that this descriptor of the caller's names.
    Descriptor(i32),
    /// The caller's own memory.
    Memory {
        /// Its address.
        address: u64,
        /// Bytes that the caller promises.
        length: u64,
        /// Bytes that the caller says are used (output; 0: all).
        bytesused: u64,
    },
}

/// What the planes of a `QBUF` or `PREPARE_BUF` need, by plane; empty for every other call.
pub type Needs = Vec<PlaneNeed>;

/// Whether the call comes with an array in the caller's memory. Asked before
/// [`dispatch`](super::dispatch()).
///
/// # Errors
/// `EINVAL` for more than `VIDEO_MAX_PLANES` planes or `V4L2_CID_MAX_CTRLS` controls, whatever
/// else is wrong. A bad address shows when it is read: `EFAULT`.
pub fn nested(cmd: u32, arg: &[u8]) -> Result<Option<Nested>, Errno> {
    let (address, count, most, size) = match cmd {
        VIDIOC_QUERYBUF | VIDIOC_QBUF | VIDIOC_DQBUF | VIDIOC_PREPARE_BUF => {
            let Ok(buffer) = v4l2_buffer::read_from_bytes(arg) else { return Ok(None) };
            if !is_mplane(buffer.type_) {
                return Ok(None);
            }
            (buffer.m, buffer.length, VIDEO_MAX_PLANES, size_of::<v4l2_plane>())
        }
        VIDIOC_G_EXT_CTRLS | VIDIOC_S_EXT_CTRLS | VIDIOC_TRY_EXT_CTRLS => {
            let Ok(head) = v4l2_ext_controls::read_from_bytes(arg) else { return Ok(None) };
            let most = V4L2_CID_MAX_CTRLS as usize;
            (head.controls, head.count, most, size_of::<v4l2_ext_control>())
        }
        _ => return Ok(None),
    };
    match usize::try_from(count).map_err(|_| Errno::EINVAL)? {
        0 => Ok(None),
        count if count > most => Err(Errno::EINVAL),
        count => Ok(Some(Nested { address, len: count.saturating_mul(size) })),
    }
}

/// Which descriptors and memory a call names. Asked before [`dispatch`](super::dispatch()), with
/// the nested array already read.
pub fn needs(cmd: u32, arg: &[u8], nested: &[u8]) -> Needs {
    if cmd != VIDIOC_QBUF && cmd != VIDIOC_PREPARE_BUF {
        return Needs::new();
    }
    let Ok(buffer) = v4l2_buffer::read_from_bytes(arg) else { return Needs::new() };
    let planes = if is_mplane(buffer.type_) {
        read_array::<v4l2_plane>(nested)
    } else {
        vec![buffer.plane()]
    };
    planes.iter().map(|plane| plane_need(buffer.memory, plane)).collect()
}

fn plane_need(memory: u32, plane: &v4l2_plane) -> PlaneNeed {
    match memory {
        V4L2_MEMORY_DMABUF => PlaneNeed::Descriptor(plane.fd()),
        V4L2_MEMORY_USERPTR => PlaneNeed::Memory {
            address: plane.m,
            length: plane.length.into(),
            bytesused: plane.bytesused.into(),
        },
        _ => PlaneNeed::Nothing,
    }
}

/// `V4L2_TYPE_IS_MULTIPLANAR`: whether a buffer of this type comes with an array of planes.
fn is_mplane(buf_type: u32) -> bool {
    matches!(buf_type, V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE | V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE)
}

/// The structs in an array's bytes; what is too short for one at the end is left out.
pub(super) fn read_array<T: Argument>(bytes: &[u8]) -> Vec<T> {
    bytes.chunks_exact(size_of::<T>()).filter_map(|bytes| T::read_from_bytes(bytes).ok()).collect()
}

/// Writes the structs back where they were read.
pub(super) fn write_array<T: Argument>(bytes: &mut [u8], array: &[T]) {
    for (bytes, value) in bytes.chunks_exact_mut(size_of::<T>()).zip(array) {
        bytes.copy_from_slice(value.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::IntoBytes;

    fn buffer(type_: u32, length: u32) -> v4l2_buffer {
        v4l2_buffer { type_, length, m: 0x1000, ..Default::default() }
    }

    fn planes_of(buffer: v4l2_buffer) -> Result<Option<Nested>, Errno> {
        nested(VIDIOC_QBUF, buffer.as_bytes())
    }

    #[test]
    fn the_type_says_whether_there_is_an_array_of_planes() {
        let array = Nested { address: 0x1000, len: 128 };
        assert_eq!(planes_of(buffer(V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE, 2)), Ok(Some(array)));
        assert_eq!(planes_of(buffer(V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE, 2)), Ok(Some(array)));
        assert_eq!(planes_of(buffer(V4L2_BUF_TYPE_VIDEO_CAPTURE, 2)), Ok(None));
        assert_eq!(planes_of(buffer(0x7fff_fff0, 2)), Ok(None));
        assert_eq!(planes_of(buffer(V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE, 0)), Ok(None));
        for length in [9, u32::MAX] {
            let answer = planes_of(buffer(V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE, length));
            assert_eq!(answer, Err(Errno::EINVAL), "{length}");
        }
        assert_eq!(nested(VIDIOC_QBUF, &[0; 3]), Ok(None));
    }

    #[test]
    fn controls_are_an_array_of_at_most_so_many() {
        let controls = |count| {
            let head = v4l2_ext_controls { count, controls: 8, ..Default::default() };
            nested(VIDIOC_TRY_EXT_CTRLS, head.as_bytes())
        };
        assert_eq!(controls(0), Ok(None));
        assert_eq!(controls(1024), Ok(Some(Nested { address: 8, len: 20480 })));
        assert_eq!(controls(1025), Err(Errno::EINVAL));
    }

    #[test]
    fn imports_and_user_memory_are_named_by_plane() {
        let single = v4l2_buffer { memory: V4L2_MEMORY_USERPTR, ..buffer(1, 50) };
        let memory = PlaneNeed::Memory { address: 0x1000, length: 50, bytesused: 0 };
        assert_eq!(needs(VIDIOC_QBUF, single.as_bytes(), &[]), [memory]);
        assert_eq!(needs(VIDIOC_DQBUF, single.as_bytes(), &[]), []);
        let multi = v4l2_buffer { memory: V4L2_MEMORY_DMABUF, ..buffer(9, 2) };
        let mut planes = [v4l2_plane::default(); 2];
        planes[0].set_m32(7);
        planes[1].set_m32(-1_i32 as u32);
        let got = needs(VIDIOC_PREPARE_BUF, multi.as_bytes(), planes.as_bytes());
        assert_eq!(got, [PlaneNeed::Descriptor(7), PlaneNeed::Descriptor(-1)]);
        let mmap = v4l2_buffer { memory: V4L2_MEMORY_MMAP, ..buffer(1, 50) };
        assert_eq!(needs(VIDIOC_QBUF, mmap.as_bytes(), &[]), [PlaneNeed::Nothing]);
    }
}
