//! Between the queue's words and `v4l2_buffer`.
//!
//! On the way in, [`request`] makes a [`vb2::BufferRequest`] of the caller's struct and of what
//! was fetched for it; on the way out, [`describe`] (or, for a call that was parked as bytes,
//! [`complete`]) writes a [`vb2::BufferInfo`] back.

use nix::errno::Errno;
use vb2::{BufferInfo, BufferRequest, PlaneHandle, PlaneInfo, PlaneRequest, PlaneSource};
use zerocopy::FromBytes;

use super::nested::{read_array, write_array};
use super::uapi::*;
use super::{Buffer, Context, Node, UserPlane};

/// `V4L2_BUF_CAP_SUPPORTS_…` of every queue. `CREATE_BUFS` adds `MAX_NUM_BUFFERS`, whose field it
/// alone has.
pub const CAPABILITIES: u32 = V4L2_BUF_CAP_SUPPORTS_MMAP
    | V4L2_BUF_CAP_SUPPORTS_USERPTR
    | V4L2_BUF_CAP_SUPPORTS_DMABUF
    | V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS
    | V4L2_BUF_CAP_SUPPORTS_REMOVE_BUFS;

/// The planes that a `QBUF` or `PREPARE_BUF` brings, with the memory that was fetched for them.
pub fn plane_requests(
    ctx: &Context<'_>,
    node: Node,
    buffer: &v4l2_buffer,
    planes: &[v4l2_plane],
) -> Vec<PlaneRequest<Buffer>> {
    let single = [buffer.plane()];
    let planes = if node.mplane { planes } else { &single };
    let request = |(place, plane): (usize, &v4l2_plane)| PlaneRequest {
        bytesused: plane.bytesused,
        data_offset: plane.data_offset,
        length: plane.length,
        source: source(ctx, buffer.memory, place, plane),
    };
    planes.iter().enumerate().map(request).collect()
}

/// What a `QBUF` or `PREPARE_BUF` says, with its [`plane_requests`].
pub fn request<'a>(
    buffer: &v4l2_buffer,
    planes: &'a [PlaneRequest<Buffer>],
) -> BufferRequest<'a, Buffer> {
    BufferRequest {
        buf_type: buffer.type_,
        index: buffer.index,
        memory: buffer.memory,
        flags: buffer.flags,
        field: buffer.field,
        timestamp_ns: buffer.timestamp.ns(),
        timecode: buffer.timecode.into(),
        planes,
    }
}

fn source(ctx: &Context<'_>, memory: u32, place: usize, plane: &v4l2_plane) -> PlaneSource<Buffer> {
    match memory {
        V4L2_MEMORY_DMABUF => {
            let memory = ctx.imports.get(place).cloned().flatten();
            PlaneSource::DmaBuf { fd: plane.fd(), memory }
        }
        V4L2_MEMORY_USERPTR => {
            let fetched = ctx.user.get(place).and_then(Option::as_ref);
            let memory = fetched.map(|UserPlane { buffer, .. }| buffer.clone());
            PlaneSource::UserPtr { address: plane.m, memory }
        }
        _ => PlaneSource::Mmap,
    }
}

/// Writes what the queue says of a buffer into the caller's struct and array of planes. All of
/// the struct is the queue's answer, but for the array's address.
pub fn describe(
    info: &BufferInfo,
    node: Node,
    buffer: &mut v4l2_buffer,
    planes: &mut [v4l2_plane],
) {
    let address = buffer.m;
    *buffer = v4l2_buffer {
        index: info.index,
        type_: node.buf_type(),
        flags: info.flags,
        field: info.field,
        timestamp: info.timestamp_ns.into(),
        timecode: info.timecode.into(),
        sequence: info.sequence,
        memory: info.memory.raw(),
        ..v4l2_buffer::default()
    };
    if node.mplane {
        buffer.m = address;
        buffer.length = u32::try_from(info.planes.len()).unwrap_or(u32::MAX);
        for (plane, info) in planes.iter_mut().zip(&info.planes) {
            *plane = v4l2_plane {
                bytesused: info.bytesused,
                length: info.length,
                m: handle(info),
                data_offset: info.data_offset,
                reserved: [0; 11],
            };
        }
    } else if let Some(info) = info.planes.first() {
        buffer.bytesused = info.bytesused;
        buffer.length = info.length;
        buffer.m = handle(info);
    }
}

/// The same for a call that is kept as bytes: a `DQBUF` that was parked. `arg` and `nested` are
/// those it came with.
///
/// # Errors
/// `EINVAL` where `arg` is no `v4l2_buffer`.
pub fn complete(
    info: &BufferInfo,
    node: Node,
    arg: &mut [u8],
    nested: &mut [u8],
) -> Result<(), Errno> {
    let mut buffer = v4l2_buffer::read_from_bytes(arg).map_err(|_| Errno::EINVAL)?;
    let mut planes: Vec<v4l2_plane> = read_array(nested);
    describe(info, node, &mut buffer, &mut planes);
    super::dispatch::write(arg, &buffer);
    write_array(nested, &planes);
    Ok(())
}

/// The union `m`; a half that the handle doesn't fill is 0.
fn handle(info: &PlaneInfo) -> u64 {
    match info.handle {
        PlaneHandle::MemOffset(offset) => offset.into(),
        PlaneHandle::UserPtr(address) => address,
        PlaneHandle::Fd(fd) => (fd as u32).into(),
    }
}

impl From<v4l2_timecode> for vb2::Timecode {
    fn from(from: v4l2_timecode) -> Self {
        let v4l2_timecode { type_, flags, frames, seconds, minutes, hours, userbits } = from;
        Self { kind: type_, flags, frames, seconds, minutes, hours, userbits }
    }
}

impl From<vb2::Timecode> for v4l2_timecode {
    fn from(from: vb2::Timecode) -> Self {
        let vb2::Timecode { kind, flags, frames, seconds, minutes, hours, userbits } = from;
        Self { type_: kind, flags, frames, seconds, minutes, hours, userbits }
    }
}

/// The bytes of each plane that a `CREATE_BUFS` asks for: all that it looks at in a format. As many
/// as `num_planes` says, right or not.
pub fn create_sizes(node: Node, create: &v4l2_create_buffers) -> Vec<u32> {
    if !node.mplane {
        return vec![create.format.pix().sizeimage];
    }
    let pix = create.format.pix_mp();
    pix.plane_fmt.iter().take(pix.num_planes.into()).map(|plane| plane.sizeimage).collect()
}

/// What a `CREATE_BUFS` says, with its [`create_sizes`].
pub fn create_request<'a>(create: &v4l2_create_buffers, sizes: &'a [u32]) -> vb2::Create<'a> {
    vb2::Create {
        buf_type: create.format.type_,
        memory: create.memory,
        count: create.count,
        num_planes: u32::try_from(sizes.len()).unwrap_or(u32::MAX),
        sizes,
    }
}

/// The errno of what the queue refuses.
pub fn errno(error: vb2::Error) -> Errno {
    Errno::from_raw(error.errno())
}

#[cfg(test)]
mod tests {
    use zerocopy::IntoBytes;

    use super::*;
    use crate::v4l2::{Direction, FileId, Ticket};

    const SINGLE: Node = Node { direction: Direction::Capture, mplane: false };
    const MULTI: Node = Node { mplane: true, ..SINGLE };

    fn info(planes: &[PlaneInfo]) -> BufferInfo {
        BufferInfo {
            index: 3,
            buf_type: vb2::BufType::VideoCapture,
            memory: vb2::MemoryType::DmaBuf,
            flags: V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC,
            field: V4L2_FIELD_NONE,
            timestamp_ns: 5_000_007_900,
            timecode: vb2::Timecode::default(),
            sequence: 9,
            planes: planes.to_vec(),
        }
    }

    fn plane(bytesused: u32, handle: PlaneHandle) -> PlaneInfo {
        PlaneInfo { bytesused, length: 4096, data_offset: 0, handle }
    }

    #[test]
    fn a_single_planar_buffer_has_its_plane_in_itself() {
        let mut buffer =
            v4l2_buffer { reserved2: 7, request_fd: -1, m: u64::MAX, ..Default::default() };
        describe(&info(&[plane(100, PlaneHandle::Fd(-1))]), SINGLE, &mut buffer, &mut []);
        assert_eq!((buffer.index, buffer.type_, buffer.memory), (3, 1, V4L2_MEMORY_DMABUF));
        assert_eq!((buffer.bytesused, buffer.length, buffer.m), (100, 4096, 0xffff_ffff));
        assert_eq!((buffer.timestamp.tv_sec, buffer.timestamp.tv_usec), (5, 7));
        assert_eq!((buffer.reserved2, buffer.request_fd), (0, 0));
    }

    #[test]
    fn a_multi_planar_buffer_keeps_its_array_and_says_how_many_planes_it_has() {
        let mut buffer = v4l2_buffer { m: 0x1000, length: 8, ..Default::default() };
        let mut planes = [v4l2_plane { reserved: [7; 11], m: u64::MAX, ..Default::default() }; 3];
        let two = [plane(1, PlaneHandle::MemOffset(4096)), plane(2, PlaneHandle::UserPtr(77))];
        describe(&info(&two), MULTI, &mut buffer, &mut planes);
        assert_eq!((buffer.m, buffer.length, buffer.bytesused), (0x1000, 2, 0));
        assert_eq!((planes[0].m, planes[1].m, planes[1].bytesused), (4096, 77, 2));
        assert_eq!(planes[1].reserved, [0; 11]);
        assert_eq!(planes[2].m, u64::MAX, "what is beyond the buffer's planes stays");
    }

    #[test]
    fn a_parked_call_is_completed_in_its_bytes() {
        let buffer = v4l2_buffer { m: 0x1000, length: 1, ..Default::default() };
        let mut arg = buffer.as_bytes().to_vec();
        let mut nested = vec![0xff; 64];
        let one = [plane(1, PlaneHandle::MemOffset(0))];
        complete(&info(&one), MULTI, &mut arg, &mut nested).unwrap();
        assert_eq!(v4l2_buffer::read_from_bytes(&arg).unwrap().sequence, 9);
        assert_eq!(v4l2_plane::read_from_bytes(&nested).unwrap().bytesused, 1);
        assert_eq!(complete(&info(&one), MULTI, &mut arg[1..], &mut nested), Err(Errno::EINVAL));
    }

    #[test]
    fn requests_take_the_planes_from_where_the_api_has_them() {
        let ctx = Context {
            file: FileId(1),
            uid: 0,
            ticket: Ticket(1),
            may_park: false,
            now_ns: 0,
            imports: &[],
            user: &[],
        };
        let buffer = v4l2_buffer {
            memory: V4L2_MEMORY_DMABUF,
            m: 5,
            length: 2,
            bytesused: 10,
            timestamp: timeval { tv_sec: 1, tv_usec: 2 },
            ..Default::default()
        };
        let single = plane_requests(&ctx, SINGLE, &buffer, &[]);
        assert_eq!((single.len(), single[0].bytesused, single[0].length), (1, 10, 2));
        let named = |source: &PlaneSource<Buffer>| match source {
            PlaneSource::DmaBuf { fd, memory } => Some((*fd, memory.is_some())),
            _ => None,
        };
        assert_eq!(named(&single[0].source), Some((5, false)));
        let planes = [v4l2_plane { m: 6, ..Default::default() }, v4l2_plane::default()];
        let multi = plane_requests(&ctx, MULTI, &buffer, &planes);
        assert_eq!(multi.iter().filter_map(|one| named(&one.source)).count(), 2);
        assert_eq!(request(&buffer, &multi).timestamp_ns, 1_000_002_000);
    }
}
