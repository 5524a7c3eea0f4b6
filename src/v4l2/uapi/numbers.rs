//! Ioctl numbers, enumerations and flags.

use super::*;

/// `_IOC_NONE`, `_IOC_WRITE`, `_IOC_READ`: which way an ioctl's argument goes.
pub const IOC_WRITE: u32 = 1;
pub const IOC_READ: u32 = 2;

/// Builds an ioctl's number as `<asm-generic/ioctl.h>` does.
pub const fn ioc(direction: u32, kind: u8, number: u8, size: usize) -> u32 {
    (direction << 30) | ((size as u32) << 16) | ((kind as u32) << 8) | number as u32
}

/// `_IOC_DIR`.
pub const fn ioc_dir(cmd: u32) -> u32 {
    cmd >> 30
}

/// `_IOC_SIZE`, in bytes.
pub const fn ioc_size(cmd: u32) -> usize {
    ((cmd >> 16) & 0x3fff) as usize
}

const fn io(number: u8) -> u32 {
    ioc(0, b'V', number, 0)
}

const fn ior<T>(number: u8) -> u32 {
    ioc(IOC_READ, b'V', number, size_of::<T>())
}

const fn iow<T>(number: u8) -> u32 {
    ioc(IOC_WRITE, b'V', number, size_of::<T>())
}

const fn iowr<T>(number: u8) -> u32 {
    ioc(IOC_READ | IOC_WRITE, b'V', number, size_of::<T>())
}

pub const VIDIOC_QUERYCAP: u32 = ior::<v4l2_capability>(0);
pub const VIDIOC_ENUM_FMT: u32 = iowr::<v4l2_fmtdesc>(2);
pub const VIDIOC_G_FMT: u32 = iowr::<v4l2_format>(4);
pub const VIDIOC_S_FMT: u32 = iowr::<v4l2_format>(5);
pub const VIDIOC_REQBUFS: u32 = iowr::<v4l2_requestbuffers>(8);
pub const VIDIOC_QUERYBUF: u32 = iowr::<v4l2_buffer>(9);
pub const VIDIOC_QBUF: u32 = iowr::<v4l2_buffer>(15);
pub const VIDIOC_EXPBUF: u32 = iowr::<v4l2_exportbuffer>(16);
pub const VIDIOC_DQBUF: u32 = iowr::<v4l2_buffer>(17);
pub const VIDIOC_STREAMON: u32 = iow::<i32>(18);
pub const VIDIOC_STREAMOFF: u32 = iow::<i32>(19);
pub const VIDIOC_G_PARM: u32 = iowr::<v4l2_streamparm>(21);
pub const VIDIOC_S_PARM: u32 = iowr::<v4l2_streamparm>(22);
pub const VIDIOC_ENUMINPUT: u32 = iowr::<v4l2_input>(26);
pub const VIDIOC_G_CTRL: u32 = iowr::<v4l2_control>(27);
pub const VIDIOC_S_CTRL: u32 = iowr::<v4l2_control>(28);
pub const VIDIOC_QUERYCTRL: u32 = iowr::<v4l2_queryctrl>(36);
pub const VIDIOC_QUERYMENU: u32 = iowr::<v4l2_querymenu>(37);
pub const VIDIOC_G_INPUT: u32 = ior::<i32>(38);
pub const VIDIOC_S_INPUT: u32 = iowr::<i32>(39);
pub const VIDIOC_G_OUTPUT: u32 = ior::<i32>(46);
pub const VIDIOC_S_OUTPUT: u32 = iowr::<i32>(47);
pub const VIDIOC_ENUMOUTPUT: u32 = iowr::<v4l2_output>(48);
pub const VIDIOC_TRY_FMT: u32 = iowr::<v4l2_format>(64);
pub const VIDIOC_G_PRIORITY: u32 = ior::<u32>(67);
pub const VIDIOC_S_PRIORITY: u32 = iow::<u32>(68);
pub const VIDIOC_LOG_STATUS: u32 = io(70);
pub const VIDIOC_G_EXT_CTRLS: u32 = iowr::<v4l2_ext_controls>(71);
pub const VIDIOC_S_EXT_CTRLS: u32 = iowr::<v4l2_ext_controls>(72);
pub const VIDIOC_TRY_EXT_CTRLS: u32 = iowr::<v4l2_ext_controls>(73);
pub const VIDIOC_ENUM_FRAMESIZES: u32 = iowr::<v4l2_frmsizeenum>(74);
pub const VIDIOC_ENUM_FRAMEINTERVALS: u32 = iowr::<v4l2_frmivalenum>(75);
pub const VIDIOC_DQEVENT: u32 = ior::<v4l2_event>(89);
pub const VIDIOC_SUBSCRIBE_EVENT: u32 = iow::<v4l2_event_subscription>(90);
pub const VIDIOC_UNSUBSCRIBE_EVENT: u32 = iow::<v4l2_event_subscription>(91);
pub const VIDIOC_CREATE_BUFS: u32 = iowr::<v4l2_create_buffers>(92);
pub const VIDIOC_PREPARE_BUF: u32 = iowr::<v4l2_buffer>(93);
pub const VIDIOC_QUERY_EXT_CTRL: u32 = iowr::<v4l2_query_ext_ctrl>(103);
pub const VIDIOC_REMOVE_BUFS: u32 = iowr::<v4l2_remove_buffers>(104);

pub const VIDEO_MAX_PLANES: usize = 8;

pub const V4L2_CAP_VIDEO_CAPTURE: u32 = 0x0000_0001;
pub const V4L2_CAP_VIDEO_OUTPUT: u32 = 0x0000_0002;
pub const V4L2_CAP_VIDEO_CAPTURE_MPLANE: u32 = 0x0000_1000;
pub const V4L2_CAP_VIDEO_OUTPUT_MPLANE: u32 = 0x0000_2000;
pub const V4L2_CAP_EXT_PIX_FORMAT: u32 = 0x0020_0000;
pub const V4L2_CAP_READWRITE: u32 = 0x0100_0000;
pub const V4L2_CAP_STREAMING: u32 = 0x0400_0000;
pub const V4L2_CAP_DEVICE_CAPS: u32 = 0x8000_0000;

pub const V4L2_BUF_TYPE_VIDEO_CAPTURE: u32 = 1;
pub const V4L2_BUF_TYPE_VIDEO_OUTPUT: u32 = 2;
pub const V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE: u32 = 9;
pub const V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE: u32 = 10;

pub const V4L2_FIELD_ANY: u32 = 0;
pub const V4L2_FIELD_NONE: u32 = 1;
pub const V4L2_FIELD_ALTERNATE: u32 = 7;

pub const V4L2_MEMORY_MMAP: u32 = 1;
pub const V4L2_MEMORY_USERPTR: u32 = 2;
pub const V4L2_MEMORY_DMABUF: u32 = 4;
pub const V4L2_MEMORY_FLAG_NON_COHERENT: u32 = 1;

pub const V4L2_COLORSPACE_DEFAULT: u32 = 0;
pub const V4L2_COLORSPACE_SMPTE170M: u32 = 1;
pub const V4L2_COLORSPACE_REC709: u32 = 3;
pub const V4L2_COLORSPACE_SRGB: u32 = 8;
pub const V4L2_COLORSPACE_DCI_P3: u32 = 12;
pub const V4L2_XFER_FUNC_DEFAULT: u32 = 0;
pub const V4L2_XFER_FUNC_SMPTE2084: u32 = 7;
pub const V4L2_YCBCR_ENC_DEFAULT: u32 = 0;
pub const V4L2_YCBCR_ENC_601: u32 = 1;
pub const V4L2_YCBCR_ENC_709: u32 = 2;
pub const V4L2_YCBCR_ENC_SMPTE240M: u32 = 8;
pub const V4L2_QUANTIZATION_DEFAULT: u32 = 0;
pub const V4L2_QUANTIZATION_FULL_RANGE: u32 = 1;
pub const V4L2_QUANTIZATION_LIM_RANGE: u32 = 2;

pub const V4L2_PIX_FMT_PRIV_MAGIC: u32 = 0xfeed_cafe;
pub const V4L2_FMT_FLAG_COMPRESSED: u32 = 0x0001;

pub const V4L2_BUF_CAP_SUPPORTS_MMAP: u32 = 1 << 0;
pub const V4L2_BUF_CAP_SUPPORTS_USERPTR: u32 = 1 << 1;
pub const V4L2_BUF_CAP_SUPPORTS_DMABUF: u32 = 1 << 2;
pub const V4L2_BUF_CAP_SUPPORTS_ORPHANED_BUFS: u32 = 1 << 4;
pub const V4L2_BUF_CAP_SUPPORTS_MAX_NUM_BUFFERS: u32 = 1 << 7;
pub const V4L2_BUF_CAP_SUPPORTS_REMOVE_BUFS: u32 = 1 << 8;

pub const V4L2_BUF_FLAG_MAPPED: u32 = 0x0000_0001;
pub const V4L2_BUF_FLAG_QUEUED: u32 = 0x0000_0002;
pub const V4L2_BUF_FLAG_DONE: u32 = 0x0000_0004;
pub const V4L2_BUF_FLAG_KEYFRAME: u32 = 0x0000_0008;
pub const V4L2_BUF_FLAG_PFRAME: u32 = 0x0000_0010;
pub const V4L2_BUF_FLAG_BFRAME: u32 = 0x0000_0020;
pub const V4L2_BUF_FLAG_ERROR: u32 = 0x0000_0040;
pub const V4L2_BUF_FLAG_IN_REQUEST: u32 = 0x0000_0080;
pub const V4L2_BUF_FLAG_TIMECODE: u32 = 0x0000_0100;
pub const V4L2_BUF_FLAG_PREPARED: u32 = 0x0000_0400;
pub const V4L2_BUF_FLAG_NO_CACHE_INVALIDATE: u32 = 0x0000_0800;
pub const V4L2_BUF_FLAG_NO_CACHE_CLEAN: u32 = 0x0000_1000;
pub const V4L2_BUF_FLAG_TIMESTAMP_MASK: u32 = 0x0000_e000;
pub const V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC: u32 = 0x0000_2000;
pub const V4L2_BUF_FLAG_TIMESTAMP_COPY: u32 = 0x0000_4000;
pub const V4L2_BUF_FLAG_TSTAMP_SRC_MASK: u32 = 0x0007_0000;
pub const V4L2_BUF_FLAG_TSTAMP_SRC_SOE: u32 = 0x0001_0000;
pub const V4L2_BUF_FLAG_LAST: u32 = 0x0010_0000;
pub const V4L2_BUF_FLAG_REQUEST_FD: u32 = 0x0080_0000;

pub const V4L2_FRMSIZE_TYPE_DISCRETE: u32 = 1;
pub const V4L2_FRMIVAL_TYPE_DISCRETE: u32 = 1;
pub const V4L2_CAP_TIMEPERFRAME: u32 = 0x1000;

pub const V4L2_INPUT_TYPE_CAMERA: u32 = 2;
pub const V4L2_OUTPUT_TYPE_ANALOG: u32 = 2;
pub const V4L2_IN_ST_NO_SIGNAL: u32 = 0x0000_0002;

pub const V4L2_PRIORITY_UNSET: u32 = 0;
pub const V4L2_PRIORITY_BACKGROUND: u32 = 1;
pub const V4L2_PRIORITY_INTERACTIVE: u32 = 2;
pub const V4L2_PRIORITY_RECORD: u32 = 3;

pub const V4L2_CTRL_MAX_DIMS: usize = 4;
pub const V4L2_CID_MAX_CTRLS: u32 = 1024;
pub const V4L2_CTRL_ID_MASK: u32 = 0x0fff_ffff;
pub const V4L2_CTRL_WHICH_CUR_VAL: u32 = 0;
pub const V4L2_CTRL_WHICH_DEF_VAL: u32 = 0x0f00_0000;
pub const V4L2_CTRL_WHICH_REQUEST_VAL: u32 = 0x0f01_0000;
pub const V4L2_CTRL_WHICH_MIN_VAL: u32 = 0x0f02_0000;
pub const V4L2_CTRL_WHICH_MAX_VAL: u32 = 0x0f03_0000;
pub const V4L2_CTRL_TYPE_INTEGER: u32 = 1;
pub const V4L2_CTRL_TYPE_BOOLEAN: u32 = 2;
pub const V4L2_CTRL_TYPE_MENU: u32 = 3;
pub const V4L2_CTRL_TYPE_CTRL_CLASS: u32 = 6;
pub const V4L2_CTRL_FLAG_READ_ONLY: u32 = 0x0004;
pub const V4L2_CTRL_FLAG_SLIDER: u32 = 0x0020;
pub const V4L2_CTRL_FLAG_WRITE_ONLY: u32 = 0x0040;
pub const V4L2_CTRL_FLAG_NEXT_CTRL: u32 = 0x8000_0000;
pub const V4L2_CTRL_FLAG_NEXT_COMPOUND: u32 = 0x4000_0000;
pub const V4L2_CID_PRIVATE_BASE: u32 = 0x0800_0000;
pub const V4L2_CTRL_CLASS_USER: u32 = 0x0098_0000;
pub const V4L2_CTRL_CLASS_IMAGE_PROC: u32 = 0x009f_0000;
pub const V4L2_CID_USER_CLASS: u32 = V4L2_CTRL_CLASS_USER | 1;
pub const V4L2_CID_BASE: u32 = V4L2_CTRL_CLASS_USER | 0x900;
pub const V4L2_CID_BRIGHTNESS: u32 = V4L2_CID_BASE;
pub const V4L2_CID_CONTRAST: u32 = V4L2_CID_BASE + 1;
pub const V4L2_CID_SATURATION: u32 = V4L2_CID_BASE + 2;
pub const V4L2_CID_HUE: u32 = V4L2_CID_BASE + 3;
pub const V4L2_CID_HFLIP: u32 = V4L2_CID_BASE + 20;
pub const V4L2_CID_VFLIP: u32 = V4L2_CID_BASE + 21;
pub const V4L2_CID_IMAGE_PROC_CLASS: u32 = V4L2_CTRL_CLASS_IMAGE_PROC | 1;
pub const V4L2_CID_TEST_PATTERN: u32 = (V4L2_CTRL_CLASS_IMAGE_PROC | 0x900) + 3;

pub const V4L2_EVENT_ALL: u32 = 0;
pub const V4L2_EVENT_EOS: u32 = 2;
pub const V4L2_EVENT_CTRL: u32 = 3;
pub const V4L2_EVENT_FRAME_SYNC: u32 = 4;
pub const V4L2_EVENT_SOURCE_CHANGE: u32 = 5;
pub const V4L2_EVENT_CTRL_CH_VALUE: u32 = 1 << 0;
pub const V4L2_EVENT_CTRL_CH_FLAGS: u32 = 1 << 1;
pub const V4L2_EVENT_CTRL_CH_RANGE: u32 = 1 << 2;
pub const V4L2_EVENT_SRC_CH_RESOLUTION: u32 = 1 << 0;
pub const V4L2_EVENT_SUB_FL_SEND_INITIAL: u32 = 1 << 0;
pub const V4L2_EVENT_SUB_FL_ALLOW_FEEDBACK: u32 = 1 << 1;

/// `v4l2_fourcc`: a format's code from its four characters.
pub const fn fourcc(code: &[u8; 4]) -> u32 {
    u32::from_le_bytes(*code)
}

pub const V4L2_PIX_FMT_YUYV: u32 = fourcc(b"YUYV");
pub const V4L2_PIX_FMT_UYVY: u32 = fourcc(b"UYVY");
pub const V4L2_PIX_FMT_NV12: u32 = fourcc(b"NV12");
pub const V4L2_PIX_FMT_NV21: u32 = fourcc(b"NV21");
pub const V4L2_PIX_FMT_YUV420: u32 = fourcc(b"YU12");
pub const V4L2_PIX_FMT_YVU420: u32 = fourcc(b"YV12");
pub const V4L2_PIX_FMT_RGB24: u32 = fourcc(b"RGB3");
pub const V4L2_PIX_FMT_BGR24: u32 = fourcc(b"BGR3");
pub const V4L2_PIX_FMT_XBGR32: u32 = fourcc(b"XR24");
pub const V4L2_PIX_FMT_XRGB32: u32 = fourcc(b"BX24");
pub const V4L2_PIX_FMT_RGBX32: u32 = fourcc(b"XB24");
pub const V4L2_PIX_FMT_BGRX32: u32 = fourcc(b"RX24");
pub const V4L2_PIX_FMT_GREY: u32 = fourcc(b"GREY");
pub const V4L2_PIX_FMT_NV12M: u32 = fourcc(b"NM12");
pub const V4L2_PIX_FMT_YUV420M: u32 = fourcc(b"YM12");
